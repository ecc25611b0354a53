/* Checks of sources. */
#include "source.h"

#include "base/child.h"
#include "graph/tensor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* All n texts there and different? */
static void expect_distinct(check_trial *t, const char *what, const char **text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] == NULL) {
            check_fail(t, "%s %zu is NULL", what, i);
            return;
        }
    }
    qsort(text, n, sizeof *text, by_text);
    for (size_t i = 1; i < n; i++) {
        if (strcmp(text[i], text[i - 1]) == 0) {
            check_fail(t, "two of the %ss are `%s`", what, text[i]);
            return;
        }
    }
}

static void check_axes(rig *r)
{
    const stele_source_vt *vt = &r->vt->source;
    uint32_t n_axes = vt->n_axes(r->inst);
    if (n_axes < 1) {
        check_fail(r->t, "there is no row axis");
    }
    for (uint32_t a = 0; a < n_axes; a++) {
        int64_t n = vt->n_rows(r->inst, a), most = n < 20000 ? n : 20000;
        if (n < 0) {
            check_fail(r->t, "axis %u has %lld rows", a, (long long)n);
            continue;
        }
        const char **id = rig_take(r, (size_t)most * sizeof *id + 1);
        for (int64_t i = 0; i < most; i++) {
            id[i] = vt->row_id(r->inst, a, i);
        }
        expect_distinct(r->t, "row id", id, (size_t)most);
    }
}

/* Names of features live as long as the instance: the first ones are still there when all were asked for. */
static void check_feature_names(rig *r, uint32_t i, const stele_field *f)
{
    const stele_source_vt *vt = &r->vt->source;
    const int64_t n = f->sample.dim[0] < 1000 ? f->sample.dim[0] : 1000;
    const char **name = rig_take(r, (size_t)n * sizeof *name + 1);
    char **copy = rig_take(r, (size_t)n * sizeof *copy + 1);
    for (int64_t j = 0; j < n; j++) {
        name[j] = vt->feature_name(r->inst, i, j);
        if ((name[j] != NULL) != (name[0] != NULL)) {
            check_fail(r->t, "`%s`: some features have a name, feature %lld differs", f->name, (long long)j);
            return;
        }
        copy[j] = rig_take(r, name[j] != NULL ? strlen(name[j]) + 1 : 1);
        memcpy(copy[j], name[j] != NULL ? name[j] : "", name[j] != NULL ? strlen(name[j]) + 1 : 1);
    }
    for (int64_t j = 0; j < n && name[j] != NULL; j++) {
        if (strcmp(name[j], copy[j]) != 0) {
            check_fail(r->t, "`%s`: the name of feature %lld was `%s`, and is `%s` after others were asked for",
                       f->name, (long long)j, copy[j], name[j]);
            return;
        }
    }
}

/* Names of the levels of a feature of texts. */
static void check_levels(rig *r, uint32_t i, const stele_field *f)
{
    const stele_source_vt *vt = &r->vt->source;
    if ((vt->n_levels == NULL) != (vt->level == NULL)) {
        check_fail(r->t, "one of n_levels and level is missing");
        return;
    }
    for (int64_t j = 0; vt->n_levels != NULL && j < f->sample.dim[0] && j < 1000; j++) {
        const int64_t n = vt->n_levels(r->inst, i, j);
        if (n < 0 || n > SOURCE_MOST_LEVELS || (n > 0 && f->layout != STELE_DENSE)) {
            check_fail(r->t, "`%s`: feature %lld has %lld levels%s", f->name, (long long)j, (long long)n,
                       n > 0 && f->layout != STELE_DENSE ? ", and the field is sparse" : "");
            return;
        }
        const char **name = rig_take(r, (size_t)n * sizeof *name + 1);
        for (int64_t k = 0; k < n; k++) {
            name[k] = vt->level(r->inst, i, j, k);
        }
        expect_distinct(r->t, "level", name, (size_t)n);
    }
}

static void check_names(rig *r, uint32_t i, const stele_field *f)
{
    const stele_source_vt *vt = &r->vt->source;
    if (f->content == STELE_FIELD_CATEGORY) {
        const char **name = rig_take(r, (size_t)f->n_categories * sizeof *name + 1);
        for (int64_t c = 0; c < f->n_categories; c++) {
            name[c] = vt->category(r->inst, i, c);
        }
        expect_distinct(r->t, "category", name, (size_t)f->n_categories);
    } else if (f->content == STELE_FIELD_MATRIX && f->sample.ndim == 1 && f->sample.dim[0] > 0) {
        check_feature_names(r, i, f);
        check_levels(r, i, f);
    }
}

static void check_field(rig *r, uint32_t i, const stele_field *f)
{
    check_trial *t = r->t;
    if (f->name == NULL || f->name[0] == '\0') {
        check_fail(t, "field %u has no name", i);
        return;
    }
    if (f->content < STELE_FIELD_MATRIX || f->content > STELE_FIELD_TEXT || f->axis >= r->vt->source.n_axes(r->inst)) {
        check_fail(t, "`%s` is of content %u along axis %u", f->name, f->content, f->axis);
        return;
    }
    if (f->content == STELE_FIELD_MATRIX) {
        int laid = f->layout == STELE_DENSE || (f->layout == STELE_CSR && f->sample.ndim <= RIG_SPARSE_DIMS);
        if (stele__dtype_size(f->dtype) == 0 || !laid || f->sample.ndim < 1 || f->sample.ndim >= STELE_MAX_DIMS) {
            check_fail(t, "`%s` is a matrix of element type %u, layout %u, %u extents", f->name, f->dtype, f->layout,
                       f->sample.ndim);
            return;
        }
    }
    const uint32_t dtype = f->content == STELE_FIELD_CATEGORY ? STELE_I32 : STELE_F64;
    if ((f->content == STELE_FIELD_CATEGORY || f->content == STELE_FIELD_NUMBER) && f->dtype != dtype) {
        check_fail(t, "`%s` is a %s of element type %u, it has to be %u", f->name,
                   f->content == STELE_FIELD_CATEGORY ? "category" : "number", f->dtype, dtype);
        return;
    }
    if (f->n_categories < 0 || f->n_categories > SOURCE_MOST_LEVELS ||
        (f->n_categories > 0 && f->content != STELE_FIELD_CATEGORY)) {
        check_fail(t, "`%s` has %lld categories%s", f->name, (long long)f->n_categories,
                   f->content != STELE_FIELD_CATEGORY ? ", and is no category" : "");
        return;
    }
    check_names(r, i, f);
}

void check_source_fields(check_trial *t)
{
    rig r;
    rig_plan plan = { 0 };
    if (rig_start(t, &plan, &r)) {
        uint32_t n = r.vt->source.n_fields(r.inst);
        const char **name = rig_take(&r, n * sizeof *name + 1);
        check_axes(&r);
        if (n == 0) {
            check_fail(t, "there is no field");
        }
        for (uint32_t i = 0; i < n; i++) {
            stele_field f = { .struct_size = sizeof f };
            if (r.vt->source.field(r.inst, i, &f) != STELE_OK) {
                check_fail(t, "field %u cannot be described", i);
                break;
            }
            check_field(&r, i, &f);
            name[i] = f.name;
        }
        if (t->verdict < CHECK_FAIL) {
            expect_distinct(t, "field", name, n);
        }
    }
    rig_finish(&r);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static void compare_piece(rig *r, const char *what, const source_piece *whole, const source_piece *part, uint64_t n,
                          const uint64_t *index)
{
    for (uint64_t i = 0; i < n; i++) {
        if (!source_same(whole, index[i], part, i)) {
            check_fail(r->t, "`%s`, %s: row %llu reads otherwise than among all", whole->field.name, what,
                       (unsigned long long)i);
            return;
        }
    }
}

static void read_otherwise(rig *r, uint32_t field, const char *what, const source_piece *whole, const int64_t *row,
                           uint64_t n, const uint64_t *index)
{
    int64_t chosen[2 * SOURCE_SOME] = { 0 };
    source_piece part;
    for (uint64_t i = 0; i < n; i++) {
        chosen[i] = row[index[i]];
    }
    if (source_read(r, field, n, chosen, &part) != STELE_OK) {
        check_fail(r->t, "`%s`, %s: cannot be read", whole->field.name, what);
    } else {
        compare_piece(r, what, whole, &part, n, index);
    }
}

/* Rows of one draw. 0: there is no point in another. */
static int read_drawn(rig *r, uint32_t field, uint64_t draw)
{
    int64_t row[SOURCE_SOME];
    uint64_t index[2 * SOURCE_SOME], n = source_some_rows(r, field, draw, SOURCE_SOME, row);
    source_piece whole;
    stele_status status = source_read(r, field, n, row, &whole);
    if (status == STELE_E_UNSUPPORTED || n == 0) {
        return 0;
    }
    if (status != STELE_OK) {
        check_fail(r->t, "field %u cannot be read: %s", field, stele__status_text(status));
        return 0;
    }
    if (!source_expect_content(r, field, &whole, row)) {
        return 0;
    }
    for (uint64_t i = 0; i < n; i++) {
        index[i] = n - 1 - i;
    }
    read_otherwise(r, field, "in reverse", &whole, row, n, index);
    for (uint64_t i = 0; i < 2 * n; i++) {
        index[i] = i / 2;
    }
    read_otherwise(r, field, "every row twice", &whole, row, 2 * n, index);
    for (uint64_t i = 0; i < n && r->t->verdict < CHECK_FAIL; i++) {
        read_otherwise(r, field, "alone", &whole, row, 1, &i); /* nothing after it covers what is written past it */
    }
    read_otherwise(r, field, "none at all", &whole, row, 0, index);
    return r->t->verdict < CHECK_FAIL && (int64_t)n < r->vt->source.n_rows(r->inst, whole.field.axis);
}

static void read_outside(rig *r, uint32_t field)
{
    stele_field f = { .struct_size = sizeof f };
    source_piece bad;
    if (r->vt->source.field(r->inst, field, &f) != STELE_OK || (f.sample.ndim > 0 && f.sample.dim[0] < 0)) {
        return;
    }
    const int64_t outside[] = { -1, r->vt->source.n_rows(r->inst, f.axis), INT64_MAX };
    for (int k = 0; k < 3; k++) {
        if (source_read(r, field, 1, &outside[k], &bad) == STELE_OK) {
            check_fail(r->t, "`%s`: row %lld was read, there are %lld", f.name, (long long)outside[k],
                       (long long)outside[1]);
        }
    }
}

void check_source_read(check_trial *t)
{
    rig r;
    rig_plan plan = { 0 };
    uint64_t n_bytes;
    if (rig_start(t, &plan, &r)) {
        for (uint32_t f = 0; f < r.vt->source.n_fields(r.inst); f++) {
            for (uint64_t draw = 0; draw < SOURCE_DRAWS && read_drawn(&r, f, draw);) {
                draw++;
            }
            read_outside(&r, f);
        }
        source_hash(&r, &n_bytes);
        if (n_bytes == 0) {
            check_say(t, CHECK_HOLLOW, "everything that was read is zero");
        }
    }
    rig_finish(&r);
}

static uint64_t hash_of_new(check_trial *t)
{
    rig r;
    rig_plan plan = { 0 };
    uint64_t n, h = rig_start(t, &plan, &r) ? source_hash(&r, &n) : 0;
    rig_finish(&r);
    return h;
}

void check_source_repeat(check_trial *t)
{
    uint64_t first = hash_of_new(t), second = hash_of_new(t), other = 0;
    stele__child c;
    if (first != second) {
        check_fail(t, "a second instance reads other bits");
    }
    if (stele__child_start(&c) == 0) {
        setenv("TZ", "Pacific/Kiritimati", 1);
        other = hash_of_new(t);
        _exit(stele__child_say(&c, &other, sizeof other) != 0);
    }
    if (c.pid > 0 &&
        !(stele__child_hear(&c, t->subject->timeout, &other, sizeof other) && c.n == sizeof other && other == first)) {
        check_fail(t, "another process reads other bits");
    }
}
