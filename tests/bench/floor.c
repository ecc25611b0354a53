#include "floor.h"

#include "base/mem.h"
#include "kernels/gemm.h"
#include "train/loop.h"

#include <string.h>

/* Floats of a buffer to copy: far beyond any private cache. */
#define COPIED ((size_t)32 << 20)

struct bench_floor {
    stele__pool *pool;
    size_t batch, hidden, features, block, threads;
    float *eta, *w, *dw, *h, *dh; /* eta and dh per thread */
    float *from, *to;
};

void bench_floor_destroy(bench_floor *f)
{
    if (f != NULL) {
        stele__free_aligned(f->eta);
        stele__free_aligned(f->w);
        stele__free_aligned(f->dw);
        stele__free_aligned(f->h);
        stele__free_aligned(f->dh);
        stele__free_aligned(f->from);
        stele__free_aligned(f->to);
        stele__free(f);
    }
}

static float *floats(size_t n)
{
    float *p = stele__calloc_aligned(n * sizeof *p);
    for (size_t i = 0; p != NULL && i < n; i++) {
        p[i] = 0.001f * (float)(i % 977);
    }
    return p;
}

bench_floor *bench_floor_create(stele__pool *pool, int64_t batch, int64_t hidden, int64_t features)
{
    bench_floor *f = stele__calloc(1, sizeof *f);
    if (f == NULL) {
        return NULL;
    }
    f->pool = pool;
    f->batch = (size_t)batch;
    f->hidden = (size_t)hidden;
    f->features = (size_t)features;
    f->threads = stele__pool_threads(pool);
    f->eta = floats(f->batch * (f->features + 64 * f->threads));
    f->w = floats(f->features * f->hidden);
    f->dw = floats(f->features * f->hidden);
    f->h = floats(f->batch * f->hidden);
    f->dh = floats(f->threads * f->batch * f->hidden);
    f->from = floats(COPIED);
    f->to = floats(COPIED);
    if (f->eta == NULL || f->w == NULL || f->dw == NULL || f->h == NULL || f->dh == NULL ||
        f->from == NULL || f->to == NULL) {
        bench_floor_destroy(f);
        return NULL;
    }
    return f;
}

static void products(void *ctx, size_t task, unsigned thread)
{
    bench_floor *f = ctx;
    size_t first = task * f->block, B = f->batch, H = f->hidden;
    size_t n = f->features - first < f->block ? f->features - first : f->block;
    float *eta = f->eta + thread * B * f->block, *dh = f->dh + thread * B * H;
    const float *w = f->w + first * H;
    stele__gemm_f32(0, 1, B, n, H, 1.0f, f->h, H, w, H, 0.0f, eta, n);
    stele__gemm_f32(1, 0, n, H, B, 1.0f, eta, n, f->h, H, 0.0f, f->dw + first * H, H);
    stele__gemm_f32(0, 0, B, H, n, 1e-9f, eta, n, w, H, 1.0f, dh, H);
}

double bench_floor_products(bench_floor *f, int64_t features, int64_t block)
{
    size_t room = f->features;
    f->features = (size_t)features;
    size_t part = (f->features + f->threads - 1) / f->threads;
    f->block = block > 0 ? (size_t)block : (part + 63) / 64 * 64;
    double start = stele__now();
    stele__pool_run(f->pool, (f->features + f->block - 1) / f->block, products, f);
    double seconds = stele__now() - start;
    f->features = room;
    return seconds;
}

enum { PARTS = 64 };

static void copy_part(void *ctx, size_t task, unsigned thread)
{
    bench_floor *f = ctx;
    size_t n = COPIED / PARTS;
    (void)thread;
    memcpy(f->to + task * n, f->from + task * n, n * sizeof(float));
}

static void triad_part(void *ctx, size_t task, unsigned thread)
{
    bench_floor *f = ctx;
    size_t n = COPIED / PARTS;
    const float *restrict from = f->from + task * n;
    float *restrict to = f->to + task * n;
    (void)thread;
    for (size_t i = 0; i < n; i++) {
        to[i] = from[i] + 0.5f * to[i];
    }
}

double bench_floor_copy_rate(bench_floor *f)
{
    double start = stele__now();
    stele__pool_run(f->pool, PARTS, copy_part, f);
    double middle = stele__now();
    stele__pool_run(f->pool, PARTS, triad_part, f);
    double end = stele__now(), bytes = (double)COPIED * sizeof(float);
    double copy = 2.0 * bytes / (middle - start), triad = 3.0 * bytes / (end - middle);
    return copy > triad ? copy : triad;
}
