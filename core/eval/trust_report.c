#include "eval/report_private.h"
#include "eval/trust.h"

#include "base/mem.h"
#include "eval/moments.h"

#include <math.h>

/* Figures of a row whose means are those of a group; of each modality its share and its coverage
 * come behind them. */
enum { DISAGREEMENT, CONFLICT, CONFLICT_CHI_SQUARE, COVERAGE, N_FIGURES };
static const char *const titles[N_FIGURES] = { "disagreement", "conflict", "conflict_chi_square",
                                               "coverage" };

static size_t width_of(const stele__trust_request *q)
{
    return N_FIGURES + 2 * (size_t)q->judge->model->n_modalities;
}

/* NaN where a row does not count. */
static void read_row(const stele__trust_request *q, const stele__trust *t, int64_t r, double *ret)
{
    const uint32_t n = q->judge->model->n_modalities;
    const double *coverage = t->coverage + r * (1 + (int64_t)n);
    const int tested = !isnan(t->excess[r]);
    ret[DISAGREEMENT] = t->excess[r];
    ret[CONFLICT] = tested && !isnan(t->p[r]) ? t->p[r] < 0.05 : (double)NAN;
    ret[CONFLICT_CHI_SQUARE] = tested ? t->chance[r] < 0.05 : (double)NAN;
    ret[COVERAGE] = coverage[0];
    for (uint32_t i = 0; i < n; i++) {
        ret[N_FIGURES + 2 * i] = tested ? t->share[r * n + i] : (double)NAN;
        ret[N_FIGURES + 2 * i + 1] = coverage[1 + i];
    }
}

static int counts(const stele__trust_request *q, const stele__label *label, int32_t code, int64_t r)
{
    return (code < 0 || label->code[q->row[r]] == code) &&
           (stele__judge_present(q->judge, q->row[r]) & q->mask) != 0;
}

static json_t *mean_of(const stele__moments *m)
{
    return stele__report_number(m->n > 0.0 ? m->mean : NAN);
}

/* How many rows of the group have an expert of modality i. */
static json_int_t rows_with(const stele__trust_request *q, const stele__trust *t,
                            const stele__label *label, int32_t code, uint32_t i)
{
    json_int_t n = 0;
    for (int64_t r = 0; r < t->n; r++) {
        n += counts(q, label, code, r) && !isnan(t->share[r * q->judge->model->n_modalities + i]);
    }
    return n;
}

static int add_intervals(const stele__trust_request *q, const stele__bootstrap *b,
                         const double *value, json_t *at)
{
    const stele__model *m = q->judge->model;
    const size_t width = width_of(q);
    json_t *all = json_object(), *modalities = json_object();
    stele__interval *interval = stele__calloc(width, sizeof *interval);
    const int ok =
        interval != NULL && stele__bootstrap_means(b, value, (uint32_t)width, interval) == STELE_OK;
    for (size_t k = 0; ok && k < N_FIGURES; k++) {
        json_object_set_new(all, titles[k], stele__report_interval(&interval[k]));
    }
    for (uint32_t i = 0; ok && i < m->n_modalities; i++) {
        if ((q->mask >> i & 1) != 0) {
            const stele__interval *own = &interval[N_FIGURES + 2 * i];
            json_object_set_new(modalities, m->modality[i].name,
                                json_pack("{s:o, s:o}", "share", stele__report_interval(own),
                                          "coverage", stele__report_interval(own + 1)));
        }
    }
    json_object_set_new(all, "modalities", modalities);
    json_object_set_new(at, "intervals", all);
    stele__free(interval);
    return ok;
}

static json_t *figures_json(const stele__trust_request *q, const stele__trust *t,
                            const stele__label *label, int32_t code, int64_t rows,
                            const stele__moments *m)
{
    const stele__model *model = q->judge->model;
    json_t *modalities = json_object();
    for (uint32_t i = 0; i < model->n_modalities; i++) {
        if ((q->mask >> i & 1) != 0) {
            const stele__moments *own = m + N_FIGURES + 2 * i;
            json_object_set_new(modalities, model->modality[i].name,
                                json_pack("{s:I, s:o, s:o}", "rows",
                                          rows_with(q, t, label, code, i), "share", mean_of(own),
                                          "coverage", mean_of(own + 1)));
        }
    }
    return json_pack("{s:s?, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "group",
                     code >= 0 ? label->category[code] : NULL, "rows", (json_int_t)rows, "tested",
                     (json_int_t)m[DISAGREEMENT].n, "disagreement", mean_of(&m[DISAGREEMENT]),
                     "conflict", mean_of(&m[CONFLICT]), "conflict_chi_square",
                     mean_of(&m[CONFLICT_CHI_SQUARE]), "coverage", mean_of(&m[COVERAGE]),
                     "coverage_error",
                     stele__report_number(stele__moments_standard_error(&m[COVERAGE])),
                     "modalities", modalities);
}

/* The figures of one group: NULL without memory. */
static json_t *group_json(const stele__trust_request *q, const stele__trust *t,
                          const stele__label *label, int32_t code, const stele__bootstrap *b)
{
    const size_t width = width_of(q);
    double *value = stele__calloc((size_t)t->n * width + 1, sizeof *value);
    stele__moments *m = stele__calloc(width, sizeof *m);
    json_t *at = NULL;
    int64_t rows = 0;
    for (int64_t r = 0; value != NULL && m != NULL && r < t->n; r++) {
        double *own = value + (size_t)r * width;
        const int in = counts(q, label, code, r);
        read_row(q, t, r, own);
        rows += in;
        for (size_t k = 0; k < width; k++) {
            own[k] = in ? own[k] : (double)NAN;
            if (!isnan(own[k])) {
                stele__moments_add(&m[k], own[k]);
            }
        }
    }
    if (value != NULL && m != NULL) {
        at = figures_json(q, t, label, code, rows, m);
    }
    if (at != NULL && b != NULL && !add_intervals(q, b, value, at)) {
        json_decref(at);
        at = NULL;
    }
    stele__free(value);
    stele__free(m);
    return at;
}

json_t *stele__trust_report(const stele__trust_request *q, const stele__trust *t,
                            const stele__label *label, const stele__bootstrap *b)
{
    json_t *groups = json_array();
    int32_t last = label != NULL ? (int32_t)label->n_categories : 0;
    for (int32_t c = -1; c < last; c++) {
        if (json_array_append_new(groups, group_json(q, t, label, c, b)) != 0) {
            json_decref(groups);
            return NULL;
        }
    }
    return json_pack("{s:I, s:I, s:o}", "samples", (json_int_t)q->n_samples, "reference_rows",
                     (json_int_t)q->n_reference, "groups", groups);
}
