#include "eval/foscttm.h"

#include "eval/distance.h"

enum { ROWS = 16 }; /* of a task */

typedef struct job {
    const float *a, *b;
    size_t n, n_columns;
    double *ret;
} job;

static void run(void *ctx, size_t task, unsigned thread)
{
    const job *q = ctx;
    const size_t width = q->n_columns;
    (void)thread;
    for (size_t i = task * ROWS; i < (task + 1) * ROWS && i < q->n; i++) {
        const float *a = q->a + i * width, *b = q->b + i * width;
        const double own = stele__squared_distance(a, b, width);
        size_t closer = 0;
        for (size_t j = 0; j < q->n; j++) {
            closer += j != i && stele__squared_distance(a, q->b + j * width, width) < own;
            closer += j != i && stele__squared_distance(b, q->a + j * width, width) < own;
        }
        q->ret[i] = 0.5 * (double)closer / (double)(q->n - 1);
    }
}

void stele__foscttm(const float *a, const float *b, size_t n, size_t n_columns, stele__pool *pool,
                    double *ret)
{
    job q = { a, b, n, n_columns, ret };
    stele__pool_run(pool, (n + ROWS - 1) / ROWS, run, &q);
}
