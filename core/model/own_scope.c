#include "model/own_scope.h"

#include "base/mem.h"
#include "base/str.h"
#include "graph/noise.h"

/* A new text "A.B". */
static char *joined(const char *a, const char *b)
{
    stele__str s;
    stele__str_init(&s);
    stele__str_printf(&s, "%s.%s", a, b);
    return stele__str_take(&s);
}

stele_status stele__own_scope_build(stele__model *m, const char *owner, const char *what, int64_t n,
                                    stele__own_scope *ret, stele__diag *diag)
{
    ret->name = joined(owner, what);
    if (ret->name == NULL) {
        return STELE_E_NOMEM;
    }
    ret->scope = (stele__scope){ .name = ret->name,
                                 .purpose = stele__noise_hash(ret->name),
                                 .params = m->params };
    if (n == 0) {
        return STELE_OK;
    }
    char *parameter = joined(ret->name, "log_variance");
    if (parameter == NULL) {
        return STELE_E_NOMEM;
    }
    const stele__declaration d = { .name = parameter,
                                   .shape = STELE__SHAPE(n),
                                   .kind = STELE__TRAINED,
                                   .init = STELE_INIT_ZERO,
                                   .group = STELE__GROUP_MODEL };
    stele_status status = stele__params_declare(m->params, &d, &ret->entry, diag);
    ret->scope.entry = &ret->entry;
    ret->scope.n = 1;
    stele__free(parameter);
    return status;
}
