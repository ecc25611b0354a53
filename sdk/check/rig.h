/* rig.h - one instance of the plugin under test, what it needs to compute, and inputs for it.
 *
 * All computing kinds are brought to one form: named inputs (double arrays whose first axis mostly is the rows) and
 * named outputs (the same). Checks of derivatives, repetition, rows and failures then do not know the kind:
 *
 *   modality  inputs x, z, encoder and decoder covariates, what the encoder sees besides, with windows these; outputs
 *             mean, log-variance and log p(x | z)
 *   fusion    inputs mean and log-variance of each expert, of the prior, log p(x | z); outputs the components and
 *             log-weights where a row has them, and the loss if the plugin has one of its own
 *   head      inputs z, covariates; outputs prediction and loss, and with plan.tally log p(target | z)
 */
#ifndef STELE_CHECK_RIG_H
#define STELE_CHECK_RIG_H

#include "check.h"

#include "graph/graph.h"
#include "graph/params.h"
#include "plugin/guest.h"

#include <stele/kinds.h>

/* Fusion: the usual number of modalities, and the largest, whose subsets may each have a component. */
enum { RIG_EXPERTS = 3, RIG_MOST_EXPERTS = 6 };
enum { RIG_MOST_INPUTS = 2 * RIG_MOST_EXPERTS + 4, RIG_MOST_OUTPUTS = 2 * (1 << RIG_MOST_EXPERTS) + 2 };
enum { RIG_MOST_COLUMNS = 4 };
#define RIG_BETA 0.7

/* Group of trained parameters that are widths (STELE_PARAM_WIDTH); that of all others is 0. */
enum { RIG_WIDTH = 1 };
enum { RIG_SPARSE_DIMS = 2 }; /* extents of rows that may come sparse: features, or bins of features */

/* What x may be, found by asking validate(). */
typedef struct rig_support {
    double low, high; /* both are allowed; infinite: unbounded */
    double step;      /* distance of the numbers, if only some are allowed; else 1 */
    int whole, zero;  /* numbers that are `step` apart only: whole ones, levels of grey; 0 is allowed */
} rig_support;

typedef struct rig_plan {
    uint32_t dtype; /* 0: F64 if the plugin promises it, else F32 */
    int64_t rows, features;
    uint32_t latent, covariates, threads;
    uint32_t own;                     /* modality: dimensions of `latent` that are a private latent's */
    uint32_t experts;                 /* fusion: modalities; 0: as many as the trial has */
    uint32_t layout;                  /* STELE_CSR: modality with sparse input */
    const stele__host_tables *tables; /* NULL: the plain ones */
    uint64_t trailing;                /* bytes by which argument structs are longer than the plugin knows */
    uint32_t raw;                     /* 1: parameters as they start, without fit and perturbation */
    uint32_t loaded;                  /* 1: as when a model is loaded: no fit, the caller sets the parameters */
    uint32_t create_only;             /* 1: stop before build */
    uint32_t tally;                   /* 1: what rows add to metrics of whole rows, if the modality has such, is the
                                         last output, "tally": not for derivatives; head: log_prob likewise */
    uint32_t training;                /* 1: passes are those of training */
    uint64_t pass;                    /* number of the pass: others have other random numbers */
    uint32_t window;                  /* modality: bins of the windows that encode gets; 0: rows */
    double beta;                      /* fusion: weight of divergences in its own loss; 0: RIG_BETA */
    uint64_t seed;                    /* added to that of the subject */
    const char *const *option;        /* in place of the subject's, when set */
    size_t n_options;
} rig_plan;

typedef struct rig_input {
    char name[48];
    stele_shape shape;
    int64_t width; /* elements of a row; of the whole if not per_row */
    int per_row, differentiable;
    double *value;
} rig_input;

typedef struct rig {
    check_trial *t;
    rig_plan plan;
    const stele__plugin *plugin;
    const stele__vtable *vt;
    struct stele__spec_doc *doc;
    stele__config *config;
    stele__guest *guest;
    stele_inst *inst;
    stele__params *params;
    stele__scope scope;
    uint32_t *entry;
    stele__pool *pool;
    stele_graph *graph;
    stele__diag diag;
    stele_field field; /* modality: measurement; head: target */
    stele_field seen;  /* modality with the slot `sees`: what its encoder may see in place of that */
    int sees;          /* and whether it does; then in input[at_seen] */
    uint32_t at_seen;
    rig_support support;
    uint32_t n_inputs;
    rig_input input[RIG_MOST_INPUTS];
    stele_tensor *leaf[RIG_MOST_INPUTS]; /* of the last run */
    double *present;                     /* fusion: (rows, experts) */
    double *target;                      /* head: (rows, n_columns), and more that only its fit sees */
    uint32_t n_columns;                  /* of that */
    size_t choice;                       /* head: which kind of target it was given */
    stele_reader reader;                 /* of the instance's parameters */
    stele_joint joint;                   /* fusion: of the last run */
    stele_output output;                 /* modality: the same */
    void *scratch;                       /* list of what rig_finish releases */
    uint64_t flags;                      /* of all parameters' STELE_PARAM_* */
    stele_status raw;                    /* what the plugin returned last, before the graph's own error */
    struct stele__safetensors *file[8];
    uint32_t n_files;
} rig;

typedef struct rig_output {
    const char *name;
    int64_t rows, width;
    double *value;   /* NaN and infinity included */
    stele_tensor *t; /* until the graph's next begin */
} rig_output;

typedef struct rig_result {
    uint32_t n;
    rig_output out[RIG_MOST_OUTPUTS];
} rig_result;

/* Instance, parameters and inputs. 0 after a failure, which was said as `t`'s verdict. rig_finish is due in any case.
 */
int rig_start(check_trial *t, const rig_plan *plan, rig *r);
/* The same without a word: the plugin's own status, and its message in r->diag. */
stele_status rig_try(check_trial *t, const rig_plan *plan, rig *r);
/* Both stay with the first shape of rows, or kind of target, that the plugin took; from here on another may be tried
 * where this one is refused. */
void rig_choose_again(void);
void rig_finish(rig *r);
/* Does the rule of fusion take this number of modalities, or refuse it when it is made? Without a word. */
int rig_takes_experts(check_trial *t);
/* Does the modality take sparse rows: can an instance be made of them, and does it encode some? Without a word. */
int rig_takes_sparse(check_trial *t);
/* The same instance, parameters and inputs with a graph and messages of its own, for calls from another thread. It ends
 * before r does. */
stele_status rig_view(const rig *r, rig *ret);
void rig_view_finish(rig *view);
const char *rig_message(const rig *r);
void *rig_take(rig *r, size_t size); /* zeroed, released by rig_finish */

/* Run the compute slots for rows index[0 .. n - 1] of the inputs (NULL: all). The result is freed with
 * rig_result_finish. Its tensors live until the next run. */
stele_status rig_run(rig *r, int64_t n, const int64_t *index, int record, rig_result *ret);
void rig_result_finish(rig_result *ret);
/* What the host said that create, build or fit changed of the process, in any rig so far; NULL: nothing. */
const char *rig_change(void);
/* The same; a failure was said. */
int rig_compute(rig *r, int64_t n, const int64_t *index, int record, rig_result *ret);
/* Weighted sum of all outputs, unequal weights. */
double rig_objective(const rig_result *res);
/* Derivatives of it, after a run that records: of inputs into `ret` (an array per input, NULL where none arrived),
 * of parameters into their entries. */
stele_status rig_backward(rig *r, const rig_result *res, const double **ret);

/* The most likely values beside n predicted ones, for plugins that are given such; else NULL. */
const float *rig_likely(rig *r, size_t n, const float *predicted);
/* Head whose target is a category: the probability of that class given z of the row, by which the target was drawn. */
double rig_chance(const rig *r, int64_t row, int64_t class);
/* Uniform in (0, 1) and standard normal, by address. */
double rig_uniform(const check_trial *t, uint64_t stream, int64_t i);
double rig_normal(const check_trial *t, uint64_t stream, int64_t i);

/* --- parts, for rig_*.c ------------------------------------------------------------------------------------------- */
void rig_field_init(rig *r, size_t choice); /* of a head: a number, then a category; of one with several columns:
                                               positive numbers with 0 or 1 in the last, then any numbers */
enum { RIG_COLUMN_CHOICES = 4 };
int rig_has_columns(const rig *r);             /* does the plugin want to know features (STELE_CAP_COLUMNS)? */
void rig_features_init(rig *r, size_t choice); /* then what it is told: choice < RIG_COLUMN_CHOICES */
void rig_inputs_init(rig *r);
void rig_find_support(rig *r);
stele_status rig_fit(rig *r);
/* The calibrate() of a head that has it. */
stele_status rig_calibrate(rig *r, const stele_head_scored *s);
stele_status rig_modality(rig *r, stele_graph *g, int64_t n, stele_tensor *const *in, const double *const *value,
                          rig_result *ret);
stele_status rig_fusion(rig *r, stele_graph *g, int64_t n, const int64_t *index, stele_tensor *const *in,
                        rig_result *ret);
stele_status rig_head(rig *r, stele_graph *g, int64_t n, const int64_t *index, stele_tensor *const *in,
                      rig_result *ret);
/* What the plugin makes of rows of values (n, features): ret_n (n), ret_value (n, prepared_width). `g` NULL: outside of
 * a pass. */
stele_status rig_prepare(rig *r, stele_graph *g, int64_t n, const double *value, int64_t *ret_n, float *ret_value);
/* x of the run as the plugin gets it: dense leaf or CSR. */
stele_tensor *rig_measurement(rig *r, stele_graph *g, int64_t n, stele_tensor *x, const double *value);
void rig_output_add(rig_result *ret, const char *name, stele_tensor *t);
/* n doubles as a constant tensor of the graph's dtype. */
stele_tensor *rig_constant(stele_graph *g, const stele_shape *s, const double *value);
/* Does the modality allow these measurements (n_rows, features); one of all v? */
int rig_accepts(const rig *r, int64_t n_rows, const double *x);
int rig_allows(const rig *r, double v);
/* What the modality's absent() says of rows index[0 .. n - 1] of the inputs (NULL: all), as floats, into ret (n). A
 * failure, a word other than 0 and 1, and writing past the last row were said: 0. 1 as well without that slot. */
int rig_absent(rig *r, int64_t n, const int64_t *index, uint8_t *ret);
/* A draw from the support: element i of stream s. */
double rig_value(const rig *r, uint64_t stream, int64_t i);
/* The window's own input, after the others; a bin is absent where it holds NaN. The row itself stands in the middle. */
rig_input *rig_window(rig *r);
extern const stele_build_api rig_build_api;
extern const stele_fit_api rig_fit_api;
/* The core's operations and vector maths, declarations and statistics of the rig. */
const stele__host_tables *rig_tables(void);

#endif
