/* Trees made by the program: resolved specs, short forms, --set. */
#include "spec/node_private.h"

#include <string.h>

static stele__node *put(stele__node *parent, const char *key, stele__node *node)
{
    if (node == NULL) {
        return NULL;
    }
    if (key != NULL) {
        node->key = stele__pool_strdup(&parent->doc->pool, key);
        if (node->key == NULL) {
            return NULL;
        }
    }
    return stele__node_attach(parent, node) == STELE_OK ? node : NULL;
}

static stele__node *present(const stele__node *parent, const char *key)
{
    return key != NULL ? stele__node_find(parent, key) : NULL;
}

stele__node *stele__node_put_mapping(stele__node *mapping, const char *key)
{
    stele__node *there = present(mapping, key);
    return there != NULL ? there : put(mapping, key, stele__node_new(mapping->doc, STELE__MAPPING));
}

stele__node *stele__node_put_sequence(stele__node *mapping, const char *key)
{
    stele__node *there = present(mapping, key);
    return there != NULL ? there
                         : put(mapping, key, stele__node_new(mapping->doc, STELE__SEQUENCE));
}

stele__node *stele__node_put_scalar(stele__node *mapping, const char *key, const char *text,
                                    int quoted)
{
    stele__node *node = present(mapping, key);
    if (node == NULL) {
        node = put(mapping, key, stele__node_new(mapping->doc, STELE__SCALAR));
    }
    if (node != NULL) {
        node->quoted = quoted;
        node->text = stele__pool_strdup(&mapping->doc->pool, text);
    }
    return node != NULL && node->text != NULL ? node : NULL;
}

stele__node *stele__node_put_copy(stele__node *parent, const char *key, const stele__node *from)
{
    stele__node *there = present(parent, key);
    return there != NULL
               ? there
               : put(parent, key, stele__node_clone(parent->doc, from, STELE__SPEC_DEPTH));
}

stele_status stele__node_make_mapping(stele__node *node, const char *key)
{
    if (key != NULL) {
        stele__node *child = stele__node_put_scalar(node, key, node->text, node->quoted);
        if (child == NULL) {
            return STELE_E_NOMEM;
        }
        child->file = node->file;
        child->line = child->key_line = node->line;
        child->column = child->key_column = node->column;
    }
    node->kind = STELE__MAPPING;
    node->quoted = 0;
    node->text = "";
    return STELE_OK;
}

/* What stands between two dots of a --set, NULL at the end. */
static const char *next_segment(stele__spec_doc *doc, const char **rest)
{
    if (*rest == NULL) {
        return NULL;
    }
    const char *dot = strchr(*rest, '.');
    size_t n = dot != NULL ? (size_t)(dot - *rest) : strlen(*rest);
    const char *segment = stele__pool_strndup(&doc->pool, *rest, n);
    *rest = dot != NULL ? dot + 1 : NULL;
    return segment;
}

/* A value stands where --set wants to go through. */
static void tell_blocked(const stele__node *node, const stele__place *from, const char *is,
                         stele__diag *diag)
{
    stele__str path;
    stele__str_init(&path);
    stele__node_path(node, &path);
    stele__place place = *from;
    place.path = path.data;
    stele__diag_error(diag, STELE_E_OPTION, &place, "is %s", is);
    if (node->line != 0) {
        stele__diag_hint(diag, "it stands at %s:%u:%u; replace all of it: --set '%s={...}'",
                         node->file, node->line, node->column, path.data);
    }
    stele__str_finish(&path);
}

/* `fusion: NAME` stands for {plugin: NAME}: --set fusion.KEY=VALUE adds to that. */
static int is_short_form(const stele__node *node)
{
    return node->parent == node->doc->root && strcmp(node->key, "fusion") == 0;
}

/* The mapping behind `key` in `parent`: found, or made on behalf of what stands at `from`. */
static stele_status descend(stele__node **at, const char *key, const stele__place *from,
                            stele__diag *diag)
{
    stele__node *child = stele__node_find(*at, key);
    if (child == NULL) {
        child = stele__node_put_mapping(*at, key);
        if (child == NULL) {
            return STELE_E_NOMEM;
        }
        child->file = from->file;
        child->line = child->key_line = from->line;
        child->column = child->key_column = from->column;
    } else if (child->kind == STELE__SCALAR &&
               (stele__node_is_null(child) || is_short_form(child))) {
        const char *name_key = stele__node_is_null(child) ? NULL : "plugin";
        stele_status status = stele__node_make_mapping(child, name_key);
        if (status != STELE_OK) {
            return status;
        }
    } else if (child->kind != STELE__MAPPING) {
        stele__str is;
        stele__str_init(&is);
        stele__node_describe(child, &is);
        stele__str_append(&is, ", not a mapping with keys");
        tell_blocked(child, from, is.data != NULL ? is.data : "", diag);
        stele__str_finish(&is);
        return STELE_E_OPTION;
    }
    *at = child;
    return STELE_OK;
}

static stele_status assign(stele__node *at, const char *key, stele__node *value)
{
    value->key = key;
    for (size_t i = 0; i < at->n; i++) {
        if (strcmp(at->child[i]->key, key) == 0) {
            at->child[i] = value;
            value->parent = at;
            return STELE_OK;
        }
    }
    return stele__node_attach(at, value);
}

/* Go down to the mapping that the dotted `keys` end in: *ret_key is the last of them. */
static stele_status walk(stele__spec_doc *doc, const char *keys, const stele__place *from,
                         stele__node **at, const char **ret_key, stele__diag *diag)
{
    const char *rest = keys;
    const char *key = next_segment(doc, &rest);
    stele_status status = key != NULL ? STELE_OK : STELE_E_NOMEM;
    while (status == STELE_OK && rest != NULL) {
        status = descend(at, key, from, diag);
        key = next_segment(doc, &rest);
        status = status == STELE_OK && key == NULL ? STELE_E_NOMEM : status;
    }
    *ret_key = key;
    return status;
}

stele_status stele__spec_doc_set_as(stele__spec_doc *doc, const char *assignment, const char *said,
                                    stele__diag *diag)
{
    stele__str name;
    stele__str_init(&name);
    stele__str_printf(&name, "%s%s", said != NULL ? said : "--set ",
                      said != NULL ? "" : assignment);
    const char *file = stele__pool_strdup(&doc->pool, name.data != NULL ? name.data : "--set");
    stele__str_finish(&name);
    const char *equals = strchr(assignment, '=');
    stele__place place = { .file = file };
    if (file == NULL) {
        return STELE_E_NOMEM;
    }
    const char *dots = strstr(assignment, "..");
    if (equals == NULL || equals == assignment || (dots != NULL && dots < equals) ||
        assignment[0] == '.' || equals[-1] == '.') {
        stele__diag_error(diag, STELE_E_OPTION, &place, "expected KEY=VALUE");
        stele__diag_hint(diag, "for example --set train.epochs=10");
        return STELE_E_OPTION;
    }
    /* As YAML it would mean the default; typed, it is a shell variable that is not set. */
    if (equals[1 + strspn(equals + 1, " \t")] == '\0') {
        stele__diag_error(diag, STELE_E_OPTION, &place, "there is no value");
        if (said == NULL) {
            stele__diag_hint(diag, "the default has the value null: --set %.*s=null",
                             (int)(equals - assignment), assignment);
        }
        return STELE_E_OPTION;
    }
    const char *keys = stele__pool_strndup(&doc->pool, assignment, (size_t)(equals - assignment));
    const char *key = NULL;
    stele__node *at = doc->root, *value = NULL;
    stele_status status = keys != NULL ? walk(doc, keys, &place, &at, &key, diag) : STELE_E_NOMEM;
    if (status == STELE_OK) {
        status = stele__spec_build(doc, equals + 1, strlen(equals + 1), file, 0, &value, diag);
    }
    return status == STELE_OK ? assign(at, key, value) : status;
}

stele_status stele__spec_doc_put(stele__spec_doc *doc, const char *key, const stele__node *value,
                                 const stele__node *at, stele__diag *diag)
{
    stele__place place = { .file = at->file, .line = at->key_line, .column = at->key_column };
    const char *last = NULL;
    stele__node *parent = doc->root, *copy = stele__node_clone(doc, value, STELE__SPEC_DEPTH);
    stele_status status =
        copy != NULL ? walk(doc, key, &place, &parent, &last, diag) : STELE_E_NOMEM;
    if (status != STELE_OK) {
        return status;
    }
    copy->key_line = place.line;
    copy->key_column = place.column;
    return assign(parent, last, copy);
}

stele_status stele__spec_doc_set(stele__spec_doc *doc, const char *assignment, stele__diag *diag)
{
    return stele__spec_doc_set_as(doc, assignment, NULL, diag);
}
