/* A linear regression with a custom operation for its squared error: the sound plugin of head
 * mutants. */
#include <stele/plugin.h>

#include <stdlib.h>

struct stele_inst {
    const stele_host *host;
    int64_t latent, covariates;
    uint32_t weight, bias, covariate_weight;
    double error[4096]; /* of a mutant: what all threads share */
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    self->host = a->host;
    self->latent = a->latent_dim;
    self->covariates = a->decoder_covariates;
#ifdef DEFECT_COVARIATES_UNKNOWN
    self->covariates = 0;
#endif
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    free(self);
}

static stele_status declare(const stele_inst *self, stele_build *b, const char *name, int64_t n,
                            int64_t m, uint32_t *ret)
{
    stele_shape shape = { 2, 0, { n, m } };
    stele_param_spec spec = {
        .struct_size = sizeof spec, .name = name, .shape = &shape, .init = STELE_INIT_ZERO
    };
    return self->host->build->param(b, &spec, ret);
}

static stele_status build(stele_inst *self, stele_build *b)
{
    stele_status status = declare(self, b, "weight", self->latent, 1, &self->weight);
    if (status == STELE_OK) {
        status = declare(self, b, "bias", 1, 1, &self->bias);
    }
    if (status == STELE_OK && self->covariates > 0) {
        status = declare(self, b, "covariates", self->covariates, 1, &self->covariate_weight);
    }
    return status;
}

static stele_status traits(const stele_inst *self, stele_head_traits *ret)
{
    (void)self;
    ret->gradient_scale = 1.0;
    return STELE_OK;
}

/* Numbers so large that their squares say nothing about the others. */
static stele_status validate(const stele_inst *self, const stele_view *x, stele_bad_value *ret)
{
    const double *v = x->data;
    int64_t n = x->shape.dim[0];
    (void)self;
#ifdef DEFECT_VALIDATE_WRITES
    ((double *)(uintptr_t)x->data)[0] = 0.0;
#endif
#ifdef DEFECT_VALIDATE_STATUS
    return (stele_status)7;
#endif
#ifdef DEFECT_VALIDATE_FIRST_ROW
    n = n > 0;
#endif
#ifdef DEFECT_VALIDATE_NEVER
    n = 0;
#endif
    for (int64_t i = 0; i < n; i++) {
        int64_t row = i;
#ifdef DEFECT_VALIDATE_BACKWARDS
        row = n - 1 - i;
#endif
#ifdef DEFECT_VALIDATE_GOOD
        if (v[row] < 0.0 || v[row] > 0.1) {
#else
        if (v[row] > 1e6 || v[row] < -1e6) {
#endif
            *ret = (stele_bad_value){ row, 0, v[row], "is too large" };
#ifdef DEFECT_VALIDATE_SILENT
            ret->reason = NULL;
#endif
            return STELE_E_DATA;
        }
    }
    return STELE_OK;
}

static stele_status predict(const stele_inst *self, stele_graph *g, stele_tensor *z,
                            stele_tensor *covariates, stele_tensor **ret_y)
{
    const stele_ops *ops = self->host->ops;
    stele_tensor *y = ops->add(g, ops->linear(g, z, ops->param(g, self->weight), NULL),
                               ops->param(g, self->bias));
    if (covariates != NULL && self->covariates > 0) {
        y = ops->add(g, y, ops->linear(g, covariates, ops->param(g, self->covariate_weight), NULL));
    }
    *ret_y = y;
    return ops->status(g);
}

static double real_at(const stele_view *v, int64_t i)
{
    return v->dtype == STELE_F64 ? ((const double *)v->data)[i]
                                 : (double)((const float *)v->data)[i];
}

/* Of mutants: one more number in an array of the operation. */
__attribute__((unused)) static void spill(const stele_view *like, void *array, int64_t at)
{
    if (like->dtype == STELE_F64) {
        ((double *)array)[at] = 1.0;
    } else {
        ((float *)array)[at] = 1.0f;
    }
}

static stele_status square_forward(void *user, uint32_t n, const stele_view *const *in, void *out)
{
    (void)user;
    (void)n;
#ifdef DEFECT_SHARED_ERRORS
    double *error = user;
    for (int64_t i = 0; i < in[0]->shape.dim[0]; i++) {
        error[i] = real_at(in[0], i) - real_at(in[1], i);
    }
#endif
    for (int64_t i = 0; i < in[0]->shape.dim[0]; i++) {
        double e = real_at(in[0], i) - real_at(in[1], i);
#ifdef DEFECT_SHARED_ERRORS
        e = error[i];
#endif
#ifdef DEFECT_SQUARE_IN_PLACE
        /* The error, for backward to find. */
        if (in[0]->dtype == STELE_F64) {
            ((double *)(uintptr_t)in[0]->data)[i] = e;
        } else {
            ((float *)(uintptr_t)in[0]->data)[i] = (float)e;
        }
#endif
#ifdef DEFECT_SQUARE_SHORT
        if (i > 0 && i == in[0]->shape.dim[0] - 1) {
            break;
        }
#endif
        if (in[0]->dtype == STELE_F64) {
            ((double *)out)[i] = e * e;
        } else {
            ((float *)out)[i] = (float)(e * e);
        }
    }
#ifdef DEFECT_SQUARE_PAST
    spill(in[0], out, in[0]->shape.dim[0]);
#endif
#ifdef DEFECT_SQUARE_FAR_PAST
    spill(in[0], out, in[0]->shape.dim[0] + 300);
#endif
#ifdef DEFECT_SQUARE_BEFORE
    spill(in[0], out, -1);
#endif
    return STELE_OK;
}

static stele_status square_backward(void *user, uint32_t n, const stele_view *const *in,
                                    const stele_view *out, const void *d_out, void *const *d_in)
{
    (void)user;
    (void)n;
    (void)out;
    for (int64_t i = 0; d_in[0] != NULL && i < in[0]->shape.dim[0]; i++) {
        double e = 2.0 * (real_at(in[0], i) - real_at(in[1], i));
#ifdef DEFECT_SQUARE_IN_PLACE
        e = 2.0 * real_at(in[0], i);
#endif
#ifdef DEFECT_CUSTOM_SIGN
        e = -e;
#endif
#ifdef DEFECT_CUSTOM_FACTOR
        e *= 0.5;
#endif
#ifdef DEFECT_TARGET_WANTED
        if (in[0]->dtype == STELE_F64) {
            ((double *)d_in[1])[i] -= e * ((const double *)d_out)[i];
        } else {
            ((float *)d_in[1])[i] -= (float)e * ((const float *)d_out)[i];
        }
#endif
#ifdef DEFECT_SLOPE_ASSIGNED
        if (in[0]->dtype == STELE_F64) {
            ((double *)d_in[0])[i] = e * ((const double *)d_out)[i];
        } else {
            ((float *)d_in[0])[i] = (float)e * ((const float *)d_out)[i];
        }
        continue;
#endif
        if (in[0]->dtype == STELE_F64) {
            ((double *)d_in[0])[i] += e * ((const double *)d_out)[i];
        } else {
            ((float *)d_in[0])[i] += (float)e * ((const float *)d_out)[i];
        }
    }
#ifdef DEFECT_SLOPE_PAST
    if (d_in[0] != NULL) {
        spill(in[0], d_in[0], in[0]->shape.dim[0]);
    }
#endif
#ifdef DEFECT_SLOPE_BEFORE
    if (d_in[0] != NULL) {
        spill(in[0], d_in[0], -1);
    }
#endif
    return STELE_OK;
}

static const stele_custom square = {
    .struct_size = sizeof square,
    .name = "squared error",
    .forward = square_forward,
    .backward = square_backward,
};

static stele_status loss(const stele_inst *self, stele_graph *g, stele_tensor *y,
                         stele_tensor *target, stele_tensor **ret_rows)
{
    const stele_ops *ops = self->host->ops;
    stele_shape s;
    if (y == NULL || target == NULL) {
        return ops->status(g);
    }
    stele_status status = ops->shape(target, &s);
    if (status != STELE_OK) {
        return status;
    }
    s = (stele_shape){ 1, 0, { s.dim[0] } };
    stele_tensor *in[2] = { ops->reshape(g, y, &s), ops->reshape(g, target, &s) };
#ifdef DEFECT_IGNORES_TARGET
    in[1] = ops->scale(g, in[1], 0.0);
#endif
#ifdef DEFECT_TARGET_WANTED
    /* A target that hangs on a parameter, though by nothing. */
    stele_shape one = { 1, 0, { 1 } };
    stele_tensor *bias = ops->reshape(g, ops->param(g, self->bias), &one);
    in[1] = ops->add(g, in[1], ops->scale(g, bias, 0.0));
#endif
    *ret_rows = ops->custom(g, &square, (void *)(uintptr_t)self->error, 2, in, &s);
#ifdef DEFECT_LOW_WITHOUT_LOSS
    stele_shape scalar = { 0 };
    stele_tensor *zero = ops->full(g, &scalar, 0.0);
    *ret_rows = ops->where(g, ops->less(g, in[1], zero), zero, *ret_rows);
#endif
#ifdef DEFECT_MEAN_LOSS
    *ret_rows = ops->mean(g, *ret_rows, 0, 1);
#endif
    return ops->status(g);
}

/* Of a normal distribution around the prediction, with a standard deviation of 1. */
static stele_status log_prob(const stele_inst *self, stele_graph *g, stele_tensor *y,
                             stele_tensor *target, stele_tensor **ret_rows)
{
    const stele_ops *ops = self->host->ops;
    stele_shape s = { 0, 0, { 0 } };
    stele_status status = ops->shape(target, &s);
    if (status != STELE_OK) {
        return status;
    }
    s = (stele_shape){ 1, 0, { s.dim[0] } };
    stele_tensor *error = ops->sub(g, ops->reshape(g, target, &s), ops->reshape(g, y, &s));
    double constant = -0.918938533204672742; /* -log(2 pi) / 2 */
#ifdef DEFECT_DENSITY_OF_NOTHING
    constant = 0.0;
#endif
    *ret_rows = ops->shift(g, ops->scale(g, ops->square(g, error), -0.5), constant);
    return ops->status(g);
}

static stele_status outputs(const stele_inst *self, const stele_reader *reader, uint32_t capacity,
                            stele_head_output *ret, uint32_t *ret_n)
{
    (void)self;
    (void)reader;
    if (capacity < 1) {
        return STELE_E_ARG;
    }
    ret[0] = (stele_head_output){ .name = "", .category = -1 };
    *ret_n = 1;
    return STELE_OK;
}

static stele_status show(const stele_inst *self, const stele_head_shown *s)
{
    (void)self;
    for (uint64_t i = 0; i < (uint64_t)s->n_rows; i++) {
        s->ret[i] = (double)s->predicted[i];
#ifdef DEFECT_SHOW_NEGATED
        s->ret[i] = -s->ret[i];
#endif
    }
    return STELE_OK;
}

static const stele_head_vt vtable = {
    .struct_size = sizeof vtable,
    .create = create,
    .destroy = destroy,
    .build = build,
    .traits = traits,
    .predict = predict,
    .loss = loss,
    .log_prob = log_prob,
    .validate = validate,
    .outputs = outputs,
    .show = show,
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_HEAD,
    .min_host_minor = STELE_ABI_MINOR,
    .caps = STELE_CAP_ROW_INDEPENDENT | STELE_CAP_BITWISE_REPEAT | STELE_CAP_F64,
    .id = "head/" NAME,
    .version = "0.1.0",
    .summary = "Linear regression for tests.",
    .license = "BSD-3-Clause",
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
