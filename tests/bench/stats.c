#include "stats.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *x, int n)
{
    qsort(x, (size_t)n, sizeof *x, compare);
    return x[n / 2];
}

int bench_complain(stele__diag *diag, stele_status status)
{
    for (size_t i = 0; i < diag->n && status != STELE_OK; i++) {
        char *text = NULL;
        if (stele__message_format(&diag->message[i], &text) == STELE_OK) {
            fprintf(stderr, "stele-bench: %s", text);
        }
        stele__free(text);
    }
    stele__diag_finish(diag);
    return status == STELE_OK ? 0 : -1;
}
