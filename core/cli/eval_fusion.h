/* eval_fusion.h - the fusion report of stele eval: summaries for the JSON, rows for a CSV. */
#ifndef STELE_CLI_EVAL_FUSION_H
#define STELE_CLI_EVAL_FUSION_H

#include "cli/opened.h"
#include "eval/bootstrap.h"

#include <jansson.h>

/* Judge n rows given the modalities in `mask` and add "fusion" to the report (trust.h). csv: also
 * write each row there; NULL: do not. b: of the n rows, for intervals, or NULL. */
STELE_NODISCARD stele_status stele__eval_fusion(const stele__opened *o, const int64_t *row,
                                                int64_t n, uint64_t mask, const char *csv,
                                                const stele__bootstrap *b, json_t *report,
                                                stele__diag *diag);

#endif
