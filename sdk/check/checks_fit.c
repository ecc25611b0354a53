/* What fit makes of data that tell nothing: features without counts, targets that are all the same. */
#include "rig.h"

#include "graph/tensor.h"

#include <math.h>

static void expect_finite(rig *r, const char *what)
{
    for (uint32_t e = 0; e < stele__params_count(r->params); e++) {
        const stele__param *p = stele__params_entry(r->params, e);
        for (int64_t i = 0; p->kind != STELE__FROZEN && i < p->n; i++) {
            double v = r->plan.dtype == STELE_F64 ? ((double *)p->values)[i] : (double)((float *)p->values)[i];
            if (!isfinite(v)) {
                check_fail(r->t, "%s: fit sets element %lld of `%s` to %g", what, (long long)i, p->name, v);
                return;
            }
        }
    }
}

/* A row of features, or a target: which are the same in all rows, and what they are. */
typedef struct dull {
    const char *what;
    int all; /* of the features; 0: the first */
    double value;
} dull;

static void fit_dull(check_trial *t, const dull *d, uint32_t layout)
{
    rig r;
    rig_plan plan = { .rows = 12, .raw = 1, .layout = layout };
    if (rig_start(t, &plan, &r)) {
        int is_head = r.plugin->desc.kind == STELE_HEAD;
        double *x = is_head ? r.target : r.input[0].value;
        int64_t width = is_head ? 1 : r.input[0].width;
        for (int64_t i = 0; i < r.plan.rows * width; i++) {
            x[i] = d->all || i % width == 0 ? d->value : x[i];
        }
        /* What validate refuses, and what fit refuses with a message, never gets as far as a training. */
        if ((is_head || rig_accepts(&r, r.plan.rows, x)) && rig_fit(&r) == STELE_OK) {
            expect_finite(&r, d->what);
        }
    }
    rig_finish(&r);
}

void check_fit_finite(check_trial *t)
{
    static const dull of_features[] = {
        { "a feature of zeros", 0, 0.0 },
        { "nothing but zeros", 1, 0.0 },
        { "a feature of ones", 0, 1.0 },
        { "nothing but ones", 1, 1.0 },
        { "a feature that nobody has measured (NaN)", 0, NAN },
    };
    static const dull of_targets[] = { { "targets that are all 0", 1, 0.0 }, { "targets that are all 1", 1, 1.0 } };
    int is_head = t->plugin->desc.kind == STELE_HEAD, sparse = !is_head && rig_takes_sparse(t);
    const dull *d = is_head ? of_targets : of_features;
    size_t n = is_head ? sizeof of_targets / sizeof of_targets[0] : sizeof of_features / sizeof of_features[0];
    for (size_t i = 0; i < n && t->verdict < CHECK_FAIL; i++) {
        fit_dull(t, &d[i], STELE_DENSE);
        if (sparse) {
            fit_dull(t, &d[i], STELE_CSR);
        }
    }
}
