/* How near modalities put the same row, for a report. */
#include "eval/report_private.h"

#include "base/mem.h"
#include "eval/foscttm.h"

#include <math.h>
#include <string.h>

/* Rows that have both, with their posterior means given either. */
typedef struct both {
    int64_t n;
    int64_t *row, *place; /* (n) of the data set, among the rows judged */
    float *a, *b, *sd;    /* (n, D); sd is not looked at */
    double *fraction;     /* (n) */
    double *value;        /* (rows judged), NaN for the others */
} both;

static void finish(both *p)
{
    stele__free(p->row);
    stele__free(p->place);
    stele__free(p->a);
    stele__free(p->b);
    stele__free(p->sd);
    stele__free(p->fraction);
    stele__free(p->value);
}

static stele_status choose(const stele__report_request *q, uint64_t pair, both *p)
{
    const size_t n = (size_t)q->n + 1, size = n * q->judge->model->latent_dim;
    *p = (both){ .row = stele__calloc(n, sizeof *p->row),
                 .place = stele__calloc(n, sizeof *p->place),
                 .a = stele__calloc(size, sizeof *p->a),
                 .b = stele__calloc(size, sizeof *p->b),
                 .sd = stele__calloc(size, sizeof *p->sd),
                 .fraction = stele__calloc(n, sizeof *p->fraction),
                 .value = stele__calloc(n, sizeof *p->value) };
    if (p->row == NULL || p->place == NULL || p->a == NULL || p->b == NULL || p->sd == NULL ||
        p->fraction == NULL || p->value == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t r = 0; r < q->n; r++) {
        p->value[r] = NAN;
        if ((stele__judge_present(q->judge, q->row[r]) & pair) == pair) {
            p->place[p->n] = r;
            p->row[p->n++] = q->row[r];
        }
    }
    return STELE_OK;
}

static stele_status add_pair(const stele__report_request *q, uint32_t a, uint32_t b, json_t *list,
                             stele__diag *diag)
{
    static const char *const key[] = { "foscttm" };
    const uint64_t bit_a = UINT64_C(1) << a, bit_b = UINT64_C(1) << b;
    json_t *at =
        json_pack("{s:s, s:s}", "a", stele__report_name(q, a), "b", stele__report_name(q, b));
    both p;
    double sum = NAN;
    stele_status status = choose(q, bit_a | bit_b, &p);
    json_array_append_new(list, at);
    if (status == STELE_OK && p.n > 1) {
        status = stele__judge_moments(q->judge, p.row, p.n, bit_a, p.a, p.sd, diag);
    }
    if (status == STELE_OK && p.n > 1) {
        status = stele__judge_moments(q->judge, p.row, p.n, bit_b, p.b, p.sd, diag);
    }
    if (status == STELE_OK && p.n > 1) {
        stele__foscttm(p.a, p.b, (size_t)p.n, q->judge->model->latent_dim,
                       stele__graph_pool(q->judge->graph), p.fraction);
        sum = 0.0;
        for (int64_t i = 0; i < p.n; i++) {
            sum += p.fraction[i];
            p.value[p.place[i]] = p.fraction[i];
        }
    }
    json_object_set_new(at, "rows", json_integer((json_int_t)p.n));
    json_object_set_new(at, key[0], stele__report_number(sum / (double)p.n));
    status = status == STELE_OK ? stele__report_means(q, at, key, p.value, 1) : status;
    finish(&p);
    return status;
}

stele_status stele__report_alignment(const stele__report_request *q, json_t *list,
                                     stele__diag *diag)
{
    const uint32_t n = q->judge->model->n_modalities;
    stele_status status = STELE_OK;
    for (uint32_t a = 0; a < n; a++) {
        for (uint32_t b = a + 1; b < n && status == STELE_OK; b++) {
            if ((q->mask >> a & 1) != 0 && (q->mask >> b & 1) != 0) {
                status = add_pair(q, a, b, list, diag);
            }
        }
    }
    return status;
}
