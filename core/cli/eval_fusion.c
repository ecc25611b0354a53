#include "cli/eval_fusion.h"

#include "base/mem.h"
#include "data/csv.h"
#include "eval/trust.h"

#include <string.h>

/* A matrix's column as one of its own; the names and values of a table that is written. */
typedef struct sheet {
    stele__column *column;
    size_t n, n_rows;
    void **owned; /* n_owned */
    size_t n_owned;
    stele_status status;
} sheet;

static void *own(sheet *s, void *p)
{
    if (p == NULL) {
        s->status = STELE_E_NOMEM;
    } else {
        s->owned[s->n_owned++] = p;
    }
    return p;
}

/* Elements at, at + stride, ... of `values` under "prefix" or "prefix_name". */
static void add(sheet *s, const char *prefix, const char *name, const double *values, size_t at,
                size_t stride)
{
    stele__str title;
    stele__str_init(&title);
    stele__str_printf(&title, "%s%s%s", prefix, name != NULL ? "_" : "", name != NULL ? name : "");
    char *text = own(s, stele__str_take(&title));
    double *copy = own(s, stele__calloc(s->n_rows + 1, sizeof *copy));
    for (size_t r = 0; copy != NULL && r < s->n_rows; r++) {
        copy[r] = values[r * stride + at];
    }
    s->column[s->n++] = (stele__column){ .name = text, .kind = STELE__DOUBLE, .f64 = copy };
}

static void add_ids(sheet *s, const stele__trust_request *q, const stele__label *label)
{
    const char **id = own(s, stele__calloc(s->n_rows + 1, sizeof *id));
    const char **class = own(s, stele__calloc(s->n_rows + 1, sizeof *class));
    for (size_t r = 0; s->status == STELE_OK && r < s->n_rows; r++) {
        int32_t code = label != NULL ? label->code[q->row[r]] : -1;
        id[r] = stele__dataset_row_id(q->judge->data, q->row[r]);
        class[r] = code >= 0 ? label->category[code] : NULL;
    }
    s->column[s->n++] = (stele__column){ .name = "id", .kind = STELE__TEXT, .text = id };
    if (label != NULL) {
        s->column[s->n++] =
            (stele__column){ .name = label->name, .kind = STELE__TEXT, .text = class };
    }
}

/* Whose measurement the row has, where data.mismatched says so. */
static void add_partner(sheet *s, const stele__trust_request *q, const char *name)
{
    const int64_t m = stele__dataset_matrix(q->judge->data, name);
    const int64_t *partner = m >= 0 ? q->judge->data->matrix[m].partner : NULL;
    if (partner == NULL) {
        return;
    }
    stele__str title;
    stele__str_init(&title);
    stele__str_printf(&title, "partner_%s", name);
    char *text = own(s, stele__str_take(&title));
    const char **id = own(s, stele__calloc(s->n_rows + 1, sizeof *id));
    for (size_t r = 0; id != NULL && r < s->n_rows; r++) {
        const int64_t row = partner[q->row[r]];
        id[r] = row >= 0 ? stele__dataset_row_id(q->judge->data, row) : NULL;
    }
    s->column[s->n++] = (stele__column){ .name = text, .kind = STELE__TEXT, .text = id };
}

static stele_status write_rows(const stele__trust_request *q, const stele__trust *t,
                               const stele__label *label, const char *path, stele__diag *diag)
{
    const stele__model *m = q->judge->model;
    const size_t n = m->n_modalities, most = 6 + 3 * n;
    sheet s = { .n_rows = (size_t)t->n };
    s.column = stele__calloc(most, sizeof *s.column);
    s.owned = stele__calloc(2 * most + 2, sizeof(void *));
    s.status = s.column != NULL && s.owned != NULL ? STELE_OK : STELE_E_NOMEM;
    if (s.status == STELE_OK) {
        add_ids(&s, q, label);
        for (size_t i = 0; i < n; i++) {
            add(&s, "share", m->modality[i].name, t->share, i, n);
        }
        add(&s, "disagreement", NULL, t->excess, 0, 1);
        add(&s, "p_chi_square", NULL, t->chance, 0, 1);
        add(&s, "p", NULL, t->p, 0, 1);
        add(&s, "coverage", NULL, t->coverage, 0, 1 + n);
        for (size_t i = 0; i < n; i++) {
            add(&s, "coverage", m->modality[i].name, t->coverage, 1 + i, 1 + n);
        }
        for (size_t i = 0; i < n; i++) {
            add_partner(&s, q, m->modality[i].name);
        }
    }
    if (s.status == STELE_OK) {
        s.status = stele__csv_write(path, s.column, s.n, s.n_rows, diag);
    }
    for (size_t i = 0; i < s.n_owned; i++) {
        stele__free(s.owned[i]);
    }
    stele__free(s.owned);
    stele__free(s.column);
    return s.status;
}

stele_status stele__eval_fusion(const stele__opened *o, const int64_t *row, int64_t n,
                                uint64_t mask, const char *csv, const stele__bootstrap *b,
                                json_t *report, stele__diag *diag)
{
    stele__trust t = { 0 };
    const stele__label *label = NULL;
    const int64_t n_valid = o->run.split->n[STELE__VALID];
    const int reference = n_valid > 0 ? STELE__VALID : STELE__TRAIN;
    stele__trust_request q = { .judge = &o->judge,
                               .row = row,
                               .n = n,
                               .reference = o->run.split->row[reference],
                               .n_reference = o->run.split->n[reference],
                               .mask = mask,
                               .n_samples = (uint32_t)o->plan.fusion_samples };
    if (o->plan.fusion_labels != NULL) {
        label = stele__dataset_label(o->run.data, o->plan.fusion_labels, STELE_FIELD_CATEGORY);
    }
    stele_status status = stele__trust_compute(&q, &t, diag);
    if (status == STELE_OK) {
        json_t *fusion = stele__trust_report(&q, &t, label, b);
        json_object_set_new(fusion, "reference", json_string(stele__part_name(reference)));
        status = json_object_set_new(report, "fusion", fusion) == 0 ? STELE_OK : STELE_E_NOMEM;
    }
    if (status == STELE_OK && csv != NULL) {
        status = write_rows(&q, &t, label, csv, diag);
    }
    stele__trust_finish(&t);
    return status;
}
