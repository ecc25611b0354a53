#include "base/str.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

void stele__str_init(stele__str *s)
{
    memset(s, 0, sizeof *s);
}

void stele__str_finish(stele__str *s)
{
    stele__free(s->data);
    stele__str_init(s);
}

/* Room for `more` bytes and the final NUL. */
static int reserve(stele__str *s, size_t more)
{
    if (s->failed) {
        return 0;
    }
    size_t need = s->len + more + 1;
    if (need <= s->capacity) {
        return 1;
    }
    size_t capacity = s->capacity != 0 ? s->capacity : 64;
    while (capacity < need) {
        capacity *= 2;
    }
    char *bigger = stele__realloc(s->data, capacity);
    if (bigger == NULL) {
        s->failed = 1;
        return 0;
    }
    s->data = bigger;
    s->capacity = capacity;
    return 1;
}

void stele__str_append_n(stele__str *s, const char *bytes, size_t n)
{
    if (reserve(s, n)) {
        memcpy(s->data + s->len, bytes, n);
        s->len += n;
        s->data[s->len] = '\0';
    }
}

void stele__str_append(stele__str *s, const char *text)
{
    stele__str_append_n(s, text, strlen(text));
}

void stele__str_vprintf(stele__str *s, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    if (n >= 0 && reserve(s, (size_t)n)) {
        vsnprintf(s->data + s->len, (size_t)n + 1, fmt, again);
        s->len += (size_t)n;
    }
    va_end(again);
}

void stele__str_append_visible(stele__str *s, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)bytes[i];
        /* U+0080 to U+009F are controls too, in UTF-8 two bytes that begin with 0xc2. */
        const int high = c == 0xc2 && i + 1 < n && ((unsigned char)bytes[i + 1] & 0xe0) == 0x80;
        if (high) {
            stele__str_printf(s, "\\x%02x", (unsigned char)bytes[++i]);
        } else if ((c < ' ' && c != '\n' && c != '\t') || c == 0x7f) {
            stele__str_printf(s, "\\x%02x", c);
        } else {
            stele__str_append_n(s, bytes + i, 1);
        }
    }
}

void stele__str_append_cell(stele__str *s, const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        stele__str_append(s, *c == '|' ? "\\" : "");
        stele__str_append_n(s, *c == '\n' || *c == '\r' ? " " : c, 1);
    }
}

void stele__str_printf(stele__str *s, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    stele__str_vprintf(s, fmt, args);
    va_end(args);
}

char *stele__str_take(stele__str *s)
{
    if (!s->failed && s->data == NULL) {
        stele__str_append_n(s, "", 0);
    }
    char *text = s->data;
    if (s->failed) {
        stele__free(text);
        text = NULL;
    }
    stele__str_init(s);
    return text;
}
