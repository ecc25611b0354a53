/* Matrices: dense, CSR and CSC, read row by row. */
#include "h5mu.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Entries of a CSC matrix that are in memory at a time while it is turned around. */
#define CHUNK ((int64_t)1 << 18)

void h5mu_matrix_finish(matrix *m)
{
    if (m->data > 0) {
        H5Dclose(m->data);
    }
    if (m->indices > 0) {
        H5Dclose(m->indices);
    }
    free(m->row_start);
    free(m->csc_column);
    free(m->csc_value);
    memset(m, 0, sizeof *m);
}

stele_status h5mu_set_problem(field *f, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    free(f->problem);
    f->problem = text_copy(text);
    return f->problem != NULL ? STELE_OK : STELE_E_NOMEM;
}

/* --- listing --------------------------------------------------------------------------------- */

static int read_shape(hid_t group, int64_t *ret)
{
    const char *name = H5Aexists(group, "shape") > 0 ? "shape" : "h5sparse_shape";
    if (H5Aexists(group, name) <= 0) {
        return 0;
    }
    hid_t attribute = H5Aopen(group, name, H5P_DEFAULT);
    hid_t space = attribute >= 0 ? H5Aget_space(attribute) : -1;
    int ok = space >= 0 && H5Sget_simple_extent_npoints(space) == 2 &&
             H5Aread(attribute, H5T_NATIVE_INT64, ret) >= 0;
    if (space >= 0) {
        H5Sclose(space);
    }
    if (attribute >= 0) {
        H5Aclose(attribute);
    }
    return ok;
}

static stele_status inspect_sparse(field *f, hid_t group)
{
    char encoding[64] = "";
    int64_t shape[2];
    if (!h5_text_attribute(group, "encoding-type", encoding, sizeof encoding)) {
        h5_text_attribute(group, "h5sparse_format", encoding, sizeof encoding);
    }
    int csr = strcmp(encoding, "csr_matrix") == 0 || strcmp(encoding, "csr") == 0;
    int csc = strcmp(encoding, "csc_matrix") == 0 || strcmp(encoding, "csc") == 0;
    if (!csr && !csc) {
        return h5mu_set_problem(f, "has the encoding `%s`, which is no matrix", encoding);
    }
    if (!read_shape(group, shape)) {
        return h5mu_set_problem(f, "has no attribute `shape` with two numbers");
    }
    f->m.kind = csr ? MATRIX_CSR : MATRIX_CSC;
    f->m.n_rows = shape[0];
    f->m.n_columns = shape[1];
    return STELE_OK;
}

static stele_status inspect_dense(field *f, hid_t dataset)
{
    hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
    H5T_class_t class = type >= 0 ? H5Tget_class(type) : H5T_NO_CLASS;
    hsize_t extent[2] = { 0, 0 };
    stele_status st = STELE_OK;
    if (class != H5T_INTEGER && class != H5T_FLOAT && class != H5T_ENUM) {
        st = h5mu_set_problem(f, "does not hold numbers");
    } else if (space < 0 || H5Sget_simple_extent_ndims(space) != 2) {
        st = h5mu_set_problem(f, "is not a matrix of two dimensions");
    } else {
        H5Sget_simple_extent_dims(space, extent, NULL);
        f->m.kind = MATRIX_DENSE;
        f->m.n_rows = (int64_t)extent[0];
        f->m.n_columns = (int64_t)extent[1];
    }
    if (space >= 0) {
        H5Sclose(space);
    }
    if (type >= 0) {
        H5Tclose(type);
    }
    return st;
}

stele_status h5mu_matrix_inspect(stele_inst *s, field *f, int64_t n_columns)
{
    hid_t object = H5Oopen(s->h5.id, f->path, H5P_DEFAULT);
    int64_t n_rows = s->axis[f->axis].n;
    f->content = STELE_FIELD_MATRIX;
    stele_status st = STELE_OK;
    if (object < 0) {
        char text[H5_REASON];
        if (!h5_dangles(&s->h5, f->path, text, sizeof text)) {
            h5_library_says("cannot be opened", text);
        }
        st = h5mu_set_problem(f, "%s", text);
    } else {
        st =
            H5Iget_type(object) == H5I_GROUP ? inspect_sparse(f, object) : inspect_dense(f, object);
        H5Oclose(object);
    }
    if (st == STELE_OK && f->problem == NULL &&
        (f->m.n_rows != n_rows || (n_columns >= 0 && f->m.n_columns != n_columns))) {
        st = n_columns >= 0
                 ? h5mu_set_problem(f,
                                    "is %lld x %lld, but there are %lld row and %lld feature names",
                                    (long long)f->m.n_rows, (long long)f->m.n_columns,
                                    (long long)n_rows, (long long)n_columns)
                 : h5mu_set_problem(f, "has %lld rows, but there are %lld row names",
                                    (long long)f->m.n_rows, (long long)n_rows);
    }
    if (f->problem != NULL) {
        f->m = (matrix){ .kind = MATRIX_DENSE, .n_columns = n_columns > 0 ? n_columns : 1 };
    }
    return st;
}

/* --- opening --------------------------------------------------------------------------------- */

/* indptr of a sparse matrix: n + 1 offsets, from 0 to the number of entries, never descending. */
static stele_status load_offsets(const stele_inst *s, const field *f, int64_t n, int64_t n_entries,
                                 int64_t **ret)
{
    void *data = NULL;
    char *path = text_join(f->path, "indptr");
    stele_status st = path != NULL ? h5_read_all(&s->h5, path, n + 1, H5T_NATIVE_INT64,
                                                 sizeof(int64_t), &data, NULL)
                                   : h5_nomem(&s->h5, f->path);
    int64_t *at = data;
    if (st == STELE_OK && (at[0] != 0 || at[n] != n_entries)) {
        st = h5_fail(&s->h5, STELE_E_DATA, path,
                     "runs from %lld to %lld, but there are %lld entries", (long long)at[0],
                     (long long)at[n], (long long)n_entries);
    }
    for (int64_t i = 0; i < n && st == STELE_OK; i++) {
        if (at[i + 1] < at[i]) {
            st = h5_fail(&s->h5, STELE_E_DATA, path, "descends at entry %lld", (long long)i + 1);
        }
    }
    free(path);
    if (st != STELE_OK) {
        free(data);
        return st;
    }
    *ret = at;
    return STELE_OK;
}

static stele_status bad_index(const stele_inst *s, const field *f, int64_t entry, int64_t index,
                              int64_t n)
{
    return h5_fail(&s->h5, STELE_E_DATA, f->path,
                   "entry %lld of `indices` is %lld, outside 0 .. %lld", (long long)entry,
                   (long long)index, (long long)n - 1);
}

/* Walk through all entries of a CSC matrix in chunks. */
typedef struct walk {
    int32_t row[CHUNK];
    float value[CHUNK];
} walk;

static stele_status count_csc(const stele_inst *s, field *f, int64_t n_entries, walk *w)
{
    for (int64_t first = 0; first < n_entries; first += CHUNK) {
        int64_t n = n_entries - first < CHUNK ? n_entries - first : CHUNK;
        stele_status st =
            h5_read_range(&s->h5, f->path, f->m.indices, first, n, H5T_NATIVE_INT32, w->row);
        for (int64_t k = 0; k < n && st == STELE_OK; k++) {
            if (w->row[k] < 0 || w->row[k] >= f->m.n_rows) {
                st = bad_index(s, f, first + k, w->row[k], f->m.n_rows);
            } else {
                f->m.row_start[w->row[k] + 1]++;
            }
        }
        if (st != STELE_OK) {
            return st;
        }
    }
    for (int64_t i = 0; i < f->m.n_rows; i++) {
        f->m.row_start[i + 1] += f->m.row_start[i];
    }
    return STELE_OK;
}

/* Columns come in order, so every row receives its entries in ascending order. */
static stele_status fill_csc(const stele_inst *s, field *f, const int64_t *column_start,
                             int64_t *at, walk *w)
{
    int64_t n_entries = column_start[f->m.n_columns], column = 0;
    for (int64_t first = 0; first < n_entries; first += CHUNK) {
        int64_t n = n_entries - first < CHUNK ? n_entries - first : CHUNK;
        stele_status st =
            h5_read_range(&s->h5, f->path, f->m.indices, first, n, H5T_NATIVE_INT32, w->row);
        st = st == STELE_OK
                 ? h5_read_range(&s->h5, f->path, f->m.data, first, n, H5T_NATIVE_FLOAT, w->value)
                 : st;
        for (int64_t k = 0; k < n && st == STELE_OK; k++) {
            while (first + k >= column_start[column + 1]) {
                column++;
            }
            int64_t row = w->row[k], to = at[row]++;
            f->m.csc_column[to] = (int32_t)column;
            f->m.csc_value[to] = w->value[k];
            if (to > f->m.row_start[row] && f->m.csc_column[to - 1] == (int32_t)column) {
                st = h5_fail(&s->h5, STELE_E_DATA, f->path, "names row %lld twice in column %lld",
                             (long long)row, (long long)column);
            }
        }
        if (st != STELE_OK) {
            return st;
        }
    }
    return STELE_OK;
}

/* Rows cannot be read from a matrix stored by columns, so it is turned around once, in memory. */
static stele_status convert_csc(const stele_inst *s, field *f, int64_t n_entries)
{
    matrix *m = &f->m;
    int64_t *column_start = NULL;
    size_t n_rows = (size_t)m->n_rows;
    walk *w = malloc(sizeof *w);
    int64_t *at = malloc((n_rows + 1) * sizeof *at);
    m->row_start = calloc(n_rows + 1, sizeof *m->row_start);
    m->csc_column = malloc(((size_t)n_entries + 1) * sizeof *m->csc_column);
    m->csc_value = malloc(((size_t)n_entries + 1) * sizeof *m->csc_value);
    stele_status st = STELE_OK;
    if (w == NULL || at == NULL || m->row_start == NULL || m->csc_column == NULL ||
        m->csc_value == NULL) {
        st = h5_nomem(&s->h5, f->path);
    }
    st = st == STELE_OK ? load_offsets(s, f, m->n_columns, n_entries, &column_start) : st;
    st = st == STELE_OK ? count_csc(s, f, n_entries, w) : st;
    if (st == STELE_OK) {
        memcpy(at, m->row_start, (n_rows + 1) * sizeof *at);
        st = fill_csc(s, f, column_start, at, w);
    }
    free(column_start);
    free(w);
    free(at);
    return st;
}

static stele_status open_member(const stele_inst *s, const field *f, const char *name, hid_t *ret,
                                hsize_t *ret_n)
{
    char *path = text_join(f->path, name);
    stele_status st =
        path != NULL ? h5_open(&s->h5, path, 1, ret, ret_n) : h5_nomem(&s->h5, f->path);
    free(path);
    return st;
}

static stele_status open_sparse(const stele_inst *s, field *f)
{
    hsize_t n_data = 0, n_indices = 0;
    stele_status st = open_member(s, f, "data", &f->m.data, &n_data);
    st = st == STELE_OK ? open_member(s, f, "indices", &f->m.indices, &n_indices) : st;
    if (st == STELE_OK && n_data != n_indices) {
        return h5_fail(&s->h5, STELE_E_DATA, f->path,
                       "has %llu entries in `data`, %llu in `indices`", (unsigned long long)n_data,
                       (unsigned long long)n_indices);
    }
    if (st == STELE_OK && f->m.n_columns > INT32_MAX) {
        return h5_fail(&s->h5, STELE_E_DATA, f->path, "has more columns than 2^31");
    }
    if (st != STELE_OK) {
        return st;
    }
    return f->m.kind == MATRIX_CSR
               ? load_offsets(s, f, f->m.n_rows, (int64_t)n_data, &f->m.row_start)
               : convert_csc(s, f, (int64_t)n_data);
}

static stele_status matrix_open(const stele_inst *s, field *f)
{
    if (f->problem != NULL) {
        return h5_fail(&s->h5, STELE_E_DATA, f->path, "%s", f->problem);
    }
    if (f->m.opened) {
        return STELE_OK;
    }
    hsize_t extent[2];
    stele_status st = f->m.kind == MATRIX_DENSE ? h5_open(&s->h5, f->path, 2, &f->m.data, extent)
                                                : open_sparse(s, f);
    if (st != STELE_OK) {
        matrix half = f->m;
        f->m = (matrix){ .kind = half.kind, .n_rows = half.n_rows, .n_columns = half.n_columns };
        h5mu_matrix_finish(&half);
    }
    f->m.opened = st == STELE_OK;
    return st;
}

/* --- reading --------------------------------------------------------------------------------- */

stele_status h5mu_matrix_count(const stele_inst *s, field *f, uint64_t n, const int64_t *row,
                               int64_t *ret_n)
{
    stele_status st = matrix_open(s, f);
    for (uint64_t i = 0; i < n && st == STELE_OK; i++) {
        ret_n[i] = f->m.row_start[row[i] + 1] - f->m.row_start[row[i]];
    }
    return st;
}

typedef struct entry {
    int32_t column;
    float value;
} entry;

static int by_column(const void *a, const void *b)
{
    int32_t x = ((const entry *)a)->column, y = ((const entry *)b)->column;
    return (x > y) - (x < y);
}

/* Some writers leave the entries of a row unsorted. */
static stele_status sort_row(const stele_inst *s, const field *f, int64_t n, int32_t *column,
                             float *value)
{
    entry *e = malloc(((size_t)n + 1) * sizeof *e);
    if (e == NULL) {
        return h5_nomem(&s->h5, f->path);
    }
    for (int64_t k = 0; k < n; k++) {
        e[k] = (entry){ column[k], value[k] };
    }
    qsort(e, (size_t)n, sizeof *e, by_column);
    for (int64_t k = 0; k < n; k++) {
        column[k] = e[k].column;
        value[k] = e[k].value;
    }
    free(e);
    return STELE_OK;
}

static stele_status check_row(const stele_inst *s, const field *f, int64_t row, int32_t *column,
                              float *value)
{
    int64_t begin = f->m.row_start[row], n = f->m.row_start[row + 1] - begin;
    int sorted = 1;
    for (int64_t k = 0; k < n; k++) {
        if (column[k] < 0 || column[k] >= f->m.n_columns) {
            return bad_index(s, f, begin + k, column[k], f->m.n_columns);
        }
        sorted = sorted && (k == 0 || column[k] > column[k - 1]);
    }
    stele_status st = sorted ? STELE_OK : sort_row(s, f, n, column, value);
    for (int64_t k = 1; k < n && st == STELE_OK; k++) {
        if (column[k] == column[k - 1]) {
            st = h5_fail(&s->h5, STELE_E_DATA, f->path, "names column %d twice in row %lld",
                         column[k], (long long)row);
        }
    }
    return st;
}

/* Consecutive rows row[first] ..: how many. */
static uint64_t run_length(const stele_read *r, uint64_t first)
{
    uint64_t n = 1;
    while (first + n < r->n_rows && r->row[first + n] == r->row[first + n - 1] + 1) {
        n++;
    }
    return n;
}

static stele_status read_csr(const stele_inst *s, field *f, const stele_read *r, uint64_t first,
                             uint64_t n)
{
    int64_t begin = f->m.row_start[r->row[first]];
    int64_t n_entries = f->m.row_start[r->row[first] + (int64_t)n] - begin;
    int32_t *column = r->column + r->row_start[first];
    float *value = (float *)r->data + r->row_start[first];
    if (f->m.kind == MATRIX_CSC) {
        memcpy(column, f->m.csc_column + begin, (size_t)n_entries * sizeof *column);
        memcpy(value, f->m.csc_value + begin, (size_t)n_entries * sizeof *value);
        return STELE_OK;
    }
    stele_status st =
        h5_read_range(&s->h5, f->path, f->m.indices, begin, n_entries, H5T_NATIVE_INT32, column);
    st = st == STELE_OK
             ? h5_read_range(&s->h5, f->path, f->m.data, begin, n_entries, H5T_NATIVE_FLOAT, value)
             : st;
    for (uint64_t i = first; i < first + n && st == STELE_OK; i++) {
        int64_t at = f->m.row_start[r->row[i]] - begin;
        st = check_row(s, f, r->row[i], column + at, value + at);
    }
    return st;
}

static stele_status read_dense(const stele_inst *s, field *f, const stele_read *r, uint64_t first,
                               uint64_t n)
{
    hsize_t start[2] = { (hsize_t)r->row[first], 0 }, count[2] = { n, (hsize_t)f->m.n_columns };
    hid_t file_space = H5Dget_space(f->m.data), memory = H5Screate_simple(2, count, NULL);
    float *out = (float *)r->data + first * (uint64_t)f->m.n_columns;
    stele_status st = STELE_OK;
    if (file_space < 0 || memory < 0 ||
        H5Sselect_hyperslab(file_space, H5S_SELECT_SET, start, NULL, count, NULL) < 0 ||
        H5Dread(f->m.data, H5T_NATIVE_FLOAT, memory, file_space, H5P_DEFAULT, out) < 0) {
        st = h5_fail_library(&s->h5, f->path, "cannot be read");
    }
    if (file_space >= 0) {
        H5Sclose(file_space);
    }
    if (memory >= 0) {
        H5Sclose(memory);
    }
    return st;
}

stele_status h5mu_matrix_read(const stele_inst *s, field *f, const stele_read *r)
{
    stele_status st = matrix_open(s, f);
    for (uint64_t i = 0, n = 0; i < r->n_rows && st == STELE_OK; i += n) {
        n = run_length(r, i);
        st = f->m.kind == MATRIX_DENSE ? read_dense(s, f, r, i, n) : read_csr(s, f, r, i, n);
    }
    return st;
}
