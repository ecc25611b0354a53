/* child.h - a child process that runs code of others: what it has to say, and its end, within a
 * time. It may close its end of the pipe and go on, leave the pipe to processes of its own, or
 * never end. */
#ifndef STELE_BASE_CHILD_H
#define STELE_BASE_CHILD_H

#include <stddef.h>
#include <sys/types.h>

typedef struct stele__child {
    pid_t pid;
    int fd;                  /* the end of the pipe that this process holds */
    ino_t pipe;              /* what that end is, by which the child knows it again */
    size_t n;                /* what was heard, in bytes */
    int status;              /* how it ended, as of waitpid */
    int in_time;             /* 0: it was killed */
    double passed, computed; /* seconds until then: by the clock, of processor time */
    int deaf;                /* it had closed its end of the pipe before it was killed */
} stele__child;

/* Exit status by which a child says that it was not heard: its pipe was closed. */
enum { STELE__CHILD_UNHEARD = 85 };
enum { STELE__CHILD_PATIENCE = 6 };

/* As fork, with a pipe from the child to here: 0 in the child, -1 and errno if there is none. What
 * is in the buffers of stdio is the caller's business. */
pid_t stele__child_start(stele__child *child);
/* In the child: 0, or -1 if the pipe is not what it was, because something closed it. [any],
 * async-signal-safe */
int stele__child_say(const stele__child *child, const void *bytes, size_t n);
/* Hear up to `size` bytes (more are dropped) and wait until the child has ended; after `seconds` it
 * is killed, with its process group if it leads one. One that computes, or would if the machine
 * were less busy, gets these seconds of processor time, and at most STELE__CHILD_PATIENCE times as
 * many by the clock. It is gone in any case, and the pipe closed. 1: it ended by itself. */
int stele__child_hear(stele__child *child, double seconds, void *buffer, size_t size);

#endif
