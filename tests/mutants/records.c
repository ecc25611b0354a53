/* Records with sparse counts, a number, a category and a text each: the sound plugin of mutants of
 * sources whose fields are no dense matrix. */
#include <stele/plugin.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 200, FEATURES = 12, GROUPS = 3, FIELDS = 4 };
enum { COUNTS, AGE, GROUP, NOTE };

struct stele_inst {
    const stele_host *host;
    char id[ROWS][8];
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    self->host = a->host;
    for (unsigned i = 0; i < ROWS; i++) {
        snprintf(self->id[i], sizeof self->id[i], "row%u", i);
    }
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    free(self);
}

static uint32_t n_axes(const stele_inst *self)
{
    (void)self;
    return 1;
}

static int64_t n_rows(const stele_inst *self, uint32_t axis)
{
    (void)self;
    return axis == 0 ? ROWS : 0;
}

static const char *row_id(const stele_inst *self, uint32_t axis, int64_t row)
{
    return axis == 0 && row >= 0 && row < ROWS ? self->id[row] : NULL;
}

static uint32_t n_fields(const stele_inst *self)
{
    (void)self;
    return FIELDS;
}

static stele_status field(const stele_inst *self, uint32_t i, stele_field *ret)
{
    static const char *const name[] = { "counts", "age", "group", "note" };
    static const uint32_t content[] = { STELE_FIELD_MATRIX, STELE_FIELD_NUMBER,
                                        STELE_FIELD_CATEGORY, STELE_FIELD_TEXT };
    static const uint32_t dtype[] = { STELE_F32, STELE_F64, STELE_I32, 0 };
    (void)self;
    if (i >= FIELDS) {
        return STELE_E_ARG;
    }
    ret->name = name[i];
    ret->content = content[i];
    ret->dtype = dtype[i];
#ifdef DEFECT_NUMBER_OF_FLOATS
    ret->dtype = i == AGE ? STELE_F32 : ret->dtype;
#endif
    ret->layout = i == COUNTS ? STELE_CSR : STELE_DENSE;
    ret->axis = 0;
    ret->sample = (stele_shape){ i == COUNTS ? 1 : 0, 0, { i == COUNTS ? FEATURES : 0 } };
    ret->n_categories = i == GROUP ? GROUPS : 0;
#ifdef DEFECT_CATEGORIES_OF_A_NUMBER
    ret->n_categories = i == AGE ? GROUPS : ret->n_categories;
#endif
    return STELE_OK;
}

static const char *feature_name(const stele_inst *self, uint32_t i, int64_t feature)
{
    (void)self;
    (void)i;
    (void)feature;
    return NULL;
}

static const char *category(const stele_inst *self, uint32_t i, int64_t code)
{
    static const char *const name[] = { "left", "middle", "right" };
    (void)self;
    return i == GROUP && code >= 0 && code < GROUPS ? name[code] : NULL;
}

/* Every row has one to four entries, three features apart. */
static int64_t n_entries(int64_t row)
{
    return 1 + row % 4;
}

static stele_status check_row(const stele_inst *self, int64_t row)
{
    return row >= 0 && row < ROWS
               ? STELE_OK
               : STELE_FAIL(self->host, STELE_E_ARG, "there is no row %lld", (long long)row);
}

static stele_status count(const stele_inst *self, uint32_t i, uint64_t n, const int64_t *row,
                          int64_t *ret_n)
{
    stele_status status = i == COUNTS ? STELE_OK : STELE_E_UNSUPPORTED;
    for (uint64_t r = 0; status == STELE_OK && r < n; r++) {
        status = check_row(self, row[r]);
        ret_n[r] = n_entries(row[r]);
#ifdef DEFECT_COUNT_OF_FIRST
        ret_n[r] = n_entries(row[0]);
#endif
#ifdef DEFECT_COUNT_ONE_MORE
        ret_n[r] += row[r] % 16 == 3;
#endif
#ifdef DEFECT_COUNT_ONE_LESS
        ret_n[r] -= row[r] % 16 == 3;
#endif
    }
    return status;
}

static void read_counts(int64_t row, float *data, int32_t *column)
{
    const int64_t n = n_entries(row);
    for (int64_t k = 0; k < n; k++) {
#ifdef DEFECT_ROW_UNWRITTEN
        if (row % 10 == 5) {
            continue;
        }
#endif
        data[k] = (float)(1 + (row + k) % 7);
        column[k] = (int32_t)(3 * k + row % 3);
#ifdef DEFECT_COLUMNS_DESCEND
        column[k] = (int32_t)(3 * (n - 1 - k) + row % 3);
#endif
#ifdef DEFECT_COLUMNS_FROM_ONE
        column[k] += 1;
#endif
#ifdef DEFECT_COLUMN_TWICE
        column[k] = k == 3 ? column[k - 1] : column[k];
#endif
    }
}

static stele_status read_rows(const stele_inst *self, const stele_read *r)
{
    stele_status status = STELE_OK;
    for (uint64_t i = 0; status == STELE_OK && i < r->n_rows; i++) {
        const int64_t row = r->row[i];
        status = check_row(self, row);
        if (status != STELE_OK) {
            return status;
        }
        switch (r->field) {
        case COUNTS:
            read_counts(row, (float *)r->data + r->row_start[i], r->column + r->row_start[i]);
            break;
        case AGE:
#ifdef DEFECT_NUMBER_UNWRITTEN
            if (row % 10 == 5) {
                break;
            }
#endif
            ((double *)r->data)[i] = row % 9 == 4 ? NAN : 20.0 + (double)row;
#ifdef DEFECT_NUMBER_INFINITE
            ((double *)r->data)[i] = row % 9 == 4 ? HUGE_VAL : 20.0 + (double)row;
#endif
            break;
        case GROUP: ((int32_t *)r->data)[i] = (int32_t)(row % (GROUPS + 1)) - 1;
#ifdef DEFECT_CODES_FROM_ONE
            ((int32_t *)r->data)[i] = (int32_t)(row % (GROUPS + 1));
#endif
#ifdef DEFECT_MISSING_IS_LEAST
            ((int32_t *)r->data)[i] = row % 7 == 2 ? INT32_MIN : (int32_t)(row % GROUPS);
#endif
            break;
        default:
#ifdef DEFECT_TEXT_UNWRITTEN
            if (row % 10 == 5) {
                break;
            }
#endif
            r->text[i] = row % 8 == 1 ? NULL : self->id[row];
        }
    }
    return status;
}

static const stele_source_vt vtable = {
    .struct_size = sizeof vtable,
    .create = create,
    .destroy = destroy,
    .n_axes = n_axes,
    .n_rows = n_rows,
    .row_id = row_id,
    .n_fields = n_fields,
    .field = field,
    .feature_name = feature_name,
    .category = category,
    .count = count,
    .read = read_rows,
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_SOURCE,
    .min_host_minor = STELE_ABI_MINOR,
    .caps = STELE_CAP_BITWISE_REPEAT,
    .id = "source/" NAME,
    .version = "0.1.0",
    .summary = "Records for tests.",
    .license = "BSD-3-Clause",
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
