/* Numbers of dense arrays: from bytes of any kind and order to rows of floats. */
#include "array.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "Bytes of other order are turned around on little-endian machines only."
#endif

/* Bytes read at a time where they have to be converted. */
#define CHUNK 32768

size_t array_element_size(int element)
{
    static const size_t size[] = {
        [ELEMENT_U8] = 1,  [ELEMENT_I8] = 1,  [ELEMENT_U16] = 2, [ELEMENT_I16] = 2,
        [ELEMENT_U32] = 4, [ELEMENT_I32] = 4, [ELEMENT_U64] = 8, [ELEMENT_I64] = 8,
        [ELEMENT_F16] = 2, [ELEMENT_F32] = 4, [ELEMENT_F64] = 8
    };
    return size[element];
}

int64_t array_width(const array *a)
{
    int64_t n = 1;
    for (uint32_t d = 1; d < a->n_dims; d++) {
        n *= a->dim[d];
    }
    return n;
}

int64_t array_channels(const array *a)
{
    return a->dim[a->channels_last ? a->n_dims - 1 : 1];
}

/* Elements of one row that belong to the field, and how many stand before them in C's order. */
static int64_t own_width(const array *a, int64_t *ret_before)
{
    const int64_t width = array_width(a);
    *ret_before = a->is_part ? width / array_channels(a) * a->first : 0;
    return a->is_part ? width / array_channels(a) * (a->end - a->first) : width;
}

/* Where the field's row has the element that is number `at` of the row in C's order; below 0, or
 * not below own_width: it has not. */
static int64_t place_of(const array *a, int64_t at)
{
    int64_t before;
    (void)own_width(a, &before);
    if (!a->channels_last) {
        return at - before;
    }
    const int64_t channels = array_channels(a), each = array_width(a) / channels;
    return at % channels * each + at / channels - before;
}

stele_status array_check_size(const array *a)
{
    int64_t size = 0, want = (int64_t)array_element_size(a->element);
    stele_status st = input_size(a->in, &size);
    if (st != STELE_OK) {
        return st;
    }
    for (uint32_t d = 0; d < a->n_dims; d++) {
        if (a->dim[d] <= 0) {
            return input_fail(a->in, STELE_E_DATA,
                              "its dimension %u is %lld: there is nothing in it", d + 1,
                              (long long)a->dim[d]);
        }
        if (want > INT64_MAX / 2 / a->dim[d]) {
            return input_fail(a->in, STELE_E_DATA, "its header claims more elements than can be");
        }
        want *= a->dim[d];
    }
    size -= a->begin;
    if (size < want) {
        return input_fail(a->in, STELE_E_DATA,
                          "is cut short: its header promises %lld bytes of numbers, %lld are there",
                          (long long)want, (long long)size);
    }
    if (size > want) {
        return input_fail(
            a->in, STELE_E_DATA,
            "has %lld bytes behind the %lld bytes of numbers that its header promises",
            (long long)(size - want), (long long)want);
    }
    return array_width(a) <= INT32_MAX
               ? STELE_OK
               : input_fail(a->in, STELE_E_DATA, "has more than 2^31 elements in a row");
}

/* --- elements -------------------------------------------------------------------------------- */

static void swap_bytes(unsigned char *bytes, size_t n, size_t size)
{
    for (size_t i = 0; i < n; i++, bytes += size) {
        for (size_t k = 0; k < size / 2; k++) {
            unsigned char other = bytes[k];
            bytes[k] = bytes[size - 1 - k];
            bytes[size - 1 - k] = other;
        }
    }
}

static double from_f16(uint16_t h)
{
    int exponent = h >> 10 & 31;
    double fraction = h & 1023, sign = h & 0x8000 ? -1 : 1;
    if (exponent == 31) {
        return fraction != 0 ? (double)NAN : sign * (double)INFINITY;
    }
    return exponent == 0 ? sign * ldexp(fraction, -24)
                         : sign * ldexp(1024 + fraction, exponent - 25);
}

static double element_at(int element, const unsigned char *bytes)
{
    union {
        uint8_t u8;
        int8_t i8;
        uint16_t u16;
        int16_t i16;
        uint32_t u32;
        int32_t i32;
        uint64_t u64;
        int64_t i64;
        float f32;
        double f64;
    } v;
    memcpy(&v, bytes, array_element_size(element));
    switch (element) {
    case ELEMENT_U8: return v.u8;
    case ELEMENT_I8: return v.i8;
    case ELEMENT_U16: return v.u16;
    case ELEMENT_I16: return v.i16;
    case ELEMENT_U32: return v.u32;
    case ELEMENT_I32: return v.i32;
    case ELEMENT_U64: return (double)v.u64;
    case ELEMENT_I64: return (double)v.i64;
    case ELEMENT_F16: return from_f16(v.u16);
    case ELEMENT_F32: return (double)v.f32;
    default: return v.f64;
    }
}

/* Of element number `at` of the array, as it lies in the file. */
static stele_status too_large(const array *a, int64_t at, double v)
{
    const int64_t row = a->columns_first ? at % a->dim[0] : at / array_width(a);
    return input_fail(a->in, STELE_E_DATA,
                      "row %lld, counted from 0, has %g, which is too large for a number of single "
                      "precision",
                      (long long)row, v);
}

/* n consecutive elements; every one takes `stride` floats or doubles of ret. */
static stele_status read_elements(const array *a, int64_t first, int64_t n, int64_t stride,
                                  float *ret_f32, double *ret_f64)
{
    unsigned char bytes[CHUNK];
    int64_t size = (int64_t)array_element_size(a->element), most = CHUNK / size;
    int same = ret_f32 != NULL && stride == 1 && a->element == ELEMENT_F32 && !a->big_endian;
    stele_status st = STELE_OK;
    for (int64_t i = 0, k = 0; i < n && st == STELE_OK; i += k) {
        size_t got = 0;
        k = same || n - i < most ? n - i : most;
        st = input_read(a->in, a->begin + (first + i) * size, (size_t)(k * size),
                        same ? (void *)(ret_f32 + i) : bytes, &got);
        if (st == STELE_OK && got != (size_t)(k * size)) {
            st = input_fail(a->in, STELE_E_IO, "has become shorter while it was read");
        }
        if (st == STELE_OK && a->big_endian) {
            swap_bytes(bytes, (size_t)k, (size_t)size);
        }
        for (int64_t j = 0; j < k && st == STELE_OK && !same; j++) {
            double v = element_at(a->element, bytes + j * size);
            if (ret_f32 != NULL && fabs(v) > (double)FLT_MAX && isfinite(v)) {
                st = too_large(a, first + i + j, v);
            } else if (ret_f32 != NULL) {
                ret_f32[(i + j) * stride] = (float)v;
            } else {
                ret_f64[(i + j) * stride] = v;
            }
        }
    }
    return st;
}

/* --- rows ------------------------------------------------------------------------------------ */

/* Consecutive rows row[first] ..: how many. */
static uint64_t run_length(const stele_read *r, uint64_t first)
{
    uint64_t n = 1;
    while (first + n < r->n_rows && r->row[first + n] == r->row[first + n - 1] + 1) {
        n++;
    }
    return n;
}

/* Where the element that lies at place `f` of a row in Fortran's order is in C's. */
static int64_t c_order(const array *a, int64_t f)
{
    int64_t at = 0, stride = array_width(a);
    for (uint32_t d = 1; d < a->n_dims; d++) {
        stride /= a->dim[d];
        at += f % a->dim[d] * stride;
        f /= a->dim[d];
    }
    return at;
}

/* Column by column, so that reading goes forwards through the file. */
static stele_status read_columns_first(const array *a, const stele_read *r)
{
    int64_t before;
    const int64_t own = own_width(a, &before);
    stele_status st = STELE_OK;
    for (int64_t f = 0; f < array_width(a) && st == STELE_OK; f++) {
        const int64_t at = place_of(a, c_order(a, f));
        for (uint64_t i = 0, n = 0; at >= 0 && at < own && i < r->n_rows && st == STELE_OK;
             i += n) {
            n = run_length(r, i);
            st = read_elements(a, f * a->dim[0] + r->row[i], (int64_t)n, own,
                               (float *)r->data + at + (int64_t)i * own, NULL);
        }
    }
    return st;
}

/* Row by row, each turned so that its channels come first. */
static stele_status read_channels_last(const array *a, const stele_read *r)
{
    int64_t before;
    const int64_t width = array_width(a), own = own_width(a, &before);
    float *row = malloc((size_t)width * sizeof *row);
    stele_status st = row != NULL ? STELE_OK : input_nomem(a->in);
    for (uint64_t i = 0; i < r->n_rows && st == STELE_OK; i++) {
        float *to = (float *)r->data + (int64_t)i * own;
        st = read_elements(a, r->row[i] * width, width, 1, row, NULL);
        for (int64_t e = 0; e < width && st == STELE_OK; e++) {
            const int64_t at = place_of(a, e);
            if (at >= 0 && at < own) {
                to[at] = row[e];
            }
        }
    }
    free(row);
    return st;
}

static stele_status read_rows(const array *a, const stele_read *r)
{
    int64_t before, width = array_width(a), own = own_width(a, &before);
    stele_status st = STELE_OK;
    for (uint64_t i = 0, n = 0; i < r->n_rows && st == STELE_OK; i += n) {
        n = a->is_part ? 1 : run_length(r, i); /* parts of rows are not one after the other */
        float *f32 = a->n_dims > 1 ? (float *)r->data + (int64_t)i * own : NULL;
        double *f64 = a->n_dims > 1 ? NULL : (double *)r->data + i;
        st = read_elements(a, r->row[i] * width + before, (int64_t)n * own, 1, f32, f64);
    }
    return st;
}

/* --- slots ----------------------------------------------------------------------------------- */

stele_status array_source_create(const stele_create_args *a, stele_inst **ret)
{
    stele_inst *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return STELE_FAIL(a->host, STELE_E_NOMEM, "out of memory");
    }
    s->host = a->host;
    s->config = a->config;
    s->new_rows = a->new_rows != 0;
    *ret = s;
    return STELE_OK;
}

void array_source_destroy(stele_inst *s)
{
    if (s == NULL) {
        return;
    }
    for (uint32_t i = 0; i < s->n_arrays; i++) {
        if (!s->array[i].is_part) {
            input_close(s->array[i].in);
        }
        free(s->array[i].name);
        free(s->array[i].code);
        texts_finish(&s->array[i].category);
    }
    free(s->array);
    texts_finish(&s->id);
    free(s);
}

uint32_t array_source_n_axes(const stele_inst *s)
{
    (void)s;
    return 1;
}

int64_t array_source_n_rows(const stele_inst *s, uint32_t axis)
{
    return axis == 0 ? s->n_rows : 0;
}

const char *array_source_row_id(const stele_inst *s, uint32_t axis, int64_t row)
{
    return axis == 0 ? texts_at(&s->id, row) : NULL;
}

uint32_t array_source_n_fields(const stele_inst *s)
{
    return s->n_arrays;
}

stele_status array_source_field(const stele_inst *s, uint32_t index, stele_field *ret)
{
    if (index >= s->n_arrays) {
        return STELE_FAIL(s->host, STELE_E_ARG, "there is no field %u", index);
    }
    const array *a = &s->array[index];
    stele_field d = { .struct_size = sizeof d, .name = a->name, .layout = STELE_DENSE };
    d.content = a->n_dims > 1     ? STELE_FIELD_MATRIX
                : a->code != NULL ? STELE_FIELD_CATEGORY
                                  : STELE_FIELD_NUMBER;
    d.dtype = a->n_dims > 1 ? STELE_F32 : a->code != NULL ? STELE_I32 : STELE_F64;
    d.n_categories = a->code != NULL ? a->category.n : 0;
    d.sample.ndim = a->n_dims - 1;
    for (uint32_t k = 1; k < a->n_dims; k++) {
        d.sample.dim[k - 1] = a->dim[a->channels_last && k > 1 ? k - 1 : k];
    }
    d.sample.dim[0] = a->n_dims > 1 ? array_channels(a) : d.sample.dim[0];
    if (a->is_part) {
        d.sample.dim[0] = a->end - a->first;
    }
    *ret = d;
    return STELE_OK;
}

const char *array_source_no_name(const stele_inst *s, uint32_t index, int64_t number)
{
    (void)s;
    (void)index;
    (void)number;
    return NULL;
}

const char *array_source_category(const stele_inst *s, uint32_t index, int64_t number)
{
    return index < s->n_arrays ? texts_at(&s->array[index].category, number) : NULL;
}

stele_status array_source_count(const stele_inst *s, uint32_t index, uint64_t n, const int64_t *row,
                                int64_t *ret_n)
{
    (void)n;
    (void)row;
    (void)ret_n;
    return STELE_FAIL(s->host, STELE_E_ARG, "field %u is not sparse", index);
}

stele_status array_source_read(const stele_inst *s, const stele_read *r)
{
    if (r->field >= s->n_arrays) {
        return STELE_FAIL(s->host, STELE_E_ARG, "there is no field %u", r->field);
    }
    const array *a = &s->array[r->field];
    for (uint64_t i = 0; i < r->n_rows; i++) {
        if (r->row[i] < 0 || r->row[i] >= s->n_rows) {
            return STELE_FAIL(s->host, STELE_E_ARG, "`%s` has %lld rows, none with number %lld",
                              a->name, (long long)s->n_rows, (long long)r->row[i]);
        }
    }
    for (uint64_t i = 0; i < r->n_rows && a->code != NULL; i++) {
        ((int32_t *)r->data)[i] = a->code[r->row[i]];
    }
    return a->code != NULL                     ? STELE_OK
           : a->columns_first && a->n_dims > 1 ? read_columns_first(a, r)
           : a->channels_last                  ? read_channels_last(a, r)
                                               : read_rows(a, r);
}
