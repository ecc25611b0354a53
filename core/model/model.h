/* model.h - the instances of a spec put together: scopes, parameters, the shape of the latent. */
#ifndef STELE_MODEL_MODEL_H
#define STELE_MODEL_MODEL_H

#include "graph/graph.h"
#include "graph/params.h"
#include "plugin/guest.h"

#include <stele/kinds.h>

#define STELE__MAX_MODALITIES 64
#define STELE__MAX_HEADS      32
/* That the target of one head may have. */
#define STELE__MAX_TARGET_COLUMNS 16
/* Of a posterior: one per modality and one for the prior. */
#define STELE__MAX_COMPONENTS (STELE__MAX_MODALITIES + 1)

/* Groups of parameters: those that training steps; those that are fitted to validation rows
 * afterwards; from STELE__GROUP_HEADS on, those of each head that takes steps of its own. */
enum {
    STELE__GROUP_MODEL = 0,
    STELE__GROUP_CALIBRATED,
    STELE__GROUP_WIDTH, /* fitted with those, and once more when they are done */
    STELE__GROUP_HEADS
};

static inline int stele__group_is_calibrated(uint32_t group)
{
    return group == STELE__GROUP_CALIBRATED || group == STELE__GROUP_WIDTH;
}

/* One plugin instance inside the model. */
typedef struct stele__part {
    stele__guest *guest; /* owned */
    stele__scope scope;  /* of the model's params */
    uint32_t *entry;     /* parameter id of the instance -> entry of params */
    uint32_t group;      /* of its parameters, but for the calibrated */
    int calibrates;      /* its parameters may ask to be calibrated */
} stele__part;

/* A label column that enters encoders or decoders: a category gives one 0/1 column per value (all 0
 * where missing), a number one column, standardised by the training rows (0 where missing). */
typedef struct stele__covariate {
    const char *name; /* as a label is named in the data */
    uint32_t content; /* STELE_FIELD_CATEGORY or STELE_FIELD_NUMBER */
    int64_t width;
    double mean, sd;
} stele__covariate;

/* Those of one encoder or decoder: indices into the model's list. */
typedef struct stele__covariate_set {
    uint32_t *index; /* n, owned */
    uint32_t n;
    int64_t width;
} stele__covariate_set;

/* own_scope.h: where noise and a parameter of the host's own live. */
typedef struct stele__own_scope {
    char *name; /* owned */
    stele__scope scope;
    uint32_t entry; /* of params, if it has a parameter */
} stele__own_scope;

/* A latent that a modality has alone (private.h). */
typedef struct stele__private {
    uint32_t dim;        /* 0: none */
    int learned;         /* variances of what it is drawn from without the measurement */
    stele__own_scope at; /* "heart.private": of its noise and of that parameter */
} stele__private;

typedef struct stele__modality {
    const char *name; /* borrowed from the spec */
    stele__part part;
    const stele_modality_vt *vt;
    stele_field input;               /* one row's measurement */
    int64_t n_features;              /* product of input.sample */
    double weight;                   /* of its log-likelihood in the objective */
    uint32_t window_bins, window_at; /* what encode gets, as in stele_create_args; 0: the row */
    int sees;                        /* 1: encode gets another measurement, `seen` */
    stele_field seen;
    int64_t n_seen;                   /* product of seen.sample */
    struct stele__prepared *prepared; /* prepared.h: what encode and log_prob get in place of the
                                         rows of the data that the model works with; NULL: these */
    stele__covariate_set encoder_covariates, decoder_covariates;
    stele__private own;
} stele__modality;

/* Predicts a label column from z. */
/* uncertainty.h: the weight of a head that is learned. */
typedef struct stele__uncertainty {
    int learned;
    stele__own_scope at; /* "heads.NAME.uncertainty" */
} stele__uncertainty;

typedef struct stele__head {
    char *name; /* "heads.NAME", as the spec has it, so that no modality shares its parameters'
                   names; owned */
    stele__part part;
    const stele_head_vt *vt;
    stele_head_traits traits;
    stele_field target;        /* target.name: the (first) column, borrowed from the spec */
    const char *const *column; /* (n_columns) all of them, the same */
    uint32_t n_columns;
    double weight; /* of its loss in the objective */
    int subsets;   /* it also learns from z given each of the objective's subsets */
    int calibrate; /* on validation rows, if its plugin can */
    stele__uncertainty uncertainty;
    stele__covariate_set covariates;
} stele__head;

typedef struct stele__model {
    uint32_t latent_dim, n_modalities, n_heads;
    stele__modality *modality;
    stele__head *head;
    stele__part fusion;
    const stele_fusion_vt *fusion_vt;
    uint32_t max_components;
    stele__params *params;
    stele__scope latent;         /* of the host's own operations on z */
    stele__covariate *covariate; /* n_covariates, owned */
    uint32_t n_covariates;
    struct stele__safetensors **file; /* n_files, owned: frozen tensors point into them */
    size_t n_files;
} stele__model;

/* Run build() of every instance: all parameters are declared then, but not allocated, which
 * stele__params_finalize does. `m` comes with latent_dim, modality[] (name, part.guest, started,
 * vt, input, weight, own.dim and .learned), head[] (the same, with target) and fusion filled; on
 * failure stele__model_finish still has to be called. dtype: F32, or F64 for checks. [main] */
STELE_NODISCARD stele_status stele__model_build(stele__model *m, uint32_t dtype, stele__diag *diag);
/* Destroys instances and parameters; the struct itself is the caller's. */
void stele__model_finish(stele__model *m);

/* All modalities of a model, as bits. */
uint64_t stele__model_all(const stele__model *m);

/* The head's name without "heads.". */
const char *stele__head_short_name(const stele__head *head);

/* Take over an open file that frozen tensors point into; closed on failure too. */
STELE_NODISCARD stele_status stele__model_keep_file(stele__model *m,
                                                    struct stele__safetensors *file);

/* Where fit() of one modality or head finds the training rows. */
typedef struct stele__fit_source {
    int64_t n_rows;
    /* Next chunk of rows as a view; shape.dim[0] == 0 at the end. */
    stele_status (*next)(void *ctx, stele_view *ret);
    void *ctx;
    void *seen; /* ctx of the same rows of what a modality's encoder sees; NULL: nothing else */
    const char *const *feature; /* (n_features) names; NULL: none */
    int64_t n_features;
} stele__fit_source;

/* Data-dependent starts and statistics of modality `i`, once before a training. [main] */
STELE_NODISCARD stele_status stele__model_fit(stele__model *m, uint32_t i,
                                              const stele__fit_source *source, stele__diag *diag);
/* The same of head `i`. [main] */
STELE_NODISCARD stele_status stele__model_fit_head(stele__model *m, uint32_t i,
                                                   const stele__fit_source *source,
                                                   stele__diag *diag);

/* calibrate() of head `i`, which has it: buffers change, nothing else. ret_set: whether any did, or
 * NULL. [main] */
STELE_NODISCARD stele_status stele__model_calibrate_head(stele__model *m, uint32_t i,
                                                         const stele_head_scored *s, int *ret_set,
                                                         stele__diag *diag);

/* Reads the parameters of a part, which outlives it. */
stele_reader stele__part_reader(const stele__part *part);

/* The tables that instances compute with: the whole is to be given to stele__guest_create. */
extern const stele_build_api stele__build_api;
extern const stele_fit_api stele__fit_api;
extern const stele__host_tables stele__model_tables;

#endif
