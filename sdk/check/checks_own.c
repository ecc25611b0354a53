/* Checks of likelihoods that are not elementwise: log_prob and generate. Their derivatives are grad-fd's business. */
#include "block.h"

#include "graph/tensor.h"

#include <math.h>
#include <string.h>

/* log p(x | z) of n rows of an instance, the last output. 0: failed, which was said. */
static int log_prob_of(rig *r, int64_t n, const int64_t *index, double *ret)
{
    rig_result res;
    if (!rig_compute(r, n, index, 0, &res)) {
        return 0;
    }
    const rig_output *o = &res.out[res.n - 1];
    int good = o->rows == n && o->width == 1;
    if (good) {
        memcpy(ret, o->value, (size_t)n * sizeof *ret);
    } else {
        check_fail(r->t, "log_prob gave (%lld, %lld) for %lld rows", (long long)o->rows, (long long)o->width,
                   (long long)n);
    }
    rig_result_finish(&res);
    return good;
}

static double tolerance_of(const rig *r)
{
    return r->plan.dtype == STELE_F64 ? 1e-10 : 1e-4;
}

enum { ROWS = 7 };

void check_log_prob_rows(check_trial *t)
{
    static const int64_t cases[][ROWS + 1] = { { 7, 6, 5, 4, 3, 2, 1, 0 }, { 3, 4, 1, 6 }, { 1, 3 } };
    rig r;
    rig_plan plan = { .rows = ROWS, .features = 6, .covariates = 1 };
    double whole[ROWS], part[ROWS];
    if (rig_start(t, &plan, &r) && log_prob_of(&r, ROWS, NULL, whole)) {
        for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
            const int64_t n = cases[c][0], *index = &cases[c][1];
            for (int64_t i = 0; log_prob_of(&r, n, index, part) && i < n; i++) {
                double d = block_distance(1, &whole[index[i]], &part[i]);
                if (!(d <= tolerance_of(&r))) {
                    check_fail(t, "log_prob of row %lld is %.9g among all rows, %.9g among %lld of them",
                               (long long)index[i], whole[index[i]], part[i], (long long)n);
                    break;
                }
            }
        }
    }
    rig_finish(&r);
}

/* Is every derivative of log_prob finite? */
static int derivatives_are_finite(rig *r)
{
    rig_result res;
    const double *d[RIG_MOST_INPUTS];
    if (!rig_compute(r, r->plan.rows, NULL, 1, &res)) {
        return 1;
    }
    int good = rig_backward(r, &res, d) == STELE_OK;
    rig_result_finish(&res);
    for (int64_t i = 0; good && d[1] != NULL && i < r->plan.rows * r->input[1].width; i++) {
        good = isfinite(d[1][i]);
    }
    return good;
}

void check_log_prob_missing(check_trial *t)
{
    enum { HOLE = 2, EMPTY = 4 };
    rig r;
    rig_plan plan = { .rows = ROWS, .features = 6 };
    double whole[ROWS], holes[ROWS];
    if (rig_start(t, &plan, &r) && log_prob_of(&r, ROWS, NULL, whole)) {
        const check_verdict bad = rig_allows(&r, NAN) ? CHECK_FAIL : CHECK_WARN;
        rig_input *x = &r.input[0];
        x->value[HOLE * x->width] = NAN;
        for (int64_t j = 0; j < x->width; j++) {
            x->value[EMPTY * x->width + j] = NAN;
        }
        for (int64_t i = 0; log_prob_of(&r, ROWS, NULL, holes) && i < ROWS; i++) {
            if (i == EMPTY && !(fabs(holes[i]) <= 1e-6)) {
                check_say(t, bad, "log_prob of a row without any measured entry is %.6g, not 0", holes[i]);
            } else if (i == HOLE && !isfinite(holes[i])) {
                check_say(t, bad, "log_prob of a row with one missing entry is %g", holes[i]);
            } else if (i != EMPTY && i != HOLE && !(block_distance(1, &whole[i], &holes[i]) <= tolerance_of(&r))) {
                check_say(t, bad, "missing entries of other rows move log_prob of row %lld from %.9g to %.9g",
                          (long long)i, whole[i], holes[i]);
            }
        }
        if (t->verdict == CHECK_PASS && !derivatives_are_finite(&r)) {
            check_say(t, bad, "with missing entries derivatives of log_prob are not finite");
        }
    }
    rig_finish(&r);
}

/* --- samples against log_prob ------------------------------------------------------------------------------------- */

enum { SAMPLED = 512, ROUNDS = 12 };

/* Derivatives of sum_r log p(x_r | z_r) towards z, row by row, into ret (rows, latent). 0: failed, which was said. */
static int slopes(block_rig *b, double *ret)
{
    static double one[SAMPLED];
    rig *r = &b->r;
    rig_result res;
    const void *from = one;
    if (!rig_compute(r, b->rows, NULL, 1, &res)) {
        return 0;
    }
    for (int i = 0; i < SAMPLED; i++) {
        one[i] = 1.0;
    }
    stele__params_begin_gradient(r->params);
    stele_status status = stele__graph_backward_from(r->graph, 1, &res.out[res.n - 1].t, &from);
    stele__params_end_gradient(r->params);
    const double *d = status == STELE_OK ? stele__tensor_grad(r->leaf[1]) : NULL;
    if (d != NULL) {
        memcpy(ret, d, (size_t)(b->rows * r->input[1].width) * sizeof *ret);
    } else {
        check_fail(r->t, "no derivative of log_prob arrives at z");
    }
    rig_result_finish(&res);
    return d != NULL;
}

/* Sums of a quantity that should average 0. */
typedef struct tally {
    double sum, squares, n;
} tally;

static void count(tally *s, double v)
{
    s->sum += v;
    s->squares += v * v;
    s->n += 1.0;
}

static void expect_zero(check_trial *t, const tally *s, const char *what, int64_t k)
{
    double mean = s->sum / s->n, error = sqrt(fmax(s->squares / s->n - mean * mean, 0.0) / s->n);
    if (!(fabs(mean) <= 5.0 * error + 1e-8)) {
        check_fail(t,
                   "over %g samples %s, z[%lld], averages %.5g +- %.2g, not 0: generate draws from another law than "
                   "log_prob's",
                   s->n, what, (long long)k, mean, error);
    }
}

/* Both identities of Bartlett (Biometrika 1953) in dimension k of z. */
static int look_at(block_rig *b, int64_t k, double *at, double *below, double *above, tally *first, tally *second)
{
    const double h = 1e-4;
    rig_input *z = &b->r.input[1];
    const int64_t width = z->width;
    int good = 1;
    for (int side = 0; good && side < 2; side++) {
        double step = side == 0 ? -h : h;
        for (int64_t i = 0; i < b->rows; i++) {
            z->value[i * width + k] += step;
        }
        good = slopes(b, side == 0 ? below : above);
        for (int64_t i = 0; i < b->rows; i++) {
            z->value[i * width + k] -= step;
        }
    }
    for (int64_t i = 0; good && i < b->rows; i++) {
        double s = at[i * width + k], curvature = (above[i * width + k] - below[i * width + k]) / (2.0 * h);
        count(first, s);
        count(second, s * s + curvature);
    }
    return good;
}

void check_log_prob_draws(check_trial *t)
{
    block_rig b;
    tally first[8] = { { 0 } }, second[8] = { { 0 } };
    if (t->plugin->vt.modality.generate == NULL) {
        check_fail(t, "promises STELE_CAP_SAMPLES, and has no generate");
        return;
    }
    if (block_start(t, &(rig_plan){ .dtype = STELE_F64, .rows = SAMPLED, .features = 5 }, &b)) {
        const int64_t width = b.r.input[1].width;
        const size_t n = (size_t)(b.rows * width) * sizeof(double);
        double *at = rig_take(&b.r, n), *below = rig_take(&b.r, n), *above = rig_take(&b.r, n);
        for (uint64_t round = 0; round < ROUNDS && t->verdict < CHECK_FAIL; round++) {
            if (own_draw(&b, STELE_DRAW_SAMPLE, round, b.x) != STELE_OK) {
                check_fail(t, "generate failed");
            }
            int good = t->verdict < CHECK_FAIL && slopes(&b, at);
            for (int64_t k = 0; good && k < width && k < 8; k++) {
                good = look_at(&b, k, at, below, above, &first[k], &second[k]);
            }
        }
        for (int64_t k = 0; t->verdict < CHECK_FAIL && k < width && k < 8; k++) {
            expect_zero(t, &first[k], "the derivative of log_prob", k);
            expect_zero(t, &second[k], "its square plus the second derivative", k);
        }
    }
    block_finish(&b);
}
