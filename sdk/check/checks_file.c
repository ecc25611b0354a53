/* Checks of the file itself: none of them makes an instance. */
#include "check.h"
#include "elf.h"
#include "sense.h"

#include <dlfcn.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

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

/* Names between blanks. Functions of the printf family print where their stream is one of these two. */
static const struct {
    check_verdict v;
    const char *why, *names;
} bad_imports[] = {
    { CHECK_FAIL, "ends the process", " exit _exit _Exit quick_exit abort raise kill killpg tgkill pthread_kill " },
    { CHECK_WARN, "ends the process: return a status instead of assert", " __assert_fail __assert " },
    { CHECK_FAIL, "noise comes from ops->noise, which is the same in every run",
      " rand srand rand_r random srandom initstate setstate random_r srandom_r initstate_r setstate_r drand48 erand48 "
      "lrand48 nrand48 mrand48 jrand48 srand48 seed48 lcong48 drand48_r erand48_r lrand48_r nrand48_r mrand48_r "
      "jrand48_r srand48_r seed48_r lcong48_r getrandom getentropy arc4random arc4random_buf arc4random_uniform " },
    { CHECK_FAIL, "depends on the time", " time gettimeofday clock_gettime clock timespec_get ftime times " },
    { CHECK_WARN, "results must not depend on the environment", " getenv secure_getenv __secure_getenv " },
    { CHECK_FAIL, "starts a process",
      " fork vfork _Fork clone system popen posix_spawn posix_spawnp execl execlp execle execv execvp execvpe execve "
      "fexecve " },
    { CHECK_FAIL, "starts a thread: the host splits the work", " pthread_create thrd_create " },
    { CHECK_FAIL, "changes the process",
      " setlocale signal sigaction sigprocmask pthread_sigmask sigaltstack alarm ualarm setitimer timer_create chdir "
      "fchdir chroot umask setenv unsetenv putenv clearenv setrlimit atexit on_exit at_quick_exit " },
    { CHECK_WARN, "leaves something to do when the program ends: atexit(), or a C++ object with a destructor",
      " __cxa_atexit " },
    { CHECK_FAIL, "changes the floating-point environment", " feenableexcept " },
    { CHECK_FAIL, "prints: use host->log",
      " printf __printf_chk vprintf __vprintf_chk puts putchar perror stdout stderr dprintf __dprintf_chk vdprintf "
      "__vdprintf_chk psignal err errx warn warnx verr verrx vwarn vwarnx syslog " },
};

static void on_import(void *user, const char *name, int defined)
{
    char word[64];
    int n = snprintf(word, sizeof word, " %s ", name);
    for (size_t i = 0; !defined && n < (int)sizeof word && i < sizeof bad_imports / sizeof bad_imports[0]; i++) {
        if (strstr(bad_imports[i].names, word) != NULL) {
            int is_stream = strcmp(name, "stdout") == 0 || strcmp(name, "stderr") == 0;
            check_say(user, bad_imports[i].v, "%s %s%s: %s", is_stream ? "writes to" : "calls", name,
                      is_stream ? "" : "()", bad_imports[i].why);
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
    capture c;
    char printed[200];
    capture_start(&c);
    stele_plugin_query_fn *query = query_of(t);
    if (capture_end(&c, printed, sizeof printed)) {
        check_fail(t, "printed \"%s\" while it was loaded", printed);
    }
    if (query == NULL) {
        return;
    }
    capture_start(&c);
    sense_take(&before);
    const stele_library *first = query(STELE_ABI_MAJOR, STELE_ABI_MINOR);
    const stele_library *second = query(STELE_ABI_MAJOR, STELE_ABI_MINOR);
    const stele_library *unknown = query(STELE_ABI_MAJOR + 1000, 0);
    const char *change = sense_other_change(&before);
    if (capture_end(&c, printed, sizeof printed)) {
        check_fail(t, "stele_plugin_query printed \"%s\"", printed);
    }
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
