/* Labels that are completed by another column, as times of death are by those of the last visit. */
#include "csv.h"

#include <string.h>

/* A column by a part of an item, blanks around it aside; -1: none. */
static int64_t column_named(const stele_inst *s, const char *text, size_t n)
{
    while (n > 0 && text[0] == ' ') {
        text++;
        n--;
    }
    while (n > 0 && text[n - 1] == ' ') {
        n--;
    }
    return csv_strings_find(&s->name, text, n);
}

/* Either column may be absent where the rows are new. */
static stele_status read_one(stele_inst *s, const char *item)
{
    /* Names may hold the sign: the cut that makes two columns is the one that is meant. */
    for (const char *at = strchr(item, '='); at != NULL; at = strchr(at + 1, '=')) {
        const int64_t k = column_named(s, item, (size_t)(at - item));
        const int64_t other = column_named(s, at + 1, strlen(at + 1));
        if (k >= 0 && other >= 0 && k != other) {
            s->column[k].fallback = other;
            return STELE_OK;
        }
        if (k >= 0 && other < 0 && !s->new_rows) {
            return csv_no_column(s, "fallback", at + 1 + strspn(at + 1, " "));
        }
    }
    if (s->new_rows) {
        return STELE_OK;
    }
    return STELE_FAIL(s->host, STELE_E_OPTION,
                      "fallback: `%s` does not read `COLUMN = OTHER`, with two columns of %s", item,
                      s->file[0].path);
}

stele_status csv_read_fallbacks(stele_inst *s)
{
    stele_status st = STELE_OK;
    for (uint64_t i = 0; i < s->config->fallback.n && st == STELE_OK; i++) {
        st = read_one(s, s->config->fallback.v[i]);
    }
    return st;
}

stele_status csv_check_fallbacks(const stele_inst *s)
{
    for (size_t k = 0; k < s->n_columns; k++) {
        const csv_column *c = &s->column[k];
        const csv_column *other = c->fallback >= 0 ? &s->column[c->fallback] : c;
        if (c->fallback < 0) {
            continue;
        }
        if (c->content != STELE_FIELD_NUMBER) {
            return STELE_FAIL(s->host, STELE_E_OPTION,
                              "fallback: column `%s` is %s, not a label of numbers%s", c->name,
                              c->content == STELE_FIELD_MATRIX ? "measured" : "one of texts",
                              c->content == STELE_FIELD_MATRIX ? "; name it in `exclude`" : "");
        }
        if (!other->is_number) {
            return STELE_FAIL(s->host, STELE_E_OPTION,
                              "fallback: column `%s` does not hold numbers", other->name);
        }
    }
    return STELE_OK;
}
