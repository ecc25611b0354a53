/* digest.h - 64 bits that stand for the values of a data set's columns: whoever keeps them notices
 * later that a file of the same rows and features holds other numbers. They protect from mistakes,
 * not from forgery. */
#ifndef STELE_DATA_DIGEST_H
#define STELE_DATA_DIGEST_H

#include "data/dataset.h"

/* After load: which rows have the modality, by id, and all their entries, in the order of the data.
 * The same for every number of threads; does not depend on how values are stored in memory. [any]
 */
uint64_t stele__matrix_digest(const stele__dataset *ds, size_t m);
/* Row ids and codes, or numbers. Names of categories are not part of it. [any] */
uint64_t stele__label_digest(const stele__dataset *ds, const stele__label *label);

#endif
