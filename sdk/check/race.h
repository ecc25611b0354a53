/* race.h - calls from several threads at the same time. */
#ifndef STELE_CHECK_RACE_H
#define STELE_CHECK_RACE_H

#include "check.h"

enum { RACE_THREADS = 4 };

/* Thread k calls call(ctx[k]) again and again, until each of the n (at most RACE_THREADS) has been at work often while
 * another was too: on a busy machine threads may run one after the other for a while. A call that returns 0 found what
 * it looked for, which ends the race. 0: there were no threads, which was said. */
int race_run(check_trial *t, uint32_t n, int (*call)(void *ctx), void *const *ctx);

#endif
