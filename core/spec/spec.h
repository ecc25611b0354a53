/* spec.h - the sections of a spec that the host itself understands, and the plugin instances that
 * it names.
 *
 *     stele__spec_create    reads the host's sections
 *     stele__instance_apply for each instance whose plugin was found; use_all for the others
 *     stele__spec_finish    unknown keys; STELE_OK means that no error was found anywhere
 *     stele__spec_resolve   everything with its defaults as YAML
 *
 * Not thread-safe until finished, read-only after. */
#ifndef STELE_SPEC_SPEC_H
#define STELE_SPEC_SPEC_H

#include "spec/options.h"

typedef struct stele__top_spec {
    int64_t version;  /* of the format: 1 */
    const char *name; /* of the run; default: the file's name without folder and extension */
    int64_t seed;     /* >= 0 */
} stele__top_spec;

/* Rows that data.missing and data.mismatched are about; training rows together with validation
 * rows. */
enum { STELE__ROWS_ALL = 0, STELE__ROWS_TRAIN, STELE__ROWS_TEST };

typedef struct stele__data_spec {
    const char *source;        /* plugin of the only source, NULL when `sources` names several */
    double train, valid, test; /* fractions of the rows, sum 1; with `column` only valid counts */
    int64_t n_folds, fold;     /* n_folds 0: none; fold 1 .. n_folds is the test part */
    const char *column;        /* label column that names the part of each row, NULL: none */
    const char *stratify;      /* label column whose classes are spread evenly, NULL: none */
    const char *group;         /* label column whose groups stay on one side, NULL: none */
    int32_t contiguous;        /* parts are stretches of the row order */
    int64_t gap;               /* rows left out where a stretch ends */
    int32_t missing_in, mismatched_in; /* STELE__ROWS_... */
} stele__data_spec;

enum { STELE__PRIOR_NORMAL = 0, STELE__PRIOR_MIXTURE };
enum { STELE__COVARIANCE_FULL = 0, STELE__COVARIANCE_DIAGONAL };

typedef struct stele__latent_spec {
    int64_t dim; /* >= 1 */
    struct {
        int32_t kind;       /* STELE__PRIOR_...: what z is drawn from without a row */
        int32_t covariance; /* STELE__COVARIANCE_... of a mixture's components */
        int64_t components; /* of a mixture, >= 1 */
    } prior;
} stele__latent_spec;

enum { STELE__WINDOW_CENTRE = 0, STELE__WINDOW_PAST };
enum { STELE__CROSS_PRIOR = 0, STELE__CROSS_LEARNED };

/* The host's keys beside a modality plugin's own options. */
typedef struct stele__modality_spec {
    const char *plugin;
    const char *from;      /* which part of the sources; default: the modality's name */
    double weight;         /* of its log-likelihood in the objective, >= 0 */
    int64_t min_rows;      /* keep features that are not 0 in that many training rows; 0: all */
    int32_t transform;     /* STELE__TRANSFORM_... (data/transform.h): of every value */
    int64_t most_variable; /* of those, keep as many as vary most over training rows; 0: all */
    struct {
        int64_t bins;      /* rows that the encoder gets in place of one; 1: the row alone */
        int32_t at;        /* STELE__WINDOW_...: where the row itself stands among them */
        const char *group; /* label column whose groups windows never leave, NULL: none */
    } window;
    struct {
        int64_t dim;   /* of a latent that this modality alone has beside z; 0: none */
        int32_t cross; /* STELE__CROSS_...: where it comes from without the measurement */
    } own;             /* key `private` */
    struct {
        stele_str_list covariates; /* label columns it gets besides its input */
        const char *from; /* encoder: what it sees in place of the modality's `from`; NULL: that */
    } encoder, decoder;
} stele__modality_spec;

enum { STELE__TARGET_AUTO = 0, STELE__TARGET_CATEGORY, STELE__TARGET_NUMBER };

enum { STELE__POSTERIORS_AUTO = 0, STELE__POSTERIORS_JOINT, STELE__POSTERIORS_SUBSETS };

/* The host's keys beside a head plugin's own options. */
typedef struct stele__head_spec {
    const char *plugin;
    stele_str_list target;               /* label columns, at least one */
    double weight;                       /* of its loss, >= 0 */
    int32_t uncertainty;                 /* 1: beside it a weight is learned */
    int64_t warmup_epochs, warmup_steps; /* of the weight, linear from 0; at most one is not 0 */
    int32_t posteriors;                  /* STELE__POSTERIORS_...: of which z it learns */
    int32_t calibrate;                   /* 1: on the validation rows, where its plugin can */
    int32_t target_type;                 /* STELE__TARGET_... */
    stele_str_list
        classes; /* names of the target's categories, in their order; none: as they come */
    stele_str_list covariates; /* label columns it gets besides z */
} stele__head_spec;

/* Weight of the KL term: `from` at the start, then linear to `to` within `epochs` or `steps`
 * (the other is 0; both 0: constant, from == to). */
typedef struct stele__beta_spec {
    double from, to; /* >= 0 */
    int64_t epochs, steps;
} stele__beta_spec;

enum { STELE__BOUND_ELBO = 0, STELE__BOUND_IWAE, STELE__BOUND_DREG };
enum { STELE__RECONSTRUCT_OWN = 0, STELE__RECONSTRUCT_PRESENT = 1 };

typedef struct stele__objective_spec {
    int32_t bound;         /* STELE__BOUND_... */
    int32_t reconstruct;   /* of a subset: its own modalities, or all that are present */
    int64_t samples;       /* of z from each component of each posterior, >= 1 */
    const char *subsets;   /* as written: all, all+single, all+random:K, all+single+random:K */
    double subset_weight;  /* of each subset's bound beside the bound of all present, >= 0 */
    double contrast;       /* weight of the contrastive term, >= 0 */
    double distil;         /* weight of the joint's lesson to single modalities, >= 0 */
    int32_t single;        /* from `subsets`: each present modality alone */
    int64_t n_random;      /* from `subsets`: random subsets per step, 0: none */
    stele__beta_spec beta; /* key `beta`: a number or a mapping */
} stele__objective_spec;

enum { STELE__OPTIMISER_ADAMW = 0 };
enum { STELE__CRITERION_LOSS = 0, STELE__CRITERION_ELBO };
enum { STELE__SCHEDULE_CONSTANT = 0, STELE__SCHEDULE_COSINE, STELE__SCHEDULE_PLATEAU };

typedef struct stele__train_spec {
    int64_t epochs;     /* 0: stele__train_for chooses */
    int64_t batch_size; /* rows; 0: likewise */
    int64_t threads;    /* 0: one per core */
    struct {
        int32_t kind;         /* STELE__OPTIMISER_... */
        double lr;            /* learning rate, > 0 */
        stele_f64_list betas; /* always two, each in [0, 1) */
        double eps;           /* > 0 */
        double weight_decay;  /* decoupled, >= 0 */
        double clip_norm;     /* of the global gradient norm; 0: no clipping */
    } optimiser;
    struct {
        int32_t kind;                        /* STELE__SCHEDULE_... */
        int64_t warmup_epochs, warmup_steps; /* linear from 0 to lr; at most one is not 0 */
        double factor;                       /* plateau: lr is multiplied by it, in (0, 1) */
        int64_t patience;                    /* plateau: epochs without improvement, >= 1 */
        double min_lr;                       /* cosine and plateau: never below, <= lr */
    } schedule;
    int32_t criterion; /* STELE__CRITERION_...: what improves on the validation rows */
    struct {
        int64_t patience; /* epochs without improvement on the validation rows; 0: never stop,
                           * unless stele__train_for chooses the epochs */
        double min_delta; /* smaller improvements do not count, nats per row, >= 0 */
    } early_stopping;
    struct {
        int64_t every_epochs; /* 0: by time; `best` and `last` are always written */
    } checkpoint;
} stele__train_spec;

typedef struct stele__output_spec {
    const char *dir; /* run folder, from the working directory; default runs/NAME */
} stele__output_spec;

/* Many trainings from one spec: docs/write-a-spec.md. */
typedef struct stele__sweep_spec {
    stele_str_list drop; /* "none", "a", "a+b": modalities that are left out, item by item */
    int64_t draws;       /* of the keys under random, >= 1 */
    int64_t draw_seed;   /* of these draws */
    stele_str_list over; /* swept keys whose points are repetitions of one setting */
    stele_str_list
        higher; /* figures that are better when they are higher; by figures of the report */
    stele_str_list lower;  /* figures that are better when they are lower */
    int32_t split;         /* STELE__SWEEP_...: the part of the rows that points are judged on */
    int64_t jobs, threads; /* runs at once, 0: what cores allow; threads of each, >= 1 */
    double memory;         /* for all of them, in GB; 0: most of what is available */
} stele__sweep_spec;
enum { STELE__SWEEP_VALID = 0, STELE__SWEEP_TEST };

/* One key that points of a sweep differ in. */
enum { STELE__AXIS_GRID = 0, STELE__AXIS_RANDOM, STELE__AXIS_DROP };
typedef struct stele__axis {
    int kind;
    const char *key;         /* "fusion.plugin"; "drop" for modalities left out */
    const stele__node *node; /* list of values, or mapping of a range */
    double from, to;         /* of a range */
    int32_t log;             /* drawn evenly in the logarithm */
} stele__axis;

/* One plugin (or evaluation) at work in a spec. */
typedef struct stele__instance {
    uint32_t kind;         /* STELE_MODALITY, ..., or STELE__EVALUATION */
    const char *name;      /* key in the spec; "data" for a single source, the plugin's for fusion
                              and evaluations */
    const char *plugin;    /* NULL when the spec does not say, which is an error */
    stele__node *node;     /* mapping with the host's keys and the plugin's options */
    stele__node *at;       /* where the plugin is named, for messages about it */
    stele__config *host;   /* host keys; NULL: none, or bad */
    stele__config *config; /* plugin's options, NULL before stele__instance_apply */
} stele__instance;
enum { STELE__EVALUATION = 100 };

/* A share of the rows to which something is done, for experiments. */
typedef struct stele__share_spec {
    const char *modality;
    double fraction; /* 0 to 1 */
} stele__share_spec;

/* Pointers to sections are never NULL after stele__spec_finish gave STELE_OK. */
typedef struct stele__spec {
    stele__spec_doc *doc;
    const stele__top_spec *top;
    const stele__data_spec *data;
    const stele__latent_spec *latent;
    const stele__objective_spec *objective;
    const stele__train_spec *train;
    const stele__output_spec *output;
    const stele__sweep_spec *sweep;
    stele__axis *axis;             /* n_axes, in the order of the file: grid, drop, random */
    stele__share_spec *missing;    /* data.missing: modality blocks that are hidden at random */
    stele__share_spec *mismatched; /* data.mismatched: those that go to another row */
    stele__instance *source, *modality, *head, *evaluate;
    stele__instance fusion;
    size_t n_axes, n_missing, n_mismatched, n_sources, n_modalities, n_heads, n_evaluate;
    stele__config *section[7]; /* owns what the section pointers point to */
} stele__spec;

/* Read the host's sections. Takes over `doc` in any case. Errors go to diag; the result is made
 * nevertheless, so that plugin options can be checked too, unless memory runs short. */
STELE_NODISCARD stele_status stele__spec_create(stele__spec_doc *doc, stele__spec **ret,
                                                stele__diag *diag);
void stele__spec_destroy(stele__spec *spec); /* NULL is legal */
/* The option in the table of a plugin of that kind (STELE_MODALITY, ...) that is in the way of a
 * key of the host's; NULL if none is. */
const char *stele__option_of_host(uint32_t kind, const stele__table *table);
/* Read a plugin's options into instance->config. `who` names the plugin in messages about its
 * table, which must not use a key of the host. For an instance whose plugin was not found call
 * stele__node_use_all(instance->node) instead. */
STELE_NODISCARD stele_status stele__instance_apply(stele__instance *instance,
                                                   const stele__table *table, size_t block_size,
                                                   const char *who, stele__diag *diag);
/* Report unknown keys and put all messages in the order of the file. STELE_OK if diag has no error
 * at all. */
STELE_NODISCARD stele_status stele__spec_finish(stele__spec *spec, stele__diag *diag);
/* 1 if the sweep drops modalities and compares by a bound of log p of all that a row has, which is
 * then about fewer measurements: *ret_metric is its path. */
int stele__sweep_bounds(const stele__spec *spec, const char **ret_metric);
/* Bring the messages into the order of the file. */
void stele__messages_sort(stele__diag *diag);
/* Host keys of a modality or head instance; not NULL after a good finish. */
const stele__modality_spec *stele__modality_host(const stele__instance *instance);
const stele__head_spec *stele__head_host(const stele__instance *instance);
/* Report an error found later ("train.batch_size", "has more rows than the data") at the place of
 * that key, or of the nearest mapping above it that the spec has. Returns `code`. */
stele_status stele__spec_error(const stele__spec *spec, const char *path, stele_status code,
                               const char *text, stele__diag *diag);
/* Append the whole spec with all defaults as YAML. Reading it back gives the same values. Instances
 * without config are copied as they stand. Of `sweep` nothing is left: it is about many runs. */
STELE_NODISCARD stele_status stele__spec_resolve(const stele__spec *spec, stele__str *out);

/* The host's tables, for help, reference pages and the schema. */
typedef struct stele__section {
    const char *path;    /* "train"; "" for the top level; "modalities.NAME" */
    const char *summary; /* one sentence */
    stele__table table;
    size_t block_size;
} stele__section;
enum {
    STELE__SECTION_TOP,
    STELE__SECTION_DATA,
    STELE__SECTION_LATENT,
    STELE__SECTION_OBJECTIVE,
    STELE__SECTION_TRAIN,
    STELE__SECTION_OUTPUT,
    STELE__SECTION_SWEEP, /* up to here one each, in stele__spec.section */
    STELE__SECTION_GRID,
    STELE__SECTION_RANDOM,
    STELE__SECTION_BETA,
    STELE__SECTION_MISSING,
    STELE__SECTION_MISMATCHED,
    STELE__SECTION_SOURCE,
    STELE__SECTION_MODALITY,
    STELE__SECTION_FUSION,
    STELE__SECTION_HEAD,
    STELE__N_SECTIONS
};
const stele__section *stele__section_get(int section);

#endif
