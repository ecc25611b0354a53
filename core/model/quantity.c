#include "model/quantity.h"

#include "base/mem.h"

int stele__head_has_quantities(const stele__head *h)
{
    return h->vt->outputs != NULL && h->vt->show != NULL;
}

stele_status stele__head_quantities(const stele__head *h, stele_head_output **ret, uint32_t *ret_n,
                                    stele__diag *diag)
{
    const uint32_t capacity = (uint32_t)h->target.n_categories + 1024;
    stele_reader reader = stele__part_reader(&h->part);
    *ret_n = 0;
    *ret = stele__calloc(capacity, sizeof **ret);
    if (*ret == NULL) {
        return STELE_E_NOMEM;
    }
    stele__guest_begin(h->part.guest, "outputs");
    stele_status status =
        h->vt->outputs(stele__guest_inst(h->part.guest), &reader, capacity, *ret, ret_n);
    status = stele__guest_check(h->part.guest, "outputs", status, diag);
    if (status == STELE_OK && (*ret_n < 1 || *ret_n > capacity)) {
        return stele__guest_report(h->part.guest, STELE_E_INTERNAL,
                                   "gives no quantities, or more than there is room for", "",
                                   "in outputs", diag);
    }
    return status;
}

char *stele__quantity_name(const stele__head *h, const stele__label *target,
                           const stele_head_output *output, const char *end)
{
    stele__str s;
    stele__str_init(&s);
    stele__str_append(&s, stele__head_short_name(h));
    if (output != NULL && output->name[0] != '\0') {
        stele__str_printf(&s, "_%s", output->name);
    }
    if (output != NULL && output->category >= 0 && output->category < target->n_categories) {
        stele__str_printf(&s, "_%s", target->category[output->category]);
    }
    stele__str_append(&s, end);
    for (char *c = s.data; c != NULL && *c != '\0'; c++) {
        *c = *c == '/' ? '_' : *c; /* not allowed in .h5ad */
    }
    return stele__str_take(&s);
}
