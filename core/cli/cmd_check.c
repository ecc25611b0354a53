#include "cli/command.h"
#include "cli/load.h"
#include "eval/evaluation.h"
#include "train/run.h"

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

/* Everything that a training does before its first step: sources open, rows join and split, columns
 * are there, values legal, the model is built. */
static stele_status check_data(const stele__loaded *loaded, stele__diag *diag)
{
    stele__plan plan;
    stele__plan_request none = { 0 };
    stele__run run = { 0 };
    stele__log log = stele__cli_log(0);
    stele_status status = stele__plan_init(&plan, loaded->spec, &none);
    if (status == STELE_OK) {
        stele__run_request q = { .spec = loaded->spec,
                                 .plugins = &loaded->cast,
                                 .log = &log,
                                 .training = 1,
                                 .label = plan.labels,
                                 .label_place = plan.place,
                                 .n_labels = plan.n_labels };
        status = stele__run_open(&q, &run, diag);
        if (status == STELE_OK) {
            status = stele__state_check(run.data, run.split, &run.model, diag);
        }
        stele__run_close(&run);
    }
    stele__plan_finish(&plan);
    return status;
}

static stele_status check(const stele__spec_arguments *a, int resolved, int data, stele__diag *diag)
{
    stele__registry *registry = NULL;
    stele__loaded loaded = { 0 };
    stele_status status = stele__cli_registry(&registry, diag);
    if (status == STELE_OK) {
        status = stele__loaded_create(registry, a, &loaded, diag);
    }
    if (status == STELE_OK && data) {
        status = check_data(&loaded, diag);
    }
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
