#include "measure.h"

#include "allocations.h"
#include "base/mem.h"
#include "floor.h"
#include "model/fused.h"
#include "stats.h"
#include "trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_ROUNDS = 1000, STEPS_PER_ROUND = 5, WARM_UP = 10 };

/* --- steps and floor ------------------------------------------------------------------------- */

enum {
    STEP,
    FLOOR,
    PRODUCTS,
    UPDATE_FLOOR,
    RATE,
    BATCH,
    ENCODE,
    FUSED,
    LIKELIHOOD,
    FORWARD_REST,
    BACKWARD,
    NORM,
    UPDATE,
    N_SERIES
};

typedef struct series {
    double *x[N_SERIES];
    int n[N_SERIES];
} series;

static void note(series *s, int which, double x)
{
    s->x[which][s->n[which]++] = x;
}

static int series_init(series *s, int rounds)
{
    memset(s, 0, sizeof *s);
    for (int i = 0; i < N_SERIES; i++) {
        s->x[i] = stele__calloc((size_t)(rounds * STEPS_PER_ROUND), sizeof(double));
        if (s->x[i] == NULL) {
            return -1;
        }
    }
    return 0;
}

static void series_finish(series *s)
{
    for (int i = 0; i < N_SERIES; i++) {
        stele__free(s->x[i]);
    }
}

/* Products: block by block or in one piece, whichever is faster here. */
static void note_floor(series *s, bench_floor *f, const bench_shape *shape, size_t parameters)
{
    double products = 0.0;
    int64_t width[] = { shape->genes, shape->peaks };
    for (int i = 0; i < 2; i++) {
        double blocks =
            bench_floor_products(f, width[i], stele__fused_block(shape->batch, 1, width[i]));
        double whole = bench_floor_products(f, width[i], 0);
        products += blocks < whole ? blocks : whole;
    }
    double rate = bench_floor_copy_rate(f);
    double update = BENCH_ADAMW_BYTES * (double)parameters / rate;
    note(s, PRODUCTS, products);
    note(s, UPDATE_FLOOR, update);
    note(s, FLOOR, products + update);
    note(s, RATE, rate);
}

static void note_step(series *s, bench_training *t, double start)
{
    const double *ended = t->loop.ended;
    bench_trace in = bench_trace_get(t);
    note(s, STEP, stele__now() - start);
    note(s, BATCH, ended[STELE__PHASE_BATCH] - start);
    note(s, ENCODE, in.encode);
    note(s, FUSED, in.fused);
    note(s, LIKELIHOOD, in.likelihood);
    note(s, FORWARD_REST,
         ended[STELE__PHASE_FORWARD] - ended[STELE__PHASE_BATCH] - in.encode - in.fused);
    note(s, BACKWARD, ended[STELE__PHASE_BACKWARD] - ended[STELE__PHASE_FORWARD]);
    note(s, NORM, ended[STELE__PHASE_NORM] - ended[STELE__PHASE_BACKWARD]);
    note(s, UPDATE, ended[STELE__PHASE_UPDATE] - ended[STELE__PHASE_NORM]);
}

static stele_status run_steps(bench_training *t, int n, series *s, stele__diag *diag)
{
    stele_status status = STELE_OK;
    for (int i = 0; i < n && status == STELE_OK; i++) {
        stele__loss_terms terms;
        bench_trace_clear();
        double start = stele__now();
        status = bench_training_step(t, &terms, diag);
        if (s != NULL && status == STELE_OK) {
            note_step(s, t, start);
        }
    }
    return status;
}

static void medians(const series *s, const bench_shape *shape, bench_step *ret)
{
    double m[N_SERIES];
    for (int i = 0; i < N_SERIES; i++) {
        m[i] = bench_median(s->x[i], s->n[i]);
    }
    double flops =
        6.0 * (double)shape->batch * shape->hidden * (double)(shape->genes + shape->peaks);
    *ret = (bench_step){ .step = m[STEP],
                         .floor = m[FLOOR],
                         .floor_products = m[PRODUCTS],
                         .floor_update = m[UPDATE_FLOOR],
                         .gflops = 1e-9 * flops / m[PRODUCTS],
                         .copy_rate = m[RATE],
                         .batch = m[BATCH],
                         .encode = m[ENCODE],
                         .fused = m[FUSED],
                         .likelihood = m[LIKELIHOOD],
                         .forward_rest = m[FORWARD_REST],
                         .backward = m[BACKWARD],
                         .norm = m[NORM],
                         .update = m[UPDATE] };
}

static stele_status measure_rounds(bench_training *t, bench_floor *f, const bench_shape *shape,
                                   int rounds, series *s, stele__diag *diag)
{
    stele_status status = run_steps(t, WARM_UP, NULL, diag);
    for (int i = 0; i < rounds && status == STELE_OK; i++) {
        note_floor(s, f, shape, bench_training_parameters(t));
        /* One to come back into the caches. */
        status = run_steps(t, 1, NULL, diag);
        status = status == STELE_OK ? run_steps(t, STEPS_PER_ROUND, s, diag) : status;
    }
    return status;
}

int bench_step_measure(const bench_shape *shape, int rounds, bench_step *ret)
{
    bench_training t;
    series s;
    stele__diag diag;
    bench_floor *f = NULL;
    stele__diag_init(&diag);
    rounds = rounds < MOST_ROUNDS ? rounds : MOST_ROUNDS;
    stele_status status = bench_training_init(&t, shape, &diag);
    if (status == STELE_OK) {
        bench_trace_attach(&t);
        f = bench_floor_create(t.run.pool, shape->batch, shape->hidden, shape->peaks);
        status = series_init(&s, rounds) == 0 && f != NULL
                     ? measure_rounds(&t, f, shape, rounds, &s, &diag)
                     : STELE_E_NOMEM;
        if (status == STELE_OK) {
            medians(&s, shape, ret);
            ret->parameters = bench_training_parameters(&t);
        }
        series_finish(&s);
    }
    bench_floor_destroy(f);
    bench_training_finish(&t);
    return bench_complain(&diag, status);
}

/* --- memory and scale ------------------------------------------------------------------------ */

enum { FOOTPRINT_STEPS = 40 };

static double sparse_mb(const stele__dataset *data)
{
    static const double value_bytes[] = {
        [STELE__VALUE_U8] = 1.0, [STELE__VALUE_U16] = 2.0, [STELE__VALUE_F32] = 4.0
    };
    double bytes = 0.0;
    for (size_t i = 0; i < data->n_matrices; i++) {
        const stele__matrix *m = &data->matrix[i];
        bytes += (double)m->row_start[m->n_present] * (4.0 + value_bytes[m->value_kind]);
        bytes += 8.0 * (double)(m->n_present + 1);
    }
    return bytes / 1e6;
}

static stele_status train_a_little(const bench_shape *shape, double began, bench_footprint *ret,
                                   stele__diag *diag)
{
    bench_training t;
    double seconds[FOOTPRINT_STEPS];
    uint64_t before = 0;
    stele__loss_terms terms;
    memset(ret, 0, sizeof *ret);
    stele_status status = bench_training_init(&t, shape, diag);
    for (int i = 0; i < FOOTPRINT_STEPS && status == STELE_OK; i++) {
        double start = stele__now();
        status = bench_training_step(&t, &terms, diag);
        seconds[i] = stele__now() - start;
        ret->first_step = i == 0 ? stele__now() - began : ret->first_step;
        before = i == FOOTPRINT_STEPS / 2 ? bench_allocations() : before;
    }
    if (status == STELE_OK) {
        ret->allocations =
            (double)(bench_allocations() - before) / (FOOTPRINT_STEPS - FOOTPRINT_STEPS / 2 - 1);
        ret->step = bench_median(seconds, FOOTPRINT_STEPS);
        ret->allowed_mb =
            16e-6 * (double)bench_training_parameters(&t) + sparse_mb(t.run.data) + 150;
    }
    bench_training_finish(&t);
    return status;
}

static void child(const bench_shape *shape, int out)
{
    bench_footprint f;
    stele__diag diag;
    double began = stele__now();
    stele__diag_init(&diag);
    if (bench_complain(&diag, train_a_little(shape, began, &f, &diag)) != 0) {
        _exit(1);
    }
    _exit(write(out, &f, sizeof f) != (ssize_t)sizeof f);
}

int bench_footprint_measure(const bench_shape *shape, bench_footprint *ret)
{
    int ends[2], how = 0;
    struct rusage use;
    if (pipe(ends) != 0) {
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0) {
        child(shape, ends[1]);
    }
    close(ends[1]);
    int good = pid > 0 && read(ends[0], ret, sizeof *ret) == (ssize_t)sizeof *ret;
    close(ends[0]);
    if (pid > 0 && wait4(pid, &how, 0, &use) == pid && WIFEXITED(how) && WEXITSTATUS(how) == 0 &&
        good) {
        ret->peak_mb = (double)use.ru_maxrss * 1024e-6;
        return 0;
    }
    fprintf(stderr, "stele-bench: a training in a process of its own failed\n");
    return -1;
}
