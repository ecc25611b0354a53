#include "plugin/listing.h"

#include "base/child.h"
#include "base/mem.h"
#include "base/str.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* A plugin's constructors and its query function should take no time at all. */
enum { PATIENCE = 10 /* seconds */, LONGEST_REPORT = 1 << 16, N_TEXTS = 5 };

/* In the child: a crash ends it, whatever handlers the program has, and leaves no core file. */
static void prepare_child(void)
{
    const int crashes[] = { SIGSEGV, SIGILL, SIGBUS, SIGFPE, SIGABRT, SIGTRAP, SIGINT, SIGTERM };
    for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++) {
        signal(crashes[i], SIG_DFL);
    }
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    int null = open("/dev/null", O_RDWR);
    if (null >= 0) {
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
    }
}

/* In the child: open the plugin and send its report: five strings, each with its final NUL: the
 * reason of a refusal (or ""), version, summary, license, reference. The child's exit status. */
static int report(const stele__registry *registry, const stele__candidate *c,
                  const stele__child *self)
{
    stele__library *lib = NULL;
    stele__diag diag;
    stele__diag_init(&diag);
    prepare_child();
    stele_status status = stele__candidate_open(registry, c, &lib, &diag);
    const char *text[N_TEXTS] = { "", "", "", "", "" };
    if (status != STELE_OK) {
        text[0] = stele__status_text(status);
        for (size_t i = 0; i < diag.n; i++) {
            text[0] = diag.message[i].severity == STELE__ERROR ? diag.message[i].text : text[0];
        }
    } else {
        text[0] = "it holds no plugin of the kind that its folder is for";
        for (size_t i = 0; i < lib->n; i++) {
            const stele_plugin *p = &lib->plugin[i].desc;
            if (p->kind == c->kind) {
                text[0] = "";
                text[1] = p->version;
                text[2] = p->summary;
                text[3] = p->license;
                text[4] = p->reference != NULL ? p->reference : "";
            }
        }
    }
    for (int i = 0; i < N_TEXTS; i++) {
        if (stele__child_say(self, text[i], strlen(text[i]) + 1) != 0) {
            return STELE__CHILD_UNHEARD;
        }
    }
    return 0;
}

/* Start a child that reports on a candidate; hear its report, as much as it sends. Never inlined: a
 * child forgets nothing that its parent holds, which is a leak to valgrind. */
__attribute__((noinline)) static stele_status
ask(const stele__registry *registry, const stele__candidate *c, char *text, stele__child *ret)
{
    if (stele__child_start(ret) == 0) {
        _exit(report(registry, c, ret));
    }
    if (ret->pid < 0) {
        return STELE_E_IO;
    }
    stele__child_hear(ret, PATIENCE, text, LONGEST_REPORT);
    return STELE_OK;
}

static char *copy_or_null(const char *text)
{
    return text[0] != '\0' ? stele__strdup(text) : NULL;
}

/* Without the "PATH: " that every refusal starts with: the listing shows the origin anyway. */
static const char *without_origin(const char *text, const char *origin)
{
    size_t len = strlen(origin);
    return strncmp(text, origin, len) == 0 && strncmp(text + len, ": ", 2) == 0 ? text + len + 2
                                                                                : text;
}

/* Five strings of a report into an entry; 0 if it is not whole. */
static int parse(const char *data, size_t len, stele__listed *item)
{
    const char *text[N_TEXTS];
    for (int i = 0; i < N_TEXTS; i++) {
        const char *end = memchr(data, '\0', len);
        if (end == NULL) {
            return 0;
        }
        text[i] = data;
        len -= (size_t)(end + 1 - data);
        data = end + 1;
    }
    item->refused = copy_or_null(without_origin(text[0], item->origin));
    item->version = copy_or_null(text[1]);
    item->summary = copy_or_null(text[2]);
    item->license = copy_or_null(text[3]);
    item->reference = copy_or_null(text[4]);
    return 1;
}

static char *describe_end(const stele__child *c)
{
    stele__str s;
    stele__str_init(&s);
    if (!c->in_time) {
        stele__str_printf(&s, "loading it takes longer than %d s", PATIENCE);
    } else if (WIFSIGNALED(c->status)) {
        stele__str_printf(&s, "crashes while it is loaded: %s", strsignal(WTERMSIG(c->status)));
    } else if (WEXITSTATUS(c->status) == STELE__CHILD_UNHEARD) {
        stele__str_append(&s, "closes files of the program while it is loaded");
    } else {
        stele__str_printf(&s, "ends the program while it is loaded, exit status %d",
                          WEXITSTATUS(c->status));
    }
    return stele__str_take(&s);
}

static stele_status list_one(const stele__registry *registry, const stele__candidates *all,
                             size_t i, stele__listed *item)
{
    const stele__candidate *c = &all->item[i];
    const stele__candidate *by = &all->item[c->by];
    stele__child child;
    item->kind = c->kind;
    item->name = stele__strdup(c->name);
    item->origin = stele__strdup(c->path != NULL ? c->path : STELE__BUILT_IN);
    if (item->name == NULL || item->origin == NULL) {
        return STELE_E_NOMEM;
    }
    if (by != c) {
        item->shadowed_by = stele__strdup(by->path != NULL ? by->path : STELE__BUILT_IN);
    }
    char *text = stele__malloc(LONGEST_REPORT);
    stele_status status = text != NULL ? ask(registry, c, text, &child) : STELE_E_NOMEM;
    if (status == STELE_OK && !(child.in_time && parse(text, child.n, item))) {
        item->refused = describe_end(&child);
        status = item->refused != NULL ? STELE_OK : STELE_E_NOMEM;
    }
    stele__free(text);
    return status;
}

/* Candidates begin .. end - 1. */
static stele_status list_range(const stele__registry *registry, const stele__candidates *all,
                               size_t begin, size_t end, stele__listing *ret)
{
    stele__listing listing = { .item = stele__calloc(end - begin + 1, sizeof *listing.item) };
    stele_status status = listing.item != NULL ? STELE_OK : STELE_E_NOMEM;
    for (size_t i = begin; status == STELE_OK && i < end; i++) {
        status = list_one(registry, all, i, &listing.item[listing.n++]);
    }
    if (status != STELE_OK) {
        stele__listing_finish(&listing);
        return status;
    }
    *ret = listing;
    return STELE_OK;
}

stele_status stele__candidate_list(const stele__registry *registry,
                                   const stele__candidates *candidates, size_t i,
                                   stele__listing *ret)
{
    return list_range(registry, candidates, i, i + 1, ret);
}

stele_status stele__registry_list(const stele__registry *registry, stele__listing *ret)
{
    stele__candidates all;
    stele_status status = stele__registry_candidates(registry, &all);
    if (status != STELE_OK) {
        return status;
    }
    status = list_range(registry, &all, 0, all.n, ret);
    stele__candidates_finish(&all);
    return status;
}

void stele__listing_finish(stele__listing *listing)
{
    for (size_t i = 0; i < listing->n; i++) {
        stele__listed *l = &listing->item[i];
        char *const owned[] = { l->name,    l->origin,    l->version, l->summary,
                                l->license, l->reference, l->refused, l->shadowed_by };
        for (size_t k = 0; k < sizeof owned / sizeof owned[0]; k++) {
            stele__free(owned[k]);
        }
    }
    stele__free(listing->item);
    memset(listing, 0, sizeof *listing);
}
