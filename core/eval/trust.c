#include "eval/trust.h"

#include "base/mem.h"
#include "graph/tensor.h"
#include "train/chains.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows of a pass: of encoders alone, and of encoders, decoders and samples. */
enum { BATCH = 256, SAMPLED = 64 };
/* Noise of its own, apart from that of the other figures (judge.h). */
#define STEP (UINT64_MAX - 2)
/* Half a 90 % interval of a normal. */
static const double half_interval = 1.6448536269514722;

static double precision_at(const stele_dist *q, int64_t i)
{
    double p = stele__tensor_real(q->p[1], i);
    return q->family == STELE_LAPLACE ? 0.5 * exp(-2.0 * p) : exp(-p);
}

/* Q of row r of the experts in `used`; the shares of precision are added to share[modalities]. */
static double disagreement(const stele__expert_set *e, int64_t r, uint64_t used, uint32_t n,
                           int64_t width, double *share)
{
    double sum = 0.0;
    for (int64_t i = r * width; i < (r + 1) * width; i++) {
        double precision = 0.0, weighted = 0.0;
        for (uint32_t m = 0; m < n; m++) {
            if ((used >> m & 1) != 0) {
                double w = precision_at(&e->q[m], i);
                precision += w;
                weighted += w * stele__tensor_real(e->q[m].p[0], i);
            }
        }
        for (uint32_t m = 0; m < n; m++) {
            if ((used >> m & 1) != 0) {
                double w = precision_at(&e->q[m], i);
                double distance = stele__tensor_real(e->q[m].p[0], i) - weighted / precision;
                share[m] += w / precision / (double)width;
                sum += w * distance * distance;
            }
        }
    }
    return sum;
}

/* Where Q over its k degrees of freedom lies on a scale that is nearly standard normal by chance.
 */
static double score_of(double ratio, double k)
{
    double h = 2.0 / (9.0 * k);
    return (cbrt(ratio) - (1.0 - h)) / sqrt(h);
}

/* Shares, where there is room for them, and Q / k with its score, of n rows. */
static stele_status experts(const stele__trust_request *q, const int64_t *row, int64_t n,
                            double *share, double *excess, double *score, stele__diag *diag)
{
    const stele__model *m = q->judge->model;
    stele__batch *b = NULL;
    stele_status status = stele__batch_create(m, q->judge->data, n < BATCH ? n : BATCH, &b);
    for (int64_t at = 0; at < n && status == STELE_OK; at += BATCH) {
        stele__expert_set e;
        stele__batch_load(b, n - at < BATCH ? n - at : BATCH, row + at, ~q->mask);
        stele__judge_begin(q->judge);
        status = stele__encode(m, q->judge->graph, b, &e);
        status = stele__judge_report(q->judge, status, " while encoding", diag);
        for (int64_t r = 0; r < b->n && status == STELE_OK; r++) {
            double own[STELE__MAX_MODALITIES] = { 0.0 }, count = 0.0;
            uint64_t used = b->present[r] & q->mask;
            double sum = disagreement(&e, r, used, m->n_modalities, m->latent_dim, own);
            for (uint32_t i = 0; i < m->n_modalities; i++) {
                int there = (used >> i & 1) != 0;
                count += there;
                if (share != NULL) {
                    share[(at + r) * m->n_modalities + i] = there ? own[i] : NAN;
                }
            }
            double k = (count - 1.0) * m->latent_dim;
            excess[at + r] = count > 1.0 ? sum / k : NAN;
            score[at + r] = count > 1.0 ? score_of(sum / k, k) : NAN;
        }
    }
    stele__batch_destroy(b);
    return status;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Ranks among the reference, its NaN left out. */
static void calibrate(int64_t n, const double *score, int64_t n_reference, double *reference,
                      double *ret)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < n_reference; i++) {
        if (!isnan(reference[i])) {
            reference[kept++] = reference[i];
        }
    }
    qsort(reference, (size_t)kept, sizeof *reference, ascending);
    for (int64_t r = 0; r < n; r++) {
        int64_t below = 0, end = kept; /* reference[below .. kept - 1] are not below the score */
        while (below < end) {
            int64_t middle = below + (end - below) / 2;
            if (reference[middle] < score[r]) {
                below = middle + 1;
            } else {
                end = middle;
            }
        }
        ret[r] =
            isnan(score[r]) || kept == 0 ? NAN : (double)(kept - below + 1) / (double)(kept + 1);
    }
}

static stele_status p_values(const stele__trust_request *q, stele__trust *t, stele__diag *diag)
{
    double *score = stele__calloc((size_t)q->n + 1, sizeof *score);
    double *reference = stele__calloc((size_t)q->n_reference + 1, sizeof *reference);
    double *ignored = stele__calloc((size_t)q->n_reference + 1, sizeof *ignored);
    stele_status status =
        score != NULL && reference != NULL && ignored != NULL ? STELE_OK : STELE_E_NOMEM;
    if (status == STELE_OK) {
        status = experts(q, q->row, q->n, t->share, t->excess, score, diag);
    }
    if (status == STELE_OK && q->n_reference > 0) {
        status = experts(q, q->reference, q->n_reference, NULL, ignored, reference, diag);
    }
    if (status == STELE_OK) {
        for (int64_t r = 0; r < q->n; r++) {
            t->chance[r] = 0.5 * erfc(score[r] / sqrt(2.0));
        }
        calibrate(q->n, score, q->n_reference, reference, t->p);
    }
    stele__free(score);
    stele__free(reference);
    stele__free(ignored);
    return status;
}

/* --- coverage --- */

/* Add to column `which` of coverage what the interval given `mask` holds of the samples. */
static stele_status cover(const stele__trust_request *q, const stele__targets *s, int64_t at,
                          int64_t n, uint64_t mask, uint32_t which, float *mean, float *sd,
                          stele__trust *t, stele__diag *diag)
{
    const stele__model *m = q->judge->model;
    const int64_t width = m->latent_dim, columns = 1 + (int64_t)m->n_modalities;
    const float *z = s->z;
    stele_status status = stele__judge_moments(q->judge, q->row + at, n, mask, mean, sd, diag);
    for (int64_t r = 0; r < n && status == STELE_OK; r++) {
        int there = (stele__judge_present(q->judge, q->row[at + r]) & mask) != 0;
        t->coverage[(at + r) * columns + which] = there ? 0.0 : NAN;
    }
    for (int64_t k = 0; k < s->n && status == STELE_OK; k++) {
        const int64_t r = s->position[k];
        double inside = 0.0;
        for (int64_t d = 0; d < width; d++) {
            double distance = fabs((double)z[k * width + d] - (double)mean[r * width + d]);
            inside += distance <= half_interval * (double)sd[r * width + d];
        }
        t->coverage[(at + r) * columns + which] += inside / (double)width / (double)q->n_samples;
    }
    return status;
}

/* Rows at .. at + n - 1. */
static stele_status cover_rows(const stele__trust_request *q, stele__batch *b, int64_t at,
                               stele__trust *t, stele__diag *diag)
{
    const stele__model *m = q->judge->model;
    stele__targets s = { 0 };
    int64_t n = q->n - at < SAMPLED ? q->n - at : SAMPLED;
    float *mean = stele__calloc((size_t)n * m->latent_dim, sizeof *mean);
    float *sd = stele__calloc((size_t)n * m->latent_dim, sizeof *sd);
    stele_status status = mean != NULL && sd != NULL ? STELE_OK : STELE_E_NOMEM;
    if (status == STELE_OK) {
        stele__batch_load(b, n, q->row + at, 0);
        status = stele__chains_draw(m, q->judge->graph, b, q->n_samples, q->judge->seed, STEP, &s);
        status = stele__judge_report(q->judge, status, " in the fusion report", diag);
    }
    if (status == STELE_OK) {
        status = cover(q, &s, at, n, q->mask, 0, mean, sd, t, diag);
    }
    for (uint32_t i = 0; i < m->n_modalities && status == STELE_OK; i++) {
        status = cover(q, &s, at, n, UINT64_C(1) << i & q->mask, 1 + i, mean, sd, t, diag);
    }
    stele__targets_finish(&s);
    stele__free(mean);
    stele__free(sd);
    return status;
}

stele_status stele__trust_compute(const stele__trust_request *q, stele__trust *ret,
                                  stele__diag *diag)
{
    const stele__model *m = q->judge->model;
    size_t n = (size_t)q->n, modalities = m->n_modalities;
    stele__batch *b = NULL;
    *ret = (stele__trust){ .n = q->n,
                           .share = stele__calloc(n * modalities, sizeof(double)),
                           .excess = stele__calloc(n, sizeof(double)),
                           .chance = stele__calloc(n, sizeof(double)),
                           .p = stele__calloc(n, sizeof(double)),
                           .coverage = stele__calloc(n * (1 + modalities), sizeof(double)) };
    if (ret->share == NULL || ret->excess == NULL || ret->chance == NULL || ret->p == NULL ||
        ret->coverage == NULL) {
        return STELE_E_NOMEM;
    }
    stele_status status = p_values(q, ret, diag);
    if (status == STELE_OK) {
        status = stele__batch_create(m, q->judge->data, SAMPLED, &b);
    }
    for (int64_t at = 0; at < q->n && status == STELE_OK; at += SAMPLED) {
        status = cover_rows(q, b, at, ret, diag);
    }
    stele__batch_destroy(b);
    return status;
}

void stele__trust_finish(stele__trust *t)
{
    stele__free(t->share);
    stele__free(t->excess);
    stele__free(t->chance);
    stele__free(t->p);
    stele__free(t->coverage);
    memset(t, 0, sizeof *t);
}
