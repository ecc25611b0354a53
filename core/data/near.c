/* Row ids that look like others and are not: those with blanks around them, and those that are
 * nearly those of another source. Rows are joined by ids that are the same to the
 * character; a spreadsheet that drops leading zeros, or a table of floats that writes 7.0 for 7,
 * takes them apart without an error, as every source may lack rows of the others. */
#include "base/mem.h"
#include "data/parts.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Where an id was first seen. */
typedef struct seen_at {
    size_t axis;
    int64_t row;
} seen_at;

typedef struct near_ids {
    stele__map *plain;
    seen_at *first; /* (capacity) of each plain id */
    int64_t capacity;
} near_ids;

enum { LONGEST = 256 }; /* longer ids are compared as far as that */

static int joins(const stele__axis *axis)
{
    return axis->has_matrix || axis->has_label;
}

/* Is this 0 in front of a number, as in 07 and P07? Not in 7.07. */
static int is_padding(const char *id, const char *at)
{
    return at[0] == '0' && isdigit((unsigned char)at[1]) &&
           (at == id || (!isdigit((unsigned char)at[-1]) && at[-1] != '.'));
}

/* A whole number that went through a table of floats has become 7.0. */
static size_t without_fraction(const char *s, size_t n)
{
    size_t end = n;
    while (end > 0 && s[end - 1] == '0') {
        end--;
    }
    if (end < 2 || end == n || s[end - 1] != '.') {
        return n;
    }
    for (size_t i = 0; i + 1 < end; i++) {
        if (!isdigit((unsigned char)s[i])) {
            return n;
        }
    }
    return end - 1;
}

/* Without blanks around it, zeros in front of its numbers, a fraction of 0 and case. */
static void simplify(const char *id, char ret[LONGEST])
{
    size_t n = 0;
    while (isspace((unsigned char)*id)) {
        id++;
    }
    const char *begin = id;
    for (; *id != '\0' && n + 1 < LONGEST; id++) {
        while (is_padding(begin, id)) {
            begin = ++id; /* the next 0 may be one as well */
        }
        ret[n++] = (char)tolower((unsigned char)*id);
    }
    while (n > 0 && isspace((unsigned char)ret[n - 1])) {
        n--;
    }
    ret[without_fraction(ret, n)] = '\0';
}

static stele_status make_room(near_ids *w, int64_t n)
{
    if (n <= w->capacity) {
        return STELE_OK;
    }
    const int64_t capacity = 2 * n + 64;
    seen_at *first = stele__realloc(w->first, (size_t)capacity * sizeof *first);
    if (first == NULL) {
        return STELE_E_NOMEM;
    }
    w->first = first;
    w->capacity = capacity;
    return STELE_OK;
}

static void copy_id(const char *id, char ret[LONGEST])
{
    strncpy(ret, id, LONGEST - 1);
    ret[LONGEST - 1] = '\0';
}

static int has(const stele__dataset *ds, const stele__axis *axis, const char *id)
{
    const int64_t row = stele__map_find(ds->id, id);
    return row >= 0 && axis->axis_row[row] >= 0;
}

/* What all of them have is near to nothing: no need to keep it. */
static int have_all(const stele__dataset *ds, const char *id)
{
    for (size_t a = 0; a < ds->n_axes; a++) {
        if (joins(&ds->axis[a]) && !has(ds, &ds->axis[a], id)) {
            return 0;
        }
    }
    return 1;
}

/* Is `id` of this axis nearly the one that was seen first, on another axis, where neither axis has
 * both of them? */
static int is_near(const stele__dataset *ds, const seen_at *first, size_t a, const char *id)
{
    const stele__axis *before = &ds->axis[first->axis];
    char other[LONGEST];
    copy_id(stele__row_id(ds, before, first->row), other);
    return first->axis != a && strcmp(other, id) != 0 && !has(ds, before, id) &&
           !has(ds, &ds->axis[a], other);
}

static void warn(const stele__dataset *ds, const stele__axis *axis, int64_t row,
                 const seen_at *near, int64_t n, stele__diag *diag)
{
    const stele__axis *other = &ds->axis[near->axis];
    char id[LONGEST];
    copy_id(stele__row_id(ds, axis, row), id);
    stele__diag_warning(
        diag, NULL,
        "%lld row ids of source `%s` differ from those of source `%s` by leading zeros, a final "
        "`.0`, blanks or case alone, as `%s` and `%s`: rows are joined by ids that are the same to "
        "the character",
        (long long)n, ds->source[axis->source].name, ds->source[other->source].name, id,
        stele__row_id(ds, other, near->row));
}

static stele_status warn_axis(const stele__dataset *ds, near_ids *w, size_t a, stele__diag *diag)
{
    const stele__axis *axis = &ds->axis[a];
    stele_status st = STELE_OK;
    int64_t n = 0, own = 0, other = 0;
    for (int64_t r = 0; r < axis->n_rows && st == STELE_OK; r++) {
        char id[LONGEST], plain[LONGEST];
        int64_t at = 0;
        int is_new = 0;
        copy_id(stele__row_id(ds, axis, r), id);
        if (have_all(ds, id)) {
            continue;
        }
        simplify(id, plain);
        st = stele__map_add(w->plain, plain, &at, &is_new);
        st = st == STELE_OK ? make_room(w, at + 1) : st;
        if (st == STELE_OK && is_new) {
            w->first[at] = (seen_at){ .axis = a, .row = r };
        } else if (st == STELE_OK && is_near(ds, &w->first[at], a, id) && n++ == 0) {
            own = r;
            other = at;
        }
    }
    if (n > 0) {
        warn(ds, axis, own, &w->first[other], n, diag);
    }
    return st;
}

/* A blank at an end, a no-break one too, or a control character: nobody sees these who compares two
 * lists of ids. */
static int is_unseen(const char *id)
{
    static const char no_break[] = "\xc2\xa0";
    const size_t n = strlen(id);
    if (n == 0) {
        return 0;
    }
    int unseen = id[0] == ' ' || id[n - 1] == ' ' || strncmp(id, no_break, 2) == 0 ||
                 (n > 1 && strcmp(&id[n - 2], no_break) == 0);
    for (size_t i = 0; i < n && !unseen; i++) {
        unseen = iscntrl((unsigned char)id[i]);
    }
    return unseen;
}

/* Control characters as \xHH: a message is one line. */
static void escape(const char *id, char ret[LONGEST])
{
    size_t n = 0;
    for (; *id != '\0' && n + 5 < LONGEST; id++) {
        const unsigned char c = (unsigned char)*id;
        n += (size_t)snprintf(&ret[n], LONGEST - n, iscntrl(c) ? "\\x%02x" : "%c", c);
    }
    ret[n] = '\0';
}

/* Returns their number. */
static int64_t warn_unseen(const stele__dataset *ds, const stele__axis *axis, stele__diag *diag)
{
    int64_t n = 0, first = 0;
    for (int64_t r = 0; r < axis->n_rows; r++) {
        if (is_unseen(stele__row_id(ds, axis, r)) && n++ == 0) {
            first = r;
        }
    }
    if (n > 0) {
        const stele__source *src = &ds->source[axis->source];
        char id[LONGEST];
        escape(stele__row_id(ds, axis, first), id);
        stele__diag_warning(diag, NULL,
                            "%s: %lld row %s a blank at an end or a control character, first `%s` "
                            "of row %lld, counted from 0: rows are joined by ids that are the same "
                            "to the character",
                            src->file != NULL ? src->file : src->name, (long long)n,
                            n == 1 ? "id has" : "ids have", id, (long long)first);
    }
    return n;
}

/* Axes of one source lie one after the other, and mostly share their ids. */
static void warn_all_unseen(const stele__dataset *ds, stele__diag *diag)
{
    size_t warned = ds->n_sources;
    for (size_t a = 0; a < ds->n_axes; a++) {
        const stele__axis *axis = &ds->axis[a];
        if (joins(axis) && axis->source != warned && warn_unseen(ds, axis, diag) > 0) {
            warned = axis->source;
        }
    }
}

stele_status stele__dataset_warn_near(const stele__dataset *ds, stele__diag *diag)
{
    size_t n = 0;
    near_ids w = { 0 };
    warn_all_unseen(ds, diag);
    for (size_t a = 0; a < ds->n_axes; a++) {
        n += joins(&ds->axis[a]) && ds->axis[a].n_rows > 0;
    }
    if (n < 2) {
        return STELE_OK;
    }
    stele_status st = stele__map_create(&w.plain);
    for (size_t a = 0; a < ds->n_axes && st == STELE_OK; a++) {
        if (joins(&ds->axis[a])) {
            st = warn_axis(ds, &w, a, diag);
        }
    }
    stele__map_destroy(w.plain);
    stele__free(w.first);
    return st;
}
