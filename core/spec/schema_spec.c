/* The schema of a whole spec, from the host's sections and the plugins at hand. */
#include "base/str.h"
#include "spec/help.h"
#include "spec/schema_private.h"
#include "spec/spec.h"

#include <string.h>

/* What is needed everywhere: the plugins, where definitions go, and whether all went well. */
struct composer {
    const stele__schema_plugin *plugins;
    size_t n;
    json_t *definitions;
    int ok;
};

static void set(struct composer *c, json_t *object, const char *key, json_t *value)
{
    stele__json_set(object, key, value, &c->ok);
}

static void use_table(struct composer *c, const stele__table *table, json_t *object)
{
    if (stele__table_schema(table, object) != STELE_OK) {
        c->ok = 0;
    }
}

static json_t *section_object(struct composer *c, int section)
{
    const stele__section *s = stele__section_get(section);
    json_t *object = stele__json_closed(&c->ok);
    set(c, object, "description", json_string(s->summary));
    use_table(c, &s->table, object);
    return object;
}

static json_t *reference(struct composer *c, const char *kind, const char *name)
{
    stele__str path;
    stele__str_init(&path);
    stele__str_printf(&path, "#/definitions/%s-%s", kind, name);
    json_t *object = json_object();
    set(c, object, "$ref", json_string(path.data));
    stele__str_finish(&path);
    return object;
}

static void define(struct composer *c, const char *kind, const char *name, json_t *value)
{
    stele__str key;
    stele__str_init(&key);
    stele__str_printf(&key, "%s-%s", kind, name);
    set(c, c->definitions, key.data, value);
    stele__str_finish(&key);
}

static json_t *names_of(struct composer *c, uint32_t kind)
{
    json_t *names = json_array();
    for (size_t i = 0; i < c->n; i++) {
        if (c->plugins[i].kind == kind) {
            stele__json_add(names, json_string(c->plugins[i].name), &c->ok);
        }
    }
    json_t *choice = json_object();
    set(c, choice, "enum", names);
    return choice;
}

/* { if: { properties: { KEY: { const: NAME } }, required: [KEY] }, then: THEN }: editors then
 * complain about the one plugin that was named, not about all that it could have been. */
static json_t *when(struct composer *c, const char *key, const char *name, json_t *then)
{
    json_t *rule = json_object(), *condition = json_object(), *properties = json_object();
    json_t *value = json_object();
    set(c, value, "const", json_string(name));
    set(c, properties, key, value);
    set(c, condition, "properties", properties);
    stele__json_require(condition, key, &c->ok);
    set(c, rule, "if", condition);
    set(c, rule, "then", then);
    return rule;
}

/* An object whose `key` names a plugin of `kind`, which decides about all other keys. `section`
 * holds the host's keys beside the plugin's. */
static json_t *plugin_choice(struct composer *c, uint32_t kind, const char *kind_name,
                             const char *key, int section)
{
    json_t *object = json_object(), *properties = json_object(), *rules = json_array();
    set(c, properties, key, names_of(c, kind));
    set(c, object, "type", json_string("object"));
    set(c, object, "description", json_string(stele__section_get(section)->summary));
    set(c, object, "properties", properties);
    for (size_t i = 0; i < c->n; i++) {
        const stele__schema_plugin *p = &c->plugins[i];
        if (p->kind != kind) {
            continue;
        }
        json_t *body = section_object(c, section);
        use_table(c, &p->table, body);
        set(c, body, "description", json_string(p->summary));
        define(c, kind_name, p->name, body);
        stele__json_add(rules, when(c, key, p->name, reference(c, kind_name, p->name)), &c->ok);
    }
    /* An empty allOf is not legal. */
    if (json_array_size(rules) != 0) {
        set(c, object, "allOf", rules);
    } else {
        json_decref(rules);
    }
    return object;
}

/* NAME: VALUE for names that the user chooses. */
static json_t *named(struct composer *c, json_t *value, const char *description)
{
    json_t *object = json_object();
    set(c, object, "type", json_string("object"));
    set(c, object, "description", json_string(description));
    set(c, object, "additionalProperties", value);
    return object;
}

static json_t *choice_of_two(struct composer *c, json_t *one, json_t *two)
{
    json_t *list = json_array(), *object = json_object();
    stele__json_add(list, one, &c->ok);
    stele__json_add(list, two, &c->ok);
    set(c, object, "anyOf", list);
    return object;
}

static json_t *bounded_number(struct composer *c, double low, double high)
{
    json_t *number = json_object();
    set(c, number, "type", json_string("number"));
    set(c, number, "minimum", json_real(low));
    set(c, number, "maximum", json_real(high));
    return number;
}

static void set_shares(struct composer *c, json_t *properties, const char *key, int section)
{
    const stele__section *s = stele__section_get(section);
    stele_option row = stele__table_row(&s->table, 0);
    json_t *fraction = bounded_number(c, row.min.f, row.max.f);
    set(c, fraction, "description", json_string(row.help));
    set(c, properties, key, named(c, fraction, s->summary));
}

/* Keys of `data` that do not depend on the plugin. */
static void set_data_keys(struct composer *c, json_t *object, int several)
{
    json_t *properties = json_object_get(object, "properties");
    set_shares(c, properties, "missing", STELE__SECTION_MISSING);
    set_shares(c, properties, "mismatched", STELE__SECTION_MISMATCHED);
    if (several) {
        json_t *one = json_object();
        set(c, one, "$ref", json_string("#/definitions/source"));
        set(c, properties, "sources",
            named(c, one, stele__section_get(STELE__SECTION_SOURCE)->summary));
        stele__json_require(object, "sources", &c->ok);
        (void)json_object_del(properties, "source");
    }
}

static json_t *data_schema(struct composer *c)
{
    json_t *data = plugin_choice(c, STELE_SOURCE, "data", "source", STELE__SECTION_DATA);
    for (size_t i = 0; i < c->n; i++) {
        stele__str key;
        stele__str_init(&key);
        stele__str_printf(&key, "data-%s", c->plugins[i].name);
        if (c->plugins[i].kind == STELE_SOURCE && key.data != NULL) {
            set_data_keys(c, json_object_get(c->definitions, key.data), 0);
        }
        stele__str_finish(&key);
    }
    set(c, c->definitions, "source",
        plugin_choice(c, STELE_SOURCE, "source", "plugin", STELE__SECTION_SOURCE));
    json_t *several = section_object(c, STELE__SECTION_DATA);
    set_data_keys(c, several, 1);
    set(c, c->definitions, "several-sources", several);
    json_t *rule = json_object(), *condition = json_object(), *then = json_object();
    stele__json_require(condition, "sources", &c->ok);
    set(c, then, "$ref", json_string("#/definitions/several-sources"));
    set(c, rule, "if", condition);
    set(c, rule, "then", then);
    json_t *rules = json_object_get(data, "allOf");
    if (rules == NULL) {
        set(c, data, "allOf", json_array());
        rules = json_object_get(data, "allOf");
    }
    stele__json_add(rules, rule, &c->ok);
    return data;
}

static json_t *evaluate_schema(struct composer *c)
{
    json_t *list = json_object(), *object = stele__json_closed(&c->ok);
    json_t *properties = json_object_get(object, "properties");
    for (size_t i = 0; i < c->n; i++) {
        const stele__schema_plugin *p = &c->plugins[i];
        if (p->kind == STELE__EVALUATION) {
            json_t *body = stele__json_closed(&c->ok);
            use_table(c, &p->table, body);
            set(c, body, "description", json_string(p->summary));
            set(c, properties, p->name, body);
        }
    }
    set(c, object, "minProperties", json_integer(1));
    set(c, object, "maxProperties", json_integer(1));
    set(c, list, "type", json_string("array"));
    set(c, list, "description", json_string("Evaluations of the trained model."));
    /* Whoever composes a schema without evaluations does not know them: anything may stand here. */
    if (json_object_size(properties) != 0) {
        set(c, list, "items", choice_of_two(c, names_of(c, STELE__EVALUATION), object));
    } else {
        json_decref(object);
    }
    return list;
}

static json_t *objective_schema(struct composer *c)
{
    json_t *objective = section_object(c, STELE__SECTION_OBJECTIVE);
    json_t *beta =
        choice_of_two(c, bounded_number(c, 0.0, 1e6), section_object(c, STELE__SECTION_BETA));
    set(c, beta, "description", json_string(stele__section_get(STELE__SECTION_BETA)->summary));
    set(c, json_object_get(objective, "properties"), "beta", beta);
    return objective;
}

static json_t *list_of_values(struct composer *c)
{
    json_t *list = json_object();
    set(c, list, "type", json_string("array"));
    set(c, list, "minItems", json_integer(1));
    return list;
}

static json_t *sweep_schema(struct composer *c)
{
    const stele__section *grid = stele__section_get(STELE__SECTION_GRID);
    const stele__section *random = stele__section_get(STELE__SECTION_RANDOM);
    json_t *sweep = section_object(c, STELE__SECTION_SWEEP);
    json_t *properties = json_object_get(sweep, "properties");
    json_t *range = section_object(c, STELE__SECTION_RANDOM);
    set(c, properties, "grid", named(c, list_of_values(c), grid->summary));
    set(c, properties, "random",
        named(c, choice_of_two(c, list_of_values(c), range), random->summary));
    return sweep;
}

static void set_sections(struct composer *c, json_t *root)
{
    json_t *properties = json_object_get(root, "properties");
    set(c, c->definitions, "modality",
        plugin_choice(c, STELE_MODALITY, "modality", "plugin", STELE__SECTION_MODALITY));
    set(c, c->definitions, "head",
        plugin_choice(c, STELE_HEAD, "head", "plugin", STELE__SECTION_HEAD));
    json_t *modality = json_object(), *head = json_object();
    set(c, modality, "$ref", json_string("#/definitions/modality"));
    set(c, head, "$ref", json_string("#/definitions/head"));
    set(c, properties, "data", data_schema(c));
    set(c, properties, "latent", section_object(c, STELE__SECTION_LATENT));
    json_t *modalities = named(c, modality, "The kinds of measurement, by name.");
    set(c, modalities, "minProperties", json_integer(1));
    set(c, properties, "modalities", modalities);
    set(c, properties, "fusion",
        choice_of_two(c, names_of(c, STELE_FUSION),
                      plugin_choice(c, STELE_FUSION, "fusion", "plugin", STELE__SECTION_FUSION)));
    set(c, properties, "heads", named(c, head, "Predictions from the latent, by name."));
    set(c, properties, "objective", objective_schema(c));
    set(c, properties, "train", section_object(c, STELE__SECTION_TRAIN));
    set(c, properties, "evaluate", evaluate_schema(c));
    set(c, properties, "output", section_object(c, STELE__SECTION_OUTPUT));
    set(c, properties, "sweep", sweep_schema(c));
    stele__json_require(root, "data", &c->ok);
    stele__json_require(root, "modalities", &c->ok);
    stele__json_require(root, "fusion", &c->ok);
}

stele_status stele__schema_create(const stele__schema_plugin *plugins, size_t n, json_t **ret)
{
    struct composer c = { .plugins = plugins, .n = n, .definitions = json_object(), .ok = 1 };
    json_t *root = json_object();
    set(&c, root, "$schema", json_string("http://json-schema.org/draft-07/schema#"));
    set(&c, root, "title", json_string("Stele spec"));
    use_table(&c, &stele__section_get(STELE__SECTION_TOP)->table, root);
    set_sections(&c, root);
    set(&c, root, "definitions", c.definitions);
    if (!c.ok) {
        json_decref(root);
        return STELE_E_NOMEM;
    }
    *ret = root;
    return STELE_OK;
}
