/* distance.h - how far two points lie apart. */
#ifndef STELE_EVAL_DISTANCE_H
#define STELE_EVAL_DISTANCE_H

#include <stddef.h>

/* Squared Euclidean distance of points of n columns, in double. [any] */
static inline double stele__squared_distance(const float *a, const float *b, size_t n)
{
    double sum = 0.0;
    for (size_t j = 0; j < n; j++) {
        double difference = (double)a[j] - (double)b[j];
        sum += difference * difference;
    }
    return sum;
}

#endif
