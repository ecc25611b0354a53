#include "graph/tensor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

size_t stele__dtype_size(uint32_t dtype)
{
    static const size_t size[] = { 0, 4, 8, 4, 8, 1 };
    return dtype <= STELE_U8 ? size[dtype] : 0;
}

const char *stele__dtype_name(uint32_t dtype)
{
    static const char *const name[] = { "unknown", "f32", "f64", "i32", "i64", "u8" };
    return dtype <= STELE_U8 ? name[dtype] : name[0];
}

int64_t stele__shape_count(const stele_shape *s)
{
    if (s->ndim > STELE_MAX_DIMS) {
        return -1;
    }
    int64_t n = 1;
    for (uint32_t i = 0; i < s->ndim; i++) {
        if (s->dim[i] < 0 || __builtin_mul_overflow(n, s->dim[i], &n) || n > INT64_MAX / 16) {
            return -1;
        }
    }
    return n;
}

int stele__shape_equal(const stele_shape *a, const stele_shape *b)
{
    if (a->ndim != b->ndim) {
        return 0;
    }
    for (uint32_t i = 0; i < a->ndim; i++) {
        if (a->dim[i] != b->dim[i]) {
            return 0;
        }
    }
    return 1;
}

int stele__shape_broadcast(const stele_shape *a, const stele_shape *b, stele_shape *ret)
{
    uint32_t ndim = a->ndim > b->ndim ? a->ndim : b->ndim;
    stele_shape s = { .ndim = ndim };
    for (uint32_t k = 1; k <= ndim; k++) {
        int64_t da = k <= a->ndim ? a->dim[a->ndim - k] : 1;
        int64_t db = k <= b->ndim ? b->dim[b->ndim - k] : 1;
        if (da != db && da != 1 && db != 1) {
            return -1;
        }
        s.dim[ndim - k] = da == 1 ? db : da;
    }
    *ret = s;
    return 0;
}

const char *stele__shape_text(const stele_shape *s, char text[STELE__SHAPE_TEXT])
{
    size_t n = 0;
    text[n++] = '(';
    for (uint32_t i = 0; i < s->ndim && i < STELE_MAX_DIMS; i++) {
        n += (size_t)snprintf(text + n, STELE__SHAPE_TEXT - n, "%s%" PRId64, i > 0 ? ", " : "",
                              s->dim[i]);
    }
    snprintf(text + n, STELE__SHAPE_TEXT - n, "%s", s->ndim > STELE_MAX_DIMS ? ", ...)" : ")");
    return text;
}

void stele__tensor_view(const stele_tensor *t, stele_view *ret)
{
    stele_view v = { .struct_size = sizeof v,
                     .dtype = t->dtype,
                     .layout = t->layout,
                     .shape = t->shape,
                     .data = t->data,
                     .row_start = t->row_start,
                     .column = t->column };
    uint64_t size = ret->struct_size < sizeof v ? ret->struct_size : sizeof v;
    memcpy(ret, &v, size);
    ret->struct_size = size;
}
