#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define BUFFER  65536
#define LONGEST ((size_t)1 << 20)

/* How zlib is told what it gets: its `windowBits`. */
enum { AS_IT_IS = 0, GZIP = 31, DEFLATE = -15 };

struct input {
    const stele_host *host;
    const char *option;
    char *label; /* path, and member if it is one */
    int fd;
    int64_t begin, end; /* its bytes in the file */
    int64_t size;       /* of the content; -1: not known yet */
    int packing;
    /* Of packed content: one reader at a time. */
    pthread_mutex_t door;
    z_stream z;
    int z_ready, z_done;
    int64_t z_from, z_at; /* next byte of the file; of the content */
    unsigned char *buffer;
};

/* --- messages -------------------------------------------------------------------------------- */

stele_status input_fail(const input *in, stele_status code, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return STELE_FAIL(in->host, code, "%s: %s: %s", in->option, in->label, text);
}

stele_status input_nomem(const input *in)
{
    return input_fail(in, STELE_E_NOMEM, "does not fit into memory");
}

/* --- opening --------------------------------------------------------------------------------- */

static stele_status new_input(const stele_host *host, const char *option, char *label, input **ret)
{
    input *in = label != NULL ? calloc(1, sizeof *in) : NULL;
    if (in == NULL) {
        free(label);
        return STELE_FAIL(host, STELE_E_NOMEM, "out of memory");
    }
    in->host = host;
    in->option = option;
    in->label = label;
    in->fd = -1;
    in->size = -1;
    pthread_mutex_init(&in->door, NULL);
    *ret = in;
    return STELE_OK;
}

static stele_status open_file(input *in, const char *path)
{
    struct stat status;
    unsigned char magic[2] = { 0, 0 };
    /* Not blocking: a pipe without a writer would make the program wait for ever. */
    in->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (in->fd < 0 || fstat(in->fd, &status) != 0) {
        return input_fail(in, STELE_E_IO, "cannot be opened: %s", strerror(errno));
    }
    if (S_ISDIR(status.st_mode)) {
        return input_fail(in, STELE_E_IO, "is a folder, not a file");
    }
    if (!S_ISREG(status.st_mode)) {
        return input_fail(in, STELE_E_IO, "is a pipe or a device, not a file");
    }
    in->end = status.st_size;
    if (pread(in->fd, magic, 2, 0) == 2 && magic[0] == 0x1f && magic[1] == 0x8b) {
        in->packing = GZIP;
    } else {
        in->size = in->end;
    }
    return STELE_OK;
}

stele_status input_open(const stele_host *host, const char *option, const char *path, input **ret)
{
    input *in = NULL;
    stele_status st = new_input(host, option, text_copy(path), &in);
    st = st == STELE_OK ? open_file(in, path) : st;
    if (st != STELE_OK) {
        input_close(in);
        return st;
    }
    *ret = in;
    return STELE_OK;
}

stele_status input_open_member(const input *file, const char *name, int64_t begin, int64_t packed,
                               int deflated, input **ret)
{
    input *in = NULL;
    size_t size = strlen(file->label) + strlen(name) + 8;
    char *label = malloc(size);
    if (label != NULL) {
        snprintf(label, size, "%s: `%s`", file->label, name);
    }
    stele_status st = new_input(file->host, file->option, label, &in);
    if (st == STELE_OK) {
        in->begin = begin;
        in->end = begin + packed;
        in->packing = deflated ? DEFLATE : AS_IT_IS;
        in->size = deflated ? -1 : packed;
        in->fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 0);
        st = in->fd >= 0 ? STELE_OK
                         : input_fail(in, STELE_E_IO, "cannot be opened: %s", strerror(errno));
    }
    if (st != STELE_OK) {
        input_close(in);
        return st;
    }
    *ret = in;
    return STELE_OK;
}

void input_close(input *in)
{
    if (in == NULL) {
        return;
    }
    if (in->z_ready) {
        inflateEnd(&in->z);
    }
    if (in->fd >= 0) {
        close(in->fd);
    }
    pthread_mutex_destroy(&in->door);
    free(in->buffer);
    free(in->label);
    free(in);
}

/* --- reading --------------------------------------------------------------------------------- */

/* Bytes of the file, fewer than n only at its end. */
static stele_status read_file(const input *in, int64_t from, size_t n, void *ret, size_t *ret_n)
{
    size_t done = 0;
    n = from >= in->end ? 0 : (int64_t)n > in->end - from ? (size_t)(in->end - from) : n;
    while (done < n) {
        ssize_t k = pread(in->fd, (char *)ret + done, n - done, from + (int64_t)done);
        if (k < 0 && errno == EINTR) {
            continue;
        }
        if (k < 0) {
            return input_fail(in, STELE_E_IO, "cannot be read: %s", strerror(errno));
        }
        if (k == 0) {
            break;
        }
        done += (size_t)k;
    }
    *ret_n = done;
    return STELE_OK;
}

static stele_status rewind_packed(input *in)
{
    if (in->buffer == NULL && (in->buffer = malloc(BUFFER)) == NULL) {
        return input_nomem(in);
    }
    if ((in->z_ready ? inflateReset(&in->z) : inflateInit2(&in->z, in->packing)) != Z_OK) {
        return input_nomem(in);
    }
    in->z_ready = 1;
    in->z_done = 0;
    in->z_from = in->begin;
    in->z_at = 0;
    in->z.avail_in = 0;
    return STELE_OK;
}

static stele_status refill(input *in)
{
    size_t n = 0;
    if (in->z.avail_in > 0) {
        return STELE_OK;
    }
    stele_status st = read_file(in, in->z_from, BUFFER, in->buffer, &n);
    in->z.next_in = in->buffer;
    in->z.avail_in = (uInt)n;
    in->z_from += (int64_t)n;
    return st;
}

/* A stream has ended. Of gzip files there may be several one after the other, and zeros that fill
 * up a tape's block. */
static stele_status after_stream(input *in)
{
    stele_status st = refill(in);
    while (st == STELE_OK && in->packing == GZIP && in->z.avail_in > 0 && *in->z.next_in == 0) {
        in->z.next_in++;
        in->z.avail_in--;
        st = refill(in);
    }
    if (st != STELE_OK || in->z.avail_in == 0) {
        in->z_done = 1;
        return st;
    }
    if (in->packing == GZIP && *in->z.next_in == 0x1f) {
        return inflateReset(&in->z) == Z_OK ? STELE_OK : input_nomem(in);
    }
    return input_fail(in, STELE_E_DATA, "has bytes behind its compressed data, at byte %lld",
                      (long long)(in->z_from - in->begin) - (long long)in->z.avail_in);
}

/* The next n bytes of the content, fewer only at its end. */
static stele_status unpack(input *in, size_t n, void *ret, size_t *ret_n)
{
    stele_status st = STELE_OK;
    size_t done = 0;
    while (done < n && !in->z_done && st == STELE_OK) {
        uInt want = (uInt)(n - done < LONGEST ? n - done : LONGEST);
        in->z.next_out = (unsigned char *)ret + done;
        in->z.avail_out = want;
        st = refill(in);
        if (st == STELE_OK && in->z.avail_in == 0) {
            return input_fail(in, STELE_E_DATA,
                              "is cut short: its compressed data end %lld bytes into the content",
                              (long long)in->z_at);
        }
        int code = st == STELE_OK ? inflate(&in->z, Z_NO_FLUSH) : Z_OK;
        size_t got = want - in->z.avail_out;
        done += got;
        in->z_at += (int64_t)got;
        if (code == Z_STREAM_END) {
            st = after_stream(in);
        } else if (code != Z_OK && code != Z_BUF_ERROR) {
            st = input_fail(in, STELE_E_DATA,
                            "its compressed data are damaged, %lld bytes into the content (%s)",
                            (long long)in->z_at, in->z.msg != NULL ? in->z.msg : "zlib");
        }
    }
    *ret_n = done;
    return st;
}

static stele_status read_packed(input *in, int64_t offset, size_t n, void *ret, size_t *ret_n)
{
    unsigned char skipped[4096];
    size_t k = 1;
    stele_status st = !in->z_ready || offset < in->z_at ? rewind_packed(in) : STELE_OK;
    while (st == STELE_OK && in->z_at < offset && k > 0) {
        int64_t left = offset - in->z_at;
        size_t want = left < (int64_t)sizeof skipped ? (size_t)left : sizeof skipped;
        st = unpack(in, want, skipped, &k);
    }
    st = st == STELE_OK ? unpack(in, n, ret, ret_n) : st;
    if (st != STELE_OK && in->z_ready) {
        inflateEnd(&in->z); /* the next reader starts again */
        in->z_ready = 0;
    }
    return st;
}

stele_status input_read(input *in, int64_t offset, size_t n, void *ret, size_t *ret_n)
{
    if (in->packing == AS_IT_IS) {
        return read_file(in, in->begin + offset, n, ret, ret_n);
    }
    pthread_mutex_lock(&in->door);
    stele_status st = read_packed(in, offset, n, ret, ret_n);
    pthread_mutex_unlock(&in->door);
    return st;
}

stele_status input_measure(input *in, int64_t *ret_size, uint32_t *ret_crc)
{
    unsigned char *chunk = malloc(BUFFER);
    int64_t size = 0;
    uLong crc = crc32(0, NULL, 0);
    stele_status st = chunk != NULL ? STELE_OK : input_nomem(in);
    for (size_t n = BUFFER; st == STELE_OK && n == BUFFER; size += (int64_t)n) {
        n = 0;
        st = input_read(in, size, BUFFER, chunk, &n);
        crc = crc32(crc, chunk, (uInt)n);
    }
    free(chunk);
    if (st == STELE_OK) {
        in->size = size;
        *ret_size = size;
        *ret_crc = (uint32_t)crc;
    }
    return st;
}

stele_status input_size(input *in, int64_t *ret)
{
    uint32_t crc;
    if (in->size < 0) {
        return input_measure(in, ret, &crc);
    }
    *ret = in->size;
    return STELE_OK;
}

int input_is_packed(const input *in)
{
    return in->packing != AS_IT_IS;
}

int64_t input_most(const input *in)
{
    int64_t n = in->end - in->begin;
    return in->packing == AS_IT_IS ? n : n < INT64_MAX / 1032 ? n * 1032 : INT64_MAX;
}

/* --- lines ----------------------------------------------------------------------------------- */

void lines_start(lines *l, input *in)
{
    *l = (lines){ .in = in };
}

void lines_finish(lines *l)
{
    free(l->buffer);
    *l = (lines){ 0 };
}

/* More text behind what is in the buffer, which grows when a line fills it. */
static stele_status more_text(lines *l)
{
    size_t n = 0;
    if (l->begin > 0) {
        memmove(l->buffer, l->buffer + l->begin, l->end - l->begin);
        l->end -= l->begin;
        l->begin = 0;
    }
    if (l->end > LONGEST) {
        return input_fail(l->in, STELE_E_DATA, "line %lld is longer than a megabyte",
                          (long long)l->number);
    }
    if (l->end + 1 >= l->capacity) {
        size_t capacity = l->capacity == 0 ? BUFFER : 2 * l->capacity;
        char *buffer = realloc(l->buffer, capacity);
        if (buffer == NULL) {
            return input_nomem(l->in);
        }
        l->buffer = buffer;
        l->capacity = capacity;
    }
    stele_status st = input_read(l->in, l->at, l->capacity - 1 - l->end, l->buffer + l->end, &n);
    l->at_end = st == STELE_OK && n == 0;
    l->at += st == STELE_OK ? (int64_t)n : 0;
    l->end += st == STELE_OK ? n : 0;
    return st;
}

stele_status lines_next(lines *l, char **ret)
{
    size_t seen = 0;
    char *feed = NULL;
    l->number++;
    while (feed == NULL && !(l->at_end && seen == l->end - l->begin)) {
        feed = l->end > l->begin + seen
                   ? memchr(l->buffer + l->begin + seen, '\n', l->end - l->begin - seen)
                   : NULL;
        seen = l->end - l->begin;
        stele_status st = feed == NULL && !l->at_end ? more_text(l) : STELE_OK;
        if (st != STELE_OK) {
            return st;
        }
    }
    if (feed == NULL && l->begin == l->end) {
        *ret = NULL;
        return STELE_OK;
    }
    char *line = l->buffer + l->begin;
    size_t len = feed != NULL ? (size_t)(feed - line) : l->end - l->begin;
    l->offset = l->at - (int64_t)(l->end - l->begin);
    l->begin += len + (feed != NULL);
    if (l->number == 1 && len >= 3 && memcmp(line, "\xEF\xBB\xBF", 3) == 0) {
        line += 3;
        len -= 3;
        l->offset += 3;
    }
    len -= len > 0 && line[len - 1] == '\r';
    line[len] = '\0';
    if (strlen(line) != len) {
        return input_fail(l->in, STELE_E_DATA, "line %lld holds a zero byte: this is no text",
                          (long long)l->number);
    }
    *ret = line;
    return STELE_OK;
}

stele_status input_read_ids(input *in, texts *ret)
{
    lines l;
    char *line = NULL;
    int64_t first = 0, second = 0;
    lines_start(&l, in);
    stele_status st = lines_next(&l, &line);
    for (; st == STELE_OK && line != NULL; st = lines_next(&l, &line)) {
        size_t len = strcspn(line, "\t");
        if (len == 0) {
            st = input_fail(in, STELE_E_DATA, "line %lld has no id", (long long)l.number);
        } else if (texts_add(ret, line, len) != 0) {
            st = input_nomem(in);
        }
        if (st != STELE_OK) {
            break;
        }
    }
    int twice = st == STELE_OK ? texts_find_twice(ret, &first, &second) : 0;
    if (twice < 0) {
        st = input_nomem(in);
    } else if (twice > 0) {
        st = input_fail(in, STELE_E_DATA, "line %lld: the id `%s` stands in line %lld already",
                        (long long)second + 1, texts_at(ret, second), (long long)first + 1);
    }
    lines_finish(&l);
    return st;
}
