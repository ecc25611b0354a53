/* What each latent dimension does: z of one row, in which one dimension after the other moves from
 * -3 to 3 standard deviations of the prior while the rest stay at the posterior's mean. */
#include "cli/draws.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Steps unless told, and how far they go. */
enum { STEPS = 7 };
static const double REACH = 3.0;

typedef stele__draw_work work;

/* The dimensions of --dims, or all: ret (latent_dim). */
static stele_status choose_dims(const work *w, uint32_t *ret, int64_t *ret_n)
{
    const uint32_t width = w->o.run.model.latent_dim;
    const char *text = w->q->dims;
    *ret_n = text == NULL ? width : 0;
    for (uint32_t d = 0; d < width; d++) {
        ret[d] = d;
    }
    while (text != NULL) {
        char *end = NULL;
        const unsigned long d = strtoul(text, &end, 10);
        if (text[0] < '0' || text[0] > '9' || (*end != ',' && *end != '\0') || d >= width) {
            return stele__diag_error(w->diag, STELE_E_ARG, NULL,
                                     "--dims: `%s` is no list of latent dimensions, which are "
                                     "numbered 0 to %u",
                                     w->q->dims, width - 1);
        }
        for (int64_t k = 0; k < *ret_n; k++) {
            if (ret[k] == d) {
                return stele__diag_error(w->diag, STELE_E_ARG, NULL, "--dims: names %lu twice", d);
            }
        }
        ret[(*ret_n)++] = (uint32_t)d;
        text = *end == ',' ? end + 1 : NULL;
    }
    return STELE_OK;
}

static stele_status put_line(work *w, int64_t line, uint32_t d, const float *mean)
{
    const uint32_t width = w->o.run.model.latent_dim;
    const int64_t steps = w->t.per_group;
    stele_status status = STELE_OK;
    for (int64_t k = 0; k < steps && status == STELE_OK; k++) {
        const int64_t i = line * steps + k;
        float *z = w->t.z + (size_t)i * width;
        char name[32];
        memcpy(z, mean, width * sizeof *z);
        z[d] = (float)(REACH * (2.0 * (double)k / (double)(steps - 1) - 1.0));
        w->t.row[i] = w->row[0];
        w->t.source[i] = -1;
        w->t.sample[i] = (uint32_t)k;
        snprintf(name, sizeof name, "z_%u", d);
        status = stele__draw_name(w, i, name, k);
    }
    return status;
}

stele_status stele__draw_traverse(work *w)
{
    const stele__judge *j = &w->o.judge;
    const size_t width = j->model->latent_dim;
    const int64_t steps = w->q->steps > 0 ? w->q->steps : STEPS;
    uint32_t *dim = stele__calloc(width, sizeof *dim);
    float *mean = stele__calloc(2 * width, sizeof *mean);
    int64_t n = 0;
    stele_status status = dim != NULL && mean != NULL
                              ? stele__draw_rows_named(w, "--traverse", w->q->traverse)
                              : STELE_E_NOMEM;
    if (status == STELE_OK && w->n_rows != 1) {
        status = stele__diag_error(w->diag, STELE_E_ARG, NULL, "--traverse names one row");
    }
    status = status == STELE_OK ? choose_dims(w, dim, &n) : status;
    status = status == STELE_OK ? stele__draw_room(w, n * steps) : status;
    w->t.per_group = steps;
    if (status == STELE_OK) {
        status = stele__judge_moments(j, w->row, 1, w->mask, mean, mean + width, w->diag);
    }
    for (int64_t line = 0; line < n && status == STELE_OK; line++) {
        status = put_line(w, line, dim[line], mean);
    }
    stele__free(dim);
    stele__free(mean);
    return status;
}
