/* core/base: what every other room stands on: memory, messages, strings, name maps, files.
 *
 * mem.h - heap memory through one door, so that tests can count allocations and make any of them
 * fail. */
#ifndef STELE_BASE_MEM_H
#define STELE_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

/* As malloc, calloc, realloc, free. All are safe from any thread. A size of 0 gives a unique
 * pointer. */
void *stele__malloc(size_t size) __attribute__((malloc, alloc_size(1)));
void *stele__calloc(size_t n, size_t size) __attribute__((malloc, alloc_size(1, 2)));
void *stele__realloc(void *p, size_t size) __attribute__((alloc_size(2)));
void stele__free(void *p);
/* Copies of at most `n` bytes; NULL when memory is short or s is NULL. The caller frees with
 * stele__free. */
char *stele__strdup(const char *s);
char *stele__strndup(const char *s, size_t n);
/* Aligned to 64 bytes (a cache line, the widest vector), zeroed. Freed with stele__free_aligned. */
void *stele__calloc_aligned(size_t size);
void stele__free_aligned(void *p);

/* Bytes that this process can still take without harm to others: what the machine has left, or one
 * of the control groups that it is in, if that is less. INT64_MAX if nobody says. `root` stands
 * before /proc and /sys: "" but in tests. */
uint64_t stele__mem_available(const char *root);

/* Number of successful allocations since the start (monotonic): two equal readings mean that
 * nothing was allocated. */
uint64_t stele__mem_count(void);
/* Make the n-th allocation from now on fail, once (0: the next one). Negative switches it off. For
 * tests. */
void stele__mem_fail_at(int64_t n);

#endif
