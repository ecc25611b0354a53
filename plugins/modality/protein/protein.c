/* modality/protein - counts of antibody-bound surface proteins (CITE-seq and the like), in which
 * free antibody gives every cell a background.
 *
 *     x_j ~ pi_j NB(s mu_j, theta_j) + (1 - pi_j) NB(s mu_j (1 + exp(f_j)), theta_j)
 *
 * pi and f are functions of z; the background mean mu belongs to the protein, or is a function of z
 * and the decoder's covariates; s is a factor of the row, 1 by default. A protein that was not
 * measured in a row (NaN) adds nothing to the likelihood and enters the encoder as 0. totalVI has a
 * log-normal mu for each protein and cell instead, with a posterior of its own: here its spread is
 * the dispersion's to explain. */
#include <stele/count_model.h>
#include <stele/metrics.h>
#include <stele/nb_mixture.h>
#include <stele/plugin.h>

enum { BY_PROTEIN = 0, BY_LATENT };
static const char *const background_names[] = { "protein", "latent", NULL };
static const char *const size_names[] = { "observed", "learned", "none", NULL };

typedef struct config {
    stele_count_config counts;
    double dispersion;
    int32_t background;
} config;

static const stele_option options[] = {
    STELE_COUNT_MODEL_OPTIONS(config, counts, STELE_INPUT_LOG1P, 0.0, STELE_NORM_NONE),
    STELE_OPTION_F64(config, dispersion, "dispersion", 5.0, 1e-3, 1e3,
                     "Start of the inverse dispersion theta; variance is mean + mean^2 / theta."),
    STELE_OPTION_ENUM(config, background, "background", background_names, BY_PROTEIN,
                      "What has a mean background of its own: every protein, or every protein in "
                      "every row as a function of z and the decoder's covariates."),
    STELE_OPTION_ENUM(config, counts.size, "size_factor", size_names, STELE_SIZE_NONE,
                      "Where a factor of the row on all its means comes from: its own counts, "
                      "learned from z and the decoder's covariates, or no factor."),
};

/* Order of the linear predictors, and of the parameters by feature. */
enum { FOREGROUND = 0, MIXING, BACKGROUND, N_OUTPUTS };

struct stele_inst {
    const config *config;
    stele_count_model counts;
    uint32_t weight[N_OUTPUTS], bias[N_OUTPUTS], log_theta;
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    self->config = a->config;
    stele_count_model_init(a, &self->config->counts, 0, &self->counts);
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    free(self);
}

/* The background's bias alone where it belongs to the protein. */
static stele_status build(stele_inst *self, stele_build *b)
{
    static const char *const name[] = { "foreground", "mixing", "background" };
    const stele_host *h = self->counts.host;
    uint32_t n = self->config->background == BY_LATENT ? N_OUTPUTS : BACKGROUND;
    stele_status status = stele_count_model_build(&self->counts, b);
    for (uint32_t k = 0; k < n && status == STELE_OK; k++) {
        status =
            stele_count_output_build(&self->counts, b, name[k], &self->weight[k], &self->bias[k]);
    }
    stele_shape by_protein = stele_shape1(self->counts.n_features);
    if (status == STELE_OK && self->config->background == BY_PROTEIN) {
        status = stele_declare(h, b, name[BACKGROUND], "bias", by_protein, STELE_INIT_ZERO, 0.0,
                               0.0, &self->bias[BACKGROUND]);
    }
    if (status == STELE_OK) {
        status = stele_declare(h, b, "dispersion", "log_theta", by_protein, STELE_INIT_CONSTANT,
                               log(self->config->dispersion), 0.0, &self->log_theta);
    }
    return status == STELE_OK ? stele_count_size_build(&self->counts, b, "size") : status;
}

static stele_status validate(const stele_inst *self, const stele_view *x, stele_bad_value *ret)
{
    (void)self;
    return stele_counts_validate(x, STELE_COUNTS_WHOLE | STELE_COUNTS_MISSING, ret);
}

/* --- starts --- */

enum { BINS = 128, BINS_PER_UNIT = 8 }; /* of log(1 + count), up to 9 million counts */

/* Histograms over the training rows, (features, BINS) each; stored: entries that CSR rows name. */
typedef struct histograms {
    int64_t n_features;
    double *count, *stored;
} histograms;

static void add_rows(void *ctx, const stele_view *x)
{
    histograms *hist = ctx;
    int64_t rows = x->shape.dim[0], n = rows * hist->n_features;
    int sparse = x->layout == STELE_CSR;
    memset(hist->stored, 0, (size_t)hist->n_features * sizeof *hist->stored);
    for (int64_t i = 0; i < (sparse ? x->row_start[rows] : n); i++) {
        int64_t j = sparse ? x->column[i] : i % hist->n_features;
        double v = x->dtype == STELE_F64 ? ((const double *)x->data)[i]
                                         : (double)((const float *)x->data)[i];
        if (!isnan(v)) {
            double bin = log1p(v) * BINS_PER_UNIT;
            hist->count[j * BINS + (bin < BINS - 1 ? (int64_t)bin : BINS - 1)] += 1.0;
        }
        hist->stored[j] += 1.0;
    }
    for (int64_t j = 0; j < hist->n_features && sparse; j++) {
        hist->count[j * BINS] += (double)rows - hist->stored[j];
    }
}

/* A protein's rows in two classes, as far apart as they can be had (Otsu 1979): share and mean of
 * log(1 + count) of the lower one, mean of the upper one. */
typedef struct classes {
    double share, lower, upper;
} classes;

static classes split_rows(const double *count)
{
    double n = 0.0, sum = 0.0, below = 0.0, sum_below = 0.0, best = -1.0;
    classes ret = { 0.5, 0.0, 0.0 };
    for (int i = 0; i < BINS; i++) {
        n += count[i];
        sum += count[i] * (i + 0.5) / BINS_PER_UNIT;
    }
    for (int i = 0; i < BINS - 1; i++) {
        below += count[i];
        sum_below += count[i] * (i + 0.5) / BINS_PER_UNIT;
        if (below > 0.0 && below < n) {
            classes c = { below / n, sum_below / below, (sum - sum_below) / (n - below) };
            double between = c.share * (1.0 - c.share) * (c.upper - c.lower) * (c.upper - c.lower);
            if (between > best) {
                best = between;
                ret = c;
            }
        }
    }
    if (best < 0.0 && n > 0.0) { /* all in one bin */
        ret.lower = ret.upper = sum / n;
    }
    return ret;
}

/* Background and foreground start at the means of the two classes. */
static stele_status set_starts(const stele_inst *self, stele_fit *f, const histograms *hist)
{
    const stele_fit_api *api = self->counts.host->fit;
    const uint64_t n = (uint64_t)hist->n_features;
    stele_status status = STELE_OK;
    for (uint32_t k = 0; k < N_OUTPUTS && status == STELE_OK; k++) {
        for (int64_t j = 0; j < hist->n_features; j++) {
            classes c = split_rows(hist->count + j * BINS);
            double gap = c.upper - c.lower > 0.1 ? c.upper - c.lower : 0.1;
            double share = c.share < 0.02 ? 0.02 : c.share > 0.98 ? 0.98 : c.share;
            double background = expm1(c.lower) > 0.1 ? expm1(c.lower) : 0.1;
            hist->stored[j] = k == FOREGROUND ? log(expm1(gap))
                              : k == MIXING   ? log(share / (1.0 - share))
                                              : log(background);
        }
        status = api->set(f, self->bias[k], n, hist->stored);
    }
    return status;
}

static stele_status fit(const stele_inst *self, stele_fit *f)
{
    int64_t n = self->counts.n_features;
    histograms hist = { .n_features = n };
    stele_count_stats s;
    hist.count = calloc((size_t)n * (BINS + 1), sizeof *hist.count);
    if (hist.count == NULL) {
        return STELE_E_NOMEM;
    }
    hist.stored = hist.count + n * BINS;
    stele_status status = stele_count_model_fit_each(&self->counts, f, add_rows, &hist, &s);
    if (status == STELE_OK) {
        stele_count_stats_finish(&s);
        status = set_starts(self, f, &hist);
    }
    free(hist.count);
    return status;
}

/* --- encoder, decoder, likelihood --- */

static stele_status encode(const stele_inst *self, stele_graph *g, const stele_encode_args *a,
                           stele_dist *ret_q)
{
    stele_encode_args seen = *a;
    stele_status status = stele_counts_present(self->counts.host, g, a->x, &seen.x);
    return status != STELE_OK ? status : stele_count_encode(&self->counts, g, &seen, ret_q);
}

static stele_status decode(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                           stele_output *ret)
{
    stele_decode_args seen = *a;
    stele_status status = stele_counts_present(self->counts.host, g, a->target, &seen.target);
    if (status != STELE_OK) {
        return status;
    }
    stele_count_decode(&self->counts, g, &seen, ret);
    ret->n_eta = self->config->background == BY_LATENT ? N_OUTPUTS : BACKGROUND;
    for (uint32_t k = 0; k < ret->n_eta; k++) {
        ret->weight[k] = self->weight[k];
        ret->bias[k] = self->bias[k];
    }
    ret->feature[ret->n_feature++] = self->log_theta;
    if (self->config->background == BY_PROTEIN) {
        ret->feature[ret->n_feature++] = self->bias[BACKGROUND];
    }
    return self->counts.host->ops->status(g);
}

static stele_status likelihood(const stele_inst *self, const stele_block *b)
{
    return stele_nb_mixture(self->counts.host->vec, b);
}

/* The detail is the probability of background, before the count is looked at. */
static double draw_one(const stele_block *b, uint32_t what, int64_t row, int64_t j, const double *u)
{
    return what == STELE_DRAW_DETAIL ? stele_nb_mixture_background(b, row, j)
                                     : stele_nb_mixture_draw(b, what, row, j, u);
}

static stele_status draw(const stele_inst *self, const stele_block *b, const stele_draw *d)
{
    (void)self;
    return stele_draw_elements(b, d, 2, draw_one);
}

/* --- metrics --- */

typedef struct score {
    stele_log1p_correlation correlation;
    double background, n;
} score;

static uint64_t score_size(const stele_inst *self)
{
    (void)self;
    return sizeof(score);
}

static stele_status score_add(const stele_inst *self, void *state, const stele_scored *s)
{
    score *sc = state;
    (void)self;
    for (int64_t i = 0; i < s->n_rows * s->n_features && s->detail != NULL; i++) {
        sc->background += (double)s->detail[i];
        sc->n += 1.0;
    }
    return stele_log1p_correlation_add(&sc->correlation, s);
}

static stele_status score_end(const stele_inst *self, void *state, uint32_t capacity,
                              stele_metric *ret, uint32_t *ret_n)
{
    const score *sc = state;
    (void)self;
    if (capacity < 2) {
        return STELE_E_ARG;
    }
    stele_metric_set(&ret[0], "feature_correlation", stele_log1p_correlation_read(&sc->correlation),
                     1);
    *ret_n = 1;
    if (sc->n > 0.0) {
        stele_metric_set(&ret[1], "background_probability", sc->background / sc->n,
                         STELE_METRIC_NEITHER);
        *ret_n = 2;
    }
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
    .caps =
        STELE_CAP_ROW_INDEPENDENT | STELE_CAP_BITWISE_REPEAT | STELE_CAP_F64 | STELE_CAP_SAMPLES,
    .id = "modality/protein",
    .version = "0.1.0",
    .summary = "Protein counts as a mixture of background and foreground.",
    .license = "BSD-3-Clause",
    .reference = "Gayoso et al., Nature Methods 18, 272 (2021)",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vtable,
    .detail = "background_probability",
};

STELE_LIBRARY(&plugin)
