/* spikes.h - windows of bins: their shape, and the layers over time before the encoder's dense
 * stack. */
#ifndef SPIKES_H
#define SPIKES_H

#include <stele/count_model.h>
#include <stele/recurrent.h>

enum { SPIKES_DENSE = 0, SPIKES_CONV, SPIKES_GRU };
enum { SPIKES_MOST_LAYERS = 8 };

/* Part of the config block. */
typedef struct spikes_config {
    stele_i64_list channels;
    int64_t kernel, state, bins;
    int32_t kind, reserved;
} spikes_config;

typedef struct spikes_window {
    const spikes_config *config;
    int64_t bins, neurons, out; /* of what encode gets; out: width of what the dense stack gets */
    int64_t row_bins;           /* of a row, which the decoder predicts: `bins`, or 1 */
    int32_t activation, reserved;
    uint32_t weight[SPIKES_MOST_LAYERS], bias[SPIKES_MOST_LAYERS]; /* conv */
    stele_gru gru;
} spikes_window;

/* In create(): bins and neurons of a row, which is (neurons) or (bins, neurons), or of a window of
 * rows of one bin. */
stele_status spikes_window_init(const stele_create_args *a, const spikes_config *c,
                                spikes_window *w);
stele_status spikes_window_build(const stele_host *h, stele_build *b, int32_t activation,
                                 spikes_window *w);
/* Give the first layer its start, for inputs of root mean square length `norm` over all bins. */
stele_status spikes_window_fit(const stele_host *h, stele_fit *f, const spikes_window *w,
                               double norm);
/* x (n, sample...) or CSR -> (n, bins * neurons). */
stele_status spikes_window_flat(const stele_host *h, stele_graph *g, const spikes_window *w,
                                stele_tensor *x, stele_tensor **ret);
/* in (n, bins * neurons) dense or CSR -> (n, out). */
stele_status spikes_window_apply(const stele_host *h, stele_graph *g, const spikes_window *w,
                                 stele_tensor *in, stele_tensor **ret);

#endif
