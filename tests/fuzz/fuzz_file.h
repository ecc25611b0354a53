/* fuzz_file.h - an input as a file, for parsers that open what they read. */
#ifndef STELE_FUZZ_FILE_H
#define STELE_FUZZ_FILE_H

#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

static inline void fuzz_write(int fd, const uint8_t *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, data + done, size - done);
        FUZZ_CHECK(n > 0);
        done += (size_t)n;
    }
}

/* Put the bytes into a file in memory; its descriptor, to be closed, and its name. */
static inline int fuzz_file(const uint8_t *data, size_t size, char ret_path[64])
{
    int fd = memfd_create("input", 0);
    FUZZ_CHECK(fd >= 0);
    fuzz_write(fd, data, size);
    snprintf(ret_path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

/* The same for a library that wants a name in a folder; to be closed and unlinked. */
static inline int fuzz_named_file(const uint8_t *data, size_t size, char ret_path[64])
{
    snprintf(ret_path, 64, "%s/stele-fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    int fd = mkstemp(ret_path);
    FUZZ_CHECK(fd >= 0);
    fuzz_write(fd, data, size);
    return fd;
}

#endif
