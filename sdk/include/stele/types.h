/* stele/types.h - the vocabulary of the plugin contract: status codes, element types, shapes, views of values.
 *
 * Include <stele/plugin.h>, which brings all parts in. Every part compiles alone as C11 and C++11.
 *
 * The last comment line of every slot of the contract says [thread class & state; owner]. Thread classes:
 *   [main]    never concurrent with any other call on the same instance
 *   [compute] any thread; concurrent calls on one instance use different graphs or different blocks
 *   [any]     any thread, any time
 * Owners of the memory that a slot hands out, as its value or through a pointer:
 *   none   it hands out none: numbers, and structs that are the caller's copies
 *   graph  tensors, which live as long as their graph, and their values
 *   self   the instance, until destroy
 *   host   the host, until the next call of the slot
 *   static nobody: it stays
 * States of an instance: "new" after create, "built" after build. Unless a comment says otherwise a slot is required,
 * pointers passed in are valid for the call only, and ret_ outputs are written on success only.
 * Structs that may grow start with `struct_size`, set by whoever fills them; new members are appended.
 */
#ifndef STELE_TYPES_H
#define STELE_TYPES_H

#include <stddef.h>
#include <stdint.h>

#define STELE_ABI_MAJOR 0u
#define STELE_ABI_MINOR 2u

#if defined(__GNUC__)
#define STELE_EXPORT             __attribute__((visibility("default")))
#define STELE_PRINTF(fmt_, arg_) __attribute__((format(printf, fmt_, arg_)))
#else
#define STELE_EXPORT
#define STELE_PRINTF(fmt_, arg_)
#endif

#define STELE_STATUS_MAP(X)                                                                                            \
    X(OK, 0, "success")                                                                                                \
    X(E_NOMEM, -1, "out of memory")                                                                                    \
    X(E_ARG, -2, "invalid argument")                                                                                   \
    X(E_SHAPE, -3, "shapes do not fit")                                                                                \
    X(E_DTYPE, -4, "wrong element type")                                                                               \
    X(E_OPTION, -5, "bad option value")                                                                                \
    X(E_UNSUPPORTED, -6, "not supported")                                                                              \
    X(E_NONFINITE, -7, "NaN or infinity")                                                                              \
    X(E_IO, -8, "input or output failed")                                                                              \
    X(E_ABI, -9, "plugin and host do not match")                                                                       \
    X(E_STATE, -10, "called in the wrong state")                                                                       \
    X(E_INTERNAL, -11, "internal defect")                                                                              \
    X(E_DATA, -12, "bad data")                                                                                         \
    X(E_INTERRUPTED, -13, "interrupted")

typedef int32_t stele_status;
enum {
#define STELE_X(name_, value_, text_) STELE_##name_ = (value_),
    STELE_STATUS_MAP(STELE_X)
#undef STELE_X
        STELE_STATUS_LAST_
};

#ifdef __cplusplus
extern "C" {
#endif

typedef struct stele_tensor stele_tensor; /* owned by its graph, never freed by a plugin */
typedef struct stele_graph stele_graph;   /* one pass: tape, arena, noise address, first error */
typedef struct stele_build stele_build;   /* parameter declaration, exists during build() only */
typedef struct stele_fit stele_fit;       /* one pass over the training rows, exists during fit() only */
typedef struct stele_inst stele_inst;     /* defined by the plugin, read-only once built */
typedef struct stele_host stele_host;     /* one per instance, so messages know their speaker */

/* Kinds of plugins. */
enum { STELE_MODALITY = 1, STELE_FUSION = 2, STELE_HEAD = 3, STELE_SOURCE = 4 };

/* Element types. Computation happens in F32 (training) or F64 (checks); the others hold data and indices. */
enum { STELE_F32 = 1, STELE_F64 = 2, STELE_I32 = 3, STELE_I64 = 4, STELE_U8 = 5 };

/* Layouts. DENSE is row-major and contiguous. CSR is a matrix with the zeros left out, columns ascending in a row. */
enum { STELE_DENSE = 1, STELE_CSR = 2 };

#define STELE_MAX_DIMS 6

/* Extents, outermost first. ndim 0 is a scalar. Frozen: embedded by value. */
typedef struct stele_shape {
    uint32_t ndim, reserved;
    int64_t dim[STELE_MAX_DIMS];
} stele_shape;

/* A distribution of one latent vector per row. NORMAL: p[0] mean, p[1] log-variance. LAPLACE: p[0] location, p[1]
 * log-scale. All tensors have the shape of the variable. Frozen: embedded by value. */
enum { STELE_NORMAL = 1, STELE_LAPLACE = 2 };
typedef struct stele_dist {
    uint32_t family, n; /* n tensors are set */
    stele_tensor *p[4];
} stele_dist;

/* A read-only look at the values of a tensor or of a piece of data. Missing entries inside a present row are NaN. */
typedef struct stele_view {
    uint64_t struct_size;
    uint32_t dtype, layout;
    stele_shape shape;        /* CSR: (rows, columns) */
    const void *data;         /* DENSE: all elements; CSR: the stored entries */
    const int64_t *row_start; /* CSR: rows + 1 offsets into data and column; else NULL */
    const int32_t *column;    /* CSR: column of each stored entry; else NULL */
} stele_view;

#ifdef __cplusplus
}
#endif

#endif /* STELE_TYPES_H */
