/* crash.h - which slot of which plugin each thread is in, so that a crash ends the program with the
 * name of the culprit. Where calls into plugins begin and end two words of the thread are written;
 * everything else is prepared beforehand or happens in the signal handler, by write(2) alone. */
#ifndef STELE_PLUGIN_CRASH_H
#define STELE_PLUGIN_CRASH_H

#include "base/diag.h"

/* The message about a plugin but for the words in its middle: "spec.yaml:7:3: NAME: " and
 * " (modality/x 0.1.0)\n    in FILE ...\n". Strings are owned by whoever fills it; they stay while
 * a thread is inside. */
typedef struct stele__culprit {
    char *before, *after;
} stele__culprit;

/* Fill it from the first message of `diag`, in whose text STELE__CULPRIT_MARK stands where the
 * slot and the words go; what it holds then is owned. STELE_E_NOMEM: the message, or memory, is
 * lacking. stele__culprit_finish in any case. */
#define STELE__CULPRIT_MARK "\x01"
STELE_NODISCARD stele_status stele__culprit_init(stele__culprit *who, const stele__diag *diag);
void stele__culprit_finish(stele__culprit *who);

/* The calling thread runs `slot` ("encode") from here on. Calls do not nest: who calls a plugin in
 * the middle of another's slot enters that one again afterwards. Both strings stay valid until
 * then. [any] */
void stele__crash_enter(const stele__culprit *who, const char *slot);
/* And has left it. [any] */
void stele__crash_leave(void);

/* From now on crashes (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT) are reported on stderr,
 * then end the program as they would have. Threads that enter a plugin later get a stack for that
 * of their own: an overflow of the usual one is a crash as well. A slot that calls exit() is
 * reported too and ends the program with 1. Main thread, once. */
void stele__crash_install(void);

/* What a report says at its end if the file `path` exists by then; borrowed. NULL: nothing. */
void stele__crash_advise(const char *path, const char *text);

/* End the program by the signal `number`, from its handler: the slots that threads are in are
 * named, as what did not return. */
void stele__crash_interrupted(int number);

#endif
