/* noise.h - how far numbers lie from what a head says of them.
 *
 * Huber's least favourable distribution (Huber 1964): normal in the middle, beyond 1.345 standard
 * deviations with the tails of an exponential,
 *
 *     p(e) = exp(-rho(e / s)) / (s Z),   rho(u) = u^2 / 2, or 1.345 |u| - 1.345^2 / 2 out there. */
#ifndef STELE_REGRESSOR_NOISE_H
#define STELE_REGRESSOR_NOISE_H

#include <stele/kinds.h>

#define REGRESSOR_BEND 1.345 /* from here on tails are those of an exponential */

/* Where the standard normal distribution reaches p, in (0, 1). */
double regressor_normal_quantile(double p);
/* The same of the distribution above with s 1. */
double regressor_robust_quantile(double p);
/* log Z */
double regressor_robust_log_z(void);
/* s of errors (n), by maximum likelihood with a normal prior for log s around that of the median
 * error, see temperature.h; 0 where half of them are 0. Sorts their sizes into `error`. */
double regressor_robust_scale(double *error, int64_t n, double copies);

#endif
