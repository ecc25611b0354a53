/* allocations.h - what the process allocates on the heap, whoever asks: this program, plugins,
 * BLAS.
 *
 * The program that links this has its malloc and the like from allocations.c, which count and go on
 * to those of glibc. Under a sanitizer or valgrind, which have their own, nothing is counted. */
#ifndef STELE_BENCH_ALLOCATIONS_H
#define STELE_BENCH_ALLOCATIONS_H

#include <stdint.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BENCH_ALLOCATIONS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define BENCH_ALLOCATIONS 0
#endif
#endif
#ifndef BENCH_ALLOCATIONS
#define BENCH_ALLOCATIONS 1
#endif

/* Calls of malloc, calloc, realloc, aligned_alloc, memalign and posix_memalign so far. */
uint64_t bench_allocations(void);
/* 0 under a sanitizer or valgrind: then there is nothing to be counted. */
int bench_allocations_counted(void);

#endif
