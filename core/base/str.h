/* str.h - a growing string. The first failed allocation sticks: appends become no-ops and take
 * gives NULL. */
#ifndef STELE_BASE_STR_H
#define STELE_BASE_STR_H

#include <stdarg.h>
#include <stddef.h>
#include <stele/types.h>

typedef struct stele__str {
    char *data; /* NUL-terminated once anything was appended */
    size_t len, capacity;
    int failed;
} stele__str;

void stele__str_init(stele__str *s);
void stele__str_finish(stele__str *s);
void stele__str_append(stele__str *s, const char *text);
void stele__str_append_n(stele__str *s, const char *bytes, size_t n);
/* The same for a screen: control characters, which could move its cursor or worse, show as \xHH,
 * but for the ends of lines and tabs. */
void stele__str_append_visible(stele__str *s, const char *bytes, size_t n);
/* The same as a cell of a table in Markdown, which a bar or the end of a line would end. */
void stele__str_append_cell(stele__str *s, const char *text);
void stele__str_printf(stele__str *s, const char *fmt, ...) STELE_PRINTF(2, 3);
void stele__str_vprintf(stele__str *s, const char *fmt, va_list args) STELE_PRINTF(2, 0);
/* Hand the text over to the caller, who frees it with stele__free; an empty string if nothing was
 * appended, NULL after a failed allocation. `s` is ready for use again. */
char *stele__str_take(stele__str *s);

#endif
