/* small.h - a small model of the plugin under test: checks that need thousands of passes, whatever a model's size. */
#ifndef STELE_CHECK_SMALL_H
#define STELE_CHECK_SMALL_H

#include "check.h"

/* From here on the trial's subject has small values of those sizes among the plugin's options which the command line
 * leaves open, but for those that are refused or add parameters. A model that is small already stays. Always the same
 * settings; check_fail lines should end with small_settings(). */
void small_model(check_trial *t);
/* " (with KEY=VALUE ...)", or "" where nothing was changed. Valid until the next small_model of this process. */
const char *small_settings(void);

#endif
