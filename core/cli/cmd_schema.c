#include "base/mem.h"
#include "cli/command.h"
#include "eval/evaluation.h"
#include "plugin/listing.h"
#include "spec/help.h"

#include <stdio.h>

/* Load all that a child process loaded without harm. */
static stele_status collect(stele__registry *registry, const stele__listing *listing,
                            stele__schema_plugin *ret, size_t *ret_n, stele__diag *diag)
{
    size_t n = 0;
    for (size_t i = 0; i < listing->n; i++) {
        const stele__listed *l = &listing->item[i];
        const stele__plugin *p = NULL;
        if (l->refused != NULL || l->shadowed_by != NULL) {
            continue;
        }
        stele_status status = stele__registry_find(registry, l->kind, l->name, NULL, &p, diag);
        if (status != STELE_OK) {
            return status;
        }
        ret[n++] = (stele__schema_plugin){
            .kind = l->kind,
            .name = p->name,
            .summary = p->desc.summary,
            .table = { p->desc.options, p->desc.n_options, p->desc.option_stride },
        };
    }
    *ret_n = n;
    return STELE_OK;
}

static stele_status print_schema(stele__registry *registry, stele__diag *diag)
{
    stele__listing listing;
    json_t *schema = NULL;
    size_t n = 0;
    stele_status status = stele__registry_list(registry, &listing);
    if (status != STELE_OK) {
        return status;
    }
    stele__schema_plugin *plugins =
        stele__calloc(listing.n + STELE__N_EVALUATIONS, sizeof *plugins);
    status = plugins != NULL ? collect(registry, &listing, plugins, &n, diag) : STELE_E_NOMEM;
    for (int i = 0; i < STELE__N_EVALUATIONS && status == STELE_OK; i++) {
        plugins[n++] = stele__evaluations()[i];
    }
    if (status == STELE_OK) {
        status = stele__schema_create(plugins, n, &schema);
    }
    if (status == STELE_OK) {
        (void)json_dumpf(schema, stdout, JSON_INDENT(2)); /* a failed write shows at the end */
        putchar('\n');
    }
    json_decref(schema);
    stele__free(plugins);
    stele__listing_finish(&listing);
    return status;
}

int stele__cmd_schema(int argc, char **argv)
{
    static const struct option options[] = { { 0 } };
    stele__registry *registry = NULL;
    stele__diag diag;
    int c = stele__cli_option(argc, argv, ":", options);
    if (c != -1) {
        return stele__cli_option_error(c, argv);
    }
    if (optind != argc) {
        return stele__cli_usage_error(argv[0], "unexpected argument `%s`", argv[optind]);
    }
    stele__diag_init(&diag);
    stele_status status = stele__cli_registry(&registry, &diag);
    if (status == STELE_OK) {
        status = print_schema(registry, &diag);
    }
    stele__registry_destroy(registry);
    return stele__cli_finish(&diag, status);
}
