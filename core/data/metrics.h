/* metrics.h - the log of a run, JSON Lines: one object per line, in the order of the steps.
 *
 * A line is handed to the system as soon as it is written, so a killed process loses at most the
 * line it was writing. One thread at a time. */
#ifndef STELE_DATA_METRICS_H
#define STELE_DATA_METRICS_H

#include "base/diag.h"

#include <jansson.h>
#include <stdint.h>

typedef struct stele__metrics stele__metrics;

/* Open `path` for appending; it is made if it is not there. What a resumed run will write again is
 * cut off: everything from the first line on whose "step" is greater than last_step (-1: everything
 * that has a step; INT64_MAX: nothing), and a last line without an end. Lines without a "step"
 * belong to the line before them. Errors: E_IO; E_DATA with the line number for a whole line that
 * is no JSON object; E_NOMEM. */
STELE_NODISCARD stele_status stele__metrics_open(const char *path, int64_t last_step,
                                                 stele__metrics **ret, stele__diag *diag);
/* Append one object; borrowed. Errors: E_ARG if it is not an object, E_IO, E_NOMEM. */
STELE_NODISCARD stele_status stele__metrics_write(stele__metrics *log, const json_t *line,
                                                  stele__diag *diag);
/* Make the lines so far last through a crash of the machine. Errors: E_IO. */
STELE_NODISCARD stele_status stele__metrics_sync(stele__metrics *log, stele__diag *diag);
/* Close; every written line has been handed over already. NULL is legal. */
void stele__metrics_close(stele__metrics *log);

#endif
