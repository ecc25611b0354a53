/* Files of text. What is packed with gzip is unpacked once into a temporary file without a name,
 * because rows are asked for in any order and a packed file cannot be entered in its middle. */
#include "input.h"
#include "csv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK ((size_t)1 << 18)

stele_status csv_fail(const stele_host *host, stele_status code, const csv_file *f, int64_t at,
                      const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (at < 0) {
        return STELE_FAIL(host, code, "path: %s: %s", f->path, text);
    }
    return STELE_FAIL(host, code, "path: %s: line %lld: %s", f->path, csv_file_line(f, at), text);
}

stele_status csv_nomem(const stele_host *host, const csv_file *f)
{
    return csv_fail(host, STELE_E_NOMEM, f, -1, "out of memory");
}

/* --- reading --------------------------------------------------------------------------------- */

stele_status csv_file_read(const stele_host *host, const csv_file *f, int64_t at, size_t n,
                           char *ret)
{
    while (n > 0) {
        ssize_t got = pread(f->fd, ret, n, (off_t)at);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return csv_fail(host, STELE_E_IO, f, -1, "cannot be read: %s", strerror(errno));
        }
        if (got == 0) {
            return csv_fail(host, STELE_E_IO, f, -1,
                            "ends before its end: it has changed while it was read");
        }
        ret += got;
        at += got;
        n -= (size_t)got;
    }
    return STELE_OK;
}

/* Lines end with LF, CR LF or CR. Only messages need their numbers, so they are counted then. */
long long csv_file_line(const csv_file *f, int64_t at)
{
    char buffer[16384], last = '\0';
    long long line = 1;
    for (int64_t done = 0; done < at;) {
        size_t want = at - done < (int64_t)sizeof buffer ? (size_t)(at - done) : sizeof buffer;
        ssize_t got = pread(f->fd, buffer, want, (off_t)done);
        if (got <= 0) {
            break;
        }
        for (ssize_t i = 0; i < got; i++) {
            line += buffer[i] == '\r' || (buffer[i] == '\n' && last != '\r');
            last = buffer[i];
        }
        done += got;
    }
    return line;
}

stele_status csv_file_check(const stele_host *host, const csv_file *f)
{
    struct stat now;
    if (f->unpacked ||
        (fstat(f->fd, &now) == 0 && now.st_size == f->size &&
         now.st_mtim.tv_sec == f->changed.tv_sec && now.st_mtim.tv_nsec == f->changed.tv_nsec)) {
        return STELE_OK;
    }
    return csv_fail(host, STELE_E_DATA, f, -1, "has changed since it was opened");
}

/* --- unpacking ------------------------------------------------------------------------------- */

/* A file without a name. /tmp is often memory, so it comes last. */
static int temporary_file(const char **ret_folder)
{
    const char *const folder[] = { getenv("TMPDIR"), "/var/tmp", "/tmp" };
    int fd = -1;
    for (int i = 0; i < 3 && fd < 0; i++) {
        if (folder[i] == NULL || folder[i][0] == '\0') {
            continue;
        }
        *ret_folder = folder[i];
        fd = open(folder[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
            char name[4096];
            int len = snprintf(name, sizeof name, "%s/stele-XXXXXX", folder[i]);
            fd = len < (int)sizeof name ? mkostemp(name, O_CLOEXEC) : -1;
            if (fd >= 0) {
                unlink(name);
            }
        }
    }
    return fd;
}

/* n bytes behind what the temporary file has. */
static stele_status append(const stele_host *host, const csv_file *f, int to, const char *folder,
                           const char *from, size_t n)
{
    while (n > 0) {
        ssize_t put = write(to, from, n);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            return csv_fail(host, STELE_E_IO, f, -1,
                            "cannot be unpacked into %s: %s; TMPDIR names another folder", folder,
                            strerror(errno));
        }
        from += put;
        n -= (size_t)put;
    }
    return STELE_OK;
}

/* All of it, once; *ret_size: its bytes. */
static stele_status copy_content(const stele_host *host, const csv_file *f, int to,
                                 const char *folder, int64_t *ret_size)
{
    input *in = NULL;
    char *chunk = malloc(CHUNK);
    size_t n = CHUNK;
    stele_status st = chunk != NULL ? input_open(host, "path", f->path, &in) : csv_nomem(host, f);
    for (*ret_size = 0; st == STELE_OK && n == CHUNK; *ret_size += (int64_t)n) {
        n = 0;
        st = input_read(in, *ret_size, CHUNK, chunk, &n);
        st = st == STELE_OK ? append(host, f, to, folder, chunk, n) : st;
    }
    input_close(in);
    free(chunk);
    return st;
}

/* Afterwards f->fd is the unpacked text. */
static stele_status unpack(const stele_host *host, csv_file *f)
{
    const char *folder = "";
    int64_t size = 0;
    const int to = temporary_file(&folder);
    if (to < 0) {
        return csv_fail(host, STELE_E_IO, f, -1,
                        "cannot be unpacked into %s: %s; TMPDIR names another folder", folder,
                        strerror(errno));
    }
    stele_status st = copy_content(host, f, to, folder, &size);
    close(f->fd);
    f->fd = to;
    f->size = size;
    f->unpacked = 1;
    return st;
}

/* --- opening --------------------------------------------------------------------------------- */

/* The text behind a byte order mark; UTF-16 is refused by its own. */
static stele_status skip_mark(const stele_host *host, csv_file *f)
{
    unsigned char b[3] = { 0 };
    size_t n = f->size < 3 ? (size_t)f->size : 3;
    stele_status st = csv_file_read(host, f, 0, n, (char *)b);
    if (st == STELE_OK && n >= 2 &&
        ((b[0] == 0xFF && b[1] == 0xFE) || (b[0] == 0xFE && b[1] == 0xFF))) {
        st = csv_fail(host, STELE_E_DATA, f, -1, "is UTF-16 text: save it as UTF-8");
    }
    f->text = n == 3 && memcmp(b, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    return st;
}

static stele_status check_kind(const stele_host *host, csv_file *f, const struct stat *status)
{
    if (S_ISDIR(status->st_mode)) {
        return csv_fail(host, STELE_E_IO, f, -1, "is a folder, not a file");
    }
    if (!S_ISREG(status->st_mode)) {
        return csv_fail(host, STELE_E_IO, f, -1,
                        "is a %s, which cannot be read again: save its content as a file",
                        S_ISFIFO(status->st_mode) ? "pipe" : "device or socket");
    }
    f->size = status->st_size;
    f->changed = status->st_mtim;
    return STELE_OK;
}

stele_status csv_file_open(const stele_host *host, const char *path, csv_file *ret)
{
    struct stat status;
    unsigned char magic[2] = { 0 };
    size_t len = strlen(path) + 1;
    *ret = (csv_file){ .fd = -1, .path = malloc(len) };
    if (ret->path == NULL) {
        return STELE_FAIL(host, STELE_E_NOMEM, "out of memory");
    }
    memcpy(ret->path, path, len);
    /* What a pipe is has to be known before it is opened: that would wait for a writer. */
    if (stat(path, &status) != 0) {
        return csv_fail(host, STELE_E_IO, ret, -1, "cannot be opened: %s", strerror(errno));
    }
    stele_status st = check_kind(host, ret, &status);
    if (st != STELE_OK) {
        return st;
    }
    ret->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (ret->fd < 0) {
        return csv_fail(host, STELE_E_IO, ret, -1, "cannot be opened: %s", strerror(errno));
    }
    if (ret->size >= 2) {
        st = csv_file_read(host, ret, 0, 2, (char *)magic);
    }
    if (st == STELE_OK && magic[0] == 0x1f && magic[1] == 0x8b) {
        st = unpack(host, ret);
    }
    st = st == STELE_OK ? skip_mark(host, ret) : st;
    if (st == STELE_OK && ret->size == ret->text) {
        st = csv_fail(host, STELE_E_DATA, ret, -1, "is empty");
    }
    return st;
}

void csv_file_close(csv_file *f)
{
    if (f->fd >= 0) {
        close(f->fd);
    }
    free(f->path);
    *f = (csv_file){ .fd = -1 };
}
