/* digest.h - 64 bits that stand for the values of a data set's columns: whoever keeps them notices
 * later that a file of the same rows and features holds other numbers. They protect from mistakes,
 * not from forgery. */
#ifndef STELE_DATA_DIGEST_H
#define STELE_DATA_DIGEST_H

#include "data/dataset.h"

/* After load: which rows have the modality, by id, and all their entries, in the order of the data.
 * The same for every number of threads; does not depend on how values are stored in memory, nor on
 * gaps that stele__matrix_gap made. [any] */
uint64_t stele__matrix_digest(const stele__dataset *ds, size_t m);
/* From now on an entry of a dense matrix is missing in a row that has the modality. [main] */
void stele__matrix_gap(stele__dataset *ds, size_t m, int64_t row, int64_t feature);
/* Row ids and codes, or numbers. Names of categories are not part of it. [any] */
uint64_t stele__label_digest(const stele__dataset *ds, const stele__label *label);

#endif
