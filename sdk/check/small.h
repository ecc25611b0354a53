/* small.h - a small model of the plugin under test: checks that need thousands of passes, whatever a model's size. */
#ifndef STELE_CHECK_SMALL_H
#define STELE_CHECK_SMALL_H

#include "check.h"

/* From here on the trial's subject has small values of those sizes among the plugin's options which the command line
 * leaves open and which make the default model large. Options that do not lessen the number of parameters stay, and so
 * does a model that is small already. Always the same settings; check_fail lines should end with small_settings(). */
void small_model(check_trial *t);
/* " (with KEY=VALUE ...)", or "" where nothing was changed. Valid until the next small_model of this process. */
const char *small_settings(void);

#endif
