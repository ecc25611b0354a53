/* Columns of obs tables: categorical (also the encoding before AnnData 0.8), nullable, text,
 * bool, number. */
#include "h5mu.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void h5mu_column_finish(obs_column *c)
{
    texts_finish(&c->category);
    texts_finish(&c->text);
    free(c->code);
    free(c->number);
    memset(c, 0, sizeof *c);
}

/* Path of the categories of a legacy column: "/obs/__categories/NAME". NULL: no memory. */
static char *legacy_path(const char *path)
{
    const char *name = strrchr(path, '/') + 1;
    size_t folder = (size_t)(name - path);
    char *table = text_copy(path), *middle = NULL, *full = NULL;
    if (table != NULL) {
        table[folder] = '\0';
        middle = text_join(table, "__categories");
    }
    if (middle != NULL) {
        full = text_join(middle, name);
    }
    free(table);
    free(middle);
    return full;
}

static stele_status inspect_group(stele_inst *s, field *f, hid_t object)
{
    char encoding[64] = "";
    h5_text_attribute(object, "encoding-type", encoding, sizeof encoding);
    if (strcmp(encoding, "categorical") == 0) {
        f->content = STELE_FIELD_CATEGORY;
        f->c.kind = COLUMN_CATEGORY;
        char *path = text_join(f->path, "categories");
        stele_status st =
            path != NULL ? h5_read_texts(&s->h5, path, &f->c.category) : h5_nomem(&s->h5, f->path);
        free(path);
        return st;
    }
    if (strcmp(encoding, "nullable-integer") == 0 || strcmp(encoding, "nullable-boolean") == 0) {
        f->content = STELE_FIELD_NUMBER;
        f->c.kind = COLUMN_NULLABLE;
        return STELE_OK;
    }
    if (strcmp(encoding, "nullable-string-array") == 0) {
        f->content = STELE_FIELD_TEXT;
        f->c.kind = COLUMN_NULLABLE_TEXT;
        return STELE_OK;
    }
    return h5mu_set_problem(f, "has the unknown encoding `%s`", encoding);
}

static stele_status inspect_dataset(stele_inst *s, field *f, hid_t object)
{
    hid_t type = H5Dget_type(object);
    H5T_class_t class = type >= 0 ? H5Tget_class(type) : H5T_NO_CLASS;
    char *categories = legacy_path(f->path);
    stele_status st = categories != NULL ? STELE_OK : h5_nomem(&s->h5, f->path);
    if (st == STELE_OK && class == H5T_STRING) {
        f->content = STELE_FIELD_TEXT;
        f->c.kind = COLUMN_TEXT;
    } else if (st == STELE_OK && class == H5T_INTEGER && h5_exists(&s->h5, categories)) {
        f->content = STELE_FIELD_CATEGORY;
        f->c.kind = COLUMN_LEGACY_CATEGORY;
        st = h5_read_texts(&s->h5, categories, &f->c.category);
    } else if (st == STELE_OK && class == H5T_ENUM && H5Tget_nmembers(type) == 2) {
        f->content = STELE_FIELD_CATEGORY;
        f->c.kind = COLUMN_BOOL;
        if (texts_add(&f->c.category, "False", 5) != 0 ||
            texts_add(&f->c.category, "True", 4) != 0) {
            st = h5_nomem(&s->h5, f->path);
        }
    } else if (st == STELE_OK && (class == H5T_INTEGER || class == H5T_FLOAT)) {
        f->content = STELE_FIELD_NUMBER;
        f->c.kind = COLUMN_NUMBER;
    } else if (st == STELE_OK) {
        st = h5mu_set_problem(f, "holds neither texts, categories nor numbers");
    }
    free(categories);
    if (type >= 0) {
        H5Tclose(type);
    }
    return st;
}

stele_status h5mu_column_inspect(stele_inst *s, field *f)
{
    hid_t object = H5Oopen(s->h5.id, f->path, H5P_DEFAULT);
    f->content = STELE_FIELD_NUMBER;
    if (object < 0) {
        char text[H5_REASON];
        h5_library_says("cannot be opened", text);
        return h5mu_set_problem(f, "%s", text);
    }
    stele_status st = H5Iget_type(object) == H5I_GROUP ? inspect_group(s, f, object)
                                                       : inspect_dataset(s, f, object);
    H5Oclose(object);
    return st;
}

static stele_status load_codes(const stele_inst *s, field *f, const char *path, int64_t n)
{
    void *data = NULL;
    stele_status st = h5_read_all(&s->h5, path, n, H5T_NATIVE_INT32, sizeof(int32_t), &data, NULL);
    f->c.code = data;
    for (int64_t i = 0; i < n && st == STELE_OK; i++) {
        if (f->c.code[i] < -1 || f->c.code[i] >= f->c.category.n) {
            st = h5_fail(&s->h5, STELE_E_DATA, path,
                         "entry %lld is %d, but there are %lld categories", (long long)i,
                         f->c.code[i], (long long)f->c.category.n);
        }
    }
    return st;
}

static stele_status load_numbers(const stele_inst *s, field *f, const char *path, int64_t n)
{
    void *data = NULL;
    stele_status st = h5_read_all(&s->h5, path, n, H5T_NATIVE_DOUBLE, sizeof(double), &data, NULL);
    f->c.number = data;
    return st;
}

static stele_status load_texts(const stele_inst *s, field *f, const char *path, int64_t n)
{
    stele_status st = h5_read_texts(&s->h5, path, &f->c.text);
    if (st == STELE_OK && f->c.text.n != n) {
        st = h5_fail(&s->h5, STELE_E_DATA, path, "has %lld entries instead of %lld",
                     (long long)f->c.text.n, (long long)n);
    }
    return st;
}

/* Mask 1 means missing. */
static stele_status apply_mask(const stele_inst *s, field *f, int64_t n)
{
    void *data = NULL;
    char *path = text_join(f->path, "mask");
    stele_status st =
        path != NULL ? h5_read_all(&s->h5, path, n, H5T_NATIVE_INT32, sizeof(int32_t), &data, NULL)
                     : h5_nomem(&s->h5, f->path);
    for (int64_t i = 0; i < n && st == STELE_OK; i++) {
        if (((int32_t *)data)[i] != 0 && f->c.number != NULL) {
            f->c.number[i] = (double)NAN;
        } else if (((int32_t *)data)[i] != 0) {
            f->c.text.at[i] = SIZE_MAX;
        }
    }
    free(data);
    free(path);
    return st;
}

stele_status h5mu_column_load(const stele_inst *s, field *f)
{
    int64_t n = s->axis[f->axis].n;
    int kind = f->c.kind;
    if (f->c.loaded) {
        return STELE_OK;
    }
    /* What an earlier failure may have left. */
    free(f->c.code);
    free(f->c.number);
    f->c.code = NULL;
    f->c.number = NULL;
    texts_finish(&f->c.text);
    const char *member = kind == COLUMN_CATEGORY                                   ? "codes"
                         : kind == COLUMN_NULLABLE || kind == COLUMN_NULLABLE_TEXT ? "values"
                                                                                   : NULL;
    char *path = member != NULL ? text_join(f->path, member) : text_copy(f->path);
    if (path == NULL) {
        return h5_nomem(&s->h5, f->path);
    }
    stele_status st = f->content == STELE_FIELD_CATEGORY ? load_codes(s, f, path, n)
                      : f->content == STELE_FIELD_NUMBER ? load_numbers(s, f, path, n)
                                                         : load_texts(s, f, path, n);
    if (st == STELE_OK && (kind == COLUMN_NULLABLE || kind == COLUMN_NULLABLE_TEXT)) {
        st = apply_mask(s, f, n);
    }
    free(path);
    f->c.loaded = st == STELE_OK;
    return st;
}
