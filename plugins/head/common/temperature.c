#include "temperature.h"

#include <math.h>
#include <stdlib.h>

#define MOST  2.995732273553991 /* log 20 */
#define WIDTH 0.693147180559945 /* standard deviation of the prior */

enum { COARSE = 60, FINE = 40 };

double head_copies(const stele_head_scored *s)
{
    return s->n_distinct > 0 ? (double)s->n_rows / (double)s->n_distinct : 1.0;
}

static double total(head_loss_at *loss, const void *ctx, double copies, double u)
{
    return loss(ctx, exp(u)) + 0.5 * copies * (u / WIDTH) * (u / WIDTH);
}

/* A grid finds the lowest of several valleys, golden sections its ground. */
double head_factor_fit(head_loss_at *loss, const void *ctx, double copies)
{
    const double step = 2.0 * MOST / COARSE, golden = 0.618033988749895;
    double best = 0.0, least = total(loss, ctx, copies, 0.0);
    for (int i = 0; i <= COARSE; i++) {
        double u = -MOST + step * i, here = total(loss, ctx, copies, u);
        if (here < least) {
            least = here;
            best = u;
        }
    }
    double low = fmax(best - step, -MOST), high = fmin(best + step, MOST);
    for (int i = 0; i < FINE; i++) {
        double a = high - golden * (high - low), b = low + golden * (high - low);
        if (total(loss, ctx, copies, a) < total(loss, ctx, copies, b)) {
            high = b;
        } else {
            low = a;
        }
    }
    return exp(0.5 * (low + high));
}

stele_status head_temperature_build(const stele_host *h, stele_build *b, uint32_t *ret_id)
{
    stele_shape one = { 1, 0, { 1 } };
    return h->build->buffer(b, "temperature", &one, 1.0, ret_id);
}

stele_tensor *head_temperature_apply(const stele_host *h, stele_graph *g, uint32_t id,
                                     stele_tensor *logits)
{
    return h->ops->div(g, logits, h->ops->param(g, id));
}

typedef struct classified {
    const stele_head_scored *s;
    float *logits;      /* (n_outputs) of one row, divided */
    double *log_p;      /* (n_outputs) */
    double *log_weight; /* (n_outputs) */
} classified;

static double cross_entropy(const void *ctx, double temperature)
{
    const classified *c = ctx;
    const int64_t n = c->s->n_outputs;
    double sum = 0.0;
    for (int64_t r = 0; r < c->s->n_rows; r++) {
        for (int64_t k = 0; k < n; k++) {
            double learned = (double)c->s->predicted[r * n + k] + c->log_weight[k];
            c->logits[k] = (float)(learned / temperature - c->log_weight[k]);
        }
        head_classes_log_p(n, c->logits, c->log_p);
        sum -= c->log_p[c->s->code[r]];
    }
    return sum;
}

stele_status head_temperature_fit(const head_classes *classes, stele_fit *f, uint32_t id,
                                  const stele_head_scored *s)
{
    const size_t n = (size_t)s->n_outputs;
    classified c = { .s = s };
    c.logits = calloc(n, sizeof *c.logits);
    c.log_p = calloc(2 * n, sizeof *c.log_p);
    stele_status status = c.logits != NULL && c.log_p != NULL ? STELE_OK : STELE_E_NOMEM;
    if (status == STELE_OK) {
        c.log_weight = c.log_p + n;
        status = head_classes_log_weights(classes, s->reader, c.log_weight);
    }
    if (status == STELE_OK) {
        double temperature = head_factor_fit(cross_entropy, &c, head_copies(s));
        status = classes->host->fit->set(f, id, 1, &temperature);
    }
    free(c.logits);
    free(c.log_p);
    return status;
}
