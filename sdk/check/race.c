#include "race.h"

#include <pthread.h>
#include <stdatomic.h>

/* In how many calls of each thread another one has to begin meanwhile, and for how long they race at least. On one
 * processor such a call is one that was interrupted: what it shares with others is overwritten if that happened at the
 * right moment, of which one in a few is hoped for. */
enum { MEETINGS = 16 };
static const double race_seconds = 0.06;
/* The part of the check's time that a race may take. */
static const double most_time = 0.5;

enum { GOES_ON, DONE, TIME_IS_UP };

typedef struct race {
    int (*call)(void *ctx);
    pthread_barrier_t start;
    double least, most; /* on the clock */
    uint32_t n;
    atomic_uint n_met;          /* threads that have met others often enough */
    atomic_int over;            /* GOES_ON, or why not */
    atomic_uint_fast64_t begun; /* calls so far */
} race;

typedef struct racer {
    race *race;
    void *ctx;
} racer;

static void *run_often(void *ctx)
{
    const racer *me = ctx;
    race *r = me->race;
    int met = 0;
    pthread_barrier_wait(&r->start);
    for (double now = 0.0; !atomic_load(&r->over); now = check_now()) {
        uint64_t before = atomic_fetch_add(&r->begun, 1) + 1;
        int good = r->call(me->ctx);
        if (atomic_load(&r->begun) != before && ++met == MEETINGS) {
            atomic_fetch_add(&r->n_met, 1);
        }
        if (!good || (now > r->least && atomic_load(&r->n_met) == r->n)) {
            atomic_store(&r->over, DONE);
        } else if (now > r->most) {
            atomic_store(&r->over, TIME_IS_UP);
        }
    }
    return NULL;
}

int race_run(check_trial *t, uint32_t n, int (*call)(void *ctx), void *const *ctx)
{
    pthread_t thread[RACE_THREADS];
    racer one[RACE_THREADS];
    double now = check_now();
    race r = { .call = call, .n = n, .least = now + race_seconds, .most = now + most_time * t->subject->timeout };
    pthread_barrier_init(&r.start, NULL, n);
    for (uint32_t k = 0; k < n; k++) {
        one[k] = (racer){ &r, ctx[k] };
        /* Fewer than the barrier waits for would never end. */
        if (pthread_create(&thread[k], NULL, run_often, &one[k]) != 0) {
            check_say(t, CHECK_CRASH, "no thread");
            check_bail("no thread\n");
            return 0;
        }
    }
    for (uint32_t k = 0; k < n; k++) {
        pthread_join(thread[k], NULL);
    }
    pthread_barrier_destroy(&r.start);
    if (atomic_load(&r.n_met) < n && atomic_load(&r.over) == TIME_IS_UP) {
        check_say(t, CHECK_WARN, "calls were hardly ever under way at the same time: this machine is too busy");
    }
    return 1;
}
