/* What a file offers: its row axes, its tables of features, its fields and their names.
 *
 *   MuData             AnnData        field
 *   mod/M/X            X              M              or X
 *   mod/M/layers/L     layers/L       M/layers/L     or layers/L
 *   mod/M/obsm/E       obsm/E         M/obsm/E       or obsm/E
 *   mod/M/raw/X        raw/X          M/raw/X        or raw/X
 *   mod/M/obs/C                       M/obs/C
 *   obs/C              obs/C          C
 *   obsm/E                            obsm/E
 */
#include "h5mu.h"

#include <stdlib.h>
#include <string.h>

/* A new field; takes over both strings, NULL meaning that memory ran out. */
static field *add_field(stele_inst *s, char *name, char *path, uint32_t axis, int64_t table)
{
    if (name != NULL && path != NULL && s->n_fields == s->capacity) {
        uint32_t capacity = 2 * s->capacity + 16;
        field *f = realloc(s->field, capacity * sizeof *f);
        if (f == NULL) {
            free(name);
            free(path);
            return NULL;
        }
        s->field = f;
        s->capacity = capacity;
    }
    if (name == NULL || path == NULL) {
        free(name);
        free(path);
        return NULL;
    }
    field *f = &s->field[s->n_fields++];
    *f = (field){ .name = name, .path = path, .axis = axis, .table = table };
    return f;
}

static stele_status add_matrix(stele_inst *s, char *name, char *path, uint32_t axis, int64_t table)
{
    field *f = add_field(s, name, path, axis, table);
    if (f == NULL) {
        return h5_nomem(&s->h5, NULL);
    }
    return h5mu_matrix_inspect(s, f, table >= 0 ? s->table[table].n : -1);
}

/* Names of the rows of an obs or var table. *ret_index: the name of the index column. */
static stele_status read_index(const stele_inst *s, const char *path, texts *ret, char *ret_index,
                               size_t capacity)
{
    if (!h5_exists(&s->h5, path)) {
        return h5_fail(&s->h5, STELE_E_DATA, path, "is missing from the file");
    }
    if (!h5_is_group(&s->h5, path)) {
        return h5_fail(&s->h5, STELE_E_DATA, path,
                       "is a compound table, as AnnData wrote before 0.7; write the file anew");
    }
    hid_t group = H5Oopen(s->h5.id, path, H5P_DEFAULT);
    if (group < 0 || !h5_text_attribute(group, "_index", ret_index, capacity)) {
        memcpy(ret_index, "_index", sizeof "_index");
    }
    if (group >= 0) {
        H5Oclose(group);
    }
    char *index = text_join(path, ret_index);
    if (index == NULL) {
        return h5_nomem(&s->h5, path);
    }
    /* The index may be nullable text, a group with the values inside. */
    char *values = h5_is_group(&s->h5, index) ? text_join(index, "values") : NULL;
    stele_status st = h5_read_texts(&s->h5, values != NULL ? values : index, ret);
    free(values);
    free(index);
    return st;
}

static stele_status add_axis(stele_inst *s, const char *path, char *ret_index, size_t capacity)
{
    texts *axis = realloc(s->axis, (s->n_axes + 1) * sizeof *axis);
    if (axis == NULL) {
        return h5_nomem(&s->h5, path);
    }
    s->axis = axis;
    s->axis[s->n_axes] = (texts){ 0 };
    return read_index(s, path, &s->axis[s->n_axes++], ret_index, capacity);
}

static stele_status add_table(stele_inst *s, const char *path)
{
    char index[256];
    texts *table = realloc(s->table, (s->n_tables + 1) * sizeof *table);
    if (table == NULL) {
        return h5_nomem(&s->h5, path);
    }
    s->table = table;
    s->table[s->n_tables] = (texts){ 0 };
    return read_index(s, path, &s->table[s->n_tables++], index, sizeof index);
}

/* "rna" + "obs/x" -> "rna/obs/x"; "" + "obs/x" -> "obs/x". */
static char *field_name(const char *prefix, const char *kind, const char *name)
{
    char *tail = text_join(kind, name);
    char *full = tail != NULL ? text_join(prefix, tail) : NULL;
    free(tail);
    return full;
}

static stele_status add_columns(stele_inst *s, const char *obs, const char *prefix,
                                const char *index)
{
    texts names = { 0 };
    uint32_t axis = s->n_axes - 1;
    stele_status st = h5_list(&s->h5, obs, &names);
    for (int64_t i = 0; i < names.n && st == STELE_OK; i++) {
        const char *name = texts_at(&names, i);
        if (strcmp(name, index) == 0 || strcmp(name, "__categories") == 0) {
            continue;
        }
        field *f =
            add_field(s, prefix[0] != '\0' ? field_name(prefix, "obs", name) : text_copy(name),
                      text_join(obs, name), axis, -1);
        st = f != NULL ? h5mu_column_inspect(s, f) : h5_nomem(&s->h5, obs);
    }
    texts_finish(&names);
    return st;
}

/* Matrices in a group: layers (features named by `table`) or obsm (unnamed). MuData's own obsm also
 * holds masks of one dimension, which are no measurements. */
static stele_status add_group(stele_inst *s, const char *root, const char *kind, const char *prefix,
                              int64_t table)
{
    texts names = { 0 };
    char *path = text_join(root, kind);
    if (path == NULL) {
        return h5_nomem(&s->h5, root);
    }
    stele_status st = h5_is_group(&s->h5, path) ? h5_list(&s->h5, path, &names) : STELE_OK;
    for (int64_t i = 0; i < names.n && st == STELE_OK; i++) {
        const char *name = texts_at(&names, i);
        st = add_matrix(s, field_name(prefix, kind, name), text_join(path, name), s->n_axes - 1,
                        table);
        field *f = &s->field[s->n_fields - 1];
        if (st == STELE_OK && table < 0 && f->problem != NULL) {
            free(f->name);
            free(f->path);
            free(f->problem);
            s->n_fields--;
        }
    }
    texts_finish(&names);
    free(path);
    return st;
}

static stele_status add_raw(stele_inst *s, const char *root, const char *prefix)
{
    char *x = text_join(root, "raw/X"), *var = text_join(root, "raw/var");
    stele_status st = x != NULL && var != NULL ? STELE_OK : h5_nomem(&s->h5, root);
    if (st == STELE_OK && h5_is_linked(&s->h5, x) && h5_exists(&s->h5, var)) {
        st = add_table(s, var);
        st = st == STELE_OK ? add_matrix(s, text_join(prefix, "raw/X"), text_copy(x), s->n_axes - 1,
                                         s->n_tables - 1)
                            : st;
    }
    free(x);
    free(var);
    return st;
}

/* One AnnData group. prefix "": a plain AnnData file. */
static stele_status list_anndata(stele_inst *s, const char *root, const char *prefix)
{
    char index[256];
    char *obs = text_join(root, "obs"), *var = text_join(root, "var"), *x = text_join(root, "X");
    stele_status st = obs != NULL && var != NULL && x != NULL ? STELE_OK : h5_nomem(&s->h5, root);
    st = st == STELE_OK ? add_axis(s, obs, index, sizeof index) : st;
    st = st == STELE_OK ? add_table(s, var) : st;
    int64_t table = (int64_t)s->n_tables - 1;
    if (st == STELE_OK && h5_is_linked(&s->h5, x)) {
        st = add_matrix(s, text_copy(prefix[0] != '\0' ? prefix : "X"), text_copy(x), s->n_axes - 1,
                        table);
    }
    st = st == STELE_OK ? add_group(s, root, "layers", prefix, table) : st;
    st = st == STELE_OK ? add_group(s, root, "obsm", prefix, -1) : st;
    st = st == STELE_OK ? add_raw(s, root, prefix) : st;
    st = st == STELE_OK ? add_columns(s, obs, prefix, index) : st;
    free(obs);
    free(var);
    free(x);
    return st;
}

static stele_status list_mudata(stele_inst *s)
{
    char index[256];
    texts names = { 0 };
    stele_status st = add_axis(s, "/obs", index, sizeof index);
    st = st == STELE_OK ? add_columns(s, "/obs", "", index) : st;
    st = st == STELE_OK ? add_group(s, "/", "obsm", "", -1) : st;
    st = st == STELE_OK ? h5_list(&s->h5, "/mod", &names) : st;
    for (int64_t i = 0; i < names.n && st == STELE_OK; i++) {
        char *root = text_join("/mod", texts_at(&names, i));
        st = root != NULL ? list_anndata(s, root, texts_at(&names, i)) : h5_nomem(&s->h5, "/mod");
        free(root);
    }
    texts_finish(&names);
    return st;
}

stele_status h5mu_list_file(stele_inst *s)
{
    if (h5_is_group(&s->h5, "/mod")) {
        return list_mudata(s);
    }
    if (h5_exists(&s->h5, "/obs") && h5_exists(&s->h5, "/var")) {
        return list_anndata(s, "/", "");
    }
    return h5_fail(&s->h5, STELE_E_DATA, NULL,
                   "is an HDF5 file, but neither MuData (no group `mod`) nor AnnData (no `obs` and "
                   "`var`)");
}
