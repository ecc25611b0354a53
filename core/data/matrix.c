/* Reading the measurements of one modality into memory, and keeping the wanted features. */
#include "base/mem.h"
#include "data/parts.h"
#include "data/store.h"
#include "data/transform.h"
#include "data/window.h"

#include <math.h>
#include <string.h>

/* Entries read at a time: large enough for the disk, small beside the data. */
#define CHUNK_ENTRIES ((int64_t)1 << 20)

void stele__matrix_finish(stele__matrix *m)
{
    for (int64_t j = 0; m->feature_name != NULL && j < m->n_features; j++) {
        stele__free(m->feature_name[j]);
    }
    stele__free(m->feature_name);
    stele__free(m->store_row);
    stele__free(m->partner);
    stele__free(m->row_start);
    stele__free(m->column);
    stele__free(m->value);
    stele__free(m->largest_sum);
    stele__store_destroy(m->store);
    stele__features_destroy(m->own);
    stele__window_destroy(m->window);
    stele__free(m->name);
    stele__free(m->from);
    memset(m, 0, sizeof *m);
}

static size_t element_size(uint32_t dtype)
{
    switch (dtype) {
    case STELE_F32:
    case STELE_I32: return 4;
    case STELE_F64:
    case STELE_I64: return 8;
    case STELE_U8: return 1;
    default: return 0;
    }
}

static void to_float(uint32_t dtype, int64_t n, const void *from, float *ret)
{
    for (int64_t i = 0; i < n; i++) {
        switch (dtype) {
        case STELE_F32: ret[i] = ((const float *)from)[i]; break;
        case STELE_F64: ret[i] = (float)((const double *)from)[i]; break;
        case STELE_I32: ret[i] = (float)((const int32_t *)from)[i]; break;
        case STELE_I64: ret[i] = (float)((const int64_t *)from)[i]; break;
        default: ret[i] = (float)((const uint8_t *)from)[i]; break;
        }
    }
}

/* --- compact values -------------------------------------------------------------------------- */

static int kind_of(const float *v, int64_t n)
{
    int kind = STELE__VALUE_U8;
    for (int64_t i = 0; i < n; i++) {
        if (!(v[i] >= 0 && v[i] <= 65535) || v[i] != floorf(v[i])) {
            return STELE__VALUE_F32;
        }
        kind = v[i] > 255 ? STELE__VALUE_U16 : kind;
    }
    return kind;
}

/* Widen the store in place, from the end so that no entry is overwritten before it is read. */
static stele_status widen(stele__matrix *m, int kind, int64_t n_used, int64_t capacity)
{
    void *p = stele__realloc(m->value, (size_t)(capacity + 1) * stele__value_size(kind));
    if (p == NULL) {
        return STELE_E_NOMEM;
    }
    stele__matrix narrow = { .value = p, .value_kind = m->value_kind };
    m->value = p;
    m->value_kind = kind;
    for (int64_t k = n_used - 1; k >= 0; k--) {
        stele__matrix_put(m, k, stele__matrix_value(&narrow, k));
    }
    return STELE_OK;
}

static stele_status append_values(stele__matrix *m, int64_t at, const float *v, int64_t n,
                                  int64_t capacity)
{
    int kind = kind_of(v, n);
    if (kind > m->value_kind) {
        stele_status st = widen(m, kind, at, capacity);
        if (st != STELE_OK) {
            return st;
        }
    }
    for (int64_t k = 0; k < n; k++) {
        stele__matrix_put(m, at + k, v[k]);
    }
    return STELE_OK;
}

/* --- reading --------------------------------------------------------------------------------- */

/* Rows are stored in the order of the source, which reads them fastest that way. ret_row: rows
 * along the axis, ascending, n_present of them, the caller's. */
static stele_status plan_rows(const stele__dataset *ds, stele__matrix *m, int64_t **ret_row)
{
    const stele__axis *axis = stele__axis_of(ds, m->source, m->field.axis);
    size_t i = (size_t)(m - ds->matrix);
    int64_t *back = stele__malloc((size_t)(axis->n_rows + 1) * sizeof *back);
    int64_t *row = stele__malloc((size_t)(m->n_present + 1) * sizeof *row);
    m->store_row = stele__malloc((size_t)ds->n_rows * sizeof *m->store_row);
    if (back == NULL || row == NULL || m->store_row == NULL) {
        stele__free(back);
        stele__free(row);
        return STELE_E_NOMEM;
    }
    for (int64_t a = 0; a < axis->n_rows; a++) {
        back[a] = -1;
    }
    for (int64_t r = 0; r < ds->n_rows; r++) {
        m->store_row[r] = -1;
        if (ds->present[(size_t)r * ds->n_matrices + i]) {
            back[axis->axis_row[r]] = r;
        }
    }
    int64_t n = 0;
    for (int64_t a = 0; a < axis->n_rows; a++) {
        if (back[a] >= 0) {
            m->store_row[back[a]] = n;
            row[n++] = a;
        }
    }
    stele__free(back);
    *ret_row = row;
    return STELE_OK;
}

/* What a read of several rows at a time works with. */
typedef struct reader {
    const stele__source *src;
    stele__matrix *m;
    const int64_t *row; /* along the axis */
    void *raw;          /* as the source writes them */
    float *value;
    int64_t *row_start; /* of the chunk, from 0 */
    stele__diag *diag;
} reader;

static stele_status bad_source(const reader *r, const char *what)
{
    return stele__diag_error(r->diag, STELE_E_DATA, &r->m->place, "source `%s`: `%s`: %s",
                             r->src->name, r->m->from, what);
}

static stele_status call_read(const reader *r, int64_t first, int64_t n, int32_t *column)
{
    stele_read read = { .struct_size = sizeof read,
                        .field = r->m->source_field,
                        .n_rows = (uint64_t)n,
                        .row = r->row + first,
                        .data = r->raw,
                        .row_start = r->row_start,
                        .column = column };
    size_t n_errors = r->diag != NULL ? r->diag->n_errors : 0;
    stele__guest_begin(r->src->guest, "read");
    stele_status st = r->src->vt->read(r->src->inst, &read);
    return stele__source_ended(r->src, "read", r->m->from, st, n_errors, r->diag);
}

/* `first`: of the rows that `v` holds. */
static stele_status transform(const reader *r, int64_t first, int64_t n, float *v)
{
    const stele__matrix *m = r->m;
    const int is_csr = m->field.layout == STELE_CSR;
    const int64_t bad = stele__transform(m->transform, n, v);
    int64_t row = first, feature = bad;
    if (bad == n) {
        return STELE_OK;
    }
    for (; is_csr && m->row_start[row + 1] - m->row_start[first] <= bad; row++) {
    }
    if (is_csr) {
        feature = m->column[m->row_start[first] + bad];
    } else {
        row += bad / m->n_features;
        feature = bad % m->n_features;
    }
    const stele_source_vt *vt = r->src->vt;
    const char *id = vt->row_id(r->src->inst, m->field.axis, r->row[row]);
    const char *name = vt->feature_name(r->src->inst, m->source_field, feature);
    stele__diag_error(r->diag, STELE_E_DATA, &m->place,
                      "%s: row `%s`, feature %s: %g has no log(1 + x)",
                      r->src->file != NULL ? r->src->file : r->src->name, id != NULL ? id : "",
                      name != NULL ? name : "without a name", (double)v[bad]);
    stele__diag_hint(r->diag, "`transform: log1p` is for counts and other values from 0 on");
    return STELE_E_DATA;
}

static stele_status check_columns(const reader *r, const int32_t *column, int64_t n_rows)
{
    for (int64_t i = 0; i < n_rows; i++) {
        int64_t last = -1;
        for (int64_t k = r->row_start[i]; k < r->row_start[i + 1]; k++) {
            if (column[k] <= last || column[k] >= r->m->n_features) {
                return bad_source(r, "feature numbers out of range or not ascending");
            }
            last = column[k];
        }
    }
    return STELE_OK;
}

static stele_status read_csr_chunk(reader *r, int64_t first, int64_t n)
{
    stele__matrix *m = r->m;
    int64_t at = m->row_start[first], entries = m->row_start[first + n] - at;
    int32_t *column = m->column + at;
    for (int64_t i = 0; i <= n; i++) {
        r->row_start[i] = m->row_start[first + i] - at;
    }
    stele_status st = call_read(r, first, n, column);
    st = st == STELE_OK ? check_columns(r, column, n) : st;
    if (st == STELE_OK) {
        to_float(m->field.dtype, entries, r->raw, r->value);
        st = transform(r, first, entries, r->value);
    }
    if (st == STELE_OK) {
        st = append_values(m, at, r->value, entries, m->row_start[m->n_present]);
    }
    return st;
}

/* Rows from `first` on that fit a chunk: at least one. */
static int64_t chunk_rows(const stele__matrix *m, int64_t first)
{
    int64_t n = 1;
    while (first + n < m->n_present && n < CHUNK_ENTRIES &&
           m->row_start[first + n + 1] - m->row_start[first] <= CHUNK_ENTRIES) {
        n++;
    }
    return n;
}

static stele_status count_entries(reader *r)
{
    stele__matrix *m = r->m;
    int64_t n = m->n_present;
    size_t n_errors = r->diag != NULL ? r->diag->n_errors : 0;
    m->row_start = stele__calloc((size_t)n + 1, sizeof *m->row_start);
    if (m->row_start == NULL) {
        return STELE_E_NOMEM;
    }
    stele__guest_begin(r->src->guest, "count");
    stele_status st =
        r->src->vt->count(r->src->inst, m->source_field, (uint64_t)n, r->row, m->row_start + 1);
    st = stele__source_ended(r->src, "count", m->from, st, n_errors, r->diag);
    if (st != STELE_OK) {
        return st;
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t entries = m->row_start[i + 1];
        if (entries < 0 || entries > m->n_features) {
            return bad_source(r, "a row has more entries than there are features");
        }
        m->row_start[i + 1] += m->row_start[i];
    }
    return STELE_OK;
}

static stele_status read_csr(reader *r)
{
    stele__matrix *m = r->m;
    stele_status st = count_entries(r);
    if (st != STELE_OK) {
        return st;
    }
    int64_t total = m->row_start[m->n_present], widest = CHUNK_ENTRIES;
    for (int64_t i = 0; i < m->n_present; i++) {
        int64_t n = m->row_start[i + 1] - m->row_start[i];
        widest = n > widest ? n : widest;
    }
    widest = widest < total ? widest : total;
    m->value_kind = STELE__VALUE_U8;
    m->column = stele__malloc((size_t)(total + 1) * sizeof *m->column);
    m->value = stele__malloc((size_t)(total + 1));
    r->raw = stele__malloc((size_t)(widest + 1) * element_size(m->field.dtype));
    r->value = stele__malloc((size_t)(widest + 1) * sizeof *r->value);
    r->row_start = stele__malloc((size_t)(m->n_present + 1) * sizeof *r->row_start);
    if (m->column == NULL || m->value == NULL || r->raw == NULL || r->value == NULL ||
        r->row_start == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t first = 0, n = 0; first < m->n_present && st == STELE_OK; first += n) {
        n = chunk_rows(m, first);
        st = read_csr_chunk(r, first, n);
    }
    return st;
}

stele_status stele__matrix_store(const stele__dataset *ds, const stele__matrix *m,
                                 int64_t n_features, stele__store **ret, stele__diag *diag)
{
    const size_t most = stele__store_most();
    size_t used = 0;
    for (size_t i = 0; i < ds->n_matrices; i++) {
        const stele__matrix *other = &ds->matrix[i];
        used += other != m && other->store != NULL ? stele__store_memory(other->store) : 0;
    }
    return stele__store_create((size_t)m->n_present * (size_t)n_features,
                               used < most ? most - used : 0, m->from, &m->place, ret, diag);
}

static stele_status read_dense(const stele__dataset *ds, reader *r)
{
    stele__matrix *m = r->m;
    int64_t per_chunk = CHUNK_ENTRIES / m->n_features + 1;
    per_chunk = per_chunk < m->n_present ? per_chunk : m->n_present;
    size_t width = (size_t)m->n_features;
    r->raw = stele__malloc(((size_t)per_chunk * width + 1) * element_size(m->field.dtype));
    r->value = stele__malloc(((size_t)per_chunk * width + 1) * sizeof *r->value);
    if (r->value == NULL || r->raw == NULL) {
        return STELE_E_NOMEM;
    }
    stele_status st = stele__matrix_store(ds, m, m->n_features, &m->store, r->diag);
    for (int64_t first = 0; first < m->n_present && st == STELE_OK; first += per_chunk) {
        int64_t left = m->n_present - first, n = left < per_chunk ? left : per_chunk;
        st = call_read(r, first, n, NULL);
        if (st == STELE_OK) {
            to_float(m->field.dtype, n * m->n_features, r->raw, r->value);
            st = transform(r, first, n * m->n_features, r->value);
        }
        if (st == STELE_OK) {
            st = stele__store_add(m->store, r->value, (size_t)n * width, r->diag);
        }
    }
    m->dense = st == STELE_OK ? stele__store_values(m->store) : NULL;
    return st == STELE_OK && m->dense == NULL ? STELE_E_NOMEM : st;
}

stele_status stele__matrix_read(const stele__dataset *ds, stele__matrix *m, stele__diag *diag)
{
    int64_t *row = NULL;
    reader r = { .src = &ds->source[m->source], .m = m, .diag = diag };
    if (element_size(m->field.dtype) == 0) {
        return bad_source(&r, "unknown element type");
    }
    stele_status st = plan_rows(ds, m, &row);
    if (st == STELE_OK) {
        r.row = row;
        st = m->field.layout == STELE_CSR ? read_csr(&r) : read_dense(ds, &r);
        m->stored_dtype = m->field.dtype;
        m->field.dtype = STELE_F32;
    }
    stele__free(row);
    stele__free(r.raw);
    stele__free(r.value);
    stele__free(r.row_start);
    return st;
}
