/* diag.h - the one error convention of the core.
 *
 * A function that can fail returns stele_status (0 or negative) and, where a person should learn
 * why, takes a `stele__diag *diag` as its last parameter and adds a message to it before it returns
 * the code:
 *
 *     return stele__diag_error(diag, STELE_E_IO, NULL, "%s: cannot open: %s", path,
 * strerror(errno));
 *
 * Nothing in the core prints. The command-line program shows the list and chooses the exit code.
 * `diag` may be NULL. Not thread-safe: one list belongs to one thread. */
#ifndef STELE_BASE_DIAG_H
#define STELE_BASE_DIAG_H

#include <stdarg.h>
#include <stddef.h>
#include <stele/types.h>

#define STELE_NODISCARD __attribute__((warn_unused_result))

/* Where in a text file a message belongs. line and column count from 1; 0 means unknown. `path` is
 * the dotted path of the key ("fusion.prior_expert") or NULL. Strings are borrowed. */
typedef struct stele__place {
    const char *file;
    unsigned line, column;
    const char *path;
} stele__place;

enum { STELE__ERROR = 1, STELE__WARNING = 2 };

typedef struct stele__message {
    int severity; /* STELE__ERROR or STELE__WARNING */
    stele_status code;
    char *file; /* owned, NULL if unknown */
    unsigned line, column;
    char *path; /* owned, NULL if none */
    char *text; /* owned: what is wrong, one sentence without a full stop */
    char *hint; /* owned, NULL if none: what to do, shown on a line of its own */
} stele__message;

typedef struct stele__diag {
    stele__message *message;
    size_t n, capacity;
    size_t n_errors; /* messages with severity STELE__ERROR */
} stele__diag;

void stele__diag_init(stele__diag *diag);
void stele__diag_finish(stele__diag *diag);

/* Add a message; return `code`. `place` may be NULL. When memory runs short the message is dropped
 * and counted. */
stele_status stele__diag_error(stele__diag *diag, stele_status code, const stele__place *place,
                               const char *fmt, ...) STELE_PRINTF(4, 5);
void stele__diag_warning(stele__diag *diag, const stele__place *place, const char *fmt, ...)
    STELE_PRINTF(3, 4);
/* Attach a hint to the newest message. */
void stele__diag_hint(stele__diag *diag, const char *fmt, ...) STELE_PRINTF(2, 3);

/* The shape every message has on the screen, one or two lines, newline included:
 *     file:line:column: path: text
 *         hint
 * The caller frees *ret_text with stele__free. */
STELE_NODISCARD stele_status stele__message_format(const stele__message *m, char **ret_text);

/* "success", "bad option value": the text of a status code; "unknown error" for others. */
const char *stele__status_text(stele_status code);

/* Among n names the one nearest to `word` (Damerau-Levenshtein, at most a third of its length),
 * else the only one that begins with it, NULL if none does. For "did you mean". */
const char *stele__nearest(const char *word, const char *const *names, size_t n);

#endif
