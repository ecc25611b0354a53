/* Checks of the file itself: none of them makes an instance. */
#include "check.h"
#include "elf.h"
#include "sense.h"

#include <dlfcn.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

typedef struct symbols {
    check_trial *t;
    int n_exports, has_query;
} symbols;

static void on_symbol(void *user, const char *name, int defined)
{
    /* What linkers and sanitizers add is not the author's. */
    static const char *const linker[] = { "_init", "_fini", "__bss_start", "_edata", "_end" };
    symbols *s = user;
    for (size_t i = 0; i < sizeof linker / sizeof linker[0]; i++) {
        if (strcmp(name, linker[i]) == 0) {
            return;
        }
    }
    if (!defined || strncmp(name, "__asan", 6) == 0 || strncmp(name, "__odr_asan", 10) == 0) {
        return;
    }
    s->n_exports++;
    if (strcmp(name, "stele_plugin_query") == 0) {
        s->has_query = 1;
    } else {
        check_fail(s->t, "exports `%s`: compile with -fvisibility=hidden, or make it static", name);
    }
}

static void *load(check_trial *t)
{
    void *handle = dlopen(t->subject->file, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        const char *why = dlerror();
        check_fail(t, "cannot be loaded: %s", why != NULL ? why : "unknown reason");
    }
    return handle;
}

void check_abi_exports(check_trial *t)
{
    symbols s = { .t = t };
    if (!elf_symbols(t->subject->file, on_symbol, &s)) {
        check_fail(t, "has no table of dynamic symbols");
    } else if (!s.has_query) {
        check_fail(t, "does not export stele_plugin_query: STELE_LIBRARY(&plugin) at the end of the file makes it");
    }
    load(t);
}

static void on_import(void *user, const char *name, int defined)
{
    static const struct {
        const char *name, *why;
        check_verdict v;
    } bad[] = {
        { "exit", "ends the process", CHECK_FAIL },
        { "_exit", "ends the process", CHECK_FAIL },
        { "_Exit", "ends the process", CHECK_FAIL },
        { "quick_exit", "ends the process", CHECK_FAIL },
        { "abort", "ends the process", CHECK_FAIL },
        { "__assert_fail", "ends the process: return a status instead of assert", CHECK_WARN },
        { "rand", "hidden state: noise comes from ops->noise", CHECK_FAIL },
        { "srand", "hidden state: noise comes from ops->noise", CHECK_FAIL },
        { "rand_r", "own random numbers: noise comes from ops->noise", CHECK_FAIL },
        { "random", "hidden state: noise comes from ops->noise", CHECK_FAIL },
        { "srandom", "hidden state: noise comes from ops->noise", CHECK_FAIL },
        { "drand48", "hidden state: noise comes from ops->noise", CHECK_FAIL },
        { "getrandom", "not repeatable: noise comes from ops->noise", CHECK_FAIL },
        { "arc4random", "not repeatable: noise comes from ops->noise", CHECK_FAIL },
        { "time", "depends on the time", CHECK_FAIL },
        { "gettimeofday", "depends on the time", CHECK_FAIL },
        { "clock_gettime", "depends on the time", CHECK_FAIL },
        { "clock", "depends on the time", CHECK_FAIL },
        { "lrand48", "hidden state: noise comes from ops->noise", CHECK_FAIL },
        { "erand48", "own random numbers: noise comes from ops->noise", CHECK_FAIL },
        { "random_r", "own random numbers: noise comes from ops->noise", CHECK_FAIL },
        { "fork", "starts a process", CHECK_FAIL },
        { "system", "starts a process", CHECK_FAIL },
        { "setlocale", "changes the process", CHECK_FAIL },
        { "signal", "changes the process", CHECK_FAIL },
        { "sigaction", "changes the process", CHECK_FAIL },
        { "chdir", "changes the process", CHECK_FAIL },
        { "setenv", "changes the process", CHECK_FAIL },
        { "putenv", "changes the process", CHECK_FAIL },
        { "feenableexcept", "changes the floating-point environment", CHECK_FAIL },
        { "printf", "prints: use host->log", CHECK_FAIL },
        { "__printf_chk", "prints: use host->log", CHECK_FAIL },
        { "vprintf", "prints: use host->log", CHECK_FAIL },
        { "puts", "prints: use host->log", CHECK_FAIL },
        { "putchar", "prints: use host->log", CHECK_FAIL },
        { "perror", "prints: use host->log", CHECK_FAIL },
    };
    for (size_t i = 0; !defined && i < sizeof bad / sizeof bad[0]; i++) {
        if (strcmp(name, bad[i].name) == 0) {
            check_say(user, bad[i].v, "calls %s(): %s", name, bad[i].why);
        }
    }
}

void check_abi_imports(check_trial *t)
{
    if (!elf_symbols(t->subject->file, on_import, t)) {
        check_fail(t, "has no table of dynamic symbols");
    }
}

static stele_plugin_query_fn *query_of(check_trial *t)
{
    void *handle = load(t);
    void *symbol = handle != NULL ? dlsym(handle, "stele_plugin_query") : NULL;
    stele_plugin_query_fn *query = NULL;
    memcpy(&query, &symbol, sizeof query); /* ISO C converts no object pointer to a function's */
    if (handle != NULL && query == NULL) {
        check_fail(t, "has no function stele_plugin_query");
    }
    return query;
}

void check_abi_query_pure(check_trial *t)
{
    sense before;
    stele_plugin_query_fn *query = query_of(t);
    if (query == NULL) {
        return;
    }
    int file = memfd_create("printed", 0), kept = dup(1), kept_error = dup(2);
    dup2(file, 1);
    dup2(file, 2);
    sense_take(&before);
    const stele_library *first = query(STELE_ABI_MAJOR, STELE_ABI_MINOR);
    const stele_library *second = query(STELE_ABI_MAJOR, STELE_ABI_MINOR);
    const stele_library *unknown = query(STELE_ABI_MAJOR + 1000, 0);
    const char *change = sense_other_change(&before);
    fflush(NULL);
    off_t printed = lseek(file, 0, SEEK_END);
    dup2(kept, 1);
    dup2(kept_error, 2);
    close(kept);
    close(kept_error);
    close(file);
    if (first != second) {
        check_fail(t, "two calls of stele_plugin_query gave different pointers");
    }
    if (first == NULL) {
        check_fail(t, "stele_plugin_query gave NULL for ABI %u.%u", STELE_ABI_MAJOR, STELE_ABI_MINOR);
    }
    if (unknown != NULL) {
        check_fail(t, "stele_plugin_query gave a library for ABI %u, which does not exist", STELE_ABI_MAJOR + 1000);
    }
    if (change != NULL) {
        check_fail(t, "stele_plugin_query: %s", change);
    }
    if (printed > 0) {
        check_fail(t, "stele_plugin_query printed %lld bytes", (long long)printed);
    }
}

void check_abi_sizes(check_trial *t)
{
    stele__library *library = NULL;
    char why[1024];
    if (!check_open(t->subject, &library, why, sizeof why)) {
        check_fail(t, "%s", why);
        return;
    }
    for (size_t i = 0; i < library->n; i++) {
        const stele_plugin *p = &library->plugin[i].desc;
        if ((p->caps & ~STELE_CAP_KNOWN) != 0) {
            check_say(t, CHECK_WARN, "%s promises capabilities 0x%llx, which have no check", p->id,
                      (unsigned long long)(p->caps & ~STELE_CAP_KNOWN));
        }
        if ((p->must_understand & ~p->caps) != 0) {
            check_fail(t, "%s insists on capabilities that it does not promise", p->id);
        }
        if (strchr(p->summary, '\n') != NULL) {
            check_fail(t, "the summary of %s has more than one line", p->id);
        }
    }
    stele__library_destroy(library);
}

void check_fp_load(check_trial *t)
{
    sense before;
    sense_take(&before);
    stele_plugin_query_fn *query = query_of(t);
    if (query != NULL) {
        query(STELE_ABI_MAJOR, STELE_ABI_MINOR);
    }
    const char *change = sense_float_change(&before);
    if (change != NULL) {
        check_fail(t, "loading: %s", change);
    }
}

void check_scan_budget(check_trial *t)
{
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    stele_plugin_query_fn *query = query_of(t);
    if (query != NULL) {
        query(STELE_ABI_MAJOR, STELE_ABI_MINOR);
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    double ms = 1e3 * (double)(b.tv_sec - a.tv_sec) + 1e-6 * (double)(b.tv_nsec - a.tv_nsec);
    if (ms > 50.0) {
        check_say(t, CHECK_WARN, "took %.0f ms", ms);
    }
}
