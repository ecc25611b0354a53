/* new_data.h - rows other than a run's own: what DATA and --data name. */
#ifndef STELE_CLI_NEW_DATA_H
#define STELE_CLI_NEW_DATA_H

#include "base/str.h"
#include "cli/load.h"
#include "train/run.h"

enum { STELE__MOST_NEW_DATA = 64 };

/* "PATH" of a run with one source, "NAME=PATH" for each of several. The texts are borrowed. */
typedef struct stele__new_data {
    const char *text[STELE__MOST_NEW_DATA];
    size_t n; /* beyond the above: more were given */
} stele__new_data;

/* The same as changes of the run's spec. */
typedef struct stele__new_data_sets {
    stele__str set[STELE__MOST_NEW_DATA], said[STELE__MOST_NEW_DATA];
    size_t n;
    uint8_t *of_rows; /* (sources) 1: it is named; NULL: the run has one */
} stele__new_data_sets;

void stele__new_data_add(stele__new_data *d, const char *text);
/* Check against the run's own spec and append to `a`, which borrows from *ret until
 * stele__new_data_sets_finish, to be called in any case. Errors: E_ARG, E_NOMEM. */
STELE_NODISCARD stele_status stele__new_data_apply(const stele__new_data *d,
                                                   const stele__loaded *own,
                                                   stele__spec_arguments *a,
                                                   stele__new_data_sets *ret, stele__diag *diag);
void stele__new_data_sets_finish(stele__new_data_sets *s);
/* Say which modalities come from sources that are not named: those are the run's own. */
void stele__new_data_warn(const stele__run *run, const uint8_t *of_rows, stele__diag *diag);

#endif
