#include "data/transform.h"

#include <math.h>

int64_t stele__transform(int kind, int64_t n, float *v)
{
    for (int64_t i = 0; kind == STELE__TRANSFORM_LOG1P && i < n; i++) {
        if (v[i] <= -1.0f) {
            return i;
        }
        v[i] = (float)log1p((double)v[i]);
    }
    return n;
}
