#include "graph/watch.h"

#include "base/mem.h"
#include "graph/op.h"

void stele__graph_watch(stele_graph *g, stele__watch *w)
{
    g->watch = w;
}

void stele__watch_finish(stele__watch *w)
{
    for (size_t i = 0; i < w->n; i++) {
        stele__free(w->layer[i].alive);
    }
    stele__free(w->layer);
    *w = (stele__watch){ 0 };
}

int64_t stele__watched_silent(const stele__watched *layer)
{
    int64_t n = 0;
    for (int64_t u = 0; u < layer->n; u++) {
        n += !layer->alive[u];
    }
    return n;
}

static stele__watched *layer_of(stele__watch *w, const struct stele__param *weight, int64_t n)
{
    for (size_t i = 0; i < w->n; i++) {
        if (w->layer[i].weight == weight) {
            return w->layer[i].n == n ? &w->layer[i] : NULL;
        }
    }
    stele__watched *layer = stele__realloc(w->layer, (w->n + 1) * sizeof *layer);
    w->layer = layer != NULL ? layer : w->layer;
    uint8_t *alive = stele__calloc((size_t)n + 1, 1);
    if (layer == NULL || alive == NULL) {
        stele__free(alive);
        w->out_of_memory = 1;
        return NULL;
    }
    layer[w->n] = (stele__watched){ .weight = weight, .n = n, .alive = alive };
    return &layer[w->n++];
}

void stele__watch_see(stele__watch *w, const struct stele__param *weight, const stele_tensor *t)
{
    if (weight == NULL || t->layout != STELE_DENSE || t->shape.ndim != 2) {
        return;
    }
    const int64_t n = t->shape.dim[1];
    stele__watched *layer = layer_of(w, weight, n);
    for (int64_t i = 0; layer != NULL && i < t->n; i++) {
        layer->alive[i % n] |= stele__tensor_real(t, i) > 0.0;
    }
}
