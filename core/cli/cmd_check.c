#include "cli/command.h"
#include "cli/data_table.h"
#include "cli/sweep.h"

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

/* The points of a sweep have to be good, too; their data are looked at before the sweep runs. */
static stele_status check_points(stele__sweep *s, stele__diag *diag)
{
    if (s->base.spec->n_axes == 0) {
        return STELE_OK;
    }
    stele_status status = stele__points_create(s->base.spec, &s->points, diag);
    return status == STELE_OK ? stele__sweep_load(s, diag) : status;
}

static stele_status check(const stele__spec_arguments *a, int resolved, int data, stele__diag *diag)
{
    stele__sweep s = { .arguments = a, .lock = -1 };
    double bytes = 0.0;
    stele_status status = stele__cli_registry(&s.registry, diag);
    if (status == STELE_OK) {
        status = stele__loaded_create(s.registry, a, &s.base, diag);
    }
    if (status == STELE_OK) {
        status = check_points(&s, diag);
    }
    if (status == STELE_OK && data) {
        status =
            stele__loaded_check_data(&s.base, 0, resolved ? NULL : stele__data_table, &bytes, diag);
    }
    if (status == STELE_OK && resolved) {
        status = print_resolved(s.base.spec);
    } else if (status == STELE_OK) {
        printf("%s: good\n", a->path);
    }
    stele__sweep_finish(&s);
    return status;
}

int stele__cmd_check(int argc, char **argv)
{
    static const struct option options[] = { { "set", required_argument, NULL, STELE__OPTION_SET },
                                             { "resolved", no_argument, NULL, 'r' },
                                             { "no-data", no_argument, NULL, 'n' },
                                             { 0 } };
    stele__spec_arguments a = { 0 };
    int resolved = 0, data = 1;
    for (int c; (c = stele__cli_option(argc, argv, ":", options)) != -1;) {
        if (c == STELE__OPTION_SET && a.n_sets == STELE__MOST_SETS) {
            return stele__cli_usage_error(argv[0], "more than %d times --set", STELE__MOST_SETS);
        } else if (c == STELE__OPTION_SET) {
            a.set[a.n_sets++] = optarg;
        } else if (c == 'r') {
            resolved = 1;
        } else if (c == 'n') {
            data = 0;
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
    stele_status status = check(&a, resolved, data, &diag);
    return stele__cli_finish(&diag, status);
}
