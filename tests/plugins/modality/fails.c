/* Zeros and ones, with something wrong in one slot: see fails.h. */
#include "../fails.h"

#include <stele/count_model.h>
#include <stele/draw.h>
#include <stele/likelihood.h>
#include <stele/metrics.h>

#include <time.h>

typedef struct config {
    stele_count_config counts;
} config;

static const stele_option options[] = {
    STELE_COUNT_MODEL_OPTIONS(config, counts, STELE_INPUT_BINARY, 0.0, STELE_NORM_NONE),
};

struct stele_inst {
    stele_count_model counts;
    uint32_t weight, bias;
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    FAILS(a->host, "modality.create", "%s is not to be", a->name);
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    stele_count_model_init(a, &((const config *)a->config)->counts, 1, &self->counts);
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    free(self);
}

static stele_status build(stele_inst *self, stele_build *b)
{
    FAILS(self->counts.host, "modality.build", "there is nothing to declare");
    stele_status status = stele_count_model_build(&self->counts, b);
    if (status == STELE_OK) {
        status = stele_count_output_build(&self->counts, b, "output", &self->weight, &self->bias);
    }
    return status == STELE_OK ? stele_count_size_build(&self->counts, b, "depth") : status;
}

static stele_status validate(const stele_inst *self, const stele_view *x, stele_bad_value *ret)
{
    FAILS(self->counts.host, "modality.validate", "these values are beyond judgement");
    return stele_counts_validate(x, STELE_COUNTS_WHOLE, ret);
}

static stele_status fit(const stele_inst *self, stele_fit *f)
{
    stele_count_stats s;
    FAILS(self->counts.host, "modality.fit", "nothing was learned");
    stele_status status = stele_count_model_fit(&self->counts, f, &s);
    if (status == STELE_OK) {
        stele_count_stats_finish(&s);
    }
    /* As a logarithm of a feature that nobody has a count of would be. */
    if (status == STELE_OK && fails_is("FAILS_IN", "modality.fitted")) {
        return self->counts.host->fit->scale(f, self->bias, HUGE_VAL);
    }
    return status;
}

static stele_status encode(const stele_inst *self, stele_graph *g, const stele_encode_args *a,
                           stele_dist *ret_q)
{
    FAILS(self->counts.host, "modality.encode", "the encoder has no opinion");
    if (fails_is("FAILS_IN", "modality.operation")) {
        self->counts.host->ops->matmul(g, a->x, a->x, 0, 0);
        return STELE_FAIL(self->counts.host, self->counts.host->ops->status(g), "so be it");
    }
    stele_status status = stele_count_encode(&self->counts, g, a, ret_q);
    if (status == STELE_OK) {
        fails_spoil("modality.encode", ret_q,
                    self->counts.host->ops->sum(g, ret_q->p[0], STELE_ALL_AXES, 0));
    }
    return status;
}

/* An operation of its own: times 1, with a derivative that goes wrong. */
static stele_status times_one(void *user, uint32_t n, const stele_view *const *in, void *out)
{
    const stele_inst *self = user;
    FAILS(self->counts.host, "modality.forward", "there is no way forward");
    size_t elements = 1;
    for (uint32_t d = 0; d < in[0]->shape.ndim; d++) {
        elements *= (size_t)in[0]->shape.dim[d];
    }
    memcpy(out, in[0]->data, elements * (in[0]->dtype == STELE_F32 ? 4 : 8) * (n == 1));
    return STELE_OK;
}

static stele_status times_one_back(void *user, uint32_t n, const stele_view *const *in,
                                   const stele_view *out, const void *d_out, void *const *d_in)
{
    const stele_inst *self = user;
    FAILS(self->counts.host, "modality.backward", "there is no way back");
    (void)n;
    (void)in;
    for (int64_t i = 0; d_in[0] != NULL && i < out->shape.dim[0] * out->shape.dim[1]; i++) {
        ((float *)d_in[0])[i] += ((const float *)d_out)[i];
    }
    return STELE_OK;
}

static stele_status decode(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                           stele_output *ret)
{
    static const stele_custom custom = { sizeof custom, "times_one", times_one, times_one_back };
    const stele_ops *ops = self->counts.host->ops;
    stele_shape shape;
    FAILS(self->counts.host, "modality.decode", "the decoder has lost the key");
    stele_count_decode(&self->counts, g, a, ret);
    if (ret->hidden == NULL || ops->shape(ret->hidden, &shape) != STELE_OK) {
        return ops->status(g);
    }
    ret->hidden = ops->custom(g, &custom, (void *)(uintptr_t)self, 1, &ret->hidden, &shape);
    ret->n_eta = 1;
    ret->weight[0] = self->weight;
    ret->bias[0] = self->bias;
    if (fails_is("FAILS_IN", "modality.output")) {
        ret->n_eta = fails_is("FAILS_HOW", "n_eta") ? 0 : 1;
        ret->n_row = fails_is("FAILS_HOW", "row") ? 1 : 0;
        ret->row[0] = NULL;
        ret->bias[0] = fails_is("FAILS_HOW", "bias") ? self->weight : self->bias;
        ret->weight[0] = fails_is("FAILS_HOW", "id") ? 1000 : self->weight;
        ret->hidden = fails_is("FAILS_HOW", "hidden") ? NULL : ret->hidden;
    }
    return ops->status(g);
}

/* Every block fails, the first one last: its words are to be heard all the same. */
static stele_status likelihood(const stele_inst *self, const stele_block *b)
{
    if (fails_is("FAILS_IN", "modality.likelihood") && b->first == 0) {
        nanosleep(&(struct timespec){ .tv_nsec = 30 * 1000 * 1000 }, NULL);
    }
    FAILS(self->counts.host, "modality.likelihood", "feature %lld is unlikely",
          (long long)b->first);
    return stele_bernoulli(self->counts.host->vec, b);
}

static double draw_one(const stele_block *b, uint32_t what, int64_t row, int64_t j, const double *u)
{
    double p = 1.0 / (1.0 + exp(-stele_block_eta(b, 0, row, j)));
    return what == STELE_DRAW_MEAN ? p : what == STELE_DRAW_MODE ? p > 0.5 : u[0] < p;
}

static stele_status draw(const stele_inst *self, const stele_block *b, const stele_draw *d)
{
    FAILS(self->counts.host, "modality.draw", "the hat is empty");
    return stele_draw_elements(b, d, 1, draw_one);
}

static uint64_t score_size(const stele_inst *self)
{
    (void)self;
    return sizeof(double);
}

static stele_status score_add(const stele_inst *self, void *state, const stele_scored *s)
{
    FAILS(self->counts.host, "modality.score_add", "no points");
    *(double *)state += (double)s->n_features;
    return STELE_OK;
}

static stele_status score_end(const stele_inst *self, void *state, uint32_t capacity,
                              stele_metric *ret, uint32_t *ret_n)
{
    FAILS(self->counts.host, "modality.score_end", "the score was lost");
    *ret_n = capacity > 0;
    stele_metric_set(&ret[0], "features", *(double *)state, 1);
    return STELE_OK;
}

static const stele_modality_vt vtable = {
    .struct_size = sizeof vtable,
    .create = create,
    .destroy = destroy,
    .build = build,
    .validate = validate,
    .fit = fit,
    .encode = encode,
    .decode = decode,
    .likelihood = likelihood,
    .draw = draw,
    .score_size = score_size,
    .score_add = score_add,
    .score_end = score_end,
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_MODALITY,
    .min_host_minor = STELE_ABI_MINOR,
    .id = "modality/fails",
    .version = "0.1.0",
    .summary = "Zeros and ones, for tests.",
    .license = "BSD-3-Clause",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
