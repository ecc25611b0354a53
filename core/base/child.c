#include "base/child.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Between two looks at whether the child has ended, in milliseconds: what it says and the closing
 * of the pipe are noticed at once. */
enum { SHORTEST_NAP = 1, LONGEST_NAP = 20 };

pid_t stele__child_start(stele__child *child)
{
    int end[2];
    struct stat st = { 0 };
    *child = (stele__child){ .pid = -1, .fd = -1 };
    if (pipe2(end, O_CLOEXEC) != 0) {
        return -1;
    }
    child->pid = fork();
    int own = child->pid == 0, error = errno;
    child->fd = end[own];
    child->pipe = fstat(child->fd, &st) == 0 ? st.st_ino : 0;
    close(end[!own]);
    if (child->pid < 0) {
        close(child->fd);
    }
    errno = error;
    return child->pid;
}

int stele__child_say(const stele__child *child, const void *bytes, size_t n)
{
    const char *at = bytes;
    struct stat st;
    /* Once closed, its number may be that of another file. */
    if (fstat(child->fd, &st) != 0 || !S_ISFIFO(st.st_mode) || st.st_ino != child->pipe) {
        return -1;
    }
    while (n > 0) {
        ssize_t k = write(child->fd, at, n);
        if (k < 0 && errno != EINTR) {
            return -1;
        }
        at += k > 0 ? k : 0;
        n -= k > 0 ? (size_t)k : 0;
    }
    return 0;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Seconds that the threads of a process have waited for a processor; 0 where nobody tells. */
static double waited(pid_t pid)
{
    char path[96], line[128];
    double sum = 0.0;
    snprintf(path, sizeof path, "/proc/%ld/task", (long)pid);
    DIR *threads = opendir(path);
    for (struct dirent *d; threads != NULL && (d = readdir(threads)) != NULL;) {
        snprintf(path, sizeof path, "/proc/%ld/task/%.20s/schedstat", (long)pid, d->d_name);
        FILE *f = d->d_name[0] != '.' ? fopen(path, "re") : NULL;
        char *end;
        if (f != NULL && fgets(line, sizeof line, f) != NULL && (strtod(line, &end), *end == ' ')) {
            sum += 1e-9 * strtod(end, NULL);
        }
        if (f != NULL) {
            fclose(f);
        }
    }
    if (threads != NULL) {
        closedir(threads);
    }
    return sum;
}

/* Has the child had its time? What sleeps has after `seconds` by the clock; what computes, or
 * waits for a processor, is not to blame for other work on the machine. */
static int has_had(stele__child *child, double start, double seconds)
{
    clockid_t clock;
    struct timespec t;
    child->passed = now() - start;
    if (child->passed < seconds) {
        return 0;
    }
    if (clock_getcpuclockid(child->pid, &clock) == 0 && clock_gettime(clock, &t) == 0) {
        child->computed = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
    }
    return child->passed >= STELE__CHILD_PATIENCE * seconds || child->computed >= seconds ||
           child->computed + waited(child->pid) < 0.1 * child->passed;
}

/* What has come meanwhile. 0: the other end is closed, everywhere. */
static int take(stele__child *child, char *buffer, size_t size)
{
    char dropped[512];
    int keeps = child->n < size;
    ssize_t k = keeps ? read(child->fd, buffer + child->n, size - child->n)
                      : read(child->fd, dropped, sizeof dropped);
    child->n += keeps && k > 0 ? (size_t)k : 0;
    return k > 0 || (k < 0 && errno == EINTR);
}

/* 1: the child has ended. One that somebody else has waited for is not there any more. */
static int has_ended(stele__child *child, int flags)
{
    pid_t got;
    do {
        got = waitpid(child->pid, &child->status, flags);
    } while (got < 0 && errno == EINTR);
    return got != 0;
}

int stele__child_hear(stele__child *child, double seconds, void *buffer, size_t size)
{
    const double start = now();
    int is_open = 1, ended = 0, nap = SHORTEST_NAP;
    while (!ended && !has_had(child, start, seconds)) {
        struct pollfd p = { .fd = is_open ? child->fd : -1, .events = POLLIN };
        if (poll(&p, 1, nap) > 0) {
            is_open = take(child, buffer, size);
        } else {
            nap = nap < LONGEST_NAP ? nap + 1 : nap;
        }
        ended = has_ended(child, WNOHANG);
    }
    child->in_time = ended;
    child->deaf = !ended && !is_open;
    if (!ended) {
        kill(-child->pid, SIGKILL);
        kill(child->pid, SIGKILL);
        has_ended(child, 0);
    }
    /* What it said last; processes of its own may hold the pipe open, and go on. */
    struct pollfd p = { .fd = child->fd, .events = POLLIN };
    while (is_open && child->n < size && poll(&p, 1, 0) > 0) {
        is_open = take(child, buffer, size);
    }
    close(child->fd);
    return ended;
}
