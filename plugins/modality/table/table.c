/* modality/table - columns of several kinds in one measurement: clinical data, registries.
 *
 * Every column j has a type, by the spec or by what its values in the training rows suggest, and
 * log p(x | z) is the sum over the columns that a row has. With eta = decoder(z), m and s a mean
 * and a standard deviation over the training rows, v a variance that is learned:
 *
 *     real        (x - m) / s ~ N(eta, v)
 *     positive    (log x - m) / s ~ N(eta, v)
 *     proportion  (logit x - m) / s ~ N(eta, v) inside (0, 1); where training rows have exact 0 or
 *                 1, which of these or inside, by softmax(eta) (Ospina and Ferrari 2010)
 *     count       negative binomial, log mean eta
 *     binary      Bernoulli, logit eta
 *     ordered     cumulative logit (McCullagh 1980)
 *     unordered   softmax(eta)
 *
 * Where few training rows have a column s and v are no smaller than that allows (fit.c). Densities
 * are those of x in its own unit. A missing entry adds nothing to the likelihood and nothing to the
 * encoder but, if wanted, a 1 in its indicator. */
#include "table.h"

#include <stele/gaussian.h>

#include <math.h>
#include <stdlib.h>

#define TYPE_OPTION(type_, name_, help_)                                                           \
    STELE_OPTION_STR_LIST(table_config, type[type_], name_, "[]", help_)

static const stele_option options[] = {
    TYPE_OPTION(
        TABLE_REAL, "real",
        "Columns, names or patterns (`CN.*`), of real numbers; the type of a column that no "
        "such list has is found from the training rows."),
    TYPE_OPTION(TABLE_POSITIVE, "positive",
                "Columns of numbers above 0, normal in their logarithm."),
    TYPE_OPTION(TABLE_PROPORTION, "proportion", "Columns of numbers from 0 to 1."),
    TYPE_OPTION(TABLE_COUNT, "count", "Columns of counts."),
    TYPE_OPTION(TABLE_BINARY, "binary", "Columns of two values."),
    TYPE_OPTION(TABLE_ORDERED, "ordered",
                "Columns of ordered levels: numbers ascend; levels that are texts are named, as in "
                "`size = small < large`."),
    TYPE_OPTION(TABLE_UNORDERED, "unordered", "Columns of levels without an order."),
    STELE_DENSE_OPTIONS_FROM(table_config, encoder, "encoder", "[128]", STELE_SILU, STELE_NORM_NONE,
                             0.0),
    STELE_OPTION_BOOL(table_config, indicator, "encoder.indicator", 1,
                      "Show the encoder which entries are missing, beside a 0 in their place."),
    STELE_OPTION_F64(table_config, input_dropout, "encoder.input_dropout", 0.0, 0.0, 0.9,
                     "Mean share of a row's entries hidden from the encoder while training; every "
                     "row draws its own share, uniform between 0 and twice this."),
    STELE_OPTION_F64(table_config, input_decay, "encoder.input_decay", 1.0, 0.0, 1e6,
                     "Factor on the weight decay of the encoder's first layer."),
    STELE_DENSE_OPTIONS_FROM(table_config, decoder, "decoder", "[128]", STELE_SILU, STELE_NORM_NONE,
                             0.0),
    STELE_OPTION_F64(table_config, output_decay, "decoder.output_decay", 1.0, 0.0, 1e6,
                     "Factor on the weight decay of the decoder's output layer."),
    STELE_OPTION_F64(
        table_config, least_variance, "least_variance", 1e-4, 1e-12, 1e6,
        "Added to every variance, in units of the standardised columns, so that a column "
        "which is predicted without error cannot take over."),
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    const stele_field *f = a->input;
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    *ret = self;
    self->host = a->host;
    self->config = a->config;
    self->latent = (int64_t)a->latent_dim + (int64_t)a->private_dim;
    self->encoder_covariates = a->encoder_covariates;
    self->decoder_covariates = a->decoder_covariates;
    if (f->sample.ndim != 1 || f->sample.dim[0] < 1 || f->layout != STELE_DENSE) {
        return STELE_FAIL(a->host, STELE_E_SHAPE,
                          f->sample.ndim > 1
                              ? "from: the measurement is not one row of columns: images are for "
                                "plugin image, windows for signal"
                              : "from: the measurement is not one dense row of columns");
    }
    self->n_columns = f->sample.dim[0];
    self->feature = f->feature;
    return table_settle(self);
}

static void destroy(stele_inst *self)
{
    if (self == NULL) {
        return;
    }
    for (int64_t j = 0; self->column != NULL && j < self->n_columns; j++) {
        free(self->column[j].rank);
    }
    free(self->column);
    free(self->term);
    free(self);
}

/* One parameter of each group's terms, where there are such. */
static stele_status declare_group(const stele_inst *self, stele_build *b, const char *name,
                                  int64_t n, uint32_t *ret)
{
    return n == 0 ? STELE_OK
                  : stele_declare(self->host, b, "output", name, stele_shape1(n), STELE_INIT_ZERO,
                                  0.0, 0.0, ret);
}

static stele_status build_output(stele_inst *self, stele_build *b)
{
    const stele_host *h = self->host;
    const stele_shape terms = stele_shape1(self->n_terms);
    stele_status status =
        stele_declare_linear(h, b, "output", self->decoder.out, self->n_eta,
                             self->config->output_decay, &self->weight, &self->bias);
    if (status == STELE_OK) {
        status = declare_group(self, b, "log_variance", table_count(self, TABLE_NORMAL),
                               &self->log_variance);
    }
    if (status == STELE_OK) {
        const stele_shape normal = stele_shape1(table_count(self, TABLE_NORMAL));
        if (normal.dim[0] > 0) {
            status = h->build->buffer(b, "least_log_variance", &normal, -STELE_GAUSSIAN_LOG_MAX,
                                      &self->least_log_variance);
        }
    }
    if (status == STELE_OK) {
        status = declare_group(self, b, "log_dispersion", table_count(self, TABLE_COUNTS),
                               &self->log_dispersion);
    }
    if (status == STELE_OK) {
        status = declare_group(self, b, "thresholds", self->n_thresholds, &self->thresholds);
    }
    if (status == STELE_OK) {
        status = h->build->buffer(b, "centre", &terms, 0.0, &self->centre);
    }
    return status != STELE_OK ? status
                              : h->build->buffer(b, "log_scale", &terms, 0.0, &self->log_scale);
}

static stele_status build(stele_inst *self, stele_build *b)
{
    const stele_host *h = self->host;
    const table_config *c = self->config;
    const int64_t n = self->n_inputs + (c->indicator ? self->n_columns : 0);
    stele_status status = stele_dense_build(h, b, "encoder", n, self->encoder_covariates,
                                            c->input_decay, &c->encoder, &self->encoder);
    if (status == STELE_OK) {
        status = stele_gaussian_head_build(h, b, self->encoder.out, self->latent, &self->expert);
    }
    if (status == STELE_OK) {
        status = stele_dense_build(h, b, "decoder", self->latent, self->decoder_covariates, 1.0,
                                   &c->decoder, &self->decoder);
    }
    return status == STELE_OK ? build_output(self, b) : status;
}

static const stele_modality_vt vt = { .struct_size = sizeof vt,
                                      .create = create,
                                      .destroy = destroy,
                                      .build = build,
                                      .validate = table_validate,
                                      .fit = table_fit,
                                      .encode = table_encode,
                                      .log_prob = table_log_prob,
                                      .generate = table_generate,
                                      .score_size = table_score_size,
                                      .score_add = table_score_add,
                                      .score_end = table_score_end };

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_MODALITY,
    .min_host_minor = STELE_ABI_MINOR,
    .caps = STELE_CAP_ROW_INDEPENDENT | STELE_CAP_BITWISE_REPEAT | STELE_CAP_F64 |
            STELE_CAP_SAMPLES | STELE_CAP_COLUMNS,
    .must_understand = STELE_CAP_COLUMNS,
    .id = "modality/table",
    .version = "0.1.0",
    .summary = "Columns of several kinds: numbers, counts, shares, classes; entries may be missing",
    .license = "BSD-3-Clause",
    .reference = "Nazabal et al. 2020, Handling incomplete heterogeneous data using VAEs",
    STELE_PLUGIN_OPTIONS(options, table_config),
    .vtable = &vt,
};

STELE_LIBRARY(&plugin)
