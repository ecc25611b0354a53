/* temperature.h - one factor that makes predictions less or more sure, fitted to held-out rows (Guo
 * et al. 2017).
 *
 * Its logarithm u minimises sum over the rows of -log p(target; u), plus u^2 / (2 log(2)^2): few
 * rows say little, and then it stays near 1. Where every row comes several times the prior does,
 * too. */
#ifndef HEAD_TEMPERATURE_H
#define HEAD_TEMPERATURE_H

#include "classes.h"

/* The sum over the rows, at a factor; [main] */
typedef double head_loss_at(const void *ctx, double factor);
/* The factor, from 1/20 to 20; copies: how often a row comes. */
double head_factor_fit(head_loss_at *loss, const void *ctx, double copies);
/* How often a row comes, on average. */
double head_copies(const stele_head_scored *s);

/* A buffer "temperature" (1) that logits are divided by, 1 until it is fitted. */
stele_status head_temperature_build(const stele_host *h, stele_build *b, uint32_t *ret_id);
stele_tensor *head_temperature_apply(const stele_host *h, stele_graph *g, uint32_t id,
                                     stele_tensor *logits);
/* Fit it to predictions that are logits of classes, up to a constant of each row. What is divided
 * is what was learned, that is without the weights of classes that predictions are rid of: the less
 * it says, the nearer they come to the frequencies of the classes. */
stele_status head_temperature_fit(const head_classes *classes, stele_fit *f, uint32_t id,
                                  const stele_head_scored *s);

#endif
