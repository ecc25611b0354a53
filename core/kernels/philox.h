/* philox.h - noise that is addressed, not consumed: a number is a pure function of where it is
 * used,
 *
 *     value = f(seed, purpose, step, row, index)
 *
 * so the order of rows in a batch, the number of threads, a resumed run or one more user of noise
 * change no other number.
 *
 * The generator is Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC
 * 2011; Random123). One block of four 32-bit words has the address
 *
 *     counter = (block, row bits 0-31, row bits 32-63, purpose)
 *     key     = first two words of Philox(counter = (step bits 0-31, step bits 32-63, purpose,
 *               STELE__NOISE_KEY_TAG), key = (seed bits 0-31, seed bits 32-63))
 *
 * so every (seed, purpose, step) has a key of its own and (row, block) are counted under it.
 * Element `index` of a row is word index % 4 of block index / 4, or made from the two words of its
 * pair: words     w uniform   (w >> 9) 2^-23 + 2^-24: strictly inside (0, 1), exact in float, so
 * float and double see the same number normal    Box-Muller on the words (a, b) of a pair: r =
 * sqrt(-2 ln((a + 1/2) 2^-32)), the even element r cos(2 pi b 2^-32), the odd element r sin(...);
 * |x| < 6.8. Computed in double with plain IEEE operations alone and cast, so the bits are the same
 * on every machine. integer   the high half of the 64-bit word of a pair times the bound (bias
 * below bound 2^-64) All functions: thread class any. */
#ifndef STELE_KERNELS_PHILOX_H
#define STELE_KERNELS_PHILOX_H

#include <stddef.h>
#include <stdint.h>

#define STELE__NOISE_KEY_TAG UINT32_C(0x5354454c)

/* The part of an address that many rows share; prepare once with stele__noise_at. */
typedef struct stele__noise {
    uint32_t key[2], purpose;
} stele__noise;

/* `purpose` comes from stele__noise_purpose. `step` is the optimiser step, the epoch or 0. */
stele__noise stele__noise_at(uint64_t seed, uint32_t purpose, uint64_t step);

/* The purpose of a name such as "modality/a/encoder/dropout" and a stream number (FNV-1a, 32 bit).
 */
uint32_t stele__noise_purpose(const char *name, uint32_t stream);

/* Elements first .. first + n - 1 of a row (below 2^32). `first` lets blocks of a long row be
 * filled apart; the numbers are those of the whole row. */
void stele__noise_words(stele__noise at, uint64_t row, size_t first, size_t n, uint32_t *ret);
void stele__noise_uniform_f32(stele__noise at, uint64_t row, size_t first, size_t n, float *ret);
void stele__noise_uniform_f64(stele__noise at, uint64_t row, size_t first, size_t n, double *ret);
void stele__noise_normal_f32(stele__noise at, uint64_t row, size_t first, size_t n, float *ret);
void stele__noise_normal_f64(stele__noise at, uint64_t row, size_t first, size_t n, double *ret);

/* An integer in [0, bound); bound > 0. `index` below 2^32. */
uint64_t stele__noise_below(stele__noise at, uint64_t row, size_t index, uint64_t bound);

/* A random order of 0 .. n - 1 (Fisher-Yates, draws of row 0); n below 2^32. Shuffling a data set:
 * step = epoch. */
void stele__noise_permutation(stele__noise at, size_t n, int64_t *ret);

#endif
