#include "mixture.h"

#include "graph/tensor.h"

#include <math.h>

static double real_at(const stele_tensor *t, int64_t i)
{
    return t->dtype == STELE_F64 ? ((const double *)t->data)[i] : (double)((const float *)t->data)[i];
}

double mixture_weight(const rig *r, int64_t i, uint32_t c)
{
    const stele_joint *j = &r->joint;
    return j->log_weight == NULL ? 1.0 : exp(real_at(j->log_weight, i * (int64_t)j->n + c));
}

double mixture_mean(const rig *r, int64_t i, uint32_t c, int64_t d)
{
    return real_at(r->joint.component[c].p[0], i * (int64_t)r->plan.latent + d);
}

double mixture_log_variance(const rig *r, int64_t i, uint32_t c, int64_t d)
{
    return real_at(r->joint.component[c].p[1], i * (int64_t)r->plan.latent + d);
}

void mixture_moments(rig *r, double **ret_mean, double **ret_variance)
{
    int64_t n = (int64_t)r->plan.latent;
    double *mean = rig_take(r, (size_t)(r->plan.rows * n) * sizeof *mean);
    double *variance = rig_take(r, (size_t)(r->plan.rows * n) * sizeof *variance);
    for (int64_t i = 0; i < r->plan.rows; i++) {
        for (int64_t d = 0; d < n; d++) {
            double m = 0.0, second = 0.0;
            for (uint32_t c = 0; c < r->joint.n; c++) {
                double w = mixture_weight(r, i, c);
                if (w > 0.0) { /* what a row lacks may hold anything */
                    double x = mixture_mean(r, i, c, d);
                    m += w * x;
                    second += w * (x * x + exp(mixture_log_variance(r, i, c, d)));
                }
            }
            mean[i * n + d] = m;
            variance[i * n + d] = second - m * m;
        }
    }
    *ret_mean = mean;
    *ret_variance = variance;
}

int mixture_present(const rig *r, int64_t i, uint32_t m)
{
    return r->present[i * r->plan.experts + m] != 0.0;
}

const rig_input *mixture_prior(const rig *r)
{
    return &r->input[2 * r->plan.experts];
}

int mixture_start(check_trial *t, const rig_plan *plan, rig *r, rig_result *res)
{
    return rig_start(t, plan, r) && rig_compute(r, r->plan.rows, NULL, 1, res);
}
