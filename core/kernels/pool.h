/* core/kernels: numbers in bulk: the thread pool, addressed noise, vector maths, matrix products,
 * the optimiser's pass. Nothing here knows a graph or a model.
 *
 * pool.h - one pool of threads that works through numbered tasks.
 *
 * The bits of a result never depend on the number of threads, because of one rule that every caller
 * keeps: the *number and the borders of tasks follow from the problem size alone*, a task writes
 * only what belongs to it, and what must be reduced goes into one slot per task that is summed in
 * task order afterwards. `thread` may choose scratch memory, never work. */
#ifndef STELE_KERNELS_POOL_H
#define STELE_KERNELS_POOL_H

#include "base/diag.h"

#include <stddef.h>

typedef struct stele__pool stele__pool;

#define STELE__POOL_MAX_THREADS 64u

/* One task. `task` counts from 0 to n_tasks - 1, `thread` from 0 to stele__pool_threads() - 1; no
 * two running tasks share a `thread`. */
typedef void stele__task_fn(void *ctx, size_t task, unsigned thread);

/* A pool of 1 to STELE__POOL_MAX_THREADS threads; the calling thread of a run is one of them, so 1
 * starts none. Workers block all signals. Errors: STELE_E_ARG, STELE_E_NOMEM (also when the system
 * gives no more threads). */
STELE_NODISCARD stele_status stele__pool_create(unsigned n_threads, stele__pool **ret);
void stele__pool_destroy(stele__pool *pool); /* NULL is legal; no run may be under way */

/* Threads of the pool, the caller included. A NULL pool has one. */
unsigned stele__pool_threads(const stele__pool *pool);

/* Call fn(ctx, task, thread) once for every task below n_tasks (at most 2^32 - 1), picked up in
 * ascending order, and return when all are done; everything the tasks wrote is then visible. No
 * allocation. A run from inside a task of the same pool goes through its tasks on the spot, with
 * that task's `thread`. A NULL pool runs everything here with thread 0. Runs started by several
 * threads take turns. */
void stele__pool_run(stele__pool *pool, size_t n_tasks, stele__task_fn *fn, void *ctx);

#endif
