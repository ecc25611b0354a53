/* Label columns: read once, joined to the rows, turned into codes or numbers. */
#include "base/mem.h"
#include "base/str.h"
#include "data/parts.h"
#include "spec/scalar.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void stele__label_finish(stele__label *label)
{
    for (int64_t c = 0; label->category != NULL && c < label->n_categories; c++) {
        stele__free(label->category[c]);
    }
    stele__free(label->category);
    stele__free(label->code);
    stele__free(label->number);
    stele__free(label->name);
    memset(label, 0, sizeof *label);
}

static stele_status alloc_codes(stele__label *l, int64_t n_rows)
{
    l->content = STELE_FIELD_CATEGORY;
    l->code = stele__malloc((size_t)n_rows * sizeof *l->code);
    for (int64_t i = 0; l->code != NULL && i < n_rows; i++) {
        l->code[i] = -1;
    }
    return l->code != NULL ? STELE_OK : STELE_E_NOMEM;
}

static stele_status alloc_numbers(stele__label *l, int64_t n_rows)
{
    l->content = STELE_FIELD_NUMBER;
    l->number = stele__malloc((size_t)n_rows * sizeof *l->number);
    for (int64_t i = 0; l->number != NULL && i < n_rows; i++) {
        l->number[i] = (double)NAN;
    }
    return l->number != NULL ? STELE_OK : STELE_E_NOMEM;
}

static stele_status alloc_categories(stele__label *l, int64_t n)
{
    l->category = stele__calloc((size_t)n + 1, sizeof *l->category);
    l->n_categories = l->category != NULL ? n : 0;
    return l->category != NULL ? STELE_OK : STELE_E_NOMEM;
}

/* --- from the source ------------------------------------------------------------------------- */

/* Rows of the data set that the label's axis has, as (row along the axis, row of the data set). */
typedef struct rows {
    int64_t n, *axis_row, *row;
} rows;

static stele_status list_rows(const stele__dataset *ds, const stele__axis *axis, rows *ret)
{
    size_t bytes = (size_t)ds->n_rows * sizeof(int64_t);
    *ret = (rows){ .axis_row = stele__malloc(bytes), .row = stele__malloc(bytes) };
    if (ret->axis_row == NULL || ret->row == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t i = 0; i < ds->n_rows; i++) {
        if (axis->axis_row[i] >= 0) {
            ret->axis_row[ret->n] = axis->axis_row[i];
            ret->row[ret->n++] = i;
        }
    }
    return STELE_OK;
}

/* A trained model knows categories by their names. */
static stele_status check_names(const stele__label *l, stele__diag *diag)
{
    stele__map *seen = NULL;
    stele_status st = stele__map_create(&seen);
    for (int64_t c = 0; c < l->n_categories && st == STELE_OK; c++) {
        int is_new = 0;
        st = stele__map_add(seen, l->category[c], NULL, &is_new);
        if (st == STELE_OK && !is_new) {
            st = stele__diag_error(diag, STELE_E_DATA, &l->place,
                                   "`%s` has two categories of the name `%s`", l->name,
                                   l->category[c]);
        }
    }
    stele__map_destroy(seen);
    return st;
}

/* Names of all categories as the source has them, and the codes of the rows. */
static stele_status take_codes(const stele__source *src, const stele__found *found,
                               const int32_t *code, const rows *r, stele__label *l,
                               stele__diag *diag)
{
    stele_status st = alloc_categories(l, found->field.n_categories);
    stele__guest_begin(src->guest, "category");
    for (int64_t c = 0; c < l->n_categories && st == STELE_OK; c++) {
        const char *name = src->vt->category(src->inst, found->index, c);
        l->category[c] = stele__strdup(name != NULL ? name : "");
        st = l->category[c] != NULL ? STELE_OK : STELE_E_NOMEM;
    }
    stele__guest_restore(src->guest, "category");
    st = st == STELE_OK ? check_names(l, diag) : st;
    for (int64_t i = 0; i < r->n && st == STELE_OK; i++) {
        if (code[i] < -1 || code[i] >= l->n_categories) {
            return stele__diag_error(diag, STELE_E_DATA, &l->place,
                                     "`%s` has code %d, but %lld categories", l->name, code[i],
                                     (long long)l->n_categories);
        }
        l->code[r->row[i]] = code[i];
    }
    return st;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Texts become categories in alphabetical order, so that codes do not depend on the row order. */
static stele_status take_texts(const char *const *text, const rows *r, stele__label *l)
{
    stele__map *seen = NULL, *sorted = NULL;
    stele_status st = stele__map_create(&seen);
    st = st == STELE_OK ? stele__map_create(&sorted) : st;
    for (int64_t i = 0; i < r->n && st == STELE_OK; i++) {
        st = text[i] != NULL ? stele__map_add(seen, text[i], NULL, NULL) : STELE_OK;
    }
    st = st == STELE_OK ? alloc_categories(l, stele__map_count(seen)) : st;
    for (int64_t c = 0; c < l->n_categories && st == STELE_OK; c++) {
        l->category[c] = stele__strdup(stele__map_name(seen, c));
        st = l->category[c] != NULL ? STELE_OK : STELE_E_NOMEM;
    }
    if (st == STELE_OK) {
        qsort(l->category, (size_t)l->n_categories, sizeof *l->category, by_text);
    }
    for (int64_t c = 0; c < l->n_categories && st == STELE_OK; c++) {
        st = stele__map_add(sorted, l->category[c], NULL, NULL);
    }
    for (int64_t i = 0; i < r->n && st == STELE_OK; i++) {
        l->code[r->row[i]] = text[i] != NULL ? (int32_t)stele__map_find(sorted, text[i]) : -1;
    }
    stele__map_destroy(seen);
    stele__map_destroy(sorted);
    return st;
}

static stele_status read_column(const stele__dataset *ds, const stele__found *found,
                                stele__label *l, stele__diag *diag)
{
    const stele__source *src = &ds->source[found->source];
    uint32_t content = found->field.content;
    rows r = { 0 };
    void *data = NULL;
    stele_status st = list_rows(ds, stele__axis_of(ds, found->source, found->field.axis), &r);
    if (st == STELE_OK) {
        data = stele__calloc((size_t)r.n + 1, sizeof(double));
        st = data != NULL ? STELE_OK : STELE_E_NOMEM;
    }
    if (st == STELE_OK) {
        st = content == STELE_FIELD_NUMBER ? alloc_numbers(l, ds->n_rows)
                                           : alloc_codes(l, ds->n_rows);
    }
    if (st == STELE_OK) {
        stele_read read = { .struct_size = sizeof read,
                            .field = found->index,
                            .n_rows = (uint64_t)r.n,
                            .row = r.axis_row,
                            .data = content != STELE_FIELD_TEXT ? data : NULL,
                            .text = content == STELE_FIELD_TEXT ? (const char **)data : NULL };
        size_t n_errors = diag != NULL ? diag->n_errors : 0;
        stele__guest_begin(src->guest, "read");
        st = src->vt->read(src->inst, &read);
        st = stele__source_ended(src, "read", l->name, st, n_errors, diag);
        if (st == STELE_OK && content == STELE_FIELD_CATEGORY) {
            st = take_codes(src, found, data, &r, l, diag);
        } else if (st == STELE_OK && content == STELE_FIELD_TEXT) {
            st = take_texts((const char *const *)data, &r, l);
        } else {
            for (int64_t i = 0; st == STELE_OK && i < r.n; i++) {
                l->number[r.row[i]] = ((const double *)data)[i];
            }
        }
    }
    stele__free(data);
    stele__free(r.axis_row);
    stele__free(r.row);
    return st;
}

/* --- conversions ----------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The distinct values of a column, ascending; *ret is the caller's. */
static stele_status distinct_values(const double *number, int64_t n_rows, double **ret,
                                    int64_t *ret_n)
{
    double *v = stele__malloc((size_t)n_rows * sizeof *v);
    if (v == NULL) {
        return STELE_E_NOMEM;
    }
    int64_t n = 0, k = 0;
    for (int64_t i = 0; i < n_rows; i++) {
        if (!isnan(number[i])) {
            v[n++] = number[i];
        }
    }
    qsort(v, (size_t)n, sizeof *v, by_value);
    for (int64_t i = 0; i < n; i++) {
        if (i == 0 || v[i] != v[k - 1]) {
            v[k++] = v[i];
        }
    }
    *ret = v;
    *ret_n = k;
    return STELE_OK;
}

/* Where the value stands first. */
static stele_status refuse_measurement(const stele__dataset *ds, const stele__label *l, double v,
                                       stele__diag *diag)
{
    char origin[STELE__ORIGIN];
    int64_t row = 0;
    while (row + 1 < ds->n_rows && l->number[row] != v) {
        row++;
    }
    return stele__diag_error(diag, STELE_E_DATA, &l->place,
                             "`%s` holds measurements (%g in row `%s`%s), not classes", l->name, v,
                             stele__map_name(ds->id, row), stele__label_origin(ds, l, origin));
}

static stele_status refuse_class(const stele__dataset *ds, const stele__label *l, int64_t code,
                                 stele__diag *diag)
{
    char origin[STELE__ORIGIN];
    int64_t row = 0;
    while (row + 1 < ds->n_rows && l->code[row] != code) {
        row++;
    }
    return stele__diag_error(diag, STELE_E_DATA, &l->place,
                             "`%s` holds classes (`%s` in row `%s`%s), not numbers", l->name,
                             l->category[code], stele__map_name(ds->id, row),
                             stele__label_origin(ds, l, origin));
}

/* Whole numbers serve as classes; a fraction means that the column is a measurement. */
static stele_status numbers_to_codes(const stele__dataset *ds, stele__label *l, stele__diag *diag)
{
    double *v = NULL, *number = l->number;
    int64_t n = 0;
    stele_status st = distinct_values(number, ds->n_rows, &v, &n);
    for (int64_t k = 0; k < n && st == STELE_OK; k++) {
        if (v[k] != floor(v[k]) || fabs(v[k]) > 1e15) {
            st = refuse_measurement(ds, l, v[k], diag);
        }
    }
    st = st == STELE_OK ? alloc_categories(l, n) : st;
    st = st == STELE_OK ? alloc_codes(l, ds->n_rows) : st;
    for (int64_t k = 0; k < n && st == STELE_OK; k++) {
        stele__str name;
        stele__str_init(&name);
        stele__str_printf(&name, "%lld", (long long)v[k]);
        l->category[k] = stele__str_take(&name);
        st = l->category[k] != NULL ? STELE_OK : STELE_E_NOMEM;
    }
    for (int64_t i = 0; i < ds->n_rows && st == STELE_OK; i++) {
        if (!isnan(number[i])) {
            double *at = bsearch(&number[i], v, (size_t)n, sizeof *v, by_value);
            l->code[i] = (int32_t)(at - v);
        }
    }
    if (st == STELE_OK) {
        l->number = NULL;
        stele__free(number);
    }
    stele__free(v);
    return st;
}

static int parse_number(const char *text, double *ret)
{
    if (strcmp(text, "True") == 0 || strcmp(text, "False") == 0) {
        *ret = text[0] == 'T';
        return 1;
    }
    return stele__scalar_f64(text, ret) == STELE__SCALAR_OK;
}

/* Categories whose names are numbers, or True and False. */
static stele_status codes_to_numbers(const stele__dataset *ds, stele__label *l, stele__diag *diag)
{
    double *value = stele__malloc(((size_t)l->n_categories + 1) * sizeof *value);
    stele_status st = value != NULL ? STELE_OK : STELE_E_NOMEM;
    for (int64_t c = 0; c < l->n_categories && st == STELE_OK; c++) {
        if (!parse_number(l->category[c], &value[c])) {
            st = refuse_class(ds, l, c, diag);
        }
    }
    st = st == STELE_OK ? alloc_numbers(l, ds->n_rows) : st;
    for (int64_t i = 0; i < ds->n_rows && st == STELE_OK; i++) {
        l->number[i] = l->code[i] >= 0 ? value[l->code[i]] : (double)NAN;
    }
    for (int64_t c = 0; c < l->n_categories && st == STELE_OK; c++) {
        stele__free(l->category[c]);
        l->category[c] = NULL;
    }
    if (st == STELE_OK) {
        l->n_categories = 0;
        stele__free(l->code);
        l->code = NULL;
    }
    stele__free(value);
    return st;
}

/* Missing is NaN; what float cannot hold would turn every parameter that it reaches into NaN. */
static stele_status check_finite(const stele__dataset *ds, const stele__label *l, stele__diag *diag)
{
    for (int64_t i = 0; i < ds->n_rows; i++) {
        if (fabs(l->number[i]) > FLT_MAX) {
            char origin[STELE__ORIGIN];
            stele__diag_error(diag, STELE_E_DATA, &l->place, "row `%s`%s: `%s` is %g, %s",
                              stele__map_name(ds->id, i), stele__label_origin(ds, l, origin),
                              l->name, l->number[i],
                              isinf(l->number[i]) ? "not a finite number"
                                                  : "more than a float can hold");
            stele__diag_hint(diag, "a value that is not known is NaN in the data");
            return STELE_E_DATA;
        }
    }
    return STELE_OK;
}

stele_status stele__label_read(const stele__dataset *ds, const stele__label_request *request,
                               const stele__found *found, stele__label *ret, stele__diag *diag)
{
    uint32_t want = request->content;
    stele_status st = STELE_OK;
    ret->place = request->place;
    ret->asked = want;
    ret->source = found->missing ? -1 : (int64_t)found->source;
    ret->name = stele__strdup(request->from);
    if (ret->name == NULL) {
        return STELE_E_NOMEM;
    }
    if (found->missing) {
        int is_category = want == STELE_FIELD_CATEGORY || request->category != NULL;
        st = is_category ? alloc_codes(ret, ds->n_rows) : alloc_numbers(ret, ds->n_rows);
        stele__diag_warning(request->quiet ? NULL : diag, &ret->place,
                            "the data have no label column `%s`: it counts as "
                            "missing in all rows",
                            ret->name);
    } else {
        st = read_column(ds, found, ret, diag);
    }
    if (st == STELE_OK && want == STELE_FIELD_CATEGORY && ret->content == STELE_FIELD_NUMBER) {
        st = numbers_to_codes(ds, ret, diag);
    } else if (st == STELE_OK && want == STELE_FIELD_NUMBER &&
               ret->content == STELE_FIELD_CATEGORY) {
        st = stele__label_keep_used(ds, ret, NULL,
                                    diag); /* a table often declares more than its rows have */
        st = st == STELE_OK ? codes_to_numbers(ds, ret, diag) : st;
    }
    if (st == STELE_OK && ret->content == STELE_FIELD_CATEGORY) {
        st = request->category == NULL ? stele__label_keep_used(ds, ret, NULL, diag)
                                       : stele__label_fix(ds, ret, request, diag);
    } else if (st == STELE_OK && !request->quiet) {
        st = check_finite(ds, ret, diag);
    }
    return st;
}

stele_status stele__dataset_limit_label(stele__dataset *ds, const char *name, const uint8_t *train,
                                        stele__diag *diag)
{
    for (size_t i = 0; i < ds->n_labels; i++) {
        stele__label *l = &ds->label[i];
        if (strcmp(l->name, name) == 0 && l->content == STELE_FIELD_CATEGORY) {
            return stele__label_keep_used(ds, l, train, diag);
        }
    }
    return STELE_OK;
}
