/* isa.h - the table of kernels that each instruction set fills; vec.h tells how it all works. */
#ifndef STELE_KERNELS_ISA_H
#define STELE_KERNELS_ISA_H

#include <stddef.h>
#include <stdint.h>

/* What the inner loop of AdamW needs, prepared once per segment. */
typedef struct stele__adamw_factors {
    double grad_scale, decay;                        /* decay: 1 - lr s d */
    double beta1, beta2, step_size, root_scale, eps; /* root_scale: 1 / sqrt(1 - beta2^t) */
} stele__adamw_factors;

/* C (m, n) = start + A B: panel.h. */
typedef struct stele__panel_product {
    size_t m, n, k;
    const void *a; /* element (i, l) of A is a[i * a_row + l * a_k]; one of the steps is 1 */
    size_t a_row, a_k;
    const void *packed; /* B */
    const void *bias;   /* (n), or NULL: 0 */
    int add;            /* start from C instead */
    void *c;
    size_t ldc;
    /* Memory that is wanted next, brought into the second-level cache on the way, so that it
     * arrives while the arithmetic units are busy; 0 bytes: none. */
    const void *ahead;
    size_t ahead_bytes;
} stele__panel_product;

/* Arguments and accuracy of the array functions: vec.h.
 *
 * csr_row: y (h) = b (h, or NULL: 0) + sum over n entries of value[e] * W[column[e], :].
 * b may be y.
 * column_sums: y (n) = or += (add) the sums of the columns of x (rows, n).
 * panel_width: columns of a panel. adamw: n elements of one segment. sum_squares: in double. */
#define STELE__ISA_KERNELS(real_)                                                                  \
    struct {                                                                                       \
        void (*exp)(size_t n, const real_ *x, real_ *y);                                           \
        void (*expm1)(size_t n, const real_ *x, real_ *y);                                         \
        void (*log)(size_t n, const real_ *x, real_ *y);                                           \
        void (*log1p)(size_t n, const real_ *x, real_ *y);                                         \
        void (*tanh)(size_t n, const real_ *x, real_ *y);                                          \
        void (*erf)(size_t n, const real_ *x, real_ *y);                                           \
        void (*lgamma)(size_t n, const real_ *x, real_ *y);                                        \
        void (*digamma)(size_t n, const real_ *x, real_ *y);                                       \
        void (*softplus_sigmoid)(size_t n, const real_ *x, real_ *sp, real_ *sg);                  \
        double (*softplus_sum)(size_t n, const real_ *x, real_ shift, real_ scale, real_ *y);      \
        void (*scaled_softplus)(size_t n, const real_ *x, real_ shift, const real_ *log_a,         \
                                const real_ *a, real_ *y, real_ *dx, real_ *da);                   \
        void (*rising)(size_t n, const real_ *x, const real_ *theta, real_ *y, real_ *dy);         \
        void (*lgamma_digamma)(size_t n, const real_ *x, real_ *lg, real_ *dg);                    \
        void (*csr_row)(size_t n, const int32_t *column, const real_ *value, size_t h,             \
                        const real_ *w, size_t ldw, const real_ *b, real_ *y);                     \
        void (*column_sums)(size_t rows, size_t n, const real_ *x, int add, real_ *y);             \
        size_t panel_width;                                                                        \
        void (*pack)(size_t k, size_t n, const real_ *b, size_t ldb, real_ *packed);               \
        void (*pack_transposed)(size_t k, size_t n, const real_ *b, size_t ldb, real_ *packed);    \
        void (*panel_product)(const stele__panel_product *p);                                      \
        void (*adamw)(size_t n, const stele__adamw_factors *f, real_ *w, const real_ *g, real_ *m, \
                      real_ *v);                                                                   \
        double (*sum_squares)(size_t n, const real_ *x);                                           \
    }

typedef struct stele__isa {
    const char *name; /* "baseline", "avx2", "avx512" */
    STELE__ISA_KERNELS(float) f32;
    STELE__ISA_KERNELS(double) f64;
} stele__isa;

/* The table in use: the best that this processor supports. */
const stele__isa *stele__isa_get(void);

/* The tables that this processor supports, from plain to best: their number, and each. */
size_t stele__isa_count(void);
const stele__isa *stele__isa_at(size_t index);

/* Use another table from now on, NULL for the best. For tests and measurements; no kernel may be
 * running. */
void stele__isa_use(const stele__isa *isa);

#endif
