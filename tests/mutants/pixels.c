/* Images (C, H, W) with a Gaussian likelihood: the sound plugin of modality mutants whose data are
 * dense and real, and which give their linear predictors themselves. x ~ N(eta, exp(log-variance of
 * the pixel)). */
#include <stele/draw.h>
#include <stele/plugin.h>

#include <math.h>
#include <stdlib.h>

struct stele_inst {
    const stele_host *host;
    int64_t pixels, latent;
    uint32_t encoder, mean, log_variance, decoder, weight, bias, noise;
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    const stele_shape *s = &a->input->sample;
    if (s->ndim != 3) {
        return STELE_FAIL(a->host, STELE_E_SHAPE, "images have three extents");
    }
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    self->host = a->host;
    self->pixels = s->dim[0] * s->dim[1] * s->dim[2];
    self->latent = (int64_t)a->latent_dim + a->private_dim;
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    free(self);
}

enum { HIDDEN = 8 };

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
    struct {
        const char *name;
        int64_t n, m;
        uint32_t *id;
    } part[] = {
        { "encoder", self->pixels, HIDDEN, &self->encoder },
        { "mean", HIDDEN, self->latent, &self->mean },
        { "log_variance", HIDDEN, self->latent, &self->log_variance },
        { "decoder", self->latent, HIDDEN, &self->decoder },
        { "weight", self->pixels, HIDDEN, &self->weight },
        { "bias", self->pixels, 0, &self->bias },
        { "noise", self->pixels, 0, &self->noise },
    };
    stele_status status = STELE_OK;
    for (size_t i = 0; i < sizeof part / sizeof part[0] && status == STELE_OK; i++) {
        status = declare(self, b, part[i].name, part[i].n, part[i].m, part[i].id);
    }
    return status;
}

static stele_status encode(const stele_inst *self, stele_graph *g, const stele_encode_args *a,
                           stele_dist *ret_q)
{
    const stele_ops *ops = self->host->ops;
    stele_shape s;
    stele_status status = a->x != NULL ? ops->shape(a->x, &s) : ops->status(g);
    if (status != STELE_OK) {
        return status;
    }
    s = (stele_shape){ 2, 0, { s.dim[0], self->pixels } };
    stele_tensor *h =
        ops->tanh(g, ops->linear(g, ops->reshape(g, a->x, &s), ops->param(g, self->encoder), NULL));
#ifndef DEFECT_EXPERT_WITHOUT_FAMILY
    ret_q->family = STELE_NORMAL;
#endif
#ifndef DEFECT_EXPERT_WITHOUT_SIZE
    ret_q->n = 2;
#endif
    ret_q->p[0] = ops->linear(g, h, ops->param(g, self->mean), NULL);
    ret_q->p[1] = ops->linear(g, h, ops->param(g, self->log_variance), NULL);
    return ops->status(g);
}

static stele_status decode(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                           stele_output *ret)
{
    const stele_ops *ops = self->host->ops;
    stele_tensor *h = ops->tanh(g, ops->linear(g, a->z, ops->param(g, self->decoder), NULL));
    h = ops->matmul(g, h, ops->param(g, self->weight), 0, 1);
#ifdef DEFECT_PREDICTORS_DETACHED
    h = ops->detach(g, h);
#endif
    ret->n_eta = 1;
    ret->eta[0] = ops->add(g, h, ops->param(g, self->bias));
    ret->n_feature = 1;
    ret->feature[0] = self->noise;
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
            double lv = stele_block_feature(b, 0, j), e = x - stele_block_eta(b, 0, r, j),
                   p = exp(-lv);
            double log_prob = -0.5 * (e * e * p + lv + 1.8378770664093453);
#ifdef DEFECT_NO_LOG_DETERMINANT
            log_prob = -0.5 * (e * e * p + 1.8378770664093453);
#endif
            int missing = isnan(x);
            b->log_prob[r] += missing ? 0.0 : log_prob;
            if (b->d_eta != NULL) {
                double w = missing ? 0.0 : stele_block_real(b, b->weight, r);
                put(b, b->d_eta[0], r * b->n_features + j, missing ? 0.0 : w * e * p, 0);
                if (b->d_feature != NULL && b->d_feature[0] != NULL) {
#ifdef DEFECT_NO_LOG_DETERMINANT
                    put(b, b->d_feature[0], j, missing ? 0.0 : 0.5 * w * e * e * p, 1);
#else
                    put(b, b->d_feature[0], j, missing ? 0.0 : 0.5 * w * (e * e * p - 1.0), 1);
#endif
                }
            }
        }
    }
    return STELE_OK;
}

/* Box and Muller. */
static double draw_one(const stele_block *b, uint32_t what, int64_t row, int64_t j, const double *u)
{
    double mean = stele_block_eta(b, 0, row, j), sd = exp(0.5 * stele_block_feature(b, 0, j));
#ifdef DEFECT_DRAW_NARROW
    sd *= 0.70710678118654752; /* half the variance */
#endif
#ifdef DEFECT_DRAW_SHIFTED
    mean += what == STELE_DRAW_SAMPLE ? 0.3 * sd : 0.0;
#endif
    return what == STELE_DRAW_SAMPLE
               ? mean + sd * sqrt(-2.0 * log(u[0])) * cos(6.283185307179586 * u[1])
               : mean;
}

static stele_status draw(const stele_inst *self, const stele_block *b, const stele_draw *d)
{
    (void)self;
    return stele_draw_elements(b, d, 2, draw_one);
}

static const stele_modality_vt vtable = {
    .struct_size = sizeof vtable,
    .create = create,
    .destroy = destroy,
    .build = build,
    .encode = encode,
    .decode = decode,
    .likelihood = likelihood,
    .draw = draw,
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_MODALITY,
    .min_host_minor = STELE_ABI_MINOR,
    .caps =
        STELE_CAP_ROW_INDEPENDENT | STELE_CAP_BITWISE_REPEAT | STELE_CAP_F64 | STELE_CAP_SAMPLES,
    .id = "modality/" NAME,
    .version = "0.1.0",
    .summary = "Gaussian images for tests.",
    .license = "BSD-3-Clause",
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
