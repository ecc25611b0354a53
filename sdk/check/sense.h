/* sense.h - what a plugin must leave as it was: floating-point state, locale, files, threads, memory. */
#ifndef STELE_CHECK_SENSE_H
#define STELE_CHECK_SENSE_H

#include "check.h"

typedef struct sense {
    int rounding, traps, flushes;
    int n_files, n_threads;
    char locale[256], folder[512];
} sense;

void sense_take(sense *s);
/* What of the floating-point state differs, NULL if nothing. */
const char *sense_float_change(const sense *before);
/* What else differs, NULL if nothing. */
const char *sense_other_change(const sense *before);
/* Bytes of the heap in use; 0 where that cannot be known (sanitizers). */
size_t sense_heap(void);

#endif
