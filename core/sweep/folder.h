/* folder.h - the folder of a sweep.
 *
 *     sweep.yaml      the spec as it was given
 *     lock            the process that is at work; held with flock, so that a dead one holds
 * nothing specs/NAME.yaml one point's whole spec; NAME is a digest of all that decides its training
 *     runs/NAME/      its run folder, with sweep-PART.json once it is finished and judged
 *     logs/NAME.log   what its last child process said
 *     runs.csv, table.csv, table.md, FIGURE-points.png, FIGURE-line.png */
#ifndef STELE_SWEEP_FOLDER_H
#define STELE_SWEEP_FOLDER_H

#include "base/diag.h"

#include <jansson.h>

/* Make the folder, if it is absent, and keep other sweeps out of it for as long as *ret_lock is
 * open. E_ARG for a folder that holds anything but a sweep, E_IO if a sweep is at work in it. */
STELE_NODISCARD stele_status stele__sweep_open(const char *dir, const char *text, size_t len,
                                               int *ret_lock, stele__diag *diag);

/* "DIR/KIND/NAMEEND": specs, runs or logs. The caller frees it; NULL: out of memory. */
char *stele__sweep_path(const char *dir, const char *kind, const char *name, const char *end);

/* 1 while a process works in a run folder: one that an earlier sweep left behind. */
int stele__sweep_run_busy(const char *run);

/* What a finished run has to say about itself, read from its folder. */
typedef struct stele__record {
    json_t *figures;       /* { path: number }, owned */
    double expected_bytes; /* memory, before and after */
    double peak_bytes, seconds, ratio;
    int64_t rows;               /* judged */
    int64_t epochs, best_epoch; /* 0: unknown */
} stele__record;

/* 1 if the run is finished and was judged on `part` by the evaluations of that digest; then *ret is
 * filled, and released with json_decref(ret->figures). */
int stele__record_read(const char *run, const char *part, const char *evaluate, stele__record *ret);
/* The mark that a run is finished, after its figures were written: the whole of it, or nothing.
 * `point` is { key: value }, borrowed. */
STELE_NODISCARD stele_status stele__record_write(const char *run, const char *part,
                                                 const char *evaluate, json_t *point,
                                                 const stele__record *record, stele__diag *diag);
/* Before a run is judged anew: what it was judged by before does not count any more. */
void stele__record_remove(const char *run, const char *part);

/* Why a child that did not end well did not, on one line: its signal, or the first error in its
 * log. `what` is what it did: "training". The caller frees it; NULL: out of memory. */
char *stele__child_reason(const char *what, int wait_status, const char *log);

#endif
