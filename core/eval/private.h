/* private.h - private latents of rows: what decoders read beside z. */
#ifndef STELE_EVAL_PRIVATE_H
#define STELE_EVAL_PRIVATE_H

#include "eval/sample.h"

/* Mean and standard deviation of the private latent w of a modality that has one, for n rows of the
 * data set: (n, dim) each. Of q(w | x) where `mask` names the modality and the row has it, else of
 * what w is drawn from without the measurement. Rows may repeat. [main] */
STELE_NODISCARD stele_status stele__private_moments(const stele__judge *j, uint32_t modality,
                                                    uint64_t mask, const int64_t *row, int64_t n,
                                                    float *ret_mean, float *ret_sd,
                                                    stele__diag *diag);

/* Draws from these: noise is addressed by the seed, the modality, the row and `sample` (n), the
 * draw's number in its row. mean, sd and ret: (n, dim). [any] */
void stele__private_sample(const stele__judge *j, uint32_t modality, const int64_t *row,
                           const uint32_t *sample, int64_t n, const stele__sampling *s,
                           const float *mean, const float *sd, float *ret);

#endif
