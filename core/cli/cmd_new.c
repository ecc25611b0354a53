/* stele new KIND/NAME [-o FOLDER] */
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/sdk.h"
#include "cli/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LONGEST_NAME = 64 };

typedef struct request {
    char kind[16];
    uint32_t kind_number;
    const char *name, *folder;
} request;

/* --- the command line ------------------------------------------------------------------------ */

static int unknown_kind(const char *command, const char *kind)
{
    const char *names[STELE_SOURCE];
    stele__str list;
    stele__str_init(&list);
    for (uint32_t k = STELE_MODALITY; k <= STELE_SOURCE; k++) {
        names[k - STELE_MODALITY] = stele__kind_name(k);
        stele__str_printf(&list, "%s%s", k > STELE_MODALITY ? ", " : "", stele__kind_name(k));
    }
    const char *near = stele__nearest(kind, names, STELE_SOURCE);
    int code = near != NULL
                   ? stele__cli_usage_error(
                         command, "there is no kind of plugin `%s`, did you mean `%s`?", kind, near)
                   : stele__cli_usage_error(command, "there is no kind of plugin `%s`, only %s",
                                            kind, list.failed ? "others" : list.data);
    stele__str_finish(&list);
    return code;
}

/* Meson builds a plugin under its name, and keeps these for itself. */
static int is_reserved(const char *name)
{
    static const char *const words[] = { "all",         "benchmark", "clean",     "coverage",
                                         "dist",        "distcheck", "install",   "phony",
                                         "reconfigure", "test",      "uninstall", NULL };
    for (const char *const *w = words; *w != NULL; w++) {
        if (strcmp(*w, name) == 0) {
            return 1;
        }
    }
    return 0;
}

static int check_id(const char *command, const char *id, request *o)
{
    const char *slash = strchr(id, '/');
    size_t len = slash != NULL ? (size_t)(slash - id) : 0;
    if (slash == NULL) {
        return stele__cli_usage_error(command, "`%s` is not of the form KIND/NAME, as fusion/mine",
                                      id);
    }
    snprintf(o->kind, sizeof o->kind, "%.*s", (int)len, id);
    o->kind_number = stele__kind_of(id, len);
    o->name = slash + 1;
    if (o->kind_number == 0) {
        return unknown_kind(command, o->kind);
    }
    if (o->name[0] == '\0' ||
        o->name[strspn(o->name, "abcdefghijklmnopqrstuvwxyz0123456789_")] != '\0') {
        return stele__cli_usage_error(command, "`%s` is no name: a-z, 0-9 and _ make one up",
                                      o->name);
    }
    if (is_reserved(o->name)) {
        return stele__cli_usage_error(
            command, "`%s` is a name that Meson keeps for itself: choose another", o->name);
    }
    if (strlen(o->name) > LONGEST_NAME) {
        return stele__cli_usage_error(command, "a name has at most %d letters", LONGEST_NAME);
    }
    return STELE__EXIT_OK;
}

static int parse(int argc, char **argv, request *o)
{
    static const struct option longs[] = { { "output", required_argument, NULL, 'o' }, { 0 } };
    for (int c; (c = stele__cli_option(argc, argv, ":o:", longs)) != -1;) {
        if (c != 'o') {
            return stele__cli_option_error(c, argv);
        }
        o->folder = optarg;
    }
    if (argc - optind != 1) {
        return stele__cli_usage_error(argv[0], argc == optind ? "name the plugin: KIND/NAME"
                                                              : "one plugin at a time");
    }
    if (o->folder != NULL && o->folder[0] == '\0') {
        return stele__cli_usage_error(argv[0], "-o needs the name of a folder");
    }
    int code = check_id(argv[0], argv[optind], o);
    o->folder = o->folder != NULL ? o->folder : o->name;
    return code;
}

/* Two plugins of one id would hide each other, depending on the order of search. */
static stele_status check_free(const request *o, stele__diag *diag)
{
    stele__registry *registry = NULL;
    stele__candidates all = { 0 };
    stele_status status = stele__cli_registry(&registry, diag);
    if (status == STELE_OK) {
        status = stele__registry_candidates(registry, &all);
    }
    for (size_t i = 0; status == STELE_OK && i < all.n; i++) {
        const stele__candidate *c = &all.item[i];
        if (c->kind == o->kind_number && strcmp(c->name, o->name) == 0) {
            status = stele__diag_error(diag, STELE_E_ARG, NULL, "%s/%s is taken: %s", o->kind,
                                       o->name, c->path != NULL ? c->path : STELE__BUILT_IN);
            stele__diag_hint(diag, "choose another name");
        }
    }
    stele__candidates_finish(&all);
    stele__registry_destroy(registry);
    return status;
}

/* --- what to do next ------------------------------------------------------------------------- */

/* Add a word for a shell. */
static void add_word(stele__str *out, const char *word)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-";
    if (word[strspn(word, plain)] == '\0') {
        stele__str_append(out, word);
        return;
    }
    stele__str_append(out, "'");
    for (; *word != '\0'; word++) {
        stele__str_append(out, *word == '\'' ? "'\\''" : (char[]){ *word, '\0' });
    }
    stele__str_append(out, "'");
}

/* Does a shell find the programs of `folder` by their names? */
static int is_in_path(const char *folder)
{
    const char *path = getenv("PATH");
    size_t len = strlen(folder);
    while (path != NULL && *path != '\0') {
        size_t n = strcspn(path, ":");
        if (n == len && strncmp(path, folder, n) == 0) {
            return 1;
        }
        path += n + (path[n] == ':');
    }
    return 0;
}

static void add_program(stele__str *out, const stele__sdk *s, const char *name)
{
    char *path =
        is_in_path(s->programs) ? stele__strdup(name) : stele__path_join(s->programs, name);
    if (path != NULL) {
        add_word(out, path);
    }
    stele__free(path);
}

static void add_steps(stele__str *out, const request *o, const stele__sdk *s)
{
    const char *kind = o->kind, *name = o->name;
    stele__str_append(out, "\nBuild, check, train:\n\n    cd ");
    add_word(out, o->folder);
    stele__str_append(out, "\n    cc -std=c11 -O2 -shared -fPIC -I");
    add_word(out, s->include);
    stele__str_printf(out, " %s/%s.c -o %s/%s.so -lm\n    ", kind, name, kind, name);
    add_program(out, s, "stele-check");
    stele__str_printf(out, " %s/%s.so%s\n    STELE_PLUGIN_PATH=\"$PWD\" ", kind, name,
                      stele__template_check_options(kind));
    add_program(out, s, "stele");
    stele__str_printf(out,
                      " train spec.yaml\n\nThe same with Meson, which makes build/%s/%s.so:\n\n"
                      "    PKG_CONFIG_PATH=",
                      kind, name);
    add_word(out, s->pkgconfig);
    stele__str_append(out, " meson setup build\n    meson test -C build\n\n");
}

static stele_status print_steps(const request *o, const stele__sdk *s)
{
    stele__str out;
    stele__str_init(&out);
    stele__str_printf(&out, "%s/%s is in %s%s\n", o->kind, o->name, o->folder,
                      o->folder[strlen(o->folder) - 1] == '/' ? "" : "/");
    add_steps(&out, o, s);
    stele__str_printf(&out,
                      "Then edit %s/%s.c, which goes step by step; more in README.md and in\n"
                      "%s/write-a-plugin.md.\n",
                      o->kind, o->name, s->docs);
    stele_status status = out.failed ? STELE_E_NOMEM : STELE_OK;
    fputs(out.failed ? "" : out.data, stdout);
    stele__str_finish(&out);
    return status;
}

int stele__cmd_new(int argc, char **argv)
{
    request o = { 0 };
    stele__sdk sdk = { 0 };
    stele__diag diag;
    int code = parse(argc, argv, &o);
    if (code != STELE__EXIT_OK) {
        return code;
    }
    stele__diag_init(&diag);
    stele_status status = check_free(&o, &diag);
    if (status == STELE_OK) {
        status = stele__sdk_find(&sdk);
    }
    if (status == STELE_OK) {
        const stele__template_words words = { o.kind, o.name, sdk.docs, sdk.pkgconfig };
        status = stele__template_write(&words, o.folder, &diag);
    }
    if (status == STELE_OK) {
        status = print_steps(&o, &sdk);
    }
    stele__sdk_finish(&sdk);
    return stele__cli_finish(&diag, status);
}
