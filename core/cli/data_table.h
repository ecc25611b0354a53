/* data_table.h - what a spec's data hold, as tables for people on stdout. */
#ifndef STELE_CLI_DATA_TABLE_H
#define STELE_CLI_DATA_TABLE_H

#include "train/run.h"

/* Rows of each modality, rows by the modalities they have, and known labels, by parts of the split.
 * Of combinations and of labels those beyond a dozen are summed up. [main] */
void stele__data_table(const stele__run *run);

#endif
