/* Reading the values of a mapping into a config block. */
#include "base/mem.h"
#include "spec/options.h"
#include "spec/pool.h"
#include "spec/scalar.h"

#include <math.h>
#include <string.h>

struct stele__config {
    stele__table table;
    stele__node *mapping;
    stele__pool pool;
    void *block;
};

/* One value to be read: where it stands, by which row, into which config. */
struct value {
    stele__config *config;
    const stele_option *row;
    stele__node *node;
    stele__diag *diag;
};

static stele_status wrong(const struct value *v, const char *expected)
{
    stele__str is;
    stele__str_init(&is);
    stele__node_describe(v->node, &is);
    v->node->reported = 1;
    stele__node_error(
        v->node, STELE_E_OPTION, v->diag, "is %s%s, expected %s", is.data != NULL ? is.data : "",
        v->node->kind == STELE__SCALAR && v->node->quoted ? " in quotes" : "", expected);
    stele__str_finish(&is);
    return STELE_E_OPTION;
}

static stele_status out_of_range(const struct value *v)
{
    stele__str range;
    stele__str_init(&range);
    stele__option_range(v->row, &range);
    stele__node_error(v->node, STELE_E_OPTION, v->diag, "is %s, allowed is %s%s%s", v->node->text,
                      range.data != NULL ? range.data : "a finite number",
                      v->row->unit != NULL ? " " : "", v->row->unit != NULL ? v->row->unit : "");
    stele__str_finish(&range);
    return STELE_E_OPTION;
}

static int is_plain(const stele__node *node)
{
    return node->kind == STELE__SCALAR && !node->quoted;
}

static stele_status read_i64(const struct value *v, int64_t *ret)
{
    int64_t value = 0;
    int kind = is_plain(v->node) ? stele__scalar_i64(v->node->text, &value) : STELE__SCALAR_OTHER;
    if (kind == STELE__SCALAR_OTHER) {
        return wrong(v, "an integer");
    }
    if (kind == STELE__SCALAR_TOO_LARGE) {
        return stele__node_error(v->node, STELE_E_OPTION, v->diag,
                                 "is %s, which does not fit into 64 bits", v->node->text);
    }
    int bounded = v->row->min.i != 0 || v->row->max.i != 0;
    if (bounded && (value < v->row->min.i || value > v->row->max.i)) {
        return out_of_range(v);
    }
    *ret = value;
    return STELE_OK;
}

static stele_status read_f64(const struct value *v, double *ret)
{
    double value = 0;
    int kind = is_plain(v->node) ? stele__scalar_f64(v->node->text, &value) : STELE__SCALAR_OTHER;
    if (kind == STELE__SCALAR_OTHER) {
        return wrong(v, "a number");
    }
    if (kind == STELE__SCALAR_TOO_LARGE) {
        return stele__node_error(v->node, STELE_E_OPTION, v->diag,
                                 "is %s, which is too large for a number", v->node->text);
    }
    int bounded = v->row->min.f != 0 || v->row->max.f != 0;
    /* Without bounds infinity would pass unseen; a table that wants it says so with its bounds. */
    if ((bounded && (value < v->row->min.f || value > v->row->max.f)) ||
        (!bounded && isinf(value))) {
        return out_of_range(v);
    }
    *ret = value;
    return STELE_OK;
}

static stele_status read_str(const struct value *v, const char **ret)
{
    if (v->node->kind != STELE__SCALAR) {
        return wrong(v, "a text");
    }
    const char *text = v->node->text;
    if (v->row->type == STELE_OPT_PATH) {
        text = text[0] != '\0' ? stele__node_resolve_path(v->node, text) : text;
    }
    *ret = text != NULL ? stele__config_strdup(v->config, text) : NULL;
    return *ret != NULL ? STELE_OK : STELE_E_NOMEM;
}

static stele_status read_enum(const struct value *v, int32_t *ret)
{
    const char *const *choices = v->row->choices;
    size_t n = 0;
    for (; choices[n] != NULL; n++) {
        if (v->node->kind == STELE__SCALAR && strcmp(v->node->text, choices[n]) == 0) {
            *ret = (int32_t)n;
            return STELE_OK;
        }
    }
    stele__str list;
    stele__str_init(&list);
    stele__option_type(v->row, &list);
    stele_status status = wrong(v, list.data != NULL ? list.data : "another choice");
    stele__str_finish(&list);
    const char *nearest =
        v->node->kind == STELE__SCALAR ? stele__nearest(v->node->text, choices, n) : NULL;
    if (nearest != NULL) {
        stele__diag_hint(v->diag, "did you mean `%s`?", nearest);
    }
    return status;
}

static stele_status read_bool(const struct value *v, int32_t *ret)
{
    if (is_plain(v->node) && stele__scalar_bool(v->node->text, ret) == STELE__SCALAR_OK) {
        return STELE_OK;
    }
    return wrong(v, "true or false");
}

static size_t item_size(uint32_t type)
{
    return type == STELE_OPT_STR_LIST
               ? sizeof(const char *)
               : (type == STELE_OPT_F64_LIST ? sizeof(double) : sizeof(int64_t));
}

static stele_status read_item(const struct value *v, void *items, size_t i)
{
    switch (v->row->type) {
    case STELE_OPT_I64_LIST: return read_i64(v, (int64_t *)items + i);
    case STELE_OPT_F64_LIST: return read_f64(v, (double *)items + i);
    default: return read_str(v, (const char **)items + i);
    }
}

static stele_status read_list(const struct value *v, void *field)
{
    stele_status status = STELE_OK;
    int alone = v->node->kind == STELE__SCALAR && (v->row->flags & STELE_OPT_SCALAR) != 0;
    if (v->node->kind != STELE__SEQUENCE && !alone) {
        stele__str type;
        stele__str_init(&type);
        stele__str_append(&type, "a ");
        stele__option_type(v->row, &type);
        status = wrong(v, type.data != NULL ? type.data : "a list");
        stele__str_finish(&type);
        if (v->node->kind == STELE__SCALAR && v->node->text[0] != '\0') {
            stele__diag_hint(v->diag, "write [%s]", v->node->text);
        }
        return status;
    }
    size_t n = alone ? 1 : v->node->n;
    void *items = stele__pool_take(&v->config->pool, n * item_size(v->row->type));
    if (items == NULL) {
        return STELE_E_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        struct value item = *v;
        item.node = alone ? v->node : v->node->child[i];
        item.node->used = 1;
        stele_status one = read_item(&item, items, i);
        status = status == STELE_OK ? one : status;
    }
    /* The three list types have one layout: a pointer and a count. */
    stele_i64_list list = { .v = items, .n = n };
    memcpy(field, &list, sizeof list);
    return status;
}

static stele_status read_value(const struct value *v)
{
    void *field = (char *)v->config->block + v->row->offset;
    switch (v->row->type) {
    case STELE_OPT_BOOL: return read_bool(v, field);
    case STELE_OPT_I64: return read_i64(v, field);
    case STELE_OPT_F64: return read_f64(v, field);
    case STELE_OPT_STR:
    case STELE_OPT_PATH: return read_str(v, field);
    case STELE_OPT_ENUM: return read_enum(v, field);
    default: return read_list(v, field);
    }
}

/* The default of a list is YAML text and goes the way of the user's lists. */
static stele_status list_default(const struct value *v, const char *who)
{
    stele__spec_doc *doc = NULL;
    stele__diag inner;
    stele__diag_init(&inner);
    const char *text = v->row->def.s != NULL ? v->row->def.s : "[]";
    stele_status status = stele__spec_value_parse(text, "default", &doc, &inner);
    if (status == STELE_OK) {
        struct value list = *v;
        list.node = stele__spec_doc_root(doc);
        list.diag = &inner;
        status = read_list(&list, (char *)v->config->block + v->row->offset);
    }
    if (status != STELE_OK && status != STELE_E_NOMEM) {
        status = stele__diag_error(
            v->diag, STELE_E_ABI, NULL, "%s: the default `%s` of option `%s` is not valid: %s", who,
            text, v->row->name, inner.n != 0 ? inner.message[0].text : "broken");
    }
    stele__spec_doc_destroy(doc);
    stele__diag_finish(&inner);
    return status;
}

static stele_status read_default(const struct value *v, const char *who)
{
    void *field = (char *)v->config->block + v->row->offset;
    int32_t small = (int32_t)v->row->def.i;
    switch (v->row->type) {
    case STELE_OPT_BOOL:
    case STELE_OPT_ENUM: memcpy(field, &small, sizeof small); return STELE_OK;
    case STELE_OPT_I64: memcpy(field, &v->row->def.i, sizeof(int64_t)); return STELE_OK;
    case STELE_OPT_F64: memcpy(field, &v->row->def.f, sizeof(double)); return STELE_OK;
    case STELE_OPT_STR:
    case STELE_OPT_PATH: memcpy(field, &v->row->def.s, sizeof(const char *)); return STELE_OK;
    default: return list_default(v, who);
    }
}

static void prefix_of(const char *name, char *ret, size_t size)
{
    size_t n = strcspn(name, ".");
    n = n < size ? n : size - 1;
    memcpy(ret, name, n);
    ret[n] = '\0';
}

/* The node of an option, NULL if absent or null. With `diag`, a nested option below something that
 * is no mapping is reported, once. */
static stele_status locate(stele__node *mapping, const stele_option *row, stele__node **ret,
                           stele__diag *diag)
{
    char head[128];
    const char *dot = strchr(row->name, '.');
    int hidden = (row->flags & STELE_OPT_DEPRECATED) != 0;
    *ret = NULL;
    if (dot != NULL) {
        stele__node_know(mapping, row->name, row, hidden);
        prefix_of(row->name, head, sizeof head);
        mapping = stele__node_get(mapping, head);
        if (mapping == NULL || stele__node_is_null(mapping)) {
            return STELE_OK;
        }
        if (mapping->kind != STELE__MAPPING) {
            if (!mapping->reported) {
                stele__node_error(mapping, STELE_E_OPTION, diag, "expected a mapping of keys");
                stele__diag_hint(diag, "it holds `%s` and the like", dot + 1);
                mapping->reported = 1;
            }
            return STELE_E_OPTION;
        }
    }
    const char *key = dot != NULL ? dot + 1 : row->name;
    stele__node_know(mapping, key, row, hidden);
    stele__node *node = stele__node_find(mapping, key);
    if (node != NULL) {
        node->used = 1;
        *ret = stele__node_is_null(node) ? NULL : node;
    }
    return STELE_OK;
}

/* What else the help says would drown the message. */
static void hint_first_sentence(const char *help, stele__diag *diag)
{
    const char *end = strstr(help, ". ");
    stele__diag_hint(diag, "%.*s", end != NULL ? (int)(end - help) + 1 : (int)strlen(help), help);
}

static stele_status read_row(stele__config *config, const stele_option *row, const char *who,
                             stele__diag *diag)
{
    struct value v = { .config = config, .row = row, .diag = diag };
    stele_status status = locate(config->mapping, row, &v.node, diag);
    if (status != STELE_OK) {
        return status;
    }
    if (v.node == NULL && (row->flags & STELE_OPT_REQUIRED) != 0) {
        stele__node_key_error(config->mapping, row->name, STELE_E_OPTION, diag,
                              "this key is required");
        hint_first_sentence(row->help, diag);
        return STELE_E_OPTION;
    }
    if (v.node == NULL) {
        return read_default(&v, who);
    }
    if ((row->flags & STELE_OPT_DEPRECATED) != 0) {
        stele__node_key_warning(v.node, diag, "this key is deprecated");
        stele__diag_hint(diag, "%s", row->help);
    }
    return read_value(&v);
}

stele_status stele__config_create(const stele__table *table, size_t block_size,
                                  stele__node *mapping, const char *who, stele__config **ret,
                                  stele__diag *diag)
{
    stele_status status = stele__table_check(table, block_size, who, diag);
    stele__config *config = status == STELE_OK ? stele__calloc(1, sizeof *config) : NULL;
    if (config == NULL) {
        return status != STELE_OK ? status : STELE_E_NOMEM;
    }
    stele__pool_init(&config->pool);
    config->table = *table;
    config->mapping = mapping;
    config->block = stele__pool_take(&config->pool, block_size);
    status = config->block != NULL ? STELE_OK : STELE_E_NOMEM;
    for (uint32_t i = 0; i < table->n && status != STELE_E_NOMEM; i++) {
        stele_option row = stele__table_row(table, i);
        stele_status one = read_row(config, &row, who, diag);
        status = status == STELE_OK || one == STELE_E_NOMEM ? one : status;
    }
    if (status != STELE_OK) {
        stele__config_destroy(config);
        return status;
    }
    *ret = config;
    return STELE_OK;
}

void stele__config_destroy(stele__config *config)
{
    if (config != NULL) {
        stele__pool_finish(&config->pool);
        stele__free(config);
    }
}

void *stele__config_block(stele__config *config)
{
    return config->block;
}

const char *stele__config_strdup(stele__config *config, const char *s)
{
    return stele__pool_strdup(&config->pool, s);
}

static const stele__node *node_of(const stele__config *config, const char *option)
{
    char head[128];
    const char *dot = strchr(option, '.');
    const stele__node *at = config->mapping;
    if (dot != NULL) {
        prefix_of(option, head, sizeof head);
        at = stele__node_find(at, head);
    }
    return stele__node_find(at, dot != NULL ? dot + 1 : option);
}

int stele__config_given(const stele__config *config, const char *option)
{
    const stele__node *node = node_of(config, option);
    return node != NULL && !stele__node_is_null(node);
}

const char *stele__config_file(const stele__config *config)
{
    for (uint32_t i = 0; i < config->table.n; i++) {
        stele_option o = stele__table_row(&config->table, i);
        if (o.type == STELE_OPT_PATH) {
            return *(const char *const *)((const char *)config->block + o.offset);
        }
    }
    return NULL;
}

stele_status stele__config_error(const stele__config *config, stele_status code, const char *text,
                                 stele__diag *diag)
{
    const char *colon = strchr(text, ':');
    for (uint32_t i = 0; colon != NULL && i < config->table.n; i++) {
        const char *name = stele__table_row(&config->table, i).name;
        if (strlen(name) != (size_t)(colon - text) || strncmp(name, text, strlen(name)) != 0) {
            continue;
        }
        const char *rest = colon + 1 + strspn(colon + 1, " ");
        const stele__node *node = node_of(config, name);
        return node != NULL ? stele__node_error(node, code, diag, "%s", rest)
                            : stele__node_key_error(config->mapping, name, code, diag, "%s", rest);
    }
    /* Keys of the host stand in the same mapping: `target` of a head. */
    char key[64];
    size_t len = colon != NULL ? (size_t)(colon - text) : 0;
    if (len > 0 && len < sizeof key) {
        memcpy(key, text, len);
        key[len] = '\0';
        const stele__node *node = node_of(config, key);
        if (node != NULL) {
            return stele__node_error(node, code, diag, "%s", colon + 1 + strspn(colon + 1, " "));
        }
    }
    return stele__node_key_error(config->mapping, NULL, code, diag, "%s", text);
}

const void *stele__config_values(const stele__config *config)
{
    return config->block;
}

const stele__table *stele__config_table(const stele__config *config)
{
    return &config->table;
}
