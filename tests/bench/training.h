/* training.h - a training on simulated cells, opened as the train command opens one, but with its
 * steps in the hands of the caller. */
#ifndef STELE_BENCH_TRAINING_H
#define STELE_BENCH_TRAINING_H

#include "plugin/places.h"
#include "plugin/use.h"
#include "train/loop.h"
#include "train/run.h"

/* Widths of data and model; depth: median counts of a cell. side: the model is that of images of
 * side x side pixels, which are the peaks, as configs/mnist.yaml has it, and nothing else. */
typedef struct bench_shape {
    int64_t rows, genes, peaks, rna_depth, atac_depth, side;
    int hidden, batch, threads;  /* threads 0: one per core */
    const char *kind;            /* of the twin's sequence; NULL: none */
    double clip_norm;            /* 0: none */
    double no_rna, no_atac;      /* shares of the rows that lack them */
    const char *fusion;          /* plugin; NULL: the product of experts */
    const char *table;           /* CSV file with further columns of the cells; NULL: none */
    const char *heads;           /* the section of that name; NULL: none */
    const char *objective;       /* the section of that name; NULL: one joint bound */
    const char *spec;            /* the whole text; NULL: what the others say */
    const char *folder;          /* searched for plugins first; NULL: none */
    const lt_dlsymlist *preload; /* plugins linked into the program; NULL: none */
} bench_shape;

typedef struct bench_training {
    stele__registry *registry;
    stele__spec *spec;
    stele__cast cast;
    stele__run run;
    stele__training training;
    stele__loop loop;
} bench_training;

/* Simulate, load the plugins, build the model: everything before the first step. `t` must stay
 * where it is, and is to be finished after a failure too. */
STELE_NODISCARD stele_status bench_training_init(bench_training *t, const bench_shape *shape,
                                                 stele__diag *diag);
void bench_training_finish(bench_training *t);

/* One optimiser step, with the epochs going round. */
STELE_NODISCARD stele_status bench_training_step(bench_training *t, stele__loss_terms *ret,
                                                 stele__diag *diag);

/* Trained parameters. */
size_t bench_training_parameters(const bench_training *t);

#endif
