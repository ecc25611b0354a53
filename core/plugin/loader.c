#include "plugin/loader.h"

#include "base/mem.h"

#include <dlfcn.h>
#include <errno.h>
#include <fenv.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A shared object that was linked with -ffast-math sets the processor to flush subnormal numbers to
 * zero in the thread that loads it, and every thread started later inherits that. Both directions
 * are probed: a subnormal result and a subnormal operand. volatile keeps the compiler from knowing.
 */
static bool flushes_subnormals(void)
{
    volatile float smallest_normal = 1.17549435e-38f, tenth = 0.1f, subnormal = 1e-39f, one = 1.0f;
    volatile float result = smallest_normal * tenth;
    volatile float kept = subnormal * one;
    return result == 0.0f || kept == 0.0f;
}

/* Runs `query` or `dlopen` between guard_start and guard_end. */
typedef struct guard {
    fenv_t before;
    int rounding, traps;
    bool flushes;
} guard;

static void guard_start(guard *g)
{
    fegetenv(&g->before);
    g->rounding = fegetround();
    g->traps = fegetexcept();
    g->flushes = flushes_subnormals();
}

static void guard_end(const guard *g, const char *path, stele__diag *diag)
{
    bool flushes = flushes_subnormals() && !g->flushes;
    bool rounds = fegetround() != g->rounding;
    bool traps = fegetexcept() != g->traps;
    fesetenv(&g->before);
    if (flushes || rounds || traps) {
        stele__diag_warning(diag, NULL,
                            "%s: loading it changed the floating-point environment "
                            "(%s); restored",
                            path,
                            flushes  ? "subnormal numbers became zero: linked with -ffast-math"
                            : rounds ? "the rounding mode"
                                     : "the traps");
    }
}

/* Others must not be able to change code that runs in this process. */
static stele_status check_permissions(const char *path, stele__diag *diag)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        return stele__diag_error(diag, STELE_E_IO, NULL, "%s: cannot open: %s", path,
                                 strerror(errno));
    }
    if (!S_ISREG(st.st_mode)) {
        return stele__diag_error(diag, STELE_E_IO, NULL, "%s: is not a regular file", path);
    }
    if ((st.st_mode & S_IWOTH) != 0) {
        return stele__diag_error(diag, STELE_E_IO, NULL,
                                 "%s: every user may write to this file: not loaded", path);
    }
    char *folder = stele__strndup(path, (size_t)(strrchr(path, '/') - path) + 1);
    if (folder == NULL) {
        return STELE_E_NOMEM;
    }
    stele_status status = STELE_OK;
    if (stat(folder, &st) != 0 || (st.st_mode & S_IWOTH) != 0) {
        status = stele__diag_error(diag, STELE_E_IO, NULL,
                                   "%s: every user may write to its folder: not loaded", path);
    }
    stele__free(folder);
    return status;
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

static stele_status open_real(const char *path, stele__library **ret, stele__diag *diag)
{
    guard g;
    stele_status status = check_permissions(path, diag);
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
    guard_start(&g);
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        status = stele__diag_error(diag, STELE_E_ABI, NULL, "%s: cannot load: %s", path,
                                   reason_of(dlerror(), path));
    } else {
        stele_plugin_query_fn *query = entry_of(handle);
        if (query == NULL) {
            status =
                stele__diag_error(diag, STELE_E_ABI, NULL,
                                  "%s: is no plugin: it has no function stele_plugin_query", path);
        } else {
            status = stele__library_accept(query, path, stem, ret, diag);
        }
    }
    guard_end(&g, path, diag);
    stele__free(stem);
    return status;
}

stele_status stele__library_open(const char *path, stele__library **ret, stele__diag *diag)
{
    /* A link may lead out of a safe folder, and one file must not be loaded under two names. */
    char real[PATH_MAX];
    if (realpath(path, real) == NULL) {
        return stele__diag_error(diag, STELE_E_IO, NULL, "%s: cannot open: %s", path,
                                 strerror(errno));
    }
    return open_real(real, ret, diag);
}
