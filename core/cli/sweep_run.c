/* The points of a sweep at work: each step of each point in a child process. */
#include "base/mem.h"
#include "cli/sweep.h"
#include "sweep/crew.h"
#include "train/folder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- before the first run: every point with its data
 * ---------------------------------------------- */

/* Until one check has told what to expect, only one is at work. */
static double check_needs(void *ctx, size_t i)
{
    const stele__sweep *s = ctx;
    (void)i;
    return s->n_checked > 0 ? s->largest_check : 2.0 * s->memory;
}

static void check_child(stele__sweep *s, size_t i)
{
    stele__loaded loaded = { 0 };
    stele__diag diag;
    close(s->lock); /* an orphan must not keep the folder locked */
    stele__diag_init(&diag);
    stele_status status = stele__sweep_point(s, i, &loaded, &diag);
    if (status == STELE_OK) {
        status = stele__loaded_check_data(&loaded, 1, NULL, &s->room[i], &diag);
    }
    int code = stele__cli_finish(&diag, status);
    stele__loaded_finish(&loaded);
    fflush(NULL);
    _exit(code);
}

static int check_start(void *ctx, size_t i, int *ret_pid)
{
    stele__sweep *s = ctx;
    stele__entry *e = &s->entry[i];
    if (e->step == STELE__STEP_NONE || e->checked) {
        return STELE__TASK_DONE;
    }
    char *log = stele__sweep_path(s->dir, "logs", e->name, ".log");
    e->checked = 1; /* checked, whatever comes of it */
    *ret_pid = log != NULL ? stele__crew_fork(log) : -1;
    if (*ret_pid == 0) {
        stele__free(log);
        check_child(s, i);
    }
    if (*ret_pid < 0) {
        e->reason = stele__strdup("no process could be started");
    }
    stele__free(log);
    return *ret_pid < 0 ? STELE__TASK_DONE : STELE__TASK_STARTED;
}

static void check_ended(void *ctx, size_t i, const stele__ended *how)
{
    stele__sweep *s = ctx;
    stele__entry *e = &s->entry[i];
    e->record.expected_bytes = how->peak_bytes + s->room[i];
    s->largest_check = fmax(s->largest_check, how->peak_bytes);
    s->n_checked++;
    if (how->status != 0) {
        char *log = stele__sweep_path(s->dir, "logs", e->name, ".log");
        e->reason = log != NULL ? stele__child_reason("the check", how->status, log) : NULL;
        e->check_status = how->status;
        stele__free(log);
    }
}

/* What the first child that found a fault said, which is what stele check would say. */
static int show_fault(const stele__sweep *s)
{
    for (size_t i = 0; i < s->points.n; i++) {
        const stele__entry *e = &s->entry[i];
        if (e->reason == NULL) {
            continue;
        }
        char *log = stele__sweep_path(s->dir, "logs", e->name, ".log"), *text = NULL;
        size_t len = 0;
        stele__str title;
        stele__str_init(&title);
        stele__point_title(&s->points, i, &title);
        if (log != NULL && stele__file_read(log, 1 << 20, &text, &len, NULL) == STELE_OK) {
            fputs(text, stderr);
        }
        /* A signal leaves no message behind. */
        fprintf(stderr, "nothing was run, the point %s is at fault%s%s\n",
                title.data != NULL ? title.data : "", WIFSIGNALED(e->check_status) ? ": " : "",
                WIFSIGNALED(e->check_status) ? e->reason : "");
        stele__str_finish(&title);
        stele__free(text);
        stele__free(log);
        return WIFEXITED(e->check_status) && e->check_status != 0 ? WEXITSTATUS(e->check_status)
                                                                  : STELE__EXIT_FAILURE;
    }
    return STELE__EXIT_OK;
}

stele_status stele__sweep_check(stele__sweep *s, int *ret_code)
{
    size_t bytes = s->points.n * sizeof *s->room;
    s->room = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s->room == MAP_FAILED) {
        s->room = NULL;
        return STELE_E_NOMEM;
    }
    s->n_room = s->points.n;
    stele__crew crew = { .n = s->points.n,
                         .jobs = s->jobs,
                         .memory = s->memory,
                         .needs = check_needs,
                         .start = check_start,
                         .ended = check_ended,
                         .ctx = s };
    stele_status status = stele__crew_run(&crew);
    *ret_code = status == STELE_OK ? show_fault(s) : STELE__EXIT_OK;
    return status;
}

/* --- the runs
 * --------------------------------------------------------------------------------------- */

/* A little more than what is known beforehand, until runs have shown how much more it is. */
static double run_needs(void *ctx, size_t i)
{
    const stele__sweep *s = ctx;
    return s->entry[i].record.expected_bytes * s->factor;
}

static void run_child(const stele__sweep *s, const stele__entry *e, const char *spec,
                      const char *run)
{
    char threads[32];
    snprintf(threads, sizeof threads, "%lld", (long long)s->base.spec->sweep->threads);
    const char *unsafe = stele__cli_allows_unsafe() ? "--allow-unsafe-plugins" : NULL;
    /* This very program, even if another one has taken its place meanwhile. */
    static const char program[] = "/proc/self/exe";
    if (e->step == STELE__STEP_TRAIN) {
        execl(program, "stele", "train", spec, "--run", run, "--resume", "--threads", threads,
              "--quiet", unsafe, (char *)NULL);
    } else {
        execl(program, "stele", "eval", run, "--split", s->part, "--threads", threads, "--quiet",
              unsafe, (char *)NULL);
    }
    fprintf(stderr, "%s: cannot be started\n", program);
    _exit(STELE__EXIT_FAILURE);
}

/* A process that an earlier sweep left behind is about to end, with a checkpoint. */
static int is_busy(stele__sweep *s, stele__entry *e, const char *run)
{
    int busy = stele__sweep_run_busy(run);
    if (busy && !e->waited && !s->quiet) {
        fprintf(stderr, "%s: another process is at work there, waiting for its end\n", run);
    }
    e->waited = busy;
    return busy;
}

static int run_start(void *ctx, size_t i, int *ret_pid)
{
    stele__sweep *s = ctx;
    stele__entry *e = &s->entry[i];
    int how = STELE__TASK_DONE;
    if (e->step == STELE__STEP_NONE) {
        return how;
    }
    char *log = stele__sweep_path(s->dir, "logs", e->name, ".log");
    char *spec = stele__sweep_path(s->dir, "specs", e->name, ".yaml");
    char *run = stele__sweep_path(s->dir, "runs", e->name, "");
    if (log != NULL && spec != NULL && run != NULL) {
        if (is_busy(s, e, run)) {
            how = STELE__TASK_LATER;
        } else {
            stele__record_remove(run, s->part);
            *ret_pid = stele__crew_fork(log);
            if (*ret_pid == 0) {
                run_child(s, e, spec, run);
            }
            how = *ret_pid > 0 ? STELE__TASK_STARTED : STELE__TASK_DONE;
        }
    }
    if (how == STELE__TASK_DONE) {
        e->reason = stele__strdup("no process could be started");
    }
    stele__free(log);
    stele__free(spec);
    stele__free(run);
    return how;
}

static json_t *point_json(const stele__sweep *s, size_t i)
{
    json_t *point = json_object();
    for (size_t k = 0; k < s->base.spec->n_axes; k++) {
        json_object_set_new(point, s->base.spec->axis[k].key,
                            json_string(s->points.point[i].value[k]));
    }
    return point;
}

/* Mark a run as finished and take its figures, or keep why that cannot be. */
static void finish(stele__sweep *s, size_t i)
{
    stele__entry *e = &s->entry[i];
    stele__diag diag;
    json_t *point = point_json(s, i);
    char *run = stele__sweep_path(s->dir, "runs", e->name, "");
    stele__diag_init(&diag);
    stele_status status =
        run != NULL ? stele__record_write(run, s->part, e->evaluate, point, &e->record, &diag)
                    : STELE_E_NOMEM;
    e->finished = status == STELE_OK && stele__record_read(run, s->part, e->evaluate, &e->record);
    if (!e->finished) {
        e->reason = stele__strdup(diag.n > 0 ? diag.message[0].text : "its figures are missing");
    }
    stele__diag_finish(&diag);
    json_decref(point);
    stele__free(run);
}

static void tell(const stele__sweep *s, size_t i, size_t n_done)
{
    const stele__entry *e = &s->entry[i];
    stele__str title;
    stele__str_init(&title);
    stele__point_title(&s->points, i, &title);
    if (e->finished) {
        fprintf(stderr, "[%zu/%zu] %s: %lld epoch%s, %.1f s\n", n_done, s->points.n,
                title.data != NULL ? title.data : e->name, (long long)e->record.epochs,
                stele__cli_s((int64_t)e->record.epochs), e->record.seconds);
    } else {
        fprintf(stderr, "[%zu/%zu] %s: %s\n", n_done, s->points.n,
                title.data != NULL ? title.data : e->name, e->reason != NULL ? e->reason : "");
    }
    stele__str_finish(&title);
}

static void run_ended(void *ctx, size_t i, const stele__ended *how)
{
    stele__sweep *s = ctx;
    stele__entry *e = &s->entry[i];
    e->record.seconds += how->seconds;
    e->record.peak_bytes = fmax(e->record.peak_bytes, how->peak_bytes);
    if (how->status == 0 && e->step == STELE__STEP_TRAIN) {
        e->step = STELE__STEP_JUDGE;
        return;
    }
    if (how->status == 0) {
        s->factor = fmax(s->factor, e->record.peak_bytes / e->record.expected_bytes);
        finish(s, i);
    } else if (WIFEXITED(how->status) && WEXITSTATUS(how->status) == STELE__EXIT_INTERRUPTED) {
        e->step = STELE__STEP_NONE; /* by us, or by somebody who meant this one alone */
        e->reason = stele__strdup("interrupted");
        return;
    } else {
        char *log = stele__sweep_path(s->dir, "logs", e->name, ".log");
        e->reason = log != NULL ? stele__child_reason(e->step == STELE__STEP_TRAIN ? "training"
                                                                                   : "evaluation",
                                                      how->status, log)
                                : NULL;
        stele__free(log);
    }
    e->step = STELE__STEP_NONE;
    s->n_finished++;
    if (!s->quiet || !e->finished) {
        tell(s, i, s->n_finished);
    }
}

/* Written before any of them runs: a sweep that is killed then has all it takes to be gone over by
 * hand. */
static stele_status write_specs(const stele__sweep *s, stele__diag *diag)
{
    stele_status status = STELE_OK;
    for (size_t i = 0; i < s->points.n && status == STELE_OK; i++) {
        char *path = stele__sweep_path(s->dir, "specs", s->entry[i].name, ".yaml");
        stele__writer w;
        status = path != NULL ? stele__writer_open(&w, path, diag) : STELE_E_NOMEM;
        if (status == STELE_OK) {
            (void)stele__writer_write(&w, s->entry[i].spec, strlen(s->entry[i].spec));
            status = stele__writer_commit(&w, diag);
        }
        stele__free(path);
    }
    return status;
}

stele_status stele__sweep_run(stele__sweep *s, stele__diag *diag)
{
    stele_status status = write_specs(s, diag);
    stele__crew crew = { .n = s->points.n,
                         .jobs = s->jobs,
                         .memory = s->memory,
                         .needs = run_needs,
                         .start = run_start,
                         .ended = run_ended,
                         .ctx = s };
    return status == STELE_OK ? stele__crew_run(&crew) : status;
}
