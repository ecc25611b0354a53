/* A linear encoder and decoder around an elementwise likelihood with one linear predictor eta and
 * one parameter theta per feature; the encoder takes windows of rows, or with HAS_SEES another
 * measurement. Who includes this file says what the likelihood is. */
#include <stele/draw.h>
#include <stele/plugin.h>

#include <math.h>
#include <stdlib.h>

/* log p(x), and its derivatives. */
static double log_prob_of(double eta, double theta, double x, double *ret_d_eta,
                          double *ret_d_theta);
/* Mean, mode, or a sample from a number u in (0, 1). */
static double draw_of(double eta, double theta, uint32_t what, double u);
static int is_valid(double x);
#ifdef HAS_ABSENT
static stele_status absent(const stele_inst *self, const stele_view *x, uint8_t *ret_absent);
#endif

struct stele_inst {
    const stele_host *host;
    int64_t features, latent, bins, at; /* bins 0: no window */
    int64_t glimpsed;                   /* elements of what the encoder sees besides; 0: nothing */
    uint32_t mean, log_variance, decoder, weight, bias, theta;
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    if (a->input->sample.ndim != 1 || a->input->layout != STELE_DENSE) {
        return STELE_FAIL(a->host, STELE_E_SHAPE, "rows are dense vectors");
    }
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    self->host = a->host;
    self->features = a->input->sample.dim[0];
    self->latent = a->latent_dim;
#ifndef DEFECT_NO_PRIVATE_LATENT
    self->latent += a->private_dim;
#endif
    self->bins = a->window_bins;
    self->at = a->window_at;
#ifdef HAS_SEES
    self->glimpsed = a->seen != NULL;
    for (uint32_t d = 0; a->seen != NULL && d < a->seen->sample.ndim; d++) {
        self->glimpsed *= a->seen->sample.dim[d];
    }
#endif
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    free(self);
}

enum { HIDDEN = 4 };

static stele_status declare(const stele_inst *self, stele_build *b, const char *name, int64_t n,
                            int64_t m, uint32_t *ret)
{
    stele_shape shape = { m > 0 ? 2 : 1, 0, { n, m } };
    stele_param_spec spec = { .struct_size = sizeof spec,
                              .name = name,
                              .shape = &shape,
                              .init = STELE_INIT_UNIFORM,
                              .scale = m > 0 ? 0.1 : 0.0 };
    return self->host->build->param(b, &spec, ret);
}

static stele_status build(stele_inst *self, stele_build *b)
{
    const int64_t seen = self->glimpsed > 0 ? self->glimpsed
                         : self->bins > 0   ? self->bins * (self->features + 1)
                                            : self->features;
    struct {
        const char *name;
        int64_t n, m;
        uint32_t *id;
    } part[] = {
        { "mean", seen, self->latent, &self->mean },
        { "log_variance", seen, self->latent, &self->log_variance },
        { "decoder", self->latent, HIDDEN, &self->decoder },
        { "weight", self->features, HIDDEN, &self->weight },
        { "bias", self->features, 0, &self->bias },
        { "theta", self->features, 0, &self->theta },
    };
    stele_status status = STELE_OK;
    for (size_t i = 0; i < sizeof part / sizeof part[0] && status == STELE_OK; i++) {
        status = declare(self, b, part[i].name, part[i].n, part[i].m, part[i].id);
    }
    return status;
}

/* A missing entry is none of the likelihood's business. */
static stele_status validate(const stele_inst *self, const stele_view *x, stele_bad_value *ret)
{
    int64_t n = x->shape.dim[0] * self->features;
    for (int64_t i = 0; i < n; i++) {
        double v = x->dtype == STELE_F64 ? ((const double *)x->data)[i]
                                         : (double)((const float *)x->data)[i];
        if (!isnan(v) && !is_valid(v)) {
            *ret =
                (stele_bad_value){ i / self->features, i % self->features, v, "is out of range" };
            return STELE_E_DATA;
        }
    }
    return STELE_OK;
}

/* The rows of a window one behind the other, and which of them are there. */
static stele_tensor *unroll(const stele_inst *self, stele_graph *g, const stele_encode_args *a,
                            stele_tensor *x)
{
    const stele_ops *ops = self->host->ops;
    stele_shape shape;
    if (ops->shape(a->present, &shape) != STELE_OK) {
        return NULL;
    }
    stele_shape flat = { 2, 0, { shape.dim[0], self->bins * self->features } };
    stele_tensor *part[] = { ops->reshape(g, x, &flat), a->present };
#ifdef DEFECT_EDGE_IS_SILENCE
    part[1] = ops->scale(g, a->present, 0.0);
#endif
#ifdef DEFECT_ROW_ALONE
    /* The row itself in every bin. */
    stele_tensor *own = ops->slice(g, x, 1, self->at, self->at + 1);
    const stele_shape all = { 3, 0, { shape.dim[0], self->bins, self->features } };
    part[0] = ops->reshape(g, ops->expand(g, own, &all), &flat);
#endif
    return ops->concat(g, 2, part, 1);
}

#ifdef HAS_SEES
static int32_t sees(const stele_inst *self)
{
    (void)self;
    return 1;
}

static stele_status glimpse(const stele_inst *self, stele_graph *g, stele_tensor *x,
                            stele_tensor **ret)
{
    const stele_ops *ops = self->host->ops;
    stele_shape shape;
    stele_status status = ops->shape(x, &shape);
    if (status != STELE_OK) {
        return status;
    }
    stele_shape flat = { 2, 0, { shape.dim[0], self->glimpsed } };
    x = ops->reshape(g, x, &flat);
#ifdef DEFECT_BLIND
    x = ops->scale(g, x, 0.0);
#endif
#ifdef DEFECT_NEIGHBOUR
    stele_tensor *part[] = { ops->slice(g, x, 0, 0, 1), ops->slice(g, x, 0, 0, shape.dim[0] - 1) };
    x = shape.dim[0] > 1 ? ops->concat(g, 2, part, 0) : x;
#endif
    *ret = x;
    return STELE_OK;
}
#endif

static stele_status encode(const stele_inst *self, stele_graph *g, const stele_encode_args *a,
                           stele_dist *ret_q)
{
    const stele_ops *ops = self->host->ops;
    stele_shape scalar = { 0 };
    stele_tensor *x = ops->where(g, ops->is_nan(g, a->x), ops->full(g, &scalar, 0.0), a->x);
    x = self->bins > 0 ? unroll(self, g, a, x) : x;
#ifdef HAS_SEES
    stele_status status = self->glimpsed > 0 ? glimpse(self, g, x, &x) : STELE_OK;
    if (status != STELE_OK) {
        return status;
    }
#endif
    ret_q->family = STELE_NORMAL;
    ret_q->n = 2;
    ret_q->p[0] = ops->linear(g, x, ops->param(g, self->mean), NULL);
    ret_q->p[1] = ops->linear(g, x, ops->param(g, self->log_variance), NULL);
    return ops->status(g);
}

static stele_status decode(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                           stele_output *ret)
{
    const stele_ops *ops = self->host->ops;
    ret->n_eta = 1;
    ret->hidden = ops->tanh(g, ops->linear(g, a->z, ops->param(g, self->decoder), NULL));
    ret->weight[0] = self->weight;
    ret->bias[0] = self->bias;
    ret->n_feature = 1;
    ret->feature[0] = self->theta;
    return ops->status(g);
}

static void put(const stele_block *b, void *array, int64_t i, double v, int add)
{
    if (b->dtype == STELE_F64) {
        ((double *)array)[i] = v + (add ? ((double *)array)[i] : 0.0);
    } else {
        ((float *)array)[i] = (float)(v + (add ? (double)((float *)array)[i] : 0.0));
    }
}

static stele_status likelihood(const stele_inst *self, const stele_block *b)
{
    (void)self;
    for (int64_t r = 0; r < b->n_rows; r++) {
        for (int64_t j = 0; j < b->n_features; j++) {
            int64_t at = b->x->begin[r] + b->first + j;
            double x = b->x->dtype == STELE_F64 ? ((const double *)b->x->data)[at]
                                                : (double)((const float *)b->x->data)[at];
            double d_eta = 0.0, d_theta = 0.0;
            if (!isnan(x)) {
                b->log_prob[r] += log_prob_of(stele_block_eta(b, 0, r, j),
                                              stele_block_feature(b, 0, j), x, &d_eta, &d_theta);
            }
            if (b->d_eta != NULL) {
                double w = stele_block_real(b, b->weight, r);
                put(b, b->d_eta[0], r * b->n_features + j, w * d_eta, 0);
                if (b->d_feature != NULL && b->d_feature[0] != NULL) {
                    put(b, b->d_feature[0], j, w * d_theta, 1);
                }
            }
        }
    }
    return STELE_OK;
}

static double draw_one(const stele_block *b, uint32_t what, int64_t row, int64_t j, const double *u)
{
    const int64_t own =
#ifdef DEFECT_DRAW_FIRST_TWICE
        b->first +
#endif
        j;
    return draw_of(stele_block_eta(b, 0, row, j), stele_block_feature(b, 0, own), what, u[0]);
}

#if defined(DEFECT_DRAW_ONE_NUMBER) || defined(DEFECT_DRAW_ONE_ROW) ||                             \
    defined(DEFECT_DRAW_OWN_NUMBERS) || defined(DEFECT_DRAW_REPEATS)
typedef struct shared {
    const stele_block *b;
    const stele_draw *d;
} shared;

static void uniform(void *ctx, int64_t row, uint32_t k, double *ret)
{
    const shared *s = ctx;
#ifdef DEFECT_DRAW_ONE_ROW
    row = 0;
#endif
    s->d->uniform(s->d->ctx, row, k, ret);
#ifdef DEFECT_DRAW_ONE_NUMBER
    for (int64_t j = 1; j < s->b->n_features; j++) {
        ret[j] = ret[0];
    }
#endif
#ifdef DEFECT_DRAW_OWN_NUMBERS
    for (int64_t j = 0; j < s->b->n_features; j++) { /* of a sequence that fills the unit well */
        ret[j] = fmod(0.6180339887498949 * ((double)row + 0.5), 1.0);
    }
#endif
#ifdef DEFECT_DRAW_REPEATS
    for (int64_t j = 0; j < s->b->n_features; j++) {
        const double at = (double)(s->b->first + j);
        ret[j] = fmod(0.6180339887498949 * (double)row + 0.4142135623730951 * at + 0.3, 1.0);
    }
#endif
}
#endif

static stele_status draw(const stele_inst *self, const stele_block *b, const stele_draw *d)
{
    (void)self;
#if defined(DEFECT_DRAW_ONE_NUMBER) || defined(DEFECT_DRAW_ONE_ROW) ||                             \
    defined(DEFECT_DRAW_OWN_NUMBERS) || defined(DEFECT_DRAW_REPEATS)
    shared s = { b, d };
    stele_draw one = *d;
    one.uniform = uniform;
    one.ctx = &s;
    return stele_draw_elements(b, &one, 1, draw_one);
#endif
    return stele_draw_elements(b, d, 1, draw_one);
}

static const stele_modality_vt vtable = {
    .struct_size = sizeof vtable,
    .create = create,
    .destroy = destroy,
    .build = build,
    .validate = validate,
    .encode = encode,
    .decode = decode,
    .likelihood = likelihood,
    .draw = draw,
#ifdef HAS_ABSENT
    .absent = absent,
#endif
#ifdef HAS_SEES
    .sees = sees,
#endif
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_MODALITY,
    .min_host_minor = STELE_ABI_MINOR,
    .caps = STELE_CAP_ROW_INDEPENDENT | STELE_CAP_BITWISE_REPEAT | STELE_CAP_F64 |
            STELE_CAP_SAMPLES | STELE_CAP_WINDOW,
    .id = "modality/" NAME,
    .version = "0.1.0",
    .summary = "An elementwise likelihood for tests.",
    .license = "BSD-3-Clause",
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
