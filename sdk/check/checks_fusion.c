/* Checks of fusion rules: the mixture that they give. */
#include "block.h"
#include "mixture.h"

#include "base/mem.h"
#include "graph/op.h"
#include "graph/ops.h"
#include "graph/tensor.h"

#include <math.h>
#include <string.h>

void check_fusion_order(check_trial *t)
{
    rig r;
    /* Parameters at their start: factors of the single modalities would tell them apart. */
    rig_plan plan = { .rows = 14, .raw = 1 };
    rig_result res;
    double *mean[2], *variance[2], *was[2 * RIG_MOST_EXPERTS];
    if (mixture_start(t, &plan, &r, &res)) {
        const uint32_t m_all = r.plan.experts;
        int64_t n = r.plan.rows * (int64_t)r.plan.latent;
        double *present = rig_take(&r, (size_t)r.plan.rows * m_all * sizeof *present);
        rig_result_finish(&res);
        mixture_moments(&r, &mean[0], &variance[0]);
        memcpy(present, r.present, (size_t)r.plan.rows * m_all * sizeof *present);
        for (uint32_t k = 0; k < 2 * m_all; k++) {
            was[k] = r.input[k].value;
        }
        for (uint32_t m = 0; m < m_all; m++) {
            const uint32_t from = (m + m_all - 1) % m_all;
            r.input[2 * m].value = was[2 * from];
            r.input[2 * m + 1].value = was[2 * from + 1];
            for (int64_t i = 0; i < r.plan.rows; i++) {
                r.present[i * m_all + m] = present[i * m_all + from];
            }
        }
        if (rig_compute(&r, r.plan.rows, NULL, 0, &res)) {
            rig_result_finish(&res);
            mixture_moments(&r, &mean[1], &variance[1]);
            double a = block_distance(n, mean[0], mean[1]), b = block_distance(n, variance[0], variance[1]);
            if (!(a <= 1e-5 && b <= 1e-5)) {
                check_fail(t, "modalities in another order move means by %.3g and variances by %.3g", a, b);
            }
        }
    }
    rig_finish(&r);
}

static void check_subset_list(rig *r)
{
    const stele_joint *j = &r->joint;
    for (uint32_t c = 0; c < j->n; c++) {
        if (j->subset[c] >> r->plan.experts != 0) {
            check_fail(r->t, "component %u claims modalities 0x%llx of %u", c, (unsigned long long)j->subset[c],
                       r->plan.experts);
        }
        for (uint32_t k = 0; k < c; k++) {
            if (j->subset[k] == j->subset[c]) {
                check_fail(r->t, "components %u and %u have the same subset 0x%llx", k, c,
                           (unsigned long long)j->subset[c]);
            }
        }
    }
}

void check_fusion_weights(check_trial *t)
{
    rig r;
    rig_plan plan = { .rows = 14 };
    rig_result res;
    if (mixture_start(t, &plan, &r, &res)) {
        rig_result_finish(&res);
        check_subset_list(&r);
        for (int64_t i = 0; i < r.plan.rows && t->verdict < CHECK_FAIL; i++) {
            double total = 0.0;
            for (uint32_t c = 0; c < r.joint.n; c++) {
                double w = mixture_weight(&r, i, c);
                int uses = 0;
                for (uint32_t m = 0; m < r.plan.experts; m++) {
                    uses = uses || (mixture_present(&r, i, m) && (r.joint.subset[c] >> m & 1) != 0);
                }
                total += w;
                if (w > 0.0 && !uses) {
                    check_fail(t, "row %lld has component %u, none of whose modalities is present", (long long)i, c);
                }
            }
            if (!(fabs(total - 1.0) <= 1e-5)) {
                check_fail(t, "row %lld: the weights sum to %.7g", (long long)i, total);
            }
        }
    }
    rig_finish(&r);
}

/* Does a change of expert m in row 0, where all are present, move component c there? */
static int depends(rig *r, uint32_t c, uint32_t m)
{
    rig_result res;
    double before[2], after[2];
    before[0] = mixture_mean(r, 0, c, 0);
    before[1] = mixture_log_variance(r, 0, c, 0);
    r->input[2 * m].value[0] += 0.5;
    r->input[2 * m + 1].value[0] += 0.25;
    int good = rig_compute(r, r->plan.rows, NULL, 0, &res);
    rig_result_finish(&res);
    after[0] = good ? mixture_mean(r, 0, c, 0) : before[0];
    after[1] = good ? mixture_log_variance(r, 0, c, 0) : before[1];
    r->input[2 * m].value[0] -= 0.5;
    r->input[2 * m + 1].value[0] -= 0.25;
    good = rig_compute(r, r->plan.rows, NULL, 0, &res);
    rig_result_finish(&res);
    return after[0] != before[0] || after[1] != before[1];
}

void check_fusion_subsets(check_trial *t)
{
    rig r;
    rig_plan plan = { .rows = 2 };
    rig_result res;
    if (mixture_start(t, &plan, &r, &res)) {
        rig_result_finish(&res);
        uint32_t n = r.joint.n;
        for (uint32_t c = 0; c < n && t->verdict < CHECK_FAIL; c++) {
            for (uint32_t m = 0; m < r.plan.experts; m++) {
                int named = (r.joint.subset[c] >> m & 1) != 0;
                if (mixture_weight(&r, 0, c) > 0.0 && depends(&r, c, m) != named) {
                    check_fail(t, "component %u %s modality %u, its subset says otherwise", c,
                               named ? "does not depend on" : "depends on", m);
                }
            }
        }
    }
    rig_finish(&r);
}

void check_fusion_sharpens(check_trial *t)
{
    rig r;
    rig_plan plan = { .rows = 14 };
    rig_result res;
    double *mean, *variance;
    if (mixture_start(t, &plan, &r, &res)) {
        int64_t latent = (int64_t)r.plan.latent;
        rig_result_finish(&res);
        mixture_moments(&r, &mean, &variance);
        for (int64_t k = 0; k < r.plan.rows * latent && t->verdict < CHECK_FAIL; k++) {
            for (uint32_t m = 0; m < r.plan.experts; m++) {
                double own = exp(r.input[2 * m + 1].value[k]);
                if (mixture_present(&r, k / latent, m) && !(variance[k] <= own * (1.0 + 1e-5))) {
                    check_fail(t, "row %lld: variance %.6g, that of present expert %u is %.6g", (long long)(k / latent),
                               variance[k], m, own);
                }
            }
        }
    }
    rig_finish(&r);
}

/* Add `more` to every parameter that is a width; how many there are. */
static int64_t widen(rig *r, double more)
{
    int64_t found = 0;
    for (uint32_t e = 0; e < stele__params_count(r->params); e++) {
        stele__param *p = stele__params_entry(r->params, e);
        for (int64_t i = 0; p->kind == STELE__TRAINED && p->group == RIG_WIDTH && i < p->n; i++, found++) {
            if (r->plan.dtype == STELE_F64) {
                ((double *)p->values)[i] += more;
            } else {
                ((float *)p->values)[i] += (float)more;
            }
        }
    }
    return found;
}

void check_fusion_width(check_trial *t)
{
    rig r;
    rig_plan plan = { .rows = 14 };
    rig_result res;
    double *mean[2], *variance[2];
    if (mixture_start(t, &plan, &r, &res)) {
        const int64_t n = r.plan.rows * (int64_t)r.plan.latent;
        rig_result_finish(&res);
        mixture_moments(&r, &mean[0], &variance[0]);
        if (widen(&r, 0.5) > 0 && rig_compute(&r, r.plan.rows, NULL, 0, &res)) {
            rig_result_finish(&res);
            mixture_moments(&r, &mean[1], &variance[1]);
            const double a = block_distance(n, mean[0], mean[1]), b = block_distance(n, variance[0], variance[1]);
            if (!(a <= 1e-5 && b > 1e-3)) {
                check_fail(t, "widths that are larger by 0.5 move means by %.3g and variances by %.3g", a, b);
            }
        }
    }
    rig_finish(&r);
}

static double density(const rig *r, int64_t i, double x)
{
    double p = 0.0;
    for (uint32_t c = 0; c < r->joint.n; c++) {
        double w = mixture_weight(r, i, c);
        if (w > 0.0) {
            double lv = mixture_log_variance(r, i, c, 0), e = x - mixture_mean(r, i, c, 0);
            p += w * exp(-0.5 * (lv + e * e * exp(-lv) + log(2.0 * 3.14159265358979323846)));
        }
    }
    return p;
}

void check_fusion_monte_carlo(check_trial *t)
{
    enum { GRID = 40001 };
    rig r;
    rig_plan plan = { .rows = 7, .latent = 1 };
    rig_result res;
    if (mixture_start(t, &plan, &r, &res)) {
        rig_result_finish(&res);
        for (int64_t i = 0; i < r.plan.rows && t->verdict < CHECK_FAIL; i++) {
            double mass = 0.0, step = 200.0 / (GRID - 1);
            for (int k = 0; k < GRID; k++) {
                mass += step * density(&r, i, -100.0 + step * k);
            }
            if (!(fabs(mass - 1.0) <= 1e-4)) {
                check_fail(t, "row %lld: the joint's density integrates to %.6g", (long long)i, mass);
            }
        }
    }
    rig_finish(&r);
}

/* Mean over rows of the own loss, the last output; with log p(x | z) higher by `more`. NaN: failed, which was said. */
static double own_loss(rig *r, double beta, double more)
{
    rig_result res;
    double sum = NAN;
    rig_input *log_px = &r->input[r->n_inputs - 1];
    const int64_t n = r->plan.rows * log_px->width;
    for (int64_t i = 0; i < n; i++) {
        log_px->value[i] += more;
    }
    r->plan.beta = beta;
    if (rig_compute(r, r->plan.rows, NULL, 0, &res)) {
        const rig_output *o = &res.out[res.n - 1];
        sum = 0.0;
        for (int64_t i = 0; i < o->rows; i++) {
            sum += o->value[i] / (double)o->rows;
        }
        rig_result_finish(&res);
    }
    for (int64_t i = 0; i < n; i++) {
        log_px->value[i] -= more;
    }
    return sum;
}

void check_fusion_loss(check_trial *t)
{
    rig r;
    rig_plan plan = { .rows = 14 };
    if (rig_start(t, &plan, &r)) {
        const double loss = own_loss(&r, RIG_BETA, 0.0), other = own_loss(&r, 0.1, 0.0);
        const double likelier = own_loss(&r, RIG_BETA, 1.0);
        if (!(fabs(loss - other) > 1e-6 * fabs(loss))) {
            check_fail(t, "the loss is %.7g with a beta of %g, and %.7g with 0.1", loss, RIG_BETA, other);
        }
        if (!(likelier < loss - 1e-6 * fabs(loss))) {
            check_fail(t, "the loss is %.7g, and %.7g where log p(x | z) is higher by 1", loss, likelier);
        }
    }
    rig_finish(&r);
}
