/* fuzz_file.h - an input as a file, for parsers that open what they read. */
#ifndef STELE_FUZZ_FILE_H
#define STELE_FUZZ_FILE_H

#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

/* Put the bytes into a file in memory; its descriptor, to be closed, and its name. */
static inline int fuzz_file(const uint8_t *data, size_t size, char ret_path[64])
{
    int fd = memfd_create("input", 0);
    FUZZ_CHECK(fd >= 0);
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, data + done, size - done);
        FUZZ_CHECK(n > 0);
        done += (size_t)n;
    }
    snprintf(ret_path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

#endif
