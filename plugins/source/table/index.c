/* The walk through all rows when a source is built: offsets, ids, what each column holds. */
#include "csv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A column of texts is one of classes if it has at most that many, and at most half as many as it
 * has values: the names of 90 cell types in 98 rows are texts. */
#define MAX_CATEGORIES 256

const char *csv_row_name(const stele_inst *s, int64_t row, char ret[CSV_SHOWN])
{
    const char *id = csv_strings_get(&s->id, row);
    return id != NULL ? csv_show(id, strlen(id), ret) : "";
}

/* --- a row ----------------------------------------------------------------------------------- */

static stele_status check_width(const stele_inst *s, const csv_reader *r)
{
    if (r->n == s->n_columns) {
        return STELE_OK;
    }
    const char *hint = "";
    if (s->n_rows == 0 && s->column[0].name[0] == '#') {
        hint = "; if what begins with # is no header, `comment: '#'` leaves it out";
    } else if (s->n_rows == 0 && r->n == s->n_columns + 1) {
        /* R leaves the header of row names out unless it is told otherwise. */
        hint = "; if these are row names, write the table with col.names = NA";
    }
    return csv_fail(s->host, STELE_E_DATA, r->file, r->at, "has %zu cells instead of %zu%s", r->n,
                    s->n_columns, hint);
}

/* The column that has a row's id. */
static int64_t key_of(const stele_inst *s, const csv_reader *r)
{
    return r->cell[s->key].len == 0 && s->key_else >= 0 ? s->key_else : s->key;
}

static stele_status id_twice(const stele_inst *s, const csv_reader *r, int64_t before)
{
    char shown[CSV_SHOWN];
    const csv_file *f = &s->file[csv_file_of(s, before)];
    const int64_t key = key_of(s, r);
    const csv_cell *id = &r->cell[key];
    return csv_fail(s->host, STELE_E_DATA, r->file, r->at,
                    "row id `%s` (column `%s`) is that of line %lld%s%s too; rows without ids of "
                    "their own are `numbered: true`",
                    csv_show(id->text, id->len, shown), s->column[key].name,
                    csv_file_line(f, s->row_at[before]), f != r->file ? " of " : "",
                    f != r->file ? f->path : "");
}

static stele_status add_id(stele_inst *s, const csv_reader *r)
{
    char number[24];
    int64_t before;
    if (s->key < 0) {
        int len = snprintf(number, sizeof number, "%lld", (long long)s->n_rows);
        return csv_strings_add(&s->id, number, (size_t)len) == 0 ? STELE_OK
                                                                 : csv_nomem(s->host, r->file);
    }
    const int64_t key = key_of(s, r);
    const csv_cell *id = &r->cell[key];
    if (id->len == 0) {
        return csv_fail(s->host, STELE_E_DATA, r->file, r->at,
                        "has no row id: column `%s` is empty", s->column[key].name);
    }
    int code = csv_strings_put(&s->id, id->text, id->len, &before);
    return code < 0 ? csv_nomem(s->host, r->file) : code > 0 ? STELE_OK : id_twice(s, r, before);
}

static int make_room(stele_inst *s)
{
    if (s->n_rows < s->row_capacity) {
        return 0;
    }
    int64_t capacity = 2 * s->row_capacity + 1024;
    int64_t *at = realloc(s->row_at, (size_t)capacity * sizeof *at);
    s->row_at = at != NULL ? at : s->row_at;
    int32_t *seen = at != NULL ? realloc(s->seen, (size_t)capacity * sizeof *seen) : NULL;
    s->seen = seen != NULL ? seen : s->seen;
    s->row_capacity = seen != NULL ? capacity : s->row_capacity;
    return seen != NULL ? 0 : -1;
}

static int add_text(csv_column *c, const csv_cell *cell)
{
    int64_t index;
    int code = csv_strings_put(&c->category, cell->text, cell->len, &index);
    if (code >= 0 && c->category.n > MAX_CATEGORIES &&
        (c->asked & (CSV_CLASSES | CSV_LEVELS)) == 0) {
        c->many = 1;
        csv_strings_finish(&c->category);
    }
    return code;
}

static stele_status not_a_number(const stele_inst *s, const csv_reader *r, int64_t row,
                                 int64_t column)
{
    char id[CSV_SHOWN], text[CSV_SHOWN];
    const csv_cell *cell = &r->cell[column];
    return csv_fail(s->host, STELE_E_DATA, r->file, r->at,
                    "row `%s`, column `%s`: `%s` is no number", csv_row_name(s, row, id),
                    s->column[column].name, csv_show(cell->text, cell->len, text));
}

/* `1,5`, `1,000` or `20 %`: meant as a number, and read as a text. */
static int is_meant_as_number(const csv_cell *cell)
{
    int marks = 0;
    for (size_t i = 0; i < cell->len; i++) {
        const char c = cell->text[i];
        const int mark = c == ',' || c == '%', sign = c == '-' || c == '+';
        if (!mark && !(sign && i == 0) && (c < '0' || c > '9') && c != '.' && c != ' ') {
            return 0;
        }
        marks += mark;
    }
    return marks > 0;
}

static stele_status look_at(stele_inst *s, const csv_reader *r, int64_t k)
{
    csv_column *c = &s->column[k];
    const csv_cell *cell = &r->cell[k];
    int kind = csv_kind(&s->values, cell);
    if (kind == CSV_MISSING) {
        return STELE_OK;
    }
    const int measured = (kind == CSV_NUMBER && c->is_number) || csv_is_level(c);
    if (measured && s->seen[s->n_rows] < 0 &&
        (c->asked & (CSV_CHOSEN | CSV_IF_NUMBER | CSV_LEVELS)) != 0) {
        s->seen[s->n_rows] = (int32_t)k;
    }
    c->n_numbers += kind == CSV_NUMBER || is_meant_as_number(cell);
    if (kind == CSV_NUMBER && c->is_number) {
        c->n_present++;
        return STELE_OK;
    }
    if ((c->asked & CSV_CHOSEN) != 0) {
        return not_a_number(s, r, s->n_rows, k);
    }
    c->late |= c->is_number && c->n_present > 0;
    c->first_text = c->is_number ? s->n_rows : c->first_text;
    c->is_number = 0;
    c->n_present++;
    int failed = !c->many && (c->asked & CSV_TEXTS) == 0 && add_text(c, cell) < 0;
    return failed ? csv_nomem(s->host, r->file) : STELE_OK;
}

static stele_status add_row(stele_inst *s, const csv_reader *r)
{
    stele_status st = check_width(s, r);
    if (st == STELE_OK && make_room(s) != 0) {
        st = csv_nomem(s->host, r->file);
    }
    st = st == STELE_OK ? add_id(s, r) : st;
    if (st == STELE_OK) {
        s->row_at[s->n_rows] = r->at;
        s->seen[s->n_rows] = -1;
    }
    for (int64_t k = 0; k < (int64_t)s->n_columns && st == STELE_OK; k++) {
        st = k != s->key ? look_at(s, r, k) : STELE_OK;
    }
    s->n_rows += st == STELE_OK;
    return st;
}

static stele_status walk(stele_inst *s)
{
    csv_reader r;
    csv_reader_init(&r, s->host, s->config->comment);
    stele_status st = STELE_OK;
    for (size_t i = 0; i < s->n_files && st == STELE_OK; i++) {
        int more = 1;
        s->file[i].first = s->n_rows;
        csv_reader_go(&r, &s->file[i], s->file[i].rows, s->file[i].size);
        while (st == STELE_OK && more) {
            st = csv_reader_next(&r, &more);
            st = st == STELE_OK && more ? add_row(s, &r) : st;
        }
    }
    csv_reader_finish(&r);
    if (st == STELE_OK && s->n_rows == 0) {
        st = csv_fail(s->host, STELE_E_DATA, s->file, -1, "has a header but no rows");
    }
    return st;
}

/* --- columns --------------------------------------------------------------------------------- */

static stele_status add_late(void *ctx, uint64_t i, int64_t row, const csv_reader *r)
{
    stele_inst *s = ctx;
    (void)i;
    (void)row;
    for (size_t k = 0; k < s->n_columns; k++) {
        csv_column *c = &s->column[k];
        if (c->late && !c->many && csv_kind(&s->values, &r->cell[k]) != CSV_MISSING &&
            add_text(c, &r->cell[k]) < 0) {
            return csv_nomem(s->host, r->file);
        }
    }
    return STELE_OK;
}

/* Columns that began with numbers and turned out to be texts need the numbers as classes too. */
static stele_status complete_late(stele_inst *s)
{
    int any = 0;
    for (size_t k = 0; k < s->n_columns; k++) {
        any |= s->column[k].late && !s->column[k].many;
    }
    return any ? csv_visit_rows(s, (uint64_t)s->n_rows, NULL, add_late, s) : STELE_OK;
}

static stele_status settle(stele_inst *s, csv_column *c)
{
    int is_class = (c->asked & CSV_CLASSES) != 0;
    if (c->is_number) {
        c->content = (c->asked & (CSV_CHOSEN | CSV_IF_NUMBER)) != 0 ? STELE_FIELD_MATRIX
                                                                    : STELE_FIELD_NUMBER;
        return STELE_OK;
    }
    if (csv_is_level(c)) {
        c->content = STELE_FIELD_MATRIX;
        return csv_strings_sort(&c->category) == 0 ? STELE_OK : csv_nomem(s->host, s->file);
    }
    is_class |= !c->many && (c->asked & CSV_TEXTS) == 0 && 2 * c->category.n <= c->n_present;
    if (!is_class) {
        c->content = STELE_FIELD_TEXT;
        csv_strings_finish(&c->category);
        return STELE_OK;
    }
    c->content = STELE_FIELD_CATEGORY;
    return csv_strings_sort(&c->category) == 0 ? STELE_OK : csv_nomem(s->host, s->file);
}

static stele_status settle_columns(stele_inst *s)
{
    s->x_column = malloc((s->n_columns + 1) * sizeof *s->x_column);
    s->label = malloc((s->n_columns + 1) * sizeof *s->label);
    stele_status st =
        s->x_column != NULL && s->label != NULL ? STELE_OK : csv_nomem(s->host, s->file);
    for (int64_t k = 0; k < (int64_t)s->n_columns && st == STELE_OK; k++) {
        csv_column *c = &s->column[k];
        if (k == s->key || c->name[0] == '\0') {
            continue; /* a column without a name counts rows, by all programs that write one */
        }
        st = settle(s, c);
        if (c->content == STELE_FIELD_MATRIX) {
            s->x_column[s->n_x++] = k;
        } else {
            s->label[s->n_labels++] = k;
        }
    }
    if (st == STELE_OK && s->n_x == 0 && s->config->columns.n > 0) {
        st = STELE_FAIL(s->host, STELE_E_DATA,
                        "columns: %s has no column of numbers to measure; `columns: []` makes a "
                        "source of labels alone",
                        s->file[0].path);
    }
    return st;
}

/* --- columns with a slip --------------------------------------------------------------------- */

/* Would have been measured, and most of its values are numbers. */
static int has_slipped(const stele_inst *s, int64_t k)
{
    const csv_column *c = &s->column[k];
    return k != s->key && c->name[0] != '\0' && (c->asked & CSV_IF_NUMBER) != 0 && !c->is_number &&
           2 * c->n_numbers > c->n_present;
}

typedef struct slip {
    const stele_inst *s;
    const csv_column *column;
} slip;

static stele_status tell_slip(void *ctx, uint64_t i, int64_t row, const csv_reader *r)
{
    const stele_inst *s = ((const slip *)ctx)->s;
    const csv_column *c = ((const slip *)ctx)->column;
    const csv_cell *cell = &r->cell[c - s->column];
    char text[CSV_SHOWN];
    (void)i;
    (void)row;
    s->host->log(
        s->host, STELE_LOG_WARNING,
        "%s: column `%s` is a label and not measured: %lld of its %lld values read like "
        "numbers, but `%s` in line %lld is none: numbers have a decimal point and no unit, "
        "`missing_values` says what stands for a missing one, `exclude` makes labels",
        r->file->path, c->name, (long long)c->n_numbers, (long long)c->n_present,
        csv_show(cell->text, cell->len, text), csv_file_line(r->file, r->at));
    return STELE_OK;
}

/* A column that a single cell turns into a label would be lost in silence. */
static stele_status tell_slips(const stele_inst *s)
{
    enum { MOST_TOLD = 5 };
    stele_status st = STELE_OK;
    int64_t n = 0;
    for (int64_t k = 0; k < (int64_t)s->n_columns && st == STELE_OK; k++) {
        if (has_slipped(s, k) && n++ < MOST_TOLD) {
            slip told = { s, &s->column[k] };
            st = csv_visit_rows(s, 1, &s->column[k].first_text, tell_slip, &told);
        }
    }
    if (st == STELE_OK && n > MOST_TOLD) {
        s->host->log(s->host, STELE_LOG_WARNING, "%s: the same holds for %lld more columns",
                     s->file[0].path, (long long)(n - MOST_TOLD));
    }
    return st;
}

/* --- presence -------------------------------------------------------------------------------- */

/* Of the rows whose number seen first is not measured (its column has texts too) all cells have to
 * be looked at again; as a rule there is none. ret (n_rows) 1: has a measurement. */
static stele_status find_present(stele_inst *s, unsigned char *ret)
{
    int64_t n = 0, *row = malloc(((size_t)s->n_rows + 1) * sizeof *row);
    unsigned char *found = malloc((size_t)s->n_rows + 1);
    stele_status st = row != NULL && found != NULL ? STELE_OK : csv_nomem(s->host, s->file);
    for (int64_t i = 0; i < s->n_rows && st == STELE_OK; i++) {
        int32_t k = s->seen[i];
        ret[i] = k >= 0 && s->column[k].content == STELE_FIELD_MATRIX;
        if (k >= 0 && !ret[i]) {
            row[n++] = i;
        }
    }
    if (st == STELE_OK && n > 0) {
        st = csv_rows_present(s, (uint64_t)n, row, found);
    }
    for (int64_t i = 0; i < n && st == STELE_OK; i++) {
        ret[row[i]] = found[i];
    }
    free(found);
    free(row);
    return st;
}

static stele_status list_measured(stele_inst *s)
{
    unsigned char *present = malloc((size_t)s->n_rows + 1);
    stele_status st = present != NULL ? find_present(s, present) : csv_nomem(s->host, s->file);
    for (int64_t i = 0; i < s->n_rows && st == STELE_OK; i++) {
        s->n_x_rows += present[i];
    }
    if (st == STELE_OK && s->n_x_rows == 0) {
        st = STELE_FAIL(s->host, STELE_E_DATA,
                        "columns: %s: no row has a value in a measured column", s->file[0].path);
    }
    if (st == STELE_OK && s->n_x_rows < s->n_rows) {
        s->x_row = malloc((size_t)s->n_x_rows * sizeof *s->x_row);
        st = s->x_row != NULL ? STELE_OK : csv_nomem(s->host, s->file);
        for (int64_t i = 0, n = 0; i < s->n_rows && st == STELE_OK; i++) {
            if (present[i]) {
                s->x_row[n++] = i;
            }
        }
    }
    free(present);
    return st;
}

stele_status csv_index(stele_inst *s)
{
    stele_status st = walk(s);
    csv_strings_drop_set(&s->id);
    st = st == STELE_OK ? complete_late(s) : st;
    st = st == STELE_OK ? tell_slips(s) : st;
    st = st == STELE_OK ? settle_columns(s) : st;
    st = st == STELE_OK ? csv_check_fallbacks(s) : st;
    if (st == STELE_OK && s->n_x > 0) {
        st = list_measured(s);
    }
    free(s->seen);
    s->seen = NULL;
    return st;
}
