/* The plugin itself: options, life of an instance, the slots of a source.
 *
 * Axis 0 has all rows, for the labels. Rows without any measurement are absent in `X`: then `X`
 * lies along an axis of its own, which has the others. */
#include "csv.h"

#include <stdlib.h>
#include <string.h>

#define MISSING "['', NA, N/A, n/a, NaN, nan, 'NULL', 'null', None]"

static const char *const delimiters[] = { "auto", "comma", "tab", "semicolon", "pipe", NULL };

static const stele_option options[] = {
    STELE_OPTION_PATH(csv_config, path, "path", STELE_OPT_REQUIRED,
                      "A CSV or TSV file with a header, as UTF-8, plain or packed with gzip; "
                      "`part-*.csv` or `{a,b}.csv` are several with the same columns."),
    STELE_OPTION_STR(
        csv_config, key, "key", NULL, 0,
        "Column with the row ids; default: the first one if it has no name or is called "
        "id, index, row, name, cell, barcode, sample, patient or ..._id, else the rows "
        "are numbered from 0."),
    STELE_OPTION_STR(csv_config, key_else, "key_else", NULL, 0,
                     "Column with the ids of rows for which that of the row ids is empty: what "
                     "only some rows share with another source."),
    STELE_OPTION_BOOL(csv_config, numbered, "numbered", 0,
                      "Number the rows from 0, whatever the first column is called."),
    STELE_OPTION_STR_LIST(
        csv_config, columns, "columns", "['*']",
        "Columns that make up the measurement `X`, names or patterns (`AP *`): they "
        "have to be numbers; '*' takes all that are; []: labels alone."),
    STELE_OPTION_STR_LIST(csv_config, exclude, "exclude", "[]",
                          "Columns, names or patterns, that are labels instead of being measured."),
    STELE_OPTION_STR_LIST(
        csv_config, categories, "categories", "[]",
        "Columns, names or patterns, that are labels of classes even where they are "
        "numbers (batches 1, 2, 3) or have many classes."),
    STELE_OPTION_STR_LIST(
        csv_config, texts, "texts", "[]",
        "Columns, names or patterns, that are texts even where they are numbers or "
        "have few different ones."),
    STELE_OPTION_STR_LIST(
        csv_config, levels, "levels", "[]",
        "Columns, names or patterns, that are measured by their texts, whatever these are, for "
        "modality `table`: in `X` a text is its number in alphabetical order."),
    STELE_OPTION_STR_LIST(
        csv_config, fallback, "fallback", "[]",
        "Labels of numbers that another column completes: `days_to_death = days_to_last_followup` "
        "takes the second where the first is missing."),
    STELE_OPTION_STR_LIST(csv_config, missing, "missing_values", MISSING,
                          "What stands for a missing value, in any column but the row ids."),
    STELE_OPTION_ENUM(csv_config, delimiter, "delimiter", delimiters, 0,
                      "What separates cells; auto: what the header has most of, of "
                      "comma, tab and semicolon."),
    STELE_OPTION_STR(csv_config, comment, "comment", NULL, 0,
                     "Lines that start with this text are left out; default: none are."),
    STELE_OPTION_BOOL(csv_config, sparse, "sparse", 0,
                      "Keep only what is not 0: for counts that are mostly zeros."),
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    stele_inst *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return STELE_FAIL(a->host, STELE_E_NOMEM, "out of memory");
    }
    s->host = a->host;
    s->config = a->config;
    s->new_rows = a->new_rows != 0;
    *ret = s;
    return STELE_OK;
}

static void destroy(stele_inst *s)
{
    if (s == NULL) {
        return;
    }
    for (size_t i = 0; i < s->n_files; i++) {
        csv_file_close(&s->file[i]);
    }
    for (size_t k = 0; s->column != NULL && k < s->n_columns; k++) {
        csv_strings_finish(&s->column[k].category);
        csv_strings_finish(&s->column[k].text);
    }
    csv_strings_finish(&s->name);
    csv_strings_finish(&s->id);
    csv_values_finish(&s->values);
    if (s->has_lock) {
        pthread_mutex_destroy(&s->lock);
    }
    free(s->file);
    free(s->column);
    free(s->row_at);
    free(s->seen);
    free(s->x_column);
    free(s->x_row);
    free(s->label);
    free(s);
}

static stele_status build(stele_inst *s, stele_build *b)
{
    (void)b;
    s->has_lock = pthread_mutex_init(&s->lock, NULL) == 0;
    stele_status st = s->has_lock ? csv_values_init(&s->values, s->host, s->config->missing)
                                  : STELE_FAIL(s->host, STELE_E_NOMEM, "out of memory");
    st = st == STELE_OK ? csv_open_files(s) : st;
    st = st == STELE_OK ? csv_read_header(s) : st;
    return st == STELE_OK ? csv_index(s) : st;
}

/* --- slots ----------------------------------------------------------------------------------- */

static uint32_t n_axes(const stele_inst *s)
{
    return s->x_row != NULL ? 2 : 1;
}

static int64_t n_rows(const stele_inst *s, uint32_t axis)
{
    return axis == 0 ? s->n_rows : axis == 1 && s->x_row != NULL ? s->n_x_rows : 0;
}

static const char *row_id(const stele_inst *s, uint32_t axis, int64_t row)
{
    if (row < 0 || row >= n_rows(s, axis)) {
        return NULL;
    }
    return csv_strings_get(&s->id, axis == 0 ? row : s->x_row[row]);
}

static uint32_t n_fields(const stele_inst *s)
{
    return (uint32_t)((s->n_x > 0) + s->n_labels);
}

/* Column of a label field; -1: the measurement, or none. */
static int64_t column_of(const stele_inst *s, uint32_t field)
{
    int64_t i = (int64_t)field - (s->n_x > 0);
    return i >= 0 && i < s->n_labels ? s->label[i] : -1;
}

static stele_status describe(const stele_inst *s, uint32_t field, stele_field *ret)
{
    int64_t k = column_of(s, field);
    if (field >= n_fields(s)) {
        return STELE_FAIL(s->host, STELE_E_ARG, "there is no field %u", field);
    }
    stele_field d = { .struct_size = sizeof d, .name = "X", .layout = STELE_DENSE };
    if (k < 0) {
        d.content = STELE_FIELD_MATRIX;
        d.dtype = STELE_F32;
        d.layout = s->config->sparse ? STELE_CSR : STELE_DENSE;
        d.axis = s->x_row != NULL;
        d.sample.ndim = 1;
        d.sample.dim[0] = s->n_x;
    } else {
        /* A label may not bear the measurement's name; the host takes `X` for `columns/X` too. */
        d.name = field > 0 && strcmp(s->column[k].name, "X") == 0 ? "columns/X" : s->column[k].name;
        d.content = s->column[k].content;
        d.dtype = d.content == STELE_FIELD_CATEGORY ? STELE_I32 : STELE_F64;
        d.n_categories = d.content == STELE_FIELD_CATEGORY ? s->column[k].category.n : 0;
    }
    *ret = d;
    return STELE_OK;
}

static const char *feature_name(const stele_inst *s, uint32_t field, int64_t feature)
{
    int is_x = field == 0 && s->n_x > 0;
    return is_x && feature >= 0 && feature < s->n_x ? s->column[s->x_column[feature]].name : NULL;
}

static const char *category(const stele_inst *s, uint32_t field, int64_t code)
{
    int64_t k = column_of(s, field);
    return k >= 0 ? csv_strings_get(&s->column[k].category, code) : NULL;
}

static const csv_column *level_column(const stele_inst *s, uint32_t field, int64_t feature)
{
    const int is_x = field == 0 && feature >= 0 && feature < s->n_x;
    const csv_column *c = is_x ? &s->column[s->x_column[feature]] : NULL;
    return c != NULL && csv_is_level(c) ? c : NULL;
}

static int64_t n_levels(const stele_inst *s, uint32_t field, int64_t feature)
{
    const csv_column *c = level_column(s, field, feature);
    return c != NULL ? c->category.n : 0;
}

static const char *level(const stele_inst *s, uint32_t field, int64_t feature, int64_t code)
{
    const csv_column *c = level_column(s, field, feature);
    return c != NULL ? csv_strings_get(&c->category, code) : NULL;
}

/* The asked rows of a field as rows of the table: `row` itself, or *ret_own, which is to be freed.
 */
static stele_status table_rows(const stele_inst *s, uint32_t field, uint64_t n, const int64_t *row,
                               int64_t **ret_own, const int64_t **ret_row)
{
    if (field >= n_fields(s)) {
        return STELE_FAIL(s->host, STELE_E_ARG, "there is no field %u", field);
    }
    uint32_t axis = column_of(s, field) < 0 && s->x_row != NULL;
    for (uint64_t i = 0; i < n; i++) {
        if (row[i] < 0 || row[i] >= n_rows(s, axis)) {
            return STELE_FAIL(s->host, STELE_E_ARG, "there are %lld rows, none with number %lld",
                              (long long)n_rows(s, axis), (long long)row[i]);
        }
    }
    *ret_row = row;
    if (axis == 1) {
        int64_t *own = malloc((n + 1) * sizeof *own);
        if (own == NULL) {
            return STELE_FAIL(s->host, STELE_E_NOMEM, "out of memory");
        }
        for (uint64_t i = 0; i < n; i++) {
            own[i] = s->x_row[row[i]];
        }
        *ret_own = own;
        *ret_row = own;
    }
    return STELE_OK;
}

static stele_status count(const stele_inst *s, uint32_t field, uint64_t n, const int64_t *row,
                          int64_t *ret_n)
{
    int64_t *own = NULL;
    stele_status st = table_rows(s, field, n, row, &own, &row);
    if (st == STELE_OK && (column_of(s, field) >= 0 || !s->config->sparse)) {
        st = STELE_FAIL(s->host, STELE_E_ARG, "field %u is not sparse", field);
    }
    st = st == STELE_OK ? csv_count(s, n, row, ret_n) : st;
    free(own);
    return st;
}

static stele_status read_field(const stele_inst *s, const stele_read *r)
{
    int64_t *own = NULL, k = column_of(s, r->field);
    const int64_t *row;
    stele_status st = table_rows(s, r->field, r->n_rows, r->row, &own, &row);
    if (st == STELE_OK && k < 0) {
        st = csv_read_matrix(s, r, row);
    } else if (st == STELE_OK) {
        /* What a column of texts loads late is behind a lock. */
        st = csv_read_label((stele_inst *)(uintptr_t)s, k, r);
    }
    free(own);
    return st;
}

static const stele_source_vt vt = { .struct_size = sizeof vt,
                                    .create = create,
                                    .destroy = destroy,
                                    .build = build,
                                    .n_axes = n_axes,
                                    .n_rows = n_rows,
                                    .row_id = row_id,
                                    .n_fields = n_fields,
                                    .field = describe,
                                    .feature_name = feature_name,
                                    .category = category,
                                    .count = count,
                                    .read = read_field,
                                    .n_levels = n_levels,
                                    .level = level };

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_SOURCE,
    .id = "source/table",
    .version = "0.1.0",
    .summary = "CSV and TSV files, plain or packed with gzip",
    .license = "BSD-3-Clause",
    .reference = "RFC 4180, Common Format and MIME Type for CSV Files",
    STELE_PLUGIN_OPTIONS(options, csv_config),
    .vtable = &vt,
};

STELE_LIBRARY(&plugin)
