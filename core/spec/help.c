#include "spec/help.h"

#include "spec/spec.h"

#include <string.h>

static int is_listed(const stele_option *row, int advanced)
{
    return (row->flags & STELE_OPT_DEPRECATED) == 0 &&
           (advanced || (row->flags & STELE_OPT_ADVANCED) == 0);
}

/* Names are padded to a common width, but one long name does not push all others away. */
static int name_width(const stele__table *table, int advanced)
{
    enum { WIDEST = 28 };
    int width = 0;
    for (uint32_t i = 0; i < table->n; i++) {
        stele_option row = stele__table_row(table, i);
        int n = (int)strlen(row.name);
        if (is_listed(&row, advanced) && n > width && n <= WIDEST) {
            width = n;
        }
    }
    return width;
}

/* `text` in lines of at most LINE columns, all indented. */
static void append_wrapped(stele__str *out, int indent, const char *text)
{
    enum { LINE = 110, NARROWEST = 40 };
    size_t width = indent < LINE - NARROWEST ? (size_t)(LINE - indent) : NARROWEST;
    while (strlen(text) > width) {
        size_t n = width;
        while (n > 0 && text[n] != ' ') {
            n--;
        }
        n = n > 0 ? n : strcspn(text, " "); /* a word longer than a line */
        stele__str_printf(out, "%*s%.*s\n", indent, "", (int)n, text);
        text += n + (text[n] == ' ');
    }
    stele__str_printf(out, "%*s%s\n", indent, "", text);
}

void stele__table_help(const stele__table *table, int advanced, stele__str *out)
{
    int width = name_width(table, advanced), n_hidden = 0;
    for (uint32_t i = 0; i < table->n; i++) {
        stele_option row = stele__table_row(table, i);
        if (!is_listed(&row, advanced)) {
            n_hidden += (row.flags & STELE_OPT_DEPRECATED) == 0;
            continue;
        }
        stele__str_printf(out, "  %-*s  ", width, row.name);
        stele__option_describe(&row, out);
        if (row.unit != NULL) {
            stele__str_printf(out, " (%s)", row.unit);
        }
        stele__str_append(out, "\n");
        append_wrapped(out, width + 4, row.help);
    }
    if (n_hidden != 0) {
        stele__str_printf(out, "  (%d more with --all)\n", n_hidden);
    }
}

static void append_part(stele__str *out, const stele_option *row,
                        void (*part)(const stele_option *, stele__str *), int is_code)
{
    stele__str s;
    stele__str_init(&s);
    part(row, &s);
    if (s.len != 0) {
        stele__str_append(out, is_code ? "`" : "");
        stele__str_append_cell(out, s.data);
        stele__str_append(out, is_code ? "`" : "");
    }
    stele__str_append(out, " | ");
    stele__str_finish(&s);
}

void stele__table_markdown(const stele__table *table, stele__str *out)
{
    stele__str_append(out, "| option | type | range | default | unit | meaning |\n"
                           "|---|---|---|---|---|---|\n");
    for (uint32_t i = 0; i < table->n; i++) {
        stele_option row = stele__table_row(table, i);
        stele__str_printf(out, "| `%s` | ", row.name);
        append_part(out, &row, stele__option_type, 0);
        append_part(out, &row, stele__option_range, 0);
        if ((row.flags & STELE_OPT_REQUIRED) != 0) {
            stele__str_append(out, "required | ");
        } else {
            append_part(out, &row, stele__option_default, 1);
        }
        stele__str_printf(out, "%s | ", row.unit != NULL ? row.unit : "");
        stele__str_append(out, (row.flags & STELE_OPT_DEPRECATED) != 0 ? "Deprecated. " : "");
        stele__str_append_cell(out, row.help);
        stele__str_append(out, " |\n");
    }
}

void stele__sections_markdown(stele__str *out)
{
    for (int i = 0; i < STELE__N_SECTIONS; i++) {
        const stele__section *s = stele__section_get(i);
        stele__str_printf(out, "%s## %s%s%s\n\n%s\n\n", i != 0 ? "\n" : "",
                          s->path[0] != '\0' ? "`" : "", s->path[0] != '\0' ? s->path : "Top level",
                          s->path[0] != '\0' ? "`" : "", s->summary);
        stele__table_markdown(&s->table, out);
    }
}

/* Length of the path as people say it: "modalities" for "modalities.NAME". */
static size_t said_length(const stele__section *s)
{
    const char *name = strstr(s->path, ".NAME");
    return name != NULL ? (size_t)(name - s->path) : strlen(s->path);
}

static int is_named(const stele__section *s, const char *path)
{
    size_t n = said_length(s);
    size_t len = strlen(path);
    int is_below = len > 0 && strncmp(path, s->path, len) == 0 && s->path[len] == '.';
    return strcmp(path, s->path) == 0 || is_below || (len == n && strncmp(path, s->path, n) == 0);
}

int stele__sections_help(const char *path, int advanced, stele__str *out)
{
    int n = 0;
    for (int i = 0; i < STELE__N_SECTIONS; i++) {
        const stele__section *s = stele__section_get(i);
        if (path == NULL || is_named(s, path)) {
            stele__str_printf(out, "%s%s%s%s\n", n != 0 ? "\n" : "", s->path,
                              s->path[0] != '\0' ? ": " : "", s->summary);
            stele__table_help(&s->table, advanced, out);
            n++;
        }
    }
    return n != 0;
}

void stele__sections_list(stele__str *out)
{
    const char *comma = "";
    for (int i = 0; i < STELE__N_SECTIONS; i++) {
        const stele__section *s = stele__section_get(i);
        if (s->path[0] != '\0') {
            stele__str_printf(out, "%s%.*s", comma, (int)said_length(s), s->path);
            comma = ", ";
        }
    }
}
