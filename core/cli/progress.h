/* progress.h - a training as a person sees it: a line that renews itself on a terminal, a line per
 * epoch elsewhere. */
#ifndef STELE_CLI_PROGRESS_H
#define STELE_CLI_PROGRESS_H

#include "train/train.h"

typedef struct stele__display {
    int terminal;    /* stderr is one */
    int quiet;       /* nothing at all */
    double shown_at; /* when the line was last renewed */
} stele__display;

void stele__display_init(stele__display *d, int quiet);
/* The `report` of a training; ctx is the display. */
void stele__display_report(void *ctx, const stele__progress *p);

#endif
