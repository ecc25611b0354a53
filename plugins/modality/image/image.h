/* image.h - the instance of modality/image, extents of images, and the parts: images of any order
 * of axes through convolutions (layers.c), what is changed in them while training (jitter.c),
 * pixels and what they give parameters to start from (values.c). */
#ifndef IMAGE_H
#define IMAGE_H

#include <stele/convolution.h>
#include <stele/kinds.h>

enum { IMAGE_LEAST = 8, IMAGE_MOST_CHANNELS = 7 };

typedef struct image_extents {
    int64_t height, width, channels;
    int32_t channels_last, reserved;
} image_extents;

enum { BERNOULLI = 0, GAUSSIAN, LAPLACE, LOGISTIC };
enum { SHARED = 0, BY_PIXEL };

typedef struct image_config {
    stele_dense_config encoder, decoder;
    stele_conv_config encoder_layers, decoder_layers;
    stele_i64_list size;
    double white, least_scale, shift, turn, zoom, noise;
    int64_t levels;
    int32_t likelihood, scale;
} image_config;

struct stele_inst {
    const stele_host *host;
    const image_config *config;
    image_extents extents;
    int64_t latent, encoder_covariates, decoder_covariates;
    stele_conv encoder_layers, decoder_layers;
    stele_dense encoder, decoder;
    stele_gaussian_head expert;
    uint32_t start_weight, start_bias; /* from the decoder's dense layers to its first image */
    uint32_t bias, scale, log_unit;
};

/* Of a row of the measurement: (H, W), (H, W, C), (C, H, W), or flat with the extents in `size`.
 * Images have at least IMAGE_LEAST pixels along each side and fewer channels than that, so the axis
 * of the channels is known. */
stele_status image_extents_read(const stele_host *h, const stele_shape *sample,
                                const stele_i64_list *size, image_extents *ret);
/* Elements of a row. */
int64_t image_count(const image_extents *e);

/* x (n, sample...), without NaN -> (n, out). */
stele_status image_encoder_apply(const stele_host *h, stele_graph *g, const image_extents *e,
                                 const stele_conv *l, stele_tensor *x, stele_tensor **ret);
/* hidden (R, in) -> (R, elements of a row), in the order of the measurement. */
stele_status image_decoder_apply(const stele_host *h, stele_graph *g, const image_extents *e,
                                 const stele_conv *l, stele_tensor *hidden, stele_tensor **ret);

/* jitter.c. The images that the encoder sees: while training, x (n, sample...) changed at random by
 * the options shift, turn, zoom and noise; else x itself. */
enum { STREAM_MOVE = 8, STREAM_NOISE = 9 };
stele_status image_jitter(const stele_inst *self, stele_graph *g, stele_tensor *x,
                          stele_tensor **ret);

/* The slots validate and fit. */
stele_status image_validate(const stele_inst *self, const stele_view *x, stele_bad_value *ret);
stele_status image_fit(const stele_inst *self, stele_fit *f);

#endif
