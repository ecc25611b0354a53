#include "base/map.h"

#include "base/mem.h"

#include <string.h>

/* Copies of names, one behind the other: ids of many rows are short. A block never moves. */
typedef struct block {
    struct block *before;
    size_t size, used;
    char bytes[];
} block;

/* No index: the number of names stays below it. */
#define FREE UINT32_MAX
/* Blocks grow up to this size. */
#define MOST ((size_t)1 << 16)

struct stele__map {
    const char **name;
    int64_t n, capacity;
    uint32_t *slot; /* FREE or an index into name */
    uint64_t n_slots;
    block *last;
};

/* FNV-1a, 64 bits. */
static uint64_t hash_of(const char *s)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (; *s != '\0'; s++) {
        h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
    }
    return h ^ (h >> 32);
}

stele_status stele__map_create(stele__map **ret)
{
    stele__map *map = stele__calloc(1, sizeof *map);
    if (map == NULL) {
        return STELE_E_NOMEM;
    }
    *ret = map;
    return STELE_OK;
}

void stele__map_destroy(stele__map *map)
{
    if (map == NULL) {
        return;
    }
    while (map->last != NULL) {
        block *b = map->last;
        map->last = b->before;
        stele__free(b);
    }
    stele__free(map->name);
    stele__free(map->slot);
    stele__free(map);
}

static uint64_t slot_of(const stele__map *map, const char *name)
{
    uint64_t i = hash_of(name) & (map->n_slots - 1);
    while (map->slot[i] != FREE && strcmp(map->name[map->slot[i]], name) != 0) {
        i = (i + 1) & (map->n_slots - 1);
    }
    return i;
}

/* Keep the table at most half full, so that probing stays short. */
static stele_status grow(stele__map *map)
{
    uint64_t n_slots = map->n_slots != 0 ? 2 * map->n_slots : 16;
    uint32_t *slot = n_slots / 2 < FREE ? stele__malloc(n_slots * sizeof *slot) : NULL;
    const char **name = slot != NULL ? stele__realloc(map->name, n_slots / 2 * sizeof *name) : NULL;
    if (name != NULL) {
        map->name = name;
    }
    if (slot == NULL || name == NULL) {
        stele__free(slot);
        return STELE_E_NOMEM;
    }
    stele__free(map->slot);
    map->slot = slot;
    map->n_slots = n_slots;
    map->capacity = (int64_t)(n_slots / 2);
    memset(slot, 0xff, n_slots * sizeof *slot);
    for (int64_t i = 0; i < map->n; i++) {
        slot[slot_of(map, name[i])] = (uint32_t)i;
    }
    return STELE_OK;
}

static const char *copy_name(stele__map *map, const char *name)
{
    const size_t len = strlen(name) + 1;
    block *b = map->last;
    if (b == NULL || len > b->size - b->used) {
        size_t size = b == NULL ? 64 : b->size < MOST ? 2 * b->size : MOST;
        size = size > len ? size : len;
        b = stele__malloc(sizeof *b + size);
        if (b == NULL) {
            return NULL;
        }
        b->before = map->last;
        b->size = size;
        b->used = 0;
        map->last = b;
    }
    char *ret = b->bytes + b->used;
    memcpy(ret, name, len);
    b->used += len;
    return ret;
}

stele_status stele__map_add(stele__map *map, const char *name, int64_t *ret_index, int *ret_new)
{
    int64_t index = stele__map_find(map, name);
    int is_new = index < 0;
    if (is_new) {
        if (map->n == map->capacity && grow(map) != STELE_OK) {
            return STELE_E_NOMEM;
        }
        const char *copy = copy_name(map, name);
        if (copy == NULL) {
            return STELE_E_NOMEM;
        }
        index = map->n++;
        uint64_t slot = slot_of(map, name);
        map->name[index] = copy;
        map->slot[slot] = (uint32_t)index;
    }
    if (ret_index != NULL) {
        *ret_index = index;
    }
    if (ret_new != NULL) {
        *ret_new = is_new;
    }
    return STELE_OK;
}

int64_t stele__map_find(const stele__map *map, const char *name)
{
    const uint32_t at = map->n_slots != 0 ? map->slot[slot_of(map, name)] : FREE;
    return at != FREE ? (int64_t)at : -1;
}

int64_t stele__map_count(const stele__map *map)
{
    return map->n;
}

const char *stele__map_name(const stele__map *map, int64_t index)
{
    return index >= 0 && index < map->n ? map->name[index] : NULL;
}
