#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "plugin/listing.h"
#include "spec/help.h"

#include <stdio.h>
#include <string.h>

static void print_commands(void)
{
    printf("usage: stele COMMAND ...\n\n"
           "Learns one latent space from several kinds of measurement of the same things.\n\n");
    for (const stele__command *c = stele__commands; c->name != NULL; c++) {
        printf("  %-9s %s\n", c->name, c->summary);
    }
    printf("\nstele help COMMAND explains one of them, stele help SECTION a section of the spec,\n"
           "stele help KIND/NAME a plugin; stele --version tells the version.\n");
}

/* Where a spec names a plugin of this kind, and the host has keys of its own. */
static const char *section_of(uint32_t kind)
{
    static const char *const section[] = { [STELE_MODALITY] = "modalities.NAME",
                                           [STELE_FUSION] = "fusion",
                                           [STELE_HEAD] = "heads.NAME",
                                           [STELE_SOURCE] = "data" };
    return section[kind];
}

static void print_plugin(const stele__plugin *p, int advanced)
{
    stele__str out;
    stele__str_init(&out);
    stele__str_printf(&out, "%s %s\n%s\n", p->desc.id, p->desc.version, p->desc.summary);
    if (p->desc.reference != NULL) {
        stele__str_printf(&out, "%s\n", p->desc.reference);
    }
    stele__str_printf(&out, "licence %s; %s\n", p->desc.license, p->origin);
    if (p->desc.n_options != 0) {
        stele__table table = { p->desc.options, p->desc.n_options, p->desc.option_stride };
        stele__str_append(&out, "\n");
        stele__table_help(&table, advanced, &out);
    }
    stele__str_printf(&out, "\nThe host has more keys in the same place: stele help %s\n",
                      section_of(p->desc.kind));
    fputs(out.data != NULL ? out.data : "", stdout);
    stele__str_finish(&out);
}

/* Open a candidate in a child process first: it may crash. */
static stele_status help_candidate(stele__registry *registry, const stele__candidates *all,
                                   size_t i, int advanced, stele__diag *diag)
{
    stele__listing one;
    const stele__plugin *p = NULL;
    stele_status status = stele__candidate_list(registry, all, i, &one);
    if (status != STELE_OK) {
        return status;
    }
    if (one.item[0].refused != NULL) {
        status = stele__diag_error(diag, STELE_E_ABI, NULL, "%s: %s", one.item[0].origin,
                                   one.item[0].refused);
    } else {
        status =
            stele__registry_find(registry, all->item[i].kind, all->item[i].name, NULL, &p, diag);
    }
    if (status == STELE_OK) {
        print_plugin(p, advanced);
    }
    stele__listing_finish(&one);
    return status;
}

/* KIND/NAME, or NAME for all plugins of that name. *ret_n: how many there are. */
static stele_status help_plugins(stele__registry *registry, const char *topic, int advanced,
                                 size_t *ret_n, stele__diag *diag)
{
    stele__candidates all;
    const char *slash = strchr(topic, '/');
    uint32_t kind = slash != NULL ? stele__kind_of(topic, (size_t)(slash - topic)) : 0;
    const char *name = slash != NULL ? slash + 1 : topic;
    *ret_n = 0;
    if (slash != NULL && kind == 0) {
        return STELE_OK;
    }
    stele_status status = stele__registry_candidates(registry, &all);
    if (status != STELE_OK) {
        return status;
    }
    for (size_t i = 0; status == STELE_OK && i < all.n; i++) {
        const stele__candidate *c = &all.item[i];
        if (c->by == i && strcmp(c->name, name) == 0 && (kind == 0 || kind == c->kind)) {
            fputs(*ret_n != 0 ? "\n" : "", stdout);
            status = help_candidate(registry, &all, i, advanced, diag);
            ++*ret_n;
        }
    }
    stele__candidates_finish(&all);
    /* For a certain plugin the registry knows best what to say: where it looked, what is near. */
    if (status == STELE_OK && *ret_n == 0 && kind != 0) {
        const stele__plugin *p = NULL;
        ++*ret_n;
        status = stele__registry_find(registry, kind, name, NULL, &p, diag);
    }
    return status;
}

static int help_topic(const char *topic, int advanced)
{
    const stele__command *command = stele__command_find(topic);
    stele__registry *registry = NULL;
    stele__diag diag;
    stele__str out;
    size_t n = 0;
    int found = command != NULL;
    if (command != NULL) {
        stele__command_usage(command);
    }
    stele__str_init(&out);
    if (stele__sections_help(topic, advanced, &out)) {
        printf("%s%s", found ? "\nIn a spec:\n\n" : "", out.data != NULL ? out.data : "");
        found = 1;
    }
    stele__str_finish(&out);
    if (found) {
        return STELE__EXIT_OK;
    }
    stele__diag_init(&diag);
    stele_status status = stele__cli_registry(&registry, &diag);
    if (status == STELE_OK) {
        status = help_plugins(registry, topic, advanced, &n, &diag);
    }
    stele__registry_destroy(registry);
    if (status == STELE_OK && n == 0) {
        stele__cli_show(&diag);
        return stele__cli_usage_error("help",
                                      "there is no command, section or plugin `%s`; plugins are "
                                      "named KIND/NAME, see stele plugins",
                                      topic);
    }
    return stele__cli_finish(&diag, status);
}

int stele__cmd_help(int argc, char **argv)
{
    static const struct option options[] = { { "all", no_argument, NULL, 'a' }, { 0 } };
    int advanced = 0;
    for (int c; (c = getopt_long(argc, argv, ":", options, NULL)) != -1;) {
        if (c != 'a') {
            return stele__cli_option_error(c, argv);
        }
        advanced = 1;
    }
    if (argc - optind > 1) {
        return stele__cli_usage_error(argv[0], "unexpected argument `%s`", argv[optind + 1]);
    }
    if (optind == argc) {
        print_commands();
        return STELE__EXIT_OK;
    }
    return help_topic(argv[optind], advanced);
}
