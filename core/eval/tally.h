/* tally.h - how well one modality is predicted from another, or from itself, by metrics of its
 * plugin that look at whole rows: numbers of each row, added up (see stele_modality_vt.tally).
 *
 * What a row is predicted from is the posterior mean of z given x_from alone. A mean over rows of
 * such measurements, of texts say, is none, so the baselines stand in the latent: the same decoder
 *
 *     marginal    at the mean of the training rows' posterior means given x_from
 *     class_mean  at their mean over the class that the row has, with the marginal counting as
 *                 STELE__PSEUDO_ROWS further rows; the marginal for rows without a class
 *
 * and at a private latent of 0. */
#ifndef STELE_EVAL_TALLY_H
#define STELE_EVAL_TALLY_H

#include "eval/cross.h"

/* As stele__cross_compute; of a modality that has `tally`. first and n_features of the request do
 * not count. Intervals add up each row as often as it was drawn. Memory: what tally() takes for 64
 * rows, and of all rows the latent and their numbers. [main] */
STELE_NODISCARD stele_status stele__tally_compute(const stele__judge *j,
                                                  const stele__cross_request *q, stele__cross *ret,
                                                  stele__diag *diag);

#endif
