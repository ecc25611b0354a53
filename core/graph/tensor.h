/* tensor.h - what a tensor is inside the core. Plugins see it through views only. */
#ifndef STELE_GRAPH_TENSOR_H
#define STELE_GRAPH_TENSOR_H

#include "base/diag.h"

#include <stele/ops.h>

/* Values never change once the operation that made them is done. Dense values are row-major and
 * contiguous. */
struct stele_tensor {
    stele_graph *graph;
    uint32_t dtype, layout;
    stele_shape shape; /* CSR: (rows, columns) */
    int64_t n;         /* elements in `data`: all of them, or the stored entries of a CSR tensor */
    void *data; /* borrowed or in the arena; written by the operation that made the tensor only */
    const int64_t *row_start;   /* CSR: rows + 1 offsets, the first is 0 */
    const int32_t *column;      /* CSR: n columns, ascending in a row */
    void *gradient;             /* d loss / d this, same shape and dtype; NULL until wanted */
    uint32_t *has_gradient;     /* 0: `gradient` holds nothing yet; a parameter's flag lives in its
                                   params object */
    struct stele__param *param; /* a trained parameter's entry; else NULL */
    const struct stele__param *weight; /* trained, of the linear map that it comes from by way of
                                          sums and norms alone; else NULL */
    uint32_t own_flag;
    uint32_t wants_gradient;
    uint32_t uses; /* nodes of the tape that have it as an input */
};

/* Element i of an array of that dtype, float or double. */
static inline double stele__get_real(uint32_t dtype, const void *p, int64_t i)
{
    return dtype == STELE_F64 ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

/* The same of the values of a tensor. */
static inline double stele__tensor_real(const stele_tensor *t, int64_t i)
{
    return stele__get_real(t->dtype, t->data, i);
}

/* Set element i of an array of that dtype, float or double. */
static inline void stele__put_real(uint32_t dtype, void *p, int64_t i, double v)
{
    if (dtype == STELE_F64) {
        ((double *)p)[i] = v;
    } else {
        ((float *)p)[i] = (float)v;
    }
}

/* Bytes of one element; 0 for an unknown dtype. */
size_t stele__dtype_size(uint32_t dtype);
const char *stele__dtype_name(uint32_t dtype); /* "f32", "unknown" */

/* Number of elements, 1 for a scalar; -1 if ndim, an extent or the product is out of range. */
int64_t stele__shape_count(const stele_shape *s);
int stele__shape_equal(const stele_shape *a, const stele_shape *b);
/* NumPy's broadcasting rule. 0 on success, -1 if the shapes do not fit. */
int stele__shape_broadcast(const stele_shape *a, const stele_shape *b, stele_shape *ret);
/* "(3, 5)", "()" for a scalar. */
#define STELE__SHAPE_TEXT 160
const char *stele__shape_text(const stele_shape *s, char text[STELE__SHAPE_TEXT]);

/* View of a tensor, as ops.view gives it. */
void stele__tensor_view(const stele_tensor *t, stele_view *ret);

/* A shape on the spot, with an address. */
#define STELE__SHAPE(...)                                                                          \
    ((stele_shape){ sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t), 0, { __VA_ARGS__ } })

#endif
