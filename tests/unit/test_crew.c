/* Child processes side by side: how many at once, and within what memory. */
#include "test.h"

#include "sweep/crew.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 6 };

/* Tasks of a size, each of which is done once its child has ended. */
typedef struct tasks {
    const double *size;
    int running[MOST], ended[MOST];
    size_t order[MOST], n_started;
    size_t n_running, most_running; /* at once */
    double taken, most_taken;       /* of what runs beside others */
} tasks;

static double needs(void *ctx, size_t i)
{
    return ((const tasks *)ctx)->size[i];
}

/* The child ends at once, but it is not waited for before all were started that fit. */
static int start(void *ctx, size_t i, int *ret_pid)
{
    tasks *t = ctx;
    if (t->ended[i]) {
        return STELE__TASK_DONE;
    }
    assert_false(t->running[i]);
    *ret_pid = stele__crew_fork("/dev/null");
    if (*ret_pid == 0) {
        _exit(3);
    }
    assert_true(*ret_pid > 0);
    t->running[i] = 1;
    t->order[t->n_started++] = i;
    t->n_running++;
    t->taken += t->size[i];
    t->most_running = t->n_running > t->most_running ? t->n_running : t->most_running;
    t->most_taken = t->n_running > 1 && t->taken > t->most_taken ? t->taken : t->most_taken;
    return STELE__TASK_STARTED;
}

static void ended(void *ctx, size_t i, const stele__ended *how)
{
    tasks *t = ctx;
    assert_true(WIFEXITED(how->status) && WEXITSTATUS(how->status) == 3);
    assert_true(how->peak_bytes > 0.0);
    t->running[i] = 0;
    t->ended[i] = 1;
    t->n_running--;
    t->taken -= t->size[i];
}

static tasks work(const double size[MOST], size_t jobs, double memory)
{
    tasks t = { .size = size };
    const stele__crew crew = { .n = MOST,
                               .jobs = jobs,
                               .memory = memory,
                               .needs = needs,
                               .start = start,
                               .ended = ended,
                               .ctx = &t };
    assert_int_equal(stele__crew_run(&crew), STELE_OK);
    assert_int_equal(t.n_started, MOST);
    assert_int_equal(t.n_running, 0);
    return t;
}

static const double alike[MOST] = { 1.0, 1.0, 1.0, 1.0, 1.0, 1.0 };

static void as_many_at_once_as_asked_for(void **state)
{
    (void)state;
    for (size_t jobs = 1; jobs <= 3; jobs++) {
        const tasks t = work(alike, jobs, 100.0);
        assert_int_equal(t.most_running, jobs);
        for (size_t i = 0; i < MOST; i++) {
            assert_int_equal(t.order[i], i);
        }
    }
}

/* What does not fit beside the others waits, and what comes later and fits does not wait for it. */
static void no_more_memory_than_there_is(void **state)
{
    static const double size[MOST] = { 2.0, 2.0, 1.0, 3.0, 1.0, 1.0 };
    (void)state;
    const tasks few = work(alike, 4, 2.5), t = work(size, 4, 3.0);
    assert_int_equal(few.most_running, 2);
    assert_true(few.most_taken == 2.0);
    assert_true(t.most_taken == 3.0);
    assert_int_equal(t.order[0], 0);
    assert_int_equal(t.order[1], 2);
}

/* One that no budget holds still runs, alone. */
static void one_that_is_too_large_runs_alone(void **state)
{
    static const double size[MOST] = { 1.0, 9.0, 1.0, 1.0, 9.0, 1.0 };
    (void)state;
    const tasks t = work(size, 4, 4.0);
    assert_true(t.most_taken == 4.0);
    assert_int_equal(t.most_running, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_at_once_as_asked_for),
        cmocka_unit_test(no_more_memory_than_there_is),
        cmocka_unit_test(one_that_is_too_large_runs_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
