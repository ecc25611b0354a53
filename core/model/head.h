/* head.h - heads at work on samples of z: predictions, and their loss over the rows of a batch that
 * have the target. */
#ifndef STELE_MODEL_HEAD_H
#define STELE_MODEL_HEAD_H

#include "model/infer.h"

/* At most this many metrics of a head. */
enum { STELE__MOST_HEAD_METRICS = 16 };

/* Does a row of the data set have head h's target? */
int stele__head_has_target(const stele__batch *b, uint32_t h, int64_t row);
/* That row's target, where it has one: the code of a class (else 0) and the numbers of its columns
 * (columns; of a class 0). [any] */
void stele__target_of_row(const stele__target *t, int64_t row, int32_t *ret_code,
                          double *ret_number);

/* What head h predicts for z (n, D) of those rows of the data set, rows outermost. `sample` (n) as
 * in stele__graph_rows. NULL after an error of the graph, which names the head. */
stele_tensor *stele__head_predict(const stele__model *m, stele_graph *g, const stele__batch *b,
                                  uint32_t h, stele_tensor *z, int64_t n, const int64_t *row,
                                  const uint32_t *sample);

/* Loss of one head over the rows of a batch that have its target. */
typedef struct stele__head_loss {
    stele_tensor *mean; /* scalar; NULL if no row has the target */
    double sum;         /* over the rows, mixtures weighted */
    int64_t n;          /* rows */
} stele__head_loss;

/* `draws`: of one posterior, one z per component of each row. The derivative that arrives at z, and
 * at the weights of a mixture, is `gradient_scale` times the loss's; 0 lets none arrive. Not OK:
 * the graph has the error. */
STELE_NODISCARD stele_status stele__head_loss_of(const stele__model *m, stele_graph *g,
                                                 const stele__batch *b, uint32_t h,
                                                 const stele__draws *draws, uint32_t n_draws,
                                                 double gradient_scale, stele__head_loss *ret);

#endif
