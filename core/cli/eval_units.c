#include "cli/eval_units.h"

#include "base/mem.h"

/* The group of each row by number, in the order in which they first appear. */
static stele_status number_groups(const stele__label *label, const int64_t *row, int64_t n,
                                  int32_t *unit, int64_t *ret_n)
{
    int32_t *known = stele__malloc((size_t)(label->n_categories + 1) * sizeof *known);
    if (known == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t c = 0; c < label->n_categories; c++) {
        known[c] = -1;
    }
    *ret_n = 0;
    for (int64_t r = 0; r < n; r++) {
        const int32_t code = label->code[row[r]];
        if (code >= 0 && known[code] >= 0) {
            unit[r] = known[code];
            continue;
        }
        unit[r] = (int32_t)(*ret_n)++;
        if (code >= 0) {
            known[code] = unit[r];
        }
    }
    stele__free(known);
    return STELE_OK;
}

stele_status stele__eval_units(const stele__opened *o, const int64_t *row, int64_t n,
                               stele__bootstrap *b)
{
    const char *group = o->loaded.spec->data->group;
    const stele__label *label =
        group != NULL ? stele__dataset_label(o->run.data, group, STELE_FIELD_CATEGORY) : NULL;
    b->n = b->n_units = n;
    b->seed = o->judge.seed;
    b->pool = o->run.pool;
    if (label == NULL) {
        return STELE_OK;
    }
    int32_t *unit = stele__calloc((size_t)n + 1, sizeof *unit);
    b->unit = unit;
    return unit != NULL ? number_groups(label, row, n, unit, &b->n_units) : STELE_E_NOMEM;
}

void stele__eval_units_finish(stele__bootstrap *b)
{
    stele__free((void *)(uintptr_t)b->unit);
    b->unit = NULL;
}
