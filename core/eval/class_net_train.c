#include "eval/class_net_private.h"

#include "base/mem.h"
#include "eval/moments.h"
#include "graph/noise.h"
#include "graph/ops.h"
#include "graph/tensor.h"
#include "kernels/adamw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A round is a pass over the rows, or as many as make LEAST_STEPS. */
enum { BATCH = 64, BLOCK = 256, LEAST_STEPS = 50, ROUNDS = 40, PATIENCE = 5, HELD_OUT = 10 };
#define RATE  1e-3
#define DECAY 1e-2

typedef struct shuffled {
    uint64_t key;
    int64_t at; /* index into the request's rows */
} shuffled;

typedef struct work {
    stele_graph *g;
    const stele__class_request *q;
    stele__class_net *net;
    shuffled *order;          /* (n): n_used rows to learn from, then those held out */
    int64_t n_used, n_held;   /* n_held 0: too few rows to hold some out */
    int64_t *row;             /* (BLOCK) */
    float *x, *wanted, *best; /* (BLOCK, columns), (BLOCK, classes), best values so far */
    size_t n_values;
    int64_t step;
} work;

static void finish(work *w)
{
    stele__free(w->order);
    stele__free(w->row);
    stele__free(w->x);
    stele__free(w->wanted);
    stele__free(w->best);
}

static int by_key(const void *a, const void *b)
{
    const shuffled *x = a, *y = b;
    if (x->key != y->key) {
        return x->key < y->key ? -1 : 1;
    }
    return (x->at > y->at) - (x->at < y->at);
}

static void shuffle(const work *w, int64_t n, uint64_t round)
{
    const uint64_t seed = stele__noise_mix(w->q->seed, round);
    for (int64_t i = 0; i < n; i++) {
        w->order[i].key = stele__noise_mix(seed, (uint64_t)w->order[i].at);
    }
    qsort(w->order, (size_t)n, sizeof *w->order, by_key);
}

static stele_status make_room(work *w)
{
    const int64_t n = w->q->n, columns = w->q->rows.n_columns;
    const float *values = stele__params_values(w->net->params, &w->n_values);
    w->order = stele__calloc((size_t)n, sizeof *w->order);
    w->row = stele__calloc(BLOCK, sizeof *w->row);
    w->x = stele__calloc((size_t)(BLOCK * columns) + 1, sizeof *w->x);
    w->wanted = stele__calloc((size_t)(BLOCK * w->q->n_classes), sizeof *w->wanted);
    w->best = stele__calloc(w->n_values, sizeof *w->best);
    if (w->order == NULL || w->row == NULL || w->x == NULL || w->wanted == NULL ||
        w->best == NULL) {
        return STELE_E_NOMEM;
    }
    memcpy(w->best, values, w->n_values * sizeof *values);
    for (int64_t i = 0; i < n; i++) {
        w->order[i].at = i;
    }
    shuffle(w, n, 0);
    w->n_held = n >= 2 * HELD_OUT ? n / HELD_OUT : 0;
    w->n_used = n - w->n_held;
    return STELE_OK;
}

/* Measurements of order[at] .. order[at + n - 1], and 1 at each row's class. */
static stele_status load(work *w, int64_t at, int64_t n)
{
    const int64_t classes = w->q->n_classes;
    memset(w->wanted, 0, (size_t)(n * classes) * sizeof *w->wanted);
    for (int64_t r = 0; r < n; r++) {
        const int64_t i = w->order[at + r].at;
        w->row[r] = w->q->row[i];
        w->wanted[r * classes + w->q->label[i]] = 1.0F;
    }
    return w->q->rows.read(w->q->rows.ctx, w->row, n, w->x);
}

/* Means and deviations of the columns over the rows to learn from. */
static stele_status standardise(work *w)
{
    const int64_t columns = w->q->rows.n_columns;
    stele__moments *c = stele__calloc((size_t)columns + 1, sizeof *c);
    stele_status status = c != NULL ? STELE_OK : STELE_E_NOMEM;
    for (int64_t at = 0; at < w->n_used && status == STELE_OK; at += BLOCK) {
        const int64_t n = w->n_used - at < BLOCK ? w->n_used - at : BLOCK;
        status = load(w, at, n);
        for (int64_t i = 0; i < n * columns && status == STELE_OK; i++) {
            if (isfinite(w->x[i])) {
                stele__moments_add(&c[i % columns], (double)w->x[i]);
            }
        }
    }
    for (int64_t i = 0; i < columns && status == STELE_OK; i++) {
        const double sd = c[i].n > 0.0 ? sqrt(c[i].squares / c[i].n) : 0.0;
        w->net->mean[i] = (float)c[i].mean;
        w->net->scale[i] = sd > 0.0 ? (float)(1.0 / sd) : 0.0F;
    }
    stele__free(c);
    return status;
}

/* Sum of -log p(class) over the n rows loaded, times `factor`. */
static stele_tensor *loss_of(work *w, int64_t n, double factor)
{
    const stele_shape shape = STELE__SHAPE(n, w->q->n_classes);
    stele__class_prepare(w->net, n, w->x);
    stele_tensor *log_p = stele__class_pass(w->net, w->g, w->x, n);
    stele_tensor *wanted = stele__graph_dense(w->g, STELE_F32, &shape, w->wanted);
    return stele__op_scale(
        w->g, stele__op_sum(w->g, stele__op_mul(w->g, log_p, wanted), STELE_ALL_AXES, 0), -factor);
}

static void update(work *w)
{
    enum { MOST_SEGMENTS = STELE__CLASS_ENTRIES };
    size_t n = 0, n_values = 0;
    stele__params *p = w->net->params;
    stele__adamw_segment segment[MOST_SEGMENTS];
    const stele__segment *s = stele__params_segments(p, &n);
    const stele__adamw opt = {
        .lr = RATE, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .grad_scale = 1.0, .step = w->step
    };
    for (size_t i = 0; i < n; i++) {
        segment[i] = (stele__adamw_segment){ .begin = s[i].begin,
                                             .end = s[i].begin + s[i].n,
                                             .weight_decay = DECAY * s[i].decay,
                                             .lr_scale = 1.0 };
    }
    stele__adamw_step_f32(stele__graph_pool(w->g), &opt, segment, n,
                          stele__params_values(p, &n_values), stele__params_gradient(p),
                          stele__params_moment(p, 1), stele__params_moment(p, 2));
}

static stele_status take_step(work *w, int64_t at, int64_t n, stele__diag *diag)
{
    const stele__pass pass = {
        .training = 1, .record = 1, .seed = w->q->seed, .step = (uint64_t)++w->step
    };
    stele__scope scope = { .name = "coherence",
                           .purpose = stele__noise_hash("coherence"),
                           .params = w->net->params,
                           .entry = w->net->entry,
                           .n = w->net->n_entries };
    stele_status status = load(w, at, n);
    if (status != STELE_OK) {
        return status;
    }
    stele__graph_begin(w->g, &pass);
    stele__graph_enter(w->g, &scope);
    stele__graph_rows(w->g, n, w->row, NULL);
    stele__params_begin_gradient(w->net->params);
    status = stele__graph_backward(w->g, loss_of(w, n, 1.0 / (double)n));
    stele__graph_enter(w->g, NULL);
    if (status != STELE_OK) {
        return stele__class_outcome(w->g, diag);
    }
    stele__params_end_gradient(w->net->params);
    update(w);
    return STELE_OK;
}

static stele_status learn(work *w, uint64_t round, stele__diag *diag)
{
    const int64_t steps = (w->n_used + BATCH - 1) / BATCH;
    const int64_t passes = (LEAST_STEPS + steps - 1) / steps;
    stele_status status = STELE_OK;
    for (int64_t k = 0; k < passes && status == STELE_OK; k++) {
        shuffle(w, w->n_used, round * (uint64_t)passes + (uint64_t)k + 1);
        for (int64_t at = 0; at < w->n_used && status == STELE_OK; at += BATCH) {
            status = take_step(w, at, w->n_used - at < BATCH ? w->n_used - at : BATCH, diag);
        }
    }
    return status;
}

static stele_status held_out_loss(work *w, double *ret, stele__diag *diag)
{
    const int64_t end = w->n_used + w->n_held;
    stele_status status = STELE_OK;
    *ret = 0.0;
    for (int64_t at = w->n_used; at < end && status == STELE_OK; at += BLOCK) {
        const int64_t n = end - at < BLOCK ? end - at : BLOCK;
        const stele__pass pass = { 0 };
        status = load(w, at, n);
        stele__graph_begin(w->g, &pass);
        const stele_tensor *loss = status == STELE_OK ? loss_of(w, n, 1.0) : NULL;
        status = status == STELE_OK ? stele__class_outcome(w->g, diag) : status;
        *ret += status == STELE_OK ? (double)*(const float *)stele__tensor_data(loss) : 0.0;
    }
    return status;
}

/* Rounds until the rows held out gain nothing more; without any, all rounds. */
static stele_status train(work *w, stele__diag *diag)
{
    double least = HUGE_VAL;
    int waited = 0;
    stele_status status = standardise(w);
    float *values = stele__params_values(w->net->params, &w->n_values);
    for (int round = 0; round < ROUNDS && waited < PATIENCE && status == STELE_OK; round++) {
        double loss = 0.0;
        status = learn(w, (uint64_t)round, diag);
        status = status == STELE_OK ? held_out_loss(w, &loss, diag) : status;
        waited++;
        if (status == STELE_OK && (loss < least || w->n_held == 0)) {
            least = loss;
            waited = 0;
            memcpy(w->best, values, w->n_values * sizeof *values);
        }
    }
    memcpy(values, w->best, w->n_values * sizeof *values);
    return status;
}

stele_status stele__class_train(stele_graph *g, const stele__class_request *q,
                                stele__class_net **ret, stele__diag *diag)
{
    work w = { .g = g, .q = q };
    stele_status status = stele__class_create(&q->rows, q->n_classes, q->seed, &w.net, diag);
    if (status == STELE_OK) {
        status = make_room(&w);
        status = status == STELE_OK ? train(&w, diag) : status;
    }
    finish(&w);
    if (status != STELE_OK) {
        stele__class_destroy(w.net);
        return status;
    }
    *ret = w.net;
    return STELE_OK;
}
