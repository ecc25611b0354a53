#include "eval/report_private.h"
#include "eval/trust.h"

#include "eval/moments.h"

#include <math.h>

/* Figures of one group. */
typedef struct group {
    stele__moments rows, excess, conflict, chance, coverage;
    stele__moments share[STELE__MAX_MODALITIES], alone[STELE__MAX_MODALITIES];
    int64_t has[STELE__MAX_MODALITIES];
} group;

static void add(stele__moments *m, double value)
{
    if (!isnan(value)) {
        stele__moments_add(m, value);
    }
}

static void add_row(const stele__trust_request *q, const stele__trust *t, int64_t r, group *g)
{
    const uint32_t n = q->judge->model->n_modalities;
    const double *coverage = t->coverage + r * (1 + (int64_t)n);
    if ((stele__judge_present(q->judge, q->row[r]) & q->mask) == 0) {
        return;
    }
    const int tested = !isnan(t->excess[r]);
    stele__moments_add(&g->rows, 1.0);
    add(&g->coverage, coverage[0]);
    if (tested) {
        stele__moments_add(&g->excess, t->excess[r]);
        stele__moments_add(&g->chance, t->chance[r] < 0.05);
        if (!isnan(t->p[r])) {
            stele__moments_add(&g->conflict, t->p[r] < 0.05);
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        g->has[i] += !isnan(t->share[r * n + i]);
        add(&g->alone[i], coverage[1 + i]);
        if (tested) {
            add(&g->share[i], t->share[r * n + i]);
        }
    }
}

static json_t *mean_of(const stele__moments *m)
{
    return stele__report_number(m->n > 0.0 ? m->mean : NAN);
}

static json_t *group_json(const stele__trust_request *q, const stele__trust *t,
                          const stele__label *label, int32_t code)
{
    const stele__model *m = q->judge->model;
    group g = { 0 };
    json_t *modalities = json_object();
    for (int64_t r = 0; r < t->n; r++) {
        if (code < 0 || label->code[q->row[r]] == code) {
            add_row(q, t, r, &g);
        }
    }
    for (uint32_t i = 0; i < m->n_modalities; i++) {
        if ((q->mask >> i & 1) != 0) {
            json_object_set_new(modalities, m->modality[i].name,
                                json_pack("{s:I, s:o, s:o}", "rows", (json_int_t)g.has[i], "share",
                                          mean_of(&g.share[i]), "coverage", mean_of(&g.alone[i])));
        }
    }
    return json_pack("{s:s?, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "group",
                     code >= 0 ? label->category[code] : NULL, "rows", (json_int_t)g.rows.n,
                     "tested", (json_int_t)g.excess.n, "disagreement", mean_of(&g.excess),
                     "conflict", mean_of(&g.conflict), "conflict_chi_square", mean_of(&g.chance),
                     "coverage", mean_of(&g.coverage), "coverage_error",
                     stele__report_number(stele__moments_standard_error(&g.coverage)), "modalities",
                     modalities);
}

json_t *stele__trust_report(const stele__trust_request *q, const stele__trust *t,
                            const stele__label *label)
{
    json_t *groups = json_array();
    json_array_append_new(groups, group_json(q, t, label, -1));
    for (int32_t c = 0; label != NULL && c < label->n_categories; c++) {
        json_array_append_new(groups, group_json(q, t, label, c));
    }
    return json_pack("{s:I, s:I, s:o}", "samples", (json_int_t)q->n_samples, "reference_rows",
                     (json_int_t)q->n_reference, "groups", groups);
}
