/* environment.h - what the whole process shares and a plugin could change behind the host's back:
 * how the processor rounds, flushes and traps, and the locale. Numbers of all later passes, and of
 * all files written, would depend on which plugins were there. */
#ifndef STELE_PLUGIN_ENVIRONMENT_H
#define STELE_PLUGIN_ENVIRONMENT_H

#include <fenv.h>

enum { STELE__LONGEST_LOCALE = 256 };

/* The state of the processor for the calling thread; cheap enough to look at after every call. */
typedef struct stele__float_state {
    unsigned rounding; /* control bits, in a form of the processor's own */
    unsigned x87;
    fenv_t whole; /* where the control bits have no cheap form */
} stele__float_state;

typedef struct stele__environment {
    stele__float_state number;
    char locale[STELE__LONGEST_LOCALE];
} stele__environment;

void stele__environment_save(stele__environment *e);
/* Put back what differs from `e`: for the calling thread the processor's state. What was changed,
 * in a few words; NULL if nothing. [any] */
const char *stele__float_restore(const stele__environment *e);
/* The same, and the locale, which belongs to the process. Not while other threads compute. */
const char *stele__environment_restore(const stele__environment *e);

#endif
