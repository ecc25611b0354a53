/* sweep.h - the points of a sweep at work: their specs, their child processes, how they ended. */
#ifndef STELE_CLI_SWEEP_H
#define STELE_CLI_SWEEP_H

#include "base/file.h"
#include "cli/command.h"
#include "cli/load.h"
#include "sweep/folder.h"
#include "sweep/points.h"

/* What is next to be done for a point. */
enum { STELE__STEP_TRAIN = 0, STELE__STEP_JUDGE, STELE__STEP_NONE };

typedef struct stele__entry {
    char name[17];     /* digest of all that decides the training */
    char evaluate[17]; /* digest of how it is judged */
    char *spec;        /* the whole spec with all defaults */
    int step, finished, checked, waited;
    int check_status; /* how the check ended, as wait gives it */
    char *reason;     /* why it has not finished; NULL: it has, or nobody tried */
    stele__record record;
} stele__entry;

typedef struct stele__sweep {
    const stele__spec_arguments *arguments;
    stele__registry *registry;
    stele__loaded base;
    stele__points points;
    stele__entry *entry; /* (points.n) */
    const char *dir, *part;
    int quiet, lock;
    size_t jobs;
    double memory; /* bytes */
    size_t n_finished, n_checked;
    double largest_check; /* bytes, of a check so far */
    double factor;        /* what runs took over what was expected of them, at most so far */
    size_t n_room;
    double *room; /* (points.n) bytes of parameters, told by the children that check */
} stele__sweep;

/* Read the spec of every point as far as that goes without data: entries with their names, and
 * those that are finished with their figures. Messages that several points share come once. */
STELE_NODISCARD stele_status stele__sweep_load(stele__sweep *s, stele__diag *diag);
/* The spec of one point. */
STELE_NODISCARD stele_status stele__sweep_point(const stele__sweep *s, size_t i, stele__loaded *ret,
                                                stele__diag *diag);
/* Look at what is there: which points are finished. */
void stele__sweep_look(stele__sweep *s);
/* Check the points that are not finished with their data, each in a child process, which also tells
 * how much memory to expect. On a fault *ret_code is the exit code, and the messages are shown. */
STELE_NODISCARD stele_status stele__sweep_check(stele__sweep *s, int *ret_code);
/* Train and judge the points that are not finished. E_INTERRUPTED after a signal. */
STELE_NODISCARD stele_status stele__sweep_run(stele__sweep *s, stele__diag *diag);
void stele__sweep_finish(stele__sweep *s);
/* "fusion = a, seed = 1" */
void stele__point_title(const stele__points *points, size_t i, stele__str *out);

#endif
