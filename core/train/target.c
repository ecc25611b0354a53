#include "train/target.h"

#include "base/mem.h"
#include "base/str.h"

#include <math.h>
#include <string.h>

uint32_t stele__target_content(const stele__head_spec *host)
{
    return host->target.n > 1 || host->target_type == STELE__TARGET_NUMBER ? STELE_FIELD_NUMBER
           : host->target_type == STELE__TARGET_CATEGORY || host->classes.n > 0
               ? STELE_FIELD_CATEGORY
               : 0;
}

static int has_value(const stele__label *l, int64_t row)
{
    return l->code != NULL ? l->code[row] >= 0 : !isnan(l->number[row]);
}

/* The column as it was asked for: another reader of it may have asked for something else. */
static const stele__label *asked_label(const stele__dataset *data, const char *name,
                                       uint32_t content)
{
    for (size_t i = 0; i < data->n_labels; i++) {
        if (strcmp(data->label[i].name, name) == 0 && data->label[i].asked == content) {
            return &data->label[i];
        }
    }
    return NULL;
}

/* The columns of a target, all in `label` (n). */
typedef struct columns {
    const stele__label *label[STELE__MAX_TARGET_COLUMNS];
    uint32_t n;
} columns;

static int has_all(const columns *c, int64_t row)
{
    int has = 1;
    for (uint32_t k = 0; k < c->n; k++) {
        has = has && has_value(c->label[k], row);
    }
    return has;
}

static int64_t count_values(const columns *c, const int64_t *row, int64_t n)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += has_all(c, row[i]);
    }
    return sum;
}

/* "`a`", "`a` and `b`" */
static void put_names(const stele_str_list *names, stele__str *out)
{
    for (uint64_t k = 0; k < names->n; k++) {
        stele__str_printf(out, "%s`%s`", k > 0 ? " and " : "", names->v[k]);
    }
}

/* Does the spec name what the plugin predicts? */
static stele_status check_number(const stele__spec *spec, size_t i, const stele_head_vt *vt,
                                 stele__diag *diag)
{
    const stele__head_spec *host = stele__head_host(&spec->head[i]);
    uint64_t n = 0;
    stele__str path, text;
    while (vt->columns != NULL && vt->columns[n] != NULL) {
        n++;
    }
    if (host->target.n == (n > 1 ? n : 1) && host->target.n <= STELE__MAX_TARGET_COLUMNS) {
        return STELE_OK;
    }
    stele__str_init(&path);
    stele__str_init(&text);
    stele__str_printf(&path, "heads.%s.target", spec->head[i].name);
    stele__str_printf(&text, "names %llu column%s, head/%s predicts ",
                      (unsigned long long)host->target.n, host->target.n == 1 ? "" : "s",
                      spec->head[i].plugin);
    for (uint64_t k = 0; k < n; k++) {
        stele__str_printf(&text, "%s%s", k == 0 ? "[" : ", ", vt->columns[k]);
    }
    stele__str_append(&text, n > 1 ? "]" : "one");
    stele_status status = path.failed || text.failed
                              ? STELE_E_NOMEM
                              : stele__spec_error(spec, path.data, STELE_E_OPTION, text.data, diag);
    stele__str_finish(&path);
    stele__str_finish(&text);
    return status;
}

/* A column in which nearly every row has a value of its own, such as a name or a measured number,
 * is hardly meant as classes: there is nothing to learn about one that a single row has. */
static stele_status warn_of_many(const stele__spec *spec, size_t i, const columns *c,
                                 const int64_t *row, int64_t n, stele__diag *diag)
{
    enum { FEW = 10 };
    const stele__label *l = c->label[0];
    int64_t n_known = 0, n_classes = 0;
    if (l->content != STELE_FIELD_CATEGORY) {
        return STELE_OK;
    }
    uint8_t *seen = stele__calloc((size_t)l->n_categories + 1, 1);
    if (seen == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t r = 0; r < n; r++) {
        if (has_all(c, row[r])) {
            n_known++;
            n_classes += !seen[l->code[row[r]]];
            seen[l->code[row[r]]] = 1;
        }
    }
    if (n_classes > FEW && 2 * n_classes > n_known) {
        stele__diag_warning(diag, &l->place,
                            "heads.%s: `%s` makes %lld classes of %lld training rows: most have a "
                            "single row",
                            spec->head[i].name, l->name, (long long)n_classes, (long long)n_known);
        stele__diag_hint(diag, "name a column of fewer classes; for numbers write target_type: "
                               "number and a head that predicts numbers");
    }
    stele__free(seen);
    return STELE_OK;
}

/* With new data, which have no split, there always is a state. */
static stele_status look(const stele__spec *spec, size_t i, const stele__dataset *data,
                         const stele__split *split, stele_field *ret, stele__diag *diag)
{
    const stele__head_spec *host = stele__head_host(&spec->head[i]);
    columns c = { .n = (uint32_t)host->target.n };
    int64_t n = split->n[STELE__TRAIN];
    for (uint32_t k = 0; k < c.n; k++) {
        c.label[k] = asked_label(data, host->target.v[k], stele__target_content(host));
    }
    ret->content = c.label[0]->content;
    ret->n_categories = c.label[0]->n_categories;
    if (count_values(&c, split->row[STELE__TRAIN], n) > 0) {
        return warn_of_many(spec, i, &c, split->row[STELE__TRAIN], n, diag);
    }
    stele__str names;
    stele__str_init(&names);
    put_names(&host->target, &names);
    stele__diag_error(diag, STELE_E_DATA, &c.label[0]->place,
                      "heads.%s: none of the %lld training rows has a value in %s",
                      spec->head[i].name, (long long)n, names.data != NULL ? names.data : "");
    stele__str_finish(&names);
    return STELE_E_DATA;
}

stele_status stele__target_describe(const stele__spec *spec, size_t i, const stele__dataset *data,
                                    const stele__split *split, const stele__state *state,
                                    stele__head *ret, stele__diag *diag)
{
    const stele__head_spec *host = stele__head_host(&spec->head[i]);
    const stele__state_head *known = stele__state_head_of(state, spec->head[i].name);
    stele_field *field = &ret->target;
    stele_status status = check_number(spec, i, ret->vt, diag);
    if (status != STELE_OK) {
        return status;
    }
    ret->column = host->target.v;
    ret->n_columns = (uint32_t)host->target.n;
    *field = (stele_field){ .struct_size = sizeof *field, .name = host->target.v[0] };
    if (known != NULL) {
        field->content = known->content;
        field->n_categories = known->n_categories;
    } else {
        status = look(spec, i, data, split, field, diag);
    }
    if (ret->n_columns > 1) {
        field->sample = (stele_shape){ .ndim = 1, .dim = { ret->n_columns } };
    }
    field->dtype = field->content == STELE_FIELD_CATEGORY ? STELE_I32 : STELE_F64;
    field->layout = STELE_DENSE;
    return status;
}

/* Values are narrow: all of them make one chunk. */
typedef struct values {
    const stele__head *head;
    int64_t n;
    void *data; /* (n), or (n, columns) */
    int done;
} values;

static stele_status next_values(void *ctx, stele_view *ret)
{
    values *v = ctx;
    int64_t n = v->done ? 0 : v->n;
    *ret = (stele_view){ .struct_size = sizeof *ret,
                         .dtype = v->head->target.dtype,
                         .layout = STELE_DENSE,
                         .shape = { .ndim = 1, .dim = { n } },
                         .data = v->data };
    if (v->head->n_columns > 1) {
        ret->shape.ndim = 2;
        ret->shape.dim[1] = v->head->n_columns;
    }
    v->done = 1;
    return STELE_OK;
}

/* The targets of those of n rows that have one, and which rows they are. */
static stele_status gather(const stele__head *h, const stele__dataset *data, const int64_t *row,
                           int64_t n, values *ret, int64_t *ret_row)
{
    columns c = { .n = h->n_columns };
    *ret = (values){ .head = h, .data = stele__calloc((size_t)n * c.n + 1, sizeof(double)) };
    for (uint32_t k = 0; k < c.n; k++) {
        c.label[k] = stele__dataset_label(data, h->column[k], h->target.content);
        if (c.label[k] == NULL) {
            return ret->data != NULL ? STELE_OK : STELE_E_NOMEM;
        }
    }
    for (int64_t t = 0; ret->data != NULL && t < n; t++) {
        if (!has_all(&c, row[t])) {
            continue;
        }
        for (uint32_t k = 0; k < c.n; k++) {
            if (c.label[k]->code != NULL) {
                ((int32_t *)ret->data)[ret->n * c.n + k] = c.label[k]->code[row[t]];
            } else {
                ((double *)ret->data)[ret->n * c.n + k] = c.label[k]->number[row[t]];
            }
        }
        ret_row[ret->n++] = row[t];
    }
    return ret->data != NULL ? STELE_OK : STELE_E_NOMEM;
}

static stele_status bad_target(const stele__head *h, const stele__dataset *data,
                               const stele_bad_value *bad, int64_t row, stele__diag *diag)
{
    const uint32_t k = bad->column > 0 ? (uint32_t)bad->column : 0;
    const stele__label *l = stele__dataset_label(data, h->column[k], h->target.content);
    char origin[STELE__ORIGIN];
    stele__diag_error(diag, STELE_E_DATA, &l->place, "%s: row `%s`, column `%s`%s: %.12g %s",
                      h->name, stele__dataset_row_id(data, row), l->name,
                      stele__label_origin(data, l, origin), bad->value, bad->reason);
    stele__diag_hint(diag,
                     "a row whose target is not known has empty cells: the head leaves it out");
    return STELE_E_DATA;
}

stele_status stele__head_validate(stele__model *m, uint32_t i, const stele__dataset *data,
                                  stele__diag *diag)
{
    const stele__head *h = &m->head[i];
    stele_bad_value bad = { .row = -1, .column = -1 };
    values v = { .head = h };
    stele_view x;
    if (h->vt->validate == NULL) {
        return STELE_OK;
    }
    int64_t *row = stele__calloc((size_t)data->n_rows, sizeof *row);
    for (int64_t r = 0; row != NULL && r < data->n_rows; r++) {
        row[r] = r;
    }
    stele_status status = row != NULL ? gather(h, data, row, data->n_rows, &v, row) : STELE_E_NOMEM;
    status = status == STELE_OK ? next_values(&v, &x) : status;
    if (status == STELE_OK && v.n > 0) {
        stele__guest_begin(h->part.guest, "validate");
        status = h->vt->validate(stele__guest_inst(h->part.guest), &x, &bad);
        int known = bad.row >= 0 && bad.row < v.n && bad.column < (int64_t)h->n_columns &&
                    bad.reason != NULL;
        status = status == STELE_E_DATA && known
                     ? bad_target(h, data, &bad, row[bad.row], diag)
                     : stele__guest_check(h->part.guest, "validate", status, diag);
    }
    stele__free(row);
    stele__free(v.data);
    return status;
}

stele_status stele__head_fit(stele__model *m, uint32_t i, const stele__dataset *data,
                             const stele__split *split, stele__diag *diag)
{
    const int64_t n = split->n[STELE__TRAIN];
    int64_t *row = stele__calloc((size_t)n, sizeof *row);
    values v = { 0 };
    stele_status status = row != NULL
                              ? gather(&m->head[i], data, split->row[STELE__TRAIN], n, &v, row)
                              : STELE_E_NOMEM;
    stele__fit_source source = { .n_rows = v.n, .next = next_values, .ctx = &v };
    status = status == STELE_OK ? stele__model_fit_head(m, i, &source, diag) : status;
    stele__free(row);
    stele__free(v.data);
    return status;
}
