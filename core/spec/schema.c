/* JSON Schema, draft 07, the newest that editors' YAML support fully knows. */
#include "base/mem.h"
#include "spec/help.h"
#include "spec/scalar.h"
#include "spec/schema_private.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* jansson's setters take a new value over also when they fail, and accept NULL as a failed value:
 * `ok` gathers whether all of them worked. */
void stele__json_set(json_t *object, const char *key, json_t *value, int *ok)
{
    *ok = *ok && object != NULL;
    if (json_object_set_new(object, key, value) != 0) {
        *ok = 0;
    }
}

void stele__json_add(json_t *array, json_t *value, int *ok)
{
    if (json_array_append_new(array, value) != 0) {
        *ok = 0;
    }
}

/* The object behind `key`, made if absent; borrowed. */
static json_t *child(json_t *object, const char *key, int *ok)
{
    json_t *there = json_object_get(object, key);
    if (there == NULL) {
        stele__json_set(object, key, json_object(), ok);
        there = json_object_get(object, key);
    }
    return there;
}

static void set_bounds(json_t *schema, const stele_option *row, int is_float, int *ok)
{
    if (is_float ? row->min.f == 0 && row->max.f == 0 : row->min.i == 0 && row->max.i == 0) {
        return;
    }
    if (is_float ? row->min.f > -DBL_MAX : row->min.i > INT64_MIN) {
        stele__json_set(schema, "minimum",
                        is_float ? json_real(row->min.f) : json_integer(row->min.i), ok);
    }
    if (is_float ? row->max.f < DBL_MAX : row->max.i < INT64_MAX) {
        stele__json_set(schema, "maximum",
                        is_float ? json_real(row->max.f) : json_integer(row->max.i), ok);
    }
}

static json_t *string_list(const char *const *items, int *ok)
{
    json_t *list = json_array();
    for (size_t i = 0; items[i] != NULL; i++) {
        stele__json_add(list, json_string(items[i]), ok);
    }
    return list;
}

static json_t *null_or(const char *type, int *ok)
{
    return string_list((const char *const[]){ type, "null", NULL }, ok);
}

static json_t *list_item_json(const stele_option *row, const stele__node *item)
{
    int64_t i = 0;
    double f = 0;
    if (row->type == STELE_OPT_I64_LIST) {
        (void)stele__scalar_i64(item->text, &i);
        return json_integer(i);
    }
    if (row->type == STELE_OPT_F64_LIST) {
        (void)stele__scalar_f64(item->text, &f);
        return json_real(f);
    }
    return json_string(item->text);
}

static json_t *list_default(const stele_option *row, int *ok)
{
    json_t *list = json_array();
    stele__spec_doc *doc = NULL;
    const char *text = row->def.s != NULL ? row->def.s : "[]";
    if (stele__spec_value_parse(text, "default", &doc, NULL) != STELE_OK) {
        return list; /* the table is broken, which its own check reports */
    }
    const stele__node *root = stele__spec_doc_root(doc);
    for (size_t i = 0; i < root->n; i++) {
        stele__json_add(list, list_item_json(row, root->child[i]), ok);
    }
    stele__spec_doc_destroy(doc);
    return list;
}

static void set_list(json_t *schema, const stele_option *row, int *ok)
{
    const char *type = row->type == STELE_OPT_I64_LIST   ? "integer"
                       : row->type == STELE_OPT_F64_LIST ? "number"
                                                         : "string";
    json_t *items = json_object(), *list = schema;
    stele__json_set(items, "type", json_string(type), ok);
    if (row->type != STELE_OPT_STR_LIST) {
        set_bounds(items, row, row->type == STELE_OPT_F64_LIST, ok);
    }
    if ((row->flags & STELE_OPT_SCALAR) != 0) { /* one of them, or a list of them */
        json_t *either = json_array();
        list = json_object();
        stele__json_add(either, json_incref(items), ok);
        stele__json_add(either, list, ok);
        stele__json_set(schema, "anyOf", either, ok);
    }
    stele__json_set(list, "type", json_string("array"), ok);
    stele__json_set(list, "items", items, ok);
    if ((row->flags & STELE_OPT_REQUIRED) == 0) {
        stele__json_set(schema, "default", list_default(row, ok), ok);
    }
}

static void set_type(json_t *schema, const stele_option *row, int *ok)
{
    int has_default = (row->flags & STELE_OPT_REQUIRED) == 0;
    switch (row->type) {
    case STELE_OPT_BOOL:
        stele__json_set(schema, "type", json_string("boolean"), ok);
        stele__json_set(schema, "default", json_boolean(row->def.i), ok);
        break;
    case STELE_OPT_I64:
        stele__json_set(schema, "type", json_string("integer"), ok);
        set_bounds(schema, row, 0, ok);
        if (has_default) {
            stele__json_set(schema, "default", json_integer(row->def.i), ok);
        }
        break;
    case STELE_OPT_F64:
        stele__json_set(schema, "type", json_string("number"), ok);
        set_bounds(schema, row, 1, ok);
        if (has_default && isfinite(row->def.f)) {
            stele__json_set(schema, "default", json_real(row->def.f), ok);
        }
        break;
    case STELE_OPT_ENUM:
        stele__json_set(schema, "enum", string_list(row->choices, ok), ok);
        if (has_default) {
            stele__json_set(schema, "default", json_string(row->choices[row->def.i]), ok);
        }
        break;
    case STELE_OPT_STR:
    case STELE_OPT_PATH:
        stele__json_set(schema, "type", has_default ? null_or("string", ok) : json_string("string"),
                        ok);
        if (has_default && row->def.s != NULL) {
            stele__json_set(schema, "default", json_string(row->def.s), ok);
        }
        break;
    default: set_list(schema, row, ok); break;
    }
}

static void set_description(json_t *schema, const stele_option *row, int *ok)
{
    stele__str text;
    stele__str_init(&text);
    stele__str_append(&text, row->help);
    if (row->unit != NULL) {
        stele__str_printf(&text, " Unit: %s.", row->unit);
    }
    stele__json_set(schema, "description", json_string(text.data), ok);
    stele__str_finish(&text);
    if ((row->flags & STELE_OPT_DEPRECATED) != 0) {
        stele__json_set(schema, "deprecated", json_true(), ok);
    }
}

/* An object that takes only the keys listed; its properties come later. */
json_t *stele__json_closed(int *ok)
{
    json_t *object = json_object();
    stele__json_set(object, "type", json_string("object"), ok);
    stele__json_set(object, "properties", json_object(), ok);
    stele__json_set(object, "additionalProperties", json_false(), ok);
    return object;
}

void stele__json_require(json_t *object, const char *key, int *ok)
{
    json_t *required = json_object_get(object, "required");
    if (required == NULL) {
        stele__json_set(object, "required", json_array(), ok);
        required = json_object_get(object, "required");
    }
    stele__json_add(required, json_string(key), ok);
}

static void add_row(json_t *object, const stele_option *row, int *ok)
{
    const char *dot = strchr(row->name, '.'), *key = row->name;
    if (dot != NULL) {
        char *head = stele__strndup(row->name, (size_t)(dot - row->name));
        json_t *properties = json_object_get(object, "properties");
        if (head != NULL && json_object_get(properties, head) == NULL) {
            stele__json_set(properties, head, stele__json_closed(ok), ok);
        }
        if (head != NULL && (row->flags & STELE_OPT_REQUIRED) != 0) {
            stele__json_require(object, head, ok);
        }
        object = head != NULL ? json_object_get(properties, head) : NULL;
        stele__free(head);
        key = dot + 1;
    }
    json_t *schema = child(json_object_get(object, "properties"), key, ok);
    set_description(schema, row, ok);
    set_type(schema, row, ok);
    if ((row->flags & STELE_OPT_REQUIRED) != 0) {
        stele__json_require(object, key, ok);
    }
}

stele_status stele__table_schema(const stele__table *table, json_t *object)
{
    int ok = object != NULL;
    if (ok && json_object_get(object, "properties") == NULL) {
        stele__json_set(object, "type", json_string("object"), &ok);
        stele__json_set(object, "properties", json_object(), &ok);
        stele__json_set(object, "additionalProperties", json_false(), &ok);
    }
    for (uint32_t i = 0; i < table->n && ok; i++) {
        stele_option row = stele__table_row(table, i);
        add_row(object, &row, &ok);
    }
    return ok ? STELE_OK : STELE_E_NOMEM;
}
