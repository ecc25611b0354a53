/* own_scope.h - noise and parameters of the host's own, beside those that plugins declare. */
#ifndef STELE_MODEL_OWN_SCOPE_H
#define STELE_MODEL_OWN_SCOPE_H

#include "model/model.h"

/* The one parameter that such a scope may have. */
enum { STELE__LOG_VARIANCE = 0 };

/* The scope "OWNER.WHAT" of m's parameters, with n > 0 a trained parameter
 * "OWNER.WHAT.log_variance" (n) that starts at 0. `ret` keeps its address as long as m lives;
 * ret->name is freed with it. */
STELE_NODISCARD stele_status stele__own_scope_build(stele__model *m, const char *owner,
                                                    const char *what, int64_t n,
                                                    stele__own_scope *ret, stele__diag *diag);

#endif
