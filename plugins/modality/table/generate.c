/* Mean, mode and random rows. */
#include "table.h"

#include <stele/gaussian.h>
#include <stele/levels.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>

/* What one row is made from. */
typedef struct making {
    const stele_inst *self;
    uint32_t what;
    stele_view eta, centre, log_scale, log_variance, log_dispersion, thresholds;
    stele_view noise; /* SAMPLE: (rows, terms) standard normal */
    int64_t row;
} making;

static double eta_of(const making *m, int64_t t, int64_t k)
{
    return table_real(&m->eta, m->row * m->self->n_eta + m->self->term[t].eta + k);
}

static double noise_of(const making *m, int64_t t)
{
    return m->what == STELE_DRAW_SAMPLE ? table_real(&m->noise, m->row * m->self->n_terms + t)
                                        : 0.0;
}

/* Inside (0, 1). */
static double uniform_of(const making *m, int64_t t)
{
    return fmin(fmax(0.5 * erfc(-noise_of(m, t) / sqrt(2.0)), 1e-12), 1.0 - 1e-12);
}

/* --- normal terms ----------------------------------------------------------------------------- */

static double sigmoid(double y)
{
    return stele_levels_sigmoid(y);
}

/* Mean of the sigmoid of a normal number, by trapezoids, whose error is far below single precision
 * for so smooth a function. */
static double mean_logit(double mean, double sd)
{
    enum { STEPS = 128 };
    double sum = 0.0, total = 0.0;
    for (int i = -STEPS; i <= STEPS; i++) {
        const double e = 8.0 * (double)i / STEPS, p = exp(-0.5 * e * e);
        sum += p * sigmoid(mean + sd * e);
        total += p;
    }
    return sum / total;
}

/* Of x, but for a constant. */
static double log_logit_normal(double mean, double sd, double y)
{
    const double e = (y - mean) / sd;
    return -0.5 * e * e + y + 2.0 * stele_levels_softplus(-y);
}

/* Where the density of x is highest: it may have two tops, which a grid tells apart. */
static double mode_logit(double mean, double sd)
{
    enum { STEPS = 200, CUTS = 60 };
    double best = mean, step = 6.0 * sd / STEPS;
    for (int i = -STEPS; i <= STEPS; i++) {
        const double y = mean + step * (double)i;
        if (log_logit_normal(mean, sd, y) > log_logit_normal(mean, sd, best)) {
            best = y;
        }
    }
    /* Between the neighbours of the best there is one peak: cut by thirds. */
    double low = best - step, high = best + step;
    for (int i = 0; i < CUTS; i++) {
        const double a = low + (high - low) / 3.0, b = high - (high - low) / 3.0;
        if (log_logit_normal(mean, sd, a) < log_logit_normal(mean, sd, b)) {
            low = a;
        } else {
            high = b;
        }
    }
    return sigmoid(0.5 * (low + high));
}

static double positive(double log_x)
{
    return fmin(fmax(exp(log_x), (double)FLT_MIN), (double)FLT_MAX);
}

static double normal_value(const making *m, int64_t t)
{
    const stele_inst *self = m->self;
    const int32_t type = self->column[self->term[t].column].type;
    const double scale = exp(table_real(&m->log_scale, t));
    const double sd = scale * sqrt(self->config->least_variance +
                                   stele_gaussian_exp(table_real(&m->log_variance, t)));
    const double y = table_real(&m->centre, t) + scale * eta_of(m, t, 0) + sd * noise_of(m, t);
    if (type == TABLE_REAL) {
        return y;
    }
    if (m->what == STELE_DRAW_SAMPLE) {
        return type == TABLE_POSITIVE ? positive(y) : sigmoid(y);
    }
    if (type == TABLE_POSITIVE) {
        return positive(m->what == STELE_DRAW_MEAN ? y + 0.5 * sd * sd : y - sd * sd);
    }
    return m->what == STELE_DRAW_MEAN ? mean_logit(y, sd) : mode_logit(y, sd);
}

/* --- the others ------------------------------------------------------------------------------- */

static double count_value(const making *m, int64_t t)
{
    const double mean = exp(fmin(eta_of(m, t, 0), 80.0));
    const double theta = exp(table_real(&m->log_dispersion, t - m->self->first[TABLE_COUNTS]));
    switch (m->what) {
    case STELE_DRAW_SAMPLE:
        return fmin(stele_nb_quantile(mean, theta, uniform_of(m, t)), 16777215.0);
    case STELE_DRAW_MODE: return stele_nb_mode(mean, theta);
    default: return mean;
    }
}

/* Probabilities of a term's levels, 2 of a binary one. */
static int64_t probabilities(const making *m, int64_t t, double *ret)
{
    const stele_inst *self = m->self;
    const table_term *term = &self->term[t];
    double room[STELE_MOST_VALUES];
    if (t < self->first[TABLE_RANKS]) {
        ret[1] = sigmoid(eta_of(m, t, 0));
        ret[0] = sigmoid(-eta_of(m, t, 0));
        return 2;
    }
    if (t < self->first[TABLE_CLASSES]) {
        for (int64_t k = 0; k < term->n - 1; k++) {
            room[k] = table_real(&m->thresholds, term->extra + k);
        }
        stele_ordered_probabilities(term->n, eta_of(m, t, 0), room, ret);
        return term->n;
    }
    for (int64_t k = 0; k < term->n; k++) {
        room[k] = eta_of(m, t, k);
    }
    stele_unordered_probabilities(term->n, room, ret);
    return term->n;
}

static double level_value(const making *m, int64_t t)
{
    const table_column *c = &m->self->column[m->self->term[t].column];
    double p[STELE_MOST_VALUES], mean = 0.0;
    const int64_t n = probabilities(m, t, p);
    if (m->what == STELE_DRAW_SAMPLE) {
        return table_uncoded(c, stele_levels_quantile(n, p, uniform_of(m, t)));
    }
    /* Between levels without an order lies nothing: their mean would be that of arbitrary codes. */
    if (m->what == STELE_DRAW_MODE || (t >= m->self->first[TABLE_CLASSES] && n > 2)) {
        return table_uncoded(c, stele_levels_mode(n, p));
    }
    for (int64_t k = 0; k < n; k++) {
        mean += p[k] * table_uncoded(c, k);
    }
    return mean;
}

/* A proportion that may be 0 or 1: which, or what is inside. */
static double ended_value(const making *m, const table_column *c)
{
    double p[STELE_MOST_VALUES];
    const int64_t n = probabilities(m, c->end, p);
    const double inside = normal_value(m, c->term);
    const int64_t one = (c->ends & 2) != 0 ? n - 1 : -1;
    if (m->what == STELE_DRAW_MEAN) {
        return p[0] * inside + (one > 0 ? p[one] : 0.0);
    }
    const int64_t k = m->what == STELE_DRAW_MODE
                          ? stele_levels_mode(n, p)
                          : stele_levels_quantile(n, p, uniform_of(m, c->end));
    return k == 0 ? inside : k == one ? 1.0 : 0.0;
}

static double value_of(const making *m, int64_t column)
{
    const stele_inst *self = m->self;
    const table_column *c = &self->column[column];
    if (c->type == TABLE_CONSTANT) {
        return c->feature->n_rows > 0 ? c->feature->least : 0.0;
    }
    if (c->end >= 0) {
        return ended_value(m, c);
    }
    if (c->term < self->first[TABLE_COUNTS]) {
        return normal_value(m, c->term);
    }
    return c->term < self->first[TABLE_CHOICES] ? count_value(m, c->term) : level_value(m, c->term);
}

/* --- the slot --------------------------------------------------------------------------------- */

static stele_status look(const stele_inst *self, stele_graph *g, stele_tensor *t, stele_view *ret)
{
    ret->struct_size = sizeof *ret;
    const stele_status status = self->host->ops->status(g);
    return status == STELE_OK ? self->host->ops->view(t, ret) : status;
}

static stele_status look_at_parameters(stele_graph *g, making *m)
{
    const stele_inst *self = m->self;
    const stele_ops *ops = self->host->ops;
    stele_status status = look(self, g, ops->param(g, self->centre), &m->centre);
    if (status == STELE_OK) {
        status = look(self, g, ops->param(g, self->log_scale), &m->log_scale);
    }
    if (status == STELE_OK && table_count(self, TABLE_NORMAL) > 0) {
        status = look(self, g, table_log_variance(self, g), &m->log_variance);
    }
    if (status == STELE_OK && table_count(self, TABLE_COUNTS) > 0) {
        status = look(self, g, ops->param(g, self->log_dispersion), &m->log_dispersion);
    }
    if (status == STELE_OK && table_count(self, TABLE_RANKS) > 0) {
        status = look(self, g, ops->param(g, self->thresholds), &m->thresholds);
    }
    return status;
}

stele_status table_generate(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                            uint32_t what, stele_tensor **ret_x)
{
    const stele_ops *ops = self->host->ops;
    making m = { .self = self, .what = what };
    stele_status status = look(self, g, table_predict(self, g, a), &m.eta);
    if (status == STELE_OK) {
        status = look_at_parameters(g, &m);
    }
    const int64_t rows = m.eta.shape.dim[0];
    if (status == STELE_OK && what == STELE_DRAW_SAMPLE) {
        const stele_shape shape = stele_shape2(rows, self->n_terms);
        status = look(self, g, ops->noise(g, &shape, STREAM_SAMPLE), &m.noise);
    }
    const stele_shape shape = stele_shape2(rows, self->n_columns);
    double *x =
        status == STELE_OK ? malloc((size_t)(rows * self->n_columns) * sizeof *x + 1) : NULL;
    if (x == NULL) {
        return status != STELE_OK ? status : STELE_E_NOMEM;
    }
    for (; m.row < rows; m.row++) {
        for (int64_t j = 0; j < self->n_columns; j++) {
            const int64_t at = m.row * self->n_columns + j;
            if (ops->dtype(g) == STELE_F64) {
                x[at] = value_of(&m, j);
            } else {
                ((float *)x)[at] = (float)value_of(&m, j);
            }
        }
    }
    *ret_x = ops->constant(g, ops->dtype(g), &shape, x);
    free(x);
    return ops->status(g);
}
