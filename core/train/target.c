#include "train/target.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

uint32_t stele__target_content(int32_t target_type)
{
    return target_type == STELE__TARGET_CATEGORY ? STELE_FIELD_CATEGORY
           : target_type == STELE__TARGET_NUMBER ? STELE_FIELD_NUMBER
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

static int64_t count_values(const stele__label *l, const int64_t *row, int64_t n)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += has_value(l, row[i]);
    }
    return sum;
}

stele_status stele__target_describe(const stele__spec *spec, size_t i, const stele__dataset *data,
                                    const stele__split *split, const stele__state *state,
                                    stele_field *ret, stele__diag *diag)
{
    const stele__head_spec *host = stele__head_host(&spec->head[i]);
    const stele__state_head *known = stele__state_head_of(state, spec->head[i].name);
    *ret = (stele_field){ .struct_size = sizeof *ret, .name = host->target };
    if (known != NULL) {
        ret->content = known->content;
        ret->n_categories = known->n_categories;
    } else {
        const stele__label *l =
            asked_label(data, host->target, stele__target_content(host->target_type));
        /* With new data, which have no split, there always is a state. */
        int64_t n = split->n[STELE__TRAIN];
        ret->content = l->content;
        ret->n_categories = l->n_categories;
        if (count_values(l, split->row[STELE__TRAIN], n) == 0) {
            return stele__diag_error(diag, STELE_E_DATA, &l->place,
                                     "heads.%s: none of the %lld training rows has a value in `%s`",
                                     spec->head[i].name, (long long)n, host->target);
        }
    }
    ret->dtype = ret->content == STELE_FIELD_CATEGORY ? STELE_I32 : STELE_F64;
    ret->layout = STELE_DENSE;
    return STELE_OK;
}

/* Values are narrow: all of them make one chunk. */
typedef struct values {
    uint32_t dtype;
    int64_t n;
    void *data; /* (n) */
    int done;
} values;

static stele_status next_values(void *ctx, stele_view *ret)
{
    values *v = ctx;
    *ret = (stele_view){ .struct_size = sizeof *ret,
                         .dtype = v->dtype,
                         .layout = STELE_DENSE,
                         .shape = { .ndim = 1, .dim = { v->done ? 0 : v->n } },
                         .data = v->data };
    v->done = 1;
    return STELE_OK;
}

stele_status stele__head_fit(stele__model *m, uint32_t i, const stele__dataset *data,
                             const stele__split *split, stele__diag *diag)
{
    const stele_field *target = &m->head[i].target;
    const stele__label *l = stele__dataset_label(data, target->name, target->content);
    values v = { .dtype = target->dtype };
    v.data = stele__calloc((size_t)split->n[STELE__TRAIN], sizeof(double));
    if (v.data == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t k = 0; k < split->n[STELE__TRAIN]; k++) {
        int64_t row = split->row[STELE__TRAIN][k];
        if (has_value(l, row) && l->code != NULL) {
            ((int32_t *)v.data)[v.n++] = l->code[row];
        } else if (has_value(l, row)) {
            ((double *)v.data)[v.n++] = l->number[row];
        }
    }
    stele__fit_source source = { .n_rows = v.n, .next = next_values, .ctx = &v };
    stele_status status = stele__model_fit_head(m, i, &source, diag);
    stele__free(v.data);
    return status;
}
