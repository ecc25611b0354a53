#include "model/batch.h"

#include "base/mem.h"
#include "data/window.h"
#include "model/prepared.h"

#include <string.h>

static void values_finish(stele__batch_values *v)
{
    stele__free(v->row_start);
    stele__free(v->column);
    stele__free(v->value);
    stele__free(v->value64);
}

void stele__batch_destroy(stele__batch *b)
{
    if (b == NULL) {
        return;
    }
    for (uint32_t i = 0; b->part != NULL && i < b->model->n_modalities; i++) {
        stele__batch_part *p = &b->part[i];
        stele__free(p->row);
        stele__free(p->position);
        stele__free(p->local);
        stele__free(p->bin);
        values_finish(&p->x);
        values_finish(&p->seen);
    }
    stele__free(b->part);
    stele__free(b->label);
    for (uint32_t i = 0; b->target != NULL && i < b->model->n_heads; i++) {
        stele__free(b->target[i].column);
    }
    stele__free(b->target);
    stele__free(b->row);
    stele__free(b->matrix);
    stele__free(b->beside);
    stele__free(b->present);
    stele__free(b);
}

/* Rows of `width` elements, sparse ones with room for that many entries in a batch. */
static stele_status values_create(const stele__batch *b, int64_t width, int is_csr, int64_t entries,
                                  stele__batch_values *v)
{
    size_t rows = (size_t)b->capacity;
    v->width = width;
    if (is_csr) {
        v->row_start = stele__calloc(rows + 1, sizeof *v->row_start);
        v->column = stele__calloc((size_t)entries, sizeof *v->column);
        if (v->row_start == NULL || v->column == NULL) {
            return STELE_E_NOMEM;
        }
    }
    v->value = stele__calloc((size_t)entries, sizeof *v->value);
    if (stele__params_dtype(b->model->params) == STELE_F64) {
        v->value64 = stele__calloc((size_t)entries, sizeof *v->value64);
        if (v->value64 == NULL) {
            return STELE_E_NOMEM;
        }
    }
    return v->value != NULL ? STELE_OK : STELE_E_NOMEM;
}

/* Of `bins` rows of matrix m each. */
static stele_status rows_create(const stele__batch *b, size_t m, const stele_field *field,
                                int64_t n_features, int64_t bins, stele__batch_values *v)
{
    const int is_csr = field->layout == STELE_CSR;
    const int64_t width = bins * n_features;
    /* At one distance from their rows, the bins of distinct rows are distinct. */
    return values_create(b, width, is_csr,
                         is_csr ? bins * stele__dataset_most_entries(b->data, m, b->capacity)
                                : b->capacity * width,
                         v);
}

static stele_status part_create(const stele__batch *b, uint32_t i, stele__batch_part *p)
{
    size_t rows = (size_t)b->capacity, m = b->matrix[i], seen = b->beside[i];
    const stele__modality *md = &b->model->modality[i];
    int64_t bins = md->window_bins;
    p->row = stele__calloc(rows, sizeof *p->row);
    p->position = stele__calloc(rows, sizeof *p->position);
    p->local = stele__calloc(rows, sizeof *p->local);
    if (p->row == NULL || p->position == NULL || p->local == NULL) {
        return STELE_E_NOMEM;
    }
    if (m == SIZE_MAX) {
        return STELE_OK;
    }
    const stele__prepared *prepared = md->prepared;
    stele_status status = prepared != NULL
                              ? values_create(b, prepared->width, 1,
                                              stele__prepared_most(prepared, b->capacity), &p->x)
                              : rows_create(b, m, &md->input, md->n_features, 1, &p->x);
    if (status == STELE_OK && bins > 0) {
        p->bin = stele__calloc(rows, (size_t)bins * sizeof *p->bin);
        status = p->bin != NULL ? rows_create(b, m, &md->input, md->n_features, bins, &p->seen)
                                : STELE_E_NOMEM;
    }
    if (status == STELE_OK && seen != SIZE_MAX) {
        status = rows_create(b, seen, &md->seen, md->n_seen, 1, &p->seen);
    }
    return status;
}

static stele_status target_create(const stele__batch *b, uint32_t h)
{
    const stele__head *head = &b->model->head[h];
    stele__target *t = &b->target[h];
    t->column = stele__calloc(head->n_columns, sizeof *t->column);
    t->n = t->column != NULL ? head->n_columns : 0;
    for (uint32_t c = 0; c < t->n; c++) {
        t->column[c] = stele__dataset_label(b->data, head->column[c], head->target.content);
    }
    return t->column != NULL ? STELE_OK : STELE_E_NOMEM;
}

stele_status stele__batch_create(const stele__model *model, const stele__dataset *data,
                                 int64_t capacity, stele__batch **ret)
{
    stele__batch *b = stele__calloc(1, sizeof *b);
    if (b == NULL) {
        return STELE_E_NOMEM;
    }
    b->data = data;
    b->model = model;
    b->capacity = capacity;
    b->row = stele__calloc((size_t)capacity, sizeof *b->row);
    b->present = stele__calloc((size_t)capacity, sizeof *b->present);
    b->matrix = stele__calloc(model->n_modalities, sizeof *b->matrix);
    b->beside = stele__calloc(model->n_modalities, sizeof *b->beside);
    b->part = stele__calloc(model->n_modalities, sizeof *b->part);
    b->label = stele__calloc((size_t)model->n_covariates, sizeof *b->label);
    b->target = stele__calloc(model->n_heads, sizeof *b->target);
    stele_status status = b->row != NULL && b->present != NULL && b->matrix != NULL &&
                                  b->beside != NULL && b->part != NULL && b->label != NULL &&
                                  b->target != NULL
                              ? STELE_OK
                              : STELE_E_NOMEM;
    for (uint32_t i = 0; i < model->n_covariates && status == STELE_OK; i++) {
        const stele__covariate *c = &model->covariate[i];
        b->label[i] = stele__dataset_label(data, c->name, c->content);
    }
    for (uint32_t i = 0; i < model->n_heads && status == STELE_OK; i++) {
        status = target_create(b, i);
    }
    for (uint32_t i = 0; i < model->n_modalities && status == STELE_OK; i++) {
        int64_t at = stele__dataset_matrix(data, model->modality[i].name);
        const int64_t beside =
            at >= 0 && model->modality[i].sees ? stele__dataset_beside(data, (size_t)at) : -1;
        const int lacks =
            model->modality[i].sees && (beside < 0 || !data->matrix[beside].available);
        b->beside[i] = beside >= 0 && !lacks ? (size_t)beside : SIZE_MAX;
        b->matrix[i] = at >= 0 && data->matrix[at].available && !lacks ? (size_t)at : SIZE_MAX;
        status = part_create(b, i, &b->part[i]);
    }
    if (status != STELE_OK) {
        stele__batch_destroy(b);
        return status;
    }
    *ret = b;
    return STELE_OK;
}

/* What was gathered for n rows, in double where the model computes in it. */
static void widen(int64_t n, stele__batch_values *v)
{
    int64_t entries = v->row_start != NULL ? v->row_start[n] : n * v->width;
    for (int64_t k = 0; v->value64 != NULL && k < entries; k++) {
        v->value64[k] = (double)v->value[k];
    }
}

static void gather_rows(const stele__batch *b, size_t m, const stele__batch_part *p,
                        stele__batch_values *v)
{
    if (v->row_start != NULL) {
        stele__dataset_gather_csr(b->data, m, p->n, p->row, v->row_start, v->column, v->value);
    } else {
        stele__dataset_gather_dense(b->data, m, p->n, p->row, v->value);
    }
    widen(p->n, v);
}

static void gather(stele__batch *b, uint32_t i, stele__batch_part *p)
{
    stele__batch_values *seen = &p->seen;
    size_t m = b->matrix[i];
    const stele__prepared *prepared = b->model->modality[i].prepared;
    if (prepared != NULL) {
        stele__prepared_gather(prepared, p->n, p->row, p->x.row_start, p->x.column, p->x.value);
        widen(p->n, &p->x);
    } else {
        gather_rows(b, m, p, &p->x);
    }
    if (b->beside[i] != SIZE_MAX) {
        gather_rows(b, b->beside[i], p, seen);
    }
    if (p->bin == NULL) {
        return;
    }
    stele__dataset_window_rows(b->data, m, p->n, p->row, p->bin);
    if (seen->row_start != NULL) {
        stele__dataset_gather_window_csr(b->data, m, p->n, p->bin, seen->row_start, seen->column,
                                         seen->value);
    } else {
        stele__dataset_gather_window_dense(b->data, m, p->n, p->bin, seen->value);
    }
    widen(p->n, seen);
}

void stele__batch_load(stele__batch *b, int64_t n, const int64_t *row, uint64_t hide)
{
    b->n = n;
    memcpy(b->row, row, (size_t)n * sizeof *row);
    memset(b->present, 0, (size_t)n * sizeof *b->present);
    for (uint32_t i = 0; i < b->model->n_modalities; i++) {
        stele__batch_part *p = &b->part[i];
        p->n = b->matrix[i] == SIZE_MAX || (hide >> i & 1) != 0
                   ? 0
                   : stele__dataset_select(b->data, b->matrix[i], n, row, p->row, p->position);
        memset(p->local, 0xff, (size_t)n * sizeof *p->local);
        for (int64_t k = 0; k < p->n; k++) {
            p->local[p->position[k]] = k;
            b->present[p->position[k]] |= UINT64_C(1) << i;
        }
        if (p->n > 0) {
            gather(b, i, p);
        }
    }
}
