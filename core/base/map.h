/* map.h - from a name to an index: row ids, feature names, keys. Open addressing, names are copied,
 * no removal. */
#ifndef STELE_BASE_MAP_H
#define STELE_BASE_MAP_H

#include "base/diag.h"

#include <stddef.h>
#include <stdint.h>

typedef struct stele__map stele__map;

STELE_NODISCARD stele_status stele__map_create(stele__map **ret);
void stele__map_destroy(stele__map *map); /* NULL is legal */
/* Index of `name`: the one it has, or the next free one (0, 1, 2, ...). *ret_new, if not NULL,
 * tells which. */
STELE_NODISCARD stele_status stele__map_add(stele__map *map, const char *name, int64_t *ret_index,
                                            int *ret_new);
int64_t stele__map_find(const stele__map *map, const char *name); /* -1 when absent */
int64_t stele__map_count(const stele__map *map);
const char *stele__map_name(const stele__map *map, int64_t index); /* borrowed */

#endif
