/* Cutting text into records and cells, as RFC 4180 has it: a cell may be in double quotes, which it
 * has to start with; inside them delimiters and line ends are text and a quote is written twice.
 * Lines end with LF, CR LF or CR. */
#include "csv.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK      ((size_t)1 << 18)
#define MAX_RECORD ((size_t)1 << 26)

/* What cutting one record came to. */
enum { CUT_RECORD, CUT_SKIPPED, CUT_MORE, CUT_OPEN_QUOTE, CUT_AFTER_QUOTE, CUT_NOMEM };

void csv_reader_init(csv_reader *r, const stele_host *host, const char *comment)
{
    *r = (csv_reader){ .host = host, .comment = comment };
}

void csv_reader_go(csv_reader *r, const csv_file *f, int64_t begin, int64_t end)
{
    r->file = f;
    r->next = begin;
    r->end = end;
    r->begin = r->fill = 0;
    memset(r->stop, 0, sizeof r->stop);
    r->stop['\n'] = r->stop['\r'] = r->stop[(unsigned char)f->delimiter] = 1;
}

void csv_reader_finish(csv_reader *r)
{
    free(r->buffer);
    free(r->cell);
    *r = (csv_reader){ 0 };
}

/* Offset in the file of a byte of the buffer. */
static int64_t offset_of(const csv_reader *r, size_t at)
{
    return r->next - (int64_t)(r->fill - at);
}

/* --- the buffer ------------------------------------------------------------------------------ */

/* Keep what is not cut yet, and bring more behind it. A byte more than the capacity is there for a
 * line end that stops every search. */
static stele_status bring_more(csv_reader *r)
{
    size_t kept = r->fill - r->begin;
    int64_t left = r->end - r->next;
    if (kept == r->capacity) {
        size_t capacity = r->capacity == 0 ? CHUNK : r->capacity < MAX_RECORD ? 2 * r->capacity : 0;
        if (capacity == 0 && r->quote >= 0) {
            return csv_fail(r->host, STELE_E_DATA, r->file, r->quote,
                            "a quote that begins here is not closed within %zu MB",
                            MAX_RECORD >> 20);
        }
        if (capacity == 0) {
            return csv_fail(r->host, STELE_E_DATA, r->file, offset_of(r, r->begin),
                            "is longer than %zu MB", MAX_RECORD >> 20);
        }
        char *buffer = realloc(r->buffer, capacity + 1);
        if (buffer == NULL) {
            return csv_nomem(r->host, r->file);
        }
        r->buffer = buffer;
        r->capacity = capacity;
    }
    memmove(r->buffer, r->buffer + r->begin, kept);
    size_t room = r->capacity - kept, n = left < (int64_t)room ? (size_t)left : room;
    stele_status st = csv_file_read(r->host, r->file, r->next, n, r->buffer + kept);
    if (st == STELE_OK) {
        r->begin = 0;
        r->fill = kept + n;
        r->next += (int64_t)n;
        r->buffer[r->fill] = '\n';
    }
    return st;
}

/* --- cutting --------------------------------------------------------------------------------- */

/* The next cell of the record; NULL: no memory. */
static csv_cell *add_cell(csv_reader *r)
{
    if (r->n == r->cells) {
        size_t cells = 2 * r->cells + 64;
        csv_cell *cell = realloc(r->cell, cells * sizeof *cell);
        if (cell == NULL) {
            return NULL;
        }
        r->cell = cell;
        r->cells = cells;
    }
    return &r->cell[r->n++];
}

/* A cell without quotes: its end. Most cells of large tables are numbers, which are taken to pieces
 * while their end is looked for. */
static const char *plain_end(const csv_reader *r, const char *s, csv_cell *cell)
{
    const char *end = csv_scan(s, &cell->decimal);
    cell->is_number = end != NULL && r->stop[(unsigned char)*end];
    end = end != NULL ? end : s;
    while (!r->stop[(unsigned char)*end]) {
        end++;
    }
    return end;
}

/* The text of a cell in quotes, from behind the first one: its end, NULL if that did not come. */
static const char *quoted_end(const char *s, const char *end, int *ret_escaped)
{
    for (;;) {
        const char *quote = memchr(s, '"', (size_t)(end - s));
        if (quote == NULL || quote + 1 == end || quote[1] != '"') {
            return quote;
        }
        *ret_escaped = 1;
        s = quote + 2;
    }
}

/* Cells of the record that starts at the beginning of the buffer. `last`: nothing follows. */
static int cut_cells(csv_reader *r, int last, const char **ret_next)
{
    const char *s = r->buffer + r->begin, *end = r->buffer + r->fill;
    for (r->n = 0;; s++) {
        csv_cell *cell = add_cell(r);
        if (cell == NULL) {
            return CUT_NOMEM;
        }
        cell->text = s;
        cell->escaped = 0;
        if (s < end && *s == '"') {
            r->quote = offset_of(r, (size_t)(s - r->buffer));
            cell->text = s + 1;
            cell->is_number = 0;
            s = quoted_end(cell->text, end, &cell->escaped);
            if (s == NULL || (s + 1 == end && !last)) {
                return s == NULL && last ? CUT_OPEN_QUOTE : CUT_MORE;
            }
            cell->len = (size_t)(s++ - cell->text);
            if (s < end && !r->stop[(unsigned char)*s]) {
                return CUT_AFTER_QUOTE;
            }
            r->quote = -1;
        } else {
            s = plain_end(r, s, cell);
            if (s == end && !last) {
                return CUT_MORE;
            }
            cell->len = (size_t)(s - cell->text);
        }
        if (s == end || *s != r->file->delimiter) {
            *ret_next = s + (s < end); /* the LF of a CR LF is a blank line */
            return CUT_RECORD;
        }
    }
}

/* A line of nothing or a comment. */
static int cut_skipped(const csv_reader *r, int last, const char **ret_next)
{
    const char *s = r->buffer + r->begin, *end = r->buffer + r->fill;
    size_t n = (size_t)(end - s), len = r->comment != NULL ? strlen(r->comment) : 0;
    if (len > n && !last) {
        return CUT_MORE;
    }
    if (len > 0 && n >= len && memcmp(s, r->comment, len) == 0) {
        while (s < end && *s != '\n' && *s != '\r') {
            s++;
        }
    } else if (*s != '\n' && *s != '\r') {
        return CUT_RECORD;
    }
    if (s == end && !last) {
        return CUT_MORE;
    }
    *ret_next = s + (s < end);
    return CUT_SKIPPED;
}

static int cut(csv_reader *r, const char **ret_next)
{
    int last = r->next == r->end;
    r->quote = -1;
    if (r->begin == r->fill) {
        return CUT_MORE;
    }
    int code = cut_skipped(r, last, ret_next);
    return code == CUT_RECORD ? cut_cells(r, last, ret_next) : code;
}

/* --- text ------------------------------------------------------------------------------------ */

/* Bytes of the UTF-8 character at s, 0 if there is none (RFC 3629). */
static size_t character(const unsigned char *s, size_t n)
{
    size_t len = s[0] < 0x80 ? 1 : s[0] < 0xC2 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    if (len == 0 || s[0] > 0xF4 || len > n) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    int wrong = len > 2 && ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) ||
                            (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F));
    return wrong ? 0 : len;
}

static stele_status check_text(const csv_reader *r, const char *begin, size_t n)
{
    const unsigned char *s = (const unsigned char *)begin;
    unsigned char all = 0;
    const char *nul = memchr(begin, '\0', n);
    if (nul != NULL) {
        return csv_fail(r->host, STELE_E_DATA, r->file, offset_of(r, (size_t)(nul - r->buffer)),
                        "holds a NUL byte: this is no text file");
    }
    for (size_t i = 0; i < n; i++) {
        all |= s[i];
    }
    for (size_t i = 0, len; all >= 0x80 && i < n; i += len) {
        len = character(s + i, n - i);
        if (len == 0) {
            return csv_fail(
                r->host, STELE_E_DATA, r->file, offset_of(r, (size_t)(begin - r->buffer) + i),
                "byte 0x%02X is no UTF-8: save the file with the encoding UTF-8", (unsigned)s[i]);
        }
    }
    return STELE_OK;
}

/* Two quotes become one. In the buffer itself: a record is cut for good only once. */
static void unescape(csv_cell *cell)
{
    char *to = (char *)(uintptr_t)cell->text;
    const char *s = cell->text, *end = s + cell->len;
    while (s < end) {
        s += *s == '"';
        *to++ = *s++;
    }
    cell->len = (size_t)(to - cell->text);
    cell->escaped = 0;
}

static stele_status finish_record(csv_reader *r, const char *next)
{
    const char *begin = r->buffer + r->begin;
    stele_status st = check_text(r, begin, (size_t)(next - begin));
    r->at = offset_of(r, r->begin);
    for (size_t k = 0; k < r->n && st == STELE_OK; k++) {
        if (r->cell[k].escaped) {
            unescape(&r->cell[k]);
        }
    }
    return st;
}

static stele_status refuse(const csv_reader *r, int code)
{
    if (code == CUT_NOMEM) {
        return csv_nomem(r->host, r->file);
    }
    return csv_fail(r->host, STELE_E_DATA, r->file, r->quote,
                    code == CUT_OPEN_QUOTE
                        ? "a quote that begins here is never closed"
                        : "text follows the closing quote of a cell that begins here; a quote "
                          "inside quotes is written twice");
}

stele_status csv_reader_next(csv_reader *r, int *ret_more)
{
    for (;;) {
        const char *next = NULL;
        int code = cut(r, &next);
        stele_status st = STELE_OK;
        if (code == CUT_MORE && r->next == r->end) {
            *ret_more = 0;
            return STELE_OK;
        }
        if (code == CUT_MORE) {
            st = bring_more(r);
        } else if (code != CUT_RECORD && code != CUT_SKIPPED) {
            st = refuse(r, code);
        }
        if (code == CUT_RECORD) {
            st = finish_record(r, next);
        }
        if (st != STELE_OK) {
            return st;
        }
        if (next != NULL) {
            r->begin = (size_t)(next - r->buffer);
        }
        if (code == CUT_RECORD) {
            *ret_more = 1;
            return STELE_OK;
        }
    }
}

/* --- the delimiter --------------------------------------------------------------------------- */

/* Skip blank lines and comments in n bytes. */
static size_t first_line(const char *s, size_t n, const char *comment)
{
    size_t at = 0, len = comment != NULL ? strlen(comment) : 0;
    while (at < n) {
        if (len > 0 && n - at >= len && memcmp(s + at, comment, len) == 0) {
            while (at < n && s[at] != '\n' && s[at] != '\r') {
                at++;
            }
        } else if (s[at] != '\n' && s[at] != '\r') {
            break;
        }
        at++;
    }
    return at;
}

stele_status csv_find_delimiter(const stele_host *host, const csv_file *f, const char *comment,
                                char *ret)
{
    static const char candidate[] = ",\t;";
    size_t count[3] = { 0 }, best = 0;
    int quoted = 0;
    int64_t left = f->size - f->text;
    size_t n = left < (int64_t)CHUNK ? (size_t)left : CHUNK;
    char *s = malloc(n + 1);
    if (s == NULL) {
        return csv_nomem(host, f);
    }
    stele_status st = csv_file_read(host, f, f->text, n, s);
    for (size_t i = st == STELE_OK ? first_line(s, n, comment) : n; i < n; i++) {
        quoted ^= s[i] == '"';
        if (!quoted && (s[i] == '\n' || s[i] == '\r')) {
            break;
        }
        const char *is = quoted || s[i] == '\0' ? NULL : strchr(candidate, s[i]);
        if (is != NULL) {
            count[is - candidate]++;
        }
    }
    for (size_t k = 1; k < 3; k++) {
        best = count[k] > count[best] ? k : best;
    }
    free(s);
    *ret = candidate[best];
    return st;
}
