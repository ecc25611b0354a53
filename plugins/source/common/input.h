/* input.h - files as sources read them: any bytes of a file, of a gzip file's content or of a
 * member of an archive, and the lines of a text, with memory for a buffer only.
 *
 * Whether a file is packed is seen from its first bytes, whatever its name. Packed content can only
 * be unpacked from its beginning on: reading forwards is cheap, going back starts again. */
#ifndef SOURCE_INPUT_H
#define SOURCE_INPUT_H

#include "texts.h"

#include <stele/plugin.h>

typedef struct input input;

/* `option` is where messages point to ("path"), kept as a pointer. Only regular files. */
stele_status input_open(const stele_host *host, const char *option, const char *path, input **ret);
/* Bytes begin .. begin + packed - 1 of `file` as an input of its own, `deflated` or as they are;
 * `name` is that of the member, for messages. `file` may be closed before it. */
stele_status input_open_member(const input *file, const char *name, int64_t begin, int64_t packed,
                               int deflated, input **ret);
void input_close(input *in); /* NULL is legal */

int input_is_packed(const input *in);

/* Record a message, "OPTION: PATH: ...", and return `code`. */
stele_status input_fail(const input *in, stele_status code, const char *fmt, ...)
    STELE_PRINTF(3, 4);
stele_status input_nomem(const input *in);

/* Up to n bytes from `offset` of the content on; fewer only where the content ends. [any] */
stele_status input_read(input *in, int64_t offset, size_t n, void *ret, size_t *ret_n);
/* Bytes of content. Packed content is unpacked to the end for that, once, and found out if it is
 * damaged. */
stele_status input_size(input *in, int64_t *ret);
/* The same with the content's CRC-32, always by reading it. */
stele_status input_measure(input *in, int64_t *ret_size, uint32_t *ret_crc);
/* No content of these packed bytes is longer: deflate gains a factor of 1032 at most. */
int64_t input_most(const input *in);

/* --- lines ----------------------------------------------------------------------------------- */

typedef struct lines {
    input *in;
    int64_t at, number; /* of the next byte to be read; of the line, from 1 */
    int64_t offset;     /* of the line's first byte in the content */
    char *buffer;
    size_t capacity, begin, end;
    int at_end;
} lines;

void lines_start(lines *l, input *in);
/* The next line without its end, ended by NUL, valid until the next call; NULL: there is none. A
 * line is refused if it is longer than a megabyte or holds a NUL. A byte order mark of UTF-8 before
 * the first is left out. */
stele_status lines_next(lines *l, char **ret);
void lines_finish(lines *l);

/* Row ids: the text before the first tab of each line. None may be empty or occur twice. */
stele_status input_read_ids(input *in, texts *ret);

#endif
