#include "cli/load.h"

#include "eval/evaluation.h"

#include <string.h>

static stele_status read_document(const stele__spec_arguments *a, stele__spec_doc **ret,
                                  stele__diag *diag)
{
    stele__spec_doc *doc = NULL;
    stele_status status = stele__spec_doc_read(a->path, &doc, diag);
    for (size_t i = 0; status == STELE_OK && i < a->n_sets; i++) {
        status = stele__spec_doc_set_as(doc, a->set[i], a->said[i], diag);
    }
    if (status != STELE_OK) {
        stele__spec_doc_destroy(doc);
        return status;
    }
    *ret = doc;
    return STELE_OK;
}

stele_status stele__loaded_create(stele__registry *registry, const stele__spec_arguments *arguments,
                                  stele__loaded *ret, stele__diag *diag)
{
    stele__spec_doc *doc = NULL;
    stele__loaded l = { 0 };
    stele_status status = read_document(arguments, &doc, diag);
    if (status == STELE_OK) {
        status = stele__spec_create(doc, &l.spec, diag);
    }
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

void stele__loaded_finish(stele__loaded *loaded)
{
    stele__cast_finish(&loaded->cast);
    stele__spec_destroy(loaded->spec);
    memset(loaded, 0, sizeof *loaded);
}
