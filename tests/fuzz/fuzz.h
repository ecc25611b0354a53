/* tests/fuzz: one program per parser of foreign bytes, fuzz_NAME.c, and its inputs, corpus/NAME/.
 *
 * Each defines LLVMFuzzerTestOneInput. In a usual build replay.c runs it over the corpus (suite
 * fuzz-corpus); with -Dfuzz=true and Clang it becomes a libFuzzer program. An input that once
 * failed is added to the corpus. */
#ifndef STELE_FUZZ_H
#define STELE_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What has to hold for every input. */
#define FUZZ_CHECK(condition_)                                                                     \
    do {                                                                                           \
        if (!(condition_)) {                                                                       \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition_);             \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
