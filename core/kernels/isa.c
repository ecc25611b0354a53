#include "kernels/isa.h"

#include <stdatomic.h>

extern const stele__isa stele__isa_baseline;
#ifdef __x86_64__
extern const stele__isa stele__isa_avx2, stele__isa_avx512;
#endif

static _Atomic(const stele__isa *) in_use;

size_t stele__isa_count(void)
{
#ifdef __x86_64__
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
        return 1;
    }
    /* The server set; the first chips with AVX-512 lacked these parts and do well with AVX2. */
    int wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
    return wide ? 3 : 2;
#else
    return 1;
#endif
}

const stele__isa *stele__isa_at(size_t index)
{
#ifdef __x86_64__
    static const stele__isa *const table[] = { &stele__isa_baseline, &stele__isa_avx2,
                                               &stele__isa_avx512 };
    return table[index];
#else
    (void)index;
    return &stele__isa_baseline;
#endif
}

/* Two threads that come first together choose the same table. */
const stele__isa *stele__isa_get(void)
{
    const stele__isa *isa = atomic_load_explicit(&in_use, memory_order_relaxed);
    if (isa == NULL) {
        isa = stele__isa_at(stele__isa_count() - 1);
        atomic_store_explicit(&in_use, isa, memory_order_relaxed);
    }
    return isa;
}

void stele__isa_use(const stele__isa *isa)
{
    atomic_store_explicit(&in_use, isa, memory_order_relaxed);
}
