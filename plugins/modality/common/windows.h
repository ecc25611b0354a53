/* windows.h - what plugins for windows of signals share: the extents of a window, which channels
 * are flat, standardisation (windows.c), and an encoder of samples and spectra (encoder.c).
 *
 * A window is (channels, samples), or a flat row of its channels one after the other. What is
 * missing (NaN) in it, and channels that are flat, look to the encoder like the channel's mean; an
 * indicator tells it where.
 *
 * The expert's width. The encoder's last layer sees, beside what convolutions and spectrum give,
 * the logarithms of each channel's mean square and of that of its differences: how much goes on,
 * and how much of it is fast. A window of noise shows there, and log-variances of the expert are
 * linear in a hidden layer that knows it. What teaches the encoder to widen is the bound: while
 * training, `encoder.noise` replaces the window that the encoder sees by white noise in some rows,
 * whose likelihood is that of the true window nevertheless. Of a window of noise nothing about the
 * true one can be said, so the best expert there is the widest, the prior, and the product of
 * experts leaves the row to the other modalities. Nothing of the noise reaches the likelihood. */
#ifndef WINDOWS_H
#define WINDOWS_H

#include <stele/convolution.h>
#include <stele/kinds.h>

enum { WINDOWS_SAMPLES = 0, WINDOWS_SPECTRUM, WINDOWS_BOTH };
enum { WINDOWS_LEAST = 4 };
/* Noise streams of a plugin from 16 on are free. */
enum { WINDOWS_STREAM_KEPT = 1, WINDOWS_STREAM_NOISE, WINDOWS_STREAM_LEVEL, WINDOWS_STREAM = 8 };

static const char *const windows_view_names[] = { "samples", "spectrum", "both", NULL };

/* Part of the config block; WINDOWS_OPTIONS makes its rows. */
typedef struct windows_config {
    stele_dense_config encoder;
    stele_conv_config layers;
    int64_t channels, bins;
    double flat, noise;
    int32_t view, indicator, standardise, reserved;
} windows_config;

#define WINDOWS_OPTIONS(type_, fld_, view_)                                                        \
    STELE_OPTION_I64(type_, fld_.channels, "channels", 0, 0, 65536,                                \
                     "Channels of windows that come as flat rows, one after the other; 0: rows "   \
                     "are (channels, samples)."),                                                  \
        STELE_OPTION_F64(type_, fld_.flat, "flat", 0.0, -1.0, 1e12,                                \
                         "A channel whose samples have at most this standard deviation, in the "   \
                         "unit of the data, is flat: it counts as missing, and a window of "       \
                         "nothing but flat and missing channels as absent; -1: none is flat."),    \
        STELE_OPTION_BOOL(type_, fld_.standardise, "standardise", 1,                               \
                          "Subtract each channel's mean over the training rows and divide by its " \
                          "standard deviation."),                                                  \
        STELE_OPTION_ENUM(type_, fld_.view, "encoder.view", windows_view_names, view_,             \
                          "What the encoder sees: the samples, through convolutions; the "         \
                          "logarithm of each channel's power spectrum, standardised; or both."),   \
        STELE_OPTION_I64_LIST(type_, fld_.layers.channels, "encoder.channels", "[32, 64]", 1,      \
                              4096,                                                                \
                              "samples: channels of the encoder's convolutions, first to last; "   \
                              "each halves the number of samples."),                               \
        STELE_OPTION_I64(type_, fld_.layers.kernel, "encoder.kernel", 5, 2, 63,                    \
                         "samples: samples that a convolution of the encoder spans."),             \
        STELE_OPTION_BOOL(type_, fld_.indicator, "encoder.indicator", 1,                           \
                          "samples: show the convolutions which samples are missing, as further "  \
                          "channels."),                                                            \
        STELE_OPTION_I64(type_, fld_.bins, "encoder.bins", 0, 0, 65536,                            \
                         "spectrum: its lowest frequencies, without 0; 0: all up to half the "     \
                         "sampling rate."),                                                        \
        STELE_OPTION_F64(type_, fld_.noise, "encoder.noise", 0.0, 0.0, 0.9,                        \
                         "Share of windows in whose place the encoder sees noise while training, " \
                         "so that it learns to trust a noisy sensor less."),                       \
        STELE_DENSE_OPTIONS_FROM(type_, fld_.encoder, "encoder", "[128]", STELE_SILU,              \
                                 STELE_NORM_NONE, 0.0)

typedef struct windows {
    const stele_host *host;
    const windows_config *config;
    int64_t channels, samples, bins, latent, covariates;
    stele_conv layers;
    stele_dense encoder;
    stele_gaussian_head expert;
    uint32_t centre, log_scale; /* buffers (channels * samples), the same in all of a channel */
    uint32_t bin_centre, bin_log_scale; /* (channels * bins), of log power */
    double *wave;                       /* (samples, 2 bins): cosines and sines under a taper */
} windows;

/* The slot create: extents, and the table of waves. windows_finish is due in any case. */
stele_status windows_init(const stele_create_args *a, const windows_config *c, windows *w);
void windows_finish(windows *w);
/* Declare the encoder and the buffers of standardisation. */
stele_status windows_build(windows *w, stele_build *b);

/* Slots. */
stele_status windows_validate(const windows *w, const stele_view *x, stele_bad_value *ret);
stele_status windows_absent(const windows *w, const stele_view *x, uint8_t *ret_absent);
stele_status windows_fit(const windows *w, stele_fit *f);
/* The same; `look`, if there is one, sees each chunk of rows as well, and ret_log_scale (channels),
 * NULL or not, gets the logarithms of the standard deviations, 0 where samples are not
 * standardised. */
stele_status windows_fit_looking(const windows *w, stele_fit *f,
                                 void (*look)(void *user, const stele_view *x), void *user,
                                 double *ret_log_scale);
stele_status windows_encode(const windows *w, stele_graph *g, const stele_encode_args *a,
                            stele_dist *ret_q);

/* Is channel c of the window that starts at element `begin` of data flat, or without a sample? */
int windows_is_flat(const windows *w, uint32_t dtype, const void *data, int64_t begin, int64_t c);
/* (n, sample...) -> (n, channels, samples), NaN in flat channels. */
stele_status windows_seen(const windows *w, stele_graph *g, stele_tensor *x, stele_tensor **ret);
/* Of that, without NaN there: standardised, 0 where something is missing. *ret_missing: 1 there. */
stele_tensor *windows_standard(const windows *w, stele_graph *g, stele_tensor *seen,
                               stele_tensor **ret_missing);
double windows_value(uint32_t dtype, const void *data, int64_t i);
/* Logarithms of the powers |sum_t x_t taper_t exp(-2 pi i k t / T)|^2 of a channel x without NaN,
 * for frequencies 1 .. bins and a taper with a sum of squares of 1. None is below 1e-6 of their
 * mean, so that what rounding leaves of a silent frequency is no feature. 0: there is no power at
 * all. room (2 bins). */
int windows_log_powers(const windows *w, const double *x, double *room, double *ret);

#endif
