#include "data/jsonl_write.h"

#include "base/file.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>

static json_t *number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

static json_t *text(const char *s)
{
    return s != NULL ? json_string(s) : json_null();
}

static json_t *value_of(const stele__column *c, size_t row)
{
    switch (c->kind) {
    case STELE__TEXT: return text(c->text[row]);
    case STELE__CATEGORY: return text(c->code[row] < 0 ? NULL : c->text[c->code[row]]);
    case STELE__FLOAT: return number((double)c->f32[row * c->stride]);
    case STELE__DOUBLE: return number(c->f64[row]);
    default: return json_integer((json_int_t)c->i64[row]);
    }
}

static stele_status put_row(FILE *f, const char *path, const stele__column *column,
                            size_t n_columns, size_t row, stele__diag *diag)
{
    json_t *object = json_object();
    for (size_t j = 0; j < n_columns; j++) {
        if (json_object_set_new(object, column[j].name, value_of(&column[j], row)) != 0) {
            json_decref(object);
            return stele__diag_error(diag, STELE_E_DATA, NULL,
                                     "%s: column '%s', row %zu: the text is not UTF-8", path,
                                     column[j].name, row);
        }
    }
    (void)json_dumpf(object, f, JSON_COMPACT | JSON_REAL_PRECISION(9)); /* shows in commit */
    putc('\n', f);
    json_decref(object);
    return STELE_OK;
}

stele_status stele__jsonl_write(const char *path, const stele__column *column, size_t n_columns,
                                size_t n_rows, stele__diag *diag)
{
    stele__writer w;
    stele_status status = stele__writer_open(&w, path, diag);
    if (status != STELE_OK) {
        return status;
    }
    for (size_t i = 0; i < n_rows && w.reason == 0 && status == STELE_OK; i++) {
        status = put_row(w.stream, path, column, n_columns, i, diag);
        if (ferror(w.stream)) {
            w.reason = errno;
        }
    }
    if (status != STELE_OK) {
        stele__writer_abandon(&w);
        return status;
    }
    return stele__writer_commit(&w, diag);
}
