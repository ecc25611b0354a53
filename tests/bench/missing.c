#include "missing.h"

#include "base/mem.h"
#include "stats.h"

enum { STEPS_PER_ROUND = 5, WARM_UP = 10 };

static const double share[BENCH_N_MISSING][2] = { { 0, 0 }, { 0.5, 0 }, { 0, 0.5 }, { 0.5, 0.5 } };

static stele_status take_steps(bench_training *t, int n, double *ret_seconds, stele__diag *diag)
{
    stele_status status = STELE_OK;
    for (int i = 0; i < n && status == STELE_OK; i++) {
        stele__loss_terms terms;
        const double start = stele__now();
        status = bench_training_step(t, &terms, diag);
        ret_seconds[i] = stele__now() - start;
    }
    return status;
}

static stele_status measure(const bench_shape *shape, int rounds, bench_training *t,
                            double *seconds, double ret[BENCH_N_MISSING], stele__diag *diag)
{
    const size_t n = (size_t)rounds * STEPS_PER_ROUND;
    stele_status status = STELE_OK;
    for (int k = 0; k < BENCH_N_MISSING && status == STELE_OK; k++) {
        double warm[WARM_UP];
        bench_shape s = *shape;
        s.no_rna = share[k][0];
        s.no_atac = share[k][1];
        status = bench_training_init(&t[k], &s, diag);
        status = status == STELE_OK ? take_steps(&t[k], WARM_UP, warm, diag) : status;
    }
    for (int round = 0; round < rounds && status == STELE_OK; round++) {
        for (int k = 0; k < BENCH_N_MISSING && status == STELE_OK; k++) {
            double *at = seconds + (size_t)k * n + (size_t)round * STEPS_PER_ROUND;
            status = take_steps(&t[k], STEPS_PER_ROUND, at, diag);
        }
    }
    for (int k = 0; k < BENCH_N_MISSING && status == STELE_OK; k++) {
        ret[k] = bench_median(seconds + (size_t)k * n, (int)n);
    }
    return status;
}

int bench_missing_measure(const bench_shape *shape, int rounds, double ret[BENCH_N_MISSING])
{
    static bench_training t[BENCH_N_MISSING];
    stele__diag diag;
    double *seconds =
        stele__calloc((size_t)rounds * STEPS_PER_ROUND * BENCH_N_MISSING, sizeof *seconds);
    stele__diag_init(&diag);
    stele_status status =
        seconds != NULL ? measure(shape, rounds, t, seconds, ret, &diag) : STELE_E_NOMEM;
    for (int k = 0; k < BENCH_N_MISSING; k++) {
        bench_training_finish(&t[k]);
    }
    stele__free(seconds);
    return bench_complain(&diag, status);
}
