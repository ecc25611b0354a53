#include "eval/cohort.h"

#include "base/mem.h"
#include "eval/consistency.h"
#include "kernels/philox.h"

#include <math.h>
#include <string.h>

void stele__cohort_finish(stele__cohort_side *side)
{
    stele__free(side->mean);
    stele__free(side->sd);
    *side = (stele__cohort_side){ 0 };
}

/* In a random order, the first of n rows that have modality m: their number, in ret. */
static int64_t choose(const stele__judge *j, const int64_t *row, int64_t n, uint32_t m,
                      const int64_t *order, int64_t *ret)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < n && kept < STELE__MOST_COHORT; i++) {
        const int64_t r = row[order[i]];
        if ((stele__judge_present(j, r) >> m & 1) != 0) {
            ret[kept++] = r;
        }
    }
    return kept < STELE__LEAST_COHORT ? 0 : kept;
}

static stele_status draw_of(const stele__judge *j, const int64_t *chosen, int64_t n, uint32_t m,
                            stele__cohort_side *ret, stele__diag *diag)
{
    const size_t size = (size_t)n * j->model->latent_dim;
    ret->mean = stele__calloc(size + 1, sizeof *ret->mean);
    ret->sd = stele__calloc(size + 1, sizeof *ret->sd);
    ret->n = n;
    return ret->mean != NULL && ret->sd != NULL
               ? stele__judge_moments(j, chosen, n, UINT64_C(1) << m, ret->mean, ret->sd, diag)
               : STELE_E_NOMEM;
}

stele_status stele__cohort_draw(const stele__judge *j, const int64_t *row, int64_t n, uint32_t m,
                                stele__cohort_side *ret, stele__diag *diag)
{
    int64_t chosen[STELE__MOST_COHORT];
    int64_t *order = stele__calloc((size_t)n + 1, sizeof *order);
    *ret = (stele__cohort_side){ 0 };
    if (order == NULL) {
        return STELE_E_NOMEM;
    }
    stele__noise at = stele__noise_at(j->seed, stele__noise_purpose("score/cohort", 0), 0);
    stele__noise_permutation(at, (size_t)n, order);
    const int64_t kept = choose(j, row, n, m, order, chosen);
    stele__free(order);
    return kept > 0 ? draw_of(j, chosen, kept, m, ret, diag) : STELE_OK;
}

stele__yardstick stele__cohort_measure(const stele__cohort_side *other, uint32_t dim,
                                       const float *mean, const float *sd)
{
    stele__yardstick y = { 0.0, 1.0 };
    double score[STELE__MOST_COHORT], sum = 0.0, squares = 0.0;
    for (int64_t k = 0; k < other->n; k++) {
        const size_t at = (size_t)k * dim;
        score[k] = stele__log_bayes_factor(dim, mean, sd, other->mean + at, other->sd + at);
        sum += score[k];
    }
    const double centre = sum / (double)other->n;
    for (int64_t k = 0; k < other->n; k++) {
        squares += (score[k] - centre) * (score[k] - centre);
    }
    const double spread = sqrt(squares / (double)other->n);
    /* A posterior that is the prior scores 0 with everybody. */
    if (other->n > 0 && isfinite(spread) && spread > 1e-6) {
        y = (stele__yardstick){ centre, spread };
    }
    return y;
}

double stele__cohort_score(double l, const stele__yardstick *a, const stele__yardstick *b)
{
    return 0.5 * ((l - a->mean) / a->sd + (l - b->mean) / b->sd);
}
