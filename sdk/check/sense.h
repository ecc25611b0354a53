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
/* From here to capture_end standard output and standard error go to a file of no name. */
typedef struct capture {
    int file, kept[2];
} capture;
void capture_start(capture *c);
/* The first line of what was printed, what is in the buffers of stdio included; 0: nothing. */
int capture_end(capture *c, char *ret, size_t size);
/* Bytes of the heap in use; 0 where that cannot be known (sanitizers). */
size_t sense_heap(void);

#endif
