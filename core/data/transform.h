/* transform.h - what is done to every value of a measurement as it is read. */
#ifndef STELE_DATA_TRANSFORM_H
#define STELE_DATA_TRANSFORM_H

#include <stdint.h>

/* LOG1P: log(1 + x), for x > -1. Zeros stay zeros and missing entries (NaN) missing. */
enum { STELE__TRANSFORM_NONE = 0, STELE__TRANSFORM_LOG1P };

/* n values in place. Returns the index of the first that has no image, which stays as it is, as do
 * those after it; n: all have. [any] */
int64_t stele__transform(int kind, int64_t n, float *v);

#endif
