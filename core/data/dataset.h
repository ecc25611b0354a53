/* core/data: rows of all sources joined by id, splits, batches, and the files that results go to.
 *
 * dataset.h - the data of one run in memory: which rows there are, which modalities each row has,
 * the measurements (compact CSR or dense float) and the label columns.
 *
 * Life: create (join rows, read labels) -> optionally hide -> split (split.h) -> load (read the
 * measurements, drop rare features) -> gather, from any thread. The source instances are used
 * until load has returned and may be destroyed afterwards. Members of the structs are for reading.
 */
#ifndef STELE_DATA_DATASET_H
#define STELE_DATA_DATASET_H

#include "base/diag.h"
#include "base/map.h"
#include "plugin/guest.h"

#include <stddef.h>
#include <stdint.h>
#include <stele/kinds.h>

/* A built source instance and its name in the spec; all are borrowed. */
typedef struct stele__source {
    const char *name;
    const stele_source_vt *vt;
    const stele_inst *inst;
    const char *file;    /* what it reads, for messages; NULL: not known */
    stele__guest *guest; /* knows what the plugin says about a failure; NULL: nobody does */
} stele__source;

/* One modality. `from` is a field ("counts", "counts/layers/raw"); with several sources also
 * "SOURCE:field", needed when more than one has it. */
typedef struct stele__matrix_request {
    const char *name;
    const char *from;
    stele__place place;    /* of `from`, for messages */
    int64_t min_rows;      /* keep features that are non-zero in at least that many training rows */
    int transform;         /* STELE__TRANSFORM_...: of every value that is read */
    int64_t most_variable; /* of those, keep as many as vary most over training rows; 0: all */
    /* Fixed features, in this order, for new data of a trained model; both are then ignored.
     * feature NULL with n_features > 0: unnamed, the number has to agree. 0: those of the field. */
    const char *const *feature;
    int64_t n_features;
    stele_shape sample;            /* one row of a trained model's; ndim 0: (n_features) */
    uint32_t layout, stored_dtype; /* the same; 0: dense, and not known */
    int describe; /* find out what training rows have in each feature; else texts are refused */
    /* (n_features) what they had, for new data of a trained model; NULL: to be found out. Lives as
     * long as the data set. */
    const stele_feature *const *known;
    /* Number, from 1, of an earlier request: what the encoder of that modality sees in place of it.
     * A row has both or neither. 0: a modality of its own. */
    size_t beside;
} stele__matrix_request;

/* One label column, named like a field. A last path component ("batch" for "counts/obs/batch") is
 * enough when it is unique. */
typedef struct stele__label_request {
    const char *from;
    stele__place place;
    uint32_t
        content; /* 0: as it comes (text becomes categories); or STELE_FIELD_CATEGORY, _NUMBER */
    /* Fixed categories of a trained model; values outside them become missing, with a warning.
     * NULL: those that occur. */
    const char *const *category;
    int64_t n_categories;
    int quiet; /* nothing depends on it: no warning about what is missing */
    int named; /* the categories are those that the spec lists, of no model yet */
} stele__label_request;

typedef struct stele__data_request {
    const stele__source *source;
    size_t n_sources;
    const stele__matrix_request *matrix;
    size_t n_matrices;
    const stele__label_request *label;
    size_t n_labels;
    /* New data for a trained model: a modality that no source has is absent in all rows, a label
     * that no source has is missing in all rows, and modalities need not share rows. */
    int new_data;
    /* (n_sources) 1: rows are those that one of these sources has a modality of; others say what
     * they have about these. NULL, or where these have no modality: all sources. */
    const uint8_t *of_rows;
} stele__data_request;

/* How the stored entries of a CSR matrix are kept: the narrowest type that holds them all. */
enum { STELE__VALUE_U8 = 1, STELE__VALUE_U16, STELE__VALUE_F32 };

/* The measurements of one modality. */
typedef struct stele__matrix {
    char *name, *from;
    /* As the modality's plugin gets it: after load its sample is the shape of the selected
     * features. Its dtype is F32, whatever the source has. */
    stele_field field;
    uint32_t stored_dtype; /* what the source has: of texts, one byte per letter, U8 */
    int available;         /* 0: new data without this modality */
    int64_t n_features;    /* product of field.sample; final after load */
    char **feature_name;   /* (n_features), unique; NULL: unnamed. After load */
    int64_t n_present; /* rows with this modality, those dropped since included: they stay stored */
    int64_t n_dropped; /* rows that stele__dataset_drop took away */
    int64_t *store_row; /* (rows of the data set) where the row is stored; -1: absent */
    int64_t *partner;   /* the same: whose measurement it is; -1: its own. NULL: all their own */
    /* CSR, after load */
    int64_t *row_start; /* (n_present + 1) */
    int32_t *column;    /* ascending in each row, no stored zeros */
    void *value;
    int value_kind;       /* STELE__VALUE_* */
    int64_t *largest_sum; /* (n_present + 1): entries of the k longest rows together */
    /* DENSE, after load: (n_present, n_features), NaN: missing entry. Read row by row through
     * stele__matrix_row: they may lie in a file. */
    float *dense;
    struct stele__store *store;   /* store.h; what `dense` points into */
    struct stele__window *window; /* window.h; NULL: encoders get the row alone */
    /* where it comes from */
    size_t source;
    uint32_t source_field;
    stele__place place;
    int64_t min_rows, most_variable, n_wanted;
    int transform;
    size_t beside;             /* as in its request */
    const char *const *wanted; /* borrowed until load */
    int describe;
    const stele_feature *const *known;
    struct stele__features *own; /* what field.feature points to if it was found out here */
    /* stele__matrix_gap was called: what stele__matrix_digest was before. */
    int has_gaps;
    uint64_t digest_before;
} stele__matrix;

/* A label column, one value per row of the data set. */
typedef struct stele__label {
    char *name;       /* the `from` of its request */
    uint32_t content; /* STELE_FIELD_CATEGORY or STELE_FIELD_NUMBER */
    int64_t n_categories;
    char **category; /* names; without fixed ones, those that occur, in the source's order */
    int32_t *code;   /* CATEGORY: (rows), -1 missing; else NULL */
    double *number;  /* NUMBER: (rows), NaN missing; else NULL */
    uint32_t asked;  /* `content` of its request: 0 took it as it came */
    int64_t source;  /* which has the column; -1: none */
    stele__place place;
} stele__label;

typedef struct stele__dataset {
    int64_t n_rows;
    stele__map *id; /* row id <-> row */
    size_t n_matrices, n_labels;
    stele__matrix *matrix;
    stele__label *label;
    uint8_t *present; /* (n_rows, n_matrices), 1 or 0 */
    const stele__source *source;
    size_t n_sources;
    struct stele__axis *axis; /* the sources' row axes, all sources one after the other */
    size_t n_axes;
} stele__dataset;

/* Join the rows (outer join by id) and read the labels. Rows are those that have at least one of
 * the requested modalities, in the order in which their ids first appear when the axes of all
 * sources are walked in order. Place strings, `source` and fixed names must live until load has
 * returned. Errors, all with a message: E_DATA (nothing matches a name, with a list of what is
 * there; duplicate row ids; no row has two of several modalities), E_NOMEM, the source's. [main] */
STELE_NODISCARD stele_status stele__dataset_create(const stele__data_request *request,
                                                   stele__dataset **ret, stele__diag *diag);
void stele__dataset_destroy(stele__dataset *ds); /* NULL is legal */

/* For experiments: take modality m away from a random part of the rows that have it, each with
 * probability `fraction` in [0, 1], independently of everything but (seed, m's name, row id). A row
 * may lose all it has. `where` (n_rows): 1 for rows that this is about; NULL: all. Call before
 * load. [main] */
void stele__dataset_hide(stele__dataset *ds, size_t m, double fraction, uint64_t seed,
                         const uint8_t *where);

/* For experiments: rows of the same part of the split (`part`, n_rows) exchange modality m, so that
 * each has a measurement of another one, its wrong partner. Each row that has m is among them with
 * probability `fraction` in [0, 1], as above; one alone in its part keeps its own. Values, and what
 * `fit` sees of training rows, stay the same as a whole. Call after load. [main] */
STELE_NODISCARD stele_status stele__dataset_mismatch(stele__dataset *ds, size_t m, double fraction,
                                                     uint64_t seed, const uint8_t *part,
                                                     const uint8_t *where);

/* Read the measurements of the rows that are present. `train` (n_rows): 1 for training rows, the
 * only ones that min_rows and most_variable look at; NULL: all rows. [main] */
STELE_NODISCARD stele_status stele__dataset_load(stele__dataset *ds, const uint8_t *train,
                                                 stele__diag *diag);

/* After load: this row, which has modality m, lacks it from now on. What is stored, and with it the
 * digest of the values, stays as it is. [main] */
void stele__dataset_drop(stele__dataset *ds, size_t m, int64_t row);

/* Keep those categories of the first label of that name with categories that training rows have:
 * `train` (n_rows) is 1 for those. Other values become missing, with a warning for each. Numbers
 * stay as they are. [main] */
STELE_NODISCARD stele_status stele__dataset_limit_label(stele__dataset *ds, const char *name,
                                                        const uint8_t *train, stele__diag *diag);

/* Index of a modality or of a label (name and content as requested); -1 if there is none. [any] */
int64_t stele__dataset_matrix(const stele__dataset *ds, const char *name);
/* Index of what the encoder of modality m sees in place of it; -1: nothing else. [any] */
int64_t stele__dataset_beside(const stele__dataset *ds, size_t m);
const stele__label *stele__dataset_label(const stele__dataset *ds, const char *name,
                                         uint32_t content);
const char *stele__dataset_row_id(const stele__dataset *ds, int64_t row); /* [any] */
/* Where a label's values come from, for messages: " of FILE", of several sources " of FILE, source
 * `NAME`", what of it there is. Returns `ret`. */
enum { STELE__ORIGIN = 512 };
const char *stele__label_origin(const stele__dataset *ds, const stele__label *label,
                                char ret[STELE__ORIGIN]);

/* --- batches: nothing below allocates ------------------------------------------------------- */

/* Of `n` rows those that have modality m, in order: their number, the rows in ret_row (n) and their
 * positions 0 .. n-1 in ret_position (n). Either output may be NULL. [any] */
int64_t stele__dataset_select(const stele__dataset *ds, size_t m, int64_t n, const int64_t *row,
                              int64_t *ret_row, int64_t *ret_position);
/* The most entries that any n distinct rows of CSR modality m hold together. [any] */
int64_t stele__dataset_most_entries(const stele__dataset *ds, size_t m, int64_t n);
/* Entries of these rows together; all of them have modality m. [any] */
int64_t stele__dataset_count_entries(const stele__dataset *ds, size_t m, int64_t n,
                                     const int64_t *row);
/* CSR rows: ret_row_start (n + 1), ret_column and ret_value (number of entries). All rows have
 * modality m; any order, repeats allowed. [any] */
void stele__dataset_gather_csr(const stele__dataset *ds, size_t m, int64_t n, const int64_t *row,
                               int64_t *ret_row_start, int32_t *ret_column, float *ret_value);
/* A stored row of a dense matrix: (n_features), until the next call, of any thread, may take its
 * pages from memory, from where they come again. [any] */
float *stele__matrix_row(const stele__matrix *m, int64_t store_row);
/* Dense rows: ret (n, n_features). All rows have modality m. [any] */
void stele__dataset_gather_dense(const stele__dataset *ds, size_t m, int64_t n, const int64_t *row,
                                 float *ret);

#endif
