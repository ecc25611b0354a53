/* jsonl_write.h - a table as JSON Lines: an object per row, with the columns' names as keys. What
 * is missing, or is no finite number, is null. */
#ifndef STELE_DATA_JSONL_WRITE_H
#define STELE_DATA_JSONL_WRITE_H

#include "base/diag.h"
#include "data/column.h"

/* Write n_rows rows of n_columns columns to `path`: the whole file or none (base/file.h). Errors:
 * E_DATA for text that is not UTF-8, E_IO, E_NOMEM. */
STELE_NODISCARD stele_status stele__jsonl_write(const char *path, const stele__column *column,
                                                size_t n_columns, size_t n_rows, stele__diag *diag);

#endif
