/* From libyaml's events to a tree. */
#include "base/map.h"
#include "spec/node_private.h"
#include "spec/reason.h"

#include <string.h>

struct anchor {
    const char *name;
    stele__node *node;
    int open; /* still being read: an alias to it would contain itself */
    struct anchor *next;
};

struct reader {
    yaml_parser_t parser;
    yaml_event_t event;
    int has_event;
    stele__spec_doc *doc;
    const char *file, *text;
    size_t len;
    int lines;
    struct anchor *anchor;
    stele_status status; /* the first error that did not stop the reading */
    stele__diag *diag;
};

static stele_status read_node(struct reader *r, int depth, stele__node *parent, const char *key,
                              stele__node **ret);

static stele_status next(struct reader *r)
{
    if (r->has_event) {
        yaml_event_delete(&r->event);
        r->has_event = 0;
    }
    if (!yaml_parser_parse(&r->parser, &r->event)) {
        return stele__yaml_reason(&r->parser, r->text, r->len, r->file, r->lines, r->diag);
    }
    r->has_event = 1;
    return STELE_OK;
}

static stele__place place_at(const struct reader *r, const yaml_mark_t *mark)
{
    stele__place place = { .file = r->file };
    if (r->lines) {
        place.line = (unsigned)mark->line + 1;
        place.column = (unsigned)mark->column + 1;
    }
    return place;
}

/* An error that does not hide the rest of the file. */
static void complain(struct reader *r, const stele__place *place, const char *text,
                     const char *word)
{
    stele__diag_error(r->diag, STELE_E_OPTION, place, text, word);
    r->status = r->status == STELE_OK ? STELE_E_OPTION : r->status;
}

/* A mistake about a key of `mapping`, NULL for one without a name: what it is about is left out,
 * and the document can be read on and checked like any other. */
static void refuse_key(struct reader *r, const stele__node *mapping, const char *key,
                       const stele__place *at, const char *text)
{
    stele__str path;
    stele__place place = *at;
    stele__str_init(&path);
    stele__node_path(mapping, &path);
    if (key != NULL) {
        stele__str_printf(&path, "%s%s", path.len != 0 ? "." : "", key);
    }
    place.path = path.data;
    stele__diag_error(r->diag, STELE_E_OPTION, &place, "%s", text);
    stele__str_finish(&path);
    r->doc->faulty = 1;
}

static stele_status too_many(struct reader *r)
{
    stele__place place = place_at(r, &r->event.start_mark);
    if (r->doc->n_nodes < STELE__SPEC_NODES) {
        return STELE_E_NOMEM;
    }
    return stele__diag_error(r->diag, STELE_E_OPTION, &place,
                             "the spec has more than %d values once its aliases are expanded",
                             STELE__SPEC_NODES);
}

static stele_status too_deep(struct reader *r)
{
    stele__place place = place_at(r, &r->event.start_mark);
    return stele__diag_error(r->diag, STELE_E_OPTION, &place, "nested deeper than %d levels",
                             STELE__SPEC_DEPTH);
}

static void check_tag(struct reader *r, const yaml_char_t *tag, stele__node *node)
{
    const char *t = (const char *)tag;
    if (t == NULL || strcmp(t, YAML_MAP_TAG) == 0 || strcmp(t, YAML_SEQ_TAG) == 0) {
        return;
    }
    if (strcmp(t, YAML_STR_TAG) == 0 || strcmp(t, "!") == 0) {
        node->quoted = 1;
        return;
    }
    stele__place place = place_at(r, &r->event.start_mark);
    complain(r, &place, "the tag `%s` has no meaning in a spec", t);
    stele__diag_hint(r->diag, "remove the tag");
}

static stele_status add_anchor(struct reader *r, const yaml_char_t *name, stele__node *node,
                               struct anchor **ret)
{
    *ret = NULL;
    if (name == NULL) {
        return STELE_OK;
    }
    struct anchor *a = stele__pool_take(&r->doc->pool, sizeof *a);
    if (a == NULL || (a->name = stele__pool_strdup(&r->doc->pool, (const char *)name)) == NULL) {
        return STELE_E_NOMEM;
    }
    a->node = node;
    a->open = 1;
    a->next = r->anchor; /* a later anchor of the same name hides the earlier one, as YAML wants */
    r->anchor = a;
    *ret = a;
    return STELE_OK;
}

static int depth_of(const stele__node *node)
{
    int deepest = 0;
    for (size_t i = 0; i < node->n; i++) {
        int d = depth_of(node->child[i]);
        deepest = d > deepest ? d : deepest;
    }
    return deepest + 1;
}

static stele_status read_alias(struct reader *r, int depth, stele__node **ret)
{
    const char *name = (const char *)r->event.data.alias.anchor;
    stele__place place = place_at(r, &r->event.start_mark);
    struct anchor *a = r->anchor;
    while (a != NULL && strcmp(a->name, name) != 0) {
        a = a->next;
    }
    if (a == NULL || a->open) {
        complain(r, &place,
                 a == NULL ? "the alias `*%s` has no anchor before it"
                           : "the alias `*%s` stands inside its own anchor",
                 name);
        *ret = stele__node_new(r->doc, STELE__SCALAR);
        return *ret != NULL ? STELE_OK : too_many(r);
    }
    if (depth + depth_of(a->node) > STELE__SPEC_DEPTH) {
        return too_deep(r);
    }
    *ret = stele__node_clone(r->doc, a->node, STELE__SPEC_DEPTH);
    return *ret != NULL ? STELE_OK : too_many(r);
}

static stele_status read_scalar(struct reader *r, stele__node *node)
{
    const char *value = (const char *)r->event.data.scalar.value;
    size_t len = r->event.data.scalar.length;
    if (strlen(value) != len) {
        stele__place place = place_at(r, &r->event.start_mark);
        complain(r, &place, "a text must not contain the character NUL%s", "");
    }
    node->text = stele__pool_strndup(&r->doc->pool, value, len);
    node->quoted = r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    check_tag(r, r->event.data.scalar.tag, node);
    return node->text != NULL ? STELE_OK : STELE_E_NOMEM;
}

static stele_status read_sequence(struct reader *r, int depth, stele__node *node)
{
    for (;;) {
        stele__node *child = NULL;
        stele_status status = next(r);
        if (status != STELE_OK || r->event.type == YAML_SEQUENCE_END_EVENT) {
            return status;
        }
        if ((status = read_node(r, depth + 1, node, NULL, &child)) != STELE_OK) {
            return status;
        }
        child->key_line = child->line;
        child->key_column = child->column;
        if ((status = stele__node_attach(node, child)) != STELE_OK) {
            return status;
        }
    }
}

/* Read the key that the event holds; *ret NULL: it is none. *ret_merge: it is a plain `<<`. */
static stele_status read_key(struct reader *r, const stele__node *mapping, const char **ret,
                             int *ret_merge)
{
    stele__place place = place_at(r, &r->event.start_mark);
    if (r->event.type != YAML_SCALAR_EVENT) {
        stele__diag_error(r->diag, STELE_E_OPTION, &place, "a key must be plain text");
        stele__diag_hint(r->diag, "lists, mappings and aliases cannot be keys");
        return STELE_E_OPTION;
    }
    const char *value = (const char *)r->event.data.scalar.value;
    *ret_merge = r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE && strcmp(value, "<<") == 0;
    if (strlen(value) != r->event.data.scalar.length) {
        refuse_key(r, mapping, value, &place, "a key must not contain the character NUL");
        return STELE_OK;
    }
    if (value[0] == '\0') {
        refuse_key(r, mapping, NULL, &place, "a key must not be empty");
        return STELE_OK;
    }
    *ret = stele__pool_strndup(&r->doc->pool, value, r->event.data.scalar.length);
    return *ret != NULL ? STELE_OK : STELE_E_NOMEM;
}

/* Add the keys of `from` that the mapping does not have yet: explicit keys and earlier merges win.
 */
static stele_status merge_mapping(stele__node *into, stele__map *keys, stele__node *from)
{
    for (size_t i = 0; i < from->n; i++) {
        int is_new = 0;
        stele_status status = stele__map_add(keys, from->child[i]->key, NULL, &is_new);
        if (status == STELE_OK && is_new) {
            status = stele__node_attach(into, from->child[i]);
        }
        if (status != STELE_OK) {
            return status;
        }
    }
    return STELE_OK;
}

static stele_status merge(struct reader *r, stele__node *into, stele__map *keys, stele__node *from)
{
    int is_list = from->kind == STELE__SEQUENCE;
    for (size_t i = 0; i < (is_list ? from->n : 1); i++) {
        stele__node *one = is_list ? from->child[i] : from;
        if (one->kind != STELE__MAPPING) {
            stele__place place = { .file = one->file, .line = one->line, .column = one->column };
            complain(r, &place, "`<<` merges mappings only%s", "");
            stele__diag_hint(r->diag, "write `<<: *name` or `<<: [*one, *two]`");
            continue;
        }
        stele_status status = merge_mapping(into, keys, one);
        if (status != STELE_OK) {
            return status;
        }
    }
    return STELE_OK;
}

static void complain_twice(struct reader *r, const stele__node *mapping, const stele__place *place,
                           const char *key, const stele__node *first)
{
    refuse_key(r, mapping, key, place, "the key occurs twice in one mapping");
    if (first != NULL && r->lines) {
        stele__diag_hint(r->diag, "the first one is at line %u, column %u", first->key_line,
                         first->key_column);
    }
}

static stele_status read_pairs(struct reader *r, int depth, stele__node *node, stele__map *keys)
{
    stele__node *merged = NULL;
    for (;;) {
        const char *key = NULL;
        stele__node *child = NULL;
        int is_merge = 0, is_new = 1;
        int64_t index = 0;
        stele_status status = next(r);
        if (status == STELE_OK && r->event.type == YAML_MAPPING_END_EVENT) {
            return merged != NULL ? merge(r, node, keys, merged) : STELE_OK;
        }
        stele__place place = place_at(r, &r->event.start_mark);
        status = status == STELE_OK ? read_key(r, node, &key, &is_merge) : status;
        if (status == STELE_OK && key != NULL && !is_merge) {
            status = stele__map_add(keys, key, &index, &is_new);
        }
        status = status == STELE_OK ? next(r) : status;
        status = status == STELE_OK ? read_node(r, depth + 1, node, key, &child) : status;
        if (status != STELE_OK) {
            return status;
        }
        if (key == NULL) {
            continue;
        }
        if (!is_new || (is_merge && merged != NULL)) {
            complain_twice(r, node, &place, key, is_merge ? merged : node->child[index]);
            continue;
        }
        child->key_line = place.line;
        child->key_column = place.column;
        if (is_merge) {
            merged = child;
        } else if ((status = stele__node_attach(node, child)) != STELE_OK) {
            return status;
        }
    }
}

static stele_status read_mapping(struct reader *r, int depth, stele__node *node)
{
    stele__map *keys = NULL;
    stele_status status = stele__map_create(&keys);
    if (status == STELE_OK) {
        status = read_pairs(r, depth, node, keys);
    }
    stele__map_destroy(keys);
    return status;
}

/* The value that starts with the current event. It knows where it will stand, not yet attached, for
 * the messages about what is below. */
static stele_status read_node(struct reader *r, int depth, stele__node *parent, const char *key,
                              stele__node **ret)
{
    struct anchor *anchor = NULL;
    if (depth > STELE__SPEC_DEPTH) {
        return too_deep(r);
    }
    if (r->event.type == YAML_ALIAS_EVENT) {
        stele_status status = read_alias(r, depth, ret);
        if (status == STELE_OK) {
            (*ret)->key = key;
        }
        return status;
    }
    const yaml_char_t *name = r->event.type == YAML_SCALAR_EVENT ? r->event.data.scalar.anchor
                              : r->event.type == YAML_MAPPING_START_EVENT
                                  ? r->event.data.mapping_start.anchor
                                  : r->event.data.sequence_start.anchor;
    int kind = r->event.type == YAML_SCALAR_EVENT          ? STELE__SCALAR
               : r->event.type == YAML_MAPPING_START_EVENT ? STELE__MAPPING
                                                           : STELE__SEQUENCE;
    stele__node *node = stele__node_new(r->doc, kind);
    if (node == NULL) {
        return too_many(r);
    }
    stele__place place = place_at(r, &r->event.start_mark);
    node->file = r->file;
    node->parent = parent;
    node->key = key;
    node->line = node->key_line = place.line;
    node->column = node->key_column = place.column;
    stele_status status = add_anchor(r, name, node, &anchor);
    if (status == STELE_OK && kind == STELE__SCALAR) {
        status = read_scalar(r, node);
    } else if (status == STELE_OK && kind == STELE__MAPPING) {
        check_tag(r, r->event.data.mapping_start.tag, node);
        status = read_mapping(r, depth, node);
    } else if (status == STELE_OK) {
        check_tag(r, r->event.data.sequence_start.tag, node);
        status = read_sequence(r, depth, node);
    }
    if (anchor != NULL) {
        anchor->open = 0;
    }
    *ret = node;
    return status;
}

static stele_status read_document(struct reader *r, stele__node **ret)
{
    stele__place start = { .file = r->file };
    stele_status status = next(r); /* the stream starts */
    status = status == STELE_OK ? next(r) : status;
    if (status == STELE_OK && r->event.type == YAML_STREAM_END_EVENT) {
        if (!r->lines) {
            *ret = stele__node_new(r->doc, STELE__SCALAR); /* --set key= means null */
            return *ret != NULL ? STELE_OK : STELE_E_NOMEM;
        }
        stele__diag_error(r->diag, STELE_E_OPTION, &start, "the file is empty");
        stele__diag_hint(r->diag, "a spec starts with the line `stele: 1`");
        return STELE_E_OPTION;
    }
    status = status == STELE_OK ? next(r) : status;
    status = status == STELE_OK ? read_node(r, 1, NULL, NULL, ret) : status;
    status = status == STELE_OK ? next(r) : status; /* the document ends */
    status = status == STELE_OK ? next(r) : status;
    if (status == STELE_OK && r->event.type != YAML_STREAM_END_EVENT) {
        stele__place place = place_at(r, &r->event.start_mark);
        complain(r, &place, "a second document starts here%s", "");
        stele__diag_hint(r->diag, "a file holds one spec; remove the line `---` and what follows");
    }
    return status == STELE_OK ? r->status : status;
}

stele_status stele__spec_build(stele__spec_doc *doc, const char *text, size_t len, const char *file,
                               int lines, stele__node **ret_root, stele__diag *diag)
{
    if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3; /* the mark that some editors put before UTF-8 */
        len -= 3;
    }
    struct reader r = { .doc = doc, .file = file, .text = text, .len = len, .lines = lines };
    r.diag = diag;
    if (!yaml_parser_initialize(&r.parser)) {
        return STELE_E_NOMEM;
    }
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
    stele__node *root = NULL;
    stele_status status = read_document(&r, &root);
    if (status == STELE_OK) {
        root->key = NULL;
        *ret_root = root;
    }
    if (r.has_event) {
        yaml_event_delete(&r.event);
    }
    yaml_parser_delete(&r.parser);
    return status;
}
