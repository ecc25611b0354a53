/* h5ad.h - a table of rows with matrices as AnnData's .h5ad file, which scanpy and its relatives
 * open.
 *
 * On-disk format of anndata 0.8 and later: groups and arrays carry `encoding-type` and
 * `encoding-version`; `obs` and `var` are dataframes, matrices lie in `obsm`, texts in `uns`. A
 * file without `X` is one that AnnData reads as None. The HDF5 image is built in memory (so it
 * costs the size of the file) because a disk that fills up under HDF5 leaves an open file that
 * cannot be closed; it is then written whole or not at all (base/file.h). HDF5 is used by one
 * thread at a time. */
#ifndef STELE_DATA_H5AD_H
#define STELE_DATA_H5AD_H

#include "base/diag.h"
#include "data/column.h"

/* data[n_rows, n_columns] under `name` ("X_stele"). */
typedef struct stele__obsm {
    const char *name;
    const float *data;
    size_t n_columns;
} stele__obsm;

typedef struct stele__uns {
    const char *key, *value; /* UTF-8 */
} stele__uns;

/* Everything borrowed. The names may not be empty, hold a '/' or occur twice in their place. */
typedef struct stele__h5ad {
    size_t n_obs, n_var;
    const char *const *obs_names; /* [n_obs] */
    const char *const *var_names; /* [n_var]; may be NULL if n_var is 0 */
    const stele__column *obs;     /* columns of n_obs rows; "_index" is reserved */
    size_t n_obs_columns;
    const float *x; /* [n_obs, n_var]; NULL: there is no `X` */
    const stele__obsm *obsm;
    size_t n_obsm;
    const stele__uns *uns;
    size_t n_uns;
} stele__h5ad;

/* Errors: E_ARG for a bad name or category code, E_IO, E_NOMEM. HDF5 prints nothing. */
STELE_NODISCARD stele_status stele__h5ad_write(const char *path, const stele__h5ad *content,
                                               stele__diag *diag);

#endif
