/* How often measured values lie in the intervals of drawn ones, for a report. */
#include "eval/report_private.h"

#include "base/mem.h"
#include "eval/calibration.h"

#include <math.h>

static const char *const key[] = { "coverage", "below", "above" };
enum { N_KEYS = sizeof key / sizeof key[0] };

typedef struct sums {
    const double *rows; /* (n, STELE__N_CALIBRATION_ROWS) */
    int64_t n;
} sums;

/* Shares of all values; count NULL: every row once. */
static void shares_of(const sums *s, const uint32_t *count, double *ret)
{
    double total[STELE__N_CALIBRATION_ROWS] = { 0.0 };
    for (int64_t r = 0; r < s->n; r++) {
        const double times = count != NULL ? (double)count[r] : 1.0;
        for (int k = 0; k < STELE__N_CALIBRATION_ROWS; k++) {
            total[k] += times * s->rows[r * STELE__N_CALIBRATION_ROWS + k];
        }
    }
    for (int k = 0; k < N_KEYS; k++) {
        ret[k] = total[STELE__ROW_VALUES] > 0.0 ? total[k] / total[STELE__ROW_VALUES] : (double)NAN;
    }
}

static void resampled(void *ctx, const uint32_t *count, unsigned thread, double *ret)
{
    (void)thread;
    shares_of(ctx, count, ret);
}

static stele_status put_shares(const stele__report_request *q, sums *s, json_t *at)
{
    double share[N_KEYS], rows = 0.0, values = 0.0;
    stele__interval interval[N_KEYS];
    for (int64_t r = 0; r < s->n; r++) {
        double own = s->rows[r * STELE__N_CALIBRATION_ROWS + STELE__ROW_VALUES];
        rows += own > 0.0;
        values += own;
    }
    shares_of(s, NULL, share);
    json_object_set_new(at, "rows", json_integer((json_int_t)rows));
    json_object_set_new(at, "values", json_integer((json_int_t)values));
    for (int k = 0; k < N_KEYS; k++) {
        json_object_set_new(at, key[k], stele__report_number(share[k]));
    }
    if (q->bootstrap == NULL) {
        return STELE_OK;
    }
    stele_status status = stele__bootstrap_run(q->bootstrap, 0, 0, N_KEYS, resampled, s, interval);
    for (int k = 0; k < N_KEYS && status == STELE_OK; k++) {
        json_object_set_new(stele__report_intervals(q, at), key[k],
                            stele__report_interval(&interval[k]));
    }
    return status;
}

static stele_status add_one(const stele__report_request *q, uint32_t to, uint64_t given,
                            json_t *list, stele__diag *diag)
{
    stele__calibration_request c = { .to = to,
                                     .given = given,
                                     .row = q->row,
                                     .n = q->n,
                                     .level = q->plan->calibration_level,
                                     .n_samples = (uint32_t)q->plan->calibration_samples };
    json_t *at =
        json_pack("{s:o, s:s, s:f, s:I}", "from", stele__report_title(q, given), "to",
                  stele__report_name(q, to), "level", c.level, "samples", (json_int_t)c.n_samples);
    double *rows = stele__calloc((size_t)q->n * STELE__N_CALIBRATION_ROWS + 1, sizeof *rows);
    stele_status status = at != NULL && rows != NULL
                              ? stele__calibration_compute(q->judge, &c, rows, diag)
                              : STELE_E_NOMEM;
    json_array_append_new(list, at);
    if (status == STELE_OK) {
        sums s = { rows, q->n };
        status = put_shares(q, &s, at);
    }
    stele__free(rows);
    return status;
}

stele_status stele__report_calibration(const stele__report_request *q, json_t *list,
                                       stele__diag *diag)
{
    stele_status status = STELE_OK;
    for (uint32_t to = 0; to < q->judge->model->n_modalities && status == STELE_OK; to++) {
        const uint64_t others = q->mask & ~(UINT64_C(1) << to);
        if ((q->mask >> to & 1) == 0 ||
            !stele__calibration_possible(&q->judge->model->modality[to])) {
            continue;
        }
        status = add_one(q, to, q->mask, list, diag);
        if (status == STELE_OK && others != 0) {
            status = add_one(q, to, others, list, diag);
        }
    }
    return status;
}
