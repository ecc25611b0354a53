/* Which type a column has: what the spec says, else what the training rows' values suggest. */
#include "table.h"

#include <stele/counts.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const table_type_names[TABLE_N_TYPES] = {
    "real", "positive", "proportion", "count", "binary", "ordered", "unordered", "constant"
};

/* Between the name of an ordered column and its levels, and between these. */
static const char equals[] = " = ", less[] = " < ";

static const char *name_of(const stele_inst *self, int64_t j, char ret[32])
{
    const stele_feature *f = self->column[j].feature;
    snprintf(ret, 32, "%lld", (long long)j);
    return f != NULL && f->name != NULL ? f->name : ret;
}

/* --- names ----------------------------------------------------------------------------------- */

/* `*` stands for any text, `?` for one byte. */
static int matches(const char *pattern, size_t n, const char *name)
{
    size_t p = 0, star = n, retry = 0, i = 0;
    while (name[i] != '\0') {
        if (p < n && pattern[p] == '*') {
            star = p++;
            retry = i;
        } else if (p < n && (pattern[p] == '?' || pattern[p] == name[i])) {
            p++;
            i++;
        } else if (star < n) {
            p = star + 1;
            i = ++retry;
        } else {
            return 0;
        }
    }
    while (p < n && pattern[p] == '*') {
        p++;
    }
    return p == n;
}

/* Length of the part of an item that names columns: what stands before " = " of an order. */
static size_t name_length(int32_t type, const char *item)
{
    const char *at = type == TABLE_ORDERED ? strstr(item, equals) : NULL;
    return at != NULL ? (size_t)(at - item) : strlen(item);
}

static stele_status no_column(const stele_inst *self, int32_t type, const char *item)
{
    char list[240] = "", own[32];
    for (int64_t j = 0; j < self->n_columns; j++) {
        const char *name = name_of(self, j, own);
        size_t used = strlen(list);
        if (used + strlen(name) + 8 > sizeof list) {
            snprintf(list + used, sizeof list - used, ", ...");
            break;
        }
        snprintf(list + used, sizeof list - used, "%s%s", j > 0 ? ", " : "", name);
    }
    return STELE_FAIL(self->host, STELE_E_OPTION, "%s: there is no column `%.*s`; there %s %s",
                      table_type_names[type], (int)name_length(type, item), item,
                      self->n_columns == 1 ? "is" : "are", list);
}

/* --- what the values allow -------------------------------------------------------------------- */

static int is_constant(const stele_feature *f)
{
    return f == NULL || f->n_rows == 0 || f->n_values == 1;
}

/* The rules that docs/write-a-spec.md states. */
static int32_t infer(const stele_feature *f)
{
    if (f == NULL) {
        return TABLE_REAL;
    }
    if (is_constant(f)) {
        return TABLE_CONSTANT;
    }
    if (f->level != NULL) {
        return f->n_values == 2 ? TABLE_BINARY : TABLE_UNORDERED;
    }
    if (f->n_values == 2 && f->whole) {
        return TABLE_BINARY;
    }
    if (f->whole && f->least >= 0.0 && f->largest < STELE_COUNT_LIMIT) {
        return TABLE_COUNT;
    }
    if (f->least >= 0.0 && f->largest <= 1.0) {
        return TABLE_PROPORTION;
    }
    return f->least > 0.0 ? TABLE_POSITIVE : TABLE_REAL;
}

static stele_status contradicts(const stele_inst *self, int64_t j, int32_t type, const char *why)
{
    char own[32];
    return STELE_FAIL(self->host, STELE_E_OPTION, "%s: column `%s` %s", table_type_names[type],
                      name_of(self, j, own), why);
}

/* Of levels that are numbers or texts. */
static const char *wrong_levels(const stele_feature *f, int32_t type, char *room, size_t size)
{
    if (f->n_values < 0) {
        snprintf(room, size, "has more than %d different values in the training rows",
                 STELE_MOST_VALUES);
        return room;
    }
    if (f->n_values > STELE_MOST_VALUES) {
        snprintf(room, size, "has %lld different texts in the training rows, the most are %d",
                 (long long)f->n_values, STELE_MOST_VALUES);
        return room;
    }
    if (type == TABLE_BINARY && f->n_values > 2) {
        snprintf(room, size, "has %lld different values in the training rows, not 2",
                 (long long)f->n_values);
        return room;
    }
    return NULL;
}

static const char *wrong_numbers(const stele_feature *f, int32_t type, char *room, size_t size)
{
    if (f->level != NULL) {
        return "holds texts, not numbers";
    }
    if (type == TABLE_POSITIVE && !(f->least > 0.0)) {
        snprintf(room, size, "holds %g in the training rows, which is not above 0", f->least);
    } else if (type == TABLE_COUNT && !f->whole) {
        snprintf(room, size, "holds fractions in the training rows, which are no counts");
    } else if ((type == TABLE_COUNT || type == TABLE_PROPORTION) && !(f->least >= 0.0)) {
        snprintf(room, size, "holds %g in the training rows, which is negative", f->least);
    } else if (type == TABLE_PROPORTION && !(f->largest <= 1.0)) {
        snprintf(room, size, "holds %g in the training rows, which is above 1", f->largest);
    } else {
        return NULL;
    }
    return room;
}

/* What the training rows say against a type; NULL: nothing. */
static const char *wrong_with(const stele_feature *f, int32_t type, char *room, size_t size)
{
    if (f == NULL) {
        return type == TABLE_BINARY || type == TABLE_ORDERED || type == TABLE_UNORDERED
                   ? "is not known by its values, so it cannot have levels"
                   : NULL;
    }
    return type == TABLE_BINARY || type == TABLE_ORDERED || type == TABLE_UNORDERED
               ? wrong_levels(f, type, room, size)
               : wrong_numbers(f, type, room, size);
}

/* --- orders ---------------------------------------------------------------------------------- */

/* Place of a level among the words of an order, -1: it is not there. */
static int32_t place_in(const char *order, const char *level)
{
    const size_t n = strlen(level);
    int32_t k = 0;
    for (const char *at = order; at != NULL; k++) {
        const char *end = strstr(at, less);
        size_t len = end != NULL ? (size_t)(end - at) : strlen(at);
        if (len == n && strncmp(at, level, n) == 0) {
            return k;
        }
        at = end != NULL ? end + strlen(less) : NULL;
    }
    return -1;
}

static int by_place(const void *a, const void *b)
{
    return *(const int32_t *)a - *(const int32_t *)b;
}

/* Levels of the training rows by their places in the order, which may name further ones. */
static stele_status set_order(stele_inst *self, int64_t j, const char *order)
{
    table_column *c = &self->column[j];
    const stele_feature *f = c->feature;
    const size_t n = (size_t)f->n_values;
    int32_t *place = calloc(2 * n + 1, sizeof *place);
    char number[32], why[160];
    if (place == NULL) {
        return STELE_E_NOMEM;
    }
    c->rank = place;
    for (size_t k = 0; k < n; k++) {
        snprintf(number, sizeof number, "%g", f->value[k]);
        const char *level = f->level != NULL ? f->level[k] : number;
        place[k] = place[n + k] = place_in(order, level);
        if (place[k] < 0) {
            snprintf(why, sizeof why, "has the level `%.60s`, which its order lacks", level);
            return contradicts(self, j, TABLE_ORDERED, why);
        }
    }
    qsort(place + n, n, sizeof *place, by_place);
    for (size_t k = 0; k < n; k++) {
        int32_t rank = 0;
        while (place[n + (size_t)rank] != place[k]) {
            rank++;
        }
        place[k] = rank;
    }
    return STELE_OK;
}

static stele_status lacks_order(const stele_inst *self, int64_t j)
{
    char own[32];
    const stele_feature *f = self->column[j].feature;
    return STELE_FAIL(self->host, STELE_E_OPTION,
                      "ordered: column `%s` holds texts, whose order has to be said: `%s = %s < %s "
                      "< ...`",
                      name_of(self, j, own), name_of(self, j, own), f->level[0], f->level[1]);
}

/* --- types ----------------------------------------------------------------------------------- */

/* `exact`: the item is the column's name, which goes before patterns. */
static stele_status set_type(stele_inst *self, int64_t j, int32_t type, const char *item, int exact)
{
    table_column *c = &self->column[j];
    char own[32], room[160];
    const char *order = item + name_length(type, item);
    if (c->type >= 0 && c->exact && !exact) {
        return STELE_OK;
    }
    if (c->type >= 0) {
        return STELE_FAIL(self->host, STELE_E_OPTION, "%s: column `%s` is in `%s` too",
                          table_type_names[type], name_of(self, j, own), table_type_names[c->type]);
    }
    c->type = type;
    c->exact = exact;
    /* A column that is the same in all rows suits every type. */
    const char *why = c->feature != NULL && is_constant(c->feature)
                          ? NULL
                          : wrong_with(c->feature, type, room, sizeof room);
    if (why != NULL) {
        return contradicts(self, j, type, why);
    }
    if (type == TABLE_ORDERED && *order != '\0') {
        return set_order(self, j, order + strlen(equals));
    }
    return type == TABLE_ORDERED && c->feature->level != NULL && !is_constant(c->feature)
               ? lacks_order(self, j)
               : STELE_OK;
}

static int is_name(const stele_inst *self, int64_t j, const char *item, size_t n)
{
    char own[32];
    const char *name = name_of(self, j, own);
    return strlen(name) == n && strncmp(name, item, n) == 0;
}

/* An item that is the name of a column is that column, even if it reads like a pattern; `exact`
 * chooses between these items and the others. */
static stele_status apply_item(stele_inst *self, int32_t type, const char *item, int exact)
{
    const size_t n = name_length(type, item);
    stele_status status = STELE_OK;
    int found = 0, named = 0;
    char own[32];
    for (int64_t j = 0; j < self->n_columns; j++) {
        named = named || is_name(self, j, item, n);
    }
    if (named != exact) {
        return STELE_OK;
    }
    for (int64_t j = 0; j < self->n_columns && status == STELE_OK; j++) {
        if (named ? is_name(self, j, item, n) : matches(item, n, name_of(self, j, own))) {
            status = set_type(self, j, type, item, exact);
            found = 1;
        }
    }
    return status != STELE_OK || found ? status : no_column(self, type, item);
}

static stele_status apply_options(stele_inst *self)
{
    stele_status status = STELE_OK;
    for (int exact = 1; exact >= 0; exact--) {
        for (int32_t type = 0; type < TABLE_CONSTANT; type++) {
            const stele_str_list *list = &self->config->type[type];
            for (uint64_t i = 0; i < list->n && status == STELE_OK; i++) {
                status = apply_item(self, type, list->v[i], exact);
            }
        }
    }
    return status;
}

/* Everything about a column that follows from its type. */
static stele_status complete(stele_inst *self, int64_t j)
{
    table_column *c = &self->column[j];
    const stele_feature *f = c->feature;
    char room[160];
    c->inferred = c->type < 0;
    c->type = c->inferred ? infer(f) : c->type;
    if (f != NULL && is_constant(f)) {
        c->type = TABLE_CONSTANT;
    }
    if (c->type == TABLE_CONSTANT || f == NULL) {
        return STELE_OK;
    }
    if (c->type == TABLE_BINARY || c->type == TABLE_ORDERED || c->type == TABLE_UNORDERED) {
        const char *why = wrong_levels(f, c->type, room, sizeof room);
        c->n = f->n_values;
        return why != NULL ? contradicts(self, j, c->type, why) : STELE_OK;
    }
    if (c->type == TABLE_PROPORTION) {
        c->ends = (f->least == 0.0 ? 1 : 0) | (f->largest == 1.0 ? 2 : 0);
    }
    return STELE_OK;
}

/* --- terms ----------------------------------------------------------------------------------- */

static int group_of(int32_t type)
{
    switch (type) {
    case TABLE_COUNT: return TABLE_COUNTS;
    case TABLE_BINARY: return TABLE_CHOICES;
    case TABLE_ORDERED: return TABLE_RANKS;
    case TABLE_UNORDERED: return TABLE_CLASSES;
    default: return TABLE_NORMAL;
    }
}

static int64_t add_term(stele_inst *self, int group, int64_t column, int64_t n)
{
    table_term *t = &self->term[self->n_terms];
    *t = (table_term){ .column = column, .n = n, .eta = self->n_eta, .input = self->n_inputs };
    t->n_eta = group == TABLE_CLASSES ? n : 1;
    t->extra = self->n_thresholds;
    self->n_thresholds += group == TABLE_RANKS ? n - 1 : 0;
    self->n_eta += t->n_eta;
    self->n_inputs += t->n_eta;
    return self->n_terms++;
}

static void lay_out(stele_inst *self)
{
    for (int group = 0; group < TABLE_N_GROUPS; group++) {
        self->first[group] = self->n_terms;
        for (int64_t j = 0; j < self->n_columns; j++) {
            table_column *c = &self->column[j];
            if (c->type != TABLE_CONSTANT && group_of(c->type) == group) {
                c->term = add_term(self, group, j, c->n);
            }
            if (c->ends != 0 && group == TABLE_CLASSES) {
                c->end = add_term(self, group, j, c->ends == 3 ? 3 : 2);
            }
        }
    }
    self->first[TABLE_N_GROUPS] = self->n_terms;
}

stele_status table_settle(stele_inst *self)
{
    const size_t n = (size_t)self->n_columns;
    self->column = calloc(n + 1, sizeof *self->column);
    self->term = calloc(2 * n + 1, sizeof *self->term);
    if (self->column == NULL || self->term == NULL) {
        return STELE_E_NOMEM;
    }
    for (size_t j = 0; j < n; j++) {
        self->column[j] = (table_column){ .type = -1, .term = -1, .end = -1 };
        self->column[j].feature = self->feature != NULL ? self->feature[j] : NULL;
    }
    stele_status status = apply_options(self);
    for (size_t j = 0; j < n && status == STELE_OK; j++) {
        status = complete(self, (int64_t)j);
    }
    if (status == STELE_OK) {
        lay_out(self);
    }
    if (status == STELE_OK && self->n_terms == 0) {
        status = STELE_FAIL(self->host, STELE_E_DATA,
                            "from: every column is the same in all training rows that have it");
    }
    return status;
}

/* --- report ---------------------------------------------------------------------------------- */

/* Bytes of a name that are shown: never half a character. */
static int shown_of(const char *name)
{
    enum { MOST = 40 };
    size_t n = strlen(name);
    if (n > MOST) {
        n = MOST;
        while (n > 0 && ((unsigned char)name[n] & 0xC0) == 0x80) {
            n--;
        }
    }
    return (int)n;
}

/* Names of the columns of a type, as far as they fit; their number. */
static int64_t list_columns(const stele_inst *self, int32_t type, char *ret, size_t size)
{
    enum { SHOWN = 12 };
    int64_t n = 0;
    char own[32];
    ret[0] = '\0';
    for (int64_t j = 0; j < self->n_columns; j++) {
        if (self->column[j].type == type && n++ <= SHOWN) {
            const size_t used = strlen(ret);
            const char *name = n <= SHOWN ? name_of(self, j, own) : "...";
            snprintf(ret + used, size - used, "%s%.*s", n > 1 ? ", " : "", shown_of(name), name);
        }
    }
    return n;
}

void table_report(const stele_inst *self)
{
    const stele_host *h = self->host;
    char text[640];
    for (int32_t type = 0; type < TABLE_CONSTANT; type++) {
        const int64_t n = list_columns(self, type, text, sizeof text);
        if (n > 0) {
            h->log(h, STELE_LOG_INFO, "%lld %s: %s", (long long)n, table_type_names[type], text);
        }
    }
    const int64_t n = list_columns(self, TABLE_CONSTANT, text, sizeof text);
    if (n > 0) {
        h->log(h, STELE_LOG_WARNING,
               "%lld constant, of which nothing is learned, as all training rows have the same, to "
               "seven digits: %s",
               (long long)n, text);
    }
}
