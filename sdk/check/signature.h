/* signature.h - everything that can be seen of a plugin with certain options, as one number. */
#ifndef STELE_CHECK_SIGNATURE_H
#define STELE_CHECK_SIGNATURE_H

#include "check.h"

/* How far to look: parameters, after fit; outputs and derivatives as well, training or not; blocks of a likelihood,
 * draws and metrics as well. Sources are read at any depth. */
enum { SIGNATURE_PARAMETERS, SIGNATURE_OUTPUTS, SIGNATURE_DEEPEST };

/* Not OK: no instance came of these options, without a word. */
stele_status signature_of(check_trial *t, const char *const *option, size_t n, int depth, uint64_t *ret);

#endif
