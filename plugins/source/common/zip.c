/* The directory of a zip archive: PKWARE's APPNOTE.TXT, 4.3 and 4.5.3. */
#include "zip.h"

#include <stdlib.h>
#include <string.h>

enum { END_SIZE = 22, LOCATOR_SIZE = 20, END64_SIZE = 56, ENTRY_SIZE = 46, LOCAL_SIZE = 30 };
#define MOST_COMMENT   65535
#define MOST_DIRECTORY ((int64_t)1 << 26)

static uint32_t u16(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t u32(const unsigned char *p)
{
    return u16(p) | u16(p + 2) << 16;
}

static int64_t i64(const unsigned char *p)
{
    uint64_t v = (uint64_t)u32(p) | (uint64_t)u32(p + 4) << 32;
    return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

/* Exactly n bytes. */
static stele_status read_bytes(input *in, int64_t at, size_t n, unsigned char *ret)
{
    size_t got = 0;
    stele_status st = at < 0 ? STELE_E_DATA : input_read(in, at, n, ret, &got);
    return st == STELE_OK && got == n
               ? STELE_OK
               : input_fail(in, STELE_E_DATA, "is a damaged zip archive: nothing is at byte %lld",
                            (long long)at);
}

int zip_is_archive(input *in)
{
    unsigned char magic[4];
    size_t n = 0;
    return input_read(in, 0, 4, magic, &n) == STELE_OK && n == 4 &&
           (memcmp(magic, "PK\3\4", 4) == 0 || memcmp(magic, "PK\5\6", 4) == 0);
}

typedef struct directory {
    int64_t n, at, size;
} directory;

static stele_status read_end64(input *in, int64_t end, directory *ret)
{
    unsigned char locator[LOCATOR_SIZE], e[END64_SIZE];
    stele_status st = read_bytes(in, end - LOCATOR_SIZE, LOCATOR_SIZE, locator);
    if (st == STELE_OK && memcmp(locator, "PK\6\7", 4) == 0) {
        st = read_bytes(in, i64(locator + 8), END64_SIZE, e);
    }
    if (st != STELE_OK || memcmp(locator, "PK\6\7", 4) != 0 || memcmp(e, "PK\6\6", 4) != 0) {
        return st != STELE_OK
                   ? st
                   : input_fail(in, STELE_E_DATA,
                                "is a damaged zip archive: the end of its directory is missing");
    }
    *ret = (directory){ .n = i64(e + 32), .size = i64(e + 40), .at = i64(e + 48) };
    return STELE_OK;
}

/* The last thing in an archive says where its directory is; a comment may follow it. */
static stele_status find_directory(input *in, directory *ret)
{
    int64_t size = 0, at = 0;
    stele_status st = input_size(in, &size);
    size_t n = size < END_SIZE + MOST_COMMENT ? (size_t)size : END_SIZE + MOST_COMMENT;
    unsigned char *tail = malloc(n + 1), *end = NULL;
    if (st != STELE_OK || tail == NULL) {
        free(tail);
        return st != STELE_OK ? st : input_nomem(in);
    }
    st = read_bytes(in, size - (int64_t)n, n, tail);
    for (size_t k = END_SIZE; st == STELE_OK && k <= n && end == NULL; k++) {
        unsigned char *e = tail + n - k;
        end = memcmp(e, "PK\5\6", 4) == 0 && u16(e + 20) == k - END_SIZE ? e : NULL;
        at = size - (int64_t)k;
    }
    if (st == STELE_OK && end == NULL) {
        st = input_fail(in, STELE_E_DATA,
                        "is a damaged zip archive: no directory is at its end; it is cut short");
    } else if (st == STELE_OK) {
        *ret = (directory){ .n = u16(end + 10), .size = u32(end + 12), .at = u32(end + 16) };
        st = ret->n == 0xffff || ret->size == UINT32_MAX || ret->at == UINT32_MAX
                 ? read_end64(in, at, ret)
                 : STELE_OK;
    }
    free(tail);
    if (st == STELE_OK && (ret->at > size || ret->size > size - ret->at ||
                           ret->size > MOST_DIRECTORY || ret->n > ret->size / ENTRY_SIZE)) {
        st = input_fail(in, STELE_E_DATA,
                        "is a damaged zip archive: its directory of %lld members and %lld bytes "
                        "cannot be",
                        (long long)ret->n, (long long)ret->size);
    }
    return st;
}

/* Extra field 1 has those of the numbers that do not fit 32 bits. */
static void read_zip64(const unsigned char *extra, size_t n, zip_member *m)
{
    while (n >= 4) {
        size_t size = u16(extra + 2);
        const unsigned char *at = extra + 4, *end = at + size;
        if (size > n - 4) {
            return;
        }
        int64_t *number[] = { &m->size, &m->packed, &m->header };
        for (int k = 0; u16(extra) == 1 && k < 3; k++) {
            if (*number[k] == UINT32_MAX && end - at >= 8) {
                *number[k] = i64(at);
                at += 8;
            }
        }
        extra += 4 + size;
        n -= 4 + size;
    }
}

/* One entry of the directory; its length, 0 if it is damaged, -1 without memory. */
static int64_t read_entry(const unsigned char *e, int64_t left, zip_member *ret)
{
    if (left < ENTRY_SIZE || memcmp(e, "PK\1\2", 4) != 0) {
        return 0;
    }
    size_t n_name = u16(e + 28), n_extra = u16(e + 30), n_comment = u16(e + 32);
    int64_t len = (int64_t)(ENTRY_SIZE + n_name + n_extra + n_comment);
    if (len > left) {
        return 0;
    }
    *ret = (zip_member){ .method = u16(e + 10),
                         .flags = u16(e + 8),
                         .crc = u32(e + 16),
                         .packed = u32(e + 20),
                         .size = u32(e + 24),
                         .header = u32(e + 42),
                         .name = malloc(n_name + 1) };
    if (ret->name == NULL) {
        return -1;
    }
    memcpy(ret->name, e + ENTRY_SIZE, n_name);
    ret->name[n_name] = '\0';
    read_zip64(e + ENTRY_SIZE + n_name, n_extra, ret);
    return len;
}

stele_status zip_open(input *file, zip *ret)
{
    zip z = { .file = file };
    directory d = { 0 };
    unsigned char *bytes = NULL;
    stele_status st =
        input_is_packed(file)
            ? input_fail(file, STELE_E_DATA, "is a compressed zip archive; unpack it once")
            : find_directory(file, &d);
    if (st == STELE_OK) {
        bytes = malloc((size_t)d.size + 1);
        z.member = calloc((size_t)d.n + 1, sizeof *z.member);
        st = bytes != NULL && z.member != NULL ? STELE_OK : input_nomem(file);
    }
    st = st == STELE_OK ? read_bytes(file, d.at, (size_t)d.size, bytes) : st;
    for (int64_t at = 0; z.n < d.n && st == STELE_OK;) {
        int64_t len = read_entry(bytes + at, d.size - at, &z.member[z.n]);
        if (len > 0) {
            z.n++;
        } else {
            st = len < 0 ? input_nomem(file)
                         : input_fail(file, STELE_E_DATA,
                                      "is a damaged zip archive: its directory breaks off at byte "
                                      "%lld",
                                      (long long)(d.at + at));
        }
        at += len;
    }
    free(bytes);
    if (st != STELE_OK) {
        zip_close(&z);
        return st;
    }
    *ret = z;
    return STELE_OK;
}

void zip_close(zip *z)
{
    for (int64_t i = 0; i < z->n; i++) {
        free(z->member[i].name);
    }
    free(z->member);
    *z = (zip){ 0 };
}

/* Where the content begins: behind a second header, whose texts may have other lengths. */
static stele_status find_content(const zip *z, const zip_member *m, int64_t *ret)
{
    unsigned char local[LOCAL_SIZE];
    int64_t size = 0;
    stele_status st = input_size(z->file, &size);
    if (st == STELE_OK && ((m->flags & 1) != 0 || (m->method != 0 && m->method != 8))) {
        return input_fail(
            z->file, STELE_E_DATA,
            (m->flags & 1) != 0
                ? "`%s`: is encrypted"
                : "`%s`: is packed by method %u; known are 0 (stored) and 8 (deflated)",
            m->name, m->method);
    }
    st = st == STELE_OK ? read_bytes(z->file, m->header, LOCAL_SIZE, local) : st;
    if (st != STELE_OK) {
        return st;
    }
    int64_t begin = m->header + LOCAL_SIZE + u16(local + 26) + u16(local + 28);
    if (memcmp(local, "PK\3\4", 4) != 0 || begin > size || m->packed > size - begin) {
        return input_fail(z->file, STELE_E_DATA,
                          "is a damaged zip archive: `%s` is not at byte %lld", m->name,
                          (long long)m->header);
    }
    *ret = begin;
    return STELE_OK;
}

stele_status zip_open_member(const zip *z, int64_t i, input **ret)
{
    const zip_member *m = &z->member[i];
    input *in = NULL;
    int64_t begin = 0, size = 0;
    uint32_t crc = 0;
    stele_status st = find_content(z, m, &begin);
    st = st == STELE_OK ? input_open_member(z->file, m->name, begin, m->packed, m->method == 8, &in)
                        : st;
    st = st == STELE_OK ? input_measure(in, &size, &crc) : st;
    if (st == STELE_OK && (size != m->size || crc != m->crc)) {
        st = input_fail(in, STELE_E_DATA, "is damaged: its %s is not what the archive promises",
                        size != m->size ? "length" : "checksum");
    }
    if (st != STELE_OK) {
        input_close(in);
        return st;
    }
    *ret = in;
    return STELE_OK;
}
