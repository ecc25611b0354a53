/* What plugins say about the measurements of their modality, chunk by chunk of rows. */
#include "train/load.h"

#include "base/mem.h"
#include "data/digest.h"
#include "model/prepared.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CHUNK = 256 };

typedef struct chunks {
    const stele__dataset *data;
    size_t matrix;
    const stele_field *field;
    int64_t n_features, n, at; /* rows, next one */
    int64_t *row;              /* (n) */
    int64_t row_start[CHUNK + 1];
    int32_t *column;
    float *value;
} chunks;

/* Of modality i, or of what its encoder sees in place of it. */
static stele_status chunks_init(const stele__model *m, uint32_t i, int seen,
                                const stele__dataset *data, const int64_t *row, int64_t n,
                                chunks *c)
{
    memset(c, 0, sizeof *c);
    const stele__modality *md = &m->modality[i];
    int64_t matrix = stele__dataset_matrix(data, md->name);
    matrix = seen ? stele__dataset_beside(data, (size_t)matrix) : matrix;
    c->data = data;
    c->matrix = (size_t)matrix;
    c->field = seen ? &md->seen : &md->input;
    c->n_features = seen ? md->n_seen : md->n_features;
    c->row = stele__calloc((size_t)n, sizeof *c->row);
    if (c->row == NULL) {
        return STELE_E_NOMEM;
    }
    if (!data->matrix[matrix].available) {
        return STELE_OK;
    }
    c->n = stele__dataset_select(data, c->matrix, n, row, c->row, NULL);
    int64_t entries = CHUNK * c->n_features;
    if (c->field->layout == STELE_CSR) {
        entries = stele__dataset_most_entries(data, c->matrix, CHUNK < c->n ? CHUNK : c->n);
        c->column = stele__calloc((size_t)entries, sizeof *c->column);
    }
    c->value = stele__calloc((size_t)entries, sizeof *c->value);
    return c->value != NULL && (c->column != NULL || c->field->layout != STELE_CSR) ? STELE_OK
                                                                                    : STELE_E_NOMEM;
}

static void chunks_finish(chunks *c)
{
    stele__free(c->row);
    stele__free(c->column);
    stele__free(c->value);
}

static stele_status chunks_next(void *ctx, stele_view *ret)
{
    chunks *c = ctx;
    int64_t n = c->n - c->at < CHUNK ? c->n - c->at : CHUNK;
    *ret =
        (stele_view){ .struct_size = sizeof *ret, .dtype = STELE_F32, .layout = c->field->layout };
    ret->shape.ndim = c->field->sample.ndim + 1;
    ret->shape.dim[0] = n;
    memcpy(&ret->shape.dim[1], c->field->sample.dim, c->field->sample.ndim * sizeof(int64_t));
    ret->data = c->value;
    if (n > 0 && c->field->layout == STELE_CSR) {
        stele__dataset_gather_csr(c->data, c->matrix, n, c->row + c->at, c->row_start, c->column,
                                  c->value);
        ret->row_start = c->row_start;
        ret->column = c->column;
    } else if (n > 0) {
        stele__dataset_gather_dense(c->data, c->matrix, n, c->row + c->at, c->value);
    }
    c->at += n;
    return STELE_OK;
}

/* `row `c10`, feature `size` of t.csv`: where the value stands; a row as a whole has no column. */
static void say_where(const chunks *c, int64_t row, int64_t column, char *ret, size_t size)
{
    const stele__matrix *matrix = &c->data->matrix[c->matrix];
    const char *file = c->data->source[matrix->source].file, *of = file != NULL ? " of " : "";
    const int n = snprintf(ret, size, "row `%s`", stele__dataset_row_id(c->data, row));
    if (n < 0 || (size_t)n >= size) {
        return;
    }
    ret += n;
    size -= (size_t)n;
    file = file != NULL ? file : "";
    if (column < 0) {
        snprintf(ret, size, "%s%s", of, file);
    } else if (matrix->feature_name != NULL) {
        snprintf(ret, size, ", feature `%s`%s%s", matrix->feature_name[column], of, file);
    } else {
        snprintf(ret, size, ", feature %lld%s%s", (long long)column, of, file);
    }
}

static stele_status bad_value(const stele__model *m, uint32_t i, const chunks *c, int64_t row,
                              const stele_bad_value *bad, stele__diag *diag)
{
    const stele__place *place = &c->data->matrix[c->matrix].place;
    char where[512];
    say_where(c, row, bad->column, where, sizeof where);
    if (bad->column < 0) {
        return stele__diag_error(diag, STELE_E_DATA, place, "%s: %s %s", m->modality[i].name, where,
                                 bad->reason);
    }
    stele__diag_error(diag, STELE_E_DATA, place, "%s: %s: %g %s", m->modality[i].name, where,
                      bad->value, bad->reason);
    if (isinf(bad->value)) {
        stele__diag_hint(diag,
                         "measurements are held as float: numbers beyond 3.4e38 are infinite");
    }
    return STELE_E_DATA;
}

/* Entries of a feature that count as missing: how many, and the first of them. */
typedef struct unheld {
    int64_t n, row;
    double value;
} unheld;

/* Those that the plugin marked, in the data. */
static stele_status take_for_missing(stele__dataset *data, const chunks *c, int64_t n_rows,
                                     const uint8_t *gap, unheld **of)
{
    const int64_t n = c->n_features;
    const uint8_t *at = gap, *end = gap + n_rows * n;
    while ((at = memchr(at, 1, (size_t)(end - at))) != NULL) {
        const int64_t entry = at++ - gap, row = c->row[c->at - n_rows + entry / n];
        if (*of == NULL) {
            *of = stele__calloc((size_t)n, sizeof **of);
        }
        if (*of == NULL) {
            return STELE_E_NOMEM;
        }
        unheld *u = &(*of)[entry % n];
        if (u->n++ == 0) {
            u->row = row;
            u->value = (double)c->value[entry];
        }
        stele__matrix_gap(data, c->matrix, row, entry % n);
    }
    return STELE_OK;
}

/* What the plugin says of a feature's value in a row of nothing else. */
static const char *why_missing(const stele__modality *md, chunks *c, int64_t feature, double value)
{
    stele_bad_value bad = { .row = -1, .column = -1 };
    stele_view x = { .struct_size = sizeof x, .dtype = STELE_F32, .layout = STELE_DENSE };
    x.shape.ndim = c->field->sample.ndim + 1;
    x.shape.dim[0] = 1;
    memcpy(&x.shape.dim[1], c->field->sample.dim, c->field->sample.ndim * sizeof(int64_t));
    x.data = c->value;
    for (int64_t j = 0; j < c->n_features; j++) {
        c->value[j] = j == feature ? (float)value : NAN;
    }
    stele__guest_begin(md->part.guest, "validate");
    (void)md->vt->validate(stele__guest_inst(md->part.guest), &x, &bad);
    stele__guest_restore(md->part.guest, "validate");
    return bad.reason != NULL ? bad.reason : "is none that the feature can have";
}

static void warn_unheld(const stele__model *m, uint32_t i, chunks *c, const unheld *of,
                        stele__diag *diag)
{
    enum { SHOWN = 8 };
    const stele__modality *md = &m->modality[i];
    const stele__place *place = &c->data->matrix[c->matrix].place;
    int64_t n = 0;
    for (int64_t j = 0; of != NULL && j < c->n_features; j++) {
        char where[512], more[64] = "";
        if (of[j].n == 0 || n++ >= SHOWN) {
            continue;
        }
        say_where(c, of[j].row, j, where, sizeof where);
        if (of[j].n > 1) {
            snprintf(more, sizeof more, " (and %lld more value%s)", (long long)of[j].n - 1,
                     of[j].n == 2 ? "" : "s");
        }
        stele__diag_warning(diag, place, "%s: %s: %g counts as missing%s, as it %s", md->name,
                            where, of[j].value, more, why_missing(md, c, j, of[j].value));
    }
    if (n > SHOWN) {
        stele__diag_warning(diag, place, "%s: the same holds for %lld more features", md->name,
                            (long long)(n - SHOWN));
    }
}

/* Chunks of all rows that have the modality. */
static stele_status chunks_of_all(const stele__model *m, uint32_t i, const stele__dataset *data,
                                  chunks *c)
{
    memset(c, 0, sizeof *c);
    int64_t *all = stele__calloc((size_t)data->n_rows, sizeof *all);
    if (all == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t r = 0; r < data->n_rows; r++) {
        all[r] = r;
    }
    stele_status status = chunks_init(m, i, 0, data, all, data->n_rows, c);
    stele__free(all);
    return status;
}

static stele_status validate_chunk(stele__model *m, uint32_t i, stele__dataset *data,
                                   const chunks *c, const stele_view *x, uint8_t *gap, unheld **of,
                                   stele__diag *diag)
{
    const stele__modality *md = &m->modality[i];
    const stele__matrix *matrix = &data->matrix[c->matrix];
    const int64_t n = x->shape.dim[0];
    stele_bad_value bad = { .row = -1, .column = -1, .gap = gap };
    if (gap != NULL) {
        memset(gap, 0, (size_t)(n * c->n_features));
    }
    stele__guest_begin(md->part.guest, "validate");
    stele_status status = md->vt->validate(stele__guest_inst(md->part.guest), x, &bad);
    if (status != STELE_E_DATA || bad.row < 0) {
        status = stele__guest_check(md->part.guest, "validate", status, diag);
        return status == STELE_OK && gap != NULL ? take_for_missing(data, c, n, gap, of) : status;
    }
    if (bad.row >= n || bad.column >= matrix->n_features || bad.reason == NULL) {
        return stele__diag_error(
            diag, STELE_E_DATA, &matrix->place,
            "%s: validate of its plugin refuses a value and does not say which", md->name);
    }
    return bad_value(m, i, c, c->row[c->at - n + bad.row], &bad, diag);
}

stele_status stele__modality_validate(stele__model *m, uint32_t i, stele__dataset *data,
                                      stele__diag *diag)
{
    unheld *of = NULL;
    uint8_t *gap = NULL;
    chunks c;
    if (m->modality[i].vt->validate == NULL) {
        return STELE_OK;
    }
    stele_status status = chunks_of_all(m, i, data, &c);
    if (status == STELE_OK && c.field->layout == STELE_DENSE) {
        gap = stele__calloc(CHUNK, (size_t)c.n_features);
        status = gap != NULL ? STELE_OK : STELE_E_NOMEM;
    }
    while (status == STELE_OK && c.at < c.n) {
        stele_view x;
        status = chunks_next(&c, &x);
        status = status == STELE_OK ? validate_chunk(m, i, data, &c, &x, gap, &of, diag) : status;
    }
    if (status == STELE_OK) {
        warn_unheld(m, i, &c, of, diag);
    }
    stele__free(gap);
    stele__free(of);
    chunks_finish(&c);
    return status;
}

/* Rows in which nothing was measured tell an expert nothing, whatever the source says of them. */
static void drop_empty(stele__dataset *data, size_t k)
{
    const stele__matrix *x = &data->matrix[k];
    for (int64_t r = 0; x->dense != NULL && r < data->n_rows; r++) {
        int64_t j = 0;
        if (!data->present[(size_t)r * data->n_matrices + k]) {
            continue;
        }
        const float *value = stele__matrix_row(x, x->store_row[r]);
        while (j < x->n_features && isnan(value[j])) {
            j++;
        }
        if (j == x->n_features) {
            stele__dataset_drop(data, k, r);
        }
    }
}

stele_status stele__modality_drop(stele__model *m, uint32_t i, stele__dataset *data,
                                  stele__diag *diag)
{
    const stele__modality *md = &m->modality[i];
    uint8_t absent[CHUNK];
    chunks c;
    drop_empty(data, (size_t)stele__dataset_matrix(data, md->name));
    if (md->vt->absent == NULL) {
        return STELE_OK;
    }
    stele_status status = chunks_of_all(m, i, data, &c);
    while (status == STELE_OK && c.at < c.n) {
        stele_view x;
        memset(absent, 0, sizeof absent);
        status = chunks_next(&c, &x);
        if (status == STELE_OK) {
            stele__guest_begin(md->part.guest, "absent");
            status = stele__guest_check(
                md->part.guest, "absent",
                md->vt->absent(stele__guest_inst(md->part.guest), &x, absent), diag);
        }
        for (int64_t k = 0; k < x.shape.dim[0] && status == STELE_OK; k++) {
            if (absent[k]) {
                stele__dataset_drop(data, c.matrix, c.row[c.at - x.shape.dim[0] + k]);
            }
        }
    }
    chunks_finish(&c);
    return status;
}

/* Without a row of it nothing tells when the modality has been learned. */
static void warn_unvalidated(const stele__modality *md, const stele__dataset *data, size_t k,
                             const stele__split *split, stele__diag *diag)
{
    const int64_t n = split->n[STELE__VALID];
    if (n > 0 && stele__dataset_select(data, k, n, split->row[STELE__VALID], NULL, NULL) == 0) {
        stele__diag_warning(diag, &data->matrix[k].place,
                            "none of the %lld validation rows has `%s`: they cannot tell when it "
                            "is learned well, and what is calibrated on it stays as it starts",
                            (long long)n, md->name);
    }
}

stele_status stele__modality_fit(stele__model *m, uint32_t i, const stele__dataset *data,
                                 const stele__split *split, stele__diag *diag)
{
    chunks c, seen = { 0 };
    const int64_t *train = split->row[STELE__TRAIN], n = split->n[STELE__TRAIN];
    stele_status status = chunks_init(m, i, 0, data, train, n, &c);
    if (status == STELE_OK && m->modality[i].sees) {
        status = chunks_init(m, i, 1, data, train, n, &seen);
    }
    stele__fit_source source = { .n_rows = c.n, .next = chunks_next, .ctx = &c };
    source.seen = m->modality[i].sees ? &seen : NULL;
    source.feature = (const char *const *)data->matrix[c.matrix].feature_name;
    source.n_features = data->matrix[c.matrix].n_features;
    if (status == STELE_OK && c.n == 0) {
        status = stele__diag_error(diag, STELE_E_DATA, &data->matrix[c.matrix].place,
                                   "%s: none of the %lld training rows has this modality",
                                   m->modality[i].name, (long long)n);
        const stele__matrix *x = &data->matrix[c.matrix];
        stele__diag_hint(diag, "%lld rows of all have it%s; see data.split and data.missing",
                         (long long)(x->n_present - x->n_dropped),
                         x->n_dropped > 0 ? ", of others nothing was measured" : "");
    }
    if (status == STELE_OK) {
        warn_unvalidated(&m->modality[i], data, c.matrix, split, diag);
        status = stele__model_fit(m, i, &source, diag);
    }
    chunks_finish(&c);
    chunks_finish(&seen);
    return status;
}

/* Ask the plugin for the numbers of a chunk's rows, and keep them. */
static stele_status prepare_chunk(stele__modality *md, const chunks *c, const stele_view *x,
                                  int64_t *n, float *value, stele__diag *diag)
{
    const int64_t width = md->prepared->width, first = c->at - x->shape.dim[0];
    const stele_reader reader = stele__part_reader(&md->part);
    stele__guest_begin(md->part.guest, "prepare");
    stele_status status = stele__guest_check(
        md->part.guest, "prepare",
        md->vt->prepare(stele__guest_inst(md->part.guest), &reader, x, n, value), diag);
    for (int64_t k = 0; k < x->shape.dim[0] && status == STELE_OK; k++) {
        if (n[k] < 0 || n[k] > width) {
            return stele__diag_error(diag, STELE_E_INTERNAL, NULL,
                                     "%s: prepare gave %lld numbers for a row, of at most %lld",
                                     md->name, (long long)n[k], (long long)width);
        }
        status = stele__prepared_add(md->prepared, c->row[first + k], n[k], value + k * width);
    }
    return status;
}

static stele_status prepare_one(stele__model *m, uint32_t i, const stele__dataset *data,
                                stele__diag *diag)
{
    stele__modality *md = &m->modality[i];
    chunks c;
    int64_t n[CHUNK];
    stele__guest_begin(md->part.guest, "prepared_width");
    const int64_t width = md->vt->prepared_width(stele__guest_inst(md->part.guest));
    stele__guest_restore(md->part.guest, "prepared_width");
    float *value = stele__calloc(CHUNK, (size_t)width * sizeof *value);
    stele_status status = chunks_of_all(m, i, data, &c);
    status = status == STELE_OK && value == NULL ? STELE_E_NOMEM : status;
    if (status == STELE_OK) {
        status = stele__prepared_create(data->n_rows, width, &md->prepared);
    }
    while (status == STELE_OK && c.at < c.n) {
        stele_view x;
        status = chunks_next(&c, &x);
        status = status == STELE_OK ? prepare_chunk(md, &c, &x, n, value, diag) : status;
    }
    status = status == STELE_OK ? stele__prepared_end(md->prepared) : status;
    stele__free(value);
    chunks_finish(&c);
    return status;
}

stele_status stele__modalities_prepare(stele__model *m, const stele__dataset *data,
                                       stele__diag *diag)
{
    stele_status status = STELE_OK;
    for (uint32_t i = 0; i < m->n_modalities && status == STELE_OK; i++) {
        stele__prepared_destroy(m->modality[i].prepared);
        m->modality[i].prepared = NULL;
        if (m->modality[i].vt->prepare != NULL) {
            status = prepare_one(m, i, data, diag);
        }
    }
    return status;
}
