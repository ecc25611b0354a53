/* What the training rows have in each feature, for modalities whose features differ in kind: the
 * names of texts that come as codes, values, extremes. */
#include "base/mem.h"
#include "data/parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct stele__features {
    int64_t n;
    stele_feature *feature; /* (n), members owned */
    const stele_feature **list;
} stele__features;

void stele__features_destroy(stele__features *f)
{
    for (int64_t j = 0; f != NULL && f->feature != NULL && j < f->n; j++) {
        stele_feature *c = &f->feature[j];
        for (int64_t k = 0; c->level != NULL && k < c->n_values; k++) {
            stele__free((void *)(uintptr_t)c->level[k]);
        }
        stele__free((void *)(uintptr_t)c->level);
        stele__free((void *)(uintptr_t)c->value);
        stele__free((void *)(uintptr_t)c->count);
    }
    if (f != NULL) {
        stele__free(f->feature);
        stele__free(f->list);
    }
    stele__free(f);
}

static stele__features *features_create(const stele__matrix *m)
{
    stele__features *f = stele__calloc(1, sizeof *f);
    if (f == NULL) {
        return NULL;
    }
    f->n = m->n_features;
    f->feature = stele__calloc((size_t)f->n + 1, sizeof *f->feature);
    f->list = stele__calloc((size_t)f->n + 1, sizeof(stele_feature *));
    if (f->feature == NULL || f->list == NULL) {
        stele__features_destroy(f);
        return NULL;
    }
    for (int64_t j = 0; j < f->n; j++) {
        f->feature[j].struct_size = sizeof f->feature[j];
        f->feature[j].name = m->feature_name != NULL ? m->feature_name[j] : NULL;
        f->list[j] = &f->feature[j];
    }
    return f;
}

/* --- texts ----------------------------------------------------------------------------------- */

/* One feature of a matrix at work: its texts, as the source has them, and what becomes of them. */
typedef struct texts {
    const stele__dataset *ds;
    stele__matrix *m;
    int64_t feature, n; /* number in the matrix; levels of the source */
    char **name;        /* (n), owned */
    int32_t *to;        /* (n) new code, -1: missing */
    int64_t *train;     /* (n) training rows with it */
    int64_t *all;       /* (n) rows with it */
} texts;

static void texts_finish(texts *t)
{
    for (int64_t k = 0; t->name != NULL && k < t->n; k++) {
        stele__free(t->name[k]);
    }
    stele__free(t->name);
    stele__free(t->to);
    stele__free(t->train);
    stele__free(t->all);
}

static const char *feature_label(const stele__matrix *m, int64_t feature, char ret[32])
{
    snprintf(ret, 32, "%lld", (long long)feature);
    return m->feature_name != NULL ? m->feature_name[feature] : ret;
}

static float *value_of(const texts *t, int64_t row)
{
    int64_t at = t->m->store_row[row];
    return at < 0 ? NULL : stele__matrix_row(t->m, at) + t->feature;
}

static int64_t n_levels(const stele__source *src, const stele__matrix *m, int64_t feature)
{
    if (src->vt->n_levels == NULL || src->vt->level == NULL) {
        return 0;
    }
    stele__guest_begin(src->guest, "n_levels");
    int64_t n = src->vt->n_levels(src->inst, m->source_field, feature);
    stele__guest_restore(src->guest, "n_levels");
    return n;
}

/* Names of the levels, from the source's feature of number `at`. */
static stele_status texts_init(texts *t, int64_t at)
{
    const stele__source *src = &t->ds->source[t->m->source];
    size_t n = (size_t)t->n + 1;
    t->name = stele__calloc(n, sizeof *t->name);
    t->to = stele__calloc(n, sizeof *t->to);
    t->train = stele__calloc(n, sizeof *t->train);
    t->all = stele__calloc(n, sizeof *t->all);
    if (t->name == NULL || t->to == NULL || t->train == NULL || t->all == NULL) {
        return STELE_E_NOMEM;
    }
    stele_status st = STELE_OK;
    stele__guest_begin(src->guest, "level");
    for (int64_t k = 0; k < t->n && st == STELE_OK; k++) {
        const char *name = src->vt->level(src->inst, t->m->source_field, at, k);
        t->name[k] = stele__strdup(name != NULL ? name : "");
        st = t->name[k] != NULL ? STELE_OK : STELE_E_NOMEM;
    }
    stele__guest_restore(src->guest, "level");
    return st;
}

static stele_status count_codes(texts *t, const uint8_t *train, stele__diag *diag)
{
    char label[32];
    for (int64_t row = 0; row < t->ds->n_rows; row++) {
        const float *v = value_of(t, row);
        if (v == NULL || isnan(*v)) {
            continue;
        }
        if (!(*v >= 0 && *v < (float)t->n) || *v != floorf(*v)) {
            return stele__diag_error(diag, STELE_E_DATA, &t->m->place,
                                     "source `%s`: `%s`, feature `%s` has code %g, but %lld levels",
                                     t->ds->source[t->m->source].name, t->m->from,
                                     feature_label(t->m, t->feature, label), (double)*v,
                                     (long long)t->n);
        }
        t->all[(int64_t)*v]++;
        t->train[(int64_t)*v] += train == NULL || train[row];
    }
    return STELE_OK;
}

/* What no training row had is missing, which the user has to know where there are such values. */
static void apply_codes(texts *t, stele__diag *diag)
{
    enum { SHOWN = 8 };
    char label[32];
    int64_t n = 0;
    for (int64_t k = 0; k < t->n; k++) {
        if (t->to[k] < 0 && t->all[k] > 0 && n++ < SHOWN) {
            stele__diag_warning(diag, &t->m->place,
                                "`%s`, column `%s`: `%s` did not occur in training and counts as "
                                "missing",
                                t->m->name, feature_label(t->m, t->feature, label), t->name[k]);
        }
    }
    if (n > SHOWN) {
        stele__diag_warning(diag, &t->m->place,
                            "`%s`, column `%s`: %lld further texts did not occur in training and "
                            "count as missing",
                            t->m->name, feature_label(t->m, t->feature, label),
                            (long long)(n - SHOWN));
    }
    for (int64_t row = 0; row < t->ds->n_rows; row++) {
        float *v = value_of(t, row);
        if (v != NULL && !isnan(*v)) {
            int32_t code = t->to[(int64_t)*v];
            *v = code >= 0 ? (float)code : NAN;
        }
    }
}

/* Keep the levels that training rows have, in the source's order. */
static stele_status keep_used(texts *t, stele_feature *f)
{
    double *value = stele__calloc((size_t)t->n + 1, sizeof *value);
    int64_t *count = stele__calloc((size_t)t->n + 1, sizeof *count);
    const char **level = stele__calloc((size_t)t->n + 1, sizeof *level);
    f->value = value;
    f->count = count;
    f->level = level;
    if (value == NULL || count == NULL || level == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t k = 0; k < t->n; k++) {
        t->to[k] = -1;
        if (t->train[k] == 0) {
            continue;
        }
        level[f->n_values] = stele__strdup(t->name[k]);
        if (level[f->n_values] == NULL) {
            return STELE_E_NOMEM;
        }
        value[f->n_values] = (double)f->n_values;
        count[f->n_values] = t->train[k];
        f->n_rows += t->train[k];
        t->to[k] = (int32_t)f->n_values++;
    }
    f->whole = 1;
    f->least = f->n_values > 0 ? 0.0 : (double)NAN;
    f->largest = f->n_values > 0 ? (double)(f->n_values - 1) : (double)NAN;
    return STELE_OK;
}

/* Codes by the names that a trained model knows. */
static void use_known(texts *t, const stele_feature *known)
{
    for (int64_t k = 0; k < t->n; k++) {
        t->to[k] = -1;
        for (int64_t c = 0; c < known->n_values; c++) {
            t->to[k] = strcmp(known->level[c], t->name[k]) == 0 ? (int32_t)c : t->to[k];
        }
    }
}

/* `ret`: to be filled, NULL with `known`. */
static stele_status describe_texts(texts *t, int64_t at, const uint8_t *train,
                                   const stele_feature *known, stele_feature *ret,
                                   stele__diag *diag)
{
    stele_status st = texts_init(t, at);
    st = st == STELE_OK ? count_codes(t, train, diag) : st;
    if (st == STELE_OK && known != NULL) {
        use_known(t, known);
    } else if (st == STELE_OK) {
        st = keep_used(t, ret);
    }
    if (st == STELE_OK) {
        apply_codes(t, diag);
    }
    texts_finish(t);
    return st;
}

/* --- numbers --------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The different values among n sorted ones, and how often each occurs. */
static stele_status list_values(stele_feature *f, const double *v, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        f->n_values += i == 0 || v[i] != v[i - 1];
        f->whole = f->whole && v[i] == floor(v[i]);
    }
    f->least = n > 0 ? v[0] : (double)NAN;
    f->largest = n > 0 ? v[n - 1] : (double)NAN;
    if (f->n_values > STELE_MOST_VALUES) {
        f->n_values = -1;
        return STELE_OK;
    }
    double *value = stele__calloc((size_t)f->n_values + 1, sizeof *value);
    int64_t *count = stele__calloc((size_t)f->n_values + 1, sizeof *count), k = -1;
    f->value = value;
    f->count = count;
    for (int64_t i = 0; value != NULL && count != NULL && i < n; i++) {
        k += i == 0 || v[i] != v[i - 1];
        value[k] = v[i];
        count[k]++;
    }
    return value != NULL && count != NULL ? STELE_OK : STELE_E_NOMEM;
}

static stele_status describe_numbers(const texts *t, const uint8_t *train, double *room,
                                     stele_feature *ret)
{
    int64_t n = 0;
    for (int64_t row = 0; row < t->ds->n_rows; row++) {
        const float *v = value_of(t, row);
        if (v != NULL && !isnan(*v) && (train == NULL || train[row])) {
            room[n++] = (double)*v;
        }
    }
    qsort(room, (size_t)n, sizeof *room, by_value);
    ret->n_rows = n;
    ret->whole = 1;
    return list_values(ret, room, n);
}

/* --- all features ---------------------------------------------------------------------------- */

static stele_status refuse_texts(const stele__matrix *m, int64_t feature, stele__diag *diag)
{
    char label[32];
    stele__diag_error(diag, STELE_E_DATA, &m->place,
                      "%s: column `%s` of `%s` holds texts, and the plugin takes numbers alone",
                      m->name, feature_label(m, feature, label), m->from);
    stele__diag_hint(
        diag, "leave the column out, or use a modality plugin whose columns may differ in kind");
    return STELE_E_DATA;
}

static stele_status other_content(const stele__matrix *m, int64_t feature, int texts_now,
                                  stele__diag *diag)
{
    char label[32];
    return stele__diag_error(diag, STELE_E_DATA, &m->place,
                             "%s: column `%s` holds %s, in training it held %s", m->name,
                             feature_label(m, feature, label), texts_now ? "texts" : "numbers",
                             texts_now ? "numbers" : "texts");
}

static stele_status describe_one(texts *t, int64_t at, const uint8_t *train, double *room,
                                 stele__diag *diag)
{
    stele__matrix *m = t->m;
    const stele_feature *known = m->known != NULL ? m->known[t->feature] : NULL;
    stele_feature *ret = m->own != NULL ? &m->own->feature[t->feature] : NULL;
    t->n = n_levels(&t->ds->source[m->source], m, at);
    if (t->n > 0 && !m->describe) {
        return refuse_texts(m, t->feature, diag);
    }
    if (known != NULL && (known->level != NULL) != (t->n > 0)) {
        return other_content(m, t->feature, t->n > 0, diag);
    }
    if (t->n > 0) {
        return describe_texts(t, at, train, known, ret, diag);
    }
    return ret != NULL ? describe_numbers(t, train, room, ret) : STELE_OK;
}

stele_status stele__matrix_describe(const stele__dataset *ds, stele__matrix *m, int64_t n_source,
                                    const int32_t *to, const uint8_t *train, stele__diag *diag)
{
    const int plain = ds->source[m->source].vt->n_levels == NULL;
    if (m->dense == NULL || m->field.sample.ndim != 1 || (plain && !m->describe)) {
        return STELE_OK;
    }
    stele_status st = STELE_OK;
    double *room = stele__calloc((size_t)ds->n_rows + 1, sizeof *room);
    if (m->describe && m->known == NULL) {
        m->own = features_create(m);
        st = m->own != NULL ? STELE_OK : STELE_E_NOMEM;
    }
    st = room != NULL ? st : STELE_E_NOMEM;
    for (int64_t j = 0; j < n_source && st == STELE_OK; j++) {
        texts t = { .ds = ds, .m = m, .feature = to[j] };
        st = to[j] >= 0 ? describe_one(&t, j, train, room, diag) : STELE_OK;
    }
    stele__free(room);
    if (st == STELE_OK && m->describe) {
        m->field.feature = m->known != NULL ? m->known : m->own->list;
    }
    return st;
}
