/* Columns of predictions: each needs a name of its own. */
#include "train/load.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/quantity.h"

#include <stdio.h>
#include <string.h>

/* Names so far, and whose they are. */
typedef struct taken {
    const stele__spec *spec;
    const stele__model *model;
    stele__map *names;
    uint32_t *head; /* (names, with room for `room`) */
    int64_t room;
} taken;

static stele_status refuse(const taken *t, const char *name, uint32_t other, uint32_t h,
                           stele__diag *diag)
{
    const stele__head *head = &t->model->head[h];
    stele__str text;
    stele__str_init(&text);
    if (other == h) {
        stele__str_printf(&text, "two of its predictions would both be the column `%s`", name);
    } else if (other < t->model->n_heads) {
        stele__str_printf(&text, "its predictions and those of %s would both have the column `%s`",
                          t->model->head[other].name, name);
    } else {
        stele__str_printf(&text, "the column `%s` of its predictions has another meaning", name);
    }
    stele_status status =
        text.failed ? STELE_E_NOMEM
                    : stele__spec_error(t->spec, head->name, STELE_E_OPTION, text.data, diag);
    stele__diag_hint(diag,
                     "columns are called HEAD, HEAD_QUANTITY or HEAD_QUANTITY_CLASS, with "
                     "_low and _high: rename %s",
                     other == h ? "a class in the data" : "the head");
    stele__str_finish(&text);
    return status;
}

/* Takes over `name`, NULL after lack of memory. */
static stele_status take(taken *t, char *name, uint32_t h, stele__diag *diag)
{
    int64_t at = 0;
    int is_new = 0;
    stele_status status =
        name != NULL ? stele__map_add(t->names, name, &at, &is_new) : STELE_E_NOMEM;
    if (status == STELE_OK && at >= t->room) {
        int64_t room = 2 * at + 64;
        uint32_t *head = stele__realloc(t->head, (size_t)room * sizeof *head);
        t->head = head != NULL ? head : t->head;
        t->room = head != NULL ? room : t->room;
        status = head != NULL ? STELE_OK : STELE_E_NOMEM;
    }
    if (status == STELE_OK && !is_new) {
        status = refuse(t, name, t->head[at], h, diag);
    } else if (status == STELE_OK) {
        t->head[at] = h;
    }
    stele__free(name);
    return status;
}

/* Those that say which row it is. */
static stele_status take_host(taken *t, stele__diag *diag)
{
    stele_status status = take(t, stele__strdup("id"), UINT32_MAX, diag);
    if (status == STELE_OK) {
        status = take(t, stele__strdup("split"), UINT32_MAX, diag);
    }
    for (uint32_t i = 0; i < t->model->n_modalities && status == STELE_OK; i++) {
        stele__str s;
        stele__str_init(&s);
        stele__str_printf(&s, "has_%s", t->model->modality[i].name);
        status = take(t, stele__str_take(&s), UINT32_MAX, diag);
    }
    return status;
}

static stele_status take_head(taken *t, const stele__dataset *data, uint32_t h, stele__diag *diag)
{
    static const char *const end[] = { "", "_low", "_high" };
    const stele__head *head = &t->model->head[h];
    const stele__label *label = stele__dataset_label(data, head->target.name, head->target.content);
    stele_head_output *output = NULL;
    uint32_t n = 0;
    int categories = 0;
    stele_status status = stele__head_quantities(head, &output, &n, diag);
    for (uint32_t k = 0; k < n && status == STELE_OK; k++) {
        categories |= output[k].category >= 0;
        for (int i = 0; i < 3 && status == STELE_OK; i++) {
            status = take(t, stele__quantity_name(head, label, &output[k], end[i]), h, diag);
        }
    }
    if (status == STELE_OK && categories) {
        status = take(t, stele__quantity_name(head, label, NULL, ""), h, diag);
    }
    stele__free(output);
    return status;
}

stele_status stele__quantities_check(const stele__spec *spec, const stele__model *m,
                                     const stele__dataset *data, stele__diag *diag)
{
    taken t = { .spec = spec, .model = m };
    stele_status status = stele__map_create(&t.names);
    status = status == STELE_OK ? take_host(&t, diag) : status;
    for (uint32_t h = 0; h < m->n_heads && status == STELE_OK; h++) {
        if (stele__head_has_quantities(&m->head[h])) {
            status = take_head(&t, data, h, diag);
        }
    }
    stele__map_destroy(t.names);
    stele__free(t.head);
    return status;
}
