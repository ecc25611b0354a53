/* Metrics of predicted spectra: against the periodograms of the windows, channel by channel, over
 * the frequencies that have powers of their own but 0, which is the window's mean. Flat channels
 * and those that lack a sample have none.
 *
 * A periodogram is noise of the size of the spectrum itself: even of the true spectrum the log
 * differs by 1.28 (pi / sqrt 6), and the correlation is below 1. */
#include "spectrum.h"

#include <stele/metrics.h>

#include <math.h>
#include <stdlib.h>

/* What a row adds: channels that vary over frequencies and their correlations; channels, distances
 * of the dominant frequencies, and how many of those are at most 1. */
enum { CORRELATED = 0, CORRELATION, CHANNELS, DISTANCE, NEAR, WIDTH };

uint32_t spectrum_tally_width(const stele_inst *self)
{
    (void)self;
    return WIDTH;
}

/* The lowest of those with the most power. */
static int64_t largest(const double *a, int64_t n)
{
    int64_t at = 0;
    for (int64_t k = 1; k < n; k++) {
        at = a[k] > a[at] ? k : at;
    }
    return at;
}

/* Logs of the powers of one channel, measured and predicted, n each. */
static void compare(const double *measured, const double *predicted, int64_t n, double *row)
{
    const double r = stele_pearson(n, measured, predicted);
    const double d = fabs((double)(largest(predicted, n) - largest(measured, n)));
    row[CORRELATED] += isnan(r) ? 0.0 : 1.0;
    row[CORRELATION] += isnan(r) ? 0.0 : r;
    row[CHANNELS] += 1.0;
    row[DISTANCE] += d;
    row[NEAR] += d <= 1.0 ? 1.0 : 0.0;
}

/* p: (R, channels, low + 1) periodograms times weights; s: (R, channels, low) predicted powers.
 * room (2 low). What is below the floor counts as that. */
static void compare_all(const stele_inst *self, const stele_view *p, const stele_view *s,
                        double *room, double *value)
{
    const int64_t channels = self->windows.channels, low = self->low, n = low - 1;
    for (int64_t i = 0; i < s->shape.dim[0] * channels; i++) {
        if (isnan(windows_value(p->dtype, p->data, i * (low + 1)))) {
            continue;
        }
        for (int64_t k = 1; k < low; k++) {
            const double power =
                windows_value(p->dtype, p->data, i * (low + 1) + k) / spectrum_weight(self, k);
            room[k - 1] = log(fmax(power, self->config->floor));
            room[low + k - 1] = log(windows_value(s->dtype, s->data, i * low + k));
        }
        compare(room, room + low, n, value + i / channels * WIDTH);
    }
}

stele_status spectrum_tally(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                            stele_tensor **ret_rows)
{
    const stele_ops *ops = self->windows.host->ops;
    stele_tensor *p = NULL, *low = NULL, *noise = NULL;
    stele_view measured = { .struct_size = sizeof measured }, predicted = measured;
    stele_status status = spectrum_periodograms(self, g, a->target, &p);
    status = status == STELE_OK ? spectrum_powers(self, g, a, &low, &noise) : status;
    status = status == STELE_OK ? ops->view(p, &measured) : status;
    status = status == STELE_OK ? ops->view(low, &predicted) : status;
    if (status != STELE_OK) {
        return status;
    }
    const stele_shape shape = stele_shape2(predicted.shape.dim[0], WIDTH);
    const size_t n = (size_t)(shape.dim[0] * WIDTH);
    double *value = ops->scratch(g, (n + 2 * (uint64_t)self->low) * sizeof *value);
    if (value == NULL) {
        return ops->status(g);
    }
    memset(value, 0, n * sizeof *value);
    if (self->low > 1) {
        compare_all(self, &measured, &predicted, value + n, value);
    }
    *ret_rows = ops->cast(g, ops->constant(g, STELE_F64, &shape, value), ops->dtype(g));
    return ops->status(g);
}

stele_status spectrum_tally_end(const stele_inst *self, const double *sum, uint32_t capacity,
                                stele_metric *ret, uint32_t *ret_n)
{
    const double n = sum[CHANNELS] > 0.0 ? sum[CHANNELS] : (double)NAN;
    const double varied = sum[CORRELATED] > 0.0 ? sum[CORRELATED] : (double)NAN;
    (void)self;
    if (capacity < 3) {
        return STELE_E_ARG;
    }
    stele_metric_set(&ret[0], "log_spectrum_correlation", sum[CORRELATION] / varied, 1);
    stele_metric_set(&ret[1], "peak_error", sum[DISTANCE] / n, 0);
    stele_metric_set(&ret[2], "peak_within_1", sum[NEAR] / n, 1);
    *ret_n = 3;
    return STELE_OK;
}
