/* Checks of elementwise likelihoods: derivatives, element types, sparse values, blocks, what is added to. */
#include "block.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Worst difference of two results, over values and (with 1) derivatives; `ret_what` names the place. */
static double difference(const block_rig *b, const block_result *a, const block_result *c, int derivatives,
                         const char **ret_what)
{
    double worst = block_distance(b->rows, a->log_prob, c->log_prob), d;
    *ret_what = "log_prob";
    for (uint32_t k = 0; derivatives && k < b->n_eta; k++) {
        if ((d = block_distance(b->rows * b->features, a->d_eta[k], c->d_eta[k])) > worst) {
            worst = d;
            *ret_what = "d_eta";
        }
    }
    for (uint32_t k = 0; derivatives && k < b->n_feature; k++) {
        if ((d = block_distance(b->features, a->d_feature[k], c->d_feature[k])) > worst) {
            worst = d;
            *ret_what = "d_feature";
        }
    }
    for (uint32_t k = 0; derivatives && k < b->n_row; k++) {
        if ((d = block_distance(b->rows, a->d_row[k], c->d_row[k])) > worst) {
            worst = d;
            *ret_what = "d_row";
        }
    }
    return worst;
}

static double tolerance_of(uint32_t dtype)
{
    return dtype == STELE_F64 ? 1e-10 : 1e-4;
}

static void expect_equal(block_rig *b, const char *what, const block_result *a, const block_result *c, int derivatives,
                         double tolerance)
{
    const char *where;
    double d = difference(b, a, c, derivatives, &where);
    if (!(d <= tolerance)) {
        check_fail(b->r.t, "%s: %s differs by %.3g", what, where, d);
    }
}

/* --- derivatives -------------------------------------------------------------------------------------------------- */

static double objective(block_rig *b, block_result *scratch)
{
    memset(scratch->log_prob, 0, (size_t)b->rows * sizeof(double));
    block_eval(b, STELE_F64, BLOCK_DENSE64, 0, b->features, scratch);
    return block_objective(b, scratch);
}

static double numeric_at(block_rig *b, block_result *scratch, double *x, double step)
{
    const double kept = *x, h = step * fmax(1.0, fabs(kept));
    static const double offset[4] = { -2.0, -1.0, 1.0, 2.0 }, factor[4] = { 1.0, -8.0, 8.0, -1.0 };
    double sum = 0.0;
    for (int k = 0; k < 4; k++) {
        *x = kept + offset[k] * h;
        sum += factor[k] * objective(b, scratch);
    }
    *x = kept;
    return sum / (12.0 * h);
}

typedef struct tested {
    const char *name;
    uint32_t k;
    int64_t rows, features; /* 1 where the parameter has none */
    double *value;
    const double *analytic;
} tested;

static double compare(block_rig *b, block_result *scratch, const tested *p)
{
    double largest = 0.0, scale = 1e-2;
    int64_t n = p->rows * p->features;
    for (int64_t i = 0; i < n; i++) {
        scale = fmax(scale, isfinite(p->analytic[i]) ? fabs(p->analytic[i]) : 0.0);
    }
    for (int64_t i = 0; i < n; i++) {
        double a = p->analytic[i], numeric = numeric_at(b, scratch, &p->value[i], 1e-3);
        largest = fmax(largest, fabs(numeric));
        scale = fmax(scale, fabs(numeric));
        if (fabs(a - numeric) <= 1e-6 * scale || fabs(a - numeric_at(b, scratch, &p->value[i], 1e-5)) <= 1e-5 * scale) {
            continue;
        }
        char place[96] = "";
        size_t at = 0;
        if (p->rows > 1) {
            at += (size_t)snprintf(place, sizeof place, ", row %lld", (long long)(i / p->features));
        }
        if (p->features > 1) {
            snprintf(place + at, sizeof place - at, ", feature %lld", (long long)(i % p->features));
        }
        check_fail(b->r.t, "%s %u%s, x = %g: analytic %.9g, numeric %.9g", p->name, p->k, place,
                   b->x[p->rows > 1 ? (i / p->features) * b->features + (p->features > 1 ? i % p->features : 0)
                                    : i % b->features],
                   a, numeric);
        return HUGE_VAL;
    }
    return largest;
}

/* All derivatives of the block; the largest of them. */
static double compare_all(block_rig *b, block_result *scratch)
{
    block_result res;
    double largest = 0.0;
    if (!block_whole(b, STELE_F64, BLOCK_DERIVATIVES | BLOCK_DENSE64, &res)) {
        return HUGE_VAL;
    }
    for (uint32_t k = 0; k < b->n_eta; k++) {
        tested p = { "d_eta", k, b->rows, b->features, b->eta[k], res.d_eta[k] };
        largest = fmax(largest, compare(b, scratch, &p));
    }
    for (uint32_t k = 0; k < b->n_feature; k++) {
        tested p = { "d_feature", k, 1, b->features, b->feature[k], res.d_feature[k] };
        largest = b->trained[k] ? fmax(largest, compare(b, scratch, &p)) : largest;
    }
    for (uint32_t k = 0; k < b->n_row; k++) {
        tested p = { "d_row", k, b->rows, 1, b->row[k], res.d_row[k] };
        largest = fmax(largest, compare(b, scratch, &p));
    }
    return largest;
}

/* Other values than the usual ones, all of about one size: beside large ones an error of small ones would not show. */
static int enlarge(block_rig *b, double size)
{
    const rig_support *s = &b->r.support;
    double sign = s->low == -HUGE_VAL && s->high == HUGE_VAL ? -1.0 : 1.0;
    if (s->low > size || s->high < 3.0 * size) {
        return 0;
    }
    for (int64_t i = 0; i < b->rows * b->features; i++) {
        double v = floor(size * (1.0 + 2.0 * rig_uniform(b->r.t, 480, i)));
        b->x[i] = i % 2 == 0 ? v : sign * v;
    }
    return 1;
}

void check_likelihood_gradient(check_trial *t)
{
    static const double size[] = { 12.0, 900.0 };
    block_rig b;
    block_result scratch;
    if (!check_promises_double(t)) {
        return;
    }
    if (block_start(t, &(rig_plan){ .rows = 5, .features = 6 }, &b)) {
        block_result_init(&b, &scratch);
        if (compare_all(&b, &scratch) == 0.0) {
            check_say(t, CHECK_HOLLOW, "log_prob depends on nothing");
        }
        for (size_t i = 0; i < 2 && t->verdict < CHECK_FAIL && enlarge(&b, size[i]); i++) {
            compare_all(&b, &scratch);
        }
    }
    block_finish(&b);
}

/* --- float, sparse, missing --------------------------------------------------------------------------------------- */

void check_likelihood_dtype(check_trial *t)
{
    block_rig b;
    block_result wide, narrow;
    if (block_start(t, &(rig_plan){ .rows = 9, .features = 40 }, &b) &&
        block_whole(&b, STELE_F64, BLOCK_DERIVATIVES, &wide) &&
        block_whole(&b, STELE_F32, BLOCK_DERIVATIVES, &narrow)) {
        expect_equal(&b, "float against double", &wide, &narrow, 1, 2e-4);
    }
    block_finish(&b);
}

void check_likelihood_sparse(check_trial *t)
{
    block_rig b;
    block_result dense, sparse, zeros;
    if (block_start(t, &(rig_plan){ .rows = 6, .features = 300 }, &b)) {
        uint32_t dtype = b.r.plan.dtype;
        int n_zero = 0;
        for (int64_t i = 0; i < b.rows * b.features && b.r.support.zero; i++) {
            b.x[i] = rig_uniform(t, 470, i) < 0.7 ? 0.0 : b.x[i];
            n_zero += b.x[i] == 0.0;
        }
        if (n_zero == 0 || !rig_takes_sparse(t)) {
            check_skip(t, "the plugin takes no sparse input");
        } else if (block_whole(&b, dtype, BLOCK_DERIVATIVES, &dense) &&
                   block_whole(&b, dtype, BLOCK_DERIVATIVES | BLOCK_CSR, &sparse) &&
                   block_whole(&b, dtype, BLOCK_DERIVATIVES | BLOCK_CSR | BLOCK_ZEROS, &zeros)) {
            expect_equal(&b, "sparse against dense", &dense, &sparse, 1, tolerance_of(dtype));
            expect_equal(&b, "stored zeros against dense", &dense, &zeros, 1, tolerance_of(dtype));
        }
    }
    block_finish(&b);
}

void check_likelihood_missing(check_trial *t)
{
    block_rig b;
    block_result whole, holes, rest;
    if (block_start(t, &(rig_plan){ .rows = 5, .features = 8 }, &b)) {
        uint32_t dtype = b.r.plan.dtype;
        if (block_whole(&b, dtype, BLOCK_DERIVATIVES, &whole)) {
            for (int64_t i = 0; i < b.rows; i++) {
                b.x[i * b.features + 3] = NAN;
            }
            block_result_init(&b, &rest);
            if (block_whole(&b, dtype, BLOCK_DERIVATIVES, &holes) &&
                block_eval(&b, dtype, BLOCK_DERIVATIVES, 0, 3, &rest) == STELE_OK &&
                block_eval(&b, dtype, BLOCK_DERIVATIVES, 4, b.features - 4, &rest) == STELE_OK) {
                /* Feature 3 is missing everywhere: the same as if it were not there. */
                const char *where;
                double d = difference(&b, &rest, &holes, 1, &where);
                if (!(d <= tolerance_of(dtype))) {
                    /* Who lets no missing entry in need not know what to do with one. */
                    check_say(t, rig_accepts(&b.r, b.rows, b.x) ? CHECK_FAIL : CHECK_WARN,
                              "with a missing feature %s differs by %.3g from that without it", where, d);
                }
            }
        }
    }
    block_finish(&b);
}

/* --- extremes ----------------------------------------------------------------------------------------------------- */

static int bad_values(const block_rig *b, const block_result *res, const char **ret_what)
{
    for (int64_t i = 0; i < b->rows; i++) {
        if (!isfinite(res->log_prob[i])) {
            *ret_what = "log_prob";
            return 1;
        }
    }
    for (int64_t i = 0; i < b->rows * b->features * (int64_t)b->n_eta; i++) {
        if (!isfinite(res->d_eta[i / (b->rows * b->features)][i % (b->rows * b->features)])) {
            *ret_what = "d_eta";
            return 1;
        }
    }
    for (int64_t i = 0; i < b->features * (int64_t)b->n_feature; i++) {
        if (b->trained[i / b->features] && !isfinite(res->d_feature[i / b->features][i % b->features])) {
            *ret_what = "d_feature";
            return 1;
        }
    }
    for (int64_t i = 0; i < b->rows * (int64_t)b->n_row; i++) {
        if (!isfinite(res->d_row[i / b->rows][i % b->rows])) {
            *ret_what = "d_row";
            return 1;
        }
    }
    return 0;
}

/* Row 0 and 1 hold eta -80 and 80, feature parameters go from low to high, x from the smallest to a large value. */
static void set_extremes(block_rig *b, double eta, double feature)
{
    for (uint32_t k = 0; k < b->n_eta; k++) {
        for (int64_t i = 0; i < b->rows * b->features; i++) {
            b->eta[k][i] = (i / b->features + k) % 2 == 0 ? -eta : eta;
        }
    }
    for (uint32_t k = 0; k < b->n_feature; k++) {
        for (int64_t j = 0; j < b->features && b->trained[k]; j++) {
            b->feature[k][j] = j % 2 == 0 ? -feature : feature;
        }
    }
    for (uint32_t k = 0; k < b->n_row; k++) {
        for (int64_t i = 0; i < b->rows; i++) {
            b->row[k][i] = i % 2 == 0 ? 5.0 : -5.0;
        }
    }
    for (int64_t i = 0; i < b->rows * b->features; i++) {
        b->x[i] = b->r.support.whole && i % 5 == 0 ? fmin(5000.0, b->r.support.high) : b->x[i];
    }
}

void check_likelihood_extreme(check_trial *t)
{
    static const double etas[] = { 20.0, 80.0 }, features[] = { 3.0, 8.0 };
    for (int k = 0; k < 4 && t->verdict < CHECK_FAIL; k++) {
        block_rig b;
        block_result res;
        if (block_start(t, &(rig_plan){ .rows = 4, .features = 10 }, &b)) {
            uint32_t dtype = k / 2 == 0 ? b.r.plan.dtype : STELE_F32;
            const char *what;
            set_extremes(&b, etas[k % 2], features[k % 2]);
            if (block_whole(&b, dtype, BLOCK_DERIVATIVES, &res) && bad_values(&b, &res, &what)) {
                check_fail(t, "eta of +-%g, feature parameters of +-%g in %s: %s is not finite", etas[k % 2],
                           features[k % 2], dtype == STELE_F64 ? "double" : "float", what);
            }
        }
        block_finish(&b);
    }
}

/* --- blocks, sums, weights ---------------------------------------------------------------------------------------- */

static void compare_blocks(block_rig *b, unsigned how)
{
    static const int64_t sizes[] = { 1, 7, 255, 256, 257 };
    uint32_t dtype = b->r.plan.dtype;
    block_result whole, parts;
    int good = block_whole(b, dtype, BLOCK_DERIVATIVES | how, &whole);
    for (size_t s = 0; good && s < sizeof sizes / sizeof sizes[0]; s++) {
        char what[64];
        snprintf(what, sizeof what, "%sblocks of %lld features", how != 0 ? "sparse, " : "", (long long)sizes[s]);
        block_result_init(b, &parts);
        for (int64_t first = 0; first < b->features; first += sizes[s]) {
            int64_t n = b->features - first < sizes[s] ? b->features - first : sizes[s];
            if (block_eval(b, dtype, BLOCK_DERIVATIVES | how, first, n, &parts) != STELE_OK) {
                check_fail(b->r.t, "%s: likelihood failed", what);
            }
        }
        expect_equal(b, what, &whole, &parts, 1, tolerance_of(dtype));
    }
}

void check_likelihood_blocks(check_trial *t)
{
    block_rig b;
    if (block_start(t, &(rig_plan){ .rows = 4, .features = 300 }, &b)) {
        compare_blocks(&b, 0);
        if (rig_takes_sparse(t)) {
            compare_blocks(&b, BLOCK_CSR);
        }
    }
    block_finish(&b);
}

void check_likelihood_adds(check_trial *t)
{
    block_rig b;
    block_result clean, filled, alias, value;
    if (block_start(t, &(rig_plan){ .rows = 5, .features = 12 }, &b)) {
        uint32_t dtype = b.r.plan.dtype;
        if (block_whole(&b, dtype, BLOCK_DERIVATIVES, &clean) &&
            block_whole(&b, dtype, BLOCK_DERIVATIVES | BLOCK_FILLED, &filled) &&
            block_whole(&b, dtype, BLOCK_DERIVATIVES | BLOCK_ALIAS, &alias) && block_whole(&b, dtype, 0, &value)) {
            expect_equal(&b, "added to 3 against added to 0", &clean, &filled, 1, 2.0 * tolerance_of(dtype));
            expect_equal(&b, "d_eta in the memory of eta", &clean, &alias, 1, 0.0);
            expect_equal(&b, "without derivatives", &clean, &value, 0, tolerance_of(dtype));
        }
    }
    block_finish(&b);
}

static void scale_derivatives(const block_rig *b, block_result *res, double factor)
{
    for (uint32_t k = 0; k < b->n_eta; k++) {
        for (int64_t i = 0; i < b->rows * b->features; i++) {
            res->d_eta[k][i] *= factor;
        }
    }
    for (uint32_t k = 0; k < b->n_feature; k++) {
        for (int64_t j = 0; j < b->features; j++) {
            res->d_feature[k][j] *= factor;
        }
    }
    for (uint32_t k = 0; k < b->n_row; k++) {
        for (int64_t i = 0; i < b->rows; i++) {
            res->d_row[k][i] *= factor;
        }
    }
}

void check_likelihood_weight(check_trial *t)
{
    block_rig b;
    block_result one, two, none;
    if (block_start(t, &(rig_plan){ .rows = 5, .features = 12 }, &b)) {
        uint32_t dtype = b.r.plan.dtype;
        int good = block_whole(&b, dtype, BLOCK_DERIVATIVES, &one);
        for (int64_t i = 0; i < b.rows; i++) {
            b.weight[i] *= 2.0;
        }
        good = good && block_whole(&b, dtype, BLOCK_DERIVATIVES, &two);
        memset(b.weight, 0, (size_t)b.rows * sizeof *b.weight);
        good = good && block_whole(&b, dtype, BLOCK_DERIVATIVES, &none);
        if (good) {
            scale_derivatives(&b, &one, 2.0);
            expect_equal(&b, "weights twice as large", &one, &two, 1, tolerance_of(dtype));
            scale_derivatives(&b, &one, 0.0);
            expect_equal(&b, "weights of 0", &one, &none, 1, 0.0);
        }
    }
    block_finish(&b);
}
