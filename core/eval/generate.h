/* generate.h - measurements made from z: what `stele generate` writes. */
#ifndef STELE_EVAL_GENERATE_H
#define STELE_EVAL_GENERATE_H

#include "eval/judge.h"

typedef struct stele__generation {
    uint32_t modality; /* to generate */
    uint32_t what;     /* STELE_DRAW_MEAN, _MODE or _SAMPLE of x given z */
    uint64_t seed;     /* of SAMPLE */
    int64_t n;
    const int64_t *row;     /* (n) of the data set, whose covariates the decoder sees; may repeat */
    const uint32_t *sample; /* (n) numbers that tell draws of one row apart */
    const float *z;         /* (n, latent_dim) */
    /* Rows whose measurement a private latent of the modality comes from, where it comes from one,
     * and factor on its deviation from the mean: 0 leaves it there. */
    const int64_t *source; /* (n); may repeat */
    uint64_t own;          /* bits of the modalities that w may come from */
    double temperature;
} stele__generation;

/* ret (n, features of the modality). Nothing that the rows have of the modality is used but in w.
 * E_UNSUPPORTED, with a message, where the modality has no such draw. [main] */
STELE_NODISCARD stele_status stele__generate(const stele__judge *j, const stele__generation *q,
                                             float *ret, stele__diag *diag);

#endif
