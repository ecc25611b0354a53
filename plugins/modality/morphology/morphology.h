/* plugins/modality/morphology: the shape of a neuron, as features of several kinds or as a map of
 * its cable.
 *
 * morphology.h - what the files of this plugin share. */
#ifndef MORPHOLOGY_H
#define MORPHOLOGY_H

#include <stele/count_model.h>
#include <stele/plugin.h>

enum { MORPHOLOGY_FEATURES = 0, MORPHOLOGY_POISSON, MORPHOLOGY_DIRICHLET_MULTINOMIAL };

/* What the encoder's dense layers see: the measurement, or a tree. */
enum { ENCODER_DENSE = 0, ENCODER_TREE };

/* Kinds of a feature; AUTO: what the training rows say. */
enum { KIND_AUTO = 0, KIND_REAL, KIND_POSITIVE, KIND_COUNT };

typedef struct morphology_config {
    stele_dense_config encoder, decoder;
    double input_dropout, input_decay, output_decay, clump;
    stele_i64_list real, positive, counts;
    int64_t state;
    int32_t likelihood, kind, indicator, sees;
} morphology_config;

/* Parameters of a recursive unit over a tree's branches; buffers with mean and log standard
 * deviation of their features, as they are and then as logarithms. */
typedef struct tree_unit {
    uint32_t weight, sum, child, bias, forget, centre, log_scale, reserved;
    int64_t width; /* numbers of a branch: how far its parent is before it, and its features */
} tree_unit;

struct stele_inst {
    const morphology_config *config;
    stele_count_config model; /* of what all likelihoods share, from the options */
    stele_count_model counts;
    tree_unit tree; /* encoder.kind: tree */
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

/* --- tree.c: an encoder of trees, of whatever likelihood -------------------------------------- */

stele_status tree_init(stele_inst *self, const stele_create_args *a);
stele_status tree_build(stele_inst *self, stele_build *b);
stele_status tree_fit(const stele_inst *self, stele_fit *f);
/* What the encoder's dense stack gets for rows of branches. */
stele_status tree_input(const stele_inst *self, stele_graph *g, stele_tensor *x,
                        stele_tensor **ret);

#endif
