/* fails.h - for plugins of tests that do something wrong in one slot: the variable FAILS_IN names
 * it
 * ("modality.encode"), FAILS_HOW what they do there. A variable and no option, so that a run that
 * was trained in peace can be evaluated with a failure. */
#ifndef TEST_FAILS_H
#define TEST_FAILS_H

#include <stele/plugin.h>

#include <fenv.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

static inline int fails_is(const char *variable, const char *value)
{
    const char *is = getenv(variable);
    return is != NULL && strcmp(is, value) == 0;
}

/* Deeper than any stack. */
static inline int fails_endlessly(volatile const char *above)
{
    volatile char here[1 << 20];
    here[0] = (char)(above[0] + 1);
    return here[0] < 100 ? fails_endlessly(here) + here[0] : 0;
}

/* A distribution that was filled gets a gap; `other` is a tensor of another shape. */
static inline void fails_spoil(const char *slot, stele_dist *q, stele_tensor *other)
{
    if (!fails_is("FAILS_IN", slot)) {
        return;
    }
    if (fails_is("FAILS_HOW", "unfilled")) {
        memset(q, 0, sizeof *q);
    } else if (fails_is("FAILS_HOW", "one")) {
        q->n = 1;
    } else if (fails_is("FAILS_HOW", "null")) {
        q->p[1] = NULL;
    } else if (fails_is("FAILS_HOW", "shape")) {
        q->p[1] = other;
    }
}

/* What ends the process, or holds it up. */
static inline void fails_fatally(void)
{
    volatile char here[1] = { 0 };
    if (fails_is("FAILS_HOW", "crash")) {
        char *volatile nowhere = NULL;
        *(volatile char *)nowhere = 1;
    } else if (fails_is("FAILS_HOW", "abort")) {
        abort();
    } else if (fails_is("FAILS_HOW", "overflow")) {
        fails_endlessly(here);
    } else if (fails_is("FAILS_HOW", "exit")) {
        exit(0);
    }
    while (fails_is("FAILS_HOW", "hang")) {
        here[0]++;
    }
}

/* What goes wrong without a failure: settings of the whole process. */
static inline void fails_disturb(void)
{
    fails_fatally();
    if (fails_is("FAILS_HOW", "rounding")) {
        fesetround(FE_UPWARD);
    } else if (fails_is("FAILS_HOW", "traps")) {
        feenableexcept(FE_DIVBYZERO);
    } else if (fails_is("FAILS_HOW", "locale")) {
        setlocale(LC_ALL, "C.UTF-8");
#if defined(__x86_64__)
    } else if (fails_is("FAILS_HOW", "flush")) {
        __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8040);
#endif
    }
}

/* At the start of a slot; the other arguments say why, should words be wanted. */
#define FAILS(host_, slot_, ...)                                                                   \
    do {                                                                                           \
        if (fails_is("FAILS_IN", slot_)) {                                                         \
            if (fails_is("FAILS_HOW", "words")) {                                                  \
                return STELE_FAIL(host_, STELE_E_UNSUPPORTED, __VA_ARGS__);                        \
            }                                                                                      \
            if (fails_is("FAILS_HOW", "silence")) {                                                \
                return STELE_E_UNSUPPORTED;                                                        \
            }                                                                                      \
            fails_disturb();                                                                       \
        }                                                                                          \
    } while (0)

#endif
