#include "windows.h"

#include <stdlib.h>

double windows_value(uint32_t dtype, const void *data, int64_t i)
{
    return dtype == STELE_F64 ? ((const double *)data)[i] : (double)((const float *)data)[i];
}

/* --- extents ---------------------------------------------------------------------------------- */

static stele_status read_extents(const stele_host *h, const stele_field *input, windows *w)
{
    const stele_shape *s = &input->sample;
    const int64_t c = w->config->channels;
    if (input->layout != STELE_DENSE || s->ndim < 1 || s->ndim > 2 || s->dim[0] < 1) {
        return STELE_FAIL(h, STELE_E_SHAPE,
                          "a row must be a window of signals, (channels, samples), dense and of "
                          "fixed length");
    }
    if (s->ndim == 1 && c == 0) {
        return STELE_FAIL(h, STELE_E_SHAPE,
                          "a row must be (channels, samples); flat rows need `channels`");
    }
    if (s->ndim == 1 && s->dim[0] % c != 0) {
        return STELE_FAIL(h, STELE_E_OPTION, "channels: rows of %lld samples are not %lld channels",
                          (long long)s->dim[0], (long long)c);
    }
    if (s->ndim == 2 && c != 0) {
        return STELE_FAIL(h, STELE_E_OPTION,
                          "channels: is for flat rows, the measurement has extents of its own");
    }
    w->channels = s->ndim == 2 ? s->dim[0] : c;
    w->samples = s->ndim == 2 ? s->dim[1] : s->dim[0] / c;
    if (w->samples < WINDOWS_LEAST) {
        return STELE_FAIL(h, STELE_E_SHAPE, "windows of %lld samples: at least %d are needed%s",
                          (long long)w->samples, WINDOWS_LEAST,
                          w->channels > w->samples ? "; where channels come last write "
                                                     "channels_last: [NAME] to source npy"
                                                   : "");
    }
    return STELE_OK;
}

/* A taper (Hann) keeps a strong rhythm from hiding a weak one beside it. */
static stele_status make_waves(windows *w)
{
    const double turn = 6.28318530717958647692 / (double)w->samples;
    double sum = 0.0;
    w->wave = malloc((size_t)(2 * w->bins * w->samples) * sizeof *w->wave);
    if (w->wave == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t t = 0; t < w->samples; t++) {
        const double taper = 0.5 - 0.5 * cos(turn * ((double)t + 0.5));
        sum += taper * taper;
    }
    for (int64_t t = 0; t < w->samples; t++) {
        const double taper = (0.5 - 0.5 * cos(turn * ((double)t + 0.5))) / sqrt(sum);
        for (int64_t k = 0; k < w->bins; k++) {
            const double at = turn * (double)((k + 1) * t % w->samples);
            w->wave[2 * w->bins * t + k] = taper * cos(at);
            w->wave[2 * w->bins * t + w->bins + k] = taper * sin(at);
        }
    }
    return STELE_OK;
}

stele_status windows_init(const stele_create_args *a, const windows_config *c, windows *w)
{
    w->host = a->host;
    w->config = c;
    w->latent = (int64_t)a->latent_dim + (int64_t)a->private_dim;
    w->covariates = a->encoder_covariates;
    stele_status status = read_extents(a->host, a->input, w);
    if (status != STELE_OK) {
        return status;
    }
    w->bins = c->bins != 0 ? c->bins : w->samples / 2;
    if (w->bins > w->samples / 2) {
        return STELE_FAIL(a->host, STELE_E_OPTION,
                          "encoder.bins: windows of %lld samples have %lld frequencies",
                          (long long)w->samples, (long long)(w->samples / 2));
    }
    return make_waves(w);
}

void windows_finish(windows *w)
{
    free(w->wave);
}

/* --- flat channels ---------------------------------------------------------------------------- */

/* By the mean and squares of the deviations of the samples that are there (Welford 1962). */
int windows_is_flat(const windows *w, uint32_t dtype, const void *data, int64_t begin, int64_t c)
{
    double n = 0.0, mean = 0.0, squares = 0.0;
    for (int64_t t = 0; t < w->samples; t++) {
        const double v = windows_value(dtype, data, begin + c * w->samples + t), d = v - mean;
        if (!isnan(v)) {
            n += 1.0;
            mean += d / n;
            squares += d * (v - mean);
        }
    }
    return n == 0.0 || (w->config->flat >= 0.0 && sqrt(squares / n) <= w->config->flat);
}

stele_status windows_absent(const windows *w, const stele_view *x, uint8_t *ret_absent)
{
    for (int64_t r = 0; r < x->shape.dim[0]; r++) {
        int64_t c = 0;
        while (c < w->channels &&
               windows_is_flat(w, x->dtype, x->data, r * w->channels * w->samples, c)) {
            c++;
        }
        ret_absent[r] = c == w->channels;
    }
    return STELE_OK;
}

static stele_status seen_forward(void *user, uint32_t n, const stele_view *const *in, void *out)
{
    const windows *w = user;
    const int64_t row = w->channels * w->samples, all = in[0]->shape.dim[0] * row;
    (void)n;
    memcpy(out, in[0]->data,
           (size_t)all * (in[0]->dtype == STELE_F64 ? sizeof(double) : sizeof(float)));
    for (int64_t i = 0; i < all; i += w->samples) {
        if (!windows_is_flat(w, in[0]->dtype, in[0]->data, i / row * row, i % row / w->samples)) {
            continue;
        }
        for (int64_t t = i; t < i + w->samples; t++) {
            if (in[0]->dtype == STELE_F64) {
                ((double *)out)[t] = NAN;
            } else {
                ((float *)out)[t] = NAN;
            }
        }
    }
    return STELE_OK;
}

stele_status windows_seen(const windows *w, stele_graph *g, stele_tensor *x, stele_tensor **ret)
{
    static const stele_custom op = { sizeof op, "flat_channels", seen_forward, NULL };
    const stele_ops *ops = w->host->ops;
    stele_shape s;
    stele_status status = ops->shape(x, &s);
    if (status == STELE_OK) {
        s = (stele_shape){ 3, 0, { s.dim[0], w->channels, w->samples, 0, 0, 0 } };
        *ret = ops->custom(g, &op, (void *)(uintptr_t)w, 1, &x, &s);
        status = ops->status(g);
    }
    return status;
}

/* --- values ----------------------------------------------------------------------------------- */

stele_status windows_validate(const windows *w, const stele_view *x, stele_bad_value *ret)
{
    const int64_t row = w->channels * w->samples;
    for (int64_t i = 0; i < x->shape.dim[0] * row; i++) {
        const double v = windows_value(x->dtype, x->data, i);
        if (isinf(v)) {
            *ret = (stele_bad_value){ i / row, i % row, v, "is infinite" };
            return STELE_E_DATA;
        }
    }
    return STELE_OK;
}

static void power(const windows *w, const double *x, double *room, double *ret)
{
    const int64_t k = w->bins;
    memset(room, 0, (size_t)(2 * k) * sizeof *room);
    for (int64_t t = 0; t < w->samples; t++) {
        const double *wave = w->wave + 2 * k * t;
        for (int64_t i = 0; i < 2 * k; i++) {
            room[i] += x[t] * wave[i];
        }
    }
    for (int64_t i = 0; i < k; i++) {
        ret[i] = room[i] * room[i] + room[k + i] * room[k + i];
    }
}

int windows_log_powers(const windows *w, const double *x, double *room, double *ret)
{
    double mean = 0.0;
    power(w, x, room, ret);
    for (int64_t k = 0; k < w->bins; k++) {
        mean += ret[k] / (double)w->bins;
    }
    for (int64_t k = 0; k < w->bins && mean > 0.0; k++) {
        ret[k] = log(ret[k] + 1e-6 * mean);
    }
    return mean > 0.0;
}

/* --- standardisation -------------------------------------------------------------------------- */

/* Welford's running moments. */
typedef struct moments {
    double *n, *mean, *squares;
} moments;

static void add_entry(moments *m, int64_t j, double v)
{
    const double n = m->n[j] + 1.0, d = v - m->mean[j];
    m->n[j] = n;
    m->mean[j] += d / n;
    m->squares[j] += d * (v - m->mean[j]);
}

/* Statistics of the training rows: of the samples of each channel, of each frequency's log power.
 */
typedef struct statistics {
    moments sample, bin;
    double *x, *room, *power; /* (samples), (2 bins), (bins) */
} statistics;

static void add_channel(const windows *w, const stele_view *x, int64_t begin, int64_t c,
                        statistics *s)
{
    double mean = 0.0, n = 0.0;
    for (int64_t t = 0; t < w->samples; t++) {
        s->x[t] = windows_value(x->dtype, x->data, begin + c * w->samples + t);
        if (!isnan(s->x[t])) {
            add_entry(&s->sample, c, s->x[t]);
            n += 1.0;
            mean += (s->x[t] - mean) / n;
        }
    }
    for (int64_t t = 0; t < w->samples; t++) {
        s->x[t] = isnan(s->x[t]) ? 0.0 : s->x[t] - mean;
    }
    if (windows_log_powers(w, s->x, s->room, s->power)) {
        for (int64_t k = 0; k < w->bins; k++) {
            add_entry(&s->bin, c * w->bins + k, s->power[k]);
        }
    }
}

/* Logarithm of the standard deviation; 0 where there is none. */
static double log_deviation(const moments *m, int64_t j)
{
    const double v = m->n[j] > 0.0 ? m->squares[j] / m->n[j] : 0.0;
    return v > 1e-12 * m->mean[j] * m->mean[j] && v > 1e-300 ? 0.5 * log(v) : 0.0;
}

static stele_status set_statistics(const windows *w, stele_fit *f, const statistics *s,
                                   double *room)
{
    const stele_fit_api *api = w->host->fit;
    const int64_t row = w->channels * w->samples, bins = w->channels * w->bins;
    const int scaled = w->config->standardise;
    for (int64_t j = 0; j < row; j++) {
        room[j] = s->sample.mean[j / w->samples];
    }
    stele_status status = scaled ? api->set(f, w->centre, (uint64_t)row, room) : STELE_OK;
    for (int64_t j = 0; j < row; j++) {
        room[j] = log_deviation(&s->sample, j / w->samples);
    }
    if (status == STELE_OK && scaled) {
        status = api->set(f, w->log_scale, (uint64_t)row, room);
    }
    if (status != STELE_OK || w->config->view == WINDOWS_SAMPLES) {
        return status;
    }
    for (int64_t k = 0; k < bins; k++) { /* of what the encoder sees, the standardised samples */
        room[k] = s->bin.mean[k] - (scaled ? 2.0 * log_deviation(&s->sample, k / w->bins) : 0.0);
    }
    status = api->set(f, w->bin_centre, (uint64_t)bins, room);
    for (int64_t k = 0; k < bins; k++) {
        room[k] = log_deviation(&s->bin, k);
    }
    return status == STELE_OK ? api->set(f, w->bin_log_scale, (uint64_t)bins, room) : status;
}

static moments moments_at(double **room, int64_t n)
{
    const moments m = { *room, *room + n, *room + 2 * n };
    *room += 3 * n;
    return m;
}

/* Windows as (samples, channels) can be told from nothing but their extents. */
static void warn_of_turned(const windows *w)
{
    if (w->channels > w->samples && w->config->channels == 0) {
        w->host->log(w->host, STELE_LOG_WARNING,
                     "rows are (channels, samples), here %lld channels of %lld samples; where "
                     "channels come last write channels_last: [NAME] to source npy",
                     (long long)w->channels, (long long)w->samples);
    }
}

stele_status windows_fit(const windows *w, stele_fit *f)
{
    return windows_fit_looking(w, f, NULL, NULL, NULL);
}

stele_status windows_fit_looking(const windows *w, stele_fit *f,
                                 void (*look)(void *user, const stele_view *x), void *user,
                                 double *ret_log_scale)
{
    const int64_t c = w->channels, bins = c * w->bins, row = c * w->samples;
    double *room =
        calloc((size_t)(3 * c + 3 * bins + w->samples + 3 * w->bins + row + bins), sizeof *room);
    if (room == NULL) {
        return STELE_E_NOMEM;
    }
    double *at = room;
    statistics s = { .sample = moments_at(&at, c), .bin = moments_at(&at, bins) };
    s.x = at;
    s.room = s.x + w->samples;
    s.power = s.room + 2 * w->bins;
    at = s.power + w->bins;
    stele_view x = { .struct_size = sizeof x };
    warn_of_turned(w);
    stele_status status = w->host->fit->next(f, &x);
    while (status == STELE_OK && x.shape.dim[0] > 0) {
        for (int64_t i = 0; i < x.shape.dim[0] * c; i++) {
            if (!windows_is_flat(w, x.dtype, x.data, i / c * row, i % c)) {
                add_channel(w, &x, i / c * row, i % c, &s);
            }
        }
        if (look != NULL) {
            look(user, &x);
        }
        status = w->host->fit->next(f, &x);
    }
    if (status == STELE_OK) {
        status = set_statistics(w, f, &s, at);
    }
    for (int64_t k = 0; k < c && ret_log_scale != NULL; k++) {
        ret_log_scale[k] = w->config->standardise ? log_deviation(&s.sample, k) : 0.0;
    }
    free(room);
    return status;
}
