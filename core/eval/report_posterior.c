/* One posterior, for a report: how wide it is, how likely it makes the rows, what its means tell.
 */
#include "eval/report_private.h"

#include "base/mem.h"
#include "eval/bound.h"

#include <math.h>

static json_t *names_of(const stele__report_request *q, uint64_t mask)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < q->judge->model->n_modalities; i++) {
        if ((mask >> i & 1) != 0) {
            json_array_append_new(list, json_string(stele__report_name(q, i)));
        }
    }
    return list;
}

/* --- likelihood --- */

static stele_status likelihood_intervals(const stele__report_request *q, const double *rows,
                                         json_t *at)
{
    static const char *const key[] = { "elbo", "importance_weighted", "divergence" };
    const uint32_t m = q->judge->model->n_modalities, width = STELE__ROW_LOG_PX + m;
    json_t *all = stele__report_intervals(q, at), *by_modality = json_object();
    stele__interval *interval = stele__calloc(width, sizeof *interval);
    stele_status status = interval != NULL
                              ? stele__bootstrap_means(q->bootstrap, rows, width, interval)
                              : STELE_E_NOMEM;
    for (uint32_t k = 0; k < width && status == STELE_OK; k++) {
        json_t *one = stele__report_interval(&interval[k]);
        if (k < STELE__ROW_LOG_PX) {
            json_object_set_new(all, key[k], one);
        } else {
            json_object_set_new(by_modality, stele__report_name(q, k - STELE__ROW_LOG_PX), one);
        }
    }
    json_object_set_new(all, "log_likelihood", by_modality);
    stele__free(interval);
    return status;
}

static stele_status add_likelihood(const stele__report_request *q, uint64_t mask, json_t *at,
                                   stele__diag *diag)
{
    const size_t width = STELE__ROW_LOG_PX + q->judge->model->n_modalities;
    stele__bound b;
    double *rows = stele__calloc((size_t)q->n * width, sizeof *rows);
    stele_status status = rows != NULL
                              ? stele__bound_compute(q->judge, q->row, q->n, mask,
                                                     (uint32_t)q->plan->samples, &b, rows, diag)
                              : STELE_E_NOMEM;
    if (status == STELE_OK) {
        json_t *by_modality = json_object(), *perplexity = json_object();
        for (uint32_t i = 0; i < q->judge->model->n_modalities; i++) {
            const char *name = stele__report_name(q, i);
            json_object_set_new(by_modality, name, stele__report_number(b.log_px[i]));
            if (q->judge->model->modality[i].vt->factors != NULL) {
                json_object_set_new(perplexity, name, stele__report_number(b.perplexity[i]));
            }
        }
        json_object_set_new(at, "elbo", stele__report_number(b.elbo));
        json_object_set_new(at, "elbo_error", stele__report_number(b.elbo_error));
        json_object_set_new(at, "importance_weighted", stele__report_number(b.importance));
        json_object_set_new(at, "importance_weighted_error",
                            stele__report_number(b.importance_error));
        json_object_set_new(at, "divergence", stele__report_number(b.divergence));
        json_object_set_new(at, "log_likelihood", by_modality);
        if (json_object_size(perplexity) > 0) {
            json_object_set(at, "perplexity", perplexity);
        }
        json_decref(perplexity);
    }
    if (status == STELE_OK && q->bootstrap != NULL) {
        status = likelihood_intervals(q, rows, at);
    }
    stele__free(rows);
    return status;
}

/* --- spread --- */

/* Of each row the mean variance, and the share of dimensions in which the joint is sharper; NaN
 * where a row has nothing of the posterior's, or nothing else. */
static void spread_of(const stele__report_request *q, const stele__latent *l,
                      const stele__latent *joint, int64_t r, double *ret)
{
    const size_t width = q->judge->model->latent_dim;
    const uint64_t present = stele__judge_present(q->judge, q->row[r]);
    const int compared = (present & joint->mask & ~l->mask) != 0;
    double sum = 0.0, sharper = 0.0;
    for (size_t d = 0; d < width; d++) {
        double own = l->sd[(size_t)r * width + d], all = joint->sd[(size_t)r * width + d];
        sum += own * own / (double)width;
        sharper += all < own;
    }
    ret[0] = (present & l->mask) != 0 ? sum : (double)NAN;
    ret[1] = (present & l->mask) != 0 && compared ? sharper / (double)width : (double)NAN;
}

static stele_status add_variance(const stele__report_request *q, const stele__latent *l,
                                 const stele__latent *joint, json_t *at)
{
    static const char *const key[] = { "variance", "joint_sharper" };
    double *spread = stele__calloc((size_t)q->n, 2 * sizeof *spread);
    double sum[2] = { 0.0, 0.0 }, n[2] = { 0.0, 0.0 };
    if (spread == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t r = 0; r < q->n; r++) {
        spread_of(q, l, joint, r, spread + 2 * r);
        for (int k = 0; k < 2; k++) {
            double v = spread[2 * r + k];
            sum[k] += isnan(v) ? 0.0 : v;
            n[k] += !isnan(v);
        }
    }
    json_object_set_new(at, "rows", json_integer((json_int_t)n[0]));
    for (int k = 0; k < 2; k++) {
        json_object_set_new(at, key[k], stele__report_number(sum[k] / n[k]));
    }
    stele_status status = stele__report_means(q, at, key, spread, 2);
    stele__free(spread);
    return status;
}

stele_status stele__report_posterior(const stele__report_request *q, const stele__latent *l,
                                     const stele__latent *joint, json_t *list, stele__diag *diag)
{
    json_t *at = json_object(), *labels = json_array();
    stele_status status = at != NULL && labels != NULL ? STELE_OK : STELE_E_NOMEM;
    json_array_append_new(list, at);
    json_object_set_new(at, "name", stele__report_title(q, l->mask));
    json_object_set_new(at, "modalities", names_of(q, l->mask));
    status = status == STELE_OK ? add_variance(q, l, joint, at) : status;
    if (status == STELE_OK && q->plan->likelihood) {
        status = add_likelihood(q, l->mask, at, diag);
    }
    json_object_set_new(at, "labels", labels);
    for (size_t i = 0; i < q->plan->n_tasks && status == STELE_OK; i++) {
        status = stele__report_label(q, &q->plan->task[i], l, labels, diag);
    }
    return status == STELE_OK ? stele__report_heads(q, l, at, diag) : status;
}
