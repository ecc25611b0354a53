#include "graph/copy.h"
#include "graph/ops.h"
#include "graph/reduce.h"

#include <string.h>

/* Operations that rearrange values: reshape (of any dtype), permute, expand, concat, slice. */

/* --- reshape --- */

static stele_status reshape_back(stele_graph *g, const stele__tape_node *node)
{
    return stele__grad_add(g, node->in[0], node->out->gradient);
}

stele_tensor *stele__op_reshape(stele_graph *g, stele_tensor *a, const stele_shape *s)
{
    if (!stele__op_ready(g, 1, &a)) {
        return NULL;
    }
    if (a->layout != STELE_DENSE) {
        return stele__op_fail(g, STELE_E_UNSUPPORTED, "reshape: a is sparse");
    }
    if (stele__shape_count(s) != a->n) {
        char ta[STELE__SHAPE_TEXT], ts[STELE__SHAPE_TEXT];
        return stele__op_fail(g, STELE_E_SHAPE, "reshape: %s has not as many elements as %s",
                              stele__shape_text(&a->shape, ta), stele__shape_text(s, ts));
    }
    stele_tensor *out = stele__op_alias(g, a->dtype, s, a->data); /* values never change */
    if (out != NULL) {
        stele__op_record(g, out, 1, &a, reshape_back, NULL);
    }
    return out;
}

/* --- permute --- */

struct permutation {
    int64_t forward[STELE_MAX_DIMS];  /* stride in the input along the output's axes */
    int64_t backward[STELE_MAX_DIMS]; /* stride in the output along the input's axes */
};

static stele_status permute_back(stele_graph *g, const stele__tape_node *node)
{
    const struct permutation *p = node->saved;
    stele_tensor *a = node->in[0];
    int fresh = 0;
    void *d = stele__grad_open(g, a, &fresh);
    if (d == NULL) {
        return STELE_E_NOMEM;
    }
    stele__copy_strided(g, &a->shape, p->backward, node->out->gradient, !fresh, d);
    return STELE_OK;
}

stele_tensor *stele__op_permute(stele_graph *g, stele_tensor *a, const uint32_t *axes)
{
    struct permutation *p;
    if (!stele__op_ready(g, 1, &a) || !stele__op_real(g, "permute", "a", a) ||
        (p = stele__op_take(g, 1, sizeof *p)) == NULL) {
        return NULL;
    }
    int64_t in_step[STELE_MAX_DIMS], step = 1;
    stele_shape shape = { .ndim = a->shape.ndim };
    uint32_t seen = 0;
    for (uint32_t d = a->shape.ndim; d-- > 0;) {
        in_step[d] = step;
        step *= a->shape.dim[d];
    }
    for (uint32_t d = 0; d < shape.ndim; d++) {
        if (axes[d] >= shape.ndim || (seen >> axes[d] & 1u)) {
            return stele__op_fail(g, STELE_E_ARG, "permute: axis %u is out of range or repeated",
                                  (unsigned)axes[d]);
        }
        seen |= 1u << axes[d];
        shape.dim[d] = a->shape.dim[axes[d]];
        p->forward[d] = in_step[axes[d]];
    }
    step = 1;
    for (uint32_t d = shape.ndim; d-- > 0;) {
        p->backward[axes[d]] = step;
        step *= shape.dim[d];
    }
    stele_tensor *out = stele__op_output(g, g->dtype, &shape);
    if (out != NULL) {
        stele__copy_strided(g, &shape, p->forward, a->data, 0, out->data);
        stele__op_record(g, out, 1, &a, permute_back, p);
    }
    return out;
}

/* --- expand --- */

static stele_status expand_back(stele_graph *g, const stele__tape_node *node)
{
    return stele__grad_reduce(g, node->in[0], &node->out->shape, node->out->gradient, 1.0);
}

stele_tensor *stele__op_expand(stele_graph *g, stele_tensor *a, const stele_shape *s)
{
    stele_shape both;
    if (!stele__op_ready(g, 1, &a) || !stele__op_real(g, "expand", "a", a)) {
        return NULL;
    }
    if (stele__shape_broadcast(&a->shape, s, &both) != 0 || !stele__shape_equal(&both, s)) {
        char ta[STELE__SHAPE_TEXT], ts[STELE__SHAPE_TEXT];
        return stele__op_fail(g, STELE_E_SHAPE, "expand: %s does not broadcast to %s",
                              stele__shape_text(&a->shape, ta), stele__shape_text(s, ts));
    }
    stele_tensor *out = stele__op_output(g, g->dtype, s);
    if (out == NULL) {
        return NULL;
    }
    int64_t stride[STELE_MAX_DIMS] = { 0 }, step = 1;
    for (uint32_t k = 1; k <= a->shape.ndim; k++) {
        int64_t extent = a->shape.dim[a->shape.ndim - k];
        stride[s->ndim - k] = extent == 1 ? 0 : step;
        step *= extent;
    }
    stele__copy_strided(g, s, stride, a->data, 0, out->data);
    stele__op_record(g, out, 1, &a, expand_back, NULL);
    return out;
}

/* --- concat and slice: runs of `inner` elements around an axis --- */

static void around(const stele_shape *s, int axis, int64_t *ret_outer, int64_t *ret_inner)
{
    *ret_outer = *ret_inner = 1;
    for (int d = 0; d < (int)s->ndim; d++) {
        *ret_outer *= d < axis ? s->dim[d] : 1;
        *ret_inner *= d > axis ? s->dim[d] : 1;
    }
}

static stele_status concat_back(stele_graph *g, const stele__tape_node *node)
{
    const int *axis = node->saved;
    const stele_shape *s = &node->out->shape;
    const size_t size = stele__dtype_size(g->dtype);
    int64_t outer, inner, at = 0;
    around(s, *axis, &outer, &inner);
    for (uint32_t i = 0; i < node->n; i++) {
        int64_t n = node->in[i]->shape.dim[*axis] * inner;
        int fresh = 0;
        void *d = stele__grad_open(g, node->in[i], &fresh);
        if (d != NULL) {
            const char *from = (const char *)node->out->gradient + (size_t)at * size;
            stele__copy_slabs(g, outer, n, from, s->dim[*axis] * inner, !fresh, d, n);
        }
        at += n;
    }
    return g->status;
}

/* Check that the parts fit and sum up their extents; -1 after a failure. */
static int concat_shape(stele_graph *g, uint32_t n, stele_tensor *const *a, int32_t axis,
                        stele_shape *shape)
{
    int at = stele__op_axis(g, "concat", a[0], axis);
    if (at < 0) {
        return -1;
    }
    *shape = a[0]->shape;
    shape->dim[at] = 0;
    for (uint32_t i = 0; i < n; i++) {
        stele_shape s = a[i]->shape;
        if (!stele__op_real(g, "concat", "a part", a[i])) {
            return -1;
        }
        if (s.ndim == shape->ndim) {
            shape->dim[at] += s.dim[at];
            s.dim[at] = shape->dim[at];
        }
        if (!stele__shape_equal(&s, shape)) {
            char t0[STELE__SHAPE_TEXT], ti[STELE__SHAPE_TEXT];
            stele__op_fail(g, STELE_E_SHAPE, "concat: %s and %s do not fit along axis %d",
                           stele__shape_text(&a[0]->shape, t0), stele__shape_text(&a[i]->shape, ti),
                           at);
            return -1;
        }
    }
    return at;
}

stele_tensor *stele__op_concat(stele_graph *g, uint32_t n, stele_tensor *const *a, int32_t axis)
{
    if (!stele__op_ready(g, n, a)) {
        return NULL;
    }
    if (n == 0) {
        return stele__op_fail(g, STELE_E_ARG, "concat: nothing to join");
    }
    stele_shape shape;
    int at = concat_shape(g, n, a, axis, &shape);
    int *saved = at < 0 ? NULL : stele__op_take(g, 1, sizeof *saved);
    stele_tensor *out = saved == NULL ? NULL : stele__op_output(g, g->dtype, &shape);
    if (out == NULL) {
        return NULL;
    }
    *saved = at;
    int64_t outer, inner;
    around(&shape, at, &outer, &inner);
    char *to = out->data;
    for (uint32_t i = 0; i < n; i++) {
        int64_t m = a[i]->shape.dim[at] * inner;
        stele__copy_slabs(g, outer, m, a[i]->data, m, 0, to, shape.dim[at] * inner);
        to += (size_t)m * stele__dtype_size(g->dtype);
    }
    stele__op_record(g, out, n, a, concat_back, saved);
    return out;
}

struct slice {
    int64_t outer, n, step,
        first; /* of the input: slabs, elements kept of each, distance, first element */
};

static stele_status slice_back(stele_graph *g, const stele__tape_node *node)
{
    const struct slice *s = node->saved;
    char *d = stele__grad_zeroed(g, node->in[0]);
    if (d == NULL) {
        return STELE_E_NOMEM;
    }
    d += (size_t)s->first * stele__dtype_size(g->dtype);
    stele__copy_slabs(g, s->outer, s->n, node->out->gradient, s->n, 1, d, s->step);
    return STELE_OK;
}

stele_tensor *stele__op_slice(stele_graph *g, stele_tensor *a, int32_t axis, int64_t begin,
                              int64_t end)
{
    if (!stele__op_ready(g, 1, &a) || !stele__op_real(g, "slice", "a", a)) {
        return NULL;
    }
    int at = stele__op_axis(g, "slice", a, axis);
    if (at < 0) {
        return NULL;
    }
    if (begin < 0 || end < begin || end > a->shape.dim[at]) {
        char text[STELE__SHAPE_TEXT];
        return stele__op_fail(g, STELE_E_SHAPE, "slice: %lld to %lld of axis %d, a is %s",
                              (long long)begin, (long long)end, at,
                              stele__shape_text(&a->shape, text));
    }
    stele_shape shape = a->shape;
    shape.dim[at] = end - begin;
    stele_tensor *out = stele__op_output(g, g->dtype, &shape);
    struct slice *s = stele__op_take(g, 1, sizeof *s);
    if (out == NULL || s == NULL) {
        return NULL;
    }
    int64_t inner;
    around(&a->shape, at, &s->outer, &inner);
    s->n = (end - begin) * inner;
    s->step = a->shape.dim[at] * inner;
    s->first = begin * inner;
    const char *from = (const char *)a->data + (size_t)s->first * stele__dtype_size(g->dtype);
    stele__copy_slabs(g, s->outer, s->n, from, s->step, 0, out->data, s->n);
    stele__op_record(g, out, 1, &a, slice_back, s);
    return out;
}
