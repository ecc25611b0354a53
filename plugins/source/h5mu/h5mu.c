/* The plugin itself: options, life of an instance, the slots of a source.
 *
 * Every matrix is read as float32. Dense matrices stay dense: for counts with mostly zeros a file
 * with a sparse matrix is read faster and takes less memory. */
#include "h5mu.h"

#include <stdlib.h>
#include <string.h>

typedef struct config {
    const char *path;
} config;

static const stele_option options[] = {
    STELE_OPTION_PATH(
        config, path, "path", STELE_OPT_REQUIRED,
        "A MuData (.h5mu) or AnnData (.h5ad) file. Measurements (`from`) of modality M are M, "
        "M/layers/L, M/obsm/E and M/raw/X in MuData; X, layers/L, obsm/E and raw/X in "
        "AnnData. Label columns are C and, in MuData, M/obs/C; their last part is "
        "enough where only one ends like that."),
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    stele_inst *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return STELE_FAIL(a->host, STELE_E_NOMEM, "out of memory");
    }
    s->h5.host = a->host;
    s->h5.path = ((const config *)a->config)->path;
    s->h5.id = -1;
    *ret = s;
    return STELE_OK;
}

static void destroy(stele_inst *s)
{
    if (s == NULL) {
        return;
    }
    h5_enter();
    for (uint32_t f = 0; f < s->n_fields; f++) {
        h5mu_matrix_finish(&s->field[f].m);
        h5mu_column_finish(&s->field[f].c);
        free(s->field[f].name);
        free(s->field[f].path);
        free(s->field[f].problem);
    }
    h5_file_close(&s->h5);
    h5_leave();
    for (uint32_t a = 0; a < s->n_axes; a++) {
        texts_finish(&s->axis[a]);
    }
    for (uint32_t t = 0; t < s->n_tables; t++) {
        texts_finish(&s->table[t]);
    }
    free(s->axis);
    free(s->table);
    free(s->field);
    free(s);
}

static stele_status build(stele_inst *s, stele_build *b)
{
    (void)b;
    h5_enter();
    stele_status st = h5_file_open(&s->h5);
    st = st == STELE_OK ? h5mu_list_file(s) : st;
    h5_leave();
    return st;
}

static uint32_t n_axes(const stele_inst *s)
{
    return s->n_axes;
}

static int64_t n_rows(const stele_inst *s, uint32_t axis)
{
    return axis < s->n_axes ? s->axis[axis].n : 0;
}

static const char *row_id(const stele_inst *s, uint32_t axis, int64_t row)
{
    return axis < s->n_axes ? texts_at(&s->axis[axis], row) : NULL;
}

static uint32_t n_fields(const stele_inst *s)
{
    return s->n_fields;
}

static stele_status describe(const stele_inst *s, uint32_t index, stele_field *ret)
{
    if (index >= s->n_fields) {
        return STELE_FAIL(s->h5.host, STELE_E_ARG, "there is no field %u", index);
    }
    const field *f = &s->field[index];
    stele_field d = { .struct_size = sizeof d,
                      .name = f->name,
                      .content = f->content,
                      .dtype = f->content == STELE_FIELD_MATRIX     ? STELE_F32
                               : f->content == STELE_FIELD_CATEGORY ? STELE_I32
                                                                    : STELE_F64,
                      .layout = STELE_DENSE,
                      .axis = f->axis,
                      .n_categories = f->content == STELE_FIELD_CATEGORY ? f->c.category.n : 0 };
    if (f->content == STELE_FIELD_MATRIX) {
        d.layout = f->m.kind == MATRIX_DENSE ? STELE_DENSE : STELE_CSR;
        d.sample.ndim = 1;
        d.sample.dim[0] = f->m.n_columns;
    }
    *ret = d;
    return STELE_OK;
}

static const char *feature_name(const stele_inst *s, uint32_t index, int64_t feature)
{
    int64_t table = index < s->n_fields ? s->field[index].table : -1;
    return table >= 0 ? texts_at(&s->table[table], feature) : NULL;
}

static const char *category(const stele_inst *s, uint32_t index, int64_t code)
{
    return index < s->n_fields ? texts_at(&s->field[index].c.category, code) : NULL;
}

static stele_status check_rows(const stele_inst *s, uint32_t index, uint64_t n, const int64_t *row)
{
    if (index >= s->n_fields) {
        return STELE_FAIL(s->h5.host, STELE_E_ARG, "there is no field %u", index);
    }
    int64_t n_axis = s->axis[s->field[index].axis].n;
    for (uint64_t i = 0; i < n; i++) {
        if (row[i] < 0 || row[i] >= n_axis) {
            return STELE_FAIL(s->h5.host, STELE_E_ARG, "`%s` has %lld rows, none with number %lld",
                              s->field[index].name, (long long)n_axis, (long long)row[i]);
        }
    }
    return STELE_OK;
}

static stele_status count(const stele_inst *s, uint32_t index, uint64_t n, const int64_t *row,
                          int64_t *ret_n)
{
    stele_status st = check_rows(s, index, n, row);
    if (st == STELE_OK &&
        (s->field[index].content != STELE_FIELD_MATRIX || s->field[index].m.kind == MATRIX_DENSE)) {
        st = STELE_FAIL(s->h5.host, STELE_E_ARG, "`%s` is not sparse", s->field[index].name);
    }
    if (st == STELE_OK) {
        h5_enter();
        st = h5mu_matrix_count(s, &s->field[index], n, row, ret_n);
        h5_leave();
    }
    return st;
}

static void copy_column(const field *f, const stele_read *r)
{
    for (uint64_t i = 0; i < r->n_rows; i++) {
        if (f->content == STELE_FIELD_CATEGORY) {
            ((int32_t *)r->data)[i] = f->c.code[r->row[i]];
        } else if (f->content == STELE_FIELD_NUMBER) {
            ((double *)r->data)[i] = f->c.number[r->row[i]];
        } else {
            r->text[i] = texts_at(&f->c.text, r->row[i]);
        }
    }
}

static stele_status read_field(const stele_inst *s, const stele_read *r)
{
    stele_status st = check_rows(s, r->field, r->n_rows, r->row);
    if (st != STELE_OK) {
        return st;
    }
    field *f = &s->field[r->field];
    h5_enter();
    if (f->content == STELE_FIELD_MATRIX) {
        st = h5mu_matrix_read(s, f, r);
    } else {
        st = f->problem != NULL ? h5_fail(&s->h5, STELE_E_DATA, f->path, "%s", f->problem)
                                : h5mu_column_load(s, f);
        if (st == STELE_OK) {
            copy_column(f, r);
        }
    }
    h5_leave();
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
    .id = "source/h5mu",
    .version = "0.1.0",
    .summary = "MuData (.h5mu) and AnnData (.h5ad) files",
    .license = "BSD-3-Clause",
    .reference = "Bredikhin, Kats and Stegle 2022, MUON: multimodal omics analysis framework",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vt,
};

STELE_LIBRARY(&plugin)
