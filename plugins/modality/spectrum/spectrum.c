/* modality/spectrum - windows of signals as stationary processes, through their power spectra.
 *
 *     x_ct = m_c + s_c y_ct,   y_c = F' u_c,   u_cj ~ N(0, S_ck(j)),
 *     S_ck = exp(eta_ck) + exp(r_c) + floor   for k <= bins,   exp(r_c) + floor   above,
 *     eta = W h + b,   r = V h + a,   h = decoder(z)
 *
 * for channel c, sample t and frequency k; F is the orthonormal Fourier transform in real numbers
 * (one cosine and one sine of each frequency), k(j) the frequency of coordinate j. This is the
 * Gaussian likelihood of a window that goes round in a circle, and Whittle's for any stationary
 * one: with the periodogram P_ck = u_cos^2 / 2 + u_sin^2 / 2 and w_k = 1, but 1/2 for frequencies
 * with one coordinate,
 *
 *     log p(x | z) = -sum_ck w_k (log S_ck + P_ck / S_ck) - sum_c T (log s_c + log(2 pi) / 2).
 *
 * It asks z for rhythms and how strong they are, never for where they begin, which a mean of the
 * samples (modality/signal) would have to know. exp(r_c) is the noise of the window: white, the
 * window's own and a function of z; a peak of power a below it has a slope of a / S towards z, so
 * that a noisy window pulls less. How the expert of a noisy window widens: windows.h.
 *
 * How loud a window is may be another matter than what it sounds like. With nu degrees of freedom
 * (`dof`) u_cj ~ N(0, g_c S_ck), nu / g_c chi-squared, and g_c is integrated out: y_c is of the
 * multivariate t,
 *
 *     log p = log Gamma((nu + T) / 2) - log Gamma(nu / 2) - T log(nu pi) / 2 - log s_c T
 *             - sum_k w_k log S_ck - (nu + T) / 2 log(1 + 2 / nu sum_k w_k P_ck / S_ck),
 *
 * whose slope looks at P over its mean relative to S, as a window brought to one loudness would. z
 * need not hold the loudness then, and no loud window takes over.
 *
 * A channel that is flat or lacks a sample (NaN) drops out of the likelihood as a whole, since all
 * its frequencies do. The mean of x given z is the channel's. */
#include "spectrum.h"

#include <stele/plugin.h>

#include <stdlib.h>

static const stele_option options[] = {
    WINDOWS_OPTIONS(config, windows, WINDOWS_SPECTRUM),
    STELE_OPTION_I64(config, bins, "bins", 0, 0, 65536,
                     "Lowest frequencies that have a power of their own; those above are the "
                     "window's noise. 0: all."),
    STELE_OPTION_I64(config, dof, "dof", 0, 0, 1000,
                     "Degrees of freedom of how loud a channel is in a window: the fewer, the more "
                     "may windows of one spectrum differ in it. 0: it is the spectrum's alone."),
    STELE_DENSE_OPTIONS_FROM(config, decoder, "decoder", "[128]", STELE_SILU, STELE_NORM_NONE, 0.0),
    STELE_OPTION_F64(config, floor, "floor", 1e-4, 1e-12, 1e6,
                     "Added to every power, in units of the standardised samples, so that a "
                     "frequency which is silent cannot take over."),
};

enum { STREAM_DECODER = 32, STREAM_SAMPLE = 48, STREAM_LEVEL };

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    self->config = a->config;
    self->decoder_covariates = a->decoder_covariates;
    *ret = self;
    stele_status status = windows_init(a, &self->config->windows, &self->windows);
    if (status != STELE_OK) {
        return status;
    }
    self->top = self->windows.samples / 2 + 1;
    self->low = self->config->bins != 0 ? self->config->bins + 1 : self->top;
    if (self->low > self->top) {
        return STELE_FAIL(a->host, STELE_E_OPTION,
                          "bins: windows of %lld samples have %lld frequencies",
                          (long long)self->windows.samples, (long long)(self->top - 1));
    }
    const double n = (double)self->windows.samples, nu = (double)self->config->dof;
    if (self->config->dof != 0) { /* lgamma is for one thread at a time */
        self->t_constant =
            lgamma(0.5 * (nu + n)) - lgamma(0.5 * nu) - 0.5 * n * log(nu * 3.14159265358979323846);
    }
    return spectrum_basis(self);
}

static void destroy(stele_inst *self)
{
    if (self != NULL) {
        windows_finish(&self->windows);
        free(self->basis);
    }
    free(self);
}

static stele_status build(stele_inst *self, stele_build *b)
{
    const windows *w = &self->windows;
    stele_status status = windows_build(&self->windows, b);
    if (status == STELE_OK) {
        status = stele_dense_build(w->host, b, "decoder", w->latent, self->decoder_covariates, 1.0,
                                   &self->config->decoder, &self->decoder);
    }
    if (status == STELE_OK) {
        status = stele_declare_linear(w->host, b, "output", self->decoder.out,
                                      w->channels * self->low, 1.0, &self->weight, &self->bias);
    }
    return status != STELE_OK
               ? status
               : stele_declare_linear(w->host, b, "noise", self->decoder.out, w->channels, 1.0,
                                      &self->noise_weight, &self->noise_bias);
}

static stele_status validate(const stele_inst *self, const stele_view *x, stele_bad_value *ret)
{
    return windows_validate(&self->windows, x, ret);
}

static stele_status absent(const stele_inst *self, const stele_view *x, uint8_t *ret_absent)
{
    return windows_absent(&self->windows, x, ret_absent);
}

static stele_status encode(const stele_inst *self, stele_graph *g, const stele_encode_args *a,
                           stele_dist *ret_q)
{
    return windows_encode(&self->windows, g, a, ret_q);
}

/* --- likelihood ------------------------------------------------------------------------------- */

stele_status spectrum_powers(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                             stele_tensor **ret_low, stele_tensor **ret_noise)
{
    const windows *w = &self->windows;
    const stele_host *h = w->host;
    const stele_ops *ops = h->ops;
    stele_shape s;
    stele_status status = ops->shape(a->z, &s);
    if (status != STELE_OK) {
        return status;
    }
    const stele_shape low = { 3, 0, { s.dim[0], w->channels, self->low, 0, 0, 0 } };
    const stele_shape one = { 3, 0, { s.dim[0], w->channels, 1, 0, 0, 0 } };
    stele_tensor *d = stele_dense_apply(h, g, &self->decoder, a->z, a->covariates, STREAM_DECODER);
    stele_tensor *eta = ops->linear(g, d, ops->param(g, self->weight), ops->param(g, self->bias));
    stele_tensor *r =
        ops->linear(g, d, ops->param(g, self->noise_weight), ops->param(g, self->noise_bias));
    r = ops->exp(g, ops->clamp(g, ops->reshape(g, r, &one), -40.0, 40.0));
    *ret_noise = ops->shift(g, r, self->config->floor);
    eta = ops->exp(g, ops->clamp(g, ops->reshape(g, eta, &low), -40.0, 40.0));
    *ret_low = ops->add(g, eta, *ret_noise);
    return ops->status(g);
}

/* (low) weights of frequencies, as a tensor. */
static stele_status weights(const stele_inst *self, stele_graph *g, stele_tensor **ret)
{
    const stele_ops *ops = self->windows.host->ops;
    const stele_shape s = stele_shape1(self->low);
    const int is_double = ops->dtype(g) == STELE_F64;
    double *w = malloc((size_t)self->low * sizeof *w);
    if (w == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t k = 0; k < self->low; k++) {
        if (is_double) {
            w[k] = spectrum_weight(self, k);
        } else {
            ((float *)(void *)w)[k] = (float)spectrum_weight(self, k);
        }
    }
    *ret = ops->constant(g, ops->dtype(g), &s, w);
    free(w);
    return ops->status(g);
}

/* Per channel, (R, channels): sums over the frequencies of w log S, and of w P / S. */
static void misfit(const stele_inst *self, stele_graph *g, stele_tensor *p, stele_tensor *low,
                   stele_tensor *noise, stele_tensor *weight, stele_tensor *ret[2])
{
    const stele_ops *ops = self->windows.host->ops;
    stele_tensor *own = ops->slice(g, p, 2, 0, self->low);
    stele_tensor *rest = ops->slice(g, p, 2, self->low, self->low + 1);
    stele_tensor *above = ops->scale(g, ops->log(g, noise), spectrum_weight_above(self));
    ret[0] = ops->add(g, ops->sum(g, ops->mul(g, ops->log(g, low), weight), 2, 0),
                      ops->sum(g, above, 2, 0));
    ret[1] = ops->add(g, ops->sum(g, ops->div(g, own, low), 2, 0),
                      ops->sum(g, ops->div(g, rest, noise), 2, 0));
}

/* -log p of a channel's standardised samples, from those sums. */
static stele_tensor *minus_log_p(const stele_inst *self, stele_graph *g, stele_tensor *const m[2])
{
    const stele_ops *ops = self->windows.host->ops;
    const double n = (double)self->windows.samples, nu = (double)self->config->dof;
    if (self->config->dof == 0) {
        return ops->shift(g, ops->add(g, m[0], m[1]), 0.91893853320467274178 * n);
    }
    stele_tensor *spread = ops->log(g, ops->shift(g, ops->scale(g, m[1], 2.0 / nu), 1.0));
    return ops->shift(g, ops->add(g, m[0], ops->scale(g, spread, 0.5 * (nu + n))),
                      -self->t_constant);
}

static stele_status log_prob(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                             stele_tensor **ret_rows)
{
    const windows *w = &self->windows;
    const stele_ops *ops = w->host->ops;
    const stele_shape scalar = { 0 };
    stele_tensor *m[2], *p = NULL, *low = NULL, *noise = NULL, *weight = NULL;
    stele_status status = spectrum_periodograms(self, g, a->target, &p);
    if (status == STELE_OK) {
        status = spectrum_powers(self, g, a, &low, &noise);
    }
    if (status == STELE_OK) {
        status = weights(self, g, &weight);
    }
    if (status != STELE_OK) {
        return status;
    }
    stele_tensor *zero = ops->full(g, &scalar, 0.0), *missing = ops->is_nan(g, p);
    misfit(self, g, ops->where(g, missing, zero, p), low, noise, weight, m);
    const stele_shape rows = stele_shape2(w->channels, w->samples);
    stele_tensor *unit = ops->sum(g, ops->reshape(g, ops->param(g, w->log_scale), &rows), 1, 0);
    stele_tensor *sum = ops->add(g, minus_log_p(self, g, m), unit);
    sum = ops->where(g, ops->max(g, missing, 2, 0), zero, sum);
    *ret_rows = ops->scale(g, ops->sum(g, sum, 1, 0), -1.0);
    return ops->status(g);
}

/* --- draws ------------------------------------------------------------------------------------ */

/* Loudness of each channel, (R, channels, 1): g = nu over a sum of nu squares. */
static stele_tensor *draw_levels(const stele_inst *self, stele_graph *g, int64_t rows)
{
    const stele_ops *ops = self->windows.host->ops;
    const int64_t nu = self->config->dof;
    const stele_shape all = { 3, 0, { rows, self->windows.channels, nu, 0, 0, 0 } };
    const stele_shape scalar = { 0 };
    stele_tensor *sum = ops->sum(g, ops->square(g, ops->noise(g, &all, STREAM_LEVEL)), 2, 1);
    return ops->div(g, ops->full(g, &scalar, (double)nu), sum);
}

/* Standard normal coordinates times the roots of their powers, and back to samples: (R, channels,
 * samples). */
static stele_tensor *draw_samples(const stele_inst *self, stele_graph *g, stele_tensor *low,
                                  stele_tensor *noise, int64_t rows)
{
    const windows *w = &self->windows;
    const stele_ops *ops = w->host->ops;
    const int64_t n = w->samples, c = w->channels, above = self->top - self->low;
    const stele_shape all = { 3, 0, { rows, c, n, 0, 0, 0 } }, square = stele_shape2(n, n);
    const stele_shape rest = { 3, 0, { rows, c, above > 0 ? above : 1, 0, 0, 0 } };
    stele_tensor *part[2] = { low, ops->expand(g, noise, &rest) };
    stele_tensor *power = above > 0 ? ops->concat(g, 2, part, 2) : low;
    if (self->config->dof != 0) {
        power = ops->mul(g, power, draw_levels(self, g, rows));
    }
    part[0] = power;
    part[1] = ops->slice(g, power, 2, 1, 1 + n - self->top);
    stele_tensor *u =
        ops->mul(g, ops->sqrt(g, ops->concat(g, 2, part, 2)), ops->noise(g, &all, STREAM_SAMPLE));
    stele_tensor *basis =
        ops->cast(g, ops->constant(g, STELE_F64, &square, self->basis), ops->dtype(g));
    return ops->matmul(g, u, basis, 0, 1);
}

static stele_status generate(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                             uint32_t what, stele_tensor **ret_x)
{
    const windows *w = &self->windows;
    const stele_ops *ops = w->host->ops;
    stele_tensor *low = NULL, *noise = NULL;
    stele_shape s;
    stele_status status = spectrum_powers(self, g, a, &low, &noise);
    status = status == STELE_OK ? ops->shape(a->z, &s) : status;
    if (status != STELE_OK) {
        return status;
    }
    const stele_shape all = { 3, 0, { s.dim[0], w->channels, w->samples, 0, 0, 0 } };
    const stele_shape one = stele_shape2(w->channels, w->samples);
    stele_tensor *y = what == STELE_DRAW_SAMPLE ? draw_samples(self, g, low, noise, s.dim[0])
                                                : ops->full(g, &all, 0.0);
    stele_tensor *scale = ops->exp(g, ops->reshape(g, ops->param(g, w->log_scale), &one));
    stele_tensor *x =
        ops->add(g, ops->mul(g, y, scale), ops->reshape(g, ops->param(g, w->centre), &one));
    if (w->config->channels != 0) {
        s = stele_shape2(s.dim[0], w->channels * w->samples);
        x = ops->reshape(g, x, &s);
    }
    *ret_x = x;
    return ops->status(g);
}

static const stele_modality_vt vtable = {
    .struct_size = sizeof vtable,
    .create = create,
    .destroy = destroy,
    .build = build,
    .validate = validate,
    .fit = spectrum_fit,
    .encode = encode,
    .log_prob = log_prob,
    .generate = generate,
    .absent = absent,
    .tally_width = spectrum_tally_width,
    .tally = spectrum_tally,
    .tally_end = spectrum_tally_end,
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_MODALITY,
    .min_host_minor = STELE_ABI_MINOR,
    .caps =
        STELE_CAP_ROW_INDEPENDENT | STELE_CAP_BITWISE_REPEAT | STELE_CAP_F64 | STELE_CAP_SAMPLES,
    .id = "modality/spectrum",
    .version = "0.1.0",
    .summary = "Windows of signals as stationary processes: power spectra, noise of each window.",
    .license = "BSD-3-Clause",
    .reference = "Whittle, J. R. Stat. Soc. B 15, 125 (1953)",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
