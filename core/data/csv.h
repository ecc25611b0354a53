/* csv.h - a table as comma-separated values: UTF-8, a line of column names, fields quoted where
 * RFC 4180 asks for it, lines ended by LF, numbers as number.h has them. A missing text, category
 * or number is an empty field. */
#ifndef STELE_DATA_CSV_H
#define STELE_DATA_CSV_H

#include "base/diag.h"
#include "data/column.h"

/* Write n_rows rows of n_columns columns to `path`: the whole file or none (base/file.h). Errors:
 * E_ARG for no column or a code outside its categories, E_IO, E_NOMEM. */
STELE_NODISCARD stele_status stele__csv_write(const char *path, const stele__column *column,
                                              size_t n_columns, size_t n_rows, stele__diag *diag);

#endif
