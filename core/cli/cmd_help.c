#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/sdk.h"
#include "eval/evaluation.h"
#include "plugin/listing.h"
#include "spec/help.h"

#include <stdio.h>
#include <string.h>

static void print_commands(void)
{
    stele__sdk sdk = { 0 };
    printf("usage: stele COMMAND ...\n\n"
           "Learns one latent space from several kinds of measurement of the same things.\n\n");
    for (const stele__command *c = stele__commands; c->name != NULL; c++) {
        printf("  %-9s %s\n", c->name, c->summary);
    }
    stele__str sections;
    stele__str_init(&sections);
    stele__sections_list(&sections);
    printf("\nstele help COMMAND explains one of them, stele help KIND/NAME a plugin, stele help "
           "SECTION\n"
           "a section of the spec: %s, evaluate.\nstele --version tells the version.\n",
           sections.data != NULL ? sections.data : "");
    if (stele__sdk_find(&sdk) == STELE_OK) {
        printf("Documents: %s\n", sdk.docs);
    }
    stele__sdk_finish(&sdk);
    stele__str_finish(&sections);
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

/* "stele help source": what there is to ask for. */
static stele_status list_kind(stele__registry *registry, uint32_t kind, size_t *ret_n)
{
    stele__candidates all;
    stele_status status = stele__registry_candidates(registry, &all);
    if (status != STELE_OK) {
        return status;
    }
    *ret_n = 0;
    for (size_t i = 0; i < all.n; i++) {
        const stele__candidate *c = &all.item[i];
        if (c->by == i && c->kind == kind) {
            printf("stele help %s/%s\n", stele__kind_name(kind), c->name);
            ++*ret_n;
        }
    }
    stele__candidates_finish(&all);
    return STELE_OK;
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

/* What a spec may list under `evaluate`: all, or the one that is asked for. */
static int help_evaluations(const char *topic, int advanced, stele__str *out)
{
    const stele__schema_plugin *e = stele__evaluations();
    int all = strcmp(topic, "evaluate") == 0, n = 0;
    for (int i = 0; i < STELE__N_EVALUATIONS; i++) {
        if (all || strcmp(topic, e[i].name) == 0) {
            stele__str_printf(out, "%sevaluate: %s: %s\n", n++ != 0 ? "\n" : "", e[i].name,
                              e[i].summary);
            stele__table_help(&e[i].table, advanced, out);
        }
    }
    return n != 0;
}

/* What needs no plugin to be opened. 0: nothing of that name. */
static int help_builtin(const char *topic, int advanced)
{
    const stele__command *command = stele__command_find(topic);
    stele__str out;
    if (command != NULL) {
        stele__command_usage(command);
    }
    stele__str_init(&out);
    int found =
        stele__sections_help(topic, advanced, &out) || help_evaluations(topic, advanced, &out);
    if (found) {
        printf("%s%s", command != NULL ? "\nIn a spec:\n\n" : "", out.data != NULL ? out.data : "");
    }
    stele__str_finish(&out);
    return found || command != NULL;
}

static int help_topic(const char *topic, int advanced)
{
    stele__registry *registry = NULL;
    stele__diag diag;
    size_t n = 0;
    uint32_t kind = stele__kind_of(topic, strlen(topic));
    int found = help_builtin(topic, advanced);
    if (found && kind == 0) {
        return STELE__EXIT_OK;
    }
    stele__diag_init(&diag);
    stele_status status = stele__cli_registry(&registry, &diag);
    if (status == STELE_OK) {
        fputs(found ? "\n" : "", stdout);
        status = kind != 0 ? list_kind(registry, kind, &n)
                           : help_plugins(registry, topic, advanced, &n, &diag);
    }
    stele__registry_destroy(registry);
    if (status == STELE_OK && n == 0 && !found) {
        stele__cli_show(&diag);
        return stele__cli_usage_error("help",
                                      "there is no command, section or plugin `%s`; plugins are "
                                      "named KIND/NAME, see stele plugins",
                                      topic);
    }
    return stele__cli_finish(&diag, status);
}

/* All that a spec may hold but the options of plugins. */
static void print_markdown(void)
{
    const stele__schema_plugin *e = stele__evaluations();
    stele__str out;
    stele__str_init(&out);
    stele__str_append(&out, "# Keys of a spec\n\n");
    stele__sections_markdown(&out);
    for (int i = 0; i < STELE__N_EVALUATIONS; i++) {
        stele__str_printf(&out, "\n## `evaluate: %s`\n\n%s\n\n", e[i].name, e[i].summary);
        if (e[i].table.n != 0) {
            stele__table_markdown(&e[i].table, &out);
        }
    }
    fputs(out.data != NULL ? out.data : "", stdout);
    stele__str_finish(&out);
}

int stele__cmd_help(int argc, char **argv)
{
    static const struct option options[] = { { "all", no_argument, NULL, 'a' },
                                             { "markdown", no_argument, NULL, 'm' },
                                             { 0 } };
    int advanced = 0, markdown = 0;
    for (int c; (c = stele__cli_option(argc, argv, ":", options)) != -1;) {
        if (c != 'a' && c != 'm') {
            return stele__cli_option_error(c, argv);
        }
        advanced = advanced || c == 'a';
        markdown = markdown || c == 'm';
    }
    if (markdown && optind != argc) {
        return stele__cli_usage_error(argv[0], "--markdown prints the whole spec and takes no "
                                               "topic; a plugin's page: stele-check --page");
    }
    if (markdown) {
        print_markdown();
        return STELE__EXIT_OK;
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
