#include "data/csv.h"

#include "base/file.h"
#include "data/number.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

/* `alone`: the only field of its line. Left empty it would make an empty line, which readers skip.
 */
static void put_text(FILE *f, const char *text, int alone)
{
    if (text == NULL) {
        text = "";
    }
    if (text[strcspn(text, ",\"\r\n")] == '\0' && !(alone && text[0] == '\0')) {
        fputs(text, f);
        return;
    }
    putc('"', f);
    for (; *text != '\0'; text++) {
        if (*text == '"') {
            putc('"', f);
        }
        putc(*text, f);
    }
    putc('"', f);
}

/* What is missing is an empty field, of a number as of a text. */
static int is_missing(const stele__column *c, size_t row)
{
    return (c->kind == STELE__FLOAT && isnan(c->f32[row * c->stride])) ||
           (c->kind == STELE__DOUBLE && isnan(c->f64[row]));
}

static void put_field(FILE *f, const stele__column *c, size_t row, int alone)
{
    char number[STELE__NUMBER_TEXT];
    if (is_missing(c, row)) {
        put_text(f, NULL, alone);
        return;
    }
    switch (c->kind) {
    case STELE__TEXT: put_text(f, c->text[row], alone); break;
    case STELE__CATEGORY:
        put_text(f, c->code[row] < 0 ? NULL : c->text[c->code[row]], alone);
        break;
    case STELE__FLOAT:
        stele__float_text(c->f32[row * c->stride], number);
        fputs(number, f);
        break;
    case STELE__DOUBLE:
        stele__double_text(c->f64[row], number);
        fputs(number, f);
        break;
    default: fprintf(f, "%" PRId64, c->i64[row]); break;
    }
}

static stele_status check(const char *path, const stele__column *column, size_t n_columns,
                          size_t n_rows, stele__diag *diag)
{
    if (n_columns == 0) {
        return stele__diag_error(diag, STELE_E_ARG, NULL, "%s: a table needs a column", path);
    }
    for (size_t j = 0; j < n_columns; j++) {
        const stele__column *c = &column[j];
        for (size_t i = 0; c->kind == STELE__CATEGORY && i < n_rows; i++) {
            if (c->code[i] >= 0 && (size_t)c->code[i] >= c->n_categories) {
                return stele__diag_error(diag, STELE_E_ARG, NULL,
                                         "%s: column '%s', row %zu: code %d of %zu categories",
                                         path, c->name, i, c->code[i], c->n_categories);
            }
        }
    }
    return STELE_OK;
}

stele_status stele__csv_write(const char *path, const stele__column *column, size_t n_columns,
                              size_t n_rows, stele__diag *diag)
{
    stele__writer w;
    stele_status status = check(path, column, n_columns, n_rows, diag);
    if (status == STELE_OK) {
        status = stele__writer_open(&w, path, diag);
    }
    if (status != STELE_OK) {
        return status;
    }
    for (size_t j = 0; j < n_columns; j++) {
        put_text(w.stream, column[j].name, n_columns == 1);
        putc(j + 1 < n_columns ? ',' : '\n', w.stream);
    }
    for (size_t i = 0; i < n_rows && w.reason == 0; i++) {
        for (size_t j = 0; j < n_columns; j++) {
            put_field(w.stream, &column[j], i, n_columns == 1);
            putc(j + 1 < n_columns ? ',' : '\n', w.stream);
        }
        if (ferror(w.stream)) {
            w.reason = errno;
        }
    }
    return stele__writer_commit(&w, diag);
}
