#include "spec/node.h"

#include "base/file.h"
#include "base/mem.h"
#include "spec/node_private.h"
#include "spec/scalar.h"

#include <string.h>

stele_status stele__spec_doc_create(stele__spec_doc **ret)
{
    stele__spec_doc *doc = stele__calloc(1, sizeof *doc);
    if (doc == NULL) {
        return STELE_E_NOMEM;
    }
    stele__pool_init(&doc->pool);
    doc->name = "spec";
    doc->root = stele__node_new(doc, STELE__MAPPING);
    if (doc->root == NULL) {
        stele__spec_doc_destroy(doc);
        return STELE_E_NOMEM;
    }
    *ret = doc;
    return STELE_OK;
}

void stele__spec_doc_destroy(stele__spec_doc *doc)
{
    if (doc != NULL) {
        stele__pool_finish(&doc->pool);
        stele__free(doc);
    }
}

stele__node *stele__spec_doc_root(const stele__spec_doc *doc)
{
    return doc->root;
}

static stele_status parse(const char *text, size_t len, const char *name, const char *folder,
                          int any_root, stele__spec_doc **ret, stele__diag *diag)
{
    stele__spec_doc *doc = NULL;
    stele_status status = stele__spec_doc_create(&doc);
    if (status != STELE_OK) {
        return status;
    }
    doc->name = stele__pool_strdup(&doc->pool, name);
    doc->folder = folder != NULL ? stele__pool_strdup(&doc->pool, folder) : NULL;
    status = doc->name != NULL && (folder == NULL || doc->folder != NULL)
                 ? stele__spec_build(doc, text, len, doc->name, 1, &doc->root, diag)
                 : STELE_E_NOMEM;
    if (status == STELE_OK && any_root && doc->faulty) {
        status = STELE_E_OPTION; /* nobody will look for the messages */
    }
    if (status == STELE_OK && !any_root && doc->root->kind != STELE__MAPPING) {
        status = stele__node_error(doc->root, STELE_E_OPTION, diag,
                                   "the top level must be a mapping of keys to values");
        stele__diag_hint(diag, "a spec starts with the line `stele: 1`");
    }
    if (status != STELE_OK) {
        stele__spec_doc_destroy(doc);
        return status;
    }
    *ret = doc;
    return STELE_OK;
}

stele_status stele__spec_doc_parse(const char *text, size_t len, const char *name,
                                   const char *folder, stele__spec_doc **ret, stele__diag *diag)
{
    return parse(text, len, name, folder, 0, ret, diag);
}

stele_status stele__spec_value_parse(const char *text, const char *name, stele__spec_doc **ret,
                                     stele__diag *diag)
{
    return parse(text, strlen(text), name, NULL, 1, ret, diag);
}

const char *stele__spec_doc_text(const stele__spec_doc *doc, size_t *ret_len)
{
    *ret_len = doc->n_text;
    return doc->text;
}

/* `<(command)` of a shell arrives as /dev/fd/N. */
static int is_stream(const char *path)
{
    return strcmp(path, "/dev/stdin") == 0 || strncmp(path, "/dev/fd/", 8) == 0 ||
           strncmp(path, "/proc/self/fd/", 14) == 0;
}

static stele_status keep_text(stele__spec_doc *doc, const char *text, size_t len)
{
    char *copy = stele__pool_take(&doc->pool, len + 1);
    if (copy == NULL) {
        return STELE_E_NOMEM;
    }
    memcpy(copy, text, len + 1);
    doc->text = copy;
    doc->n_text = len;
    return STELE_OK;
}

stele_status stele__spec_doc_read(const char *path, stele__spec_doc **ret, stele__diag *diag)
{
    char *text = NULL;
    size_t len = 0;
    stele_status status = stele__file_read(path, STELE__SPEC_BYTES, &text, &len, diag);
    if (status != STELE_OK) {
        return status;
    }
    /* A spec in the working directory keeps its relative paths as they were written. */
    int has_folder = strchr(path, '/') != NULL && !is_stream(path);
    char *folder = has_folder ? stele__path_folder(path) : NULL;
    stele__spec_doc *doc = NULL;
    status = has_folder && folder == NULL ? STELE_E_NOMEM
                                          : parse(text, len, path, folder, 0, &doc, diag);
    if (status == STELE_OK) {
        status = keep_text(doc, text, len);
    }
    stele__free(folder);
    stele__free(text);
    if (status != STELE_OK) {
        stele__spec_doc_destroy(doc);
        return status;
    }
    *ret = doc;
    return STELE_OK;
}

stele_status stele__spec_doc_again(const stele__spec_doc *doc, stele__spec_doc **ret,
                                   stele__diag *diag)
{
    return parse(doc->text, doc->n_text, doc->name, doc->folder, 0, ret, diag);
}

const char *stele__node_resolve_path(const stele__node *node, const char *path)
{
    /* What was typed on a command line is meant from the working directory. */
    const char *folder = node->file == node->doc->name ? node->doc->folder : NULL;
    char *joined = stele__path_join(folder, path);
    const char *copy = joined != NULL ? stele__pool_strdup(&node->doc->pool, joined) : NULL;
    stele__free(joined);
    return copy;
}

stele__node *stele__node_new(stele__spec_doc *doc, int kind)
{
    if (doc->n_nodes >= STELE__SPEC_NODES) {
        return NULL;
    }
    stele__node *node = stele__pool_take(&doc->pool, sizeof *node);
    if (node != NULL) {
        doc->n_nodes++;
        node->kind = kind;
        node->doc = doc;
        node->file = doc->name;
        node->text = "";
    }
    return node;
}

stele_status stele__node_attach(stele__node *parent, stele__node *child)
{
    if (parent->n == parent->capacity) {
        size_t capacity = parent->capacity != 0 ? 2 * parent->capacity : 4;
        stele__node **bigger =
            stele__pool_take(&parent->doc->pool, capacity * sizeof(stele__node *));
        if (bigger == NULL) {
            return STELE_E_NOMEM;
        }
        if (parent->n != 0) {
            memcpy(bigger, parent->child, parent->n * sizeof *bigger);
        }
        parent->child = bigger;
        parent->capacity = capacity;
    }
    parent->child[parent->n++] = child;
    child->parent = parent;
    return STELE_OK;
}

stele__node *stele__node_clone(stele__spec_doc *doc, const stele__node *from, int depth)
{
    stele__node *copy = depth > 0 ? stele__node_new(doc, from->kind) : NULL;
    if (copy == NULL) {
        return NULL;
    }
    copy->quoted = from->quoted;
    copy->line = from->line;
    copy->column = from->column;
    copy->key_line = from->key_line;
    copy->key_column = from->key_column;
    /* Within a document strings are shared; another document's pool may go first. */
    int same = doc == from->doc;
    copy->file = same ? from->file : doc->name;
    copy->text = same ? from->text : stele__pool_strdup(&doc->pool, from->text);
    copy->key = same || from->key == NULL ? from->key : stele__pool_strdup(&doc->pool, from->key);
    if (copy->text == NULL || (copy->key == NULL && from->key != NULL)) {
        return NULL;
    }
    for (size_t i = 0; i < from->n; i++) {
        stele__node *child = stele__node_clone(doc, from->child[i], depth - 1);
        if (child == NULL || stele__node_attach(copy, child) != STELE_OK) {
            return NULL;
        }
    }
    return copy;
}

stele__node *stele__node_find(const stele__node *mapping, const char *key)
{
    for (size_t i = 0; mapping != NULL && mapping->kind == STELE__MAPPING && i < mapping->n; i++) {
        if (strcmp(mapping->child[i]->key, key) == 0) {
            return mapping->child[i];
        }
    }
    return NULL;
}

void stele__node_remove(stele__node *mapping, const char *key)
{
    size_t n = 0;
    for (size_t i = 0; i < mapping->n; i++) {
        if (strcmp(mapping->child[i]->key, key) != 0) {
            mapping->child[n++] = mapping->child[i];
        }
    }
    mapping->n = n;
}

int stele__node_is_null(const stele__node *node)
{
    return node->kind == STELE__SCALAR && !node->quoted && stele__scalar_is_null(node->text);
}

void stele__node_path(const stele__node *node, stele__str *out)
{
    if (node->parent == NULL) {
        return;
    }
    stele__node_path(node->parent, out);
    if (node->key != NULL) {
        stele__str_printf(out, "%s%s", out->len != 0 ? "." : "", node->key);
        return;
    }
    size_t i = 0;
    while (i < node->parent->n && node->parent->child[i] != node) {
        i++;
    }
    stele__str_printf(out, "[%zu]", i);
}

/* severity is STELE__ERROR or STELE__WARNING; `below` may be NULL. */
static void tell(const stele__node *node, int severity, int of_key, const char *below,
                 stele_status code, stele__diag *diag, const char *fmt, va_list args)
    __attribute__((format(printf, 7, 0)));
static void tell(const stele__node *node, int severity, int of_key, const char *below,
                 stele_status code, stele__diag *diag, const char *fmt, va_list args)
{
    stele__str path, text;
    stele__str_init(&path);
    stele__str_init(&text);
    stele__node_path(node, &path);
    if (below != NULL) {
        stele__str_printf(&path, "%s%s", path.len != 0 ? "." : "", below);
    }
    stele__str_vprintf(&text, fmt, args);
    stele__place place = { .file = node->file,
                           .line = of_key ? node->key_line : node->line,
                           .column = of_key ? node->key_column : node->column,
                           .path = path.data };
    if (severity == STELE__ERROR) {
        stele__diag_error(diag, code, &place, "%s", text.data != NULL ? text.data : "");
    } else {
        stele__diag_warning(diag, &place, "%s", text.data != NULL ? text.data : "");
    }
    stele__str_finish(&text);
    stele__str_finish(&path);
}

stele_status stele__node_error(const stele__node *node, stele_status code, stele__diag *diag,
                               const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    tell(node, STELE__ERROR, 0, NULL, code, diag, fmt, args);
    va_end(args);
    return code;
}

stele_status stele__node_key_error(const stele__node *node, const char *below, stele_status code,
                                   stele__diag *diag, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    tell(node, STELE__ERROR, 1, below, code, diag, fmt, args);
    va_end(args);
    return code;
}

void stele__node_key_warning(const stele__node *node, stele__diag *diag, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    tell(node, STELE__WARNING, 1, NULL, STELE_OK, diag, fmt, args);
    va_end(args);
}

void stele__node_describe(const stele__node *node, stele__str *out)
{
    enum { LONGEST = 40 };
    if (node->kind == STELE__MAPPING) {
        stele__str_append(out, "a mapping");
    } else if (node->kind == STELE__SEQUENCE) {
        stele__str_append(out, "a list");
    } else if (stele__node_is_null(node) || node->text[0] == '\0') {
        stele__str_append(out, "empty");
    } else if (strlen(node->text) > LONGEST) {
        /* Cut before a character, not inside one: continuation bytes are 10xxxxxx. */
        size_t n = LONGEST;
        while (n > 0 && ((unsigned char)node->text[n] & 0xC0) == 0x80) {
            n--;
        }
        stele__str_printf(out, "`%.*s...`", (int)n, node->text);
    } else {
        stele__str_printf(out, "`%s`", node->text);
    }
}
