/* Files for tests of sources: the fixtures, and a folder for files that a test makes. Folder and
 * files are gone when the group of tests is done. */
#ifndef STELE_SOURCE_FILES_H
#define STELE_SOURCE_FILES_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static char test_folder[64];

static inline const char *fixture(const char *name)
{
    static char path[1024];
    const char *dir = getenv("STELE_FIXTURES");
    snprintf(path, sizeof path, "%s/%s", dir != NULL ? dir : "tests/unit/fixtures", name);
    return path;
}

static inline int make_folder(void **state)
{
    (void)state;
    snprintf(test_folder, sizeof test_folder, "/tmp/stele-test-XXXXXX");
    return mkdtemp(test_folder) != NULL ? 0 : -1;
}

static inline int remove_entry(const char *path, const struct stat *s, int type, struct FTW *f)
{
    (void)s;
    (void)type;
    (void)f;
    return remove(path);
}

static inline int remove_folder(void **state)
{
    (void)state;
    return nftw(test_folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* Paths are the caller's. */
static inline char *path_of(const char *name)
{
    size_t size = strlen(test_folder) + strlen(name) + 2;
    char *path = malloc(size);
    assert_non_null(path);
    snprintf(path, size, "%s/%s", test_folder, name);
    return path;
}

static inline char *bytes_of(const char *name, const void *bytes, size_t n)
{
    char *path = path_of(name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
    return path;
}

static inline char *file_of(const char *name, const char *text)
{
    return bytes_of(name, text, strlen(text));
}

static inline char *gzip_of(const char *name, const void *bytes, size_t n)
{
    char *path = path_of(name);
    gzFile f = gzopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(gzwrite(f, bytes, (unsigned)n), n);
    assert_int_equal(gzclose(f), Z_OK);
    return path;
}

#endif
