#include "plugin/places.h"

#include "base/file.h"
#include "base/mem.h"
#include "plugin/places_config.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Takes `folder` over. */
static stele_status add(stele__places *p, char *folder)
{
    char **bigger = folder != NULL ? stele__realloc(p->folder, (p->n + 1) * sizeof *bigger) : NULL;
    if (bigger == NULL) {
        stele__free(folder);
        return STELE_E_NOMEM;
    }
    p->folder = bigger;
    p->folder[p->n++] = folder;
    return STELE_OK;
}

static stele_status add_listed(stele__places *p, const char *listed, stele__diag *diag)
{
    stele_status status = STELE_OK;
    int empty = 0;
    while (status == STELE_OK && listed != NULL && *listed != '\0') {
        size_t len = strcspn(listed, ":");
        if (listed[0] == '/') {
            status = add(p, stele__strndup(listed, len));
        } else if (len != 0) {
            stele__diag_warning(diag, NULL,
                                "STELE_PLUGIN_PATH: `%.*s` is not an absolute path: left out",
                                (int)len, listed);
        }
        /* At the front, at the end, or between two colons. */
        empty |= len == 0 || strcmp(listed + len, ":") == 0;
        listed += len + (listed[len] == ':');
    }
    if (empty) {
        stele__diag_warning(diag, NULL,
                            "STELE_PLUGIN_PATH: an empty element would be the working directory, "
                            "from which nothing is loaded: left out");
    }
    return status;
}

int stele__place_is_built(const stele__layout *layout, const char *program)
{
    size_t len = strlen(layout->build_root);
    return strncmp(program, layout->build_root, len) == 0 && program[len] == '/';
}

char *stele__place_installed(const stele__layout *layout, const char *program)
{
    char real[PATH_MAX];
    char *folder = stele__path_folder(program);
    char *moved = folder != NULL ? stele__path_join(folder, layout->from_program) : NULL;
    char *found = NULL;
    if (moved != NULL) {
        found = stele__strdup(realpath(moved, real) != NULL ? real : layout->installed);
    }
    stele__free(moved);
    stele__free(folder);
    return found;
}

stele_status stele__places_find(const stele__layout *layout, const char *listed,
                                const char *program, stele__places *ret, stele__diag *diag)
{
    stele__places p = { 0 };
    stele_status status = add_listed(&p, listed, diag);
    if (status == STELE_OK && stele__place_is_built(layout, program)) {
        status = add(&p, stele__path_join(layout->build_root, "plugins"));
    }
    if (status == STELE_OK) {
        status = add(&p, stele__place_installed(layout, program));
    }
    if (status != STELE_OK) {
        stele__places_finish(&p);
        return status;
    }
    *ret = p;
    return STELE_OK;
}

char *stele__program_path(void)
{
    char program[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    program[len > 0 ? len : 0] = '\0';
    return stele__strdup(program);
}

stele_status stele__places_default(stele__places *ret, stele__diag *diag)
{
    static const stele__layout layout = { STELE_BUILD_ROOT, STELE_INSTALLED_PLUGINS,
                                          STELE_PLUGINS_FROM_PROGRAM };
    char *program = stele__program_path();
    stele_status status =
        program != NULL
            ? stele__places_find(&layout, secure_getenv("STELE_PLUGIN_PATH"), program, ret, diag)
            : STELE_E_NOMEM;
    stele__free(program);
    return status;
}

void stele__places_finish(stele__places *places)
{
    for (size_t i = 0; i < places->n; i++) {
        stele__free(places->folder[i]);
    }
    stele__free(places->folder);
    memset(places, 0, sizeof *places);
}
