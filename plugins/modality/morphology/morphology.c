/* modality/morphology - the shape of a neuron, eta = decoder(z).
 *
 * features: lengths, numbers and angles, each by its kind
 *     real      (x_j - m_j) / s_j     ~ N(eta_j, v_j)
 *     positive  (log x_j - m_j) / s_j ~ N(eta_j, v_j)
 *     count     x_j ~ NB(mean exp(m_j + s_j eta_j), dispersion theta_j)
 * m and s are mean and standard deviation over the training rows (of log(1 + x) for counts), kept
 * with the model, as are the kinds. A missing entry (NaN) adds nothing to the likelihood and
 * nothing to the encoder but, if wanted, a 1 in its indicator: blocks of features that a row lacks
 * drop out.
 *
 * poisson, dirichlet_multinomial: how much cable lies where, in whole units of length
 *     poisson                x_j ~ Poisson(exp(eta_j))
 *     dirichlet_multinomial  shares of the row's total ~ Dirichlet-multinomial(exp(eta)), the total
 *                            ~ NB(shape sum_j exp(eta_j), scale beta), beta a function of z
 * A row may have any extents; the encoder sees log(1 + x).
 *
 * The encoder sees the same, or a tree of branches (tree.c) that another field holds.
 *
 * One plugin, since both halves share encoder and decoder: a spec has an entry for each that it
 * wants, and presence, weight and latent are then each one's own. */
#include "morphology.h"

#include <stele/feature_fit.h>

static const char *const likelihood_names[] = { "features", "poisson", "dirichlet_multinomial",
                                                NULL };
static const char *const encoder_names[] = { "dense", "tree", NULL };
static const char *const kind_names[] = { "auto", "real", "positive", "count", NULL };

static const stele_option options[] = {
    STELE_OPTION_ENUM(morphology_config, likelihood, "likelihood", likelihood_names,
                      MORPHOLOGY_FEATURES,
                      "Features, each by its kind; or a map of counts: Poisson, or with a total "
                      "and its shares, which vary more than that."),
    STELE_OPTION_ENUM(morphology_config, kind, "kind", kind_names, KIND_AUTO,
                      "features: what those are that no list names; auto: counts where all "
                      "training rows have whole numbers from 0 on, positive where all are above 0, "
                      "else real."),
    STELE_OPTION_I64_LIST(morphology_config, real, "real", "[]", 0, INT32_MAX,
                          "features: numbers, from 0, of those with a normal distribution."),
    STELE_OPTION_I64_LIST(morphology_config, positive, "positive", "[]", 0, INT32_MAX,
                          "features: numbers of those with a log-normal distribution."),
    STELE_OPTION_I64_LIST(morphology_config, counts, "counts", "[]", 0, INT32_MAX,
                          "features: numbers of those with a negative binomial distribution."),
    STELE_OPTION_F64(morphology_config, clump, "clump", 10.0, 1e-3, 1e6,
                     "dirichlet_multinomial: start of the scale beta; the variance of a count is "
                     "its mean times 1 + beta."),
    STELE_OPTION_ENUM(morphology_config, sees, "encoder.kind", encoder_names, ENCODER_DENSE,
                      "What the encoder's dense layers see: the measurement; or the state of a "
                      "recursive unit that goes from the tips of a tree to its soma, over the "
                      "branches in `encoder.from` (Tree-LSTM)."),
    STELE_OPTION_I64(morphology_config, state, "encoder.state", 32, 1, 4096,
                     "tree: width of the unit's states."),
    STELE_DENSE_OPTIONS(morphology_config, encoder, "encoder", "[128]", 0.0),
    STELE_OPTION_BOOL(morphology_config, indicator, "encoder.indicator", 1,
                      "dense encoder of features: show the encoder which entries are missing, "
                      "beside a 0 in their "
                      "place."),
    STELE_OPTION_F64(morphology_config, input_dropout, "encoder.input_dropout", 0.0, 0.0, 0.9,
                     "Mean share of a row's entries hidden from the encoder while training; every "
                     "row draws its own share, uniform between 0 and twice this."),
    STELE_OPTION_F64(morphology_config, input_decay, "encoder.input_decay", 1.0, 0.0, 1e6,
                     "Factor on the weight decay of the encoder's first layer."),
    STELE_DENSE_OPTIONS(morphology_config, decoder, "decoder", "[128]", 0.0),
    STELE_OPTION_F64(morphology_config, output_decay, "decoder.output_decay", 1.0, 0.0, 1e6,
                     "Factor on the weight decay of the decoder's output layer."),
};

static int sees_tree(const stele_inst *self)
{
    return self->config->sees == ENCODER_TREE;
}

static int has_features(const stele_inst *self)
{
    return self->config->likelihood == MORPHOLOGY_FEATURES;
}

/* Elements of a row; 0 where their number varies. */
static int64_t elements_of(const stele_shape *s)
{
    int64_t n = s->ndim > 0 ? 1 : 0;
    for (uint32_t d = 0; d < s->ndim; d++) {
        n *= s->dim[d] > 0 ? s->dim[d] : 0;
    }
    return n;
}

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    const morphology_config *c = a->config;
    const int64_t n = elements_of(&a->input->sample);
    stele_inst *self = calloc(1, sizeof *self + (size_t)n * sizeof self->fixed[0]);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    *ret = self;
    self->config = c;
    self->model =
        (stele_count_config){ .encoder = c->encoder,
                              .decoder = c->decoder,
                              .input = { c->input_dropout, c->input_decay, STELE_INPUT_LOG1P },
                              .output_decay = c->output_decay,
                              .size = STELE_SIZE_NONE };
    stele_count_model_init(a, &self->model, 0, &self->counts);
    stele_status status = STELE_OK;
    if (has_features(self)) {
        self->counts.n_inputs *= c->indicator ? 2 : 1;
        self->counts.layers_before = 1; /* its inputs are standardised, not counts */
        status = features_init(self);
    } else {
        self->counts.n_features = self->counts.n_inputs = n;
    }
    return status == STELE_OK && sees_tree(self) ? tree_init(self, a) : status;
}

static int32_t sees(const stele_inst *self)
{
    return sees_tree(self);
}

static void destroy(stele_inst *self)
{
    free(self);
}

static stele_status build(stele_inst *self, stele_build *b)
{
    stele_status status = stele_count_model_build(&self->counts, b);
    if (status == STELE_OK) {
        status = stele_count_output_build(&self->counts, b, "output", &self->weight, &self->bias);
    }
    if (status == STELE_OK && sees_tree(self)) {
        status = tree_build(self, b);
    }
    if (status != STELE_OK) {
        return status;
    }
    return has_features(self) ? features_build(self, b) : map_build(self, b);
}

static stele_status validate(const stele_inst *self, const stele_view *x, stele_bad_value *ret)
{
    return has_features(self)
               ? features_validate(self, x, ret)
               : stele_counts_validate(x, STELE_COUNTS_WHOLE | STELE_COUNTS_MISSING, ret);
}

static stele_status fit(const stele_inst *self, stele_fit *f)
{
    stele_status status = has_features(self) ? features_fit(self, f) : map_fit(self, f);
    return status == STELE_OK && sees_tree(self) ? tree_fit(self, f) : status;
}

static stele_status encode(const stele_inst *self, stele_graph *g, const stele_encode_args *a,
                           stele_dist *ret_q)
{
    stele_tensor *x = NULL;
    stele_status status = sees_tree(self)      ? tree_input(self, g, a->x, &x)
                          : has_features(self) ? features_input(self, g, a->x, &x)
                                               : map_input(self, g, a->x, &x);
    return status != STELE_OK ? status
                              : stele_count_expert(&self->counts, g, x, a->covariates, ret_q);
}

static stele_status decode(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                           stele_output *ret)
{
    stele_count_decode(&self->counts, g, a, ret);
    ret->n_eta = 1;
    ret->weight[0] = self->weight;
    ret->bias[0] = self->bias;
    if (has_features(self)) {
        features_decode(self, ret);
    } else {
        map_decode(self, g, ret);
    }
    return self->counts.host->ops->status(g);
}

static stele_status likelihood(const stele_inst *self, const stele_block *b)
{
    return has_features(self) ? features_likelihood(self, b) : map_likelihood(self, b);
}

static stele_status draw(const stele_inst *self, const stele_block *b, const stele_draw *d)
{
    return has_features(self) ? features_draw(b, d) : map_draw(self, b, d);
}

/* --- metrics --- */

typedef union score {
    stele_feature_fit features;
    stele_log1p_correlation map;
} score;

static uint64_t score_size(const stele_inst *self)
{
    (void)self;
    return sizeof(score);
}

/* Of features that are never negative the logarithm of 1 + x: lengths and numbers are judged by
 * their order of magnitude. */
static void score_feature(int64_t n, double *truth, double *predicted, stele_feature_fit *ret)
{
    double least = 0.0;
    for (int64_t i = 0; i < n; i++) {
        least = fmin(least, truth[i]);
    }
    for (int64_t i = 0; i < n && least >= 0.0; i++) {
        truth[i] = log1p(truth[i]);
        predicted[i] = log1p(fmax(predicted[i], 0.0));
    }
    stele_feature_fit_one(n, truth, predicted, ret);
}

static stele_status score_add(const stele_inst *self, void *state, const stele_scored *s)
{
    score *sc = state;
    return has_features(self) ? stele_feature_fit_each(&sc->features, s, score_feature)
                              : stele_log1p_correlation_add(&sc->map, s);
}

static stele_status score_end(const stele_inst *self, void *state, uint32_t capacity,
                              stele_metric *ret, uint32_t *ret_n)
{
    const score *sc = state;
    if (has_features(self)) {
        return stele_feature_fit_read(&sc->features, capacity, ret, ret_n);
    }
    if (capacity < 1) {
        return STELE_E_ARG;
    }
    stele_metric_set(&ret[0], "feature_correlation", stele_log1p_correlation_read(&sc->map), 1);
    *ret_n = 1;
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
    .sees = sees,
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_MODALITY,
    .min_host_minor = STELE_ABI_MINOR,
    .caps =
        STELE_CAP_ROW_INDEPENDENT | STELE_CAP_BITWISE_REPEAT | STELE_CAP_F64 | STELE_CAP_SAMPLES,
    .id = "modality/morphology",
    .version = "0.1.0",
    .summary = "Shapes of neurons: morphometrics of several kinds, or a map of the cable.",
    .license = "BSD-3-Clause",
    .reference = "Laturnus, Kobak and Berens, Neuroinformatics 18, 591 (2020)",
    STELE_PLUGIN_OPTIONS(options, morphology_config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
