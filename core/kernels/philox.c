#include "kernels/philox.h"

#include <Random123/philox.h>
#include <math.h>
#include <string.h>

static void block_words(stele__noise at, uint64_t row, uint32_t block, uint32_t ret[4])
{
    philox4x32_ctr_t counter = { { block, (uint32_t)row, (uint32_t)(row >> 32), at.purpose } };
    philox4x32_key_t key = { { at.key[0], at.key[1] } };
    philox4x32_ctr_t out = philox4x32(counter, key);
    memcpy(ret, out.v, sizeof out.v);
}

stele__noise stele__noise_at(uint64_t seed, uint32_t purpose, uint64_t step)
{
    philox4x32_ctr_t counter = { { (uint32_t)step, (uint32_t)(step >> 32), purpose,
                                   STELE__NOISE_KEY_TAG } };
    philox4x32_key_t key = { { (uint32_t)seed, (uint32_t)(seed >> 32) } };
    philox4x32_ctr_t out = philox4x32(counter, key);
    stele__noise at = { .key = { out.v[0], out.v[1] }, .purpose = purpose };
    return at;
}

uint32_t stele__noise_purpose(const char *name, uint32_t stream)
{
    uint32_t h = UINT32_C(2166136261);
    for (const char *c = name; *c != '\0'; c++) {
        h = (h ^ (uint8_t)*c) * UINT32_C(16777619);
    }
    for (int i = 0; i < 4; i++) {
        h = (h ^ (uint8_t)(stream >> 8 * i)) * UINT32_C(16777619);
    }
    return h;
}

void stele__noise_words(stele__noise at, uint64_t row, size_t first, size_t n, uint32_t *ret)
{
    size_t done = 0;
    while (done < n) {
        size_t index = first + done, skip = index % 4;
        size_t take = 4 - skip < n - done ? 4 - skip : n - done;
        uint32_t w[4];
        block_words(at, row, (uint32_t)(index / 4), w);
        memcpy(ret + done, w + skip, take * sizeof *w);
        done += take;
    }
}

/* Exact in float: 24 significant bits. */
static double uniform_of(uint32_t w)
{
    return (double)(w >> 9) * 0x1p-23 + 0x1p-24;
}

/* ln((w + 1/2) 2^-32) from nothing but + - * / so that no library or instruction set changes a bit:
 * x = 2^e m with m in [sqrt(1/2), sqrt(2)), ln m = 2 atanh((m - 1) / (m + 1)) as a power series. */
static double log_of(uint32_t w)
{
    double x = (double)w + 0.5;
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int e = (int)(bits >> 52) - 1023;
    bits = (bits & UINT64_C(0xfffffffffffff)) | UINT64_C(1023) << 52;
    double m;
    memcpy(&m, &bits, sizeof m);
    if (m > 1.4142135623730951) {
        m *= 0.5;
        e++;
    }
    double s = (m - 1.0) / (m + 1.0), s2 = s * s, sum = 0.0;
    for (int k = 21; k >= 3; k -= 2) {
        sum = (sum + 1.0 / k) * s2;
    }
    return (double)(e - 32) * 0.69314718055994530942 + 2.0 * (s + s * sum);
}

/* cos and sin of 2 pi w 2^-32: the nearest quarter turn is exact in integers, the rest, at most an
 * eighth of a turn, goes through the Taylor series. */
static void turn_of(uint32_t w, double *ret_cos, double *ret_sin)
{
    uint32_t quarter = (w + UINT32_C(0x20000000)) >> 30;
    double t = (double)(int32_t)(w - (quarter << 30)) * (6.28318530717958647693 * 0x1p-32);
    double t2 = t * t, s = 0.0, c = 0.0;
    for (int k = 17; k >= 3; k -= 2) {
        s = (1.0 + s) * t2 * (-1.0 / (k * (k - 1)));
    }
    for (int k = 18; k >= 2; k -= 2) {
        c = (1.0 + c) * t2 * (-1.0 / (k * (k - 1)));
    }
    s = t + t * s;
    c = 1.0 + c;
    double turned_cos = (quarter & 1) != 0 ? -s : c;
    double turned_sin = (quarter & 1) != 0 ? c : s;
    *ret_cos = (quarter & 2) != 0 ? -turned_cos : turned_cos;
    *ret_sin = (quarter & 2) != 0 ? -turned_sin : turned_sin;
}

static void block_normals(stele__noise at, uint64_t row, uint32_t block, double ret[4])
{
    uint32_t w[4];
    block_words(at, row, block, w);
    for (int pair = 0; pair < 2; pair++) {
        double r = sqrt(-2.0 * log_of(w[2 * pair])), c, s;
        turn_of(w[2 * pair + 1], &c, &s);
        ret[2 * pair] = r * c;
        ret[2 * pair + 1] = r * s;
    }
}

#define STELE__TWICE "kernels/philox.inc"
#include "kernels/twice.h"

static uint64_t multiply_high(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    return (uint64_t)((wide)a * b >> 64);
}

uint64_t stele__noise_below(stele__noise at, uint64_t row, size_t index, uint64_t bound)
{
    uint32_t w[4];
    block_words(at, row, (uint32_t)(index / 2), w);
    uint64_t word = (uint64_t)w[index % 2 * 2] << 32 | w[index % 2 * 2 + 1];
    return multiply_high(word, bound);
}

void stele__noise_permutation(stele__noise at, size_t n, int64_t *ret)
{
    for (size_t i = 0; i < n; i++) {
        ret[i] = (int64_t)i;
    }
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)stele__noise_below(at, 0, i - 1, i);
        int64_t swap = ret[i - 1];
        ret[i - 1] = ret[j];
        ret[j] = swap;
    }
}
