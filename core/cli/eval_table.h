/* eval_table.h - figures for people: tables on stdout. */
#ifndef STELE_CLI_EVAL_TABLE_H
#define STELE_CLI_EVAL_TABLE_H

#include "cli/text_grid.h"

/* Of eval/report.h. */
void stele__eval_print(const json_t *report, const stele__grid_style *style);
/* Of `stele score`. */
void stele__score_print(const json_t *report, const stele__grid_style *style);
/* Of `heads` in a report: what `stele predict` tells of rows that have the targets. */
void stele__heads_print(json_t *heads, const stele__grid_style *style);

#endif
