#include "base/mem.h"
#include "cli/command.h"
#include "plugin/listing.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* Width of the longest id and version among the usable plugins. */
static void widths(const stele__listing *l, int *ret_id, int *ret_version)
{
    *ret_id = *ret_version = 0;
    for (size_t i = 0; i < l->n; i++) {
        const stele__listed *p = &l->item[i];
        if (p->refused == NULL && p->shadowed_by == NULL) {
            int id = (int)(strlen(stele__kind_name(p->kind)) + 1 + strlen(p->name));
            int version = (int)strlen(p->version);
            *ret_id = id > *ret_id ? id : *ret_id;
            *ret_version = version > *ret_version ? version : *ret_version;
        }
    }
}

static void print_text(const stele__listing *l)
{
    int width_id, width_version, n = 0;
    widths(l, &width_id, &width_version);
    for (size_t i = 0; i < l->n; i++) {
        const stele__listed *p = &l->item[i];
        if (p->refused == NULL && p->shadowed_by == NULL) {
            const char *kind = stele__kind_name(p->kind);
            printf("%s/%-*s  %-*s  %s\n%*s  %s\n", kind, width_id - (int)strlen(kind) - 1, p->name,
                   width_version, p->version, p->summary, width_id, "", p->origin);
            n++;
        }
    }
    if (n == 0) {
        printf("no plugins\n");
    }
    for (size_t i = 0, first = 1; i < l->n; i++) {
        const stele__listed *p = &l->item[i];
        if (p->refused == NULL && p->shadowed_by != NULL) {
            printf("%s  %s\n      behind %s\n", first ? "\nshadowed:\n" : "", p->origin,
                   p->shadowed_by);
            first = 0;
        }
    }
    for (size_t i = 0, first = 1; i < l->n; i++) {
        const stele__listed *p = &l->item[i];
        if (p->refused != NULL) {
            printf("%s  %s\n      %s\n", first ? "\nrefused:\n" : "", p->origin, p->refused);
            first = 0;
        }
    }
}

/* A string, or null. */
static json_t *text_or_null(const char *text)
{
    return text != NULL ? json_string(text) : json_null();
}

static int print_json(const stele__listing *l)
{
    json_t *list = json_array();
    for (size_t i = 0; i < l->n; i++) {
        const stele__listed *p = &l->item[i];
        json_t *o =
            json_pack("{ss ss so ss so so so so so}", "kind", stele__kind_name(p->kind), "name",
                      p->name, "version", text_or_null(p->version), "origin", p->origin, "summary",
                      text_or_null(p->summary), "license", text_or_null(p->license), "reference",
                      text_or_null(p->reference), "refused", text_or_null(p->refused),
                      "shadowed_by", text_or_null(p->shadowed_by));
        if (json_array_append_new(list, o) != 0) {
            json_decref(list);
            return 0;
        }
    }
    int ok = json_dumpf(list, stdout, JSON_INDENT(2)) == 0;
    putchar('\n');
    json_decref(list);
    return ok;
}

int stele__cmd_plugins(int argc, char **argv)
{
    static const struct option options[] = { { "json", no_argument, NULL, 'j' }, { 0 } };
    stele__registry *registry = NULL;
    stele__listing listing = { 0 };
    stele__diag diag;
    int json = 0;
    for (int c; (c = stele__cli_option(argc, argv, ":", options)) != -1;) {
        if (c != 'j') {
            return stele__cli_option_error(c, argv);
        }
        json = 1;
    }
    if (optind != argc) {
        return stele__cli_usage_error(argv[0], "unexpected argument `%s`", argv[optind]);
    }
    stele__diag_init(&diag);
    stele_status status = stele__cli_registry(&registry, &diag);
    if (status == STELE_OK) {
        status = stele__registry_list(registry, &listing);
    }
    if (status == STELE_OK && json) {
        status = print_json(&listing) ? STELE_OK : STELE_E_IO;
    } else if (status == STELE_OK) {
        print_text(&listing);
    }
    stele__listing_finish(&listing);
    stele__registry_destroy(registry);
    return stele__cli_finish(&diag, status);
}
