/* The points of a sweep before anything runs: their specs, and what is finished already. */
#include "base/map.h"
#include "base/mem.h"
#include "cli/sweep.h"
#include "sweep/foreseen.h"
#include "train/folder.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void stele__point_title(const stele__points *points, size_t i, stele__str *out)
{
    for (size_t k = 0; k < points->spec->n_axes; k++) {
        stele__str_printf(out, "%s%s = %s", k > 0 ? ", " : "", points->spec->axis[k].key,
                          points->point[i].value[k]);
    }
}

stele_status stele__sweep_point(const stele__sweep *s, size_t i, stele__loaded *ret,
                                stele__diag *diag)
{
    stele__spec_doc *doc = NULL;
    stele_status status = stele__spec_doc_again(s->base.spec->doc, &doc, diag);
    if (status == STELE_OK) {
        status = stele__arguments_apply(s->arguments, doc, diag);
    }
    if (status == STELE_OK) {
        status = stele__point_apply(&s->points, i, doc, diag);
    }
    if (status != STELE_OK) {
        stele__spec_doc_destroy(doc);
        return status;
    }
    return stele__loaded_from(s->registry, doc, ret, diag);
}

/* Add the messages of one point that no earlier one had. */
static stele_status add_new(stele__map *seen, const stele__diag *from, stele__diag *to)
{
    stele_status status = STELE_OK;
    for (size_t i = 0; i < from->n && status == STELE_OK; i++) {
        const stele__message *m = &from->message[i];
        stele__place place = {
            .file = m->file, .line = m->line, .column = m->column, .path = m->path
        };
        char *text = NULL;
        int64_t index;
        int is_new = 0;
        status = stele__message_format(m, &text);
        if (status == STELE_OK) {
            status = stele__map_add(seen, text, &index, &is_new);
        }
        if (is_new && m->severity == STELE__ERROR) {
            stele__diag_error(to, m->code, &place, "%s", m->text != NULL ? m->text : "");
        } else if (is_new) {
            stele__diag_warning(to, &place, "%s", m->text != NULL ? m->text : "");
        }
        if (is_new && m->hint != NULL) {
            stele__diag_hint(to, "%s", m->hint);
        }
        stele__free(text);
    }
    return status;
}

static stele_status describe(const stele__loaded *loaded, stele__entry *e, stele__diag *diag)
{
    stele__str text;
    stele__str_init(&text);
    stele_status status = stele__spec_digest(loaded->spec, e->name, diag);
    if (status == STELE_OK) {
        status = stele__evaluate_digest(loaded->spec, e->evaluate, diag);
    }
    if (status == STELE_OK) {
        status = stele__spec_resolve(loaded->spec, &text);
    }
    e->spec = stele__str_take(&text);
    return status == STELE_OK && e->spec == NULL ? STELE_E_NOMEM : status;
}

/* Two values that differ as they are written and mean the same make the same run, which would be
 * told apart from itself. */
static void refuse_twins(const stele__sweep *s, size_t n, stele__diag *diag)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++) {
            if (strcmp(s->entry[i].name, s->entry[j].name) != 0) {
                continue;
            }
            stele__str text;
            stele__str_init(&text);
            stele__str_append(&text, "two points are the same run: ");
            stele__point_title(&s->points, j, &text);
            stele__str_append(&text, "; and ");
            stele__point_title(&s->points, i, &text);
            (void)stele__spec_error(s->base.spec, "sweep", STELE_E_OPTION,
                                    text.data != NULL ? text.data : "", diag);
            stele__str_finish(&text);
            return;
        }
    }
}

stele_status stele__sweep_load(stele__sweep *s, stele__diag *diag)
{
    stele__map *seen = NULL;
    stele__foreseen foreseen = { 0 };
    stele_status worst = STELE_OK, status = stele__map_create(&seen);
    s->entry = stele__calloc(s->points.n, sizeof *s->entry);
    status = status == STELE_OK && s->entry == NULL ? STELE_E_NOMEM : status;
    for (size_t i = 0; i < s->points.n && status == STELE_OK; i++) {
        stele__loaded loaded = { 0 };
        stele__diag own;
        stele__diag_init(&own);
        stele_status good = stele__sweep_point(s, i, &loaded, &own);
        status = good == STELE_OK ? describe(&loaded, &s->entry[i], diag) : STELE_OK;
        if (good == STELE_OK && status == STELE_OK) {
            status = stele__foreseen_add(&foreseen, loaded.spec);
        }
        worst = worst == STELE_OK ? good : worst;
        if (status == STELE_OK) {
            status = add_new(seen, &own, diag);
        }
        stele__diag_finish(&own);
        stele__loaded_finish(&loaded);
    }
    stele__map_destroy(seen);
    if (status == STELE_OK && worst == STELE_OK) {
        worst = stele__foreseen_check(&foreseen, s->base.spec, diag);
    }
    stele__foreseen_finish(&foreseen);
    stele__messages_sort(diag);
    if (status == STELE_OK && worst == STELE_OK) {
        refuse_twins(s, s->points.n, diag);
        worst = diag->n_errors > 0 ? STELE_E_OPTION : STELE_OK;
    }
    return status == STELE_OK ? worst : status;
}

void stele__sweep_look(stele__sweep *s)
{
    for (size_t i = 0; i < s->points.n; i++) {
        stele__entry *e = &s->entry[i];
        char *run = stele__sweep_path(s->dir, "runs", e->name, "");
        e->finished = run != NULL && stele__record_read(run, s->part, e->evaluate, &e->record);
        e->step = e->finished ? STELE__STEP_NONE : STELE__STEP_TRAIN;
        s->n_finished += e->finished;
        if (e->finished && e->record.expected_bytes > 0.0) {
            double factor = e->record.peak_bytes / e->record.expected_bytes;
            s->factor = factor > s->factor ? factor : s->factor;
        }
        stele__free(run);
    }
}

void stele__sweep_finish(stele__sweep *s)
{
    for (size_t i = 0; s->entry != NULL && i < s->points.n; i++) {
        stele__free(s->entry[i].spec);
        stele__free(s->entry[i].reason);
        json_decref(s->entry[i].record.figures);
    }
    stele__free(s->entry);
    stele__points_finish(&s->points);
    stele__loaded_finish(&s->base);
    stele__registry_destroy(s->registry);
    if (s->room != NULL) {
        munmap(s->room, s->n_room * sizeof *s->room);
    }
    if (s->lock >= 0) {
        close(s->lock);
    }
}
