#include "base/diag.h"

#include "base/mem.h"
#include "base/str.h"

#include <string.h>

void stele__diag_init(stele__diag *diag)
{
    memset(diag, 0, sizeof *diag);
}

static void message_finish(stele__message *m)
{
    stele__free(m->file);
    stele__free(m->path);
    stele__free(m->text);
    stele__free(m->hint);
}

void stele__diag_finish(stele__diag *diag)
{
    if (diag == NULL) {
        return;
    }
    for (size_t i = 0; i < diag->n; i++) {
        message_finish(&diag->message[i]);
    }
    stele__free(diag->message);
    memset(diag, 0, sizeof *diag);
}

static char *format_text(const char *fmt, va_list args)
{
    stele__str s;
    stele__str_init(&s);
    stele__str_vprintf(&s, fmt, args);
    return stele__str_take(&s);
}

static void add(stele__diag *diag, int severity, stele_status code, const stele__place *place,
                const char *fmt, va_list args)
{
    if (severity == STELE__ERROR) {
        diag->n_errors++;
    }
    if (diag->n == diag->capacity) {
        size_t capacity = diag->capacity != 0 ? 2 * diag->capacity : 8;
        stele__message *bigger = stele__realloc(diag->message, capacity * sizeof *bigger);
        if (bigger == NULL) {
            return;
        }
        diag->message = bigger;
        diag->capacity = capacity;
    }
    stele__message *m = &diag->message[diag->n++];
    *m = (stele__message){ .severity = severity, .code = code };
    m->text = format_text(fmt, args);
    if (place != NULL) {
        m->file = stele__strdup(place->file);
        m->path = stele__strdup(place->path);
        m->line = place->line;
        m->column = place->column;
    }
}

stele_status stele__diag_error(stele__diag *diag, stele_status code, const stele__place *place,
                               const char *fmt, ...)
{
    if (diag != NULL) {
        va_list args;
        va_start(args, fmt);
        add(diag, STELE__ERROR, code, place, fmt, args);
        va_end(args);
    }
    return code;
}

void stele__diag_warning(stele__diag *diag, const stele__place *place, const char *fmt, ...)
{
    if (diag != NULL) {
        va_list args;
        va_start(args, fmt);
        add(diag, STELE__WARNING, STELE_OK, place, fmt, args);
        va_end(args);
    }
}

void stele__diag_hint(stele__diag *diag, const char *fmt, ...)
{
    if (diag == NULL || diag->n == 0) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    stele__message *m = &diag->message[diag->n - 1];
    stele__free(m->hint);
    m->hint = format_text(fmt, args);
    va_end(args);
}

stele_status stele__message_format(const stele__message *m, char **ret_text)
{
    stele__str s;
    stele__str_init(&s);
    if (m->file != NULL) {
        stele__str_printf(&s, "%s:", m->file);
        if (m->line != 0) {
            stele__str_printf(&s, "%u:%u:", m->line, m->column);
        }
        stele__str_append(&s, " ");
    }
    if (m->severity == STELE__WARNING) {
        stele__str_append(&s, "warning: ");
    }
    if (m->path != NULL && m->path[0] != '\0') {
        stele__str_printf(&s, "%s: ", m->path);
    }
    stele__str_printf(&s, "%s\n", m->text != NULL ? m->text : stele__status_text(m->code));
    if (m->hint != NULL) {
        stele__str_printf(&s, "    %s\n", m->hint);
    }
    char *text = stele__str_take(&s);
    if (text == NULL) {
        return STELE_E_NOMEM;
    }
    *ret_text = text;
    return STELE_OK;
}

const char *stele__status_text(stele_status code)
{
    switch (code) {
#define STELE_X(name_, value_, text_)                                                              \
    case value_: return text_;
        STELE_STATUS_MAP(STELE_X)
#undef STELE_X
    default: return "unknown error";
    }
}

enum { LONGEST_WORD = 63, SHORTEST_BEGINNING = 4 };

/* Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours cost one
 * each. */
static size_t edit_distance(const char *a, size_t na, const char *b, size_t nb)
{
    size_t row[3][LONGEST_WORD + 1];
    for (size_t j = 0; j <= nb; j++) {
        row[0][j] = j;
    }
    for (size_t i = 1; i <= na; i++) {
        size_t *cur = row[i % 3];
        const size_t *prev = row[(i + 2) % 3];
        const size_t *before = row[(i + 1) % 3];
        cur[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t best = prev[j - 1] + (a[i - 1] != b[j - 1]);
            best = prev[j] + 1 < best ? prev[j] + 1 : best;
            best = cur[j - 1] + 1 < best ? cur[j - 1] + 1 : best;
            int swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && before[j - 2] + 1 < best) {
                best = before[j - 2] + 1;
            }
            cur[j] = best;
        }
    }
    return row[na % 3][nb];
}

/* The one name that goes on where `word` ends; a few letters begin too many. */
static const char *longer(const char *word, size_t len, const char *const *names, size_t n)
{
    const char *found = NULL;
    for (size_t i = 0; i < n && len >= SHORTEST_BEGINNING; i++) {
        if (strncmp(word, names[i], len) == 0) {
            if (found != NULL) {
                return NULL;
            }
            found = names[i];
        }
    }
    return found;
}

const char *stele__nearest(const char *word, const char *const *names, size_t n)
{
    size_t len = strlen(word);
    const char *nearest = NULL;
    size_t best = len / 3 + 1;
    if (len > LONGEST_WORD) {
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        size_t other = strlen(names[i]);
        if (other > LONGEST_WORD) {
            continue;
        }
        size_t d = edit_distance(word, len, names[i], other);
        if (d <= best && (nearest == NULL || d < best)) {
            nearest = names[i];
            best = d;
        }
    }
    return nearest != NULL ? nearest : longer(word, len, names, n);
}
