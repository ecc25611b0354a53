#include "graph/lanes.h"

struct lanes {
    void (*fn)(void *user, int64_t block, void *scratch);
    void *user;
    char *scratch;
    size_t size;
};

static void one_block(void *ctx, size_t task, unsigned thread)
{
    const struct lanes *l = ctx;
    l->fn(l->user, (int64_t)task, l->scratch + thread * l->size);
}

stele_status stele__op_lanes(stele_graph *g, int64_t n_blocks, int64_t n,
                             void (*fn)(void *user, int64_t block, void *scratch), void *user)
{
    const size_t bytes = (size_t)n * stele__dtype_size(g->dtype);
    struct lanes l = { .fn = fn, .user = user, .size = (bytes + 63) / 64 * 64 };
    const stele__arena_mark mark = stele__arena_get_mark(&g->arena);
    l.scratch = stele__op_take(g, n_blocks > 1 ? stele__pool_threads(g->pool) : 1, l.size);
    if (l.scratch == NULL) {
        return STELE_E_NOMEM;
    }
    if (n_blocks == 1) { /* small tensors do not wake the pool */
        fn(user, 0, l.scratch);
    } else if (n_blocks > 1) {
        stele__pool_run(g->pool, (size_t)n_blocks, one_block, &l);
    }
    stele__arena_release(&g->arena, mark);
    return STELE_OK;
}
