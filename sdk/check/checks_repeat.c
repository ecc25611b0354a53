/* Checks of repetition: the same input gives the same bits, whatever else goes on. */
#include "hash.h"
#include "race.h"
#include "rig.h"

#include "base/child.h"
#include "base/mem.h"
#include "graph/tensor.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t bits_of_outputs(const rig_result *res)
{
    uint64_t h = HASH_START;
    for (uint32_t i = 0; i < res->n; i++) {
        h = hash_mix(h, res->out[i].value, (size_t)(res->out[i].rows * res->out[i].width) * sizeof(double));
    }
    return h;
}

/* Of all outputs, and of all derivatives of inputs and parameters. 0: something failed, which was said. */
static uint64_t bits_of(rig *r)
{
    rig_result res;
    const double *d[RIG_MOST_INPUTS];
    if (!rig_compute(r, r->plan.rows, NULL, 1, &res)) {
        return 0;
    }
    uint64_t h = bits_of_outputs(&res);
    if (rig_backward(r, &res, d) != STELE_OK) {
        check_fail(r->t, "derivatives failed: %s", rig_message(r));
    }
    rig_result_finish(&res);
    for (uint32_t i = 0; i < r->n_inputs; i++) {
        const rig_input *in = &r->input[i];
        int64_t n = in->per_row ? r->plan.rows * in->width : in->width;
        h = d[i] != NULL ? hash_mix(h, d[i], (size_t)n * sizeof(double)) : h;
    }
    for (uint32_t e = 0; e < stele__params_count(r->params); e++) {
        const stele__param *p = stele__params_entry(r->params, e);
        if (p->kind == STELE__TRAINED) {
            h = hash_mix(h, p->gradient, (size_t)p->n * stele__dtype_size(r->plan.dtype));
        }
    }
    return h;
}

static const rig_plan wide = { .dtype = STELE_F32, .rows = 96, .features = 100, .latent = 3 };

static uint64_t bits_of_new(check_trial *t)
{
    rig r;
    uint64_t h = rig_start(t, &wide, &r) ? bits_of(&r) : 0;
    rig_finish(&r);
    return h;
}

/* In a process with another environment, process number and address of the heap. */
static uint64_t bits_elsewhere(check_trial *t)
{
    stele__child c;
    uint64_t h = 0;
    if (stele__child_start(&c) == 0) {
        setenv("TZ", "Pacific/Kiritimati", 1);
        setenv("HOME", "/nonexistent", 1);
        setenv("LC_ALL", "de_DE.UTF-8", 1);
        setenv("OMP_NUM_RACE_THREADS", "3", 1);
        void *shift = malloc(54321);
        setlocale(LC_ALL, "");
        h = bits_of_new(t);
        free(shift);
        _exit(stele__child_say(&c, &h, sizeof h) != 0);
    }
    return c.pid > 0 && stele__child_hear(&c, t->subject->timeout, &h, sizeof h) && c.n == sizeof h ? h : 0;
}

void check_repeat_bitwise(check_trial *t)
{
    rig r;
    rig_result res;
    static const int64_t other[] = { 5, 2, 90, 17 };
    if (!rig_start(t, &wide, &r)) {
        rig_finish(&r);
        return;
    }
    uint64_t first = bits_of(&r);
    if (rig_compute(&r, 4, other, 0, &res)) { /* something else in between must leave no trace */
        rig_result_finish(&res);
    }
    uint64_t second = bits_of(&r);
    rig_finish(&r);
    if (first == 0) {
        return;
    }
    if (second != first) {
        check_fail(t, "the same instance gave other bits the second time");
    }
    if (bits_of_new(t) != first) {
        check_fail(t, "a second instance gave other bits");
    }
    if (bits_elsewhere(t) != first) {
        check_fail(t, "another process with another environment and locale gave other bits");
    }
}

/* Evaluation is a function of the rows: what a user is told must not hang on the seed of a run. */
void check_evaluation(check_trial *t)
{
    rig r;
    rig_result first, second;
    rig_plan plan = { .rows = 14, .covariates = 2, .tally = 1 };
    if (rig_start(t, &plan, &r) && rig_compute(&r, r.plan.rows, NULL, 0, &first)) {
        r.plan.pass = 1;
        if (rig_compute(&r, r.plan.rows, NULL, 0, &second)) {
            for (uint32_t i = 0; i < first.n && t->verdict < CHECK_FAIL; i++) {
                const rig_output *a = &first.out[i], *b = &second.out[i];
                if (memcmp(a->value, b->value, (size_t)(a->rows * a->width) * sizeof(double)) != 0) {
                    check_fail(t, "outside of training another pass changes the %s: noise is for ops->training(g)",
                               a->name);
                }
            }
            rig_result_finish(&second);
        }
        rig_result_finish(&first);
    }
    rig_finish(&r);
}

/* --- threads ------------------------------------------------------------------------------------------------------ */

enum { LOOKS = 4, MOST_ROWS = 400 };

/* Work of one call that is split among threads: blocks of features of a likelihood. */
static void compare_split(check_trial *t, const rig_plan *plan, uint64_t serial)
{
    rig r;
    rig_plan split = *plan;
    split.threads = RACE_THREADS;
    if (rig_start(t, &split, &r)) {
        for (int k = 0; k < LOOKS && t->verdict < CHECK_FAIL; k++) {
            if (bits_of(&r) != serial) {
                check_fail(t, "four threads gave other bits than one: results hang on threads, or race for memory");
            }
        }
    }
    rig_finish(&r);
}

/* One of several callers of an instance, with a graph and rows of its own. */
typedef struct caller {
    rig view;
    int64_t n, row[MOST_ROWS];
    uint64_t serial;
    int failed, differs;
} caller;

static uint64_t bits_of_call(caller *c)
{
    rig_result res;
    c->failed = c->failed || rig_run(&c->view, c->n, c->row, 0, &res) != STELE_OK;
    uint64_t h = c->failed ? 0 : bits_of_outputs(&res);
    rig_result_finish(&res);
    return h;
}

static int call_again(void *ctx)
{
    caller *c = ctx;
    c->differs = bits_of_call(c) != c->serial;
    return !c->differs && !c->failed;
}

/* Every caller has run alone and knows what it should get. */
static void race(check_trial *t, caller *c)
{
    void *ctx[RACE_THREADS];
    uint32_t n_bad = 0;
    for (uint32_t k = 0; k < RACE_THREADS; k++) {
        ctx[k] = &c[k];
    }
    if (!race_run(t, RACE_THREADS, call_again, ctx)) {
        return;
    }
    for (uint32_t k = 0; k < RACE_THREADS; k++) {
        n_bad += c[k].failed || c[k].differs;
    }
    if (n_bad > 0) {
        check_fail(t, "a call gave other bits while other threads called the same instance: compute slots keep nothing "
                      "outside of their graph");
    }
}

static void compare_callers(check_trial *t, const rig_plan *plan)
{
    static caller c[RACE_THREADS];
    rig r;
    uint32_t n = 0;
    if (rig_start(t, plan, &r)) {
        for (; n < RACE_THREADS && rig_view(&r, &c[n].view) == STELE_OK; n++) {
            for (c[n].n = 0; c[n].n < plan->rows / RACE_THREADS; c[n].n++) {
                c[n].row[c[n].n] = n + RACE_THREADS * c[n].n;
            }
            c[n].serial = bits_of_call(&c[n]);
        }
        if (n == RACE_THREADS) {
            race(t, c);
        }
        for (uint32_t k = 0; k < n; k++) {
            rig_view_finish(&c[k].view);
        }
    }
    rig_finish(&r);
}

void check_threads_bitwise(check_trial *t)
{
    rig_plan plan = { .dtype = STELE_F32, .rows = 16, .features = 520 }; /* a block of features for every thread */
    rig r;
    uint64_t first = rig_start(t, &plan, &r) ? bits_of(&r) : 0, second = first != 0 ? bits_of(&r) : 0;
    rig_finish(&r);
    if (first == 0) {
        return;
    }
    if (second != first) {
        check_fail(t, "one thread alone gave other bits the second time: noise comes from ops->noise");
        return;
    }
    compare_split(t, &plan, first);
    if (t->verdict < CHECK_FAIL) {
        /* Many rows where they cost little: most of the time of a call should be the plugin's. */
        plan.features = 40;
        plan.tally = 1;
        plan.rows = t->plugin->desc.kind == STELE_MODALITY ? 96 : RACE_THREADS * MOST_ROWS;
        compare_callers(t, &plan);
    }
}
