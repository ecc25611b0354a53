#include "eval/report_private.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

json_t *stele__report_number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

const char *stele__report_name(const stele__report_request *q, uint32_t modality)
{
    return q->judge->model->modality[modality].name;
}

json_t *stele__report_title(const stele__report_request *q, uint64_t mask)
{
    stele__str s;
    stele__str_init(&s);
    for (uint32_t i = 0; i < q->judge->model->n_modalities; i++) {
        if ((mask >> i & 1) != 0) {
            stele__str_printf(&s, "%s%s", s.len > 0 ? "+" : "", stele__report_name(q, i));
        }
    }
    int joint = mask == stele__judge_all(q->judge) && q->judge->model->n_modalities > 1;
    json_t *title = json_string(joint || s.data == NULL ? "joint" : s.data);
    stele__str_finish(&s);
    return title;
}

json_t *stele__report_metrics(const stele_metric *metric, uint32_t n)
{
    json_t *all = json_object();
    for (uint32_t i = 0; i < n; i++) {
        json_object_set_new(all, metric[i].name, stele__report_number(metric[i].value));
    }
    return all;
}

/* --- intervals --- */

json_t *stele__report_interval(const stele__interval *i)
{
    return isfinite(i->low) && isfinite(i->high) ? json_pack("[f, f]", i->low, i->high)
                                                 : json_null();
}

json_t *stele__report_metric_intervals(const stele_metric *metric, const stele__interval *interval,
                                       uint32_t n)
{
    json_t *all = json_object();
    for (uint32_t i = 0; i < n; i++) {
        json_object_set_new(all, metric[i].name, stele__report_interval(&interval[i]));
    }
    return all;
}

json_t *stele__report_intervals(const stele__report_request *q, json_t *at)
{
    json_t *all = json_object_get(at, "intervals");
    if (all == NULL && q->bootstrap != NULL) {
        all = json_object();
        json_object_set_new(at, "intervals", all);
    }
    return all;
}

stele_status stele__report_means(const stele__report_request *q, json_t *at, const char *const *key,
                                 const double *value, uint32_t n_columns)
{
    stele__interval *interval = stele__calloc(n_columns, sizeof *interval);
    stele_status status = interval != NULL ? STELE_OK : STELE_E_NOMEM;
    if (status == STELE_OK && q->bootstrap != NULL) {
        json_t *all = stele__report_intervals(q, at);
        status = stele__bootstrap_means(q->bootstrap, value, n_columns, interval);
        for (uint32_t k = 0; k < n_columns && status == STELE_OK; k++) {
            json_object_set_new(all, key[k], stele__report_interval(&interval[k]));
        }
    }
    stele__free(interval);
    return status;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

stele_status stele__report_median(const double *value, int64_t n, double *ret)
{
    double *sorted = stele__calloc((size_t)n + 1, sizeof *sorted);
    size_t known = 0;
    *ret = NAN;
    for (int64_t r = 0; sorted != NULL && r < n; r++) {
        if (!isnan(value[r])) {
            sorted[known++] = value[r];
        }
    }
    if (known > 0) {
        qsort(sorted, known, sizeof *sorted, ascending);
        *ret = 0.5 * (sorted[(known - 1) / 2] + sorted[known / 2]);
    }
    stele__free(sorted);
    return sorted != NULL ? STELE_OK : STELE_E_NOMEM;
}

/* --- all of it --- */

static stele_status latent_init(const stele__report_request *q, uint64_t mask, stele__latent *l,
                                stele__diag *diag)
{
    size_t size = (size_t)q->n * q->judge->model->latent_dim;
    *l = (stele__latent){ .mask = mask };
    l->mean = stele__calloc(size, sizeof *l->mean);
    l->sd = stele__calloc(size, sizeof *l->sd);
    if (l->mean == NULL || l->sd == NULL) {
        return STELE_E_NOMEM;
    }
    return stele__judge_moments(q->judge, q->row, q->n, mask, l->mean, l->sd, diag);
}

static void latent_finish(stele__latent *l)
{
    stele__free(l->mean);
    stele__free(l->sd);
    memset(l, 0, sizeof *l);
}

static int n_bits(uint64_t mask)
{
    int n = 0;
    for (; mask != 0; mask &= mask - 1) {
        n++;
    }
    return n;
}

/* The subset of the modalities judged that comes after `mask`, in the order of their bits; 0: there
 * is none. Only single modalities where n is 1, of which there may be many. */
static uint64_t next_subset(const stele__report_request *q, int n, uint64_t mask)
{
    if (n > 1) {
        return (mask - q->mask) & q->mask;
    }
    mask = mask == 0 ? 1 : mask << 1;
    while (mask != 0 && (mask & q->mask) == 0) {
        mask <<= 1;
    }
    return mask;
}

/* Posteriors given n of the modalities but not all. */
static stele_status add_subsets(const stele__report_request *q, int n, const stele__latent *joint,
                                json_t *list, stele__diag *diag)
{
    stele_status status = STELE_OK;
    for (uint64_t mask = next_subset(q, n, 0); mask != 0 && status == STELE_OK;
         mask = next_subset(q, n, mask)) {
        stele__latent one;
        if (n_bits(mask) != n || mask == q->mask) {
            continue;
        }
        status = latent_init(q, mask, &one, diag);
        if (status == STELE_OK) {
            status = stele__report_posterior(q, &one, joint, list, diag);
        }
        latent_finish(&one);
    }
    return status;
}

static stele_status add_posteriors(const stele__report_request *q, json_t *list, stele__diag *diag)
{
    stele__latent joint;
    const int most = q->plan->subsets == STELE__SUBSETS_ALL ? n_bits(q->mask) - 1 : 1;
    stele_status status = latent_init(q, q->mask, &joint, diag);
    if (status == STELE_OK) {
        status = stele__report_posterior(q, &joint, &joint, list, diag);
    }
    for (int n = 1; n <= most && status == STELE_OK; n++) {
        status = add_subsets(q, n, &joint, list, diag);
    }
    latent_finish(&joint);
    return status;
}

/* All subsets of many modalities are refused, not begun. */
static stele_status check_subsets(const stele__report_request *q, stele__diag *diag)
{
    const int n = n_bits(q->mask);
    if (q->plan->subsets != STELE__SUBSETS_ALL || n <= STELE__MOST_SUBSETS_OF) {
        return STELE_OK;
    }
    stele__diag_error(
        diag, STELE_E_OPTION, NULL,
        "likelihood.subsets: %d modalities have 2^%d - 1 subsets, of which at most %d "
        "are judged",
        n, n, STELE__MOST_POSTERIORS);
    stele__diag_hint(diag,
                     "name at most %d with --modalities, or evaluate likelihood with "
                     "`subsets: single`",
                     STELE__MOST_SUBSETS_OF);
    return STELE_E_OPTION;
}

stele_status stele__report_make(const stele__report_request *q, json_t **ret, stele__diag *diag)
{
    json_t *posteriors = json_array(), *cross = json_array();
    json_t *all = json_pack("{s:I, s:I, s:o, s:o}", "rows", (json_int_t)q->n, "samples",
                            (json_int_t)q->plan->samples, "posteriors", posteriors, "cross", cross);
    if (all == NULL) {
        return STELE_E_NOMEM;
    }
    if (q->bootstrap != NULL) {
        json_object_set_new(all, "intervals",
                            json_pack("{s:f, s:I, s:I}", "level", q->bootstrap->level, "resamples",
                                      (json_int_t)q->bootstrap->n_resamples, "units",
                                      (json_int_t)q->bootstrap->n_units));
    }
    stele_status status = check_subsets(q, diag);
    if (status == STELE_OK) {
        status = stele__report_check_coherence(q, diag);
    }
    if (status == STELE_OK) {
        status = stele__report_warn_labels(q, diag);
    }
    if (status == STELE_OK) {
        status = stele__report_warn_heads(q, diag);
    }
    if (status == STELE_OK) {
        status = add_posteriors(q, posteriors, diag);
    }
    if (status == STELE_OK && q->plan->cross) {
        status = stele__report_cross(q, cross, diag);
    }
    if (status == STELE_OK && q->plan->alignment) {
        json_t *pairs = json_array();
        json_object_set_new(all, "alignment", pairs);
        status = stele__report_alignment(q, pairs, diag);
    }
    if (status == STELE_OK && q->plan->calibration_level > 0.0) {
        json_t *list = json_array();
        json_object_set_new(all, "calibration", list);
        status = stele__report_calibration(q, list, diag);
    }
    if (status == STELE_OK && q->plan->coherence_labels != NULL) {
        json_t *at = json_object();
        json_object_set_new(all, "coherence", at);
        status = stele__report_coherence(q, at, diag);
    }
    if (status != STELE_OK) {
        json_decref(all);
        return status;
    }
    *ret = all;
    return STELE_OK;
}
