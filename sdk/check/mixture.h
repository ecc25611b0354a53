/* mixture.h - the joint posterior of a fusion rule as numbers. */
#ifndef STELE_CHECK_MIXTURE_H
#define STELE_CHECK_MIXTURE_H

#include "rig.h"

/* Of the rig's last run, whose graph is still there. Component c of row i; weight 0: the row lacks it. */
double mixture_weight(const rig *r, int64_t i, uint32_t c);
double mixture_mean(const rig *r, int64_t i, uint32_t c, int64_t d);
double mixture_log_variance(const rig *r, int64_t i, uint32_t c, int64_t d);
/* Moments of the whole mixture, (rows, latent) each, owned by the rig. */
void mixture_moments(rig *r, double **ret_mean, double **ret_variance);
int mixture_present(const rig *r, int64_t i, uint32_t m);
/* Mean and log-variance of the prior, among the inputs. */
const rig_input *mixture_prior(const rig *r);

/* A rig of fusion with a run. 0: failed, which was said; rig_finish is due in any case. */
int mixture_start(check_trial *t, const rig_plan *plan, rig *r, rig_result *res);

#endif
