#include "draw.h"

#include <math.h>
#include <stdlib.h>

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

stream simulate_stream(uint64_t seed, uint64_t purpose, uint64_t row)
{
    uint64_t key = mix(seed + GOLDEN);
    key = mix(key ^ (purpose + GOLDEN));
    return (stream){ .key = mix(key + GOLDEN * (row + 1)) };
}

uint64_t simulate_bits(stream *s)
{
    return mix(s->key + GOLDEN * ++s->i);
}

double simulate_uniform(stream *s)
{
    return ((double)(simulate_bits(s) >> 11) + 0.5) * 0x1p-53;
}

double simulate_normal(stream *s)
{
    double radius = sqrt(-2 * log(simulate_uniform(s)));
    return radius * cos(6.283185307179586 * simulate_uniform(s));
}

static int64_t poisson_by_products(stream *s, double mean)
{
    double limit = exp(-mean), product = simulate_uniform(s);
    int64_t k = 0;
    for (; product > limit; k++) {
        product *= simulate_uniform(s);
    }
    return k;
}

int64_t simulate_poisson(stream *s, double mean)
{
    if (mean < 10) {
        return mean > 0 ? poisson_by_products(s, mean) : 0;
    }
    double b = 0.931 + 2.53 * sqrt(mean), a = -0.059 + 0.02483 * b;
    double inverse = 1.1239 + 1.1328 / (b - 3.4), accept = 0.9277 - 3.6224 / (b - 2);
    for (;;) {
        double u = simulate_uniform(s) - 0.5, v = simulate_uniform(s), us = 0.5 - fabs(u);
        double k = floor((2 * a / us + b) * u + mean + 0.43);
        if (us >= 0.07 && v <= accept) {
            return (int64_t)k;
        }
        if (k < 0 || (us < 0.013 && v > us)) {
            continue;
        }
        if (log(v * inverse / (a / (us * us) + b)) <= k * log(mean) - mean - lgamma(k + 1)) {
            return (int64_t)k;
        }
    }
}

int64_t simulate_logarithmic(stream *s, double p, double first)
{
    double u = simulate_uniform(s), at = first;
    int64_t k = 1;
    while (u > at && at > 1e-300) {
        u -= at;
        at *= p * (double)k / (double)(k + 1);
        k++;
    }
    return k;
}

/* Split n cells of equal height between a small weight below and a large one above (Vose 1991). */
int simulate_alias_init(alias_table *t, int64_t n, const double *weight)
{
    double sum = 0;
    double *height = malloc((size_t)n * sizeof *height);
    int32_t *queue = malloc((size_t)n * sizeof *queue);
    *t = (alias_table){ .n = n, .place = malloc((size_t)n * sizeof *t->place) };
    if (height == NULL || queue == NULL || t->place == NULL) {
        free(height);
        free(queue);
        return -1;
    }
    int64_t small = 0, large = n;
    for (int64_t j = 0; j < n; j++) {
        sum += weight[j];
    }
    for (int64_t j = 0; j < n; j++) {
        height[j] = weight[j] * (double)n / sum;
        t->place[j] = (alias_place){ UINT32_MAX, (int32_t)j };
        if (height[j] < 1) {
            queue[small++] = (int32_t)j;
        } else {
            queue[--large] = (int32_t)j;
        }
    }
    while (small > 0 && large < n) {
        int32_t low = queue[--small], high = queue[large];
        t->place[low] = (alias_place){ (uint32_t)(height[low] * 4294967295.0), high };
        height[high] -= 1 - height[low];
        if (height[high] < 1) {
            large++;
            queue[small++] = high;
        }
    }
    free(height);
    free(queue);
    return 0;
}

void simulate_alias_finish(alias_table *t)
{
    free(t->place);
    *t = (alias_table){ 0 };
}

int32_t simulate_alias_draw(const alias_table *t, stream *s)
{
    uint64_t bits = simulate_bits(s);
    int32_t j = (int32_t)(((bits >> 32) * (uint64_t)t->n) >> 32);
    return (uint32_t)bits <= t->place[j].keep ? j : t->place[j].other;
}
