/* Layers that a training has left with few units. */
#include "base/mem.h"
#include "graph/watch.h"
#include "train/loop.h"

#include <string.h>

/* Half of the units may be silent in a network that is wide for its task and does well. */
static const double most_silent = 0.75;

/* Of a few units all may be silent by chance. */
enum { LEAST_UNITS = 16 };
/* Rows are taken evenly from the training part: neighbours are often alike. */
enum { MOST_ROWS = 2048 };

static void warn(const stele__watched *layer, int64_t rows, stele__diag *diag)
{
    const int64_t silent = stele__watched_silent(layer);
    const char *name = layer->weight->name, *end = strstr(name, ".weight");
    if (layer->n < LEAST_UNITS || (double)silent <= most_silent * (double)layer->n) {
        return;
    }
    stele__diag_warning(diag, NULL,
                        "%lld of the %lld units of `%.*s` are 0 in all of %lld training rows: they "
                        "no longer learn",
                        (long long)silent, (long long)layer->n,
                        end != NULL ? (int)(end - name) : (int)strlen(name), name, (long long)rows);
    stele__diag_hint(diag,
                     "a norm in that network, a smaller train.optimiser.lr or weaker decay of "
                     "its first layer keeps units alive; so does another activation");
}

stele_status stele__loop_warn_silent(stele__loop *l, stele__diag *diag)
{
    const stele__training *t = l->t;
    const int64_t n = t->split->n[STELE__TRAIN], some = n < MOST_ROWS ? n : MOST_ROWS;
    int64_t *row = stele__malloc(((size_t)some + 1) * sizeof *row);
    stele__watch watch = { 0 };
    stele__loss_terms terms;
    if (row == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t i = 0; i < some; i++) {
        row[i] = t->split->row[STELE__TRAIN][i * n / some];
    }
    stele__graph_watch(l->graph, &watch);
    stele_status status = stele__loss_over(t->model, l->graph, l->batch, &l->objective, 1.0, row,
                                           some, (uint64_t)t->spec->top->seed, &terms);
    stele__graph_watch(l->graph, NULL);
    if (status != STELE_OK) {
        status = stele__graph_report(t->model, l->graph, " after training", diag);
    }
    for (size_t i = 0; i < watch.n && status == STELE_OK; i++) {
        warn(&watch.layer[i], some, diag);
    }
    stele__watch_finish(&watch);
    stele__free(row);
    return status;
}
