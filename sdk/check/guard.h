/* guard.h - memory whose borders are watched, and signals turned into verdicts. */
#ifndef STELE_CHECK_GUARD_H
#define STELE_CHECK_GUARD_H

#include "check.h"

/* Zeroed memory that ends at a page nobody may touch, with a pattern in front of it; aligned to `align` only as far as
 * its size allows. `name` stands in the message when a plugin runs over an end. Never NULL: without memory the process
 * ends as a crash. Freed with guard_free. */
void *guard_take(size_t size, const char *name);
/* How much there is, and: release what was taken since; says FAIL where the pattern in front was written over. */
size_t guard_mark(void);
void guard_free(check_trial *t, size_t mark);

/* From now on a fatal signal of this process becomes a verdict. For children. */
void guard_signals(void);

#endif
