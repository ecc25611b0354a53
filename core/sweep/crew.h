/* crew.h - child processes side by side, within a number and an amount of memory. */
#ifndef STELE_SWEEP_CREW_H
#define STELE_SWEEP_CREW_H

#include <stddef.h>
#include <stele/types.h>

#include "base/diag.h"

/* How a child ended. */
typedef struct stele__ended {
    int status;        /* as wait gives it */
    double peak_bytes; /* the most memory that it had */
    double seconds;
} stele__ended;

enum { STELE__TASK_STARTED = 0, STELE__TASK_LATER, STELE__TASK_DONE };

typedef struct stele__crew {
    size_t n, jobs; /* tasks, and how many at once */
    double memory;  /* bytes for all that run */
    /* Bytes that task i is expected to take. */
    double (*needs)(void *ctx, size_t i);
    /* Start what is next to be done for task i: STARTED with *ret_pid, LATER if it cannot start yet
     * (it is asked again soon), DONE if nothing is left to be done. The child is to lead a process
     * group and to end when this process does: stele__crew_fork. */
    int (*start)(void *ctx, size_t i, int *ret_pid);
    /* What `start` started has ended; `start` is called again for the same task. */
    void (*ended)(void *ctx, size_t i, const stele__ended *how);
    void *ctx;
} stele__crew;

/* Work through all tasks, in their order where memory lets them. On the first SIGINT or SIGTERM the
 * children get a SIGTERM and nothing new is started; each further one goes on to them. The signals
 * are blocked for the caller while this runs. E_INTERRUPTED once all children have ended. [main] */
STELE_NODISCARD stele_status stele__crew_run(const stele__crew *crew);

/* As fork. The child leads a process group, gets a SIGTERM when this process ends, however it ends,
 * reads nothing, and says everything into the file `log`, made anew. -1 as fork. */
int stele__crew_fork(const char *log);

#endif
