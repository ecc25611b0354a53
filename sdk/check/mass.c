#include "mass.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 16, LATENTS = 3, MOST_EXTENT = 40 };

/* Samples of one z, and log_prob at them. */
typedef struct sampled {
    block_rig *b;
    uint64_t latent; /* number of the z */
    int64_t n, width;
    double *x;        /* (n, width) */
    double *log_prob; /* (n) */
} sampled;

/* log_prob of n rows, in portions of the block's. */
static void evaluate(block_rig *b, int64_t n, const double *x, double *ret)
{
    const int64_t width = b->features;
    double *values = rig_take(&b->r, (size_t)b->rows * sizeof *values);
    for (int64_t first = 0; first < n; first += b->rows) {
        for (int64_t i = 0; i < b->rows; i++) { /* what the last portion lacks is made up by its first row */
            const int64_t from = first + i < n ? first + i : first;
            memcpy(b->x + i * width, x + from * width, (size_t)width * sizeof *x);
        }
        own_log_prob(b, values);
        for (int64_t i = 0; i < b->rows && first + i < n; i++) {
            ret[first + i] = values[i];
        }
    }
}

/* As many as there is time for: some plugins take theirs. 0: none, which was said. */
static int draw_all(sampled *s)
{
    block_rig *b = s->b;
    const double until = check_now() + 0.2 * b->r.t->subject->timeout;
    own_set_latent(b, s->latent);
    for (s->n = 0; s->n == 0 || (s->n < ROUNDS * b->rows && check_now() < until); s->n += b->rows) {
        const uint64_t number = 1000 * s->latent + (uint64_t)(s->n / b->rows);
        const stele_status status = own_draw(b, STELE_DRAW_SAMPLE, number, s->x + s->n * s->width);
        if (status != STELE_OK) {
            check_say(b->r.t, status == STELE_E_UNSUPPORTED ? CHECK_SKIP : CHECK_FAIL, "generate gives no samples");
            return 0;
        }
    }
    return 1;
}

/* --- whole numbers: how often a row comes up ------------------------------------------------------------------- */

static int64_t compared_width;

static int compare_rows(const void *a, const void *b)
{
    const double *x = *(const double *const *)a, *y = *(const double *const *)b;
    for (int64_t j = 0; j < compared_width; j++) {
        if (x[j] != y[j]) {
            return x[j] < y[j] ? -1 : 1;
        }
    }
    return 0;
}

/* Shares of samples against probabilities, of rows that come up often. */
static void compare_shares(const sampled *s, int64_t n, const double *row, const int64_t *count)
{
    check_trial *t = s->b->r.t;
    const int less = (t->plugin->desc.caps & STELE_CAP_SUBPROBABILITY) != 0;
    double shares = 0.0, sum = 0.0;
    for (int64_t i = 0; i < n; i++, row += s->width) {
        const double share = (double)count[i] / (double)s->n, p = exp(s->log_prob[i]);
        const double allowed = 5.0 * sqrt(fmax(share, p) / (double)s->n);
        if (!(p <= share + allowed) || (!less && !(p >= share - allowed))) {
            check_fail(t, "a row that begins with %g, %g is %.3g of the samples, exp(log_prob) is %.3g", row[0], row[1],
                       share, p);
        }
        if (row[s->width - 1] == 0.0) { /* others may be beginnings */
            shares += share;
            sum += p;
        }
    }
    /* Codes that nobody uses may have a part, not the most of it. */
    if (!(sum >= 0.5 * shares - 5.0 * sqrt(shares / (double)s->n))) {
        check_fail(t, "rows that are %.3g of the samples have an exp(log_prob) of %.3g together", shares, sum);
    }
}

static void count_rows(sampled *s)
{
    enum { MOST = 64, FEWEST = 50 };
    const double **sorted = rig_take(&s->b->r, (size_t)s->n * sizeof *sorted);
    double *frequent = rig_take(&s->b->r, (size_t)(MOST * s->width) * sizeof *frequent);
    int64_t count[MOST], n = 0;
    for (int64_t i = 0; i < s->n; i++) {
        sorted[i] = s->x + i * s->width;
    }
    compared_width = s->width;
    qsort(sorted, (size_t)s->n, sizeof *sorted, compare_rows);
    for (int64_t i = 0, end; i < s->n; i = end) {
        for (end = i + 1; end < s->n && compare_rows(&sorted[i], &sorted[end]) == 0; end++) {
        }
        if (end - i >= FEWEST && n < MOST) {
            memcpy(frequent + n * s->width, sorted[i], (size_t)s->width * sizeof *frequent);
            count[n++] = end - i;
        }
    }
    if (n == 0) {
        check_say(s->b->r.t, CHECK_WARN, "no row of whole numbers comes up often enough to compare its probability");
    }
    evaluate(s->b, n, frequent, s->log_prob);
    compare_shares(s, n, frequent, count);
}

/* --- real numbers: the density about the middle ---------------------------------------------------------------- */

/* A normal law cut off at squared distance `reach` from its mean. */
typedef struct ellipsoid {
    int64_t d;
    double mean[MOST_EXTENT];
    double root[MOST_EXTENT * MOST_EXTENT]; /* lower triangle L of the covariance L L' */
    double reach, constant;                 /* log density is constant - distance / 2 */
} ellipsoid;

/* Lower incomplete gamma function P(a, x), by its series. */
static double gamma_share(double a, double x)
{
    double term = exp(a * log(x) - x - lgamma(a + 1.0)), sum = term;
    for (int k = 1; k < 1000 && term > 1e-17 * sum; k++) {
        term *= x / (a + k);
        sum += term;
    }
    return sum;
}

/* Of the covariance in e->root. 0: the samples lie in a plane. */
static int take_root(ellipsoid *e)
{
    const int64_t d = e->d;
    for (int64_t j = 0; j < d; j++) {
        for (int64_t i = j; i < d; i++) {
            double v = e->root[i * d + j];
            for (int64_t k = 0; k < j; k++) {
                v -= e->root[i * d + k] * e->root[j * d + k];
            }
            if (i == j && !(v > 1e-12)) {
                return 0;
            }
            e->root[i * d + j] = i == j ? sqrt(v) : v / e->root[j * d + j];
        }
    }
    return 1;
}

/* The first n samples make the law that the others are compared with. */
static int fit(const sampled *s, int64_t n, ellipsoid *e)
{
    const int64_t d = e->d = s->width;
    memset(e->mean, 0, sizeof e->mean);
    memset(e->root, 0, sizeof e->root);
    for (int64_t i = 0; i < n * d; i++) {
        e->mean[i % d] += s->x[i] / (double)n;
    }
    for (int64_t i = 0; i < n; i++) {
        const double *x = s->x + i * d;
        for (int64_t j = 0; j < d; j++) {
            for (int64_t k = 0; k <= j; k++) {
                e->root[j * d + k] += (x[j] - e->mean[j]) * (x[k] - e->mean[k]) / (double)n;
            }
        }
    }
    if (!take_root(e)) {
        return 0;
    }
    const double half = 0.5 * (double)d;
    e->reach = (double)d + 2.0 * sqrt(2.0 * (double)d);
    e->constant = -half * log(2.0 * 3.14159265358979323846) - log(gamma_share(half, 0.5 * e->reach));
    for (int64_t j = 0; j < d; j++) {
        e->constant -= log(e->root[j * d + j]);
    }
    return 1;
}

static double distance_of(const ellipsoid *e, const double *x)
{
    double u[MOST_EXTENT], sum = 0.0;
    for (int64_t j = 0; j < e->d; j++) {
        u[j] = x[j] - e->mean[j];
        for (int64_t k = 0; k < j; k++) {
            u[j] -= e->root[j * e->d + k] * u[k];
        }
        u[j] /= e->root[j * e->d + j];
        sum += u[j] * u[j];
    }
    return sum;
}

/* Share of the ellipsoid's law that the likelihood's support holds. */
static double share_allowed(const block_rig *b, const ellipsoid *e)
{
    enum { TRIED = 2000 };
    double x[MOST_EXTENT], u[MOST_EXTENT];
    int64_t within = 0, good = 0;
    for (int64_t i = 0; i < TRIED; i++) {
        double distance = 0.0;
        for (int64_t j = 0; j < e->d; j++) {
            u[j] = rig_normal(b->r.t, 880, i * e->d + j);
            distance += u[j] * u[j];
            x[j] = e->mean[j];
            for (int64_t k = 0; k <= j; k++) {
                x[j] += e->root[j * e->d + k] * u[k];
            }
        }
        within += distance <= e->reach;
        good += distance <= e->reach && rig_accepts(&b->r, 1, x);
    }
    return (double)good / (double)within;
}

/* With g the law of the ellipsoid and p = exp(log_prob), whose integral is c, the mean of g / p over samples of p / c
 * is the share of g that p's support holds, over c (Gelfand and Dey 1994). */
static void compare_density(sampled *s)
{
    static ellipsoid e;
    check_trial *t = s->b->r.t;
    const int64_t half = s->n / 2;
    double sum = 0.0, squares = 0.0;
    if (s->width > MOST_EXTENT || !fit(s, half, &e)) {
        check_say(t, CHECK_WARN, "samples have too many elements, or lie in a plane: nothing can be said");
        return;
    }
    evaluate(s->b, half, s->x + half * s->width, s->log_prob);
    for (int64_t i = 0; i < half; i++) {
        const double distance = distance_of(&e, s->x + (half + i) * s->width);
        const double w = distance <= e.reach ? exp(e.constant - 0.5 * distance - s->log_prob[i]) : 0.0;
        sum += w / (double)half;
        squares += w * w / (double)half;
    }
    const double error = sqrt(fmax(squares - sum * sum, 0.0) / (double)half), share = share_allowed(s->b, &e);
    if (!isfinite(sum) || !(fabs(sum - share) <= 5.0 * error + 0.03)) {
        check_fail(t, "exp(log_prob) over rows of %lld elements integrates to %.4g +- %.2g", (long long)s->width,
                   share / sum, share / sum * error / sum);
    } else if (error > 0.1) {
        check_say(t, CHECK_WARN, "samples are too far from a normal law to say what exp(log_prob) integrates to");
    }
}

void mass_by_samples(block_rig *b)
{
    const int64_t n = ROUNDS * b->rows;
    sampled s = { .b = b, .width = b->features };
    s.x = rig_take(&b->r, (size_t)(n * s.width) * sizeof *s.x);
    s.log_prob = rig_take(&b->r, (size_t)n * sizeof *s.log_prob);
    const double until = check_now() + 0.4 * b->r.t->subject->timeout;
    for (s.latent = 0; s.latent == 0 || (s.latent < LATENTS && check_now() < until); s.latent++) {
        if (b->r.t->verdict >= CHECK_FAIL || !draw_all(&s)) {
            break;
        }
        if (b->r.support.whole) {
            count_rows(&s);
        } else {
            compare_density(&s);
        }
    }
}
