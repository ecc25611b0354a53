/* stele/host.h - the host as an instance sees it: messages, declaration of parameters, statistics of training data.
 *
 * State lives in the host. Parameters and buffers are declared in build(), owned, saved, restored and optimised by the
 * host, and read in compute calls through their ids. An instance is small and does not change once it is built.
 */
#ifndef STELE_HOST_H
#define STELE_HOST_H

#include <stele/ops.h>
#include <stele/options.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Initial values. ZERO; CONSTANT: all equal `scale`; NORMAL: N(0, scale^2); UNIFORM: within +-scale. Random values
 * depend on the run's seed and the parameter's full name only. */
enum { STELE_INIT_ZERO = 1, STELE_INIT_CONSTANT, STELE_INIT_NORMAL, STELE_INIT_UNIFORM };

/* Not trained with the rest but fitted afterwards, on the validation rows, so that the posteriors q(z | x) cover
 * samples of the model's own p(z | x): temperatures, which training rows would judge too kindly (Guo et al. 2017; the
 * fit is the wake phase of Bornschein and Bengio, ICLR 2015). For parameters of fusion rules. A training
 * without validation rows is refused. Heads, which have learned by then, are asked at posteriors of a fuse() that sees
 * the start. */
#define STELE_PARAM_CALIBRATED (1u << 0)

/* With STELE_PARAM_CALIBRATED, of a fusion rule whose posteriors have one component: a parameter that moves their
 * widths and leaves their means. It is fitted with the others, and then once more while these stay as they are, so that
 * 90 % intervals hold nine tenths of the samples of p(z | x) that Markov chains draw, which also find what lies far
 * from the posteriors. */
#define STELE_PARAM_WIDTH (1u << 1)

typedef struct stele_param_spec {
    uint64_t struct_size;
    const char *name; /* unique in the instance, [a-z0-9_.]; part of the checkpoint format */
    const stele_shape *shape;
    double scale;         /* see STELE_INIT_* */
    double decay;         /* factor on the optimiser's weight decay: 1 for weights, 0 for biases and gains */
    uint32_t init, flags; /* STELE_PARAM_* */
} stele_param_spec;

typedef struct stele_build_api {
    uint64_t struct_size;
    /* 0.1 */
    /* Declare a trained tensor. [main; none] in build() */
    stele_status (*param)(stele_build *b, const stele_param_spec *s, uint32_t *ret_id);
    /* Declare a tensor that is saved but not trained, filled with `value`: statistics of the training data.
     * [main; none] */
    stele_status (*buffer)(stele_build *b, const char *name, const stele_shape *s, double value, uint32_t *ret_id);
    /* Map a tensor of a .safetensors file read-only: pretrained weights. Derivatives flow through it, not into it. The
     * file is named in the checkpoint, not copied. [main; none] */
    stele_status (*frozen)(stele_build *b, const char *name, const char *path, const char *tensor,
                           stele_shape *ret_shape, uint32_t *ret_id);
    /* append only below this line */
} stele_build_api;

typedef struct stele_fit_api {
    uint64_t struct_size;
    /* 0.1 */
    /* Number of training rows that have this modality, or this head's target. [main; none] in fit() */
    int64_t (*n_rows)(const stele_fit *f);
    /* Next chunk of those rows, in order; *ret_x is valid until the next call and has shape[0] == 0 at the end.
     * [main; host] */
    stele_status (*next)(stele_fit *f, stele_view *ret_x);
    /* Overwrite all n elements of a parameter or buffer. [main; none] */
    stele_status (*set)(stele_fit *f, uint32_t id, uint64_t n, const double *values);
    /* Multiply all elements of a parameter or buffer. [main; none] */
    stele_status (*scale)(stele_fit *f, uint32_t id, double factor);
    /* 0.2 */
    /* As next, of what a modality's encoder sees in the same rows, where `sees` of its vtable says so: chunks of their
     * own, of other sizes. Else E_STATE. [main; host] */
    stele_status (*next_seen)(stele_fit *f, stele_view *ret_x);
    /* Name of a feature of the modality, for messages; NULL: it has none, or no such feature. [main; host] */
    const char *(*feature_name)(const stele_fit *f, int64_t feature);
    /* append only below this line */
} stele_fit_api;

/* Reads parameters and buffers where a slot gets no graph. */
typedef struct stele_reader stele_reader; /* the host's, exists during the call that gets it */
struct stele_reader {
    uint64_t struct_size;
    /* 0.2 */
    /* All n elements of a parameter or buffer of the instance. [main; none] */
    stele_status (*get)(const stele_reader *r, uint32_t id, uint64_t n, double *ret);
    const void *self; /* host's own, do not touch */
    /* append only below this line */
};

enum { STELE_LOG_DEBUG = 1, STELE_LOG_INFO, STELE_LOG_WARNING, STELE_LOG_ERROR };

/* One per instance; outlives it. */
struct stele_host {
    uint64_t struct_size;
    uint32_t abi_major, abi_minor;
    void *self; /* host's own, do not touch */
    const stele_ops *ops;
    const stele_vec *vec;
    const stele_build_api *build;
    const stele_fit_api *fit;
    /* One line. A warning is shown with a place in the spec, which its text may name as that of fail does. [any; none]
     */
    void (*log)(const stele_host *h, int32_t level, const char *fmt, ...) STELE_PRINTF(3, 4);
    /* Record why and return `code`. Use through STELE_FAIL. Text before a first colon that names an option ("width:
     * ...") or a key of the host beside it ("target: ...") is mapped back to its line in the spec. The first message of
     * a failing call is the one shown, with `where`; it has to be said on the thread that runs the call. [any; none] */
    stele_status (*fail)(const stele_host *h, stele_status code, const char *where, const char *fmt, ...)
        STELE_PRINTF(4, 5);
    /* Draft services by id with revision: "org.example.name/2". Static; NULL when unknown. [any; static] */
    const void *(*extension)(const stele_host *h, const char *id);
    /* append only below this line */
};

#ifdef __cplusplus
}
#endif

#define STELE_STR_(x_)                #x_
#define STELE_STR(x_)                 STELE_STR_(x_)
#define STELE_FAIL(host_, code_, ...) ((host_)->fail((host_), (code_), __FILE__ ":" STELE_STR(__LINE__), __VA_ARGS__))
/* Does *ptr_ reach as far as member fld_? For members newer than the descriptor's min_host_minor. */
#define STELE_HAS(type_, ptr_, fld_) ((ptr_)->struct_size >= offsetof(type_, fld_) + sizeof((ptr_)->fld_))

#endif /* STELE_HOST_H */
