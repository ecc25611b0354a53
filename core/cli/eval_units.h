/* eval_units.h - what the intervals of stele eval draw anew: the rows judged, or their groups. */
#ifndef STELE_CLI_EVAL_UNITS_H
#define STELE_CLI_EVAL_UNITS_H

#include "cli/opened.h"
#include "eval/bootstrap.h"

/* Units of n rows: groups where the spec splits by groups, of which rows without a group are each
 * their own. Of *b, level and n_resamples are the caller's. stele__eval_units_finish in any case.
 */
STELE_NODISCARD stele_status stele__eval_units(const stele__opened *o, const int64_t *row,
                                               int64_t n, stele__bootstrap *b);
void stele__eval_units_finish(stele__bootstrap *b);

#endif
