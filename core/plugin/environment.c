#include "plugin/environment.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)

/* fegetenv() empties and reloads the old unit's pipeline; these two registers are read in a few
 * cycles. Flags of past exceptions are nobody's setting and stay. */
enum { FLAGS = 0x3F, ROUNDING = 0x6000, TRAPS = 0x1F80, X87_ROUNDING = 0x0C00, X87_TRAPS = 0x3F };

static unsigned control(void)
{
    return __builtin_ia32_stmxcsr();
}

static void save(stele__float_state *s)
{
    unsigned short word;
    __asm__ volatile("fnstcw %0" : "=m"(word));
    s->rounding = control() & ~(unsigned)FLAGS;
    s->x87 = word;
}

static const char *restore(const stele__float_state *s)
{
    unsigned short word;
    unsigned now = control(), other = (now ^ s->rounding) & ~(unsigned)FLAGS;
    __asm__ volatile("fnstcw %0" : "=m"(word));
    unsigned other_word = word ^ s->x87;
    if (other == 0 && other_word == 0) {
        return NULL;
    }
    word = (unsigned short)s->x87;
    __asm__ volatile("fldcw %0" : : "m"(word));
    /* A flag that is up would trap as soon as its trap is armed again. */
    __builtin_ia32_ldmxcsr(s->rounding);
    return (other & ~(unsigned)(ROUNDING | TRAPS)) != 0
               ? "subnormal numbers became zero: linked with -ffast-math?"
           : (other & ROUNDING) != 0 || (other_word & X87_ROUNDING) != 0 ? "the rounding mode"
           : (other & TRAPS) != 0 || (other_word & X87_TRAPS) != 0       ? "the traps"
                                                                         : "the precision";
}

#else

/* Both directions are probed: a subnormal result and a subnormal operand. volatile keeps the
 * compiler from knowing. */
static unsigned flushes_subnormals(void)
{
    volatile float smallest_normal = 1.17549435e-38f, tenth = 0.1f, subnormal = 1e-39f, one = 1.0f;
    volatile float result = smallest_normal * tenth;
    volatile float kept = subnormal * one;
    return result == 0.0f || kept == 0.0f;
}

static void save(stele__float_state *s)
{
    s->rounding = (unsigned)fegetround();
    s->x87 = (unsigned)fegetexcept() << 1 | flushes_subnormals();
    fegetenv(&s->whole);
}

static const char *restore(const stele__float_state *s)
{
    unsigned flushes = flushes_subnormals();
    unsigned rest = (unsigned)fegetexcept() << 1 | flushes;
    int rounds = (unsigned)fegetround() != s->rounding;
    if (!rounds && rest == s->x87) {
        return NULL;
    }
    fesetenv(&s->whole);
    return flushes != (s->x87 & 1) ? "subnormal numbers became zero: linked with -ffast-math?"
           : rounds                ? "the rounding mode"
                                   : "the traps";
}

#endif

void stele__environment_save(stele__environment *e)
{
    save(&e->number);
    snprintf(e->locale, sizeof e->locale, "%s", setlocale(LC_ALL, NULL));
}

const char *stele__float_restore(const stele__environment *e)
{
    return restore(&e->number);
}

const char *stele__environment_restore(const stele__environment *e)
{
    const char *number = restore(&e->number);
    /* Names of categories that differ may be longer than what was kept: compare what was. */
    const char *now = setlocale(LC_ALL, NULL);
    int same = strncmp(now, e->locale, sizeof e->locale - 1) == 0;
    if (!same) {
        setlocale(LC_ALL, e->locale);
    }
    return number != NULL ? number : same ? NULL : "the locale";
}
