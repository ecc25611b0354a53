#include "border.h"

#include "graph/op.h"
#include "stats.h"
#include "trace.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <stele/plugin.h>

enum { MOST_ROUNDS = 1000, STEPS_PER_ROUND = 10, WARM_UP = 10, CALLS = 200000, REPEATS = 200 };

stele_plugin_query_fn fusion_border_rule_LTX_stele_plugin_query;
static const lt_dlsymlist built_in[] = {
    { "stele-bench", NULL },
    { "fusion_border_rule.a", NULL },
    { "fusion_border_rule_LTX_stele_plugin_query",
      (void *)(uintptr_t)fusion_border_rule_LTX_stele_plugin_query },
    { NULL, NULL },
};

/* Median seconds of a step over a few. */
static stele_status steps(bench_training *t, int n, double *ret, stele__diag *diag)
{
    double seconds[STEPS_PER_ROUND];
    stele_status status = STELE_OK;
    for (int i = 0; i < n && status == STELE_OK; i++) {
        stele__loss_terms terms;
        double start = stele__now();
        status = bench_training_step(t, &terms, diag);
        seconds[i] = stele__now() - start;
    }
    *ret = status == STELE_OK ? bench_median(seconds, n) : 0.0;
    return status;
}

/* What one call through a slot takes, there and back: the least of many short runs, as others may
 * use the machine in the longer ones. */
static double call_cost(const bench_training *t)
{
    const stele_fusion_vt *volatile vt = t->run.model.fusion_vt;
    const stele_inst *inst = stele__guest_inst(t->run.model.fusion.guest);
    double least = 1.0;
    for (int r = 0; r < REPEATS; r++) {
        double start = stele__now();
        for (int i = 0; i < CALLS; i++) {
            (void)vt->max_components(inst, 2);
        }
        double one = (stele__now() - start) / CALLS;
        least = one < least ? one : least;
    }
    return least;
}

/* --- calls over the border in a step -----------------------------------------------------------
 */

static const stele_vec *host_vec;
static _Atomic uint64_t vec_calls;

/* A function of the host's table for inner loops, with a counter in front. */
#define COUNTED(name_, parameters_, arguments_)                                                    \
    static void counted_##name_ parameters_                                                        \
    {                                                                                              \
        atomic_fetch_add(&vec_calls, 1);                                                           \
        host_vec->name_ arguments_;                                                                \
    }
COUNTED(exp, (uint32_t dtype, size_t n, const void *x, void *y), (dtype, n, x, y))
COUNTED(log, (uint32_t dtype, size_t n, const void *x, void *y), (dtype, n, x, y))
COUNTED(softplus, (uint32_t dtype, size_t n, const void *x, void *y, void *s), (dtype, n, x, y, s))
COUNTED(scaled_softplus,
        (uint32_t dtype, size_t n, const void *x, double shift, const void *log_a, const void *a,
         void *y, void *dx, void *da),
        (dtype, n, x, shift, log_a, a, y, dx, da))
COUNTED(rising, (uint32_t dtype, size_t n, const void *x, const void *a, void *y, void *dy),
        (dtype, n, x, a, y, dy))

static double counted_softplus_sum(uint32_t dtype, size_t n, const void *x, double shift,
                                   double scale, void *y)
{
    atomic_fetch_add(&vec_calls, 1);
    return host_vec->softplus_sum(dtype, n, x, shift, scale, y);
}

/* The likelihoods of this model use no other functions of the table. */
static void count_vec(const bench_training *t)
{
    static stele_vec counted;
    host_vec = stele__guest_host(t->run.model.modality[0].part.guest)->vec;
    counted = *host_vec;
    counted.exp = counted_exp;
    counted.log = counted_log;
    counted.softplus = counted_softplus;
    counted.scaled_softplus = counted_scaled_softplus;
    counted.rising = counted_rising;
    counted.softplus_sum = counted_softplus_sum;
    for (uint32_t i = 0; i < t->run.model.n_modalities; i++) {
        const stele_host *host = stele__guest_host(t->run.model.modality[i].part.guest);
        ((stele_host *)(uintptr_t)host)->vec = &counted;
    }
}

/* Generously: slots of the modalities and the rule; functions for inner loops; and two of the
 * host's functions for everything on the tape, whether a plugin or the host put it there. */
static stele_status count_calls(bench_training *t, double *ret, stele__diag *diag)
{
    double seconds;
    bench_trace_attach(t);
    count_vec(t);
    bench_trace_clear();
    atomic_store(&vec_calls, 0);
    stele_status status = steps(t, 1, &seconds, diag);
    *ret = 1.0 + (double)bench_trace_get(t).calls + (double)atomic_load(&vec_calls);
    for (const stele__tape_node *n = t->loop.graph->last; n != NULL; n = n->previous) {
        *ret += 2.0;
    }
    return status;
}

/* Either goes first in turns, as the second finds the caches and the clock as the first left them.
 */
static stele_status take_turns(bench_training *loaded, bench_training *inside, int rounds,
                               bench_border *ret, stele__diag *diag)
{
    double a[MOST_ROUNDS], b[MOST_ROUNDS], difference[MOST_ROUNDS];
    stele_status status = STELE_OK;
    for (int i = 0; i < rounds && status == STELE_OK; i++) {
        bench_training *first = i % 2 == 0 ? loaded : inside;
        status = steps(first, STEPS_PER_ROUND, i % 2 == 0 ? &a[i] : &b[i], diag);
        if (status == STELE_OK) {
            status = steps(i % 2 == 0 ? inside : loaded, STEPS_PER_ROUND,
                           i % 2 == 0 ? &b[i] : &a[i], diag);
        }
        difference[i] = a[i] - b[i];
    }
    if (status == STELE_OK) {
        ret->loaded = bench_median(a, rounds);
        ret->built_in = bench_median(b, rounds);
        ret->difference = bench_median(difference, rounds);
        ret->low = difference[rounds / 4]; /* sorted by now */
        ret->high = difference[rounds - 1 - rounds / 4];
    }
    return status;
}

int bench_border_measure(const bench_shape *shape, int rounds, bench_border *ret)
{
    static bench_training loaded, inside;
    bench_shape a = *shape, b = *shape;
    stele__diag diag;
    double ignored;
    stele__diag_init(&diag);
    a.fusion = b.fusion = "border_rule";
    a.folder = BENCH_PLUGINS;
    b.preload = built_in;
    rounds = rounds < MOST_ROUNDS ? rounds : MOST_ROUNDS;
    stele_status status = bench_training_init(&inside, &b, &diag);
    if (status == STELE_OK) {
        status = bench_training_init(&loaded, &a, &diag);
        status = status == STELE_OK ? steps(&loaded, WARM_UP, &ignored, &diag) : status;
        status = status == STELE_OK ? steps(&inside, WARM_UP, &ignored, &diag) : status;
        status = status == STELE_OK ? take_turns(&loaded, &inside, rounds, ret, &diag) : status;
        ret->call = status == STELE_OK ? call_cost(&loaded) : 0.0;
        ret->call_built_in = status == STELE_OK ? call_cost(&inside) : 0.0;
        status = status == STELE_OK ? count_calls(&loaded, &ret->calls, &diag) : status;
        bench_training_finish(&loaded);
    }
    bench_training_finish(&inside);
    return bench_complain(&diag, status);
}
