#include "kernels/adamw.h"

#include <math.h>

/* Elements per task: nothing is reused, so this only has to balance the threads. */
enum { BLOCK = 1 << 15 };
/* Partial sums of a reduction lie on the stack. */
enum { MAX_PARTS = 256 };

/* The first segment that ends after `position`. */
static size_t first_after(const stele__adamw_segment *segment, size_t n_segments, size_t position)
{
    size_t low = 0, high = n_segments;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (segment[middle].end <= position) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

stele__adamw_factors stele__adamw_prepare(const stele__adamw *opt, const stele__adamw_segment *s)
{
    double lr = opt->lr * s->lr_scale;
    stele__adamw_factors f = {
        .grad_scale = opt->grad_scale,
        .decay = 1.0 - lr * s->weight_decay,
        .beta1 = opt->beta1,
        .beta2 = opt->beta2,
        .step_size = lr / (1.0 - pow(opt->beta1, (double)opt->step)),
        .root_scale = 1.0 / sqrt(1.0 - pow(opt->beta2, (double)opt->step)),
        .eps = opt->eps,
    };
    return f;
}

/* Elements per part of a reduction over n: a function of n alone, at most MAX_PARTS parts. */
static size_t part_size(size_t n)
{
    size_t size = (n + MAX_PARTS - 1) / MAX_PARTS;
    return size > BLOCK ? (size + 1023) / 1024 * 1024 : BLOCK;
}

#define STELE__TWICE "kernels/adamw.inc"
#include "kernels/twice.h"
