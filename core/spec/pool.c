#include "spec/pool.h"

#include "base/mem.h"

#include <stdalign.h>
#include <string.h>

enum { CHUNK = 16384 };

struct stele__pool_chunk {
    stele__pool_chunk *next;
    size_t used, size;
    alignas(max_align_t) unsigned char data[];
};

void stele__pool_init(stele__pool *pool)
{
    pool->chunk = NULL;
}

void stele__pool_finish(stele__pool *pool)
{
    while (pool->chunk != NULL) {
        stele__pool_chunk *next = pool->chunk->next;
        stele__free(pool->chunk);
        pool->chunk = next;
    }
}

void *stele__pool_take(stele__pool *pool, size_t size)
{
    const size_t unit = alignof(max_align_t);
    size = size == 0 ? unit : (size + unit - 1) / unit * unit;
    stele__pool_chunk *chunk = pool->chunk;
    if (chunk == NULL || chunk->size - chunk->used < size) {
        size_t room = size > CHUNK ? size : CHUNK;
        chunk = stele__calloc(1, sizeof *chunk + room);
        if (chunk == NULL) {
            return NULL;
        }
        chunk->size = room;
        chunk->next = pool->chunk;
        pool->chunk = chunk;
    }
    void *p = chunk->data + chunk->used;
    chunk->used += size;
    return p;
}

char *stele__pool_strndup(stele__pool *pool, const char *s, size_t n)
{
    char *copy = stele__pool_take(pool, n + 1);
    if (copy != NULL) {
        memcpy(copy, s, n);
    }
    return copy;
}

char *stele__pool_strdup(stele__pool *pool, const char *s)
{
    return stele__pool_strndup(pool, s, strlen(s));
}
