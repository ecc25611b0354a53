/* Matrix Market coordinate files. https://math.nist.gov/MatrixMarket/formats.html
 *
 * The first pass counts the entries of every cell and checks all there is to check; the second puts
 * them in their places. */
#include "mtx.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { REAL = 1, INTEGER, PATTERN };

/* A file while it is read. */
typedef struct parser {
    input *in;
    lines l;
    locale_t plain; /* numbers with a point, whatever the user's language */
    int kind;
    int64_t header_line; /* where the extents stand */
    int64_t n_features, n_cells, n_entries;
} parser;

typedef struct entry {
    int64_t feature, cell;
    float value;
} entry;

void mtx_matrix_finish(matrix *m)
{
    free(m->row_start);
    free(m->column);
    free(m->value);
    *m = (matrix){ 0 };
}

/* --- header ---------------------------------------------------------------------------------- */

static stele_status bad_kind(const parser *p, const char *what, const char *word, const char *want)
{
    return input_fail(p->in, STELE_E_DATA, "line 1: its %s is `%s`; only %s can be read", what,
                      word, want);
}

static stele_status read_banner(parser *p)
{
    char *line = NULL, *rest = NULL, *word[5] = { NULL };
    stele_status st = lines_next(&p->l, &line);
    if (st != STELE_OK) {
        return st;
    }
    for (int k = 0; k < 5 && line != NULL; k++) {
        word[k] = strtok_r(k == 0 ? line : NULL, " \t", &rest);
    }
    if (word[4] == NULL || strcasecmp(word[0], "%%MatrixMarket") != 0 ||
        strcasecmp(word[1], "matrix") != 0) {
        return input_fail(
            p->in, STELE_E_DATA,
            "line 1 is not `%%%%MatrixMarket matrix coordinate integer general` or the "
            "like: is this a Matrix Market file?");
    }
    if (strcasecmp(word[2], "coordinate") != 0) {
        return bad_kind(p, "format", word[2], "`coordinate`");
    }
    p->kind = strcasecmp(word[3], "integer") == 0   ? INTEGER
              : strcasecmp(word[3], "real") == 0    ? REAL
              : strcasecmp(word[3], "pattern") == 0 ? PATTERN
                                                    : 0;
    if (p->kind == 0) {
        return bad_kind(p, "field", word[3], "`integer`, `real` and `pattern`");
    }
    return strcasecmp(word[4], "general") == 0 ? STELE_OK
                                               : bad_kind(p, "symmetry", word[4], "`general`");
}

/* The next line that is neither empty nor a comment; NULL at the end. */
static stele_status next_line(parser *p, char **ret)
{
    stele_status st = STELE_OK;
    do {
        st = lines_next(&p->l, ret);
    } while (st == STELE_OK && *ret != NULL &&
             ((*ret)[0] == '%' || (*ret)[strspn(*ret, " \t")] == '\0'));
    return st;
}

/* A whole number of at most 18 digits, and what follows it; NULL: there is none. */
static const char *take_whole(const char *text, int64_t *ret)
{
    int64_t n = 0;
    text += strspn(text, " \t");
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 18) {
        return NULL;
    }
    for (size_t k = 0; k < digits; k++) {
        n = n * 10 + (text[k] - '0');
    }
    *ret = n;
    return text[digits] == ' ' || text[digits] == '\t' || text[digits] == '\0' ? text + digits
                                                                               : NULL;
}

static int is_blank(const char *text)
{
    return text[strspn(text, " \t")] == '\0';
}

static stele_status read_extents(parser *p)
{
    char *line = NULL;
    stele_status st = next_line(p, &line);
    if (st != STELE_OK) {
        return st;
    }
    p->header_line = p->l.number;
    const char *at = line != NULL ? take_whole(line, &p->n_features) : NULL;
    at = at != NULL ? take_whole(at, &p->n_cells) : NULL;
    at = at != NULL ? take_whole(at, &p->n_entries) : NULL;
    if (at == NULL || !is_blank(at)) {
        return input_fail(p->in, STELE_E_DATA,
                          line == NULL
                              ? "ends before line %lld, which gives the numbers of features, "
                                "cells and entries"
                              : "line %lld has to be three whole numbers: features, cells, "
                                "entries",
                          (long long)p->header_line);
    }
    if (p->n_features > INT32_MAX) {
        return input_fail(p->in, STELE_E_DATA, "line %lld: more than 2^31 features",
                          (long long)p->header_line);
    }
    if (p->n_features == 0 || p->n_cells == 0) {
        return input_fail(
            p->in, STELE_E_DATA, "line %lld: a matrix of %lld features and %lld cells",
            (long long)p->header_line, (long long)p->n_features, (long long)p->n_cells);
    }
    /* An entry takes four bytes at least ("1 1" and the line's end), and most cells have some. */
    int64_t most = input_most(p->in);
    if (p->n_entries > most / 4 + 1 || p->n_cells > most) {
        return input_fail(p->in, STELE_E_DATA,
                          "line %lld promises %lld cells and %lld entries, more than the file can "
                          "hold",
                          (long long)p->header_line, (long long)p->n_cells,
                          (long long)p->n_entries);
    }
    return STELE_OK;
}

/* --- entries --------------------------------------------------------------------------------- */

static stele_status bad_entry(const parser *p, const char *line, const char *what)
{
    return input_fail(p->in, STELE_E_DATA, "line %lld: `%.60s` %s", (long long)p->l.number, line,
                      what);
}

static stele_status take_value(const parser *p, const char *line, const char *at, float *ret)
{
    char *end = NULL;
    int64_t whole = 0;
    const char *after = take_whole(at, &whole);
    if (after != NULL && is_blank(after)) {
        *ret = (float)whole;
        return STELE_OK;
    }
    double v = strtod_l(at, &end, p->plain);
    const size_t len = (size_t)(end - at);
    /* The library reads hexadecimal numbers, too. */
    if (len == 0 || !is_blank(end) || memchr(at, 'x', len) != NULL ||
        memchr(at, 'X', len) != NULL) {
        return bad_entry(p, line, "does not end with one number");
    }
    if (p->kind == INTEGER && isfinite(v) && v != floor(v)) {
        return bad_entry(p, line, "is no whole number, which line 1 promises");
    }
    /* Infinity is a word, of which the modality decides. */
    if (fabs(v) > (double)FLT_MAX && memchr(at, 'n', len) == NULL && memchr(at, 'N', len) == NULL) {
        return bad_entry(p, line, "has a number that is too large for single precision");
    }
    *ret = (float)v;
    return STELE_OK;
}

static stele_status parse_entry(const parser *p, const char *line, entry *ret)
{
    entry e = { .value = 1 };
    const char *at = take_whole(line, &e.feature);
    at = at != NULL ? take_whole(at, &e.cell) : NULL;
    if (at == NULL || (p->kind == PATTERN && !is_blank(at))) {
        return bad_entry(p, line,
                         p->kind == PATTERN ? "is not the numbers of a feature and a cell"
                                            : "does not begin with the numbers of a feature and a "
                                              "cell");
    }
    if (e.feature < 1 || e.feature > p->n_features || e.cell < 1 || e.cell > p->n_cells) {
        int is_feature = e.feature < 1 || e.feature > p->n_features;
        return input_fail(p->in, STELE_E_DATA, "line %lld: %s %lld is outside 1 .. %lld",
                          (long long)p->l.number, is_feature ? "feature" : "cell",
                          (long long)(is_feature ? e.feature : e.cell),
                          (long long)(is_feature ? p->n_features : p->n_cells));
    }
    e.feature--;
    e.cell--;
    stele_status st = p->kind == PATTERN ? STELE_OK : take_value(p, line, at, &e.value);
    *ret = e;
    return st;
}

/* Go over the file and hand every entry to `visit`. */
static stele_status
each_entry(parser *p, stele_status (*visit)(parser *p, void *ctx, const entry *e), void *ctx)
{
    char *line = NULL;
    int64_t n = 0;
    lines_start(&p->l, p->in);
    stele_status st = read_banner(p);
    st = st == STELE_OK ? read_extents(p) : st;
    while (st == STELE_OK && (st = next_line(p, &line)) == STELE_OK && line != NULL) {
        entry e;
        if (n == p->n_entries) {
            st = input_fail(
                p->in, STELE_E_DATA,
                "line %lld: there are more entries than the %lld that line %lld promises",
                (long long)p->l.number, (long long)p->n_entries, (long long)p->header_line);
            break;
        }
        st = parse_entry(p, line, &e);
        st = st == STELE_OK ? visit(p, ctx, &e) : st;
        n++;
    }
    if (st == STELE_OK && n < p->n_entries) {
        st = input_fail(p->in, STELE_E_DATA, "ends after %lld entries; line %lld promises %lld",
                        (long long)n, (long long)p->header_line, (long long)p->n_entries);
    }
    lines_finish(&p->l);
    return st;
}

/* --- the two passes -------------------------------------------------------------------------- */

static stele_status count_entry(parser *p, void *ctx, const entry *e)
{
    matrix *m = ctx;
    if (m->row_start == NULL) {
        m->row_start = calloc((size_t)p->n_cells + 1, sizeof *m->row_start);
        if (m->row_start == NULL) {
            return input_nomem(p->in);
        }
    }
    m->row_start[e->cell + 1]++;
    return STELE_OK;
}

/* While it is filled, row_start[cell] is where the cell's next entry goes. */
static stele_status place_entry(parser *p, void *ctx, const entry *e)
{
    matrix *m = ctx;
    int fits = e->cell < m->n_cells && e->feature < m->n_features;
    int64_t to = fits ? m->row_start[e->cell]++ : m->n_entries;
    if (to >= m->n_entries) {
        return input_fail(p->in, STELE_E_IO, "has changed while it was read");
    }
    m->column[to] = (int32_t)e->feature;
    m->value[to] = e->value;
    return STELE_OK;
}

static int by_column(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    return (x->feature > y->feature) - (x->feature < y->feature);
}

static stele_status sort_cell(const input *in, matrix *m, int64_t begin, int64_t n)
{
    entry *e = malloc((size_t)n * sizeof *e);
    if (e == NULL) {
        return input_nomem(in);
    }
    for (int64_t k = 0; k < n; k++) {
        e[k] = (entry){ .feature = m->column[begin + k], .value = m->value[begin + k] };
    }
    qsort(e, (size_t)n, sizeof *e, by_column);
    for (int64_t k = 0; k < n; k++) {
        m->column[begin + k] = (int32_t)e[k].feature;
        m->value[begin + k] = e[k].value;
    }
    free(e);
    return STELE_OK;
}

/* An entry that is given more than once, looked for in the file again to tell the lines. */
typedef struct repeat {
    int64_t feature, cell, line;
} repeat;

static stele_status find_repeat(parser *p, void *ctx, const entry *e)
{
    repeat *r = ctx;
    if (e->feature != r->feature || e->cell != r->cell) {
        return STELE_OK;
    }
    if (r->line != 0) {
        return input_fail(p->in, STELE_E_DATA,
                          "line %lld: feature %lld of cell %lld is given in line %lld already",
                          (long long)p->l.number, (long long)e->feature + 1, (long long)e->cell + 1,
                          (long long)r->line);
    }
    r->line = p->l.number;
    return STELE_OK;
}

static stele_status sort_entries(parser *p, matrix *m)
{
    stele_status st = STELE_OK;
    for (int64_t i = 0; i < m->n_cells && st == STELE_OK; i++) {
        int64_t begin = m->row_start[i], n = m->row_start[i + 1] - begin;
        const int32_t *c = m->column + begin;
        int64_t k = 1;
        if (n < 0) {
            return input_fail(p->in, STELE_E_IO, "has changed while it was read");
        }
        while (k < n && c[k] > c[k - 1]) {
            k++;
        }
        st = k < n ? sort_cell(p->in, m, begin, n) : STELE_OK;
        for (k = 1; k < n && st == STELE_OK; k++) {
            if (c[k] == c[k - 1]) {
                repeat r = { .feature = c[k], .cell = i };
                return each_entry(p, find_repeat, &r);
            }
        }
    }
    return st;
}

static stele_status read_twice(parser *p, matrix *m)
{
    stele_status st = each_entry(p, count_entry, m);
    if (st != STELE_OK) {
        return st;
    }
    size_t n = (size_t)p->n_entries;
    m->n_features = p->n_features;
    m->n_cells = p->n_cells;
    m->n_entries = p->n_entries;
    if (m->row_start == NULL) { /* not a single entry */
        m->row_start = calloc((size_t)m->n_cells + 1, sizeof *m->row_start);
    }
    m->column = malloc((n + 1) * sizeof *m->column);
    m->value = malloc((n + 1) * sizeof *m->value);
    if (m->row_start == NULL || m->column == NULL || m->value == NULL) {
        return input_nomem(p->in);
    }
    for (int64_t i = 0; i < m->n_cells; i++) {
        m->row_start[i + 1] += m->row_start[i];
    }
    st = each_entry(p, place_entry, m);
    /* Every start has moved to where the next row begins. */
    memmove(m->row_start + 1, m->row_start, (size_t)m->n_cells * sizeof *m->row_start);
    m->row_start[0] = 0;
    return st == STELE_OK ? sort_entries(p, m) : st;
}

stele_status mtx_read_matrix(input *in, matrix *ret)
{
    matrix m = { 0 };
    parser p = { .in = in, .plain = newlocale(LC_ALL_MASK, "C", (locale_t)0) };
    stele_status st = p.plain != (locale_t)0 ? read_twice(&p, &m) : input_nomem(in);
    if (p.plain != (locale_t)0) {
        freelocale(p.plain);
    }
    if (st != STELE_OK) {
        mtx_matrix_finish(&m);
        return st;
    }
    *ret = m;
    return STELE_OK;
}
