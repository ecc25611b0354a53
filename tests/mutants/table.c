/* A small table in memory: the sound plugin of source mutants. */
#include <stele/plugin.h>

#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 20, COLUMNS = 6, TEXT = COLUMNS - 1, LEVELS = 3 };

struct stele_inst {
    const stele_host *host;
    char id[ROWS][8];
    FILE *file; /* of a mutant: the numbers, which all threads read through one position */
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    self->host = a->host;
    for (unsigned i = 0; i < ROWS; i++) {
#ifdef DEFECT_SAME_IDS
        snprintf(self->id[i], sizeof self->id[i], "row%u", i / 2);
#else
        snprintf(self->id[i], sizeof self->id[i], "row%u", i);
#endif
    }
#ifdef DEFECT_SHARED_FILE
    self->file = tmpfile();
    for (int i = 0; self->file != NULL && i < ROWS * COLUMNS; i++) {
        float v = i % COLUMNS == TEXT ? (float)(i / COLUMNS % LEVELS) : (float)i + 0.5f;
        fwrite(&v, sizeof v, 1, self->file);
    }
#endif
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
#ifdef DEFECT_SHARED_FILE
    if (self != NULL && self->file != NULL) {
        fclose(self->file);
    }
#endif
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
    return 2;
}

static stele_status field(const stele_inst *self, uint32_t i, stele_field *ret)
{
    (void)self;
    if (i > 1) {
        return STELE_E_ARG;
    }
    ret->name = i == 0 ? "numbers" : "group";
    ret->content = i == 0 ? STELE_FIELD_MATRIX : STELE_FIELD_CATEGORY;
    ret->dtype = i == 0 ? STELE_F32 : STELE_I32;
    ret->layout = STELE_DENSE;
    ret->axis = 0;
    ret->sample = (stele_shape){ i == 0 ? 1 : 0, 0, { i == 0 ? COLUMNS : 0 } };
    ret->n_categories = i == 0 ? 0 : 2;
    return STELE_OK;
}

static const char *feature_name(const stele_inst *self, uint32_t i, int64_t feature)
{
    (void)self;
#ifdef DEFECT_NAME_IN_PASSING
    static char name[16];
    snprintf(name, sizeof name, "column%d", (int)feature);
    return i == 0 && feature >= 0 && feature < COLUMNS ? name : NULL;
#else
    (void)i;
    (void)feature;
    return NULL;
#endif
}

static const char *category(const stele_inst *self, uint32_t i, int64_t code)
{
    (void)self;
    return i != 1 || code < 0 || code > 1 ? NULL : code == 0 ? "even" : "odd";
}

static stele_status count(const stele_inst *self, uint32_t i, uint64_t n, const int64_t *row,
                          int64_t *ret_n)
{
    (void)self;
    (void)i;
    (void)n;
    (void)row;
    (void)ret_n;
    return STELE_E_UNSUPPORTED;
}

/* The last column holds texts. */
static int64_t n_levels(const stele_inst *self, uint32_t i, int64_t feature)
{
    (void)self;
    return i == 0 && feature == TEXT ? LEVELS : 0;
}

static const char *level(const stele_inst *self, uint32_t i, int64_t feature, int64_t code)
{
#ifdef DEFECT_SAME_LEVELS
    static const char *const name[] = { "low", "high", "low" };
#else
    static const char *const name[] = { "low", "high", "middle" };
#endif
    return n_levels(self, i, feature) > 0 && code >= 0 && code < LEVELS ? name[code] : NULL;
}

static float number(const stele_inst *self, int64_t row, int64_t column)
{
    if (column == TEXT) {
#ifdef DEFECT_CODE_BEYOND
        return (float)(row % (LEVELS + 1));
#else
        return (float)(row % LEVELS);
#endif
    }
#ifdef DEFECT_ADDRESS
    return (float)((uintptr_t)self % 1009) + (float)(row * COLUMNS + column);
#else
    (void)self;
    return (float)(row * COLUMNS + column) + 0.5f;
#endif
}

static stele_status read_rows(const stele_inst *self, const stele_read *r)
{
    for (uint64_t i = 0; i < r->n_rows; i++) {
        int64_t row = r->row[i];
#ifdef DEFECT_ASSUMES_ORDER
        row = r->row[0] + (int64_t)i;
#endif
#ifndef DEFECT_NO_RANGE
        if (row < 0 || row >= ROWS) {
            return STELE_FAIL(self->host, STELE_E_ARG, "there is no row %lld", (long long)row);
        }
#endif
#ifdef DEFECT_SHARED_FILE
        if (r->field == 0) {
            fseek(self->file, (long)(row * COLUMNS * (int64_t)sizeof(float)), SEEK_SET);
            if (fread((float *)r->data + i * COLUMNS, sizeof(float), COLUMNS, self->file) <
                COLUMNS) {
                return STELE_E_IO;
            }
            continue;
        }
#endif
        for (int64_t j = 0; r->field == 0 && j < COLUMNS; j++) {
            ((float *)r->data)[i * COLUMNS + (uint64_t)j] = number(self, row, j);
        }
#ifdef DEFECT_WRITES_PAST
        if (r->field == 0) {
            ((float *)r->data)[(i + 1) * COLUMNS] = 0.0f;
        }
#endif
#ifndef DEFECT_LEAVES_UNWRITTEN
        if (r->field == 1) {
            ((int32_t *)r->data)[i] = (int32_t)(row % 2);
        }
#endif
    }
    return STELE_OK;
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
    .n_levels = n_levels,
    .level = level,
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_SOURCE,
    .min_host_minor = STELE_ABI_MINOR,
    .caps = STELE_CAP_BITWISE_REPEAT,
    .id = "source/" NAME,
    .version = "0.1.0",
    .summary = "A table for tests.",
    .license = "BSD-3-Clause",
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
