/* A product of Gaussian experts: the sound plugin of fusion mutants. A mutant switches one defect
 * on. */
#include <stele/plugin.h>

#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "forbidden.h"

typedef struct config {
    double power;
} config;

static const stele_option options[] = {
#if defined(DEFECT_DEFAULT_OUTSIDE)
    STELE_OPTION_F64(config, power, "power", 9.0, 0.1, 4.0, "Exponent of every expert."),
#elif defined(DEFECT_HELP_MISSING)
    STELE_OPTION_F64(config, power, "power", 1.0, 0.1, 4.0, "exponent"),
#elif defined(DEFECT_OPTION_OF_HOST)
    STELE_OPTION_F64(config, power, "plugin", 1.0, 0.1, 4.0, "Exponent of every expert."),
#else
    STELE_OPTION_F64(config, power, "power", 1.0, 0.1, 4.0, "Exponent of every expert."),
#endif
};

struct stele_inst {
    const stele_host *host;
    const config *config;
    int64_t calls, latent;
    char *memory; /* of mutants that leak, and so on: a sound plugin has no use for it */
    uint32_t shift, unused;
};

#if defined(DEFECT_GLOBAL_STATE) || defined(DEFECT_STATIC_COUNTER)
static int64_t global;
#endif

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
#ifdef DEFECT_CRASH_CREATE
    *(volatile int *)(uintptr_t)a->latent_dim = 1;
#endif
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    self->host = a->host;
    self->config = a->config;
    self->latent = a->latent_dim;
#ifdef DEFECT_LEAK_CREATE
    self->memory = malloc(100);
#endif
#ifdef DEFECT_OPTION_CRASH
    if (self->config->power > 3.0) {
        abort();
    }
#endif
#ifdef DEFECT_OPTION_SILENT
    if (self->config->power > 3.0) {
        free(self);
        return STELE_E_OPTION;
    }
#endif
#ifdef DEFECT_ESCAPES
    free(self);
    return STELE_FAIL(a->host, STELE_E_OPTION, "\x1b[2Jgone");
#endif
#ifdef DEFECT_PRINTS
    if (write(1, "hello\n", 6) < 0) {
        return STELE_E_IO;
    }
#endif
    *ret = self;
    return STELE_OK;
}

#ifdef DEFECT_READS_NEW_SLOT
/* The table as a later version has it, looked into without STELE_HAS. */
typedef struct newer_ops {
    stele_ops known;
    void *slot;
} newer_ops;

static int has_slot(const stele_ops *ops)
{
    return ((const volatile newer_ops *)ops)->slot != NULL;
}
#endif

static void destroy(stele_inst *self)
{
#ifdef DEFECT_DESTROY_NULL
    *(volatile int64_t *)&self->calls = 0;
#endif
    free(self);
}

static stele_status build(stele_inst *self, stele_build *b)
{
    stele_shape shape = { 1, 0, { self->latent } };
    stele_param_spec spec = { .struct_size = sizeof spec,
                              .name = "shift",
                              .shape = &shape,
                              .init = STELE_INIT_ZERO,
                              .decay = 1.0 };
#if defined(DEFECT_WIDTH_MOVES_MEANS) || defined(DEFECT_WIDTH_MOVES_NO_WIDTH)
    spec.flags = STELE_PARAM_CALIBRATED | STELE_PARAM_WIDTH;
#endif
#ifdef DEFECT_LEAK_FAILED_BUILD
    self->memory = malloc(100);
#endif
    stele_status status = self->host->build->param(b, &spec, &self->shift);
#ifdef DEFECT_LEAK_FAILED_BUILD
    if (status == STELE_OK) {
        free(self->memory);
    }
#endif
#ifdef DEFECT_UNUSED_PARAMETER
    spec.name = "unused";
    status = status != STELE_OK ? status : self->host->build->param(b, &spec, &self->unused);
#endif
#ifdef DEFECT_IGNORES_BUILD
    status = STELE_OK;
#endif
    return status;
}

static uint32_t max_components(const stele_inst *self, uint32_t n_modalities)
{
    (void)self;
    (void)n_modalities;
    return 1;
}

#ifdef DEFECT_LEAKS_TO_ABSENT
static double real_at(const stele_view *v, int64_t i)
{
    return v->dtype == STELE_F64 ? ((const double *)v->data)[i]
                                 : (double)((const float *)v->data)[i];
}

/* in[0] where in[1] is not 0, else 0; rows of in[1] have one element. */
static stele_status select_forward(void *user, uint32_t n, const stele_view *const *in, void *out)
{
    int64_t rows = in[0]->shape.dim[0], width = in[0]->shape.dim[1];
    (void)user;
    (void)n;
    for (int64_t i = 0; i < rows * width; i++) {
        double v = real_at(in[1], i / width) != 0.0 ? real_at(in[0], i) : 0.0;
        if (in[0]->dtype == STELE_F64) {
            ((double *)out)[i] = v;
        } else {
            ((float *)out)[i] = (float)v;
        }
    }
    return STELE_OK;
}

/* Hands the derivative on, whatever was chosen. */
static stele_status select_backward(void *user, uint32_t n, const stele_view *const *in,
                                    const stele_view *out, const void *d_out, void *const *d_in)
{
    int64_t count = in[0]->shape.dim[0] * in[0]->shape.dim[1];
    (void)user;
    (void)n;
    (void)out;
    for (int64_t i = 0; d_in[0] != NULL && i < count; i++) {
        if (in[0]->dtype == STELE_F64) {
            ((double *)d_in[0])[i] += ((const double *)d_out)[i];
        } else {
            ((float *)d_in[0])[i] += ((const float *)d_out)[i];
        }
    }
    return STELE_OK;
}

static const stele_custom selection = {
    .struct_size = sizeof selection,
    .name = "selection",
    .forward = select_forward,
    .backward = select_backward,
};

static stele_tensor *selected(const stele_ops *ops, stele_graph *g, stele_tensor *x,
                              stele_tensor *present)
{
    stele_tensor *in[2] = { x, present };
    stele_shape shape;
    return x != NULL && present != NULL && ops->shape(x, &shape) == STELE_OK
               ? ops->custom(g, &selection, NULL, 2, in, &shape)
               : NULL;
}
#endif

/* Precision and precision-weighted mean of expert m, 0 where it is absent. */
static void add_expert(const stele_inst *self, stele_graph *g, const stele_experts *in, uint32_t m,
                       stele_tensor **precision, stele_tensor **weighted)
{
    const stele_ops *ops = self->host->ops;
    stele_shape scalar = { 0 };
    stele_tensor *present = ops->slice(g, in->present, 1, m, (int64_t)m + 1);
    stele_tensor *zero = ops->full(g, &scalar, 0.0);
    (void)zero; /* not every mutant looks at it */
#if defined(DEFECT_MASK_MULTIPLY)
    stele_tensor *mean = in->q[m].p[0];
    stele_tensor *p = ops->exp(g, ops->scale(g, in->q[m].p[1], -1.0));
    p = ops->mul(g, p, present);
#elif defined(DEFECT_MEAN_UNMASKED)
    stele_tensor *mean = in->q[m].p[0];
    stele_tensor *p = ops->exp(g, ops->scale(g, ops->where(g, present, in->q[m].p[1], zero), -1.0));
    p = ops->where(g, present, p, zero);
#elif defined(DEFECT_LEAKS_TO_ABSENT)
    stele_tensor *mean = selected(ops, g, in->q[m].p[0], present);
    stele_tensor *p = ops->exp(g, ops->scale(g, ops->where(g, present, in->q[m].p[1], zero), -1.0));
    p = ops->scale(g, p, self->config->power);
    stele_tensor *own = ops->mul(g, p, mean);
    p = ops->where(g, present, p, zero);
    *precision = *precision != NULL ? ops->add(g, *precision, p) : p;
    *weighted = *weighted != NULL ? ops->add(g, *weighted, own) : own;
    return;
#elif defined(DEFECT_ABSENT_IS_PRIOR)
    stele_tensor *mean = ops->where(g, present, in->q[m].p[0], zero);
    stele_tensor *p = ops->exp(g, ops->scale(g, ops->where(g, present, in->q[m].p[1], zero), -1.0));
#else
    stele_tensor *mean = ops->where(g, present, in->q[m].p[0], zero);
    stele_tensor *p = ops->exp(g, ops->scale(g, ops->where(g, present, in->q[m].p[1], zero), -1.0));
    p = ops->where(g, present, p, zero);
#endif
#ifdef DEFECT_FIRST_COUNTS_TWICE
    p = m == 0 ? ops->scale(g, p, 2.0) : p;
#endif
#ifdef DEFECT_FIRST_DETACHED
    mean = m == 0 ? ops->detach(g, mean) : mean;
#endif
#ifdef DEFECT_FORGETS_LAST
    if (m + 1 == in->n) {
        return;
    }
#endif
#ifdef DEFECT_FOUR_AT_MOST
    if (m >= 4) {
        return;
    }
#endif
#ifdef DEFECT_ROW_MEAN
    mean = ops->add(g, mean, ops->scale(g, ops->mean(g, mean, 0, 1), 0.1));
#endif
#ifndef DEFECT_OPTION_IGNORED
    if (self->config->power != 1.0) {
        p = ops->scale(g, p, self->config->power);
    }
#endif
    stele_tensor *w = ops->mul(g, p, mean);
    *precision = *precision != NULL ? ops->add(g, *precision, p) : p;
    *weighted = *weighted != NULL ? ops->add(g, *weighted, w) : w;
}

#ifdef DEFECT_CHANGES_INSTANCE
static void count_call(const stele_inst *self)
{
    ((stele_inst *)(uintptr_t)self)->calls++;
}
#endif

static void misbehave(const stele_inst *self)
{
#ifdef DEFECT_CHANGES_INSTANCE
    count_call(self);
#endif
#ifdef DEFECT_STATIC_COUNTER
    global++;
#endif
#ifdef DEFECT_ENDLESS
    while (getpid() != 0) {
    }
#endif
#ifdef DEFECT_EXITS
    exit(0);
#endif
#if defined(DEFECT_CLOSES_FILES) || defined(DEFECT_CLOSES_AND_WAITS)
    for (int fd = 3; fd < 64; fd++) {
        close(fd);
    }
#endif
#ifdef DEFECT_CLOSES_AND_WAITS
    for (;;) {
        pause();
    }
#endif
#ifdef DEFECT_RAND
    srand(1);
#endif
#ifdef DEFECT_ROUNDING
    fesetround(FE_UPWARD);
#endif
#ifdef DEFECT_LEAK_FUSE
    void *volatile lost = malloc(64);
    (void)lost;
#endif
#ifdef DEFECT_LEAVES_FILE
    int copy = dup(0);
    (void)copy;
#endif
    if (self->latent < 0) {
        call_what_may_not_be();
    }
}

/* A parameter to be learned: where several experts are present, the mean may be off by it. */
static stele_tensor *agreement_shift(const stele_inst *self, stele_graph *g,
                                     const stele_experts *in)
{
    const stele_ops *ops = self->host->ops;
    stele_shape scalar = { 0 };
    stele_tensor *several =
        ops->less(g, ops->full(g, &scalar, 1.5), ops->sum(g, in->present, -1, 1));
    return ops->where(g, several, ops->param(g, self->shift), ops->full(g, &scalar, 0.0));
}

static stele_tensor *variance_of(const stele_inst *self, stele_graph *g, const stele_experts *in,
                                 stele_tensor *precision)
{
    const stele_ops *ops = self->host->ops;
    (void)in; /* one mutant looks at it */
#if defined(DEFECT_VARIANCE_IS_PRECISION)
    return ops->log(g, precision);
#elif defined(DEFECT_TOO_WIDE)
    return ops->shift(g, ops->scale(g, ops->log(g, precision), -1.0), 1.0);
#elif defined(DEFECT_WIDTH_MOVES_MEANS)
    stele_tensor *narrower = ops->square(g, agreement_shift(self, g, in));
    return ops->sub(g, ops->scale(g, ops->log(g, precision), -1.0), narrower);
#else
    return ops->scale(g, ops->log(g, precision), -1.0);
#endif
}

__attribute__((unused)) static stele_status fuse(const stele_inst *self, stele_graph *g,
                                                 const stele_experts *in, stele_joint *ret)
{
    const stele_ops *ops = self->host->ops;
    stele_tensor *precision = NULL, *weighted = NULL;
    misbehave(self);
#ifdef DEFECT_WRITES_EXPERTS
    ((stele_dist *)(uintptr_t)in->q)[in->n].family = STELE_LAPLACE;
#endif
#ifdef DEFECT_NEEDS_TWO
    if (in->n < 2) {
        return STELE_FAIL(self->host, STELE_E_SHAPE, "nothing to fuse");
    }
#endif
#ifdef DEFECT_EXACT_ARGUMENTS
    if (in->struct_size != sizeof *in) {
        return STELE_FAIL(self->host, STELE_E_ABI, "arguments of another version");
    }
#endif
#ifdef DEFECT_READS_NEW_SLOT
    if (has_slot(ops) && self->host->abi_minor > STELE_ABI_MINOR) {
        return STELE_E_UNSUPPORTED;
    }
#endif
    for (uint32_t m = 0; m < in->n; m++) {
        add_expert(self, g, in, m, &precision, &weighted);
    }
#ifndef DEFECT_EMPTY_IS_NAN
    stele_tensor *any = ops->max(g, in->present, -1, 1);
    stele_tensor *prior = ops->exp(g, ops->scale(g, in->prior->p[1], -1.0));
    precision = ops->where(g, any, precision, prior);
    weighted = ops->where(g, any, weighted, ops->mul(g, prior, in->prior->p[0]));
#endif
    stele_tensor *mean = ops->div(g, weighted, precision);
#ifdef DEFECT_PROCESS_ID
    mean = ops->shift(g, mean, 1e-3 * (double)(getpid() % 1000));
#endif
#ifdef DEFECT_GLOBAL_STATE
    stele_shape shape;
    mean = ops->shift(g, mean, 1e-3 * (double)global);
    if (ops->shape(mean, &shape) == STELE_OK) {
        global = shape.dim[0];
    }
#endif
    mean = ops->add(g, mean, agreement_shift(self, g, in));
    ret->n = 1;
    ret->component[0].family = STELE_NORMAL;
#ifndef DEFECT_COMPONENT_WITHOUT_SIZE
    ret->component[0].n = 2;
#endif
    ret->component[0].p[0] = mean;
    ret->component[0].p[1] = variance_of(self, g, in, precision);
    ret->subset[0] = (UINT64_C(1) << in->n) - 1;
    ret->log_weight = NULL;
#ifdef DEFECT_IGNORES_STATUS
    return STELE_OK;
#endif
    return ops->status(g);
}

static const stele_fusion_vt vtable = {
    .struct_size = sizeof vtable,
    .create = create,
    .destroy = destroy,
    .build = build,
    .max_components = max_components,
#ifndef DEFECT_NULL_SLOT
    .fuse = fuse,
#endif
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_FUSION,
    .min_host_minor = STELE_ABI_MINOR,
    .caps = STELE_CAP_ROW_INDEPENDENT | STELE_CAP_BITWISE_REPEAT | STELE_CAP_F64 |
            STELE_CAP_ORDER_FREE | STELE_CAP_EMPTY_IS_PRIOR | STELE_CAP_SINGLE_IS_EXPERT |
            STELE_CAP_SHARPENS,
    .id = "fusion/" NAME,
    .version = "0.1.0",
    .summary = "Product of experts for tests.",
    .license = "BSD-3-Clause",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vtable,
};

#ifdef DEFECT_TWO_EXPORTS
STELE_EXPORT int product_helper(void);
int product_helper(void)
{
    return 1;
}
#endif

#ifdef DEFECT_SLOW_QUERY
__attribute__((constructor)) static void sleep_long(void)
{
    usleep(200000);
}
#endif

#ifdef DEFECT_PRINTS_LOADED
__attribute__((constructor)) static void greet(void)
{
    fputs("{\"hello\": 1}\n", stdout);
}
#endif

#ifdef DEFECT_CONSTRUCTOR_CRASH
__attribute__((constructor)) static void fall_over(void)
{
    abort();
}
#endif

#if defined(DEFECT_ANY_MAJOR) || defined(DEFECT_QUERY_OPENS)
STELE_EXPORT stele_plugin_query_fn stele_plugin_query;
STELE_EXPORT const stele_library *stele_plugin_query(uint32_t host_major, uint32_t host_minor)
{
    static const stele_plugin *const list[] = { &plugin };
    static const stele_library library = {
        sizeof library, STELE_ABI_MAJOR, STELE_ABI_MINOR, STELE_ABI_TAG, list, 1
    };
    (void)host_minor;
#ifdef DEFECT_QUERY_OPENS
    int log = dup(2);
    (void)log;
    return host_major == STELE_ABI_MAJOR ? &library : NULL;
#else
    (void)host_major;
    return &library;
#endif
}
#else
STELE_LIBRARY(&plugin)
#endif
