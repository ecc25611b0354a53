/* The plugin itself: options, the files of a folder, the slots of a source.
 *
 * Matrix Market files list features by cells in any order, so the matrix is turned around once, in
 * memory, when the source is built; nothing changes afterwards. */
#include "mtx.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { BY_SYMBOL = 0, BY_ID };

typedef struct config {
    const char *path, *features, *barcodes;
    int32_t feature_names;
} config;

static const char *const name_choices[] = { "symbol", "id", NULL };

static const stele_option options[] = {
    STELE_OPTION_PATH(config, path, "path", STELE_OPT_REQUIRED,
                      "A folder with matrix.mtx, features.tsv or genes.tsv, and barcodes.tsv, each "
                      "of them also as .gz, or a matrix file alone."),
    STELE_OPTION_PATH(config, features, "features", 0,
                      "The table of features (id, symbol, type); without it the folder's own, or "
                      "none for a matrix file alone."),
    STELE_OPTION_PATH(config, barcodes, "barcodes", 0,
                      "The list of cells; without it the folder's own, or numbers from 0 for a "
                      "matrix file alone."),
    STELE_OPTION_ENUM(config, feature_names, "feature_names", name_choices, BY_SYMBOL,
                      "Column of the table that names features; repeated names get -1, -2 and so "
                      "on."),
};

struct stele_inst {
    const stele_host *host;
    const config *c;
    matrix m;
    features f;
    texts barcode;
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    stele_inst *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return STELE_FAIL(a->host, STELE_E_NOMEM, "out of memory");
    }
    s->host = a->host;
    s->c = a->config;
    *ret = s;
    return STELE_OK;
}

static void destroy(stele_inst *s)
{
    if (s == NULL) {
        return;
    }
    mtx_matrix_finish(&s->m);
    mtx_features_finish(&s->f);
    texts_finish(&s->barcode);
    free(s);
}

/* --- files ----------------------------------------------------------------------------------- */

static int exists(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0;
}

/* The first of the names, plain or with .gz, that the folder has. */
static stele_status find_file(const stele_inst *s, const char *const *name, char **ret)
{
    static const char *const ending[] = { "", ".gz" };
    for (int k = 0; name[k / 2] != NULL; k++) {
        char *base = text_join(s->c->path, name[k / 2]);
        size_t size = base != NULL ? strlen(base) + 4 : 0;
        char *path = base != NULL ? realloc(base, size) : NULL;
        if (path == NULL) {
            free(base);
            return STELE_FAIL(s->host, STELE_E_NOMEM, "out of memory");
        }
        memcpy(path + strlen(path), ending[k % 2], strlen(ending[k % 2]) + 1);
        if (exists(path)) {
            *ret = path;
            return STELE_OK;
        }
        free(path);
    }
    return STELE_FAIL(s->host, STELE_E_IO, "path: %s: has no file %s%s%s, plain or with .gz",
                      s->c->path, name[0], name[1] != NULL ? " or " : "",
                      name[1] != NULL ? name[1] : "");
}

/* The file that the option names, else that of the folder, else none. */
static stele_status open_one(const stele_inst *s, const char *option, const char *given,
                             int is_folder, const char *const *name, input **ret)
{
    char *found = NULL;
    if (given == NULL && !is_folder) {
        return STELE_OK;
    }
    stele_status st = given == NULL ? find_file(s, name, &found) : STELE_OK;
    st = st == STELE_OK ? input_open(s->host, given != NULL ? option : "path",
                                     given != NULL ? given : found, ret)
                        : st;
    free(found);
    return st;
}

/* --- build ----------------------------------------------------------------------------------- */

static stele_status check_table(const input *in, const char *what, int64_t n_table,
                                int64_t n_matrix)
{
    return n_table == n_matrix
               ? STELE_OK
               : input_fail(in, STELE_E_DATA, "has %lld lines, but the matrix has %lld %s",
                            (long long)n_table, (long long)n_matrix, what);
}

static stele_status read_tables(stele_inst *s, input *table, input *cells)
{
    stele_status st = mtx_read_features(table, s->c->feature_names == BY_ID, &s->f);
    if (st == STELE_OK && cells != NULL) {
        st = input_read_ids(cells, &s->barcode);
    }
    return st;
}

/* The tables first: they are small, and mistakes in them show at once. */
static stele_status read_all(stele_inst *s, input *file, input *table, input *cells)
{
    stele_status st = read_tables(s, table, cells);
    st = st == STELE_OK ? mtx_read_matrix(file, &s->m) : st;
    if (st == STELE_OK && table != NULL) {
        st = check_table(table, "features", s->f.name.n, s->m.n_features);
    }
    if (st == STELE_OK && cells != NULL) {
        st = check_table(cells, "cells", s->barcode.n, s->m.n_cells);
    } else if (st == STELE_OK && texts_add_numbers(&s->barcode, s->m.n_cells) != 0) {
        st = input_nomem(file);
    }
    if (st == STELE_OK) {
        s->f.field[0].n_features = s->m.n_features;
    }
    return st;
}

static stele_status build(stele_inst *s, stele_build *b)
{
    static const char *const matrix_name[] = { "matrix.mtx", NULL };
    static const char *const features_name[] = { "features.tsv", "genes.tsv", NULL };
    static const char *const barcodes_name[] = { "barcodes.tsv", NULL };
    input *file = NULL, *table = NULL, *cells = NULL;
    struct stat status;
    int is_folder = stat(s->c->path, &status) == 0 && S_ISDIR(status.st_mode);
    (void)b;
    stele_status st =
        open_one(s, "path", is_folder ? NULL : s->c->path, is_folder, matrix_name, &file);
    if (st == STELE_OK) {
        st = open_one(s, "features", s->c->features, is_folder, features_name, &table);
    }
    if (st == STELE_OK) {
        st = open_one(s, "barcodes", s->c->barcodes, is_folder, barcodes_name, &cells);
    }
    st = st == STELE_OK ? read_all(s, file, table, cells) : st;
    input_close(file);
    input_close(table);
    input_close(cells);
    return st;
}

/* --- slots ----------------------------------------------------------------------------------- */

static uint32_t n_axes(const stele_inst *s)
{
    (void)s;
    return 1;
}

static int64_t n_rows(const stele_inst *s, uint32_t axis)
{
    return axis == 0 ? s->m.n_cells : 0;
}

static const char *row_id(const stele_inst *s, uint32_t axis, int64_t row)
{
    return axis == 0 ? texts_at(&s->barcode, row) : NULL;
}

static uint32_t n_fields(const stele_inst *s)
{
    return s->f.n_fields;
}

static stele_status describe(const stele_inst *s, uint32_t index, stele_field *ret)
{
    if (index >= s->f.n_fields) {
        return STELE_FAIL(s->host, STELE_E_ARG, "there is no field %u", index);
    }
    const field *f = &s->f.field[index];
    *ret = (stele_field){ .struct_size = sizeof *ret,
                          .name = f->name,
                          .content = STELE_FIELD_MATRIX,
                          .dtype = STELE_F32,
                          .layout = STELE_CSR,
                          .sample = { .ndim = 1, .dim = { f->n_features } } };
    return STELE_OK;
}

static const char *feature_name(const stele_inst *s, uint32_t index, int64_t j)
{
    if (index >= s->f.n_fields || j < 0 || j >= s->f.field[index].n_features) {
        return NULL;
    }
    const field *f = &s->f.field[index];
    return texts_at(&s->f.name, f->feature != NULL ? f->feature[j] : j);
}

static const char *category(const stele_inst *s, uint32_t index, int64_t code)
{
    (void)s;
    (void)index;
    (void)code;
    return NULL;
}

static stele_status check_rows(const stele_inst *s, uint32_t index, uint64_t n, const int64_t *row)
{
    if (index >= s->f.n_fields) {
        return STELE_FAIL(s->host, STELE_E_ARG, "there is no field %u", index);
    }
    for (uint64_t i = 0; i < n; i++) {
        if (row[i] < 0 || row[i] >= s->m.n_cells) {
            return STELE_FAIL(s->host, STELE_E_ARG, "`%s` has %lld rows, none with number %lld",
                              s->f.field[index].name, (long long)s->m.n_cells, (long long)row[i]);
        }
    }
    return STELE_OK;
}

/* Entries of a cell that the field has; column NULL: only their number. */
static int64_t take_entries(const stele_inst *s, const field *f, int64_t cell, int32_t *column,
                            float *value)
{
    const matrix *m = &s->m;
    int64_t n = 0;
    for (int64_t k = m->row_start[cell]; k < m->row_start[cell + 1]; k++) {
        int32_t j = m->column[k];
        if (f->type >= 0 && s->f.type[j] != f->type) {
            continue;
        }
        if (column != NULL) {
            column[n] = f->type >= 0 ? s->f.place[j] : j;
            value[n] = m->value[k];
        }
        n++;
    }
    return n;
}

static stele_status count(const stele_inst *s, uint32_t index, uint64_t n, const int64_t *row,
                          int64_t *ret_n)
{
    stele_status st = check_rows(s, index, n, row);
    for (uint64_t i = 0; i < n && st == STELE_OK; i++) {
        ret_n[i] = take_entries(s, &s->f.field[index], row[i], NULL, NULL);
    }
    return st;
}

static stele_status read_field(const stele_inst *s, const stele_read *r)
{
    stele_status st = check_rows(s, r->field, r->n_rows, r->row);
    for (uint64_t i = 0; i < r->n_rows && st == STELE_OK; i++) {
        take_entries(s, &s->f.field[r->field], r->row[i], r->column + r->row_start[i],
                     (float *)r->data + r->row_start[i]);
    }
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
                                    .read = read_field };

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_SOURCE,
    .caps = STELE_CAP_BITWISE_REPEAT,
    .id = "source/mtx",
    .version = "0.1.0",
    .summary = "Matrix Market files of counts, as 10x Genomics' programs write them",
    .license = "BSD-3-Clause",
    .reference = "Boisvert, Pozo and Remington 1996, The Matrix Market exchange formats",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vt,
};

STELE_LIBRARY(&plugin)
