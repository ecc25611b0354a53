/* row_table.h - the table that a command writes about rows of a run: their ids, what is known about
 * them, and columns of the command's own. */
#ifndef STELE_CLI_ROW_TABLE_H
#define STELE_CLI_ROW_TABLE_H

#include "cli/opened.h"
#include "data/column.h"

typedef struct stele__row_table {
    const stele__opened *o; /* borrowed */
    int64_t n, *row;        /* rows of the data set; owned */
    const char **id;        /* (n) */
    stele__column *column;  /* n_columns */
    size_t n_columns, room;
    char **name;   /* (columns) owned */
    void **values; /* (columns) owned */
} stele__row_table;

/* With `o` and rows set: their ids. stele__row_table_finish in any case. */
STELE_NODISCARD stele_status stele__row_table_ids(stele__row_table *t);
void stele__row_table_finish(stele__row_table *t);
/* A new column with room for `size` bytes of values, which are the last of `values`; NULL: out of
 * memory. */
stele__column *stele__row_table_add(stele__row_table *t, const char *name, int kind, size_t size);
int stele__row_table_has(const stele__row_table *t, const char *name);
/* Columns: id (of files that have no place for it), split (own data), has_MODALITY. */
STELE_NODISCARD stele_status stele__row_table_describe(stele__row_table *t, int with_id);

/* What a path ends in, ".csv"; "" if it has no such end. */
const char *stele__extension(const char *path);

#endif
