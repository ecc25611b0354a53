/* The table of features: id, symbol and type of each, in columns. */
#include "mtx.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { ID = 0, SYMBOL, TYPE, N_COLUMNS };

void mtx_features_finish(features *f)
{
    for (uint32_t i = 0; i < f->n_fields; i++) {
        free(f->field[i].name);
        free(f->field[i].feature);
    }
    free(f->field);
    free(f->type);
    free(f->place);
    texts_finish(&f->name);
    *f = (features){ 0 };
}

/* Takes over the name. 0, or -1 without memory. */
static int add_field(features *f, char *name, int32_t type)
{
    field *all = name != NULL ? realloc(f->field, (f->n_fields + 1) * sizeof *all) : NULL;
    if (all == NULL) {
        free(name);
        return -1;
    }
    f->field = all;
    f->field[f->n_fields++] = (field){ .name = name, .type = type };
    return 0;
}

/* "Antibody Capture" -> "antibody_capture". */
static char *snake_case(const char *type)
{
    char *name = text_copy(type);
    for (char *c = name; c != NULL && *c != '\0'; c++) {
        *c = isalnum((unsigned char)*c) ? (char)tolower((unsigned char)*c) : '_';
    }
    return name;
}

/* The number of a type, new or seen before. */
static stele_status find_type(const input *in, features *f, const char *text, int32_t *ret)
{
    char *name = snake_case(text);
    stele_status st = name != NULL ? STELE_OK : input_nomem(in);
    uint32_t i = 1;
    while (st == STELE_OK && i < f->n_fields && strcmp(f->field[i].name, name) != 0) {
        i++;
    }
    if (st == STELE_OK && i == f->n_fields) {
        st = add_field(f, name, (int32_t)i - 1) == 0 ? STELE_OK : input_nomem(in);
        name = NULL;
    }
    free(name);
    *ret = (int32_t)i - 1;
    return st;
}

/* Texts between tabs; a column that is not there is NULL. */
static void split(char *line, char *ret[N_COLUMNS])
{
    for (int c = 0; c < N_COLUMNS; c++) {
        char *tab = line != NULL ? strchr(line, '\t') : NULL;
        ret[c] = line != NULL && *line != '\0' && *line != '\t' ? line : NULL;
        if (tab != NULL) {
            *tab = '\0';
        }
        line = tab != NULL ? tab + 1 : NULL;
    }
}

static stele_status grow_types(const input *in, features *f)
{
    int64_t n = f->name.n;
    if ((n & (n - 1)) != 0) {
        return STELE_OK;
    }
    int32_t *type = realloc(f->type, (n == 0 ? 1 : 2 * (size_t)n) * sizeof *type);
    if (type == NULL) {
        return input_nomem(in);
    }
    f->type = type;
    return STELE_OK;
}

static stele_status add_feature(const input *in, features *f, int64_t line_number, char *line,
                                int ids)
{
    char *column[N_COLUMNS];
    int32_t type = -1;
    split(line, column);
    const char *name = ids || column[SYMBOL] == NULL ? column[ID] : column[SYMBOL];
    if (name == NULL) {
        return input_fail(in, STELE_E_DATA, "line %lld has no id", (long long)line_number);
    }
    int has_types = f->n_fields > 1;
    if (f->name.n > 0 && has_types != (column[TYPE] != NULL)) {
        return input_fail(in, STELE_E_DATA, "line %lld has %s, unlike those before it",
                          (long long)line_number,
                          has_types ? "no third column, the type" : "a third column, the type");
    }
    stele_status st = column[TYPE] != NULL ? find_type(in, f, column[TYPE], &type) : STELE_OK;
    st = st == STELE_OK ? grow_types(in, f) : st;
    if (st == STELE_OK) {
        f->type[f->name.n] = type;
        st = texts_add(&f->name, name, strlen(name)) == 0 ? STELE_OK : input_nomem(in);
    }
    return st;
}

/* Which features each field has. */
static stele_status list_members(const input *in, features *f)
{
    f->field[0].n_features = f->name.n;
    f->place = malloc(((size_t)f->name.n + 1) * sizeof *f->place);
    if (f->place == NULL) {
        return input_nomem(in);
    }
    for (int64_t j = 0; j < f->name.n && f->n_fields > 1; j++) {
        f->field[f->type[j] + 1].n_features++;
    }
    for (uint32_t i = 1; i < f->n_fields; i++) {
        field *x = &f->field[i];
        x->feature = malloc((size_t)x->n_features * sizeof *x->feature);
        if (x->feature == NULL) {
            return input_nomem(in);
        }
        x->n_features = 0;
    }
    for (int64_t j = 0; j < f->name.n && f->n_fields > 1; j++) {
        field *x = &f->field[f->type[j] + 1];
        f->place[j] = (int32_t)x->n_features;
        x->feature[x->n_features++] = j;
    }
    return STELE_OK;
}

static stele_status read_table(input *in, int ids, features *f)
{
    lines l;
    char *line = NULL;
    lines_start(&l, in);
    stele_status st = lines_next(&l, &line);
    while (st == STELE_OK && line != NULL) {
        st = add_feature(in, f, l.number, line, ids);
        st = st == STELE_OK ? lines_next(&l, &line) : st;
    }
    lines_finish(&l);
    if (st == STELE_OK && texts_make_unique(&f->name) != 0) {
        st = input_nomem(in);
    }
    return st == STELE_OK ? list_members(in, f) : st;
}

stele_status mtx_read_features(input *in, int ids, features *ret)
{
    features f = { 0 };
    stele_status st = add_field(&f, text_copy("X"), -1) == 0 ? STELE_OK : STELE_E_NOMEM;
    st = st == STELE_OK && in != NULL ? read_table(in, ids, &f) : st;
    if (st != STELE_OK) {
        mtx_features_finish(&f);
        return st;
    }
    *ret = f;
    return STELE_OK;
}
