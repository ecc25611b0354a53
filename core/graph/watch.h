/* watch.h - which units of the layers behind a relu are ever above 0. One that is 0 for all rows
 * has no derivative and stays as it is: a layer in which most are so has lost what it could learn
 * ("dying ReLU", Lu et al. 2019). */
#ifndef STELE_GRAPH_WATCH_H
#define STELE_GRAPH_WATCH_H

#include "graph/tensor.h"

/* Units of one layer over all passes that were watched. */
typedef struct stele__watched {
    const struct stele__param *weight; /* of its linear map */
    int64_t n;                         /* units */
    uint8_t *alive;                    /* (n) */
} stele__watched;

typedef struct stele__watch {
    stele__watched *layer;
    size_t n;
    int out_of_memory; /* layers are left out */
} stele__watch;

/* From now on the graph's passes fill `w`, started zeroed; NULL: no longer. */
void stele__graph_watch(stele_graph *g, stele__watch *w);
void stele__watch_finish(stele__watch *w);
/* Units of a layer that were 0 throughout. */
int64_t stele__watched_silent(const stele__watched *layer);

/* What relu made (rows, n) of a linear map with these weights. */
void stele__watch_see(stele__watch *w, const struct stele__param *weight, const stele_tensor *t);

#endif
