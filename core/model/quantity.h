/* quantity.h - what a head's predictions are read as, and what columns of them are called. */
#ifndef STELE_MODEL_QUANTITY_H
#define STELE_MODEL_QUANTITY_H

#include "base/str.h"
#include "data/dataset.h"
#include "model/model.h"

/* Has the plugin names for them? */
int stele__head_has_quantities(const stele__head *h);
/* The plugin's list, to be freed with stele__free. Once the model is built. [main] */
STELE_NODISCARD stele_status stele__head_quantities(const stele__head *h, stele_head_output **ret,
                                                    uint32_t *ret_n, stele__diag *diag);
/* HEAD, HEAD_NAME or HEAD_NAME_CATEGORY, and `end`; without an output that of the likeliest
 * category. NULL: out of memory. */
char *stele__quantity_name(const stele__head *h, const stele__label *target,
                           const stele_head_output *output, const char *end);

#endif
