/* arena.h - memory of one pass: handed out in order, given back all at once. */
#ifndef STELE_GRAPH_ARENA_H
#define STELE_GRAPH_ARENA_H

#include <stddef.h>
#include <stdint.h>

#define STELE__ARENA_CHUNKS 64

typedef struct stele__chunk {
    uint8_t *data;
    size_t size, used;
} stele__chunk;

/* Chunks grow; a reset after a pass that needed several replaces them by one that holds everything,
 * so that from then on passes of at most that size allocate nothing, whatever the order and size of
 * their pieces. Not thread-safe. */
typedef struct stele__arena {
    stele__chunk chunk[STELE__ARENA_CHUNKS];
    size_t n, current;
} stele__arena;

typedef struct stele__arena_mark {
    size_t current, used;
} stele__arena_mark;

void stele__arena_init(stele__arena *arena);
void stele__arena_finish(stele__arena *arena);
/* `size` bytes, aligned to 64, content undefined. NULL: out of memory. */
void *stele__arena_take(stele__arena *arena, size_t size);
/* Give back everything; pointers into the arena die. */
void stele__arena_reset(stele__arena *arena);
/* For scratch: release gives back what was taken since the mark. */
stele__arena_mark stele__arena_get_mark(const stele__arena *arena);
void stele__arena_release(stele__arena *arena, stele__arena_mark mark);

#endif
