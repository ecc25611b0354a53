#include "graph/arena.h"

#include "base/mem.h"

#define SMALLEST_CHUNK ((size_t)1 << 20)

void stele__arena_init(stele__arena *arena)
{
    *arena = (stele__arena){ 0 };
}

void stele__arena_finish(stele__arena *arena)
{
    for (size_t i = 0; i < arena->n; i++) {
        stele__free_aligned(arena->chunk[i].data);
    }
    *arena = (stele__arena){ 0 };
}

static void *take_from(stele__chunk *c, size_t size)
{
    if (c->size - c->used < size) {
        return NULL;
    }
    void *p = c->data + c->used;
    c->used += size;
    return p;
}

/* A new chunk at least as large as all before it, so that their number stays logarithmic. */
static stele__chunk *grow(stele__arena *arena, size_t size)
{
    if (arena->n == STELE__ARENA_CHUNKS) {
        return NULL;
    }
    size_t want = SMALLEST_CHUNK;
    for (size_t i = 0; i < arena->n; i++) {
        want += arena->chunk[i].size;
    }
    want = want < size ? size : want;
    void *data = stele__calloc_aligned(want);
    if (data == NULL) {
        return NULL;
    }
    arena->current = arena->n++;
    arena->chunk[arena->current] = (stele__chunk){ .data = data, .size = want };
    return &arena->chunk[arena->current];
}

void *stele__arena_take(stele__arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2) {
        return NULL;
    }
    size = size == 0 ? 64 : (size + 63) / 64 * 64;
    for (size_t i = arena->current; i < arena->n; i++) {
        void *p = take_from(&arena->chunk[i], size);
        if (p != NULL) {
            arena->current = i;
            return p;
        }
    }
    stele__chunk *c = grow(arena, size);
    return c == NULL ? NULL : take_from(c, size);
}

void stele__arena_reset(stele__arena *arena)
{
    if (arena->n > 1) {
        size_t total = 0;
        for (size_t i = 0; i < arena->n; i++) {
            total += arena->chunk[i].used;
        }
        stele__arena_finish(arena);
        /* Some room, so that a slightly larger batch does not start the game again. */
        total += total / 8;
        total = (total + SMALLEST_CHUNK) / 64 * 64;
        void *data = stele__calloc_aligned(total);
        if (data != NULL) {
            arena->chunk[0] = (stele__chunk){ .data = data, .size = total };
            arena->n = 1;
        }
    }
    for (size_t i = 0; i < arena->n; i++) {
        arena->chunk[i].used = 0;
    }
    arena->current = 0;
}

stele__arena_mark stele__arena_get_mark(const stele__arena *arena)
{
    size_t used = arena->n == 0 ? 0 : arena->chunk[arena->current].used;
    return (stele__arena_mark){ .current = arena->current, .used = used };
}

void stele__arena_release(stele__arena *arena, stele__arena_mark mark)
{
    for (size_t i = mark.current + 1; i < arena->n; i++) {
        arena->chunk[i].used = 0;
    }
    if (arena->n > 0) {
        arena->chunk[mark.current].used = mark.used;
        arena->current = mark.current;
    }
}
