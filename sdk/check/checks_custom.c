/* Custom operations of plugins, with every shape of a pass that a plugin may make of them. */
#include "block.h"
#include "custom.h"

static void run_once(check_trial *t, const rig_plan *plan)
{
    rig r;
    rig_result res;
    const double *d[RIG_MOST_INPUTS];
    if (rig_start(t, plan, &r) && rig_compute(&r, r.plan.rows, NULL, 1, &res)) {
        if (rig_backward(&r, &res, d) != STELE_OK) {
            check_fail(t, "derivatives failed: %s", rig_message(&r));
        }
        rig_result_finish(&res);
    }
    rig_finish(&r);
}

/* What generate makes of a pass without derivatives. */
static void generate_once(check_trial *t, const rig_plan *plan)
{
    block_rig b;
    if (block_start(t, plan, &b)) {
        double *x = rig_take(&b.r, (size_t)(b.rows * b.features) * sizeof *x);
        for (uint32_t what = STELE_DRAW_MEAN; what <= STELE_DRAW_SAMPLE; what++) {
            own_draw(&b, what, 1, x);
        }
    }
    block_finish(&b);
}

void check_custom_operations(check_trial *t)
{
    const stele_plugin *p = &t->plugin->desc;
    const int modality = p->kind == STELE_MODALITY;
    rig_plan plan = { .rows = 7, .features = 6, .covariates = 2, .tables = custom_tables() };
    for (int wide = (p->caps & STELE_CAP_F64) != 0; wide >= 0 && t->verdict < CHECK_FAIL; wide--) {
        plan.dtype = wide ? STELE_F64 : STELE_F32;
        for (plan.training = 0; plan.training < 2 && t->verdict < CHECK_FAIL; plan.training++) {
            run_once(t, &plan);
        }
    }
    plan.training = 0;
    if (modality && t->plugin->vt.modality.generate != NULL && t->verdict < CHECK_FAIL) {
        generate_once(t, &plan);
    }
    if (modality && t->verdict < CHECK_FAIL && rig_takes_sparse(t)) {
        plan.layout = STELE_CSR;
        run_once(t, &plan);
        plan.layout = STELE_DENSE;
    }
    if (modality && t->verdict < CHECK_FAIL && (p->caps & STELE_CAP_WINDOW) != 0) {
        rig_choose_again(); /* not all rows may stand in windows */
        plan.window = 3;
        run_once(t, &plan);
    }
}
