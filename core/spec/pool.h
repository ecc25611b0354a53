/* pool.h - memory that is given back all at once: the nodes of a spec, the strings and lists of a
 * configuration. */
#ifndef STELE_SPEC_POOL_H
#define STELE_SPEC_POOL_H

#include <stddef.h>

typedef struct stele__pool_chunk stele__pool_chunk;
typedef struct stele__pool {
    stele__pool_chunk *chunk; /* newest first */
} stele__pool;

void stele__pool_init(stele__pool *pool);
void stele__pool_finish(stele__pool *pool);
/* Zeroed, aligned for every type; NULL: out of memory. */
void *stele__pool_take(stele__pool *pool, size_t size);
/* Copy of `n` bytes with a NUL behind; NULL when memory is short. */
char *stele__pool_strndup(stele__pool *pool, const char *s, size_t n);
char *stele__pool_strdup(stele__pool *pool, const char *s);

#endif
