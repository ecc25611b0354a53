/* zip.h - the members of a zip archive, each an input of its own: stored or deflated, zip64, one
 * file. */
#ifndef SOURCE_ZIP_H
#define SOURCE_ZIP_H

#include "input.h"

typedef struct zip_member {
    char *name;
    uint32_t method, flags, crc;
    int64_t packed, size, header; /* bytes in the file and of the content; where its header is */
} zip_member;

typedef struct zip {
    input *file; /* borrowed */
    zip_member *member;
    int64_t n;
} zip;

int zip_is_archive(input *in);
/* The members that the archive's directory names. */
stele_status zip_open(input *file, zip *ret);
void zip_close(zip *z);
/* A member's content, whose length and checksum are right. */
stele_status zip_open_member(const zip *z, int64_t i, input **ret);

#endif
