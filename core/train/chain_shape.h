/* chain_shape.h - the shape of a density around a point: second derivatives, made fit to measure
 * distances by. */
#ifndef STELE_TRAIN_CHAIN_SHAPE_H
#define STELE_TRAIN_CHAIN_SHAPE_H

#include <stdint.h>

/* From minus the second derivatives a (n, n) of log p(x, z), as differences have given them, to the
 * lower root L of a symmetric L L' that is positive definite, below and on the diagonal of a; what
 * is above it is undefined. With a prior N(0, I) and a log-concave likelihood no direction has less
 * than 1: where one has less than a quarter, everything outside of the diagonal is shrunk, in the
 * end to nothing. scale (n): 1 / square root of the diagonal; where that is not finite, it stays
 * and counts. [any] */
void stele__chain_shape(int64_t n, double *scale, double *a);

/* x := L^-1 x, and x := L'^-1 x. [any] */
void stele__chain_solve(int64_t n, const double *root, double *x);
void stele__chain_solve_back(int64_t n, const double *root, double *x);

#endif
