#include "graph/broadcast.h"

/* Can axis d (inner) be merged with the axis before it? Then one stride serves both for every
 * operand. */
static int mergeable(const stele__walk *w, const int64_t stride[])
{
    for (uint32_t k = 0; k < w->n; k++) {
        if (w->stride[k][w->ndim - 1] != stride[k] * w->dim[w->ndim]) {
            return 0;
        }
    }
    return 1;
}

void stele__walk_init(stele__walk *w, const stele_shape *out, uint32_t n,
                      const stele_shape *const *in)
{
    int64_t full[STELE__WALK_MAX][STELE_MAX_DIMS] = { 0 };
    *w = (stele__walk){ .n = n, .count = stele__shape_count(out) };
    for (uint32_t k = 0; k < n; k++) {
        int64_t step = 1;
        for (uint32_t i = 1; i <= in[k]->ndim; i++) {
            int64_t extent = in[k]->dim[in[k]->ndim - i];
            full[k][out->ndim - i] = extent == 1 ? 0 : step;
            step *= extent;
        }
    }
    for (uint32_t d = 0; d < out->ndim; d++) {
        int64_t stride[STELE__WALK_MAX] = { 0 };
        if (out->dim[d] == 1) {
            continue;
        }
        for (uint32_t k = 0; k < n; k++) {
            stride[k] = full[k][d];
        }
        w->dim[w->ndim] = out->dim[d];
        if (w->ndim > 0 && mergeable(w, stride)) {
            w->dim[w->ndim - 1] *= out->dim[d];
            w->ndim--;
        }
        for (uint32_t k = 0; k < n; k++) {
            w->stride[k][w->ndim] = stride[k];
        }
        w->ndim++;
    }
    if (w->ndim == 0) {
        w->dim[w->ndim++] = 1;
    }
}

stele__stretch stele__walk_stretch(const stele__walk *w, int64_t begin, int64_t end)
{
    stele__stretch s = { .begin = begin };
    int64_t rest = begin, last = w->dim[w->ndim - 1];
    for (uint32_t d = w->ndim; d-- > 0;) {
        int64_t at = rest % w->dim[d];
        rest /= w->dim[d];
        for (uint32_t k = 0; k < w->n; k++) {
            s.at[k] += at * w->stride[k][d];
        }
    }
    int64_t left = last - begin % last;
    s.n = end - begin < left ? end - begin : left;
    return s;
}
