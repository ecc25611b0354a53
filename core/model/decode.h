/* decode.h - from samples of z back to measurements: log-likelihoods and predictions. */
#ifndef STELE_MODEL_DECODE_H
#define STELE_MODEL_DECODE_H

#include "model/infer.h"

/* Rows (draw, index) to be decoded by one modality. */
typedef struct stele__decode_rows {
    int64_t n;
    const uint32_t *draw; /* (n) index into the list of draws, ascending */
    const int64_t *index; /* (n) row of that draw */
} stele__decode_rows;

/* Covariates (n, width) of n rows of the data set; NULL without covariates or after an error. */
stele_tensor *stele__covariate_tensor(stele_graph *g, const stele__batch *b,
                                      const stele__covariate_set *set, int64_t n,
                                      const int64_t *row);

/* log p(x_i | z) of modality i in nats for those rows, (n); all of them have the modality. Size
 * factors are observed. `weight` as in stele__fused. NULL after an error of the graph. */
stele_tensor *stele__decode_log_prob(const stele__model *m, stele_graph *g,
                                     const stele__expert_set *e, uint32_t i,
                                     const stele__draws *draws, uint32_t n_draws,
                                     const stele__decode_rows *rows, const void *weight);

/* What modality i would be for those rows, which need not have it: nothing of the row's own
 * measurement is used. */
typedef struct stele__prediction {
    stele_graph *graph;
    const stele__modality *modality;
    stele_output output;
} stele__prediction;

/* E_UNSUPPORTED for likelihoods that are not elementwise. The prediction lives until the next begin
 * of the graph. */
STELE_NODISCARD stele_status stele__decode_predict(const stele__model *m, stele_graph *g,
                                                   const stele__expert_set *e, uint32_t i,
                                                   const stele__draws *draws, uint32_t n_draws,
                                                   const stele__decode_rows *rows,
                                                   stele__prediction *ret);
/* Features first .. first + n_features - 1 into d->out, (rows, n_features) of the graph's dtype. */
STELE_NODISCARD stele_status stele__prediction_block(const stele__prediction *p, int64_t first,
                                                     int64_t n_features, stele_draw *d);

/* The same by a likelihood that is not elementwise: `what` (STELE_DRAW_MEAN or the like) of all
 * features, a tensor (n, sample...) of the graph. E_UNSUPPORTED without a `generate`. */
STELE_NODISCARD stele_status stele__decode_generate(const stele__model *m, stele_graph *g,
                                                    const stele__expert_set *e, uint32_t i,
                                                    const stele__draws *draws, uint32_t n_draws,
                                                    const stele__decode_rows *rows, uint32_t what,
                                                    stele_tensor **ret);

/* What those rows, which have the modality, add to the sums that its metrics of whole rows are made
 * of: (n, width) finite numbers. E_UNSUPPORTED without a `tally`. */
STELE_NODISCARD stele_status stele__decode_tally(const stele__model *m, stele_graph *g,
                                                 const stele__expert_set *e, uint32_t i,
                                                 const stele__draws *draws, uint32_t n_draws,
                                                 const stele__decode_rows *rows, int64_t width,
                                                 stele_tensor **ret);

#endif
