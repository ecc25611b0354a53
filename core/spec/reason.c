#include "spec/reason.h"

#include <string.h>

/* Pairs of what libyaml says and what we say; the first that is contained in the problem wins. */
static const struct {
    const char *problem, *text, *hint;
} REASONS[] = {
    { "tab character", "a tab is used for indentation", "indent with spaces" },
    { "mapping values are not allowed", "a second `key: value` on one line is not allowed here",
      "check the indentation, or put the value in quotes if it holds a colon" },
    { "did not find expected ',' or ']'", "expected `,` or `]` in a list",
      "a list that starts with `[` must end with `]`" },
    { "did not find expected ',' or '}'", "expected `,` or `}` in a mapping",
      "a mapping that starts with `{` must end with `}`" },
    { "could not find expected ':'", "expected a colon behind the key",
      "write `key: value`, with a space behind the colon" },
    { "did not find expected key", "expected a key here: the indentation does not fit",
      "keys of one mapping start in the same column" },
    { "did not find expected '-' indicator", "expected a list item `- value` here",
      "items of one list start in the same column" },
    { "block sequence entries are not allowed", "a list item is not allowed here",
      "start the list on a line of its own below the key" },
    { "did not find expected <document start>", "text after the end of the document",
      "a spec is one mapping; keys of the top level start in the first column" },
    { "found unexpected end of stream", "a text in quotes is not closed", NULL },
    { "found unexpected document indicator", "a text in quotes is not closed", NULL },
    { "unknown escape character", "unknown escape after a backslash in double quotes",
      "use single quotes to keep backslashes as they are" },
    { "control characters are not allowed", "a control character is not allowed in YAML", NULL },
    { "found undefined tag handle", "a tag with an unknown prefix", "remove the `!...` tag" },
    { "did not find expected node content", "expected a value here", NULL },
    { "did not find expected alphabetic or numeric character",
      "a name must follow `*` or `&` directly", "put the value in quotes if it is text" },
};

static const char *line_start(const char *text, size_t len, size_t line)
{
    const char *s = text, *end = text + len;
    while (line > 0 && s < end) {
        const char *newline = memchr(s, '\n', (size_t)(end - s));
        if (newline == NULL) {
            return end;
        }
        s = newline + 1;
        line--;
    }
    return s;
}

/* The character at a mark; marks count characters, not bytes. */
static char char_at(const char *text, size_t len, const yaml_mark_t *mark)
{
    const char *s = line_start(text, len, mark->line), *end = text + len;
    for (size_t column = mark->column; column > 0 && s < end; column--) {
        do {
            s++;
        } while (s < end && ((unsigned char)*s & 0xC0) == 0x80);
    }
    return s < end ? *s : '\0';
}

static void place_of_offset(const char *text, size_t len, size_t offset, stele__place *place)
{
    place->line = 1;
    place->column = 1;
    for (size_t i = 0; i < offset && i < len; i++) {
        if (text[i] == '\n') {
            place->line++;
            place->column = 1;
        } else if (((unsigned char)text[i] & 0xC0) != 0x80) {
            place->column++;
        }
    }
}

static void tell_reader(const yaml_parser_t *parser, const stele__place *place, stele__diag *diag)
{
    const char *problem = parser->problem != NULL ? parser->problem : "";
    if (strstr(problem, "control characters") != NULL) {
        stele__diag_error(diag, STELE_E_OPTION, place,
                          "a control character (0x%02X) is not allowed in YAML",
                          (unsigned)parser->problem_value);
        return;
    }
    stele__diag_error(diag, STELE_E_OPTION, place, "the file is not valid UTF-8");
    stele__diag_hint(diag, "save it with the encoding UTF-8");
}

stele_status stele__yaml_reason(const yaml_parser_t *parser, const char *text, size_t len,
                                const char *file, int lines, stele__diag *diag)
{
    const char *problem = parser->problem != NULL ? parser->problem : "broken YAML";
    stele__place place = { .file = file };
    if (parser->error == YAML_MEMORY_ERROR) {
        return STELE_E_NOMEM;
    }
    if (parser->error == YAML_READER_ERROR) {
        if (lines) {
            place_of_offset(text, len, parser->problem_offset, &place);
        }
        tell_reader(parser, &place, diag);
        return STELE_E_OPTION;
    }
    /* What was left open, or lacks its colon, is best shown where it starts: libyaml notices only
     * later, often at the end of the file. */
    int at_start = strstr(problem, "end of stream") != NULL ||
                   strstr(problem, "document indicator") != NULL ||
                   strstr(problem, "expected ':'") != NULL;
    const yaml_mark_t *mark =
        at_start && parser->context != NULL ? &parser->context_mark : &parser->problem_mark;
    if (lines) {
        place.line = (unsigned)mark->line + 1;
        place.column = (unsigned)mark->column + 1;
    }
    if (strstr(problem, "cannot start any token") != NULL) {
        char c = char_at(text, len, &parser->problem_mark);
        if (c == '\t') {
            problem = "tab character";
        } else {
            stele__diag_error(diag, STELE_E_OPTION, &place, "a value cannot start with `%c`", c);
            stele__diag_hint(diag, "put the value in quotes");
            return STELE_E_OPTION;
        }
    }
    for (size_t i = 0; i < sizeof REASONS / sizeof REASONS[0]; i++) {
        if (strstr(problem, REASONS[i].problem) != NULL) {
            stele__diag_error(diag, STELE_E_OPTION, &place, "%s", REASONS[i].text);
            if (lines && strstr(problem, "expected ',' or") != NULL) {
                stele__diag_hint(diag, "the one that starts at line %u, column %u is still open",
                                 (unsigned)parser->context_mark.line + 1,
                                 (unsigned)parser->context_mark.column + 1);
            } else if (REASONS[i].hint != NULL) {
                stele__diag_hint(diag, "%s", REASONS[i].hint);
            }
            return STELE_E_OPTION;
        }
    }
    return stele__diag_error(diag, STELE_E_OPTION, &place, "broken YAML: %s", problem);
}
