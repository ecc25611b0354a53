#include "plugin/loader.h"

#include "base/mem.h"
#include "base/str.h"
#include "plugin/crash.h"
#include "plugin/environment.h"
#include "plugin/trust.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* What `query` or dlopen did to the process is put back. */
static void restore(const stele__environment *before, const char *path, stele__diag *diag)
{
    const char *change = stele__environment_restore(before);
    if (change != NULL && strcmp(change, "the locale") == 0) {
        stele__diag_warning(diag, NULL, "%s: loading it changed the locale; restored", path);
    } else if (change != NULL) {
        stele__diag_warning(diag, NULL,
                            "%s: loading it changed the floating-point environment (%s); restored",
                            path, change);
    }
}

/* dlerror's text without the path that its messages mostly start with. */
static const char *reason_of(const char *text, const char *path)
{
    size_t len = strlen(path);
    if (text == NULL) {
        return "unknown reason";
    }
    return strncmp(text, path, len) == 0 && strncmp(text + len, ": ", 2) == 0 ? text + len + 2
                                                                              : text;
}

/* ISO C has no conversion between object and function pointers; POSIX promises that their bytes
 * agree. */
static stele_plugin_query_fn *entry_of(void *handle)
{
    void *symbol = dlsym(handle, "stele_plugin_query");
    stele_plugin_query_fn *query = NULL;
    memcpy(&query, &symbol, sizeof query);
    return query;
}

/* Code of a file that runs while it is opened: constructors and the query function. */
static stele_status load(const char *path, const char *stem, stele__library **ret,
                         stele__diag *diag)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        return stele__diag_error(diag, STELE_E_ABI, NULL, "%s: cannot load: %s", path,
                                 reason_of(dlerror(), path));
    }
    stele_plugin_query_fn *query = entry_of(handle);
    if (query == NULL) {
        return stele__diag_error(diag, STELE_E_ABI, NULL,
                                 "%s: is no plugin: it has no function stele_plugin_query", path);
    }
    return stele__library_accept(query, path, stem, ret, diag);
}

static stele_status load_named(const char *path, const char *stem, const stele__place *at,
                               stele__library **ret, stele__diag *diag)
{
    stele__diag crash;
    stele__culprit file;
    stele__diag_init(&crash);
    (void)stele__diag_error(&crash, STELE_E_INTERNAL, at, "%s: " STELE__CULPRIT_MARK, path);
    stele__diag_hint(&crash, "to look into it: stele-check %s", path);
    stele_status status = stele__culprit_init(&file, &crash);
    stele__diag_finish(&crash);
    if (status == STELE_OK) {
        stele__crash_enter(&file, "loading it");
        status = load(path, stem, ret, diag);
        stele__crash_leave();
    }
    stele__culprit_finish(&file);
    return status;
}

static stele_status open_real(const char *path, int allow_unsafe, const stele__place *at,
                              stele__library **ret, stele__diag *diag)
{
    stele__environment before;
    stele_status status = stele__file_trust(path, allow_unsafe, diag);
    if (status != STELE_OK) {
        return status;
    }
    const char *base = strrchr(path, '/') + 1;
    size_t len = strlen(base);
    if (len < 4 || strcmp(base + len - 3, ".so") != 0) {
        return stele__diag_error(diag, STELE_E_ABI, NULL, "%s: plugins are called NAME.so", path);
    }
    char *stem = stele__strndup(base, len - 3);
    if (stem == NULL) {
        return STELE_E_NOMEM;
    }
    stele__environment_save(&before);
    status = load_named(path, stem, at, ret, diag);
    restore(&before, path, diag);
    stele__free(stem);
    return status;
}

stele_status stele__library_open(const char *path, int allow_unsafe, const stele__place *at,
                                 stele__library **ret, stele__diag *diag)
{
    /* A link may lead out of a safe folder, and one file must not be loaded under two names. */
    char real[PATH_MAX];
    if (realpath(path, real) == NULL) {
        return stele__diag_error(diag, STELE_E_IO, NULL, "%s: cannot open: %s", path,
                                 strerror(errno));
    }
    return open_real(real, allow_unsafe, at, ret, diag);
}
