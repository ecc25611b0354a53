/* The base room: messages, strings, maps, files, memory counters. */
#include "test.h"

#include "base/child.h"
#include "base/diag.h"
#include "base/file.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void message_has_place_path_text_and_hint(void **state)
{
    (void)state;
    stele__diag d;
    stele__diag_init(&d);
    stele__place at = { .file = "a.yaml", .line = 3, .column = 7, .path = "train.lr" };
    assert_int_equal(stele__diag_error(&d, STELE_E_OPTION, &at, "is %d", 5), STELE_E_OPTION);
    stele__diag_hint(&d, "try %s", "1");
    stele__diag_warning(&d, NULL, "careful");
    assert_int_equal(d.n_errors, 1);
    char *text = NULL;
    assert_int_equal(stele__message_format(&d.message[0], &text), STELE_OK);
    assert_string_equal(text, "a.yaml:3:7: train.lr: is 5\n    try 1\n");
    stele__free(text);
    assert_int_equal(stele__message_format(&d.message[1], &text), STELE_OK);
    assert_string_equal(text, "warning: careful\n");
    stele__free(text);
    stele__diag_finish(&d);
}

static void controls_are_visible(void **state)
{
    (void)state;
    static const char text[] = "a\tb\n\x1b[2J\x7f\r\xc2\x9b\xc3\xa9";
    stele__str s;
    stele__str_init(&s);
    stele__str_append_visible(&s, text, sizeof text - 1);
    assert_string_equal(s.data, "a\tb\n\\x1b[2J\\x7f\\x0d\\x9b\xc3\xa9");
    stele__str_finish(&s);
}

/* As a cell of a table in Markdown. */
static void cells_stay_cells(void **state)
{
    (void)state;
    stele__str s;
    stele__str_init(&s);
    stele__str_append_cell(&s, "a|b\nc\r\nd");
    assert_string_equal(s.data, "a\\|b c  d");
    stele__str_finish(&s);
}

static void nearest_finds_swaps_and_refuses_strangers(void **state)
{
    (void)state;
    const char *names[] = { "subset_limit", "prior_expert", "beta" };
    assert_string_equal(stele__nearest("subset_limt", names, 3), "subset_limit");
    assert_string_equal(stele__nearest("prior_exptre", names, 3), "prior_expert");
    assert_string_equal(stele__nearest("btea", names, 3), "beta");
    assert_null(stele__nearest("zzz", names, 3));
    assert_string_equal(stele__nearest("prior", names, 3), "prior_expert");
    assert_null(stele__nearest("prio_e", names, 3));
    assert_null(stele__nearest("pri", names, 3));
    const char *both[] = { "prior_expert", "prior_weight" };
    assert_null(stele__nearest("prior", both, 2));
}

static void map_gives_indices_in_order(void **state)
{
    (void)state;
    stele__map *map = NULL;
    char name[16];
    assert_int_equal(stele__map_create(&map), STELE_OK);
    assert_int_equal(stele__map_find(map, "x"), -1);
    for (int i = 0; i < 1000; i++) {
        int64_t index = -1;
        int is_new = 0;
        snprintf(name, sizeof name, "cell%d", i);
        assert_int_equal(stele__map_add(map, name, &index, &is_new), STELE_OK);
        assert_int_equal(index, i);
        assert_true(is_new);
    }
    int is_new = 1;
    assert_int_equal(stele__map_add(map, "cell7", NULL, &is_new), STELE_OK);
    assert_false(is_new);
    assert_int_equal(stele__map_find(map, "cell999"), 999);
    assert_string_equal(stele__map_name(map, 31), "cell31");
    assert_int_equal(stele__map_count(map), 1000);
    stele__map_destroy(map);
}

static void file_is_whole_or_absent(void **state)
{
    (void)state;
    char dir[] = "/tmp/stele-base-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char *nested = stele__path_join(dir, "a/b");
    assert_int_equal(stele__folder_create(nested, NULL), STELE_OK);
    char *path = stele__path_join(nested, "f.txt");
    stele__writer w;
    assert_int_equal(stele__writer_open(&w, path, NULL), STELE_OK);
    fputs("half", w.stream);
    stele__writer_abandon(&w);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(stele__writer_open(&w, path, NULL), STELE_OK);
    fputs("whole", w.stream);
    assert_int_equal(stele__writer_commit(&w, NULL), STELE_OK);
    char *text = NULL;
    size_t len = 0;
    assert_int_equal(stele__file_read(path, 100, &text, &len, NULL), STELE_OK);
    assert_string_equal(text, "whole");
    assert_int_equal(len, 5);
    stele__free(text);
    assert_int_equal(stele__file_read(path, 4, &text, &len, NULL), STELE_E_DATA);
    stele__free(path);
    stele__free(nested);
}

static void write_held(const char *path, const char *text)
{
    stele__writer w;
    assert_int_equal(stele__writer_open(&w, path, NULL), STELE_OK);
    fputs(text, w.stream);
    assert_int_equal(stele__writer_commit(&w, NULL), STELE_OK);
}

static void held_files_appear_together(void **state)
{
    (void)state;
    char dir[] = "/tmp/stele-base-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char *path[2] = { stele__path_join(dir, "a"), stele__path_join(dir, "b") };
    char *waits[2] = { stele__path_join(dir, "a.tmp"), stele__path_join(dir, "b.tmp") };
    for (int round = 0; round < 4; round++) { /* dropped, interrupted, refused, released */
        stele__diag diag;
        stele__diag_init(&diag);
        stele__files_hold();
        write_held(path[0], "one");
        if (round == 2) {
            assert_int_equal(stele__folder_create(path[1], NULL), STELE_OK);
        }
        write_held(path[1], "two");
        assert_int_equal(access(waits[0], F_OK), 0);
        assert_int_not_equal(access(path[0], F_OK), 0);
        if (round == 0) {
            stele__files_drop();
        } else if (round == 1) {
            stele__writer_interrupt();
            assert_int_not_equal(access(waits[0], F_OK), 0);
            stele__files_drop();
        } else {
            assert_int_equal(stele__files_release(&diag), round == 2 ? STELE_E_IO : STELE_OK);
            assert_int_equal(diag.n_errors, round == 2);
        }
        for (int k = 0; k < 2; k++) {
            assert_int_not_equal(access(waits[k], F_OK), 0);
        }
        assert_int_equal(access(path[0], F_OK) == 0, round == 3);
        if (round == 2) {
            assert_int_equal(rmdir(path[1]), 0);
        }
        stele__diag_finish(&diag);
    }
    write_held(path[0], "alone again");
    assert_int_not_equal(access(waits[0], F_OK), 0);
    for (int k = 0; k < 2; k++) {
        stele__free(path[k]);
        stele__free(waits[k]);
    }
}

static void hasty_file_is_whole_and_can_be_synced(void **state)
{
    (void)state;
    char dir[] = "/tmp/stele-base-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char *path = stele__path_join(dir, "f.txt");
    stele__diag diag;
    stele__diag_init(&diag);
    assert_int_equal(stele__file_sync(path, &diag), STELE_E_IO);
    assert_non_null(strstr(diag.message[0].text, "f.txt: cannot write: No such file"));
    stele__writer w;
    assert_int_equal(stele__writer_open(&w, path, NULL), STELE_OK);
    assert_int_equal(w.hasty, 0);
    w.hasty = 1;
    fputs("whole", w.stream);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(stele__writer_commit(&w, NULL), STELE_OK);
    assert_int_equal(stele__file_sync(path, NULL), STELE_OK);
    char *text = NULL;
    size_t len = 0;
    assert_int_equal(stele__file_read(path, 100, &text, &len, NULL), STELE_OK);
    assert_string_equal(text, "whole");
    stele__free(text);
    stele__diag_finish(&diag);
    stele__free(path);
}

static void every_failed_allocation_is_survived(void **state)
{
    (void)state;
    for (int64_t i = 0;; i++) {
        stele__map *map = NULL;
        stele__mem_fail_at(i);
        stele_status status = stele__map_create(&map);
        for (int k = 0; status == STELE_OK && k < 40; k++) {
            char name[8];
            snprintf(name, sizeof name, "%d", k);
            status = stele__map_add(map, name, NULL, NULL);
        }
        stele__mem_fail_at(-1);
        stele__map_destroy(map);
        if (status == STELE_OK) {
            assert_true(i > 7);
            return;
        }
        assert_int_equal(status, STELE_E_NOMEM);
    }
}

static void put_file(const char *root, const char *name, const char *text)
{
    char *path = stele__path_join(root, name), *dir = stele__path_folder(path);
    assert_int_equal(stele__folder_create(dir, NULL), STELE_OK);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    stele__free(dir);
    stele__free(path);
}

/* Version 2 of control groups: the limit of an outer group counts, pages of files do not. Version 1
 * has other names, and its own line. */
static void the_least_that_is_left_is_available(void **state)
{
    (void)state;
    char root[] = "/tmp/stele-available-XXXXXX";
    assert_non_null(mkdtemp(root));
    assert_true(stele__mem_available(root) == INT64_MAX);
    put_file(root, "proc/meminfo", "MemTotal: 9000 kB\nMemAvailable: 8000 kB\n");
    assert_true(stele__mem_available(root) == 8000 * 1024);
    put_file(root, "proc/self/cgroup", "0::/a/b\n");
    put_file(root, "sys/fs/cgroup/a/b/memory.max", "max\n");
    put_file(root, "sys/fs/cgroup/a/b/memory.current", "500\n");
    assert_true(stele__mem_available(root) == 8000 * 1024);
    put_file(root, "sys/fs/cgroup/a/memory.max", "5000\n");
    put_file(root, "sys/fs/cgroup/a/memory.current", "4500\n");
    assert_true(stele__mem_available(root) == 500);
    put_file(root, "sys/fs/cgroup/a/memory.stat", "anon 300\ninactive_file 1000\n");
    assert_true(stele__mem_available(root) == 1500);
    put_file(root, "proc/self/cgroup", "5:cpu:/a\n4:memory:/c\n0::/\n");
    put_file(root, "sys/fs/cgroup/memory/c/memory.limit_in_bytes", "700\n");
    put_file(root, "sys/fs/cgroup/memory/c/memory.usage_in_bytes", "400\n");
    put_file(root, "sys/fs/cgroup/memory/c/memory.stat", "total_inactive_file 30\n");
    assert_true(stele__mem_available(root) == 330);
    put_file(root, "sys/fs/cgroup/memory/c/memory.usage_in_bytes", "900\n");
    assert_true(stele__mem_available(root) == 0);
}

/* What a child says and how it ended; `what` is what it does. */
static int child_that(void (*what)(const stele__child *self), stele__child *c, char text[8])
{
    memset(text, 0, 8);
    if (stele__child_start(c) == 0) {
        what(c);
        _exit(7);
    }
    assert_true(c->pid > 0);
    return stele__child_hear(c, 1.0, text, 7);
}

static void speak(const stele__child *self)
{
    if (stele__child_say(self, "hear", 4) != 0 || stele__child_say(self, "hear", 4) != 0) {
        _exit(STELE__CHILD_UNHEARD);
    }
}

static void close_and_wait(const stele__child *self)
{
    close(self->fd);
    for (;;) {
        pause();
    }
}

/* The pipe's number is that of another pipe by the time of the last word. */
static void close_and_speak(const stele__child *self)
{
    int end[2];
    close(self->fd);
    if (pipe(end) == 0 && (dup2(end[1], self->fd) == self->fd || end[1] == self->fd)) {
        speak(self);
    }
}

/* A process of the child's own keeps the pipe open. */
static void leave_it_to_another(const stele__child *self)
{
    setpgid(0, 0);
    speak(self);
    if (fork() == 0) {
        sleep(30);
    }
}

/* Seven tenths of the time it may compute, on a machine that gives it half of a processor. */
static void compute_when_let(const stele__child *self)
{
    const pid_t worker = getpid();
    const struct timespec pause_for = { .tv_nsec = 20000000 };
    struct timespec t = { 0 };
    if (fork() == 0) {
        while (kill(worker, SIGSTOP) == 0 && nanosleep(&pause_for, NULL) == 0 &&
               kill(worker, SIGCONT) == 0 && nanosleep(&pause_for, NULL) == 0 &&
               getppid() == worker) {
        }
        kill(worker, SIGCONT);
        _exit(0);
    }
    while (t.tv_sec == 0 && t.tv_nsec < 700000000) {
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    }
    speak(self);
}

static void compute_for_ever(const stele__child *self)
{
    (void)self;
    for (volatile unsigned i = 0;; i++) {
    }
}

static void child_is_heard_and_gone(void **state)
{
    (void)state;
    stele__child c;
    char text[8];
    assert_int_equal(child_that(speak, &c, text), 1);
    assert_int_equal(WEXITSTATUS(c.status), 7);
    assert_string_equal(text, "hearhea");
    assert_int_equal(child_that(close_and_wait, &c, text), 0);
    assert_true(c.deaf && WIFSIGNALED(c.status));
    assert_int_equal(c.n, 0);
    assert_int_equal(child_that(close_and_speak, &c, text), 1);
    assert_int_equal(WEXITSTATUS(c.status), STELE__CHILD_UNHEARD);
    assert_int_equal(child_that(leave_it_to_another, &c, text), 1);
    assert_int_equal(WEXITSTATUS(c.status), 7);
    assert_string_equal(text, "hearhea");
    assert_int_equal(waitpid(c.pid, NULL, WNOHANG), -1);
    kill(-c.pid, SIGKILL);
    assert_int_equal(child_that(compute_when_let, &c, text), 1);
    assert_string_equal(text, "hearhea");
    assert_int_equal(child_that(compute_for_ever, &c, text), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_has_place_path_text_and_hint),
        cmocka_unit_test(controls_are_visible),
        cmocka_unit_test(cells_stay_cells),
        cmocka_unit_test(nearest_finds_swaps_and_refuses_strangers),
        cmocka_unit_test(map_gives_indices_in_order),
        cmocka_unit_test(file_is_whole_or_absent),
        cmocka_unit_test(held_files_appear_together),
        cmocka_unit_test(hasty_file_is_whole_and_can_be_synced),
        cmocka_unit_test(every_failed_allocation_is_survived),
        cmocka_unit_test(the_least_that_is_left_is_available),
        cmocka_unit_test(child_is_heard_and_gone),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
