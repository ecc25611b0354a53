#include "cli/load.h"

#include "cli/command.h"
#include "eval/evaluation.h"
#include "train/room.h"
#include "train/run.h"

#include <string.h>
#include <sys/stat.h>

stele_status stele__arguments_apply(const stele__spec_arguments *a, stele__spec_doc *doc,
                                    stele__diag *diag)
{
    stele_status status = STELE_OK;
    for (size_t i = 0; status == STELE_OK && i < a->n_sets; i++) {
        status = stele__spec_doc_set_as(doc, a->set[i], a->said[i], diag);
    }
    return status;
}

int stele__arguments_put(const stele__spec_arguments *a, stele__str *out)
{
    struct stat st;
    if (stat(a->path, &st) != 0 || !S_ISREG(st.st_mode)) {
        return 0;
    }
    stele__cli_put_word(out, a->path);
    for (size_t i = 0; i < a->n_sets; i++) {
        if (a->said[i] != NULL) {
            stele__str_printf(out, " %s", a->said[i]);
            continue;
        }
        stele__str_append(out, " --set ");
        stele__cli_put_word(out, a->set[i]);
    }
    return 1;
}

stele_status stele__loaded_create(stele__registry *registry, const stele__spec_arguments *arguments,
                                  stele__loaded *ret, stele__diag *diag)
{
    stele__spec_doc *doc = NULL;
    stele_status status = stele__spec_doc_read(arguments->path, &doc, diag);
    if (status == STELE_OK) {
        status = stele__arguments_apply(arguments, doc, diag);
    }
    if (status != STELE_OK) {
        stele__spec_doc_destroy(doc);
        return status;
    }
    return stele__loaded_from(registry, doc, ret, diag);
}

stele_status stele__loaded_from(stele__registry *registry, stele__spec_doc *doc, stele__loaded *ret,
                                stele__diag *diag)
{
    stele__loaded l = { 0 };
    stele_status status = stele__spec_create(doc, &l.spec, diag);
    if (status != STELE_OK) {
        return status;
    }
    /* A missing plugin does not hide the other errors of the spec. */
    stele_status plugins = stele__cast_find(registry, l.spec, &l.cast, diag);
    stele_status evaluations = stele__evaluations_apply(l.spec, diag);
    status = stele__spec_finish(l.spec, diag);
    if (status == STELE_OK) {
        status = evaluations;
    }
    if (status == STELE_OK) {
        status = plugins;
    }
    if (status != STELE_OK) {
        stele__loaded_finish(&l);
        return status;
    }
    *ret = l;
    return STELE_OK;
}

stele_status stele__loaded_check_data(const stele__loaded *loaded, int quiet,
                                      void (*show)(const struct stele__run *run), double *ret_bytes,
                                      stele__diag *diag)
{
    stele__plan plan;
    stele__plan_request none = { 0 };
    stele__run run = { 0 };
    stele__log log = stele__cli_log(quiet);
    stele_status status = stele__plan_init(&plan, loaded->spec, &none);
    if (status == STELE_OK) {
        status = stele__plan_check(loaded->spec, diag);
    }
    if (status == STELE_OK) {
        stele__run_request q = { .spec = loaded->spec,
                                 .plugins = &loaded->cast,
                                 .log = &log,
                                 .training = 1,
                                 .label = plan.labels,
                                 .label_place = plan.place,
                                 .n_labels = plan.n_labels };
        status = stele__run_open(&q, &run, diag);
        if (status == STELE_OK) {
            status = stele__state_check(run.data, run.split, &run.model, diag);
        }
        if (status == STELE_OK && show != NULL) {
            show(&run);
        }
        *ret_bytes = status == STELE_OK ? stele__room_needed(&run.model, 1) : 0.0;
        stele__run_close(&run);
    }
    stele__plan_finish(&plan);
    return status;
}

void stele__loaded_finish(stele__loaded *loaded)
{
    stele__cast_finish(&loaded->cast);
    stele__spec_destroy(loaded->spec);
    memset(loaded, 0, sizeof *loaded);
}
