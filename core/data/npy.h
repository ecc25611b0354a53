/* npy.h - a matrix as NumPy's .npy file, format version 1.0, little-endian, row-major. */
#ifndef STELE_DATA_NPY_H
#define STELE_DATA_NPY_H

#include "base/diag.h"

/* Write data[n_rows, n_columns] of dtype STELE_F32 or STELE_F64 to `path`: the whole file or none.
 * Errors: E_DTYPE for another type, E_IO, E_NOMEM. */
STELE_NODISCARD stele_status stele__npy_write(const char *path, int dtype, const void *data,
                                              size_t n_rows, size_t n_columns, stele__diag *diag);

#endif
