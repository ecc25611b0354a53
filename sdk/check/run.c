/* One check in a process of its own: limits, what it says through a pipe, how it ended as a verdict. */
#include "check.h"
#include "guard.h"
#include "rig.h"

#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

check_trial *check_running;
static const stele__child *self; /* of a process that runs one check; NULL: the program itself */

/* What a child writes when it is done: without it, it did not get that far. */
typedef struct outcome {
    uint32_t magic, verdict;
    uint64_t n_text;
} outcome;
enum { MAGIC = 0x57E1E };

const char *check_verdict_name(check_verdict v)
{
    static const char *const name[] = { "pass", "skip", "warn", "hollow", "fail", "crash", "timeout" };
    return name[v];
}

void check_say(check_trial *t, check_verdict v, const char *fmt, ...)
{
    char line[1024];
    va_list args;
    int n_before = t->experts > 0 ? snprintf(line, sizeof line, "%u modalities: ", t->experts) : 0;
    va_start(args, fmt);
    vsnprintf(line + n_before, sizeof line - (size_t)n_before, fmt, args);
    va_end(args);
    /* A worse verdict makes what was said before a side issue, and a skip of a part is none of the whole. */
    if (v > t->verdict && t->verdict != CHECK_PASS) {
        t->n_text = 0;
    } else if (v < t->verdict) {
        return;
    }
    t->verdict = v;
    size_t lines = 0, n = strlen(line);
    for (size_t i = 0, begin = 0; i < t->n_text; i++) {
        if (t->text[i] == '\n') {
            if (i - begin == n && memcmp(t->text + begin, line, n) == 0) {
                return; /* said already, of other rows or calls */
            }
            begin = i + 1;
            lines++;
        }
    }
    if (lines < 6 && t->n_text + n + 2 < sizeof t->text) {
        memcpy(t->text + t->n_text, line, n);
        t->n_text += n;
        t->text[t->n_text++] = '\n';
        t->text[t->n_text] = '\0';
    }
}

int check_promises_double(check_trial *t)
{
    if ((t->plugin->desc.caps & STELE_CAP_F64) != 0) {
        return 1;
    }
    check_say(t, CHECK_HOLLOW, "the plugin does not promise double (STELE_CAP_F64): its derivatives were not compared");
    return 0;
}

_Noreturn static void hand_over(check_verdict v, const char *text, size_t n)
{
    outcome o = { .magic = MAGIC, .verdict = (uint32_t)v, .n_text = n };
    int failed = stele__child_say(self, &o, sizeof o) != 0 || stele__child_say(self, text, n) != 0;
    _exit(failed ? STELE__CHILD_UNHEARD : 0);
}

void check_bail(const char *text)
{
    if (self != NULL) {
        hand_over(CHECK_FAIL, text, strlen(text));
    }
}

/* Rules of fusion have to do with any number of modalities. */
static void run_sizes(check_trial *t)
{
    static const uint32_t more[] = { 1, 2, 6 };
    int again = (t->check->kinds & CHECK_ANY_NUMBER) != 0 && t->plugin->desc.kind == STELE_FUSION;
    t->check->run(t);
    for (size_t i = 0; again && i < sizeof more / sizeof more[0] && t->verdict < CHECK_FAIL; i++) {
        t->experts = more[i];
        if (rig_takes_experts(t)) {
            t->check->run(t);
        }
    }
}

static void run_here(const check_subject *s, size_t index, check_trial *t)
{
    stele__library *library = NULL;
    char why[1024];
    check_running = t;
    if (t->check->kinds != CHECK_OF_FILE) {
        if (!check_open(s, &library, why, sizeof why) || index >= library->n) {
            check_fail(t, "%s", why);
            return;
        }
        t->plugin = &library->plugin[index];
    }
    run_sizes(t);
    guard_free(t, 0);
    stele__library_destroy(library);
    t->plugin = NULL;
}

static void limit(int resource, rlim_t soft)
{
    struct rlimit r;
    if (getrlimit(resource, &r) == 0) {
        r.rlim_cur = soft < r.rlim_max ? soft : r.rlim_max;
        setrlimit(resource, &r);
    }
}

void check_hush(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; null >= 0 && fd < 3; fd++) {
        dup2(null, fd);
    }
    if (null > 2) {
        close(null);
    }
}

_Noreturn static void child(const check_subject *s, size_t index, check_trial *t)
{
    check_hush();
    setpgid(0, 0);
    limit(RLIMIT_CORE, 0);
#ifndef __SANITIZE_ADDRESS__ /* which maps terabytes */
    limit(RLIMIT_AS, (rlim_t)8 << 30);
#endif
    guard_signals();
    run_here(s, index, t);
    hand_over(t->verdict, t->text, t->n_text);
}

double check_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static void judge(check_trial *t, const stele__child *c, const char *buffer)
{
    static const char closed[] = "the plugin closed a file that is not its own, the pipe of the checker";
    outcome o = { 0 };
    size_t n = c->n;
    memcpy(&o, buffer, n < sizeof o ? n : sizeof o);
    if (!c->in_time) {
        if (c->passed < 1.5 * t->subject->timeout) {
            check_say(t, CHECK_TIMEOUT, "not done after %g s", t->subject->timeout);
        } else {
            check_say(t, CHECK_TIMEOUT, "not done after %.1f s of processor time, %.1f s by the clock", c->computed,
                      c->passed);
        }
        if (c->deaf) {
            check_say(t, CHECK_TIMEOUT, "%s", closed);
        }
    } else if (n >= sizeof o && o.magic == MAGIC && o.n_text <= n - sizeof o && o.n_text < sizeof t->text) {
        /* The first word counts: a process of the check's own may have met its end before it. */
        t->verdict = (check_verdict)o.verdict;
        t->n_text = (size_t)o.n_text;
        memcpy(t->text, buffer + sizeof o, t->n_text);
        t->text[t->n_text] = '\0';
    } else if (WIFSIGNALED(c->status)) {
        check_say(t, CHECK_CRASH, "died of signal %d: %s", WTERMSIG(c->status), strsignal(WTERMSIG(c->status)));
    } else if (WEXITSTATUS(c->status) == STELE__CHILD_UNHEARD) {
        check_fail(t, "%s: what the check found is lost", closed);
    } else {
        check_fail(t, "the plugin ended the process with exit status %d", WEXITSTATUS(c->status));
    }
}

void check_run(const check_subject *s, size_t index, const check_case *check, check_trial *ret)
{
    static char buffer[sizeof(outcome) + sizeof ret->text];
    double start = check_now();
    stele__child c;
    *ret = (check_trial){ .subject = s, .check = check };
    fflush(NULL);
    if (s->in_process) {
        run_here(s, index, ret);
    } else if (stele__child_start(&c) == 0) {
        self = &c;
        child(s, index, ret);
    } else if (c.pid < 0) {
        check_say(ret, CHECK_CRASH, "no process: %s", strerror(errno));
    } else {
        stele__child_hear(&c, s->timeout, buffer, sizeof buffer);
        judge(ret, &c, buffer);
    }
    ret->plugin = NULL;
    ret->seconds = check_now() - start;
}
