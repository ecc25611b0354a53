#include "plugin/crash.h"

#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_THREADS = 256, STACK_BYTES = 64 * 1024 };

/* Read by the handler, on whichever thread that runs. */
typedef struct note {
    const stele__culprit *volatile who; /* NULL: the thread is in no plugin */
    const char *volatile slot;
} note;

typedef struct seat {
    atomic_flag taken;
    note note;
    void *stack; /* for the handler; owned, NULL if the thread had one */
} seat;

static seat seats[MOST_THREADS];
static _Thread_local note spare; /* of threads beyond that number, which only they can see */
static _Thread_local note *mine;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static volatile sig_atomic_t installed;
static const char *volatile advice, *volatile advice_file;

static const struct {
    int number;
    const char *words;
} crashes[] = {
    { SIGSEGV, "segmentation fault" }, { SIGBUS, "bus error" }, { SIGFPE, "floating-point trap" },
    { SIGILL, "illegal instruction" }, { SIGTRAP, "trap" },     { SIGABRT, "abort" }
};
enum { N_CRASHES = sizeof crashes / sizeof crashes[0] };
static struct sigaction before[N_CRASHES];

/* At the end of a thread. */
static void stand_up(void *user)
{
    seat *s = user;
    mine = NULL;
    if (s->stack != NULL) {
        sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, NULL);
        stele__free(s->stack);
    }
    s->stack = NULL;
    s->note.who = NULL;
    atomic_flag_clear(&s->taken);
}

static void make_key(void)
{
    pthread_key_create(&key, stand_up);
}

/* Sanitizers bring a stack of their own and take away what is there at the end. */
static void give_stack(seat *s)
{
    stack_t now = { 0 };
    if (!installed || sigaltstack(NULL, &now) != 0 || (now.ss_flags & SS_DISABLE) == 0) {
        return;
    }
    s->stack = stele__malloc(STACK_BYTES);
    if (s->stack != NULL) {
        sigaltstack(&(stack_t){ .ss_sp = s->stack, .ss_size = STACK_BYTES }, NULL);
    }
}

static note *sit_down(void)
{
    pthread_once(&once, make_key);
    for (int i = 0; i < MOST_THREADS; i++) {
        if (!atomic_flag_test_and_set(&seats[i].taken)) {
            pthread_setspecific(key, &seats[i]);
            give_stack(&seats[i]);
            return &seats[i].note;
        }
    }
    return &spare;
}

stele_status stele__culprit_init(stele__culprit *who, const stele__diag *diag)
{
    char *whole = NULL;
    stele_status status =
        diag->n > 0 ? stele__message_format(&diag->message[0], &whole) : STELE_E_NOMEM;
    char *middle = status == STELE_OK ? strstr(whole, STELE__CULPRIT_MARK) : NULL;
    *who = (stele__culprit){ whole, NULL };
    if (middle != NULL) {
        *middle = '\0';
        who->after = stele__strdup(middle + 1);
    }
    return who->after != NULL ? STELE_OK : STELE_E_NOMEM;
}

void stele__culprit_finish(stele__culprit *who)
{
    stele__free(who->before);
    stele__free(who->after);
}

void stele__crash_enter(const stele__culprit *who, const char *slot)
{
    if (mine == NULL) {
        mine = sit_down();
    }
    mine->slot = slot;
    mine->who = who;
}

void stele__crash_leave(void)
{
    if (mine != NULL) {
        mine->who = NULL;
    }
}

static void put(const char *text)
{
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t n = write(STDERR_FILENO, text, left);
        if (n < 0 && errno != EINTR) {
            return;
        }
        text += n > 0 ? n : 0;
        left -= n > 0 ? (size_t)n : 0;
    }
}

/* "PLACE: SLOT VERB: WORDS (PLUGIN)" and the lines below it; 0: the thread is in no plugin. */
static int name_culprit(const note *n, const char *verb, const char *words)
{
    const stele__culprit *who = n != NULL ? n->who : NULL;
    if (who == NULL) {
        return 0;
    }
    put(who->before);
    put(n->slot);
    put(verb);
    put(words);
    put(who->after);
    return 1;
}

/* Each slot once, however many threads are in it. */
static int name_all(const char *verb, const char *words)
{
    int n = 0;
    for (int i = 0; i < MOST_THREADS; i++) {
        const note *one = &seats[i].note;
        int same = 0;
        while (same < i &&
               (seats[same].note.who != one->who || seats[same].note.slot != one->slot)) {
            same++;
        }
        n += same == i && name_culprit(one, verb, words);
    }
    return n;
}

static void put_advice(void)
{
    if (advice != NULL && access(advice_file, F_OK) == 0) {
        put(advice);
    }
}

static void on_crash(int number, siginfo_t *info, void *context)
{
    static atomic_flag reported = ATOMIC_FLAG_INIT;
    int at = 0, error = errno;
    (void)context;
    while (at < N_CRASHES - 1 && crashes[at].number != number) {
        at++;
    }
    /* The first thread to crash tells; others wait for the end that it brings. */
    while (atomic_flag_test_and_set(&reported)) {
        pause();
    }
    /* A thread that a plugin started, or one that computes for it, is in no slot. */
    if (!name_culprit(mine, " crashed: ", crashes[at].words) &&
        name_all(" crashed, or what ran for it: ", crashes[at].words) == 0) {
        put("stele: crashed outside of any plugin: ");
        put(crashes[at].words);
        put("\n");
    }
    put_advice();
    /* The faulting instruction is about to run again, now with nobody in the way; what was sent is
     * sent again. */
    sigaction(number, &before[at], NULL);
    if (info->si_code <= 0) {
        raise(number);
    }
    errno = error;
}

/* A slot that calls exit() would end the program as if all were done: with 0 even, and no word. */
static void on_exit_inside(void)
{
    if (!name_culprit(mine, " called exit()", "") &&
        name_all(" or what ran for it called exit()", "") == 0) {
        return; /* it is the program's own end */
    }
    put_advice();
    stele__writer_interrupt();
    _exit(EXIT_FAILURE);
}

void stele__crash_install(void)
{
    struct sigaction act;
    memset(&act, 0, sizeof act);
    act.sa_sigaction = on_crash;
    act.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&act.sa_mask);
    installed = 1;
    (void)atexit(on_exit_inside);
    if (mine == NULL) {
        mine = sit_down();
    }
    for (int i = 0; i < N_CRASHES; i++) {
        sigaction(crashes[i].number, &act, &before[i]);
    }
}

void stele__crash_advise(const char *path, const char *text)
{
    advice = NULL;
    advice_file = path;
    advice = path != NULL ? text : NULL;
}

void stele__crash_interrupted(int number)
{
    sigset_t one;
    put("\n");
    name_all(" did not return", "");
    put_advice();
    signal(number, SIG_DFL);
    sigemptyset(&one);
    sigaddset(&one, number);
    raise(number);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
}
