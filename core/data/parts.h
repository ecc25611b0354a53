/* parts.h - what the files of this room share to build a data set; nobody else includes it. */
#ifndef STELE_DATA_PARTS_H
#define STELE_DATA_PARTS_H

#include "data/dataset.h"

/* One row axis of one source. */
typedef struct stele__axis {
    size_t source;
    uint32_t axis;
    int64_t n_rows;
    int has_matrix;    /* a requested modality lies along it */
    int has_label;     /* a requested label lies along it */
    int adds_rows;     /* has_matrix, and its rows are among those asked for */
    int64_t *axis_row; /* (rows of the data set): row along this axis, -1 if the id is not in it */
} stele__axis;

/* Where a name leads. */
typedef struct stele__found {
    size_t source;
    stele_field field;
    uint32_t index;
    int missing; /* nothing matches, or several do, and the request allows that */
} stele__found;

/* Which contents a name may stand for. */
enum { STELE__FIND_MATRIX = 1, STELE__FIND_LABEL = 2 };

/* Find the field that `from` names. Nothing found is no error in new data, and several are none
 * without a place: nothing depends on the field. */
STELE_NODISCARD stele_status stele__field_find(const stele__data_request *request, const char *from,
                                               int what, const stele__place *place,
                                               stele__found *ret, stele__diag *diag);
/* The axis of a field. */
stele__axis *stele__axis_of(const stele__dataset *ds, size_t source, uint32_t axis);

/* Rows and their ids, and where each is along the axes that have something to read. */
STELE_NODISCARD stele_status stele__dataset_join(stele__dataset *ds, stele__diag *diag);
/* Id of a row along an axis, borrowed from the source until its next call. */
const char *stele__row_id(const stele__dataset *ds, const stele__axis *axis, int64_t row);
/* near.c. A warning for each source with ids that have blanks at their ends or control characters,
 * and for each axis with ids that another axis has but for leading zeros, `.0`, blanks around them
 * or case. After the join, which has seen that all rows have ids. */
STELE_NODISCARD stele_status stele__dataset_warn_near(const stele__dataset *ds, stele__diag *diag);

/* Read one label column; rows and axes of `ds` are known. */
STELE_NODISCARD stele_status stele__label_read(const stele__dataset *ds,
                                               const stele__label_request *request,
                                               const stele__found *found, stele__label *ret,
                                               stele__diag *diag);
void stele__label_finish(stele__label *label);
/* Keep the categories that occur in these rows (n_rows; NULL: in any); the values of all others
 * become missing, which is worth a warning where there are such values. [main] */
STELE_NODISCARD stele_status stele__label_keep_used(const stele__dataset *ds, stele__label *l,
                                                    const uint8_t *in, stele__diag *diag);
/* Codes in the order of the request's categories; what is not among them becomes missing. [main] */
STELE_NODISCARD stele_status stele__label_fix(const stele__dataset *ds, stele__label *l,
                                              const stele__label_request *request,
                                              stele__diag *diag);

/* Read the measurements of `m` as the source has them, all features. */
STELE_NODISCARD stele_status stele__matrix_read(const stele__dataset *ds, stele__matrix *m,
                                                stele__diag *diag);
/* Room for the rows of a dense matrix of n_features: in memory while those of the data set fit. */
STELE_NODISCARD stele_status stele__matrix_store(const stele__dataset *ds, const stele__matrix *m,
                                                 int64_t n_features, struct stele__store **ret,
                                                 stele__diag *diag);
/* Keep the requested features of a matrix that was read. */
STELE_NODISCARD stele_status stele__matrix_select(const stele__dataset *ds, stele__matrix *m,
                                                  const uint8_t *train, stele__diag *diag);
/* Of the *n features with a number in `to` (n_features, -1: dropped) keep the most_variable ones
 * that vary most over the training rows, numbered anew in their order; *n is then their number.
 * What is compared is the variance of log(1 + value), rows brought to their median sum, or that of
 * the values themselves where training rows have some below 0. */
STELE_NODISCARD stele_status stele__matrix_keep_variable(const stele__dataset *ds,
                                                         const stele__matrix *m,
                                                         const uint8_t *train, int32_t *to,
                                                         int64_t *n);
/* Describe the features of a loaded matrix that asks for it, by its training rows or as it was
 * known before; values that those rows do not have among their texts become missing. Refuse texts
 * where they are not asked for. `to` (features of the source): number of each, -1 dropped. */
STELE_NODISCARD stele_status stele__matrix_describe(const stele__dataset *ds, stele__matrix *m,
                                                    int64_t n_source, const int32_t *to,
                                                    const uint8_t *train, stele__diag *diag);
void stele__features_destroy(struct stele__features *f); /* NULL is legal */
void stele__matrix_finish(stele__matrix *m);

/* Stored entry k as float. */
static inline float stele__matrix_value(const stele__matrix *m, int64_t k)
{
    switch (m->value_kind) {
    case STELE__VALUE_U8: return ((const uint8_t *)m->value)[k];
    case STELE__VALUE_U16: return ((const uint16_t *)m->value)[k];
    default: return ((const float *)m->value)[k];
    }
}

/* Stored entries begin .. begin + n - 1 as float. */
void stele__matrix_values(const stele__matrix *m, int64_t begin, int64_t n, float *ret);

static inline void stele__matrix_put(stele__matrix *m, int64_t k, float v)
{
    switch (m->value_kind) {
    case STELE__VALUE_U8: ((uint8_t *)m->value)[k] = (uint8_t)v; break;
    case STELE__VALUE_U16: ((uint16_t *)m->value)[k] = (uint16_t)v; break;
    default: ((float *)m->value)[k] = v; break;
    }
}

static inline size_t stele__value_size(int value_kind)
{
    return value_kind == STELE__VALUE_U8 ? 1 : value_kind == STELE__VALUE_U16 ? 2 : 4;
}

/* A call of `slot` of a source has ended with `code`, which is passed on: on failure make sure that
 * there is a message. `field` is what was asked for, NULL if nothing in particular; `n_errors`
 * diag's count before the call. */
stele_status stele__source_ended(const stele__source *source, const char *slot, const char *field,
                                 stele_status code, size_t n_errors, stele__diag *diag);

#endif
