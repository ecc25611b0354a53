/* plugins/modality/morphology: the shape of a neuron, as features of several kinds or as a map of
 * its cable.
 *
 * morphology.h - what the files of this plugin share. */
#ifndef MORPHOLOGY_H
#define MORPHOLOGY_H

#include <stele/count_model.h>
#include <stele/plugin.h>

enum { MORPHOLOGY_FEATURES = 0, MORPHOLOGY_POISSON, MORPHOLOGY_DIRICHLET_MULTINOMIAL };

/* Kinds of a feature; AUTO: what the training rows say. */
enum { KIND_AUTO = 0, KIND_REAL, KIND_POSITIVE, KIND_COUNT };

typedef struct morphology_config {
    stele_dense_config encoder, decoder;
    double input_dropout, input_decay, output_decay, clump;
    stele_i64_list real, positive, counts;
    int32_t likelihood, kind, indicator, reserved;
} morphology_config;

struct stele_inst {
    const morphology_config *config;
    stele_count_config model; /* of what all likelihoods share, from the options */
    stele_count_model counts;
    uint32_t weight, bias;
    uint32_t kind, centre, log_scale, log_spread; /* features */
    uint32_t clump_weight, clump_bias;            /* dirichlet_multinomial */
    int32_t fixed[];                              /* features: kind that the options give to each */
};

/* --- features.c: rows of features, each of its kind ------------------------------------------- */

/* What the lists of the options say, into self->fixed. */
stele_status features_init(stele_inst *self);
stele_status features_build(stele_inst *self, stele_build *b);
stele_status features_validate(const stele_inst *self, const stele_view *x, stele_bad_value *ret);
stele_status features_fit(const stele_inst *self, stele_fit *f);
/* What the encoder's dense stack gets for x. */
stele_status features_input(const stele_inst *self, stele_graph *g, stele_tensor *x,
                            stele_tensor **ret);
void features_decode(const stele_inst *self, stele_output *ret);
stele_status features_likelihood(const stele_inst *self, const stele_block *b);
stele_status features_draw(const stele_block *b, const stele_draw *d);

/* --- map.c: counts of cable by place ---------------------------------------------------------- */

stele_status map_build(stele_inst *self, stele_build *b);
stele_status map_fit(const stele_inst *self, stele_fit *f);
stele_status map_input(const stele_inst *self, stele_graph *g, stele_tensor *x, stele_tensor **ret);
void map_decode(const stele_inst *self, stele_graph *g, stele_output *ret);
stele_status map_likelihood(const stele_inst *self, const stele_block *b);
stele_status map_draw(const stele_inst *self, const stele_block *b, const stele_draw *d);

#endif
