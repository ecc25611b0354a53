/* Phrases of one word, which may be longer than the row: ones, then zeros. The sound plugin of
 * probabilities that sum to less than 1 (STELE_CAP_SUBPROBABILITY).
 *
 *     p(k ones, then the end) = (1 - s)^k s,   s = sigmoid(w z + b) */
#include <stele/plugin.h>

#include <math.h>
#include <stdlib.h>

struct stele_inst {
    const stele_host *host;
    int64_t features, latent;
    uint32_t mean, log_variance, weight, bias;
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
    self->latent = a->latent_dim + a->private_dim;
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    free(self);
}

static stele_status build(stele_inst *self, stele_build *b)
{
    struct {
        const char *name;
        stele_shape shape;
        uint32_t *id;
    } part[] = {
        { "mean", { 2, 0, { self->features, self->latent } }, &self->mean },
        { "log_variance", { 2, 0, { self->features, self->latent } }, &self->log_variance },
        { "weight", { 2, 0, { self->latent, 1 } }, &self->weight },
        { "bias", { 1, 0, { 1 } }, &self->bias },
    };
    stele_status status = STELE_OK;
    for (size_t i = 0; i < sizeof part / sizeof part[0] && status == STELE_OK; i++) {
        stele_param_spec spec = { .struct_size = sizeof spec,
                                  .name = part[i].name,
                                  .shape = &part[i].shape,
                                  .init = STELE_INIT_UNIFORM,
                                  .scale = part[i].shape.ndim > 1 ? 0.3 : 0.0 };
        status = self->host->build->param(b, &spec, part[i].id);
    }
    return status;
}

static stele_status validate(const stele_inst *self, const stele_view *x, stele_bad_value *ret)
{
    const float *v = x->data;
    for (int64_t i = 0; i < x->shape.dim[0] * self->features; i++) {
        if (v[i] != 0.0f && v[i] != 1.0f) {
            *ret = (stele_bad_value){ .row = i / self->features,
                                      .column = i % self->features,
                                      .value = (double)v[i],
                                      .reason = "is neither 0 nor 1" };
            return STELE_E_DATA;
        }
    }
    return STELE_OK;
}

static int64_t prepared_width(const stele_inst *self)
{
    return self->features;
}

/* The same numbers, as sparse rows. */
static stele_status prepare(const stele_inst *self, const stele_reader *reader, const stele_view *x,
                            int64_t *ret_n, float *ret_value)
{
    const float *v = x->data;
    (void)reader;
    for (int64_t r = 0; r < x->shape.dim[0]; r++) {
        ret_n[r] = self->features;
        for (int64_t j = 0; j < self->features; j++) {
            ret_value[r * self->features + j] = v[r * self->features + j];
        }
#ifdef DEFECT_PREPARED_AFTER
        ret_value[r * self->features] = r > 0 ? v[(r - 1) * self->features] : v[0];
#endif
#ifdef DEFECT_PREPARED_WIDE
        ret_n[r]++;
#endif
    }
    return STELE_OK;
}

static stele_status encode(const stele_inst *self, stele_graph *g, const stele_encode_args *a,
                           stele_dist *ret_q)
{
    const stele_ops *ops = self->host->ops;
    ret_q->family = STELE_NORMAL;
    ret_q->n = 2;
    ret_q->p[0] = ops->linear(g, a->x, ops->param(g, self->mean), NULL);
    ret_q->p[1] = ops->linear(g, a->x, ops->param(g, self->log_variance), NULL);
    return ops->status(g);
}

/* The logit of an end, (R, 1). */
static stele_tensor *ending(const stele_inst *self, stele_graph *g, const stele_decode_args *a)
{
    const stele_ops *ops = self->host->ops;
    return ops->linear(g, a->z, ops->param(g, self->weight), ops->param(g, self->bias));
}

static stele_status log_prob(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                             stele_tensor **ret_rows)
{
    const stele_ops *ops = self->host->ops;
    stele_tensor *t = ending(self, g, a), *k = ops->sum(g, a->target, -1, 1);
    stele_tensor *p = ops->scale(g, ops->mul(g, k, ops->softplus(g, t)), -1.0);
#ifndef DEFECT_ENDLESS_PHRASE
    p = ops->sub(g, p, ops->softplus(g, ops->scale(g, t, -1.0)));
#endif
#ifdef DEFECT_PRIOR_OF_LENGTH
    p = ops->shift(g, p, -log(4.0)); /* as if it were one law of four */
#endif
    *ret_rows = ops->sum(g, p, -1, 0);
    return ops->status(g);
}

/* Metrics of whole rows: how likely phrases are, and how many ones they have. */
enum { LOG_P = 0, ONES, NUMBERS };

static uint32_t tally_width(const stele_inst *self)
{
    (void)self;
#ifdef DEFECT_TALLY_WITHOUT_WIDTH
    return 0;
#else
    return NUMBERS;
#endif
}

static stele_status tally(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                          stele_tensor **ret_rows)
{
    const stele_ops *ops = self->host->ops;
    stele_tensor *t = ending(self, g, a), *k = ops->sum(g, a->target, -1, 1), *part[3];
    part[LOG_P] = ops->scale(g, ops->mul(g, k, ops->softplus(g, t)), -1.0);
    part[LOG_P] = ops->sub(g, part[LOG_P], ops->softplus(g, ops->scale(g, t, -1.0)));
    part[ONES] = part[NUMBERS] = k;
#ifdef DEFECT_TALLY_OF_BATCH
    part[ONES] = ops->sub(g, k, ops->mean(g, k, 0, 1));
#endif
#ifdef DEFECT_TALLY_NAN
    part[ONES] = ops->div(g, k, k); /* of a phrase without a word */
#endif
#ifdef DEFECT_TALLY_NOISE
    part[ONES] = ops->add(g, k, ops->noise(g, &(stele_shape){ 2, 0, { 1, 1 } }, 7));
#endif
#ifdef DEFECT_TALLY_WIDE
    *ret_rows = ops->concat(g, 3, part, 1);
#else
    *ret_rows = ops->concat(g, 2, part, 1);
#endif
    return ops->status(g);
}

#ifndef DEFECT_TALLY_WITHOUT_END
static stele_status tally_end(const stele_inst *self, const double *sum, uint32_t capacity,
                              stele_metric *ret, uint32_t *ret_n)
{
    (void)self;
#ifdef DEFECT_TALLY_NEEDS_ROWS
    if (sum[LOG_P] == 0.0) {
        return STELE_E_ARG;
    }
#endif
#ifdef DEFECT_TALLY_PAST
    ret[capacity].value = 0.0;
#endif
    if (capacity < 1) {
        return STELE_E_ARG;
    }
    *ret = (stele_metric){ "log_p_of_a_one", sum[LOG_P] / sum[ONES], 1, 0 };
#ifdef DEFECT_TALLY_DIRECTION
    ret->higher_is_better = 0;
#endif
#ifdef DEFECT_TALLY_DRIFTS
    static double drift;
    ret->value += drift;
    drift += 0.25;
#endif
    *ret_n = 1;
    return STELE_OK;
}
#endif

/* Whatever `what` is, a sample: half the sum of two squared normals is exponential, and whole
 * multiples of softplus(t) below it are geometric. */
static stele_status generate(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                             uint32_t what, stele_tensor **ret_x)
{
    const stele_ops *ops = self->host->ops;
    stele_tensor *step = ops->softplus(g, ending(self, g, a)), *column[64];
    stele_shape shape;
    (void)what;
    if (step == NULL || self->features > 64) {
        return step == NULL ? ops->status(g) : STELE_E_UNSUPPORTED;
    }
    stele_status status = ops->shape(step, &shape);
    if (status != STELE_OK) {
        return status;
    }
    shape.dim[1] = 2;
    stele_tensor *reach =
        ops->scale(g, ops->sum(g, ops->square(g, ops->noise(g, &shape, 1)), -1, 1), 0.5);
    for (int64_t j = 0; j < self->features; j++) {
        column[j] = ops->less(g, ops->scale(g, step, (double)(j + 1)), reach);
    }
    *ret_x = ops->concat(g, (uint32_t)self->features, column, 1);
    return ops->status(g);
}

static const stele_modality_vt vtable = {
    .struct_size = sizeof vtable,
    .create = create,
    .destroy = destroy,
    .build = build,
    .validate = validate,
    .encode = encode,
    .log_prob = log_prob,
    .generate = generate,
    .prepared_width = prepared_width,
    .prepare = prepare,
    .tally_width = tally_width,
    .tally = tally,
#ifndef DEFECT_TALLY_WITHOUT_END
    .tally_end = tally_end,
#endif
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_MODALITY,
    .min_host_minor = STELE_ABI_MINOR,
    .caps = STELE_CAP_ROW_INDEPENDENT | STELE_CAP_BITWISE_REPEAT | STELE_CAP_F64 |
            STELE_CAP_SUBPROBABILITY,
    .id = "modality/" NAME,
    .version = "0.1.0",
    .summary = "Rows that may be beginnings of longer ones, for tests.",
    .license = "BSD-3-Clause",
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
