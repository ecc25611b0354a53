#include "spectrum.h"

#include <stdlib.h>

/* Frequency of a coordinate. */
static int64_t frequency(const stele_inst *self, int64_t j)
{
    return j < self->top ? j : j - self->top + 1;
}

static int is_single(const stele_inst *self, int64_t k)
{
    return k == 0 || 2 * k == self->windows.samples;
}

stele_status spectrum_basis(stele_inst *self)
{
    const int64_t n = self->windows.samples;
    self->basis = malloc((size_t)(n * n) * sizeof *self->basis);
    if (self->basis == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t j = 0; j < n; j++) {
        const int64_t k = frequency(self, j);
        const double scale = sqrt((is_single(self, k) ? 1.0 : 2.0) / (double)n);
        for (int64_t t = 0; t < n; t++) {
            const double at = 6.28318530717958647692 * (double)(k * t % n) / (double)n;
            self->basis[t * n + j] = scale * (j < self->top ? cos(at) : sin(at));
        }
    }
    return STELE_OK;
}

/* --- periodograms ----------------------------------------------------------------------------- */

/* w P of the standardised channel y (samples): frequencies 0 .. low - 1, then those above in one
 * sum, which is what they leave of the squares of all samples. u (samples). */
static void periodogram(const stele_inst *self, const double *y, double *u, double *ret)
{
    const int64_t n = self->windows.samples, cosines = self->low, top = self->top;
    const int64_t sines = cosines - 1 < n - top ? cosines - 1 : n - top;
    double rest = 0.0;
    memset(u, 0, (size_t)n * sizeof *u);
    memset(ret, 0, (size_t)(cosines + 1) * sizeof *ret);
    for (int64_t t = 0; t < n; t++) {
        const double *wave = self->basis + t * n;
        for (int64_t j = 0; j < cosines; j++) {
            u[j] += y[t] * wave[j];
        }
        for (int64_t j = top; j < top + sines; j++) {
            u[j] += y[t] * wave[j];
        }
        rest += 0.5 * y[t] * y[t];
    }
    for (int64_t j = 0; j < top + sines; j++) {
        if (j < cosines || j >= top) {
            ret[frequency(self, j)] += 0.5 * u[j] * u[j];
            rest -= 0.5 * u[j] * u[j];
        }
    }
    ret[cosines] = cosines < top && rest > 0.0 ? rest : 0.0;
}

static stele_status periodogram_forward(void *user, uint32_t n, const stele_view *const *in,
                                        void *out)
{
    const stele_inst *self = user;
    const int64_t samples = self->windows.samples, wide = self->low + 1;
    const int64_t all = in[0]->shape.dim[0] * self->windows.channels;
    double *y = malloc((size_t)(2 * samples + wide) * sizeof *y);
    (void)n;
    if (y == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t i = 0; i < all; i++) {
        double missing = 0.0;
        for (int64_t t = 0; t < samples; t++) {
            y[t] = windows_value(in[0]->dtype, in[0]->data, i * samples + t);
            missing += windows_value(in[1]->dtype, in[1]->data, i * samples + t);
        }
        periodogram(self, y, y + samples, y + 2 * samples);
        for (int64_t k = 0; k < wide; k++) {
            const double v = missing > 0.0 ? NAN : y[2 * samples + k];
            if (in[0]->dtype == STELE_F64) {
                ((double *)out)[i * wide + k] = v;
            } else {
                ((float *)out)[i * wide + k] = (float)v;
            }
        }
    }
    free(y);
    return STELE_OK;
}

stele_status spectrum_periodograms(const stele_inst *self, stele_graph *g, stele_tensor *x,
                                   stele_tensor **ret)
{
    static const stele_custom op = { sizeof op, "periodogram", periodogram_forward, NULL };
    const stele_ops *ops = self->windows.host->ops;
    stele_tensor *in[2], *seen = NULL;
    stele_shape s;
    stele_status status = windows_seen(&self->windows, g, x, &seen);
    if (status == STELE_OK) {
        in[0] = windows_standard(&self->windows, g, seen, &in[1]);
        status = ops->status(g);
    }
    status = status == STELE_OK ? ops->shape(x, &s) : status;
    if (status == STELE_OK) {
        s = (stele_shape){ 3, 0, { s.dim[0], self->windows.channels, self->low + 1, 0, 0, 0 } };
        *ret = ops->custom(g, &op, (void *)(uintptr_t)self, 2, in, &s);
        status = ops->status(g);
    }
    return status;
}

/* --- fit -------------------------------------------------------------------------------------- */

/* Sums over the training rows' whole channels, of the periodogram of deviations from the channel's
 * own mean in the window, but of frequency 0. */
static void add_row(const stele_inst *self, const stele_view *x, int64_t r, double *room,
                    double *sum, double *n)
{
    const windows *w = &self->windows;
    const int64_t wide = self->low + 1;
    for (int64_t c = 0; c < w->channels; c++) {
        const int64_t begin = (r * w->channels + c) * w->samples;
        double mean = 0.0;
        for (int64_t t = 0; t < w->samples; t++) {
            room[t] = windows_value(x->dtype, x->data, begin + t);
            mean += room[t] / (double)w->samples;
        }
        if (isnan(mean) || windows_is_flat(w, x->dtype, x->data, r * w->channels * w->samples, c)) {
            continue;
        }
        for (int64_t t = 0; t < w->samples; t++) {
            room[t] -= mean;
        }
        periodogram(self, room, room + w->samples, room + 2 * w->samples);
        for (int64_t k = 0; k < wide; k++) {
            sum[c * wide + k] += room[2 * w->samples + k];
        }
        n[c] += 1.0;
    }
}

double spectrum_weight(const stele_inst *self, int64_t k)
{
    return is_single(self, k) ? 0.5 : 1.0;
}

double spectrum_weight_above(const stele_inst *self)
{
    double sum = 0.0;
    for (int64_t k = self->low; k < self->top; k++) {
        sum += spectrum_weight(self, k);
    }
    return sum;
}

/* Powers start at the training rows' mean spectrum, shared between the frequency and the noise. Its
 * scale is that of the samples, which stands in the buffer by now. */
static stele_status set_starts(const stele_inst *self, stele_fit *f, const double *sum,
                               const double *n, const double *log_scale, double *ret)
{
    const stele_fit_api *api = self->windows.host->fit;
    const int64_t c = self->windows.channels, low = self->low, wide = low + 1;
    double *noise = ret + c * low;
    for (int64_t i = 0; i < c; i++) {
        double quiet = HUGE_VAL;
        for (int64_t k = 0; k < low; k++) {
            const double p = sum[i * wide + k] / fmax(n[i], 1.0) / spectrum_weight(self, k);
            ret[i * low + k] = log(p * exp(-2.0 * log_scale[i]) + 1e-3);
            quiet = fmin(quiet, ret[i * low + k]);
        }
        const double above = spectrum_weight_above(self);
        noise[i] =
            above > 0.0
                ? log(sum[i * wide + low] / fmax(n[i], 1.0) / above * exp(-2.0 * log_scale[i]) +
                      1e-3)
                : quiet - 1.0;
        ret[i * low] = 0.0; /* of the windows' means nothing was added up */
    }
    stele_status status = api->set(f, self->bias, (uint64_t)(c * low), ret);
    return status == STELE_OK ? api->set(f, self->noise_bias, (uint64_t)c, noise) : status;
}

typedef struct starts {
    const stele_inst *self;
    double *sum, *n, *room;
} starts;

static void look_at(void *user, const stele_view *x)
{
    const starts *s = user;
    for (int64_t r = 0; r < x->shape.dim[0]; r++) {
        add_row(s->self, x, r, s->room, s->sum, s->n);
    }
}

stele_status spectrum_fit(const stele_inst *self, stele_fit *f)
{
    const windows *w = &self->windows;
    const int64_t c = w->channels, wide = self->low + 1;
    double *room =
        calloc((size_t)(c * wide + 2 * c + 2 * w->samples + wide + c * wide), sizeof *room);
    if (room == NULL) {
        return STELE_E_NOMEM;
    }
    starts s = { self, room, room + c * wide, room + c * wide + 2 * c };
    double *log_scale = s.n + c;
    stele_status status = windows_fit_looking(w, f, look_at, &s, log_scale);
    if (status == STELE_OK) {
        status = set_starts(self, f, s.sum, s.n, log_scale, s.room + 2 * w->samples + wide);
    }
    free(room);
    return status;
}
