/* score_reference.h - what `stele score` compares pairs with, wherever the rows come from: the
 * validation rows' pairs. */
#ifndef STELE_CLI_SCORE_REFERENCE_H
#define STELE_CLI_SCORE_REFERENCE_H

#include "cli/opened.h"
#include "eval/consistency.h"
#include "eval/reference.h"

/* As the run folder has it. Where it lacks that, as folders of earlier programs and trainings that
 * were stopped do, the run's own validation rows are scored, if its data can be opened; else
 * nothing is known. mask: modalities that are wanted. stele__reference_finish in any case. */
STELE_NODISCARD stele_status stele__score_reference_open(const stele__opened *o,
                                                         const stele__open_request *q,
                                                         uint64_t mask, stele__reference *ret,
                                                         stele__diag *diag);

/* Say it where p_match of the modalities a and b cannot tell what it should. `r` as opened. */
void stele__score_reference_warn(const stele__opened *o, const stele__open_request *q,
                                 const stele__reference *r, const stele__consistency *c,
                                 double alpha, uint32_t a, uint32_t b, stele__diag *diag);

#endif
