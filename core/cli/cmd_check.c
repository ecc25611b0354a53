#include "cli/command.h"
#include "cli/load.h"

#include <stdio.h>

static stele_status print_resolved(const stele__spec *spec)
{
    stele__str out;
    stele__str_init(&out);
    stele_status status = stele__spec_resolve(spec, &out);
    if (status == STELE_OK) {
        fputs(out.data, stdout);
    }
    stele__str_finish(&out);
    return status;
}

static stele_status check(const stele__spec_arguments *a, int resolved, stele__diag *diag)
{
    stele__registry *registry = NULL;
    stele__loaded loaded = { 0 };
    stele_status status = stele__cli_registry(&registry, diag);
    if (status == STELE_OK) {
        status = stele__loaded_create(registry, a, &loaded, diag);
    }
    /* Checks that need the data go here: sources open, parts and columns are there, values legal.
     */
    if (status == STELE_OK && resolved) {
        status = print_resolved(loaded.spec);
    } else if (status == STELE_OK) {
        printf("%s: good\n", a->path);
    }
    stele__loaded_finish(&loaded);
    stele__registry_destroy(registry);
    return status;
}

int stele__cmd_check(int argc, char **argv)
{
    static const struct option options[] = { { "set", required_argument, NULL, 's' },
                                             { "resolved", no_argument, NULL, 'r' },
                                             { 0 } };
    stele__spec_arguments a = { 0 };
    int resolved = 0;
    for (int c; (c = getopt_long(argc, argv, ":", options, NULL)) != -1;) {
        if (c == 's' && a.n_sets == STELE__MOST_SETS) {
            return stele__cli_usage_error(argv[0], "more than %d times --set", STELE__MOST_SETS);
        } else if (c == 's') {
            a.set[a.n_sets++] = optarg;
        } else if (c == 'r') {
            resolved = 1;
        } else {
            return stele__cli_option_error(c, argv);
        }
    }
    if (argc - optind != 1) {
        return stele__cli_usage_error(argv[0],
                                      argc == optind ? "name a spec" : "one spec at a time");
    }
    a.path = argv[optind];
    stele__diag diag;
    stele__diag_init(&diag);
    stele_status status = check(&a, resolved, &diag);
    return stele__cli_finish(&diag, status);
}
