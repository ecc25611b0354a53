/* stele/kinds.h - the four kinds of plugins: source, modality, fusion, head.
 *
 * Every vtable starts with create, destroy and build. The host calls create, build, then (modality, head) fit on the
 * main thread; the compute slots follow, possibly concurrently.
 */
#ifndef STELE_KINDS_H
#define STELE_KINDS_H

#include <stele/host.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a field of a source holds. MATRIX: numbers per row, dense or CSR. CATEGORY: a code per row. NUMBER: one double
 * per row. TEXT: one string per row. */
enum { STELE_FIELD_MATRIX = 1, STELE_FIELD_CATEGORY = 2, STELE_FIELD_NUMBER = 3, STELE_FIELD_TEXT = 4 };

/* At most this many different values of a feature are listed. */
#define STELE_MOST_VALUES 256

/* What the training rows have in one feature of a MATRIX. A model's structure may depend on it, so it is kept with the
 * model: new data do not change it, and test rows have no part in it. */
typedef struct stele_feature {
    uint64_t struct_size;
    const char *name;         /* NULL: unnamed */
    int64_t n_rows;           /* training rows that have it */
    int64_t n_values;         /* different values in them; -1: numbers, more than STELE_MOST_VALUES */
    const double *value;      /* (n_values) ascending; NULL where n_values is -1 */
    const int64_t *count;     /* (n_values) rows with each; NULL like value */
    const char *const *level; /* (n_values) names: values are the codes 0 .. n_values - 1 of texts. NULL: numbers */
    double least, largest;    /* NaN: no row has it */
    uint32_t whole, reserved; /* 1: all values are whole numbers */
} stele_feature;

/* A measurement or label as a source offers it and a modality or head receives it. Strings are the owner's. */
typedef struct stele_field {
    uint64_t struct_size;
    const char *name;     /* how the spec's `from` and `target` name it */
    uint32_t content;     /* STELE_FIELD_* */
    uint32_t dtype;       /* of the elements; CATEGORY: I32, NUMBER: F64 */
    uint32_t layout;      /* STELE_DENSE; or STELE_CSR, with one or two extents, whose elements are columns in
                             row-major order */
    uint32_t axis;        /* which of the source's row axes it lies along */
    stele_shape sample;   /* one row: (features) or (channels, height, width); -1 as first extent: varies by row, then
                             reads give lengths */
    int64_t n_categories; /* CATEGORY: number of names; else 0 */
    /* Modalities of STELE_CAP_COLUMNS get one for each feature of a MATRIX of one extent, as long as the instance
     * lives; else NULL. Sources leave it. */
    const stele_feature *const *feature;
} stele_field;

typedef struct stele_create_args {
    uint64_t struct_size;
    const stele_host *host;   /* outlives the instance */
    const void *config;       /* config_size bytes, validated against the option table, outlives the instance */
    const char *name;         /* as in the spec: "rna" */
    const stele_field *input; /* modality: the measurement; head: the target, a CATEGORY with n_categories (those that
                                 training rows have) or a NUMBER, named as the spec names it (the first of several
                                 columns), sample () or, of several columns, (columns); else NULL */
    uint32_t latent_dim;
    uint32_t private_dim; /* modality: extent of a private latent, appended to z; 0 when there is none */
    uint32_t n_modalities;
    uint32_t encoder_covariates; /* modality: width of the covariates handed to encode, 0 when none */
    uint32_t decoder_covariates; /* modality: of those handed to decode; head: of those handed to predict */
    uint32_t reserved;
    /* 0.2 */
    uint32_t window_bins; /* modality: rows that encode gets in place of one, neighbours in the order of the source; 0:
                             no window, as for every plugin that does not promise STELE_CAP_WINDOW */
    uint32_t window_at;   /* modality: which of them is the row itself, the one that decode explains, counted from 0 */
    const char *const *columns; /* head: n_columns names of the target's columns, as the spec names them; else NULL.
                                   They live as long as the instance */
    uint64_t n_columns;
    const stele_field *seen; /* modality: the measurement that the spec names for the encoder alone; NULL: it names
                                none. See `sees` of the vtable */
    uint32_t new_rows; /* source: 1: the rows are others than those of the training, by whose file the options were
                          written. What these name may be absent, but for row ids: labels, whole measurements. Else 0 */
    uint32_t reserved_2;
} stele_create_args;

/* First slots of every kind, same order, same meaning. destroy accepts NULL and a half-built instance: what a
 * failing create put into *ret is destroyed as well. */
#define STELE_COMMON_SLOTS                                                                                             \
    uint64_t struct_size;                                                                                              \
    stele_status (*create)(const stele_create_args *a,                                                                 \
                           stele_inst **ret);                 /* the plugin's, until destroy [main; self] */           \
    void (*destroy)(stele_inst * self);                       /* [main; none] */                                       \
    stele_status (*build)(stele_inst * self, stele_build * b) /* optional [main & new; none] */

/* --- modality: encoder, decoder and likelihood of one kind of measurement ----------------------------------------- */

typedef struct stele_encode_args {
    uint64_t struct_size;
    stele_tensor *x;       /* (n, sample...) dense or CSR; only rows in which the modality is present; missing entries
                              inside a row are NaN. Rows of the measurement, or of `seen` where `sees` says so, CSR then
                              (n, features of that). With a window (n, window_bins, sample...) or CSR (n, window_bins *
                              features), earliest bin first */
    stele_tensor *lengths; /* (n) I64 or NULL */
    stele_tensor *covariates; /* (n, encoder_covariates) or NULL */
    stele_tensor *present; /* with a window (n, window_bins): 1, or 0 where a bin lies beyond the edge of the rows that
                              may be seen, or its row lacks the modality: x is NaN there, and has no entry in CSR
                              rows. Else NULL */
} stele_encode_args;

typedef struct stele_decode_args {
    uint64_t struct_size;
    stele_tensor *z;          /* (R, latent_dim + private_dim); R counts (row, sample) pairs */
    stele_tensor *covariates; /* (R, decoder_covariates) or NULL */
    stele_tensor *target;     /* reconstruction: the observed x of these R rows, for size factors and teacher forcing;
                                 NULL in prediction: then nothing of the row's own measurement may be used */
    stele_tensor *lengths;    /* (R) I64 or NULL */
} stele_decode_args;

#define STELE_MAX_ETA   4
#define STELE_MAX_PARAM 4

/* A decoder's output for an elementwise likelihood: linear predictors, with the per-feature and per-row parameters that
 * the likelihood needs besides. Mostly they are a dense layer's, eta_k = hidden w_k^T + b_k, which the host evaluates
 * block by block and never holds as a whole. Where they come about in another way, as in convolutions, `hidden` stays
 * NULL and `eta` holds them; weight and bias are not looked at then. */
typedef struct stele_output {
    uint64_t struct_size;
    uint32_t n_eta, n_feature, n_row, reserved;
    stele_tensor *hidden;               /* (R, H) */
    uint32_t weight[STELE_MAX_ETA];     /* parameter ids, (features, H) each */
    uint32_t bias[STELE_MAX_ETA];       /* parameter ids, (features) each */
    uint32_t feature[STELE_MAX_PARAM];  /* parameter or buffer ids, (features) each */
    stele_tensor *row[STELE_MAX_PARAM]; /* (R) or (R, 1) each; what needs all features of a row, such as the normaliser
                                           of softmax rates, comes in here: ops->linear_logsumexp */
    stele_tensor *eta[STELE_MAX_ETA];   /* hidden NULL: (R, features) each, or (R, sample...) */
} stele_output;

/* Observed values of the rows of a block: numbers of features are absolute, not those within the block. Row r starts at
 * element begin[r] of data. DENSE: feature j is element begin[r] + j. CSR: stored entries begin[r] .. end[r] - 1, with
 * their features in `column`, ascending; entries of features before the block's first may be left out, those of
 * features after its last are there; features of the block that are not named are zeros. */
typedef struct stele_values {
    uint64_t struct_size;
    uint32_t dtype, layout; /* F32 or F64, whatever the block's dtype is */
    const void *data;
    const int64_t *begin;
    const int64_t *end;    /* CSR only */
    const int32_t *column; /* CSR only */
} stele_values;

/* One block of features for all rows of a batch, in cache. eta, feature, row, their derivatives and weight hold
 * `dtype`. Derivatives are those of sum_r weight[r] * log_prob[r]. */
typedef struct stele_block {
    uint64_t struct_size;
    uint32_t dtype, n_eta;
    int64_t n_rows, first, n_features; /* features first .. first + n_features - 1 */
    const void *const *eta;            /* n_eta arrays (n_rows, n_features), row-major */
    void *const *d_eta;         /* the same; written, every element; NULL: value only. May be the same memory as eta */
    const void *const *feature; /* n_feature arrays (n_features), those of this block */
    void *const *d_feature;     /* added to; NULL: value only; entries NULL for buffers */
    const void *const *row;     /* n_row arrays (n_rows); NULL: decode() gave none, as where a size is not known */
    void *const *d_row;         /* added to; NULL: value only; entries NULL where no derivative is wanted */
    const void *weight;         /* (n_rows); NULL: value only */
    const stele_values *x;      /* NULL for draw() */
    double *log_prob;           /* (n_rows), in nats, added to, not weighted */
} stele_block;

/* What draw() should put in place of x. MEAN: where the levels of a feature have no order (STELE_CAP_COLUMNS) and there
 * are more than two, they have no mean, and it is their mode. DETAIL: a further quantity of the prediction, of the
 * plugin's choosing; only plugins that have a name for it are asked (stele_plugin.detail). */
enum { STELE_DRAW_MEAN = 1, STELE_DRAW_MODE = 2, STELE_DRAW_SAMPLE = 3, STELE_DRAW_DETAIL = 4 };

typedef struct stele_draw {
    uint64_t struct_size;
    uint32_t what, reserved; /* STELE_DRAW_* */
    /* SAMPLE: uniform numbers inside (0, 1), n per element of row r, for the block's features: u(ctx, r, k, ret) fills
     * (n_features) doubles for the k-th number. [compute; none] */
    void (*uniform)(void *ctx, int64_t row, uint32_t k, double *ret);
    void *ctx;
    void *out; /* (n_rows, n_features) of the block's dtype, row-major */
} stele_draw;

/* Held-out truth and prediction (mean of x given z) of one block of features for all scored rows, dense. Missing
 * entries of truth are NaN. */
typedef struct stele_scored {
    uint64_t struct_size;
    int64_t n_rows, first, n_features;
    const float *truth;     /* (n_rows, n_features) */
    const float *predicted; /* (n_rows, n_features) */
    const double *known;    /* (n_features) mean over the training rows that have the entry; 0: none has */
    const float *detail;    /* (n_rows, n_features) what draw() gives for STELE_DRAW_DETAIL; NULL where there is none: a
                               prediction that is not the model's */
    const float *likely;    /* (n_rows, n_features) STELE_CAP_COLUMNS: the value that is most likely, by draw() or
                               generate() for STELE_DRAW_MODE, by number of rows where the prediction is not the
                               model's; else NULL */
} stele_scored;

/* For metrics that are no better for being higher or lower: figures to look at. */
enum { STELE_METRIC_NEITHER = 2 };

/* Flag of a metric that noise makes larger and that never falls below 0, such as a sum of distances between means of
 * few rows each: resampled rows have even more of it. Its interval is mirrored at the value (basic bootstrap). */
enum { STELE_METRIC_EXCESS = 1 };

typedef struct stele_metric {
    char name[32];             /* [a-z0-9_]: "auroc" */
    double value;              /* NaN when undefined */
    uint32_t higher_is_better; /* 1, 0 or STELE_METRIC_NEITHER */
    uint32_t flags;            /* 0 or STELE_METRIC_EXCESS */
} stele_metric;

/* Most numbers of a row that metrics of whole rows are made of. */
#define STELE_MOST_TALLIES 256

/* First value that this modality cannot hold. */
typedef struct stele_bad_value {
    int64_t row, column; /* in the view; -1: the row as a whole */
    double value;
    const char *reason; /* static text: "is negative" */
    /* From the host: NULL, or (rows, columns) zeros of a dense measurement. Then entries that rather count as missing
     * (NaN), as training rows alone told what may occur, are not refused but set to 1 here. */
    uint8_t *gap;
} stele_bad_value;

typedef struct stele_modality_vt {
    STELE_COMMON_SLOTS;
    /* Is every value of x one that the likelihood allows? OK, or E_DATA and *ret_bad for the first that is not.
     * Optional: anything goes. [compute & built; static] */
    stele_status (*validate)(const stele_inst *self, const stele_view *x, stele_bad_value *ret_bad);
    /* Learn statistics of the training rows: fill buffers, give parameters data-dependent starts. Called once before a
     * training begins, not when one is resumed or a model is loaded. Optional. [main & built; none] */
    stele_status (*fit)(const stele_inst *self, stele_fit *f);
    /* The expert q(z | x): (n, latent_dim) each; with a private latent (n, latent_dim + private_dim).
     * [compute & built; graph] */
    stele_status (*encode)(const stele_inst *self, stele_graph *g, const stele_encode_args *a, stele_dist *ret_q);
    /* Elementwise likelihoods: describe the output layer; the host evaluates it by blocks through `likelihood`.
     * NULL together with likelihood and draw when log_prob is given. [compute & built; graph] */
    stele_status (*decode)(const stele_inst *self, stele_graph *g, const stele_decode_args *a, stele_output *ret);
    /* Value, and derivatives if b->d_eta is set. [compute & built; none] */
    stele_status (*likelihood)(const stele_inst *self, const stele_block *b);
    /* Mean, mode or a random x given the block's linear predictors. [compute & built; none] */
    stele_status (*draw)(const stele_inst *self, const stele_block *b, const stele_draw *d);
    /* Likelihoods that are not elementwise, in plain tensor operations: log p(x | z) in nats, (R). x is a->target.
     * Used when `decode` is NULL. Optional. [compute & built; graph] */
    stele_status (*log_prob)(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                             stele_tensor **ret_rows);
    /* Mean, mode or random x (R, sample...) for those likelihoods; `what` is STELE_DRAW_*. Optional; needed for metrics
     * of such a likelihood. [compute & built; graph] */
    stele_status (*generate)(const stele_inst *self, stele_graph *g, const stele_decode_args *a, uint32_t what,
                             stele_tensor **ret_x);
    /* Metrics on held-out rows, streamed by blocks of features: bytes of zeroed state, add a block, read the figures.
     * All three or none. [any & built; none], [main & built; none], [main & built; none] */
    uint64_t (*score_size)(const stele_inst *self);
    stele_status (*score_add)(const stele_inst *self, void *state, const stele_scored *s);
    stele_status (*score_end)(const stele_inst *self, void *state, uint32_t capacity, stele_metric *ret,
                              uint32_t *ret_n);
    /* Rows of x whose measurement says nothing, by a rule of the plugin's options: a sensor that was off. ret_absent
     * (n_rows) comes zeroed and gets 1 for those. They are rows without this modality from then on, in training and
     * wherever the model is used. Asked once for all rows when data are loaded, after validate and before fit; the
     * answer depends on the row alone, and a row of missing entries only is absent. Optional: none is.
     * [compute & built; none] */
    stele_status (*absent)(const stele_inst *self, const stele_view *x, uint8_t *ret_absent);
    /* Likelihoods of things that differ in length from row to row: how many factors the likelihood of each row of x
     * has, (n_rows) at least 0, such as the tokens of a text with its end. Evaluation gives exp(-log p / factors), the
     * perplexity, over all rows together. Optional. [compute & built; none] */
    stele_status (*factors)(const stele_inst *self, stele_graph *g, stele_tensor *x, int64_t *ret_n);
    /* 0.2 */
    /* 1: encode gets rows of create's `seen` in place of the measurement's own: the tree of a cell, say, whose
     * measurement is a row of numbers about its shape. A row has the modality if it has both. All other slots are
     * about the measurement, and nobody has validated what is seen. Asked once; the host refuses a spec that names no
     * such measurement where one is wanted, or one that is not. Optional: 0. [any & new; none] */
    int32_t (*sees)(const stele_inst *self);
    /* Rows in the form that encode, log_prob and factors compute with, made once instead of at every step: the tokens
     * of a text for its bytes. These get it in place of x: sparse rows of `prepared_width` columns, row r of which
     * holds the first ret_n[r] numbers of its own, zeros among them. The host asks after fit, or when a model has been
     * loaded, with chunks of rows (n_rows, ...) F32 in the layout of `input`, and keeps the answer, which depends on
     * the row and on the instance's buffers alone. ret_value is (n_rows,
     * prepared_width), zeroed or not. All other slots are about the measurement. Optional, both, where there is a
     * log_prob. [any & built; none], [main & built; none] */
    int64_t (*prepared_width)(const stele_inst *self);
    stele_status (*prepare)(const stele_inst *self, const stele_reader *reader, const stele_view *x, int64_t *ret_n,
                            float *ret_value);
    /* Metrics of whole rows, in place of score_size and the like: for measurements whose entries say little one by one,
     * as the bytes of a text, or of which the decoder tells something else than a mean, as a spectrum. They are made of
     * numbers of each row that are added up over the rows; a resample adds up others. All three or none.
     * How many numbers a row has: 1 to STELE_MOST_TALLIES. [any & built; none] */
    uint32_t (*tally_width)(const stele_inst *self);
    /* They, (R, tally_width), all finite; what a row has nothing to say of is 0. a->target are held-out rows as
     * log_prob gets them, a->z is what they are predicted from. A row is compared with its prediction, and of a
     * sequence what stands before an element may be read to predict that element; nothing else of the row's own may
     * enter the prediction. [compute & built; graph] */
    stele_status (*tally)(const stele_inst *self, stele_graph *g, const stele_decode_args *a, stele_tensor **ret_rows);
    /* The metrics, of the sums over some rows, (tally_width), all 0 where there are none. [main & built; none] */
    stele_status (*tally_end)(const stele_inst *self, const double *sum, uint32_t capacity, stele_metric *ret,
                              uint32_t *ret_n);
} stele_modality_vt;

/* --- fusion: experts and their presence -> a mixture ----------------------------------------------------------------
 */

typedef struct stele_experts {
    uint64_t struct_size;
    uint32_t n, reserved;
    const stele_dist *q;     /* n experts, (B, D) each; rows whose modality is absent hold garbage, NaN when checked */
    stele_tensor *present;   /* (B, n), 1 or 0 */
    const stele_dist *prior; /* (D) tensors */
} stele_experts;

/* The joint posterior q(z | x) as a mixture. `capacity` comes from max_components. */
typedef struct stele_joint {
    uint64_t struct_size;
    uint32_t capacity, n;     /* n is set by the plugin */
    stele_dist *component;    /* host array: n distributions, (B, D) each */
    uint64_t *subset;         /* host array: bit m set if the component uses modality m where it is present */
    stele_tensor *log_weight; /* (B, n), sums to one after exp in each row; -inf: the row lacks this component, whose
                                 values there are never looked at. NULL: one component. */
    /* 0.2 */
    const uint64_t *row_subset; /* NULL, or of a single component: (B) bits of the modalities, among `subset`, that it
                                   uses in each row where they are present; from ops->scratch */
} stele_joint;

/* What one term of the objective has to go by: a subset of the modalities, whose presence stands in `experts`. */
typedef struct stele_loss_args {
    uint64_t struct_size;
    const stele_experts *experts;
    const stele_joint *joint;
    stele_tensor *log_px; /* (B, n): weighted sum over the modalities to reconstruct of log p(x_m | z) at one z drawn
                             from each component, 0 where there is none; with private latents a bound of it, from
                             which beta times their divergences are taken already */
    stele_tensor *divergence; /* (B, n): KL(component || prior) in closed form where there is one component, else
                                 log q(z) - log p(z) of the whole mixture at that z; 0 where there is none */
    double beta;              /* weight of divergences at this step */
} stele_loss_args;

typedef struct stele_fusion_vt {
    STELE_COMMON_SLOTS;
    uint32_t (*max_components)(const stele_inst *self, uint32_t n_modalities); /* [any & new; none] */
    /* A row with nothing present yields the prior. [compute & built; graph] */
    stele_status (*fuse)(const stele_inst *self, stele_graph *g, const stele_experts *in, stele_joint *ret);
    /* Per-row loss (B), to be minimised, in place of the negative evidence lower bound
     * -sum_c w_c (log_px_c - beta divergence_c). Called once for every term of the objective: all that is present, then
     * the subsets that the spec asks for, each with its own presence; the host weights and averages. Rows without any
     * of the term's modalities are left out afterwards. Calibration uses the evidence lower bound nevertheless.
     * Optional. [compute & built; graph] */
    stele_status (*loss)(const stele_inst *self, stele_graph *g, const stele_loss_args *a, stele_tensor **ret_rows);
} stele_fusion_vt;

/* --- head: predicts a target from z ---------------------------------------------------------------------------------
 */

typedef struct stele_head_traits {
    uint64_t struct_size;
    double gradient_scale; /* factor on the derivative towards z: 1 supervised, 0 a probe, negative an adversary */
    uint32_t own_step;     /* 1: the head's parameters take a step of their own on detached z before the model's, and
                              none with it */
    uint32_t reserved;
    /* 0.2 */
    double step_rate;    /* own_step: learning rate of these steps over that of the model's; 0: the same */
    uint32_t at_mean;    /* 1: while training, too, predict gets the mean of the posterior and no draw from it; of a
                            mixture, of each component */
    uint32_t least_rows; /* of fewer rows in a batch the loss says too little, as one that compares them: training
                            warns; 0 as 1 */
} stele_head_traits;

/* All held-out rows with a target at once: predictions are narrow, and ranks need them together. */
typedef struct stele_head_scored {
    uint64_t struct_size;
    int64_t n_rows, n_outputs; /* n_outputs: elements of a row of what predict gives */
    const float *predicted;    /* (n_rows, n_outputs), at the mean of z */
    const int32_t *code;       /* CATEGORY: (n_rows); else NULL */
    const double *number;      /* NUMBER: (n_rows), or (n_rows, columns); else NULL */
    /* 0.2 */
    const stele_reader *reader; /* of the instance's parameters and buffers */
    int64_t n_distinct;         /* rows that these are of: in calibrate() one may come several times, of several z */
} stele_head_scored;

/* A quantity that a prediction is read as: "survival_365". `category`: the number of the target's category that it is
 * about, whose name the host puts behind its own ("p" of "B cell"); -1: of none. A name of "" is the target itself. */
typedef struct stele_head_output {
    char name[48]; /* [a-zA-Z0-9_.]* */
    int32_t category;
    uint32_t reserved;
} stele_head_output;

/* Predictions to be put into those quantities. `uniform` NULL: their expectations given z. Else a number inside (0, 1)
 * for each row, the probability at which noise that the head itself assumes is to stand: the same quantities as they
 * might be observed, which do not fall as it grows. A head without such noise gives the same with both. */
typedef struct stele_head_shown {
    uint64_t struct_size;
    int64_t n_rows, n_outputs; /* n_outputs: elements of a row of what predict gives */
    const float *predicted;    /* (n_rows, n_outputs) */
    const double *uniform;     /* (n_rows) or NULL */
    const stele_reader *reader;
    double *ret; /* (n_rows, quantities); NaN: none */
} stele_head_shown;

typedef struct stele_head_vt {
    STELE_COMMON_SLOTS;
    /* Asked once; gradient_scale has to be finite. [main & new; none] */
    stele_status (*traits)(const stele_inst *self, stele_head_traits *ret);
    /* Learn statistics of the targets of the training rows that have one: views of I32 codes or F64 numbers (n), of
     * several columns (n, columns). Called once before a training begins, not when one is resumed or a model is loaded.
     * Optional. [main & built; none] */
    stele_status (*fit)(const stele_inst *self, stele_fit *f);
    /* Parameters of the prediction for z (R, latent_dim), rows outermost; covariates (R, decoder_covariates) or NULL.
     * What they are (logits, a mean, ...) is the plugin's to document. While training z is drawn from the posterior of
     * all that a row has (but see traits.at_mean), in evaluation it is a posterior's mean, or drawn from it.
     * [compute & built; graph] */
    stele_status (*predict)(const stele_inst *self, stele_graph *g, stele_tensor *z, stele_tensor *covariates,
                            stele_tensor **ret_y);
    /* Loss per row (R) of prediction y against target: I32 codes (R) or numbers of the graph's dtype (R), of several
     * columns (R, columns), none of them missing: rows without a target are left out by the host. Its mean over the
     * rows counts: a loss that compares rows, as with risk sets, may take those of the batch together, and then
     * does not promise ROW_INDEPENDENT. [compute & built; graph] */
    stele_status (*loss)(const stele_inst *self, stele_graph *g, stele_tensor *y, stele_tensor *target,
                         stele_tensor **ret_rows);
    /* Metrics on held-out rows, at most `capacity`. Optional. [main & built; none] */
    stele_status (*score)(const stele_inst *self, const stele_head_scored *s, uint32_t capacity, stele_metric *ret,
                          uint32_t *ret_n);
    /* 0.2 */
    /* What a target of several columns consists of, ended by NULL, as in { "time", "event", NULL }. They are numbers,
     * in this order in the spec, and a row has the target if it has all of them. NULL: one column. */
    const char *const *columns;
    /* The quantities that predictions are read as, at most `capacity`, which do not change once the instance is built.
     * Optional, with show: without them the elements of a prediction are taken as they are. [main & built; none] */
    stele_status (*outputs)(const stele_inst *self, const stele_reader *reader, uint32_t capacity,
                            stele_head_output *ret, uint32_t *ret_n);
    /* Put predictions into them. [main & built; none] */
    stele_status (*show)(const stele_inst *self, const stele_head_shown *s);
    /* Correct how sure predictions are, by rows that parameters were not learned from: set buffers that predict reads,
     * as a temperature. `s`: predictions for the validation rows that have a target, made with those buffers as they
     * were after fit, which is all that f->set may change; f->next has no rows. A head that learns from several
     * posteriors of a row meets each row at each of their means, first all rows at those given all that they have.
     * Called once, at the end of a training, unless the rows lack classes of a CATEGORY that more than one in twenty of
     * the training rows have, or are of one class. If it sets nothing, it says why by log. Optional.
     * [main & built; none] */
    stele_status (*calibrate)(const stele_inst *self, const stele_head_scored *s, stele_fit *f);
    /* Is every target one that the loss allows? x: targets of rows that have one, I32 codes (n) or F64 numbers (n), of
     * several columns (n, columns), of all parts of the data and of new data that hold the target. OK, or E_DATA and
     * *ret_bad for the first that is not; its column counts those of the target. Called before fit. Optional: anything
     * goes. [compute & built; static] */
    stele_status (*validate)(const stele_inst *self, const stele_view *x, stele_bad_value *ret_bad);
    /* Logarithm of the probability of the targets (R), or of their density in their own unit, as predictions y claim it
     * once they are calibrated: without weights of classes, smoothed targets, or units of a loss. Draws of z given a
     * target go by it. Optional: they go by -loss. [compute & built; graph] */
    stele_status (*log_prob)(const stele_inst *self, stele_graph *g, stele_tensor *y, stele_tensor *target,
                             stele_tensor **ret_rows);
} stele_head_vt;

/* --- source: reads data ------------------------------------------------------------------------------------------- */

/* Rows of one field. Buffers are the host's. MATRIX DENSE: `data` gets n_rows * sample elements, packed. MATRIX CSR:
 * row_start is filled from count(); `data` and `column` get the stored entries, columns ascending, each once. CATEGORY:
 * I32 codes, -1 missing. NUMBER: F64, finite, NaN missing. TEXT: `text` gets borrowed strings, NULL missing. */
typedef struct stele_read {
    uint64_t struct_size;
    uint32_t field, reserved;
    uint64_t n_rows;
    const int64_t *row; /* along the field's axis, any order, repeats allowed */
    void *data;
    const int64_t *row_start;
    int32_t *column;
    const char **text;
    int64_t *lengths; /* fields whose first extent varies by row; else NULL */
} stele_read;

/* A source has one or more row axes (the cells of one modality, say), each with row ids, and fields along them. The
 * host joins axes of all sources by row id (outer join): what a row lacks is absent. */
typedef struct stele_source_vt {
    STELE_COMMON_SLOTS;
    uint32_t (*n_axes)(const stele_inst *self);               /* [any & built; none] */
    int64_t (*n_rows)(const stele_inst *self, uint32_t axis); /* [any & built; none] */
    /* Id of a row, unique in its axis; the source's string, as long as the instance lives. [any & built; self] */
    const char *(*row_id)(const stele_inst *self, uint32_t axis, int64_t row);
    uint32_t (*n_fields)(const stele_inst *self); /* [any & built; none] */
    /* Strings in *ret are the source's, as long as the instance lives. [any & built; self] */
    stele_status (*field)(const stele_inst *self, uint32_t field, stele_field *ret);
    /* The source's string, as long as the instance lives; NULL: features have no names. [any & built; self] */
    const char *(*feature_name)(const stele_inst *self, uint32_t field, int64_t feature);
    /* The source's string, as long as the instance lives. [any & built; self] */
    const char *(*category)(const stele_inst *self, uint32_t field, int64_t code);
    /* Stored entries of each row of a CSR field. [any & built; none] */
    stele_status (*count)(const stele_inst *self, uint32_t field, uint64_t n_rows, const int64_t *row, int64_t *ret_n);
    stele_status (*read)(const stele_inst *self, const stele_read *r); /* [any & built; self] */
    /* Features of a DENSE MATRIX may be texts: their values are codes 0 .. n_levels - 1, NaN missing, and level() names
     * them, all different. 0: the feature is a number. Both optional, together. [any & built; none] */
    int64_t (*n_levels)(const stele_inst *self, uint32_t field, int64_t feature);
    /* The source's string, as long as the instance lives. [any & built; self] */
    const char *(*level)(const stele_inst *self, uint32_t field, int64_t feature, int64_t code);
} stele_source_vt;

#ifdef __cplusplus
}
#endif

#endif /* STELE_KINDS_H */
