#include "kernels/pool.h"

#include "base/mem.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

/* How long a thread polls before it sleeps. A step is a train of runs with short serial stretches
 * between them; waking a sleeper costs more than polling through such a stretch. */
enum { SPINS = 4000 };

typedef struct worker_slot {
    stele__pool *pool;
    unsigned thread;
    pthread_t id;
} worker_slot;

/* The ticket holds the number of the run in its upper half and the tasks not yet taken in its lower
 * half. A worker takes a task by compare-and-swap from (run, left) to (run, left - 1). Success with
 * left > 0 proves that this run was still under way, so the job read just before belongs to it: the
 * next run cannot begin before the taken task is done. That is why latecomers need no barrier. */
struct stele__pool {
    _Alignas(64) _Atomic uint64_t ticket;
    _Alignas(64) _Atomic uint64_t n_done;
    _Alignas(64) _Atomic(stele__task_fn *) fn;
    _Atomic(void *) ctx;
    _Atomic uint64_t n_tasks;
    _Atomic int stop;
    _Atomic int n_asleep;      /* workers in wait on `wake` */
    _Atomic int caller_asleep; /* the caller in wait on `finished` */
    unsigned n_threads;        /* with the caller */
    unsigned n_started;
    int spins;
    pthread_mutex_t turn, lock;
    pthread_cond_t wake, finished;
    worker_slot worker[STELE__POOL_MAX_THREADS]; /* 1 to n_started */
};

/* The task this thread is in, so that a nested run knows itself. */
static _Thread_local const stele__pool *inside_pool;
static _Thread_local unsigned inside_thread;

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static uint32_t tasks_left(stele__pool *pool)
{
    return (uint32_t)atomic_load(&pool->ticket);
}

/* The last task done wakes the caller if that one gave up polling. */
static void count_done(stele__pool *pool, uint64_t n_tasks)
{
    if (atomic_fetch_add(&pool->n_done, 1) + 1 == n_tasks && atomic_load(&pool->caller_asleep)) {
        pthread_mutex_lock(&pool->lock);
        pthread_cond_signal(&pool->finished);
        pthread_mutex_unlock(&pool->lock);
    }
}

/* Take tasks until none is left. */
static void work(stele__pool *pool, unsigned thread)
{
    uint64_t ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);
    while ((uint32_t)ticket != 0) {
        stele__task_fn *fn = atomic_load_explicit(&pool->fn, memory_order_relaxed);
        void *ctx = atomic_load_explicit(&pool->ctx, memory_order_relaxed);
        uint64_t n_tasks = atomic_load_explicit(&pool->n_tasks, memory_order_relaxed);
        if (!atomic_compare_exchange_weak(&pool->ticket, &ticket, ticket - 1)) {
            continue;
        }
        fn(ctx, (size_t)(n_tasks - (uint32_t)ticket), thread);
        count_done(pool, n_tasks);
        ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);
    }
}

/* Wait for work. Returns 0 when the pool closes. */
static int wait_for_work(stele__pool *pool)
{
    for (int i = 0; i < pool->spins; i++) {
        if (tasks_left(pool) != 0) {
            return 1;
        }
        if (atomic_load_explicit(&pool->stop, memory_order_relaxed)) {
            return 0;
        }
        relax();
    }
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->n_asleep, 1);
    while (tasks_left(pool) == 0 && !atomic_load(&pool->stop)) {
        pthread_cond_wait(&pool->wake, &pool->lock);
    }
    atomic_fetch_sub(&pool->n_asleep, 1);
    pthread_mutex_unlock(&pool->lock);
    return !atomic_load(&pool->stop);
}

static void *worker_main(void *arg)
{
    worker_slot *slot = arg;
    stele__pool *pool = slot->pool;
    inside_pool = pool;
    inside_thread = slot->thread;
    while (wait_for_work(pool)) {
        work(pool, inside_thread);
    }
    return NULL;
}

static void wait_until_done(stele__pool *pool, uint64_t n_tasks)
{
    for (int i = 0; i < pool->spins; i++) {
        if (atomic_load_explicit(&pool->n_done, memory_order_acquire) == n_tasks) {
            return;
        }
        relax();
    }
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->caller_asleep, 1);
    while (atomic_load(&pool->n_done) != n_tasks) {
        pthread_cond_wait(&pool->finished, &pool->lock);
    }
    atomic_store(&pool->caller_asleep, 0);
    pthread_mutex_unlock(&pool->lock);
}

static void run_shared(stele__pool *pool, size_t n_tasks, stele__task_fn *fn, void *ctx)
{
    pthread_mutex_lock(&pool->turn);
    atomic_store_explicit(&pool->fn, fn, memory_order_relaxed);
    atomic_store_explicit(&pool->ctx, ctx, memory_order_relaxed);
    atomic_store_explicit(&pool->n_tasks, n_tasks, memory_order_relaxed);
    atomic_store_explicit(&pool->n_done, 0, memory_order_relaxed);
    uint64_t run = (atomic_load_explicit(&pool->ticket, memory_order_relaxed) >> 32) + 1;
    atomic_store(&pool->ticket, run << 32 | (uint64_t)n_tasks);
    if (atomic_load(&pool->n_asleep) > 0) {
        pthread_mutex_lock(&pool->lock);
        pthread_cond_broadcast(&pool->wake);
        pthread_mutex_unlock(&pool->lock);
    }
    const stele__pool *outer_pool = inside_pool;
    unsigned outer_thread = inside_thread;
    inside_pool = pool;
    inside_thread = 0;
    work(pool, 0);
    inside_pool = outer_pool;
    inside_thread = outer_thread;
    wait_until_done(pool, n_tasks);
    pthread_mutex_unlock(&pool->turn);
}

void stele__pool_run(stele__pool *pool, size_t n_tasks, stele__task_fn *fn, void *ctx)
{
    int nested = pool != NULL && pool == inside_pool;
    if (pool != NULL && !nested && pool->n_threads > 1 && n_tasks > 1) {
        run_shared(pool, n_tasks, fn, ctx);
        return;
    }
    unsigned thread = nested ? inside_thread : 0;
    for (size_t task = 0; task < n_tasks; task++) {
        fn(ctx, task, thread);
    }
}

unsigned stele__pool_threads(const stele__pool *pool)
{
    return pool != NULL ? pool->n_threads : 1;
}

/* Processors this process may use. */
static unsigned processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        return (unsigned)CPU_COUNT(&set);
    }
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (unsigned)n : 1;
}

/* Workers inherit the mask of their creator: signals stay with the threads of the program, but for
 * those of a crash, which ends the program unheard where they are blocked. */
static int start_workers(stele__pool *pool)
{
    sigset_t all, before;
    const int crashes[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT };
    sigfillset(&all);
    for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++) {
        sigdelset(&all, crashes[i]);
    }
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = 0;
    for (unsigned i = 1; i < pool->n_threads && !failed; i++) {
        worker_slot *slot = &pool->worker[i];
        slot->pool = pool;
        slot->thread = i;
        failed = pthread_create(&slot->id, NULL, worker_main, slot);
        pool->n_started += !failed;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

stele_status stele__pool_create(unsigned n_threads, stele__pool **ret)
{
    if (n_threads < 1 || n_threads > STELE__POOL_MAX_THREADS) {
        return STELE_E_ARG;
    }
    stele__pool *pool = stele__calloc_aligned(sizeof *pool);
    if (pool == NULL) {
        return STELE_E_NOMEM;
    }
    pool->n_threads = n_threads;
    /* Polling takes the processor from the very thread it waits for when there are too few. */
    pool->spins = n_threads <= processors() ? SPINS : 1;
    pthread_mutex_init(&pool->turn, NULL);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->finished, NULL);
    if (start_workers(pool) != 0) {
        stele__pool_destroy(pool);
        return STELE_E_NOMEM;
    }
    *ret = pool;
    return STELE_OK;
}

void stele__pool_destroy(stele__pool *pool)
{
    if (pool == NULL) {
        return;
    }
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->stop, 1);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 1; i <= pool->n_started; i++) {
        pthread_join(pool->worker[i].id, NULL);
    }
    pthread_cond_destroy(&pool->finished);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    pthread_mutex_destroy(&pool->turn);
    stele__free_aligned(pool);
}
