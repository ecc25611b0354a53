/* Which files there are, what their headers say, and which column is what. */
#include "csv.h"
#include "paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- names ----------------------------------------------------------------------------------- */

/* `*` stands for any text, `?` for one byte; nothing else is special, as names hold brackets. */
static int matches(const char *pattern, const char *name)
{
    const char *star = NULL, *retry = NULL;
    while (*name != '\0') {
        if (*pattern == '*') {
            star = pattern++;
            retry = name;
        } else if (*pattern == '?' || *pattern == *name) {
            pattern++;
            name++;
        } else if (star != NULL) {
            pattern = star + 1;
            name = ++retry;
        } else {
            return 0;
        }
    }
    while (*pattern == '*') {
        pattern++;
    }
    return *pattern == '\0';
}

static int is_pattern(const char *text)
{
    return strpbrk(text, "*?") != NULL;
}

/* Edits (Levenshtein) that make b of a, both shorter than NEAR bytes, capitals for free. */
#define NEAR 64

static int distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    int row[NEAR];
    for (size_t j = 0; j <= m; j++) {
        row[j] = (int)j;
    }
    for (size_t i = 1; i <= n; i++) {
        int corner = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            int change = corner + (csv_fold(a[i - 1]) != csv_fold(b[j - 1]));
            int other = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            corner = row[j];
            row[j] = change < other ? change : other;
        }
    }
    return row[m];
}

/* The column with the name nearest to `word`, at most a third of it away; NULL: none. */
static const char *nearest(const csv_strings *names, const char *word)
{
    const char *found = NULL;
    int best = (int)(strlen(word) / 3 + 1);
    for (int64_t k = 0; k < names->n && strlen(word) < NEAR; k++) {
        const char *name = csv_strings_get(names, k);
        int d = strlen(name) < NEAR && name[0] != '\0' ? distance(word, name) : best;
        if (d < best) {
            best = d;
            found = name;
        }
    }
    return found;
}

stele_status csv_no_column(const stele_inst *s, const char *option, const char *word)
{
    char shown[CSV_SHOWN], list[240] = "";
    const char *near = is_pattern(word) ? NULL : nearest(&s->name, word);
    csv_show(word, strlen(word), shown);
    if (near != NULL) {
        return STELE_FAIL(s->host, STELE_E_DATA, "%s: %s has no column `%s`; did you mean `%s`?",
                          option, s->file[0].path, shown, near);
    }
    for (int64_t k = 0; k < s->name.n; k++) {
        size_t used = strlen(list);
        const char *name = csv_strings_get(&s->name, k);
        if (used + strlen(name) + 8 > sizeof list) {
            snprintf(list + used, sizeof list - used, ", ...");
            break;
        }
        snprintf(list + used, sizeof list - used, "%s%s", k > 0 ? ", " : "", name);
    }
    return STELE_FAIL(s->host, STELE_E_DATA, "%s: %s has no column `%s`; there %s %s", option,
                      s->file[0].path, shown, s->name.n == 1 ? "is" : "are", list);
}

/* --- files ----------------------------------------------------------------------------------- */

static stele_status add_file(void *user, const char *path)
{
    stele_inst *s = user;
    static const char delimiter[] = "?,\t;|";
    csv_file *file = realloc(s->file, (s->n_files + 1) * sizeof *file);
    if (file == NULL) {
        return STELE_FAIL(s->host, STELE_E_NOMEM, "out of memory");
    }
    s->file = file;
    csv_file *f = &file[s->n_files++];
    stele_status st = csv_file_open(s->host, path, f);
    if (st == STELE_OK && s->config->delimiter == 0) {
        st = csv_find_delimiter(s->host, f, s->config->comment, &f->delimiter);
    } else if (st == STELE_OK) {
        f->delimiter = delimiter[s->config->delimiter];
    }
    return st;
}

stele_status csv_open_files(stele_inst *s)
{
    return paths_each(s->host, s->config->path, add_file, s);
}

/* --- headers --------------------------------------------------------------------------------- */

/* Names of the first file's columns. */
static stele_status take_names(stele_inst *s, const csv_reader *r)
{
    char shown[CSV_SHOWN];
    if (r->n <= 2 && r->cell[0].len >= 4 && strncmp(r->cell[0].text, "sep=", 4) == 0) {
        return csv_fail(
            s->host, STELE_E_DATA, r->file, r->at,
            "says to a spreadsheet what separates cells; `comment: sep=` leaves it out");
    }
    for (size_t k = 0; k < r->n; k++) {
        const csv_cell *c = &r->cell[k];
        int64_t before;
        if (c->len == 0 && k > 0) {
            return csv_fail(s->host, STELE_E_DATA, r->file, r->at, "column %zu has no name%s",
                            k + 1,
                            k + 1 == r->n ? ": the line ends with what separates cells" : "");
        }
        int code = csv_strings_put(&s->name, c->text, c->len, &before);
        if (code < 0) {
            return csv_nomem(s->host, r->file);
        }
        if (code == 0) {
            return csv_fail(s->host, STELE_E_DATA, r->file, r->at,
                            "columns %lld and %zu are both called `%s`", (long long)before + 1,
                            k + 1, csv_show(c->text, c->len, shown));
        }
    }
    return STELE_OK;
}

/* A further file has the columns of the first. */
static stele_status compare_names(const stele_inst *s, const csv_reader *r)
{
    char here[CSV_SHOWN], there[CSV_SHOWN];
    for (size_t k = 0; k < r->n || k < s->n_columns; k++) {
        const char *name = csv_strings_get(&s->name, (int64_t)k);
        const csv_cell *c = k < r->n ? &r->cell[k] : NULL;
        if (c != NULL && name != NULL && strncmp(name, c->text, c->len) == 0 &&
            name[c->len] == '\0') {
            continue;
        }
        if (c == NULL) {
            return csv_fail(s->host, STELE_E_DATA, r->file, r->at,
                            "has %zu columns instead of the %zu of %s: `%s` is missing", r->n,
                            s->n_columns, s->file[0].path, csv_show(name, strlen(name), there));
        }
        csv_show(c->text, c->len, here);
        if (name == NULL) {
            return csv_fail(s->host, STELE_E_DATA, r->file, r->at,
                            "has %zu columns instead of the %zu of %s: `%s` is new", r->n,
                            s->n_columns, s->file[0].path, here);
        }
        return csv_fail(s->host, STELE_E_DATA, r->file, r->at,
                        "column %zu is `%s`, in %s it is `%s`", k + 1, here, s->file[0].path,
                        csv_show(name, strlen(name), there));
    }
    return STELE_OK;
}

static stele_status read_names(stele_inst *s, csv_reader *r, csv_file *f)
{
    int more = 0;
    csv_reader_go(r, f, f->text, f->size);
    stele_status st = csv_reader_next(r, &more);
    if (st == STELE_OK && !more) {
        return csv_fail(s->host, STELE_E_DATA, f, -1, "holds nothing but blank lines and comments");
    }
    if (st == STELE_OK && f == s->file) {
        st = take_names(s, r);
        s->n_columns = r->n;
    } else if (st == STELE_OK) {
        st = compare_names(s, r);
    }
    f->rows = r->next - (int64_t)(r->fill - r->begin);
    return st;
}

/* --- columns --------------------------------------------------------------------------------- */

/* Names that a first column of row ids often has. */
static int sounds_like_id(const char *name)
{
    static const char *const known[] = { "",     "id",      "index",  "row",    "name",
                                         "cell", "barcode", "sample", "patient" };
    size_t len = strlen(name);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (csv_is_word(name, len, known[i])) {
            return 1;
        }
    }
    return len > 3 && csv_is_word(name + len - 2, 2, "id") &&
           (name[len - 3] == '_' || name[len - 3] == '.' || name[len - 3] == ' ');
}

static stele_status find_key_else(stele_inst *s)
{
    const char *key = s->config->key_else;
    s->key_else = key != NULL ? csv_strings_find(&s->name, key, strlen(key)) : -1;
    if (key != NULL && s->key < 0) {
        return STELE_FAIL(s->host, STELE_E_OPTION,
                          "key_else: is for rows without an id in `key`, and no column has ids");
    }
    return key == NULL || s->key_else >= 0 ? STELE_OK : csv_no_column(s, "key_else", key);
}

static stele_status find_key(stele_inst *s)
{
    const char *key = s->config->key;
    s->key = -1;
    if (s->config->numbered && key != NULL) {
        return STELE_FAIL(
            s->host, STELE_E_OPTION,
            "numbered: rows have the ids of column `%s` (key) or are numbered, not both", key);
    }
    if (key != NULL) {
        s->key = csv_strings_find(&s->name, key, strlen(key));
        if (s->key < 0) {
            return csv_no_column(s, "key", key);
        }
    } else if (!s->config->numbered && sounds_like_id(csv_strings_get(&s->name, 0))) {
        s->key = 0;
    }
    return find_key_else(s);
}

/* Mark the columns that a list of names and patterns means; each item has to mean one, but labels
 * of rows that are new. A name that is in the header is that column, even if it reads like a
 * pattern. */
static stele_status mark(stele_inst *s, const char *option, const stele_str_list *list,
                         unsigned asked)
{
    const int is_label = (asked & (CSV_EXCLUDED | CSV_CLASSES | CSV_TEXTS)) != 0;
    for (uint64_t i = 0; i < list->n; i++) {
        const char *word = list->v[i];
        int64_t exact = csv_strings_find(&s->name, word, strlen(word));
        unsigned bit = asked == CSV_CHOSEN && strcmp(word, "*") == 0 ? CSV_IF_NUMBER : asked;
        int found = 0;
        if (exact >= 0 && exact == s->key) {
            return STELE_FAIL(s->host, STELE_E_OPTION, "%s: column `%s` holds the row ids", option,
                              word);
        }
        for (int64_t k = 0; k < (int64_t)s->n_columns; k++) {
            if (exact >= 0 ? k == exact : matches(word, s->column[k].name)) {
                s->column[k].asked |= bit;
                found = 1;
            }
        }
        if (!found && !(s->new_rows && is_label)) {
            return csv_no_column(s, option, word);
        }
    }
    return STELE_OK;
}

static stele_status mark_all(stele_inst *s)
{
    const csv_config *c = s->config;
    if (c->sparse && c->levels.n > 0) {
        return STELE_FAIL(s->host, STELE_E_OPTION,
                          "levels: the first of a column's texts has code 0, which `sparse` would "
                          "leave out");
    }
    stele_status st = mark(s, "columns", &c->columns, CSV_CHOSEN);
    st = st == STELE_OK ? mark(s, "exclude", &c->exclude, CSV_EXCLUDED) : st;
    st = st == STELE_OK ? mark(s, "categories", &c->categories, CSV_CLASSES) : st;
    st = st == STELE_OK ? mark(s, "texts", &c->texts, CSV_TEXTS) : st;
    st = st == STELE_OK ? mark(s, "levels", &c->levels, CSV_LEVELS) : st;
    for (size_t k = 0; k < s->n_columns && st == STELE_OK; k++) {
        csv_column *column = &s->column[k];
        if ((column->asked & (CSV_EXCLUDED | CSV_CLASSES | CSV_TEXTS | CSV_LEVELS)) != 0) {
            column->asked &= ~(unsigned)(CSV_CHOSEN | CSV_IF_NUMBER);
        }
        if (csv_is_level(column) && (column->asked & (CSV_CLASSES | CSV_TEXTS)) != 0) {
            st = STELE_FAIL(s->host, STELE_E_OPTION,
                            "levels: column `%s` is in `%s` too, which makes it a label",
                            column->name,
                            (column->asked & CSV_CLASSES) != 0 ? "categories" : "texts");
        }
        if ((column->asked & CSV_EXCLUDED) != 0) {
            column->asked &= ~(unsigned)CSV_LEVELS;
        }
        if ((column->asked & CSV_CLASSES) != 0 && (column->asked & CSV_TEXTS) != 0) {
            st = STELE_FAIL(s->host, STELE_E_OPTION, "texts: column `%s` is in `categories` too",
                            column->name);
        }
        column->is_number = (column->asked & (CSV_CLASSES | CSV_TEXTS | CSV_LEVELS)) == 0;
    }
    return st;
}

stele_status csv_read_header(stele_inst *s)
{
    csv_reader r;
    csv_reader_init(&r, s->host, s->config->comment);
    stele_status st = STELE_OK;
    for (size_t i = 0; i < s->n_files && st == STELE_OK; i++) {
        st = read_names(s, &r, &s->file[i]);
    }
    csv_reader_finish(&r);
    if (st == STELE_OK) {
        s->column = calloc(s->n_columns, sizeof *s->column);
        st = s->column != NULL ? STELE_OK : csv_nomem(s->host, s->file);
    }
    for (size_t k = 0; k < s->n_columns && st == STELE_OK; k++) {
        s->column[k].name = csv_strings_get(&s->name, (int64_t)k);
        s->column[k].fallback = -1;
    }
    st = st == STELE_OK ? find_key(s) : st;
    st = st == STELE_OK ? mark_all(s) : st;
    return st == STELE_OK ? csv_read_fallbacks(s) : st;
}
