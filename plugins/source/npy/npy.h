/* plugins/source/npy: arrays as NumPy writes them, .npy files and .npz archives of them.
 *
 * npy.h - what the files of this plugin share. */
#ifndef NPY_H
#define NPY_H

#include "array.h"

/* --- header.c -------------------------------------------------------------------------------- */

/* Of an array of numbers; refuses others and says what they are. */
stele_status npy_parse(array *a);
/* Does the content begin as a .npy file does? */
int npy_is_array(input *in);
/* Row ids from an array of texts or whole numbers with one dimension. */
stele_status npy_read_ids(input *in, texts *ret);

/* --- zip.c ----------------------------------------------------------------------------------- */

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
