#include "source.h"

#include "graph/tensor.h"
#include "guard.h"
#include "hash.h"

#include <string.h>

static size_t element_of(const stele_field *f)
{
    switch (f->content) {
    case STELE_FIELD_TEXT: return 0;
    case STELE_FIELD_CATEGORY: return sizeof(int32_t);
    case STELE_FIELD_NUMBER: return sizeof(double);
    default: return stele__dtype_size(f->dtype);
    }
}

/* What buffers hold before a read, something else each time: what is not written differs from read to read. */
static unsigned n_reads;

static void poison(void *buffer, size_t size)
{
    memset(buffer, n_reads % 2 == 0 ? 0x11 : 0xEE, size);
}

static void poison_texts(const char **text, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        text[i] = n_reads % 2 == 0 ? "(not written)" : "(left as it was)";
    }
}

static stele_status count_rows(rig *r, uint32_t field, uint64_t n, const int64_t *row, source_piece *p)
{
    const stele_source_vt *vt = &r->vt->source;
    int64_t width = p->field.content == STELE_FIELD_MATRIX ? stele__shape_count(&p->field.sample) : 1;
    int csr = p->field.content == STELE_FIELD_MATRIX && p->field.layout == STELE_CSR;
    int64_t *count = guard_take(n * sizeof *count, "counts");
    poison(count, n * sizeof *count);
    stele_status status = csr ? vt->count(r->inst, field, n, row, count) : STELE_OK;
    for (uint64_t i = 0; status == STELE_OK && i < n; i++) {
        int64_t k = csr ? count[i] : width;
        if (k < 0 || (csr && k > width)) {
            check_fail(r->t, "count of `%s` gives %lld entries for row %lld of %lld features", p->field.name,
                       (long long)k, (long long)row[i], (long long)width);
            return STELE_E_DATA;
        }
        p->row_start[i + 1] = p->row_start[i] + k;
    }
    return status;
}

stele_status source_read(rig *r, uint32_t field, uint64_t n, const int64_t *row, source_piece *ret)
{
    const stele_source_vt *vt = &r->vt->source;
    source_piece p = { .n = n, .field = { .struct_size = sizeof p.field } };
    const size_t mark = guard_mark();
    n_reads++;
    stele_status status = vt->field(r->inst, field, &p.field);
    if (status != STELE_OK || (p.field.sample.ndim > 0 && p.field.sample.dim[0] < 0)) {
        return status != STELE_OK ? status : STELE_E_UNSUPPORTED;
    }
    p.element = element_of(&p.field);
    p.row_start = rig_take(r, (n + 1) * sizeof *p.row_start);
    status = count_rows(r, field, n, row, &p);
    if (status == STELE_OK) {
        size_t total = (size_t)p.row_start[n];
        int csr = p.field.content == STELE_FIELD_MATRIX && p.field.layout == STELE_CSR;
        stele_read a = { .struct_size = sizeof a, .field = field, .n_rows = n };
        int64_t *rows = guard_take(n * sizeof *rows, "rows");
        memcpy(rows, row, n * sizeof *rows);
        a.row = rows;
        if (p.element > 0) {
            a.data = guard_take(total * p.element, "data");
            poison(a.data, total * p.element);
        } else {
            a.text = guard_take(n * sizeof *a.text, "text");
            poison_texts(a.text, n);
        }
        if (csr) {
            a.row_start = p.row_start;
            a.column = guard_take(total * sizeof *a.column, "columns");
            poison(a.column, total * sizeof *a.column);
        }
        status = vt->read(r->inst, &a);
        if (status == STELE_OK) {
            p.data = rig_take(r, total * p.element + 1);
            memcpy(p.data, p.element > 0 ? a.data : "", total * p.element);
            p.column = csr ? rig_take(r, total * sizeof *p.column + 1) : NULL;
            p.text = p.element == 0 ? rig_take(r, n * sizeof *p.text + 1) : NULL;
            if (csr) {
                memcpy(p.column, a.column, total * sizeof *p.column);
            }
            if (p.text != NULL) {
                memcpy(p.text, a.text, n * sizeof *p.text);
            }
        }
    }
    guard_free(r->t, mark);
    *ret = p;
    return status;
}

int source_same(const source_piece *a, uint64_t i, const source_piece *b, uint64_t k)
{
    if (a->text != NULL) {
        const char *s = a->text[i], *u = b->text[k];
        return s == u || (s != NULL && u != NULL && strcmp(s, u) == 0);
    }
    int64_t at = a->row_start[i], to = b->row_start[k], n = a->row_start[i + 1] - at;
    size_t size = a->element;
    return n == b->row_start[k + 1] - to &&
           memcmp(a->data + (size_t)at * size, b->data + (size_t)to * size, (size_t)n * size) == 0 &&
           (a->column == NULL || memcmp(a->column + at, b->column + to, (size_t)n * sizeof *a->column) == 0);
}

uint64_t source_some_rows(const rig *r, uint32_t field, uint64_t draw, uint64_t most, int64_t *ret)
{
    const stele_source_vt *vt = &r->vt->source;
    stele_field f = { .struct_size = sizeof f };
    if (vt->field(r->inst, field, &f) != STELE_OK) {
        return 0;
    }
    int64_t n = vt->n_rows(r->inst, f.axis);
    uint64_t k = n < 0 ? 0 : (uint64_t)n < most ? (uint64_t)n : most;
    for (uint64_t i = 0; i < k; i++) {
        const double stretch = (double)n / (double)k;
        const double within = i == 0 ? 0.0 : rig_uniform(r->t, 960 + draw, (int64_t)i);
        const int64_t first = (int64_t)((double)i * stretch), next = (int64_t)((double)(i + 1) * stretch);
        ret[i] = i + 1 == k ? n - 1 : first + (int64_t)(within * (double)(next - first));
    }
    return k;
}

uint64_t source_hash(rig *r, uint64_t *ret_n)
{
    int64_t row[SOURCE_SOME];
    uint64_t h = HASH_START;
    *ret_n = 0;
    for (uint32_t f = 0; f < r->vt->source.n_fields(r->inst); f++) {
        source_piece p;
        uint64_t n = source_some_rows(r, f, 0, SOURCE_SOME, row);
        stele_status status = source_read(r, f, n, row, &p);
        h = hash_mix(h, &status, sizeof status);
        if (status != STELE_OK) {
            continue;
        }
        for (uint64_t i = 0; p.text != NULL && i < n; i++) {
            h = hash_mix(h, p.text[i] != NULL ? p.text[i] : "", p.text[i] != NULL ? strlen(p.text[i]) : 0);
            *ret_n += p.text[i] != NULL;
        }
        for (size_t i = 0; i < (size_t)p.row_start[n] * p.element; i++) {
            *ret_n += p.data[i] != 0;
        }
        h = hash_mix(h, p.data, (size_t)p.row_start[n] * p.element);
        h = p.column != NULL ? hash_mix(h, p.column, (size_t)p.row_start[n] * sizeof *p.column) : h;
    }
    return h;
}
