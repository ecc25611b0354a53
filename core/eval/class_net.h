/* class_net.h - a classifier of a label from measurements themselves: one hidden layer of rectified
 * units, trained for nothing else. Measurements on a grid, as pictures are, go through two
 * convolutions before it: a class shows in them wherever it lies and whatever lies behind it.
 *
 * Columns are standardised by the training rows and squeezed, asinh((x - mean) / sd), so that
 * neither a unit nor a heavy tail rules; a missing entry counts as the mean, a column that does not
 * vary as 0. Cross-entropy by AdamW with dropout; every tenth training row is held out and says
 * when to stop, and the weights of the best round are kept. All draws are addressed by the seed:
 * the same bits for any number of threads. */
#ifndef STELE_EVAL_CLASS_NET_H
#define STELE_EVAL_CLASS_NET_H

#include "base/diag.h"
#include "graph/graph.h"

/* Where measurements come from: rows `row` (n) of the caller's counting into ret (n, n_columns). */
typedef struct stele__class_rows {
    stele_status (*read)(void *ctx, const int64_t *row, int64_t n, float *ret);
    void *ctx;
    int64_t n_columns;
    /* Columns are (height, width, channels), channels running fastest, or with channels_first
     * (channels, height, width); 0, 0: no grid. */
    int64_t height, width;
    int channels_first;
} stele__class_rows;

typedef struct stele__class_request {
    stele__class_rows rows;
    const int64_t *row;   /* n training rows, n at least 1 */
    const int32_t *label; /* (n) in 0 .. n_classes - 1 */
    int64_t n;
    int32_t n_classes; /* at least 2 */
    uint64_t seed;
} stele__class_request;

typedef struct stele__class_net stele__class_net;

/* 64 bits over all that decides what a training gives: the seed, the rows' measurements and
 * labels. [main] */
STELE_NODISCARD stele_status stele__class_digest(const stele__class_request *q, uint64_t *ret);

/* g: of dtype F32, for the passes of this call. [main] */
STELE_NODISCARD stele_status stele__class_train(stele_graph *g, const stele__class_request *q,
                                                stele__class_net **ret, stele__diag *diag);
void stele__class_destroy(stele__class_net *net); /* NULL is legal */

/* The most probable class of n rows of x (n, n_columns), of equally probable ones the lowest.
 * [main]
 */
STELE_NODISCARD stele_status stele__class_tell(const stele__class_net *net, stele_graph *g,
                                               const float *x, int64_t n, int32_t *ret,
                                               stele__diag *diag);

/* A classifier as a file with the digest of what it was trained on. Reading gives NULL, and no
 * error, for a file that is absent, damaged, or of another digest or shape: the classifier is
 * trained anew then. rows: read is
 * not called. [main] */
STELE_NODISCARD stele_status stele__class_write(const stele__class_net *net, const char *path,
                                                uint64_t digest, stele__diag *diag);
STELE_NODISCARD stele_status stele__class_read(const char *path, uint64_t digest,
                                               const stele__class_rows *rows, int32_t n_classes,
                                               stele__class_net **ret);

#endif
