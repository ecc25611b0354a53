/* The likelihood of all terms as one operation with derivatives. Groups of elementwise terms go
 * through the SDK's blocks; terms of levels are few and go one by one. */
#include "table.h"

#include <stele/gaussian.h>
#include <stele/levels.h>
#include <stele/likelihood.h>

#include <stdlib.h>
#include <string.h>

/* Inputs of the operation, in their order; what a model lacks is left out. */
enum { ETA = 0, CODED, CENTRE, LOG_SCALE, N_ALWAYS };

/* One run of the operation. */
typedef struct work {
    const stele_inst *self;
    const stele_view *const *in;
    void *const *d_in; /* NULL: the value alone */
    const void *d_out; /* with d_in */
    double *log_prob;  /* (rows) */
    int64_t rows;
    uint32_t dtype;
    size_t real;       /* bytes of an element */
    int64_t *begin;    /* (rows) */
    char *eta, *d_eta; /* (rows, terms of the group) */
} work;

/* Number of the input with the parameters of a group, 0: the model has none. */
static uint32_t parameter_of(const stele_inst *self, int group)
{
    uint32_t next = N_ALWAYS, normal = 0, counts = 0, ranks = 0;
    if (table_count(self, TABLE_NORMAL) > 0) {
        normal = next++;
    }
    if (table_count(self, TABLE_COUNTS) > 0) {
        counts = next++;
    }
    if (table_count(self, TABLE_RANKS) > 0) {
        ranks = next;
    }
    return group == TABLE_NORMAL ? normal : group == TABLE_COUNTS ? counts : ranks;
}

static double get(const work *w, const void *array, int64_t i)
{
    return w->dtype == STELE_F64 ? ((const double *)array)[i] : (double)((const float *)array)[i];
}

static void add(const work *w, void *array, int64_t i, double v)
{
    if (w->dtype == STELE_F64) {
        ((double *)array)[i] += v;
    } else {
        ((float *)array)[i] += (float)v;
    }
}

static const char *at(const work *w, const void *array, int64_t i)
{
    return (const char *)array + (size_t)i * w->real;
}

/* --- groups of elementwise terms -------------------------------------------------------------- */

/* Predictors of the group's terms, which stand side by side there, out of those of all. */
static void take_predictors(const work *w, int group, int64_t n)
{
    const int64_t first = w->self->term[w->self->first[group]].eta;
    for (int64_t r = 0; r < w->rows; r++) {
        memcpy(w->eta + (size_t)(r * n) * w->real,
               at(w, w->in[ETA]->data, r * w->self->n_eta + first), (size_t)n * w->real);
        w->begin[r] = r * w->self->n_terms + w->self->first[group];
    }
}

static void give_derivatives(const work *w, int group, int64_t n)
{
    const int64_t first = w->self->term[w->self->first[group]].eta;
    for (int64_t r = 0; w->d_in[ETA] != NULL && r < w->rows; r++) {
        for (int64_t k = 0; k < n; k++) {
            add(w, w->d_in[ETA], r * w->self->n_eta + first + k, get(w, w->d_eta, r * n + k));
        }
    }
}

static stele_status evaluate(const work *w, int group, const stele_block *b)
{
    const stele_vec *vec = w->self->host->vec;
    if (group == TABLE_NORMAL) {
        const stele_gaussian_terms t = { .log_variance = 2,
                                         .row_log_variance = -1,
                                         .centre = 0,
                                         .log_scale = 1,
                                         .log_dof = -1,
                                         .floor = w->self->config->least_variance };
        return stele_gaussian(vec, b, &t);
    }
    return group == TABLE_COUNTS ? stele_negative_binomial(vec, b) : stele_bernoulli(vec, b);
}

static stele_status elementwise(const work *w, int group)
{
    const int64_t n = table_count(w->self, group);
    const uint32_t own = group == TABLE_CHOICES ? 0 : parameter_of(w->self, group);
    const void *eta[] = { w->eta }, *feature[3] = { NULL };
    void *d_eta[] = { w->d_eta }, *d_feature[3] = { NULL };
    const int at_own = group == TABLE_NORMAL ? 2 : 0;
    if (n == 0) {
        return STELE_OK;
    }
    take_predictors(w, group, n);
    if (group == TABLE_NORMAL) {
        feature[0] = w->in[CENTRE]->data;
        feature[1] = w->in[LOG_SCALE]->data;
    }
    if (own != 0) {
        feature[at_own] = w->in[own]->data;
        d_feature[at_own] = w->d_in != NULL ? w->d_in[own] : NULL;
    }
    const stele_values x = { .struct_size = sizeof x,
                             .dtype = w->dtype,
                             .layout = STELE_DENSE,
                             .data = w->in[CODED]->data,
                             .begin = w->begin };
    const stele_block b = { .struct_size = sizeof b,
                            .dtype = w->dtype,
                            .n_eta = 1,
                            .n_rows = w->rows,
                            .n_features = n,
                            .eta = eta,
                            .d_eta = w->d_in != NULL ? d_eta : NULL,
                            .feature = feature,
                            .d_feature = w->d_in != NULL ? d_feature : NULL,
                            .weight = w->d_out,
                            .x = &x,
                            .log_prob = w->log_prob };
    stele_status status = evaluate(w, group, &b);
    if (status == STELE_OK && w->d_in != NULL) {
        give_derivatives(w, group, n);
    }
    return status;
}

/* From densities of logarithms and logits to those of the measurements. */
static void add_slopes(const work *w)
{
    const stele_inst *self = w->self;
    for (int64_t t = 0; t < self->first[TABLE_COUNTS]; t++) {
        const int32_t type = self->column[self->term[t].column].type;
        for (int64_t r = 0; type != TABLE_REAL && r < w->rows; r++) {
            const double y = get(w, w->in[CODED]->data, r * self->n_terms + t);
            if (!isnan(y)) {
                w->log_prob[r] += type == TABLE_POSITIVE ? -y : y + 2.0 * stele_levels_softplus(-y);
            }
        }
    }
}

/* --- levels ----------------------------------------------------------------------------------- */

enum { MOST_LEVELS = STELE_MOST_VALUES };

static void rank_term(const work *w, int64_t t)
{
    const stele_inst *self = w->self;
    const table_term *term = &self->term[t];
    const uint32_t own = parameter_of(self, TABLE_RANKS);
    double a[MOST_LEVELS], d_a[MOST_LEVELS] = { 0 };
    for (int64_t k = 0; k < term->n - 1; k++) {
        a[k] = get(w, w->in[own]->data, term->extra + k);
    }
    for (int64_t r = 0; r < w->rows; r++) {
        const double y = get(w, w->in[CODED]->data, r * self->n_terms + t);
        const double eta = get(w, w->in[ETA]->data, r * self->n_eta + term->eta);
        const double weight = w->d_in != NULL ? get(w, w->d_out, r) : 0.0;
        double d_eta = 0.0;
        if (isnan(y)) {
            continue;
        }
        w->log_prob[r] += stele_ordered_logit(term->n, (int64_t)y, eta, a, weight,
                                              w->d_in != NULL ? &d_eta : NULL, d_a);
        if (w->d_in != NULL && w->d_in[ETA] != NULL) {
            add(w, w->d_in[ETA], r * self->n_eta + term->eta, d_eta);
        }
    }
    for (int64_t k = 0; w->d_in != NULL && w->d_in[own] != NULL && k < term->n - 1; k++) {
        add(w, w->d_in[own], term->extra + k, d_a[k]);
    }
}

static void class_term(const work *w, int64_t t)
{
    const stele_inst *self = w->self;
    const table_term *term = &self->term[t];
    const int with = w->d_in != NULL && w->d_in[ETA] != NULL;
    double eta[MOST_LEVELS], d_eta[MOST_LEVELS];
    for (int64_t r = 0; r < w->rows; r++) {
        const double y = get(w, w->in[CODED]->data, r * self->n_terms + t);
        const int64_t first = r * self->n_eta + term->eta;
        if (isnan(y)) {
            continue;
        }
        for (int64_t k = 0; k < term->n; k++) {
            eta[k] = get(w, w->in[ETA]->data, first + k);
        }
        w->log_prob[r] += stele_unordered_logit(
            term->n, (int64_t)y, eta, with ? get(w, w->d_out, r) : 0.0, with ? d_eta : NULL);
        for (int64_t k = 0; with && k < term->n; k++) {
            add(w, w->d_in[ETA], first + k, d_eta[k]);
        }
    }
}

/* --- the operation ---------------------------------------------------------------------------- */

static stele_status run(work *w)
{
    const stele_inst *self = w->self;
    int64_t widest = 1;
    for (int group = 0; group < TABLE_RANKS; group++) {
        widest = table_count(self, group) > widest ? table_count(self, group) : widest;
    }
    const size_t block = (size_t)(w->rows * widest) * w->real;
    w->begin = malloc((size_t)w->rows * sizeof *w->begin + 1);
    w->eta = malloc(block + 1);
    w->d_eta = malloc(block + 1);
    stele_status status =
        w->begin != NULL && w->eta != NULL && w->d_eta != NULL ? STELE_OK : STELE_E_NOMEM;
    for (int group = 0; group < TABLE_RANKS && status == STELE_OK; group++) {
        status = elementwise(w, group);
    }
    if (status == STELE_OK) {
        add_slopes(w);
        for (int64_t t = self->first[TABLE_RANKS]; t < self->first[TABLE_CLASSES]; t++) {
            rank_term(w, t);
        }
        for (int64_t t = self->first[TABLE_CLASSES]; t < self->n_terms; t++) {
            class_term(w, t);
        }
    }
    free(w->begin);
    free(w->eta);
    free(w->d_eta);
    return status;
}

static stele_status run_on(void *user, const stele_view *const *in, const void *d_out,
                           void *const *d_in, void *out)
{
    work w = { .self = user, .in = in, .d_in = d_in, .d_out = d_out };
    w.rows = in[ETA]->shape.dim[0];
    w.dtype = in[ETA]->dtype;
    w.real = w.dtype == STELE_F64 ? sizeof(double) : sizeof(float);
    w.log_prob = calloc((size_t)w.rows + 1, sizeof *w.log_prob);
    stele_status status = w.log_prob != NULL ? run(&w) : STELE_E_NOMEM;
    for (int64_t r = 0; status == STELE_OK && out != NULL && r < w.rows; r++) {
        if (w.dtype == STELE_F64) {
            ((double *)out)[r] = w.log_prob[r];
        } else {
            ((float *)out)[r] = (float)w.log_prob[r];
        }
    }
    free(w.log_prob);
    return status;
}

static stele_status forward(void *user, uint32_t n, const stele_view *const *in, void *out)
{
    (void)n;
    return run_on(user, in, NULL, NULL, out);
}

static stele_status backward(void *user, uint32_t n, const stele_view *const *in,
                             const stele_view *out, const void *d_out, void *const *d_in)
{
    (void)n;
    (void)out;
    return run_on(user, in, d_out, d_in, NULL);
}

const stele_custom table_likelihood = { .struct_size = sizeof table_likelihood,
                                        .name = "likelihood of a table",
                                        .forward = forward,
                                        .backward = backward };
