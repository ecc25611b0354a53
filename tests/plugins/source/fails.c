/* Forty rows of zeros and ones and their kind, with something wrong in one slot: see fails.h. */
#include "../fails.h"

#include <stdio.h>

enum { ROWS = 40, FEATURES = 512, STEP = 16, KINDS = 2, LONGEST_ID = 8 };
enum { FIELD_X = 0, FIELD_KIND };

struct stele_inst {
    const stele_host *host;
    char id[ROWS][LONGEST_ID];
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    FAILS(a->host, "source.create", "the spring has dried up");
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    self->host = a->host;
    for (int r = 0; r < ROWS; r++) {
        snprintf(self->id[r], LONGEST_ID, "r%d", r);
    }
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    free(self);
}

static stele_status build(stele_inst *self, stele_build *b)
{
    (void)b;
    FAILS(self->host, "source.build", "the well is not dug");
    return STELE_OK;
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
    (void)axis;
    if (fails_is("FAILS_IN", "source.row_id")) {
        fails_disturb();
    }
    return self->id[row];
}

static uint32_t n_fields(const stele_inst *self)
{
    (void)self;
    return 2;
}

static stele_status field(const stele_inst *self, uint32_t number, stele_field *ret)
{
    FAILS(self->host, "source.field", "field %u lies fallow", number);
    if (number == FIELD_X) {
        *ret = (stele_field){ .struct_size = sizeof *ret,
                              .name = "X",
                              .content = STELE_FIELD_MATRIX,
                              .dtype = STELE_F32,
                              .layout = STELE_CSR,
                              .sample = { .ndim = 1, .dim = { FEATURES } } };
    } else {
        *ret = (stele_field){ .struct_size = sizeof *ret,
                              .name = "kind",
                              .content = STELE_FIELD_CATEGORY,
                              .dtype = STELE_I32,
                              .layout = STELE_DENSE,
                              .n_categories = KINDS };
    }
    return STELE_OK;
}

static const char *feature_name(const stele_inst *self, uint32_t of, int64_t feature)
{
    (void)self;
    (void)of;
    (void)feature;
    return NULL;
}

static const char *category(const stele_inst *self, uint32_t of, int64_t code)
{
    static const char *const name[KINDS] = { "even", "odd" };
    (void)self;
    (void)of;
    return name[code];
}

static stele_status count(const stele_inst *self, uint32_t of, uint64_t n, const int64_t *row,
                          int64_t *ret_n)
{
    (void)of;
    (void)row;
    FAILS(self->host, "source.count", "cannot count to %d", (int)n);
    for (uint64_t i = 0; i < n; i++) {
        ret_n[i] = FEATURES / STEP;
    }
    return STELE_OK;
}

static stele_status read_rows(const stele_inst *self, const stele_read *r)
{
    FAILS(self->host, r->field == FIELD_X ? "source.read" : "source.read_kind",
          "cannot read between the lines of row %d", (int)r->row[0]);
    for (uint64_t i = 0; i < r->n_rows; i++) {
        if (r->field == FIELD_KIND) {
            ((int32_t *)r->data)[i] = (int32_t)(r->row[i] % KINDS);
            continue;
        }
        for (int k = 0; k < FEATURES / STEP; k++) {
            r->column[r->row_start[i] + k] = (int32_t)(STEP * k + r->row[i] % STEP);
            ((float *)r->data)[r->row_start[i] + k] = 1.0f;
        }
    }
    return STELE_OK;
}

static const stele_source_vt vtable = {
    .struct_size = sizeof vtable,
    .create = create,
    .destroy = destroy,
    .build = build,
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
    .id = "source/fails",
    .version = "0.1.0",
    .summary = "Zeros and ones, for tests.",
    .license = "BSD-3-Clause",
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
