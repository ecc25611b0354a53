#include "spec/spec.h"

#include "base/mem.h"
#include "spec/spec_private.h"

#include <stdlib.h>
#include <string.h>

enum { N_SINGLE = sizeof((stele__spec *)0)->section / sizeof(stele__config *) };

/* The mapping of a section; one that the spec leaves out is made, so that its keys have a path. */
static stele__node *section_node(stele__node *root, const char *key, stele__diag *diag)
{
    stele__node *node = stele__node_get(root, key);
    if (node == NULL) {
        node = stele__node_put_mapping(root, key);
        if (node != NULL) {
            node->used = 1;
        }
        return node;
    }
    if (stele__node_is_null(node)) {
        return stele__node_make_mapping(node, NULL) == STELE_OK ? node : NULL;
    }
    if (node->kind != STELE__MAPPING) {
        stele__node_error(node, STELE_E_OPTION, diag, "expected a mapping of keys");
        node->reported = 1;
        return NULL;
    }
    return node;
}

static stele_status read_section(stele__spec *spec, int i, stele__diag *diag)
{
    const stele__section *s = stele__section_get(i);
    stele__node *root = stele__spec_doc_root(spec->doc);
    size_t before = diag->n_errors;
    stele__node *node = s->path[0] != '\0' ? section_node(root, s->path, diag) : root;
    if (node == NULL) {
        return diag->n_errors != before ? STELE_OK : STELE_E_NOMEM;
    }
    stele_status status =
        stele__config_create(&s->table, s->block_size, node, s->path, &spec->section[i], diag);
    return status == STELE_E_NOMEM ? status : STELE_OK;
}

static const void *values(const stele__spec *spec, int i)
{
    return spec->section[i] != NULL ? stele__config_values(spec->section[i]) : NULL;
}

/* "configs/cortex.yaml" names the run "cortex". */
static stele_status default_names(stele__spec *spec)
{
    stele__config *top = spec->section[STELE__SECTION_TOP];
    stele__config *output = spec->section[STELE__SECTION_OUTPUT];
    stele__top_spec *t = top != NULL ? stele__config_block(top) : NULL;
    stele__output_spec *o = output != NULL ? stele__config_block(output) : NULL;
    if (t == NULL) {
        return STELE_OK;
    }
    if (t->name == NULL) {
        const char *file = stele__spec_doc_root(spec->doc)->file;
        const char *slash = strrchr(file, '/');
        const char *stem = slash != NULL ? slash + 1 : file;
        const char *dot = strrchr(stem, '.');
        size_t n = dot != NULL && dot != stem ? (size_t)(dot - stem) : strlen(stem);
        char *name = stele__strndup(stem, n);
        t->name = name != NULL ? stele__config_strdup(top, name) : NULL;
        stele__free(name);
    }
    if (o != NULL && o->dir == NULL && t->name != NULL) {
        stele__str dir;
        stele__str_init(&dir);
        stele__str_printf(&dir, "runs/%s", t->name);
        o->dir = dir.data != NULL ? stele__config_strdup(output, dir.data) : NULL;
        stele__str_finish(&dir);
    }
    return t->name != NULL && (o == NULL || o->dir != NULL) ? STELE_OK : STELE_E_NOMEM;
}

stele_status stele__spec_create(stele__spec_doc *doc, stele__spec **ret, stele__diag *diag)
{
    stele__spec *spec = stele__calloc(1, sizeof *spec);
    if (spec == NULL) {
        stele__spec_doc_destroy(doc);
        return STELE_E_NOMEM;
    }
    spec->doc = doc;
    stele_status status = STELE_OK;
    for (int i = 0; i < N_SINGLE && status == STELE_OK; i++) {
        status = read_section(spec, i, diag);
    }
    spec->top = values(spec, STELE__SECTION_TOP);
    spec->data = values(spec, STELE__SECTION_DATA);
    spec->latent = values(spec, STELE__SECTION_LATENT);
    spec->objective = values(spec, STELE__SECTION_OBJECTIVE);
    spec->train = values(spec, STELE__SECTION_TRAIN);
    spec->output = values(spec, STELE__SECTION_OUTPUT);
    spec->sweep = values(spec, STELE__SECTION_SWEEP);
    status = status == STELE_OK ? default_names(spec) : status;
    status = status == STELE_OK ? stele__instances_read(spec, diag) : status;
    status = status == STELE_OK ? stele__sweep_read(spec, diag) : status;
    if (status != STELE_OK) {
        stele__spec_destroy(spec);
        return status;
    }
    stele__sections_check(spec, diag);
    *ret = spec;
    return STELE_OK;
}

static void instances_free(stele__instance *instance, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        stele__config_destroy(instance[i].host);
        stele__config_destroy(instance[i].config);
    }
    stele__free(instance);
}

void stele__spec_destroy(stele__spec *spec)
{
    if (spec == NULL) {
        return;
    }
    instances_free(spec->source, spec->n_sources);
    instances_free(spec->modality, spec->n_modalities);
    instances_free(spec->head, spec->n_heads);
    instances_free(spec->evaluate, spec->n_evaluate);
    stele__config_destroy(spec->fusion.host);
    stele__config_destroy(spec->fusion.config);
    stele__free(spec->missing);
    stele__free(spec->mismatched);
    stele__free(spec->axis);
    for (int i = 0; i < N_SINGLE; i++) {
        stele__config_destroy(spec->section[i]);
    }
    stele__spec_doc_destroy(spec->doc);
    stele__free(spec);
}

/* The option of a plugin that is in the way of key `taken` of the host, NULL if none is. */
static const char *clash_with(const stele__table *table, const char *taken)
{
    for (uint32_t i = 0; i < table->n; i++) {
        const char *name = stele__table_row(table, i).name;
        if (stele__option_names_clash(name, taken)) {
            return name;
        }
    }
    return NULL;
}

static const char *clash_in(const stele__table *table, int section)
{
    const stele__table *host = &stele__section_get(section)->table;
    const char *name = NULL;
    for (uint32_t i = 0; i < host->n && name == NULL; i++) {
        name = clash_with(table, stele__table_row(host, i).name);
    }
    return name;
}

/* A source has to work in both places that it may have: under a name of its own, and as the only
 * one in `data` itself, where some keys of the host are in no table. */
static const char *clash_of_source(const stele__table *table)
{
    const char *name = clash_in(table, STELE__SECTION_SOURCE);
    name = name != NULL ? name : clash_in(table, STELE__SECTION_DATA);
    name = name != NULL ? name : clash_with(table, "missing");
    name = name != NULL ? name : clash_with(table, "mismatched");
    return name != NULL ? name : clash_with(table, "sources");
}

const char *stele__option_of_host(uint32_t kind, const stele__table *table)
{
    switch (kind) {
    case STELE_MODALITY: return clash_in(table, STELE__SECTION_MODALITY);
    case STELE_HEAD: return clash_in(table, STELE__SECTION_HEAD);
    case STELE_FUSION: return clash_in(table, STELE__SECTION_FUSION);
    case STELE_SOURCE: return clash_of_source(table);
    default: return NULL;
    }
}

/* A plugin that takes a key of the host would silently get the host's value, or hide it. */
static stele_status check_clash(const stele__instance *instance, const stele__table *table,
                                const char *who, stele__diag *diag)
{
    const char *name = stele__option_of_host(instance->kind, table);
    return name == NULL ? STELE_OK
                        : stele__node_error(instance->at, STELE_E_ABI, diag,
                                            "%s: its option `%s` has the name of a key of the host",
                                            who, name);
}

stele_status stele__instance_apply(stele__instance *instance, const stele__table *table,
                                   size_t block_size, const char *who, stele__diag *diag)
{
    stele_status status = stele__table_check(table, block_size, who, diag);
    status = status == STELE_OK ? check_clash(instance, table, who, diag) : status;
    if (status != STELE_OK) {
        stele__node_use_all(instance->node);
        return status;
    }
    stele__config_destroy(instance->config);
    instance->config = NULL;
    return stele__config_create(table, block_size, instance->node, who, &instance->config, diag);
}

const stele__modality_spec *stele__modality_host(const stele__instance *instance)
{
    return instance->host != NULL ? stele__config_values(instance->host) : NULL;
}

const stele__head_spec *stele__head_host(const stele__instance *instance)
{
    return instance->host != NULL ? stele__config_values(instance->host) : NULL;
}

/* Messages come in the order of the readers; a person wants them in the order of the file. */
static int later(const stele__message *a, const stele__message *b)
{
    if (a->file == NULL || b->file == NULL || strcmp(a->file, b->file) != 0) {
        return 0;
    }
    return a->line != b->line ? a->line > b->line : a->column > b->column;
}

void stele__messages_sort(stele__diag *diag)
{
    /* Insertion keeps the order of equals; a file with thousands of errors is not worth more. */
    enum { MOST = 2000 };
    for (size_t i = 1; i < diag->n && diag->n <= MOST; i++) {
        stele__message m = diag->message[i];
        size_t j = i;
        for (; j > 0 && later(&diag->message[j - 1], &m); j--) {
            diag->message[j] = diag->message[j - 1];
        }
        diag->message[j] = m;
    }
}

stele_status stele__spec_finish(stele__spec *spec, stele__diag *diag)
{
    (void)!stele__node_check_keys(stele__spec_doc_root(spec->doc), diag);
    stele__messages_sort(diag);
    return diag->n_errors == 0 ? STELE_OK : STELE_E_OPTION;
}

stele_status stele__spec_error(const stele__spec *spec, const char *path, stele_status code,
                               const char *text, stele__diag *diag)
{
    const stele__node *node = stele__spec_doc_root(spec->doc);
    const char *rest = path;
    while (*rest != '\0') {
        size_t n = strcspn(rest, ".");
        char *key = stele__strndup(rest, n);
        const stele__node *child = key != NULL ? stele__node_find(node, key) : NULL;
        stele__free(key);
        if (child == NULL) {
            return stele__node_key_error(node, rest, code, diag, "%s", text);
        }
        node = child;
        rest += rest[n] == '.' ? n + 1 : n;
    }
    return stele__node_error(node, code, diag, "%s", text);
}
