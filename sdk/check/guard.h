/* guard.h - memory whose borders are watched, and signals turned into verdicts. */
#ifndef STELE_CHECK_GUARD_H
#define STELE_CHECK_GUARD_H

#include "check.h"

/* Zeroed memory between pages that nobody may touch, at the end of what is between them, with a pattern in the rest. It
 * is aligned only as far as its size allows. `name` stands in the message when a plugin runs over an end. Never NULL:
 * without memory the process ends as a crash. Freed with guard_free. */
void *guard_take(size_t size, const char *name);
/* The same aligned to `align`, a power of 2; a few bytes behind it may then hold the pattern. */
void *guard_take_aligned(size_t size, size_t align, const char *name);
/* What is taken from here on stands at the end (0, as at first), where each step behind it is trapped, or at the
 * beginning (1), where each step in front of it is. */
void guard_at_beginning(int beginning);
/* From here on the memory, the last one taken, may only be read. */
void guard_seal(void *last);
/* How much there is, and: release what was taken since; says FAIL where the pattern was written over. */
size_t guard_mark(void);
void guard_free(check_trial *t, size_t mark);

/* From now on a fatal signal of this process becomes a verdict. For children. */
void guard_signals(void);
/* What is said if a pointer that is NULL is used; NULL: what is said of any signal. */
void guard_expect_null(const char *text);

#endif
