/* eval_table.h - figures for people: aligned tables on stdout. */
#ifndef STELE_CLI_EVAL_TABLE_H
#define STELE_CLI_EVAL_TABLE_H

#include <jansson.h>

/* Of eval/report.h. */
void stele__eval_print(const json_t *report);
/* Of `stele score`. */
void stele__score_print(const json_t *report);

#endif
