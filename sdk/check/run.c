/* One check in a process of its own: limits, what it says through a pipe, how it ended as a verdict. */
#include "check.h"
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

check_trial *check_running;
static int pipe_to_parent = -1;

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
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    /* A worse verdict makes what was said before a side issue, and a skip of a part is none of the whole. */
    if (v > t->verdict && t->verdict != CHECK_PASS) {
        t->n_text = 0;
    } else if (v < t->verdict) {
        return;
    }
    t->verdict = v;
    size_t lines = 0;
    for (size_t i = 0; i < t->n_text; i++) {
        lines += t->text[i] == '\n';
    }
    size_t n = strlen(line);
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

static void write_all(int fd, const void *bytes, size_t n)
{
    const char *at = bytes;
    while (n > 0) {
        ssize_t k = write(fd, at, n);
        if (k <= 0 && errno != EINTR) {
            return;
        }
        at += k > 0 ? k : 0;
        n -= k > 0 ? (size_t)k : 0;
    }
}

static void hand_over(check_verdict v, const char *text, size_t n)
{
    outcome o = { .magic = MAGIC, .verdict = (uint32_t)v, .n_text = n };
    write_all(pipe_to_parent, &o, sizeof o);
    write_all(pipe_to_parent, text, n);
}

void check_bail(const char *text)
{
    if (pipe_to_parent >= 0) {
        hand_over(CHECK_FAIL, text, strlen(text));
        _exit(0);
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
    t->check->run(t);
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

static void child(const check_subject *s, size_t index, check_trial *t)
{
    /* What the plugin prints is dropped, but by the check that looks for it. */
    int null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    dup2(null, 1);
    dup2(null, 2);
    setpgid(0, 0);
    limit(RLIMIT_CORE, 0);
#ifndef __SANITIZE_ADDRESS__ /* which maps terabytes */
    limit(RLIMIT_AS, (rlim_t)8 << 30);
#endif
    guard_signals();
    run_here(s, index, t);
    hand_over(t->verdict, t->text, t->n_text);
    _exit(0);
}

double check_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

/* Read until the child closes its end. 0: the time was up first. */
static int collect(int fd, double until, char *buffer, size_t size, size_t *ret_n)
{
    *ret_n = 0;
    for (;;) {
        double left = until - check_now();
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int ready = left > 0.0 ? poll(&p, 1, (int)(left * 1000.0) + 1) : 0;
        if (ready == 0) {
            return 0;
        }
        if (ready < 0) {
            continue; /* a signal: what is left of the time is worked out anew */
        }
        ssize_t k = read(fd, buffer + *ret_n, size - *ret_n);
        if (k <= 0) {
            return 1;
        }
        *ret_n += (size_t)k;
    }
}

static void judge(check_trial *t, int status, const char *buffer, size_t n)
{
    outcome o = { 0 };
    memcpy(&o, buffer, n < sizeof o ? n : sizeof o);
    if (n >= sizeof o && o.magic == MAGIC && o.n_text == n - sizeof o && o.n_text < sizeof t->text) {
        t->verdict = (check_verdict)o.verdict;
        t->n_text = (size_t)o.n_text;
        memcpy(t->text, buffer + sizeof o, t->n_text);
        t->text[t->n_text] = '\0';
    } else if (WIFSIGNALED(status)) {
        check_say(t, CHECK_CRASH, "died of signal %d: %s", WTERMSIG(status), strsignal(WTERMSIG(status)));
    } else {
        check_fail(t, "the plugin ended the process with exit status %d", WEXITSTATUS(status));
    }
}

void check_run(const check_subject *s, size_t index, const check_case *c, check_trial *ret)
{
    static char buffer[sizeof(outcome) + sizeof ret->text];
    double start = check_now();
    int ends[2], status = 0;
    *ret = (check_trial){ .subject = s, .check = c };
    if (s->in_process) {
        run_here(s, index, ret);
        ret->seconds = check_now() - start;
        return;
    }
    if (pipe(ends) != 0) {
        check_say(ret, CHECK_CRASH, "no pipe: %s", strerror(errno));
        return;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        pipe_to_parent = ends[1];
        child(s, index, ret);
    }
    close(ends[1]);
    size_t n = 0;
    int done = pid > 0 && collect(ends[0], start + s->timeout, buffer, sizeof buffer, &n);
    if (pid > 0 && !done) {
        kill(-pid, SIGKILL);
        kill(pid, SIGKILL);
    }
    close(ends[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (pid < 0) {
        check_say(ret, CHECK_CRASH, "no process: %s", strerror(errno));
    } else if (!done) {
        check_say(ret, CHECK_TIMEOUT, "not done after %g s", s->timeout);
    } else {
        judge(ret, status, buffer, n);
    }
    ret->plugin = NULL;
    ret->seconds = check_now() - start;
}
