/* spectrum.h - the instance of modality/spectrum, and the transform between samples and frequencies
 * (periodogram.c), with what it gives parameters to start from, and metrics (score.c). */
#ifndef SPECTRUM_H
#define SPECTRUM_H

#include "windows.h"

typedef struct config {
    windows_config windows;
    stele_dense_config decoder;
    int64_t bins, dof;
    double floor;
} config;

struct stele_inst {
    const config *config;
    windows windows;
    int64_t decoder_covariates, low, top; /* low: frequencies 0 .. low - 1 have powers; top: all */
    stele_dense decoder;
    uint32_t weight, bias, noise_weight, noise_bias;
    double t_constant; /* of the multivariate t */
    double *basis; /* (samples, samples): sample t of coordinate j; cosines 0 .. top - 1, sines */
};

stele_status spectrum_basis(stele_inst *self);
/* w of frequency k, and of all frequencies above those with powers of their own. */
double spectrum_weight(const stele_inst *self, int64_t k);
double spectrum_weight_above(const stele_inst *self);
/* w P of windows (R, sample...): (R, channels, low + 1), the last the sum of what lies above; NaN
 * for channels that are flat or lack a sample. */
stele_status spectrum_periodograms(const stele_inst *self, stele_graph *g, stele_tensor *x,
                                   stele_tensor **ret);
/* Powers (R, channels, low) and the noise (R, channels, 1), floor included. */
stele_status spectrum_powers(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                             stele_tensor **ret_low, stele_tensor **ret_noise);
/* Slots. */
uint32_t spectrum_tally_width(const stele_inst *self);
stele_status spectrum_tally(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                            stele_tensor **ret_rows);
stele_status spectrum_tally_end(const stele_inst *self, const double *sum, uint32_t capacity,
                                stele_metric *ret, uint32_t *ret_n);
/* The slot fit. */
stele_status spectrum_fit(const stele_inst *self, stele_fit *f);

#endif
