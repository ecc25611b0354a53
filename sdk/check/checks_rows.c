/* Checks of shapes, repetition and independence of rows. */
#include "block.h"
#include "rig.h"

#include "base/mem.h"
#include "graph/tensor.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void check_shapes(rig *r, const rig_result *res, int64_t n)
{
    uint32_t kind = r->plugin->desc.kind;
    for (uint32_t i = 0; i < res->n; i++) {
        const rig_output *o = &res->out[i];
        int is_rows = strcmp(o->name, "log p(x | z)") == 0 || strcmp(o->name, "loss") == 0;
        int64_t width = is_rows                               ? 1
                        : kind == STELE_HEAD                  ? o->width
                        : strcmp(o->name, "log-weights") == 0 ? (int64_t)r->joint.n
                                                              : (int64_t)r->plan.latent;
        if (o->rows != n || o->width != width) {
            check_fail(r->t, "%lld rows: the %s is (%lld, %lld), documented is (%lld, %lld)", (long long)n, o->name,
                       (long long)o->rows, (long long)o->width, (long long)n, (long long)width);
        }
        for (int64_t k = 0; k < o->rows * o->width; k++) {
            if (!isfinite(o->value[k])) {
                check_fail(r->t, "%lld rows: the %s has a value of %g", (long long)n, o->name, o->value[k]);
                break;
            }
        }
    }
}

void check_shape_sweep(check_trial *t)
{
    static const int64_t rows[] = { 1, 2, 7, 64 }, features[] = { 1, 5, 33 };
    for (size_t i = 0; i < 12 && t->verdict < CHECK_FAIL; i++) {
        for (uint32_t latent = 1; latent <= 3; latent += 2) {
            rig r;
            rig_plan plan = { .rows = rows[i % 4], .features = features[i / 4], .latent = latent };
            plan.covariates = latent == 3 ? 2 : 0;
            rig_result res;
            if (rig_start(t, &plan, &r) && rig_compute(&r, r.plan.rows, NULL, 0, &res)) {
                check_shapes(&r, &res, r.plan.rows);
                rig_result_finish(&res);
            }
            rig_finish(&r);
        }
        if (t->plugin->desc.kind != STELE_MODALITY && i == 3) {
            break; /* features mean nothing to them */
        }
    }
}

/* --- the same bits ------------------------------------------------------------------------------------------------ */

static uint64_t mix(uint64_t h, const void *bytes, size_t n)
{
    const unsigned char *c = bytes;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ c[i]) * UINT64_C(1099511628211);
    }
    return h;
}

/* Of all outputs, and of all derivatives of inputs and parameters. 0: something failed, which was said. */
static uint64_t bits_of(rig *r)
{
    rig_result res;
    const double *d[RIG_MOST_INPUTS];
    uint64_t h = UINT64_C(14695981039346656037);
    if (!rig_compute(r, r->plan.rows, NULL, 1, &res)) {
        return 0;
    }
    for (uint32_t i = 0; i < res.n; i++) {
        h = mix(h, res.out[i].value, (size_t)(res.out[i].rows * res.out[i].width) * sizeof(double));
    }
    if (rig_backward(r, &res, d) != STELE_OK) {
        check_fail(r->t, "derivatives failed: %s", rig_message(r));
    }
    rig_result_finish(&res);
    for (uint32_t i = 0; i < r->n_inputs; i++) {
        const rig_input *in = &r->input[i];
        int64_t n = in->per_row ? r->plan.rows * in->width : in->width;
        h = d[i] != NULL ? mix(h, d[i], (size_t)n * sizeof(double)) : h;
    }
    for (uint32_t e = 0; e < stele__params_count(r->params); e++) {
        const stele__param *p = stele__params_entry(r->params, e);
        if (p->kind == STELE__TRAINED) {
            h = mix(h, p->gradient, (size_t)p->n * stele__dtype_size(r->plan.dtype));
        }
    }
    return h;
}

static const rig_plan wide = { .dtype = STELE_F32, .rows = 96, .features = 300, .latent = 3 };

static uint64_t bits_of_new(check_trial *t, uint32_t threads)
{
    rig r;
    rig_plan plan = wide;
    plan.threads = threads;
    uint64_t h = rig_start(t, &plan, &r) ? bits_of(&r) : 0;
    rig_finish(&r);
    return h;
}

/* In a process with another environment, process number and address of the heap. */
static uint64_t bits_elsewhere(check_trial *t)
{
    int ends[2];
    uint64_t h = 0;
    if (pipe(ends) != 0) {
        return 0;
    }
    pid_t pid = fork();
    if (pid == 0) {
        setenv("TZ", "Pacific/Kiritimati", 1);
        setenv("HOME", "/nonexistent", 1);
        setenv("LC_ALL", "de_DE.UTF-8", 1);
        setenv("OMP_NUM_THREADS", "3", 1);
        void *shift = malloc(54321);
        setlocale(LC_ALL, "");
        h = bits_of_new(t, 1);
        free(shift);
        _exit(write(ends[1], &h, sizeof h) != (ssize_t)sizeof h);
    }
    close(ends[1]);
    if (pid > 0 && read(ends[0], &h, sizeof h) != (ssize_t)sizeof h) {
        h = 0;
    }
    close(ends[0]);
    if (pid > 0) {
        waitpid(pid, NULL, 0);
    }
    return h;
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
    if (bits_of_new(t, 1) != first) {
        check_fail(t, "a second instance gave other bits");
    }
    if (bits_of_new(t, 4) != first) {
        check_fail(t, "four threads gave other bits than one");
    }
    if (bits_elsewhere(t) != first) {
        check_fail(t, "another process with another environment and locale gave other bits");
    }
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

/* Output rows of `part` against rows index[] of `whole`; those of `skip` may differ. */
static void compare_rows(rig *r, const char *what, const rig_result *whole, const rig_result *part, int64_t n,
                         const int64_t *index, int64_t skip)
{
    const double tolerance = r->plan.dtype == STELE_F64 ? 1e-11 : 2e-5;
    for (uint32_t i = 0; i < whole->n && i < part->n; i++) {
        const rig_output *a = &whole->out[i], *b = &part->out[i];
        if (a->width != b->width || b->rows != n) {
            check_fail(r->t, "%s: the %s has another shape", what, a->name);
            continue;
        }
        for (int64_t k = 0; k < n; k++) {
            int64_t row = index != NULL ? index[k] : k;
            double d = block_distance(a->width, a->value + row * a->width, b->value + k * b->width);
            if (row != skip && !(d <= tolerance)) {
                check_fail(r->t, "%s: row %lld of the %s differs by %.3g", what, (long long)row, a->name, d);
                break;
            }
        }
    }
}

void check_rows_independent(check_trial *t)
{
    static const struct {
        const char *what;
        int64_t n, index[9];
    } cases[] = {
        { "rows reversed", 7, { 6, 5, 4, 3, 2, 1, 0 } },
        { "three of the rows", 3, { 4, 1, 6 } },
        { "one row alone", 1, { 3 } },
        { "rows repeated", 9, { 0, 0, 1, 5, 5, 5, 2, 6, 3 } },
    };
    rig r;
    rig_plan plan = { .rows = 7, .features = 6 };
    rig_result whole, part;
    if (!rig_start(t, &plan, &r) || !rig_compute(&r, 7, NULL, 0, &whole)) {
        rig_finish(&r);
        return;
    }
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (rig_compute(&r, cases[i].n, cases[i].index, 0, &part)) {
            compare_rows(&r, cases[i].what, &whole, &part, cases[i].n, cases[i].index, -1);
            rig_result_finish(&part);
        }
    }
    rig_result_finish(&whole);
    rig_finish(&r);
}

static void poison_row(rig *r, const rig_result *whole, rig_input *in, double v)
{
    enum { ROW = 2 };
    char what[96];
    rig_result res;
    double kept = in->value[ROW * in->width];
    in->value[ROW * in->width] = v;
    snprintf(what, sizeof what, "%g in row %d of %s", v, ROW, in->name);
    stele_status status = rig_run(r, r->plan.rows, NULL, 0, &res);
    if (status == STELE_OK) {
        compare_rows(r, what, whole, &res, r->plan.rows, NULL, ROW);
    } else if (status != STELE_E_NONFINITE && status != STELE_E_DATA) {
        check_fail(r->t, "%s: %s", what, rig_message(r));
    }
    rig_result_finish(&res);
    in->value[ROW * in->width] = kept;
}

void check_nan_row(check_trial *t)
{
    rig r;
    rig_plan plan = { .rows = 7, .features = 6, .covariates = 1 };
    rig_result whole;
    if (rig_start(t, &plan, &r) && rig_compute(&r, 7, NULL, 0, &whole)) {
        for (uint32_t i = 0; i < r.n_inputs; i++) {
            if (r.input[i].per_row) {
                poison_row(&r, &whole, &r.input[i], NAN);
                poison_row(&r, &whole, &r.input[i], HUGE_VAL);
            }
        }
        rig_result_finish(&whole);
    }
    rig_finish(&r);
}
