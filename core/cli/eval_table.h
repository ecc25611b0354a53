/* eval_table.h - the figures of eval/report.h for people: aligned tables on stdout. */
#ifndef STELE_CLI_EVAL_TABLE_H
#define STELE_CLI_EVAL_TABLE_H

#include <jansson.h>

void stele__eval_print(const json_t *report);

#endif
