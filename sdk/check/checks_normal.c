/* Checks of a likelihood as a distribution: it sums to one, and draws come from it. */
#include "block.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Ways in which x may be distributed; which of them fit follows from validate(). */
typedef struct law {
    const char *name;
    double (*mass)(block_rig *b, double *ret_mean); /* sum or integral of exp(log_prob) for the block's parameters */
} law;

/* x of a row: only the first feature is looked at, which stands for all in rows that cannot have one alone. */
static void set_x(block_rig *b, int64_t row, double v)
{
    b->x[row * b->features] = v;
}

/* Give all rows and features of a block the parameters of the first. */
static void spread_out(block_rig *b)
{
    for (uint32_t k = 0; k < b->n_eta; k++) {
        for (int64_t i = 1; i < b->rows * b->features; i++) {
            b->eta[k][i] = b->eta[k][0];
        }
    }
    for (uint32_t k = 0; k < b->n_feature; k++) {
        for (int64_t j = 1; j < b->features && b->trained[k]; j++) {
            b->feature[k][j] = b->feature[k][0];
        }
    }
    for (uint32_t k = 0; k < b->n_row; k++) {
        for (int64_t i = 1; i < b->rows; i++) {
            b->row[k][i] = b->row[k][0];
        }
    }
}

/* exp(log_prob) of the block's x, one value per row. */
static const double *probabilities(block_rig *b, block_result *res)
{
    memset(res->log_prob, 0, (size_t)b->rows * sizeof(double));
    block_eval(b, b->r.plan.dtype, b->r.plan.dtype == STELE_F64 ? BLOCK_DENSE64 : 0, 0, 1, res);
    for (int64_t i = 0; i < b->rows; i++) {
        res->log_prob[i] = exp(res->log_prob[i]);
    }
    return res->log_prob;
}

static block_result scratch; /* made once for a block_rig */

static double mass_binary(block_rig *b, double *ret_mean)
{
    for (int64_t i = 0; i < b->rows; i++) {
        set_x(b, i, (double)(i % 2));
    }
    const double *p = probabilities(b, &scratch);
    *ret_mean = p[1];
    return p[0] + p[1];
}

/* Counts, until what is left is negligible. */
static double mass_counts(block_rig *b, double *ret_mean)
{
    double sum = 0.0, mean = 0.0;
    for (int64_t first = 0; first < 400000; first += b->rows) {
        double part = 0.0;
        for (int64_t i = 0; i < b->rows; i++) {
            set_x(b, i, (double)(first + i));
        }
        const double *p = probabilities(b, &scratch);
        for (int64_t i = 0; i < b->rows; i++) {
            part += p[i];
            mean += p[i] * (double)(first + i);
        }
        sum += part;
        if (!isfinite(sum) || sum > 1e3 || (part < 1e-11 && (sum > 0.5 || first > 100000))) {
            break;
        }
    }
    *ret_mean = mean;
    return sum;
}

/* Trapezoids in t, x = map(t) with slope dx/dt: dense where laws vary fast, and far out for heavy tails. */
static double integral(block_rig *b, double (*map)(double), double (*slope)(double), double reach, double *ret_mean)
{
    double sum = 0.0, mean = 0.0, step = 2.0 * reach / 32768.0;
    for (int64_t first = 0; first <= 32768; first += b->rows) {
        for (int64_t i = 0; i < b->rows; i++) {
            set_x(b, i, map(-reach + step * (double)(first + i)));
        }
        const double *p = probabilities(b, &scratch);
        for (int64_t i = 0; i < b->rows && first + i <= 32768; i++) {
            double w = p[i] * slope(-reach + step * (double)(first + i)) * step;
            w = p[i] > 0.0 ? w : 0.0;
            sum += w;
            mean += w * b->x[i * b->features];
        }
    }
    *ret_mean = mean;
    return sum;
}

static double map_unit(double t)
{
    return 1.0 / (1.0 + exp(-t));
}

static double slope_unit(double t)
{
    return map_unit(t) * map_unit(-t);
}

static double mass_reals(block_rig *b, double *ret_mean)
{
    return integral(b, sinh, cosh, 14.0, ret_mean);
}

static double mass_positive(block_rig *b, double *ret_mean)
{
    return integral(b, exp, exp, 30.0, ret_mean);
}

static double mass_unit(block_rig *b, double *ret_mean)
{
    return integral(b, map_unit, slope_unit, 30.0, ret_mean);
}

static const law binary = { "over {0, 1}", mass_binary }, counts = { "over counts", mass_counts },
                 reals = { "over the reals", mass_reals }, positive = { "over x > 0", mass_positive },
                 unit = { "over (0, 1)", mass_unit };

/* Candidates, the likeliest first. */
static size_t laws_of(const block_rig *b, const law *ret[4])
{
    size_t n = 0;
    switch (b->r.support) {
    case RIG_COUNT:
        ret[n++] = &binary;
        ret[n++] = &counts;
        break;
    case RIG_BINARY: ret[n++] = &binary; break;
    case RIG_POSITIVE: ret[n++] = &positive; break;
    case RIG_UNIT:
        ret[n++] = &unit;
        ret[n++] = &binary;
        break;
    case RIG_REAL:
        ret[n++] = &reals;
        if (b->r.vt->modality.validate == NULL) {
            ret[n++] = &counts;
            ret[n++] = &positive;
            ret[n++] = &binary;
        }
    }
    return n;
}

enum { GRID = 512, SETTINGS = 8 };

/* Other parameters, by number. */
static void set_parameters(block_rig *b, uint64_t number)
{
    for (uint32_t k = 0; k < b->n_eta; k++) {
        b->eta[k][0] = 4.0 * rig_uniform(b->r.t, 800 + number, k) - (k == 0 ? 1.0 : 2.0);
    }
    for (uint32_t k = 0; k < b->n_feature; k++) {
        if (b->trained[k]) {
            b->feature[k][0] = 3.0 * rig_uniform(b->r.t, 820 + number, k) - 1.0;
        }
    }
    for (uint32_t k = 0; k < b->n_row; k++) {
        b->row[k][0] = 2.0 * rig_uniform(b->r.t, 840 + number, k) - 1.0;
    }
    spread_out(b);
}

/* Binary laws that take any count as a 1 repeat their value: then the sum over {0, 1} is the right one. */
static const law *choose(block_rig *b, double *ret_worst)
{
    const law *candidate[4], *best = NULL;
    size_t n = laws_of(b, candidate);
    *ret_worst = HUGE_VAL;
    for (size_t c = 0; c < n; c++) {
        double worst = 0.0, mean;
        for (uint64_t s = 0; s < SETTINGS && worst < 1e-2; s++) {
            set_parameters(b, s);
            double off = fabs(candidate[c]->mass(b, &mean) - 1.0);
            worst = isfinite(off) ? fmax(worst, off) : HUGE_VAL;
        }
        if (worst < *ret_worst || best == NULL) {
            *ret_worst = worst;
            best = candidate[c];
        }
    }
    /* Where none fits, the message speaks of the law that the data suggest. */
    return *ret_worst < 1e-2 ? best : b->r.support == RIG_COUNT ? &counts : candidate[0];
}

static int start(check_trial *t, block_rig *b)
{
    if (!block_start(t, &(rig_plan){ .rows = GRID, .features = 1 }, b)) {
        return 0;
    }
    block_result_init(b, &scratch);
    return 1;
}

void check_likelihood_normalised(check_trial *t)
{
    block_rig b;
    double worst, mean;
    if (start(t, &b)) {
        const double tolerance = b.r.plan.dtype == STELE_F64 ? 1e-5 : 2e-3;
        const law *l = choose(&b, &worst);
        for (uint64_t s = 0; s < SETTINGS && worst > tolerance; s++) {
            set_parameters(&b, s);
            double mass = l->mass(&b, &mean);
            if (!(fabs(mass - 1.0) <= tolerance)) {
                check_fail(t, "exp(log_prob) %s comes to %.8g for eta %.4g%s%.4g%s%.4g", l->name, mass, b.eta[0][0],
                           b.n_feature > 0 ? ", feature parameter " : ", row parameter ",
                           b.n_feature > 0 ? b.feature[0][0]
                           : b.n_row > 0   ? b.row[0][0]
                                           : 0.0,
                           b.n_feature > 0 ? ", row parameter " : ", no other ", b.n_row > 0 ? b.row[0][0] : 0.0);
                break;
            }
        }
    }
    block_finish(&b);
}

/* --- draws -------------------------------------------------------------------------------------------------------- */

/* Are all of these values ones that the plugin calls valid? */
static int all_valid(block_rig *b, const double *x)
{
    stele_bad_value bad;
    if (b->r.vt->modality.validate == NULL) {
        return 1;
    }
    float *data = rig_take(&b->r, (size_t)(b->rows * b->features) * sizeof *data);
    for (int64_t i = 0; i < b->rows * b->features; i++) {
        data[i] = (float)x[i];
    }
    stele_view v = { .struct_size = sizeof v, .dtype = STELE_F32, .layout = STELE_DENSE, .data = data };
    v.shape = b->r.input[0].shape;
    return b->r.vt->modality.validate(b->r.inst, &v, &bad) == STELE_OK;
}

static void compare_draws(block_rig *b, const law *l, double *x)
{
    enum { ROUNDS = 16 };
    double of_law, sum = 0.0, squares = 0.0, n = (double)(ROUNDS * b->rows);
    const int64_t width = b->features;
    check_trial *t = b->r.t;
    double mass = l->mass(b, &of_law);
    if (block_draw(b, STELE_DRAW_MODE, 0, x) != STELE_OK || !all_valid(b, x)) {
        check_fail(t, "the mode (%g) is refused by validate, or draw failed", x[0]);
    }
    for (uint64_t k = 0; k < ROUNDS; k++) {
        if (block_draw(b, STELE_DRAW_SAMPLE, k, x) != STELE_OK || !all_valid(b, x)) {
            check_fail(t, "a sample is refused by validate, or draw failed");
            return;
        }
        for (int64_t i = 0; i < b->rows; i++) {
            sum += x[i * width] / n;
            squares += x[i * width] * x[i * width] / n;
        }
    }
    if (block_draw(b, STELE_DRAW_MEAN, 0, x) != STELE_OK || !isfinite(x[0])) {
        check_fail(t, "draw of the mean failed, or is %g", x[0]);
        return;
    }
    double error = sqrt(fmax(squares - sum * sum, 0.0) / n);
    if (!(fabs(sum - x[0]) <= 5.0 * error + 1e-5 * (1.0 + fabs(x[0])))) {
        check_fail(t, "eta %.4g: draw's mean is %.6g, %g samples average %.6g +- %.2g", b->eta[0][0], x[0], n, sum,
                   error);
    }
    if (fabs(mass - 1.0) < 1e-4 && !(fabs(of_law - x[0]) <= 1e-3 * (1.0 + fabs(x[0])))) {
        check_fail(t, "eta %.4g: draw's mean is %.6g, that of the likelihood %s %.6g", b->eta[0][0], x[0], l->name,
                   of_law);
    }
}

void check_draw_agrees(check_trial *t)
{
    block_rig b;
    double worst;
    if (start(t, &b)) {
        const law *l = choose(&b, &worst);
        double *x = rig_take(&b.r, (size_t)(b.rows * b.features) * sizeof *x);
        for (uint64_t s = 0; s < SETTINGS && t->verdict < CHECK_FAIL; s++) {
            set_parameters(&b, s);
            compare_draws(&b, l, x);
        }
    }
    block_finish(&b);
}
