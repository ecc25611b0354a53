/* class_net_private.h - what training and use of a classifier share. */
#ifndef STELE_EVAL_CLASS_NET_PRIVATE_H
#define STELE_EVAL_CLASS_NET_PRIVATE_H

#include "eval/class_net.h"
#include "graph/params.h"

enum { STELE__CLASS_HIDDEN = 256, STELE__CLASS_ENTRIES = 8 };
#define STELE__CLASS_DROPOUT 0.25
/* Another one with every change of how classifiers are trained: part of their digest. */
#define STELE__CLASS_VERSION "classifier/1"

struct stele__class_net {
    stele__params *params;
    uint32_t n_entries, entry[STELE__CLASS_ENTRIES]; /* the last four are those of convolutions */
    int64_t n_columns, height, width;                /* height 0: no convolutions */
    int channels_first;
    int32_t n_classes;
    float *mean, *scale; /* (n_columns); scale: 1 / sd, 0 where there is none */
};

STELE_NODISCARD stele_status stele__class_create(const stele__class_rows *rows, int32_t n_classes,
                                                 uint64_t seed, stele__class_net **ret,
                                                 stele__diag *diag);
/* Standardise and squeeze x (n, n_columns) in place. */
void stele__class_prepare(const stele__class_net *net, int64_t n, float *x);
/* Log-probabilities (n, n_classes) of prepared rows, in a pass that has begun. */
stele_tensor *stele__class_pass(const stele__class_net *net, stele_graph *g, const float *x,
                                int64_t n);
STELE_NODISCARD stele_status stele__class_outcome(stele_graph *g, stele__diag *diag);

#endif
