/* The plugin instances and evaluations that a spec names. */
#include "base/mem.h"
#include "spec/scalar.h"
#include "spec/spec_private.h"

#include <string.h>

static int is_name(const char *s)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    size_t first = strspn(s, letters);
    return first != 0 && s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789_")] == '\0';
}

/* A section whose keys are names that the user chooses. NULL: absent, empty, or reported. */
static stele__node *named_section(stele__node *parent, const char *key, stele__diag *diag)
{
    stele__node *node = stele__node_get(parent, key);
    if (node == NULL || stele__node_is_null(node)) {
        return NULL;
    }
    if (node->kind != STELE__MAPPING) {
        stele__node_error(node, STELE_E_OPTION, diag, "expected a mapping of names");
        stele__diag_hint(diag, "write %s: {NAME: {...}}", key);
        node->reported = 1;
        return NULL;
    }
    return node;
}

/* Host keys of one instance, whose mapping is instance->node. */
static stele_status read_host(stele__instance *instance, int section, stele__diag *diag)
{
    const stele__section *s = stele__section_get(section);
    stele_status status = stele__config_create(&s->table, s->block_size, instance->node, s->path,
                                               &instance->host, diag);
    stele__node *plugin = stele__node_find(instance->node, "plugin");
    if (plugin != NULL && plugin->kind == STELE__SCALAR && !stele__node_is_null(plugin)) {
        instance->plugin = plugin->text;
        instance->at = plugin;
    }
    return status == STELE_E_NOMEM ? status : STELE_OK;
}

/* NAME: {plugin: ...} for all names of a section. */
static stele_status read_named(stele__node *node, uint32_t kind, int section, stele__instance **ret,
                               size_t *ret_n, stele__diag *diag)
{
    if (node == NULL) {
        return STELE_OK;
    }
    stele__instance *all = stele__calloc(node->n + 1, sizeof *all);
    stele_status status = all != NULL ? STELE_OK : STELE_E_NOMEM;
    size_t n = 0;
    *ret = all;
    for (size_t i = 0; i < node->n && status == STELE_OK; i++) {
        stele__node *child = node->child[i];
        child->used = 1;
        if (!is_name(child->key)) {
            stele__node_key_error(child, NULL, STELE_E_OPTION, diag, "this name cannot be used");
            stele__diag_hint(diag, "a name starts with a letter; letters, digits and _ follow");
        }
        if (child->kind != STELE__MAPPING) {
            stele__node_error(child, STELE_E_OPTION, diag, "expected a mapping with a `plugin`");
            stele__diag_hint(diag, "write %s: {plugin: ...}", child->key);
            child->reported = 1;
            continue;
        }
        all[n] = (stele__instance){ .kind = kind, .name = child->key, .node = child, .at = child };
        status = read_host(&all[n++], section, diag);
        *ret_n = n;
    }
    return status;
}

static stele_status read_sources(stele__spec *spec, stele__node *data, stele__diag *diag)
{
    stele__node *several = named_section(data, "sources", diag);
    stele__node *single = stele__node_find(data, "source");
    int has_single = single != NULL && !stele__node_is_null(single);
    if (several != NULL && has_single) {
        stele__node_key_error(single, NULL, STELE_E_OPTION, diag, "cannot stand beside `sources`");
        stele__diag_hint(diag, "name all sources under `sources`");
        stele__node_use_all(data); /* whose options the other keys are is not known */
    } else if (several == NULL && !has_single && !data->reported) {
        stele__node_key_error(data, "source", STELE_E_OPTION, diag, "this key is required");
        stele__diag_hint(diag, "%s",
                         stele__table_row(&stele__section_get(STELE__SECTION_DATA)->table, 0).help);
        stele__node_use_all(data);
    }
    if (several != NULL || !has_single || single->kind != STELE__SCALAR) {
        return read_named(several, STELE_SOURCE, STELE__SECTION_SOURCE, &spec->source,
                          &spec->n_sources, diag);
    }
    spec->source = stele__calloc(1, sizeof *spec->source);
    if (spec->source == NULL) {
        return STELE_E_NOMEM;
    }
    spec->n_sources = 1;
    spec->source[0] = (stele__instance){
        .kind = STELE_SOURCE, .name = "data", .plugin = single->text, .node = data, .at = single
    };
    return STELE_OK;
}

/* `fusion: NAME` is short for `fusion: {plugin: NAME}`. */
static stele_status read_fusion(stele__spec *spec, stele__node *root, stele__diag *diag)
{
    stele__node *node = stele__node_get(root, "fusion");
    stele_status status = STELE_OK;
    if (node == NULL || stele__node_is_null(node)) {
        stele__node_key_error(root, "fusion", STELE_E_OPTION, diag, "this key is required");
        stele__diag_hint(diag, "name the plugin that joins the experts, as in `fusion: NAME`");
        return STELE_OK;
    }
    if (node->kind == STELE__SEQUENCE) {
        stele__node_error(node, STELE_E_OPTION, diag, "expected a plugin's name or a mapping");
        node->reported = 1;
        return STELE_OK;
    }
    if (node->kind == STELE__SCALAR) {
        status = stele__node_make_mapping(node, "plugin");
    }
    spec->fusion = (stele__instance){ .kind = STELE_FUSION, .node = node, .at = node };
    status = status == STELE_OK ? read_host(&spec->fusion, STELE__SECTION_FUSION, diag) : status;
    spec->fusion.name = spec->fusion.plugin != NULL ? spec->fusion.plugin : "fusion";
    return status;
}

/* An item is a name, or a mapping with one key: name: {options}. NULL: reported. */
static stele__node *evaluation(stele__node *item, const char **ret_name, stele__diag *diag)
{
    item->used = 1;
    if (item->kind == STELE__SCALAR && !stele__node_is_null(item)) {
        *ret_name = item->text;
        return stele__node_make_mapping(item, NULL) == STELE_OK ? item : NULL;
    }
    stele__node *only = item->kind == STELE__MAPPING && item->n == 1 ? item->child[0] : NULL;
    if (only != NULL && stele__node_is_null(only) &&
        stele__node_make_mapping(only, NULL) != STELE_OK) {
        return NULL;
    }
    if (only == NULL || only->kind != STELE__MAPPING) {
        stele__node_error(item, STELE_E_OPTION, diag,
                          "expected a name, or a mapping with one name and its options");
        stele__diag_hint(diag, "as in [NAME, {NAME: {key: value}}]");
        item->reported = 1;
        return NULL;
    }
    only->used = 1;
    *ret_name = only->key;
    return only;
}

static stele_status read_evaluate(stele__spec *spec, stele__node *root, stele__diag *diag)
{
    stele__node *node = stele__node_get(root, "evaluate");
    if (node == NULL || stele__node_is_null(node)) {
        return STELE_OK;
    }
    if (node->kind != STELE__SEQUENCE) {
        stele__node_error(node, STELE_E_OPTION, diag, "expected a list of evaluations");
        stele__diag_hint(diag, "as in [NAME, {NAME: {key: value}}]");
        node->reported = 1;
        return STELE_OK;
    }
    spec->evaluate = stele__calloc(node->n + 1, sizeof *spec->evaluate);
    if (spec->evaluate == NULL) {
        return STELE_E_NOMEM;
    }
    for (size_t i = 0; i < node->n; i++) {
        const char *name = NULL;
        stele__node *options = evaluation(node->child[i], &name, diag);
        if (options != NULL) {
            spec->evaluate[spec->n_evaluate++] = (stele__instance){ .kind = STELE__EVALUATION,
                                                                    .name = name,
                                                                    .plugin = name,
                                                                    .node = options,
                                                                    .at = options };
        }
    }
    return STELE_OK;
}

/* One line NAME: FRACTION of `section`. 0: it is of no use, which was said. */
static int read_share(stele__node *node, int section, const stele__node *modalities,
                      stele__share_spec *ret, stele__diag *diag)
{
    double fraction = -1.0;
    stele_option row = stele__table_row(&stele__section_get(section)->table, 0);
    node->used = 1;
    if (node->kind != STELE__SCALAR || node->quoted ||
        stele__scalar_f64(node->text, &fraction) != STELE__SCALAR_OK ||
        !(fraction >= row.min.f && fraction <= row.max.f)) {
        stele__str is;
        stele__str_init(&is);
        stele__node_describe(node, &is);
        stele__node_error(node, STELE_E_OPTION, diag, "is %s, expected a fraction from %g to %g",
                          is.data != NULL ? is.data : "", row.min.f, row.max.f);
        stele__str_finish(&is);
        node->reported = 1;
        return 0;
    }
    if (stele__node_find(modalities, node->key) == NULL) {
        stele__node_key_error(node, NULL, STELE_E_OPTION, diag, "there is no modality `%s`",
                              node->key);
        for (size_t i = 0; modalities != NULL && i < modalities->n; i++) {
            if (stele__nearest(node->key, (const char *const[]){ modalities->child[i]->key }, 1)) {
                stele__diag_hint(diag, "did you mean `%s`?", modalities->child[i]->key);
            }
        }
        return 0;
    }
    *ret = (stele__share_spec){ .modality = node->key, .fraction = fraction };
    return 1;
}

static stele_status read_shares(stele__node *data, const char *key, int section,
                                const stele__node *modalities, stele__share_spec **ret,
                                size_t *ret_n, stele__diag *diag)
{
    stele__node *node = named_section(data, key, diag);
    if (node == NULL) {
        return STELE_OK;
    }
    *ret = stele__calloc(node->n + 1, sizeof **ret);
    for (size_t i = 0; *ret != NULL && i < node->n; i++) {
        *ret_n += (size_t)read_share(node->child[i], section, modalities, *ret + *ret_n, diag);
    }
    return *ret != NULL ? STELE_OK : STELE_E_NOMEM;
}

stele_status stele__instances_read(stele__spec *spec, stele__diag *diag)
{
    stele__node *root = stele__spec_doc_root(spec->doc);
    stele__node *data = stele__node_find(root, "data"); /* made by the section if it was absent */
    stele__node *modalities = named_section(root, "modalities", diag);
    stele_status status = STELE_OK;
    if (modalities == NULL || modalities->n == 0) {
        stele__node *there = stele__node_find(root, "modalities");
        if (there == NULL || !there->reported) {
            stele__node_key_error(there != NULL ? there : root, there != NULL ? NULL : "modalities",
                                  STELE_E_OPTION, diag, "at least one modality is required");
            stele__diag_hint(diag, "write modalities: {NAME: {plugin: ...}}");
        }
    }
    if (data != NULL && data->kind == STELE__MAPPING) {
        status = read_sources(spec, data, diag);
        status = status == STELE_OK
                     ? read_shares(data, "missing", STELE__SECTION_MISSING, modalities,
                                   &spec->missing, &spec->n_missing, diag)
                     : status;
        status = status == STELE_OK
                     ? read_shares(data, "mismatched", STELE__SECTION_MISMATCHED, modalities,
                                   &spec->mismatched, &spec->n_mismatched, diag)
                     : status;
    }
    if (status == STELE_OK) {
        status = read_named(modalities, STELE_MODALITY, STELE__SECTION_MODALITY, &spec->modality,
                            &spec->n_modalities, diag);
    }
    for (size_t i = 0; i < spec->n_modalities; i++) {
        stele__modality_spec *host =
            spec->modality[i].host != NULL ? stele__config_block(spec->modality[i].host) : NULL;
        if (host != NULL && host->from == NULL) {
            host->from = spec->modality[i].name;
        }
    }
    status = status == STELE_OK ? read_fusion(spec, root, diag) : status;
    if (status == STELE_OK) {
        status = read_named(named_section(root, "heads", diag), STELE_HEAD, STELE__SECTION_HEAD,
                            &spec->head, &spec->n_heads, diag);
    }
    return status == STELE_OK ? read_evaluate(spec, root, diag) : status;
}
