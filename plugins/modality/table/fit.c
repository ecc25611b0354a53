/* What the training rows give: centres and scales, and predictors to start from. */
#include "table.h"

#include <math.h>
#include <stdlib.h>

/* Per term: entries seen, and mean and sum of squared deviations (Welford 1962) of what the encoder
 * sees of them; of counts those of the counts themselves, too. */
typedef struct moments {
    double *n, *mean, *squares, *count_mean, *count_squares;
} moments;

static void add_entry(const stele_inst *self, moments *m, int64_t t, double y)
{
    const double seen = table_seen(self, t, y), d = seen - m->mean[t], e = y - m->count_mean[t];
    m->n[t] += 1.0;
    m->mean[t] += d / m->n[t];
    m->squares[t] += d * (seen - m->mean[t]);
    m->count_mean[t] += e / m->n[t];
    m->count_squares[t] += e * (y - m->count_mean[t]);
}

static void add_rows(const stele_inst *self, const stele_view *x, moments *m)
{
    for (int64_t r = 0; r < x->shape.dim[0]; r++) {
        for (int64_t t = 0; t < self->n_terms; t++) {
            const int64_t j = self->term[t].column;
            const double y = table_coded(self, t, table_real(x, r * self->n_columns + j));
            if (!isnan(y)) {
                add_entry(self, m, t, y);
            }
        }
    }
}

/* Rows with each level of a term, from those of the column's values. */
static double rows_with(const stele_inst *self, int64_t t, int64_t level)
{
    const table_term *term = &self->term[t];
    const table_column *c = &self->column[term->column];
    double n = 0.0;
    for (int64_t k = 0; k < c->feature->n_values && t != c->end; k++) {
        const int64_t at = c->rank != NULL ? c->rank[k] : k;
        n += at == level ? (double)c->feature->count[k] : 0.0;
    }
    return n;
}

/* Predictors that give the training rows' frequencies. What was seen of a proportion's ends are
 * their mean alone, so that both count the same. */
static void start_levels(const stele_inst *self, int64_t t, const moments *m, double *bias)
{
    const table_term *term = &self->term[t];
    const table_column *c = &self->column[term->column];
    if (t == c->end) {
        const double share = fmin(m->mean[t] / (c->ends == 3 ? 1.5 : 1.0), 1.0);
        for (int64_t k = 0; k < term->n; k++) {
            bias[term->eta + k] =
                log((k == 0 ? 1.0 - share : share / (double)(term->n - 1)) * m->n[t] + 0.5);
        }
        return;
    }
    for (int64_t k = 0; k < term->n_eta; k++) {
        bias[term->eta + k] =
            term->n_eta > 1 ? log(rows_with(self, t, k) + 0.5)
                            : log((rows_with(self, t, 1) + 0.5) / (rows_with(self, t, 0) + 0.5));
    }
}

/* Thresholds at the logits of cumulative frequencies. */
static void start_ranks(const stele_inst *self, int64_t t, double *thresholds)
{
    const table_term *term = &self->term[t];
    const double n = (double)self->column[term->column].feature->n_rows;
    double below = 0.0, last = 0.0;
    for (int64_t k = 0; k + 1 < term->n; k++) {
        below += rows_with(self, t, k);
        const double at = log((below + 0.5) / (n - below + 0.5));
        thresholds[term->extra + k] = k == 0 ? at : log(fmax(at - last, 1e-2));
        last = at;
    }
}

static void start_counts(const stele_inst *self, int64_t t, const moments *m, double *bias,
                         double *log_dispersion)
{
    const double mean = fmax(m->count_mean[t], 0.01);
    const double variance = m->count_squares[t] / fmax(m->n[t], 1.0);
    const double theta = variance > mean ? mean * mean / (variance - mean) : 100.0;
    bias[self->term[t].eta] = log(mean);
    log_dispersion[t - self->first[TABLE_COUNTS]] = log(fmin(fmax(theta, 0.1), 100.0));
}

/* What to multiply the standard deviation of n values by so that the central 95 % of a normal
 * around their mean are where the next value will be with 95 %: of 2 values it is 9, of 5 1.7, of
 * 100 1.02. The quantile of Student's t is the expansion of Cornish and Fisher, which falls a
 * quarter short of it for one degree of freedom. */
static double widening(double n)
{
    const double z = 1.959963984540054, d = n - 1.0, z2 = z * z;
    const double one = z * (z2 + 1.0) / 4.0;
    const double two = z * ((5.0 * z2 + 16.0) * z2 + 3.0) / 96.0;
    const double three = z * (((3.0 * z2 + 19.0) * z2 + 17.0) * z2 - 15.0) / 384.0;
    return (z + one / d + two / (d * d) + three / (d * d * d)) / z * sqrt((n + 1.0) / d);
}

/* A column that next to no training rows have (a mutational signature that two tumours show) has a
 * spread there that says little about others: two values may be close by chance, and a third then
 * costs a thousand nats. Scales are widened for it, and the variance that training learns stays
 * above 1 / n^2, since a few values are soon predicted without error. */
static void widen(int64_t n_normal, const moments *m, double *log_scale, double *least)
{
    for (int64_t t = 0; t < n_normal; t++) {
        log_scale[t] += m->n[t] > 1.0 ? log(widening(m->n[t])) : 0.0;
        least[t] = -2.0 * log(fmax(m->n[t], 1.0));
    }
}

/* A term without spread keeps its scale of 1: there is nothing to divide by. Binary inputs and
 * classes are seen as they are, so that a rare one does not stand out by its rarity. */
static void set_scales(const stele_inst *self, moments *m)
{
    for (int64_t t = 0; t < self->n_terms; t++) {
        const double variance = m->n[t] > 0.0 ? m->squares[t] / m->n[t] : 0.0;
        const int is_log = self->column[self->term[t].column].type == TABLE_POSITIVE ||
                           self->column[self->term[t].column].type == TABLE_PROPORTION;
        const double size = is_log ? 1.0 : m->mean[t];
        const int varies = variance > 1e-12 * size * size && variance > 1e-300;
        const int scaled = t < self->first[TABLE_CHOICES] ||
                           (t >= self->first[TABLE_RANKS] && t < self->first[TABLE_CLASSES]);
        m->squares[t] = varies && scaled ? 0.5 * log(variance) : 0.0;
        m->mean[t] = t < self->first[TABLE_CLASSES] ? m->mean[t] : 0.0;
    }
}

typedef struct starts {
    double *bias, *log_dispersion, *thresholds, *least;
} starts;

static stele_status set_all(const stele_inst *self, stele_fit *f, moments *m, starts *s)
{
    const stele_fit_api *api = self->host->fit;
    for (int64_t t = 0; t < self->n_terms; t++) {
        if (t >= self->first[TABLE_CLASSES] ||
            (t >= self->first[TABLE_CHOICES] && t < self->first[TABLE_RANKS])) {
            start_levels(self, t, m, s->bias);
        } else if (t >= self->first[TABLE_RANKS]) {
            start_ranks(self, t, s->thresholds);
        } else if (t >= self->first[TABLE_COUNTS]) {
            start_counts(self, t, m, s->bias, s->log_dispersion);
        }
    }
    set_scales(self, m);
    widen(table_count(self, TABLE_NORMAL), m, m->squares, s->least);
    stele_status status = api->set(f, self->centre, (uint64_t)self->n_terms, m->mean);
    if (status == STELE_OK) {
        status = api->set(f, self->log_scale, (uint64_t)self->n_terms, m->squares);
    }
    if (status == STELE_OK) {
        status = api->set(f, self->bias, (uint64_t)self->n_eta, s->bias);
    }
    if (status == STELE_OK && table_count(self, TABLE_NORMAL) > 0) {
        status = api->set(f, self->least_log_variance, (uint64_t)table_count(self, TABLE_NORMAL),
                          s->least);
    }
    if (status == STELE_OK && table_count(self, TABLE_COUNTS) > 0) {
        status = api->set(f, self->log_dispersion, (uint64_t)table_count(self, TABLE_COUNTS),
                          s->log_dispersion);
    }
    if (status == STELE_OK && self->n_thresholds > 0) {
        status = api->set(f, self->thresholds, (uint64_t)self->n_thresholds, s->thresholds);
    }
    return status;
}

stele_status table_fit(const stele_inst *self, stele_fit *f)
{
    const size_t n = (size_t)self->n_terms;
    double *room =
        calloc(7 * n + (size_t)self->n_eta + (size_t)self->n_thresholds + 1, sizeof *room);
    if (room == NULL) {
        return STELE_E_NOMEM;
    }
    moments m = { room, room + n, room + 2 * n, room + 3 * n, room + 4 * n };
    starts s = { .log_dispersion = room + 5 * n, .least = room + 6 * n, .bias = room + 7 * n };
    s.thresholds = s.bias + self->n_eta;
    stele_view x = { .struct_size = sizeof x };
    stele_status status = self->host->fit->next(f, &x);
    while (status == STELE_OK && x.shape.dim[0] > 0) {
        add_rows(self, &x, &m);
        status = self->host->fit->next(f, &x);
    }
    if (status == STELE_OK) {
        status = set_all(self, f, &m, &s);
    }
    free(room);
    if (status == STELE_OK) {
        table_report(self);
    }
    return status;
}
