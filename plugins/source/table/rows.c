/* Reading rows: the asked ones are parsed again, neighbours in one go. */
#include "csv.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- walking --------------------------------------------------------------------------------- */

size_t csv_file_of(const stele_inst *s, int64_t row)
{
    size_t i = s->n_files - 1;
    while (i > 0 && s->file[i].first > row) {
        i--;
    }
    return i;
}

/* Where row `row` of file `file` ends: where the next one begins, blank lines and all. */
static int64_t end_of(const stele_inst *s, size_t file, int64_t row)
{
    int64_t last = file + 1 < s->n_files ? s->file[file + 1].first : s->n_rows;
    return row + 1 < last ? s->row_at[row + 1] : s->file[file].size;
}

/* Rows row[first] .. that follow each other in one file: how many. */
static uint64_t run_length(const stele_inst *s, size_t file, uint64_t n, const int64_t *row,
                           uint64_t first)
{
    int64_t end = file + 1 < s->n_files ? s->file[file + 1].first : s->n_rows;
    uint64_t len = 1;
    if (row == NULL) {
        int64_t left = end - (int64_t)first;
        return (uint64_t)left < n - first ? (uint64_t)left : n - first;
    }
    while (first + len < n && row[first + len] == row[first] + (int64_t)len &&
           row[first + len] < end) {
        len++;
    }
    return len;
}

static stele_status visit_run(const stele_inst *s, csv_reader *r, uint64_t first, uint64_t n,
                              int64_t row, csv_visit *visit, void *ctx)
{
    size_t file = csv_file_of(s, row);
    csv_reader_go(r, &s->file[file], s->row_at[row], end_of(s, file, row + (int64_t)n - 1));
    stele_status st = STELE_OK;
    for (uint64_t i = 0; i < n && st == STELE_OK; i++) {
        int more = 0;
        st = csv_reader_next(r, &more);
        if (st == STELE_OK && (!more || r->n != s->n_columns)) {
            st = csv_fail(s->host, STELE_E_DATA, &s->file[file], -1,
                          "has changed since it was opened");
        }
        st = st == STELE_OK ? visit(ctx, first + i, row + (int64_t)i, r) : st;
    }
    return st;
}

stele_status csv_visit_rows(const stele_inst *s, uint64_t n, const int64_t *row, csv_visit *visit,
                            void *ctx)
{
    csv_reader r;
    csv_reader_init(&r, s->host, s->config->comment);
    stele_status st = STELE_OK;
    for (size_t f = 0; f < s->n_files && st == STELE_OK; f++) {
        st = csv_file_check(s->host, &s->file[f]);
    }
    for (uint64_t i = 0, len = 0; i < n && st == STELE_OK; i += len) {
        int64_t first = row != NULL ? row[i] : (int64_t)i;
        len = run_length(s, csv_file_of(s, first), n, row, i);
        st = visit_run(s, &r, i, len, first, visit, ctx);
    }
    csv_reader_finish(&r);
    return st;
}

stele_status csv_cell_number(const stele_inst *s, const csv_reader *r, int64_t row, int64_t column,
                             double *ret)
{
    const csv_cell *cell = &r->cell[column];
    double v = 0,
           most = s->column[column].content == STELE_FIELD_MATRIX ? (double)FLT_MAX : DBL_MAX;
    int kind = csv_value(&s->values, cell, &v);
    char id[CSV_SHOWN], text[CSV_SHOWN];
    if (kind == CSV_TEXT) {
        return csv_fail(s->host, STELE_E_DATA, r->file, -1, "has changed since it was opened");
    }
    /* An infinity that is written as one (by `inf`) is the modality's to judge; one that arises
     * here is not. */
    if (fabs(v) > most && memchr(cell->text, 'n', cell->len) == NULL &&
        memchr(cell->text, 'N', cell->len) == NULL) {
        return csv_fail(s->host, STELE_E_DATA, r->file, r->at,
                        "row `%s`, column `%s`: `%s` is too large for a number of %s precision",
                        csv_row_name(s, row, id), s->column[column].name,
                        csv_show(cell->text, cell->len, text),
                        most < DBL_MAX ? "single" : "double");
    }
    *ret = v;
    return STELE_OK;
}

/* --- measurements ---------------------------------------------------------------------------- */

typedef struct reading {
    const stele_inst *s;
    const stele_read *r;
    unsigned char *present;
    int64_t *count;
} reading;

static stele_status visit_presence(void *ctx, uint64_t i, int64_t row, const csv_reader *r)
{
    reading *g = ctx;
    (void)row;
    g->present[i] = 0;
    for (int64_t j = 0; j < g->s->n_x && !g->present[i]; j++) {
        const int64_t k = g->s->x_column[j];
        const int kind = csv_kind(&g->s->values, &r->cell[k]);
        g->present[i] = csv_is_level(&g->s->column[k]) ? kind != CSV_MISSING : kind == CSV_NUMBER;
    }
    return STELE_OK;
}

stele_status csv_rows_present(const stele_inst *s, uint64_t n, const int64_t *row,
                              unsigned char *ret)
{
    reading g = { .s = s, .present = ret };
    return csv_visit_rows(s, n, row, visit_presence, &g);
}

/* Code of a cell's text among those of its column, -1: it is missing. */
static int32_t code_of(const stele_inst *s, const csv_reader *r, int64_t column)
{
    const csv_cell *cell = &r->cell[column];
    int missing = csv_kind(&s->values, cell) == CSV_MISSING;
    return missing ? -1
                   : (int32_t)csv_strings_find(&s->column[column].category, cell->text, cell->len);
}

static stele_status visit_dense(void *ctx, uint64_t i, int64_t row, const csv_reader *r)
{
    reading *g = ctx;
    const stele_inst *s = g->s;
    float *out = (float *)g->r->data + i * (uint64_t)s->n_x;
    stele_status st = STELE_OK;
    for (int64_t j = 0; j < s->n_x && st == STELE_OK; j++) {
        const int64_t k = s->x_column[j];
        double v = 0;
        if (csv_is_level(&s->column[k])) {
            const int32_t code = code_of(s, r, k);
            v = code >= 0 ? code : (double)NAN;
        } else {
            st = csv_cell_number(s, r, row, k, &v);
        }
        out[j] = (float)v;
    }
    return st;
}

/* What is missing is stored: only zeros are left out. */
static stele_status visit_count(void *ctx, uint64_t i, int64_t row, const csv_reader *r)
{
    reading *g = ctx;
    stele_status st = STELE_OK;
    g->count[i] = 0;
    for (int64_t j = 0; j < g->s->n_x && st == STELE_OK; j++) {
        double v = 0;
        st = csv_cell_number(g->s, r, row, g->s->x_column[j], &v);
        g->count[i] += (float)v != 0;
    }
    return st;
}

static stele_status visit_sparse(void *ctx, uint64_t i, int64_t row, const csv_reader *r)
{
    reading *g = ctx;
    int64_t at = g->r->row_start[i], end = g->r->row_start[i + 1];
    stele_status st = STELE_OK;
    for (int64_t j = 0; j < g->s->n_x && st == STELE_OK; j++) {
        double v = 0;
        st = csv_cell_number(g->s, r, row, g->s->x_column[j], &v);
        if (st == STELE_OK && (float)v != 0 && at < end) {
            g->r->column[at] = (int32_t)j;
            ((float *)g->r->data)[at++] = (float)v;
        }
    }
    return st;
}

stele_status csv_count(const stele_inst *s, uint64_t n, const int64_t *row, int64_t *ret_n)
{
    reading g = { .s = s, .count = ret_n };
    return csv_visit_rows(s, n, row, visit_count, &g);
}

stele_status csv_read_matrix(const stele_inst *s, const stele_read *r, const int64_t *row)
{
    reading g = { .s = s, .r = r };
    return csv_visit_rows(s, r->n_rows, row, s->config->sparse ? visit_sparse : visit_dense, &g);
}

/* --- labels ---------------------------------------------------------------------------------- */

typedef struct labels {
    stele_inst *s;
    int64_t column;
    void *data;
} labels;

static stele_status visit_number(void *ctx, uint64_t i, int64_t row, const csv_reader *r)
{
    labels *g = ctx;
    double *ret = (double *)g->data + i;
    const int64_t other = g->s->column[g->column].fallback;
    stele_status st = csv_cell_number(g->s, r, row, g->column, ret);
    return st == STELE_OK && isnan(*ret) && other >= 0 ? csv_cell_number(g->s, r, row, other, ret)
                                                       : st;
}

static stele_status visit_code(void *ctx, uint64_t i, int64_t row, const csv_reader *r)
{
    labels *g = ctx;
    (void)row;
    ((int32_t *)g->data)[i] = code_of(g->s, r, g->column);
    return STELE_OK;
}

static stele_status visit_text(void *ctx, uint64_t i, int64_t row, const csv_reader *r)
{
    labels *g = ctx;
    const csv_cell *cell = &r->cell[g->column];
    int missing = csv_kind(&g->s->values, cell) == CSV_MISSING;
    (void)i;
    (void)row;
    return csv_strings_add(&g->s->column[g->column].text, missing ? NULL : cell->text,
                           missing ? 0 : cell->len) == 0
               ? STELE_OK
               : csv_nomem(g->s->host, r->file);
}

/* Texts are lent to the host, so a column of them stays in memory once it was asked for. */
static stele_status load_texts(labels *g)
{
    stele_inst *s = g->s;
    csv_column *c = &s->column[g->column];
    stele_status st = STELE_OK;
    pthread_mutex_lock(&s->lock);
    if (!c->loaded) {
        csv_strings_finish(&c->text); /* what an earlier failure may have left */
        st = csv_visit_rows(s, (uint64_t)s->n_rows, NULL, visit_text, g);
        c->loaded = st == STELE_OK;
    }
    pthread_mutex_unlock(&s->lock);
    return st;
}

stele_status csv_read_label(stele_inst *s, int64_t column, const stele_read *r)
{
    labels g = { .s = s, .column = column, .data = r->data };
    uint32_t content = s->column[column].content;
    if (content != STELE_FIELD_TEXT) {
        return csv_visit_rows(s, r->n_rows, r->row,
                              content == STELE_FIELD_NUMBER ? visit_number : visit_code, &g);
    }
    stele_status st = load_texts(&g);
    for (uint64_t i = 0; i < r->n_rows && st == STELE_OK; i++) {
        r->text[i] = csv_strings_get(&s->column[column].text, r->row[i]);
    }
    return st;
}
