/* table.h - what the files of modality/table share.
 *
 * A column of the measurement has a type. Its likelihood is that of one or two *terms*, each a
 * coded value y with linear predictors of its own; terms of one group stand side by side, so that
 * the likelihoods of a group work on a block. */
#ifndef TABLE_H
#define TABLE_H

#include <stele/dense.h>
#include <stele/plugin.h>

/* Types of columns. Those before COUNT have a normal term. */
enum {
    TABLE_REAL = 0,
    TABLE_POSITIVE,
    TABLE_PROPORTION,
    TABLE_COUNT,
    TABLE_BINARY,
    TABLE_ORDERED,
    TABLE_UNORDERED,
    TABLE_CONSTANT, /* nothing to learn: no term */
    TABLE_N_TYPES
};
extern const char *const table_type_names[TABLE_N_TYPES];

/* Groups of terms, in their order. */
enum {
    TABLE_NORMAL = 0, /* reals, logarithms, logits of proportions */
    TABLE_COUNTS,
    TABLE_CHOICES, /* binary */
    TABLE_RANKS,   /* ordered */
    TABLE_CLASSES, /* unordered; whether a proportion is inside, 0 or 1 */
    TABLE_N_GROUPS
};

typedef struct table_config {
    stele_dense_config encoder, decoder;
    stele_str_list type[TABLE_N_TYPES]; /* columns said to be of it; none for TABLE_CONSTANT */
    double input_dropout, input_decay, output_decay, least_variance;
    int32_t indicator;
} table_config;

typedef struct table_column {
    const stele_feature *feature; /* NULL: nothing is known */
    int32_t type;
    int32_t exact;    /* the spec names it */
    int32_t inferred; /* the training rows' values suggest the type, no option says it */
    int32_t ends;     /* PROPORTION: bits, training rows have exact zeros (1), exact ones (2) */
    int64_t n;        /* levels of BINARY, ORDERED, UNORDERED */
    int32_t *rank; /* ORDERED by words of the spec: (n) value of the feature -> level; else NULL */
    int64_t term;  /* the first term; -1: none */
    int64_t end;   /* PROPORTION with ends: the term of those; -1: none */
} table_column;

typedef struct table_term {
    int64_t column;
    int64_t eta;   /* first linear predictor */
    int64_t n_eta; /* 1, CLASSES: levels */
    int64_t n;     /* levels of RANKS and CLASSES */
    int64_t extra; /* RANKS: first threshold */
    int64_t input; /* first of the encoder's inputs, n_eta of them */
} table_term;

struct stele_inst {
    const stele_host *host;
    const table_config *config;
    int64_t n_columns, latent, encoder_covariates, decoder_covariates;
    const stele_feature *const *feature;        /* (n_columns) or NULL */
    table_column *column;                       /* (n_columns) */
    table_term *term;                           /* (n_terms) */
    int64_t n_terms, first[TABLE_N_GROUPS + 1]; /* terms of group k: first[k] .. first[k + 1] - 1 */
    int64_t n_eta, n_thresholds, n_inputs;
    stele_dense encoder, decoder;
    stele_gaussian_head expert;
    uint32_t weight, bias, centre, log_scale;
    uint32_t log_variance, log_dispersion, thresholds; /* where a group has terms */
    uint32_t least_log_variance;                       /* with log_variance; fit.c says why */
};

enum { STREAM_INPUT = 1, STREAM_SAMPLE, STREAM_ENCODER = 16, STREAM_DECODER = 32 };

static inline int64_t table_count(const stele_inst *self, int group)
{
    return self->first[group + 1] - self->first[group];
}

static inline double table_real(const stele_view *x, int64_t i)
{
    return x->dtype == STELE_F64 ? ((const double *)x->data)[i]
                                 : (double)((const float *)x->data)[i];
}

/* types.c: find the type of every column, and lay out the terms. */
stele_status table_settle(stele_inst *self);
/* Say which columns have which type. */
void table_report(const stele_inst *self);

/* values.c. Level of x in a column of levels, -1: none, or missing. */
int64_t table_level(const table_column *c, double x);
/* What x of a column gives for a term; NaN: nothing. */
double table_coded(const stele_inst *self, int64_t term, double x);
/* The value of x that a level stands for. */
double table_uncoded(const table_column *c, int64_t level);
stele_status table_validate(const stele_inst *self, const stele_view *x, stele_bad_value *ret);
/* What the encoder sees of a coded value, before it is standardised. */
double table_seen(const stele_inst *self, int64_t term, double y);

/* fit.c */
stele_status table_fit(const stele_inst *self, stele_fit *f);

/* passes.c */
stele_status table_encode(const stele_inst *self, stele_graph *g, const stele_encode_args *a,
                          stele_dist *ret_q);
stele_status table_log_prob(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                            stele_tensor **ret_rows);
/* Linear predictors (R, n_eta). */
stele_tensor *table_predict(const stele_inst *self, stele_graph *g, const stele_decode_args *a);
/* Log-variances of the normal terms, of which there has to be one. */
stele_tensor *table_log_variance(const stele_inst *self, stele_graph *g);

/* likelihood.c: the operation of all terms. Inputs: predictors, coded values (R, n_terms), centre
 * and log_scale (n_terms), then log-variances, log-dispersions and thresholds as far as there are
 * such; gives (R). */
extern const stele_custom table_likelihood;

/* generate.c */
stele_status table_generate(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                            uint32_t what, stele_tensor **ret_x);

/* score.c */
uint64_t table_score_size(const stele_inst *self);
stele_status table_score_add(const stele_inst *self, void *state, const stele_scored *s);
stele_status table_score_end(const stele_inst *self, void *state, uint32_t capacity,
                             stele_metric *ret, uint32_t *ret_n);

#endif
