/* modality/my_plugin - counts with a Poisson likelihood.
 *
 *     x_j ~ Poisson(mean = s exp(eta_j)),  eta = decoder(z),  s = size of the row over the training median
 *
 * Go through the steps 1 to 6; rebuild and run stele-check after each. Leave out what you do not need: a slot that is
 * marked as optional in <stele/kinds.h> may be missing from the table in step 6.
 */
#include <stele/count_model.h>
#include <stele/draw.h>
#include <stele/plugin.h>

/* 1. The options that a spec may set: a member of `config` and a row of `options` each. Rows are checked against the
 * type of their member when this file is compiled. `stele help modality/my_plugin` prints them. */
typedef struct config {
    stele_count_config counts; /* encoder and decoder with their hidden layers, as all modalities of counts have them */
} config;

static const char *const size_names[] = { "observed", "learned", "none", NULL };

static const stele_option options[] = {
    STELE_COUNT_MODEL_OPTIONS(config, counts, STELE_INPUT_LOG1P, 0.0, STELE_NORM_LAYER),
    STELE_OPTION_ENUM(config, counts.size, "size_factor", size_names, STELE_SIZE_OBSERVED,
                      "Where a row's size comes from: its own counts, learned from z, or all rows have the same."),
};

/* 2. The instance: what is known once the model is built. Weights live in the host; here are only their ids. */
struct stele_inst {
    stele_count_model counts;
    uint32_t weight, bias; /* of eta */
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    const config *c = a->config;
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    stele_count_model_init(a, &c->counts, 0, &self->counts);
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    free(self);
}

/* 3. The network: declare its parameters, start them from the training rows, run the encoder and the decoder. For other
 * layers than dense ones use the operations of <stele/ops.h>; <stele/dense.h> shows how. */
static stele_status build(stele_inst *self, stele_build *b)
{
    stele_status status = stele_count_model_build(&self->counts, b);
    if (status == STELE_OK) {
        status = stele_count_output_build(&self->counts, b, "output", &self->weight, &self->bias);
    }
    return status == STELE_OK ? stele_count_size_build(&self->counts, b, "size") : status;
}

/* Biases start at the log of each feature's mean. */
static stele_status fit(const stele_inst *self, stele_fit *f)
{
    stele_count_stats s;
    stele_status status = stele_count_model_fit(&self->counts, f, &s);
    if (status != STELE_OK) {
        return status;
    }
    for (int64_t j = 0; j < s.n_features; j++) {
        s.total[j] = log((s.total[j] + 0.5) / ((double)s.n_rows + 0.5));
    }
    status = self->counts.host->fit->set(f, self->bias, (uint64_t)s.n_features, s.total);
    stele_count_stats_finish(&s);
    return status;
}

static stele_status encode(const stele_inst *self, stele_graph *g, const stele_encode_args *a, stele_dist *ret_q)
{
    return stele_count_encode(&self->counts, g, a, ret_q);
}

/* One linear predictor (n_eta), which the host computes block by block; the log of the row's size comes with it. */
static stele_status decode(const stele_inst *self, stele_graph *g, const stele_decode_args *a, stele_output *ret)
{
    stele_count_decode(&self->counts, g, a, ret);
    ret->n_eta = 1;
    ret->weight[0] = self->weight;
    ret->bias[0] = self->bias;
    return self->counts.host->ops->status(g);
}

/* 4. The values that the likelihood allows, and how probable they are. */
static stele_status validate(const stele_inst *self, const stele_view *x, stele_bad_value *ret_bad)
{
    (void)self;
    return stele_counts_validate(x, STELE_COUNTS_WHOLE, ret_bad);
}

/* Means beyond this cannot be told from a defect and would overflow a float. */
#define LOG_MEAN_MAX 80.0

/* log p(x) in nats and its derivative towards the log of the mean, for one element. */
static double log_prob(const stele_vec *vec, double x, double log_mean, double *ret_d)
{
    double clamped = log_mean < LOG_MEAN_MAX ? log_mean : LOG_MEAN_MAX, mean = exp(clamped);
    double above = x + 1.0, log_factorial = 0.0;
    if (x > 1.0) {
        vec->lgamma(STELE_F64, 1, &above, &log_factorial);
    }
    *ret_d = log_mean < LOG_MEAN_MAX ? x - mean : 0.0;
    return x * clamped - mean - log_factorial;
}

/* Value of feature j of row r. *at: where to look next among the stored entries of a sparse row. */
static double value_at(const stele_values *v, int64_t r, int64_t j, int64_t *at)
{
    int64_t i = v->begin[r] + j;
    if (v->layout == STELE_CSR) {
        while (*at < v->end[r] && v->column[*at] < j) {
            ++*at;
        }
        if (*at == v->end[r] || v->column[*at] != j) {
            return 0.0;
        }
        i = *at;
    }
    return v->dtype == STELE_F64 ? ((const double *)v->data)[i] : (double)((const float *)v->data)[i];
}

static void store(const stele_block *b, void *array, int64_t i, double value)
{
    if (b->dtype == STELE_F64) {
        ((double *)array)[i] = value;
    } else {
        ((float *)array)[i] = (float)value;
    }
}

/* Over a block of features, for all rows. log_prob and d_row are added to, d_eta is written; derivatives are those of
 * the sum of the rows' log_prob times their weights. A missing (NaN) value counts nothing. */
static stele_status likelihood(const stele_inst *self, const stele_block *b)
{
    for (int64_t r = 0; r < b->n_rows; r++) {
        double log_size = stele_block_row(b, 0, r), weight = b->d_eta != NULL ? stele_block_real(b, b->weight, r) : 0.0;
        double sum = 0.0, d_size = 0.0;
        int64_t at = b->x->begin[r];
        for (int64_t j = 0; j < b->n_features; j++) {
            double x = value_at(b->x, r, b->first + j, &at), d = 0.0;
            if (!isnan(x)) {
                sum += log_prob(self->counts.host->vec, x, stele_block_eta(b, 0, r, j) + log_size, &d);
            }
            if (b->d_eta != NULL) {
                store(b, b->d_eta[0], r * b->n_features + j, weight * d);
                d_size += weight * d;
            }
        }
        b->log_prob[r] += sum;
        if (b->d_row != NULL && b->d_row[0] != NULL) {
            store(b, b->d_row[0], r, stele_block_real(b, b->d_row[0], r) + d_size);
        }
    }
    return STELE_OK;
}

/* 5. Mean, mode and samples. Smallest count whose cumulative probability exceeds u. */
static double quantile(double mean, double u)
{
    double p = exp(-mean), cumulative = p, x = 0.0, limit = mean + 60.0 * sqrt(mean) + 100.0;
    while (cumulative < u && x < limit) {
        x += 1.0;
        p *= mean / x;
        cumulative += p;
    }
    return x;
}

static double draw_one(const stele_block *b, uint32_t what, int64_t row, int64_t j, const double *u)
{
    double log_mean = stele_block_eta(b, 0, row, j) + stele_block_row(b, 0, row);
    double mean = exp(log_mean < LOG_MEAN_MAX ? log_mean : LOG_MEAN_MAX);
    if (what == STELE_DRAW_SAMPLE) {
        /* Where exp(-mean) is 0 the sum has nowhere to start; the distribution is narrow there. */
        return mean < 500.0 ? quantile(mean, u[0]) : floor(mean + sqrt(mean) * (2.0 * u[0] - 1.0) * sqrt(3.0) + 0.5);
    }
    return what == STELE_DRAW_MODE ? floor(mean) : mean;
}

static stele_status draw(const stele_inst *self, const stele_block *b, const stele_draw *d)
{
    (void)self;
    return stele_draw_elements(b, d, 1, draw_one);
}

/* 6. What the host is told: the functions above, and who made this. Each of `caps` is a promise that stele-check puts
 * to the test; without STELE_CAP_F64 no derivative can be. */
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
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_MODALITY,
    .min_host_minor = STELE_ABI_MINOR,
    .caps = STELE_CAP_ROW_INDEPENDENT | STELE_CAP_BITWISE_REPEAT | STELE_CAP_F64 | STELE_CAP_SAMPLES,
    .id = "modality/my_plugin",
    .version = "0.1.0",
    .summary = "Counts with a Poisson likelihood.",
    .license = "BSD-3-Clause",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
