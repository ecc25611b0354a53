#include "sweep/figures.h"

#include "base/str.h"

#include <string.h>

/* "a-b" from the texts among the members of an item. */
static void append_item(stele__str *path, json_t *item, size_t index)
{
    const char *key, *join = "";
    json_t *value;
    json_object_foreach(item, key, value)
    {
        if (json_is_string(value)) {
            stele__str_printf(path, "%s%s", join, json_string_value(value));
            join = "-";
        }
    }
    if (join[0] == '\0') {
        stele__str_printf(path, "%zu", index);
    }
}

static int flatten(const char *path, const json_t *value, json_t *to);

/* `name` below `path`. */
static int go_on(const char *path, const stele__str *name, const json_t *value, json_t *to)
{
    stele__str below;
    stele__str_init(&below);
    stele__str_printf(&below, "%s%s%s", path, path[0] != '\0' ? "." : "", name->data);
    int ok = !below.failed && !name->failed && flatten(below.data, value, to);
    stele__str_finish(&below);
    return ok;
}

static int flatten(const char *path, const json_t *value, json_t *to)
{
    const char *key;
    json_t *child;
    size_t i;
    int ok = 1;
    if (json_is_number(value)) {
        return json_object_set_new(to, path, json_real(json_number_value(value))) == 0;
    }
    json_object_foreach((json_t *)value, key, child)
    {
        if (strcmp(key, "intervals") == 0) {
            continue;
        }
        stele__str name;
        stele__str_init(&name);
        stele__str_append(&name, key);
        ok = ok && go_on(path, &name, child, to);
        stele__str_finish(&name);
    }
    json_array_foreach(value, i, child)
    {
        stele__str name;
        stele__str_init(&name);
        append_item(&name, child, i);
        ok = ok && go_on(path, &name, child, to);
        stele__str_finish(&name);
    }
    return ok;
}

/* The only posterior is that of all that a model knows, whatever it is called. */
static int add_joint(const json_t *report, json_t *to)
{
    const json_t *posteriors = json_object_get(report, "posteriors");
    const json_t *only = json_array_get(posteriors, 0);
    const char *name = json_string_value(json_object_get(only, "name"));
    const int is_other =
        json_array_size(posteriors) == 1 && name != NULL && strcmp(name, "joint") != 0;
    return !is_other || flatten("posteriors.joint", only, to);
}

json_t *stele__figures_flatten(const json_t *report)
{
    json_t *to = json_object();
    if (to != NULL && (!flatten("", report, to) || !add_joint(report, to))) {
        json_decref(to);
        to = NULL;
    }
    return to;
}
