#include "conv.h"

#include "base/mem.h"
#include "stats.h"

enum { STEPS_PER_ROUND = 5, WARM_UP = 10 };

int bench_conv_measure(const bench_shape *shape, int rounds, double *ret)
{
    bench_training t;
    stele__diag diag;
    const int n = rounds * STEPS_PER_ROUND;
    double *seconds = stele__calloc((size_t)n, sizeof *seconds);
    stele__diag_init(&diag);
    stele_status status = seconds != NULL ? bench_training_init(&t, shape, &diag) : STELE_E_NOMEM;
    for (int i = -WARM_UP; i < n && status == STELE_OK; i++) {
        stele__loss_terms terms;
        const double start = stele__now();
        status = bench_training_step(&t, &terms, &diag);
        if (i >= 0) {
            seconds[i] = stele__now() - start;
        }
    }
    if (seconds != NULL) {
        *ret = status == STELE_OK ? bench_median(seconds, n) : 0.0;
        bench_training_finish(&t);
    }
    stele__free(seconds);
    return bench_complain(&diag, status);
}
