/* forbidden.h - calls that a plugin may not make, one for each of some defects: nobody runs them, a
 * check reads the file for them. */
#ifndef MUTANT_FORBIDDEN_H
#define MUTANT_FORBIDDEN_H

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef DEFECT_THREAD
static void *idle(void *user)
{
    return user;
}
#endif

#ifdef DEFECT_ATEXIT
static void leave(void)
{
}
#endif

/* Never done: for a check of what a file may call. */
static void call_what_may_not_be(void)
{
#ifdef DEFECT_MRAND48
    (void)mrand48();
#endif
#ifdef DEFECT_GETENV
    (void)getenv("HOME");
#endif
#ifdef DEFECT_ALARM
    alarm(1);
#endif
#ifdef DEFECT_RAISE
    raise(SIGTERM);
#endif
#ifdef DEFECT_POPEN
    pclose(popen("true", "r"));
#endif
#ifdef DEFECT_THREAD
    pthread_t thread;
    pthread_create(&thread, NULL, idle, NULL);
#endif
#ifdef DEFECT_STDERR
    fprintf(stderr, "no good\n");
#endif
#ifdef DEFECT_ATEXIT
    atexit(leave);
#endif
}

#endif
