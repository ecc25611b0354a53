/* run.h - everything that a command works with, put together from a spec: plugins, data, split,
 * model. */
#ifndef STELE_TRAIN_RUN_H
#define STELE_TRAIN_RUN_H

#include "data/split.h"
#include "kernels/pool.h"
#include "model/model.h"
#include "plugin/use.h"
#include "train/state.h"

typedef struct stele__run {
    const stele__spec *spec;     /* borrowed, finished */
    stele__registry *registry;   /* borrowed */
    const stele__log *log;       /* borrowed, may be NULL */
    stele__pool *pool;           /* owned */
    stele__guest **source_guest; /* n_sources, owned */
    stele__source *source;
    size_t n_sources;
    stele__dataset *data; /* owned */
    stele__split *split;  /* owned */
    stele__model model;
} stele__run;

typedef struct stele__run_request {
    const stele__spec *spec;
    const stele__cast *plugins;
    const stele__log *log;
    const stele__state
        *state; /* of an earlier training: its features, categories and split; NULL for a new one */
    int new_data; /* rows other than those of the training: no split, and modalities may be missing
                   */
    const uint8_t *of_rows; /* as in stele__data_request */
    int encode_only; /* no word on labels that are missing, but for those that encoders get */
    int training;    /* rows suffice for one, and there is room for derivatives and moments */
    const char *const
        *label; /* n_labels further category columns to read: what an evaluation asks for */
    const stele__place *label_place; /* (n_labels) where they are asked for; NULL: nowhere */
    size_t n_labels;
} stele__run_request;

/* Open sources, join and split rows, load and check the measurements, build the model. A new model
 * also gets its data-dependent starts. stele__run_close in any case. [main] */
STELE_NODISCARD stele_status stele__run_open(const stele__run_request *request, stele__run *ret,
                                             stele__diag *diag);
void stele__run_close(stele__run *run);

#endif
