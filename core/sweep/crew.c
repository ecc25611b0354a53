#include "sweep/crew.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct worker {
    pid_t pid; /* 0: none */
    int done;
    double bytes, started;
} worker;

typedef struct state {
    const stele__crew *crew;
    worker *worker; /* (n) one per task */
    size_t n_running, n_done;
    int n_interrupted;
} state;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double taken(const state *s)
{
    double bytes = 0.0;
    for (size_t i = 0; i < s->crew->n; i++) {
        bytes += s->worker[i].pid != 0 ? s->worker[i].bytes : 0.0;
    }
    return bytes;
}

/* One that is too large for the budget runs alone. */
static void start_some(state *s)
{
    const stele__crew *c = s->crew;
    for (size_t i = 0; i < c->n && s->n_running < c->jobs && s->n_interrupted == 0; i++) {
        worker *w = &s->worker[i];
        int pid = 0;
        if (w->pid != 0 || w->done) {
            continue;
        }
        w->bytes = c->needs(c->ctx, i);
        if (s->n_running > 0 && taken(s) + w->bytes > c->memory) {
            continue;
        }
        int how = c->start(c->ctx, i, &pid);
        if (how == STELE__TASK_DONE) {
            w->done = 1;
            s->n_done++;
        } else if (how == STELE__TASK_STARTED) {
            w->pid = pid;
            w->started = now();
            s->n_running++;
        }
    }
}

static void reap(state *s)
{
    struct rusage usage;
    int status = 0;
    for (pid_t pid; (pid = wait4(-1, &status, WNOHANG, &usage)) > 0;) {
        for (size_t i = 0; i < s->crew->n; i++) {
            worker *w = &s->worker[i];
            if (w->pid == pid) {
                stele__ended how = { .status = status,
                                     .peak_bytes = 1024.0 * (double)usage.ru_maxrss,
                                     .seconds = now() - w->started };
                w->pid = 0;
                s->n_running--;
                s->crew->ended(s->crew->ctx, i, &how);
            }
        }
    }
}

static void interrupt(state *s)
{
    s->n_interrupted++;
    for (size_t i = 0; i < s->crew->n; i++) {
        if (s->worker[i].pid != 0) {
            (void)kill(s->worker[i].pid, SIGTERM);
        }
    }
}

static sigset_t signals_of_interest(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGCHLD);
    return set;
}

stele_status stele__crew_run(const stele__crew *crew)
{
    state s = { .crew = crew, .worker = stele__calloc(crew->n, sizeof *s.worker) };
    sigset_t set = signals_of_interest(), before;
    /* A task that has to wait for another process is asked again that often. */
    const struct timespec pause = { .tv_nsec = 200000000 };
    if (s.worker == NULL) {
        return STELE_E_NOMEM;
    }
    sigprocmask(SIG_BLOCK, &set, &before);
    for (;;) {
        start_some(&s);
        if (s.n_running == 0 && (s.n_interrupted > 0 || s.n_done == crew->n)) {
            break;
        }
        int number = sigtimedwait(&set, NULL, &pause);
        if (number == SIGINT || number == SIGTERM) {
            interrupt(&s);
        }
        reap(&s);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    stele__free(s.worker);
    return s.n_interrupted > 0 ? STELE_E_INTERRUPTED : STELE_OK;
}

int stele__crew_fork(const char *log)
{
    pid_t parent = getpid(), pid = fork();
    if (pid != 0) {
        return pid;
    }
    sigset_t set = signals_of_interest();
    int in = open("/dev/null", O_RDONLY);
    int out = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    /* Ctrl-C reaches the whole group of a terminal: a child in it would get every one twice. */
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent || in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 ||
        dup2(out, 2) < 0) {
        _exit(1);
    }
    close(in);
    close(out);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    return 0;
}
