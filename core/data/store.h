/* store.h - the numbers of a dense modality. Few are kept in memory. Many lie in a file without a
 * name, in the folder that TMPDIR names or /var/tmp, and are mapped from there: pages that were
 * looked at are given back before they add up, so that the data may be larger than the memory. */
#ifndef STELE_DATA_STORE_H
#define STELE_DATA_STORE_H

#include "base/diag.h"

#include <stddef.h>
#include <stdint.h>

typedef struct stele__store stele__store;

/* Room for n floats, in memory if they take at most `most` bytes. `what` and `place` for messages.
 * E_IO: there is no place for the file; E_NOMEM. */
STELE_NODISCARD stele_status stele__store_create(size_t n, size_t most, const char *what,
                                                 const stele__place *place, stele__store **ret,
                                                 stele__diag *diag);
void stele__store_destroy(stele__store *s); /* NULL is legal */

/* The next n floats, until all are there. [main] */
STELE_NODISCARD stele_status stele__store_add(stele__store *s, const float *v, size_t n,
                                              stele__diag *diag);
/* All of them, once they are there: for reading and writing in place. NULL: they cannot be mapped.
 */
float *stele__store_values(stele__store *s);

/* Bytes that are in memory whatever is looked at. */
size_t stele__store_memory(const stele__store *s);
/* n floats from number `at` on were or will be looked at. Those before them may leave the memory.
 * [any] */
void stele__store_seen(stele__store *s, size_t at, size_t n);

/* What the dense modalities of a data set may take in memory together. */
size_t stele__store_most(void);
void stele__store_set_most(size_t bytes); /* for tests */

#endif
