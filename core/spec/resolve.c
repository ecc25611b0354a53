/* The whole spec, defaults included, as a tree and as text. */
#include "spec/scalar.h"
#include "spec/spec.h"

#include <string.h>

/* Copy what `at` does not have, also inside mappings that it has: the host's `encoder.covariates`
 * leaves the plugin's other keys of `encoder` to be copied. */
static stele_status put_others(stele__node *at, const stele__node *from)
{
    stele_status status = STELE_OK;
    for (size_t i = 0; from != NULL && i < from->n && status == STELE_OK; i++) {
        const stele__node *child = from->child[i];
        stele__node *there = stele__node_put_copy(at, child->key, child);
        if (there == NULL) {
            return STELE_E_NOMEM;
        }
        if (there->kind == STELE__MAPPING && child->kind == STELE__MAPPING) {
            status = put_others(there, child);
        }
    }
    return status;
}

/* An instance: host keys, then the plugin's options, or what the spec says if nobody read them. */
static stele_status put_instance(stele__node *at, const stele__instance *instance)
{
    stele_status status = instance->host != NULL ? stele__config_put(instance->host, at) : STELE_OK;
    if (status != STELE_OK) {
        return status;
    }
    return instance->config != NULL ? stele__config_put(instance->config, at)
                                    : put_others(at, instance->node);
}

static stele_status put_named(stele__node *at, const char *key, const stele__instance *instance,
                              size_t n)
{
    stele__node *section = n != 0 ? stele__node_put_mapping(at, key) : NULL;
    stele_status status = n == 0 || section != NULL ? STELE_OK : STELE_E_NOMEM;
    for (size_t i = 0; i < n && status == STELE_OK; i++) {
        stele__node *one = stele__node_put_mapping(section, instance[i].name);
        status = one != NULL ? put_instance(one, &instance[i]) : STELE_E_NOMEM;
    }
    return status;
}

static stele_status put_f64(stele__node *at, const char *key, double value)
{
    stele__str s;
    stele__str_init(&s);
    stele__scalar_put_f64(&s, value);
    stele_status status = s.data != NULL && stele__node_put_scalar(at, key, s.data, 0) != NULL
                              ? STELE_OK
                              : STELE_E_NOMEM;
    stele__str_finish(&s);
    return status;
}

static stele_status put_shares(stele__node *data, const char *key, const stele__share_spec *share,
                               size_t n)
{
    stele__node *at = n != 0 ? stele__node_put_mapping(data, key) : NULL;
    stele_status status = n == 0 || at != NULL ? STELE_OK : STELE_E_NOMEM;
    for (size_t i = 0; i < n && status == STELE_OK; i++) {
        status = put_f64(at, share[i].modality, share[i].fraction);
    }
    return status;
}

static stele_status put_data(const stele__spec *spec, stele__node *root)
{
    stele__node *data = stele__node_put_mapping(root, "data");
    if (data == NULL) {
        return STELE_E_NOMEM;
    }
    stele_status status = stele__config_put(spec->section[STELE__SECTION_DATA], data);
    if (status == STELE_OK) {
        status = put_shares(data, "missing", spec->missing, spec->n_missing);
    }
    if (status == STELE_OK) {
        status = put_shares(data, "mismatched", spec->mismatched, spec->n_mismatched);
    }
    if (status != STELE_OK || spec->data->source == NULL) {
        return status == STELE_OK ? put_named(data, "sources", spec->source, spec->n_sources)
                                  : status;
    }
    return put_instance(data, &spec->source[0]);
}

static stele_status put_beta(const stele__spec *spec, stele__node *objective)
{
    const stele__beta_spec *b = &spec->objective->beta;
    if (b->epochs == 0 && b->steps == 0) {
        return put_f64(objective, "beta", b->to);
    }
    stele__node *beta = stele__node_put_mapping(objective, "beta");
    stele_status status = beta != NULL ? put_f64(beta, "from", b->from) : STELE_E_NOMEM;
    status = status == STELE_OK ? put_f64(beta, "to", b->to) : status;
    stele__str s;
    stele__str_init(&s);
    stele__str_printf(&s, "%lld", (long long)(b->epochs != 0 ? b->epochs : b->steps));
    if (status == STELE_OK &&
        (s.data == NULL ||
         stele__node_put_scalar(beta, b->epochs != 0 ? "epochs" : "steps", s.data, 0) == NULL)) {
        status = STELE_E_NOMEM;
    }
    stele__str_finish(&s);
    return status;
}

static stele_status put_evaluate(const stele__spec *spec, stele__node *root)
{
    stele__node *list = stele__node_put_sequence(root, "evaluate");
    stele_status status = list != NULL ? STELE_OK : STELE_E_NOMEM;
    for (size_t i = 0; i < spec->n_evaluate && status == STELE_OK; i++) {
        stele__node *item = stele__node_put_mapping(list, NULL);
        stele__node *one =
            item != NULL ? stele__node_put_mapping(item, spec->evaluate[i].name) : NULL;
        status = one != NULL ? put_instance(one, &spec->evaluate[i]) : STELE_E_NOMEM;
    }
    return status;
}

static stele_status put_section(const stele__spec *spec, int section, stele__node *root)
{
    stele__node *at = stele__node_put_mapping(root, stele__section_get(section)->path);
    stele_status status =
        at != NULL ? stele__config_put(spec->section[section], at) : STELE_E_NOMEM;
    return status == STELE_OK && section == STELE__SECTION_OBJECTIVE ? put_beta(spec, at) : status;
}

static stele_status put_all(const stele__spec *spec, stele__node *root)
{
    stele_status status = stele__config_put(spec->section[STELE__SECTION_TOP], root);
    status = status == STELE_OK ? put_data(spec, root) : status;
    status = status == STELE_OK ? put_section(spec, STELE__SECTION_LATENT, root) : status;
    if (status == STELE_OK) {
        status = put_named(root, "modalities", spec->modality, spec->n_modalities);
    }
    if (status == STELE_OK) {
        stele__node *fusion = stele__node_put_mapping(root, "fusion");
        status = fusion != NULL ? put_instance(fusion, &spec->fusion) : STELE_E_NOMEM;
    }
    status = status == STELE_OK ? put_named(root, "heads", spec->head, spec->n_heads) : status;
    status = status == STELE_OK ? put_section(spec, STELE__SECTION_OBJECTIVE, root) : status;
    status = status == STELE_OK ? put_section(spec, STELE__SECTION_TRAIN, root) : status;
    status = status == STELE_OK ? put_evaluate(spec, root) : status;
    return status == STELE_OK ? put_section(spec, STELE__SECTION_OUTPUT, root) : status;
}

stele_status stele__spec_resolve(const stele__spec *spec, stele__str *out)
{
    stele__spec_doc *doc = NULL;
    stele_status status = stele__spec_doc_create(&doc);
    if (status == STELE_OK) {
        stele__node *root = stele__spec_doc_root(doc);
        status = put_all(spec, root);
        status = status == STELE_OK ? stele__node_write(root, out) : status;
    }
    stele__spec_doc_destroy(doc);
    return status;
}
