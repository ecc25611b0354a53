#include "data/npy.h"

#include "base/file.h"

#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "The descriptor below promises little-endian numbers."
#endif

stele_status stele__npy_write(const char *path, int dtype, const void *data, size_t n_rows,
                              size_t n_columns, stele__diag *diag)
{
    /* Magic, version and length take 10 bytes; with the dictionary, spaces and a line feed the
     * header fills whole blocks of 64 bytes, so that the data may be mapped. */
    enum { LEAD = 10, WHOLE = 128 };
    if (dtype != STELE_F32 && dtype != STELE_F64) {
        return stele__diag_error(diag, STELE_E_DTYPE, NULL, "%s: only floating point is written",
                                 path);
    }
    char header[WHOLE + 1];
    memcpy(header, "\x93NUMPY\x01\x00", 8);
    header[8] = WHOLE - LEAD;
    header[9] = 0;
    int n = snprintf(header + LEAD, sizeof header - LEAD,
                     "{'descr': '<f%d', 'fortran_order': False, 'shape': (%zu, %zu), }",
                     dtype == STELE_F32 ? 4 : 8, n_rows, n_columns);
    memset(header + LEAD + n, ' ', (size_t)(WHOLE - LEAD - n));
    header[WHOLE - 1] = '\n';

    stele__writer w;
    stele_status status = stele__writer_open(&w, path, diag);
    if (status != STELE_OK) {
        return status;
    }
    (void)stele__writer_write(&w, header, WHOLE);
    (void)stele__writer_write(&w, data, n_rows * n_columns * (dtype == STELE_F32 ? 4 : 8));
    return stele__writer_commit(&w, diag);
}
