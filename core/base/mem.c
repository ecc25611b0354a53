#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Wide layers are passed over in strides that small pages make costly. */
#define HUGE_PAGE ((size_t)2 << 20)

static atomic_uint_fast64_t n_allocations;
static atomic_int_fast64_t fail_countdown = -1;

/* One relaxed load in the normal case: the countdown is armed only by tests. */
static int injected_failure(void)
{
    if (atomic_load_explicit(&fail_countdown, memory_order_relaxed) < 0) {
        return 0;
    }
    return atomic_fetch_sub(&fail_countdown, 1) == 0;
}

static void *counted(void *p)
{
    if (p != NULL) {
        atomic_fetch_add_explicit(&n_allocations, 1, memory_order_relaxed);
    }
    return p;
}

void *stele__malloc(size_t size)
{
    return injected_failure() ? NULL : counted(malloc(size != 0 ? size : 1));
}

void *stele__calloc(size_t n, size_t size)
{
    return injected_failure() ? NULL : counted(calloc(n != 0 ? n : 1, size != 0 ? size : 1));
}

void *stele__realloc(void *p, size_t size)
{
    return injected_failure() ? NULL : counted(realloc(p, size != 0 ? size : 1));
}

void stele__free(void *p)
{
    free(p);
}

char *stele__strdup(const char *s)
{
    return s != NULL ? stele__strndup(s, strlen(s)) : NULL;
}

char *stele__strndup(const char *s, size_t n)
{
    if (s == NULL) {
        return NULL;
    }
    size_t len = strnlen(s, n);
    char *copy = stele__malloc(len + 1);
    if (copy != NULL) {
        memcpy(copy, s, len);
        copy[len] = '\0';
    }
    return copy;
}

void *stele__calloc_aligned(size_t size)
{
    if (injected_failure()) {
        return NULL;
    }
    size_t rounded = (size + 63) / 64 * 64;
    if (rounded < size) {
        return NULL;
    }
    void *p = NULL;
    int large = rounded >= 2 * HUGE_PAGE;
    if (posix_memalign(&p, large ? HUGE_PAGE : 64, rounded != 0 ? rounded : 64) != 0) {
        return NULL;
    }
    if (large) {
        (void)madvise(p, rounded / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE); /* a wish, no more */
    }
    memset(p, 0, rounded);
    return counted(p);
}

void stele__free_aligned(void *p)
{
    free(p);
}

uint64_t stele__mem_count(void)
{
    return atomic_load(&n_allocations);
}

void stele__mem_fail_at(int64_t n)
{
    atomic_store(&fail_countdown, n < 0 ? -1 : n);
}
