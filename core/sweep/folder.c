#include "sweep/folder.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "sweep/figures.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_BYTES = 1 << 28 };

char *stele__sweep_path(const char *dir, const char *kind, const char *name, const char *end)
{
    stele__str s;
    stele__str_init(&s);
    stele__str_printf(&s, "%s/%s/%s%s", dir, kind, name, end);
    return stele__str_take(&s);
}

static int has(const char *dir, const char *name)
{
    char *path = stele__path_join(dir, name);
    int there = path != NULL && access(path, F_OK) == 0;
    stele__free(path);
    return there;
}

/* Files of somebody else are in it. A sweep that was killed at its very beginning left a lock. */
static int is_foreign(const char *dir)
{
    DIR *d = opendir(dir);
    int foreign = 0;
    for (struct dirent *e = d != NULL ? readdir(d) : NULL; e != NULL; e = readdir(d)) {
        foreign |= strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
                   strcmp(e->d_name, "lock") != 0 && strcmp(e->d_name, "sweep.yaml.tmp") != 0;
    }
    if (d != NULL) {
        closedir(d);
    }
    return foreign && !has(dir, "sweep.yaml");
}

static stele_status lock(const char *dir, int *ret_lock, stele__diag *diag)
{
    char *path = stele__path_join(dir, "lock");
    int fd = path != NULL ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666) : -1;
    if (fd < 0) {
        int reason = errno;
        stele_status status =
            path == NULL ? STELE_E_NOMEM
                         : stele__diag_error(diag, STELE_E_IO, NULL, "%s: cannot be written: %s",
                                             path, strerror(reason));
        stele__free(path);
        return status;
    }
    stele__free(path);
    /* Some file systems cannot lock; then nothing can be said. */
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        char pid[32] = "";
        ssize_t n = read(fd, pid, sizeof pid - 1);
        pid[n > 0 ? n : 0] = '\0';
        pid[strcspn(pid, "\n")] = '\0';
        close(fd);
        stele__diag_error(diag, STELE_E_IO, NULL, "%s: another sweep is at work there%s%s", dir,
                          pid[0] != '\0' ? ", process " : "", pid);
        stele__diag_hint(diag, "wait for its end, or choose another folder with --run");
        return STELE_E_IO;
    }
    *ret_lock = fd;
    return STELE_OK;
}

static void sign(int fd)
{
    char pid[32];
    int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    /* Only told to whom it keeps out. */
    (void)!ftruncate(fd, 0);
    (void)!pwrite(fd, pid, (size_t)n, 0);
}

static stele_status write_text(const char *path, const char *text, size_t len, stele__diag *diag)
{
    stele__writer w;
    stele_status status = path != NULL ? stele__writer_open(&w, path, diag) : STELE_E_NOMEM;
    if (status == STELE_OK) {
        (void)stele__writer_write(&w, text, len); /* a failed write shows in commit */
        status = stele__writer_commit(&w, diag);
    }
    return status;
}

static stele_status make_below(const char *dir, const char *name, stele__diag *diag)
{
    char *path = stele__path_join(dir, name);
    stele_status status = path != NULL ? stele__folder_create(path, diag) : STELE_E_NOMEM;
    stele__free(path);
    return status;
}

stele_status stele__sweep_open(const char *dir, const char *text, size_t len, int *ret_lock,
                               stele__diag *diag)
{
    int fd = -1;
    if (is_foreign(dir)) {
        stele__diag_error(diag, STELE_E_ARG, NULL, "%s: is not empty and holds no sweep", dir);
        stele__diag_hint(diag, "choose another folder with --run");
        return STELE_E_ARG;
    }
    stele_status status = stele__folder_create(dir, diag);
    status = status == STELE_OK ? lock(dir, &fd, diag) : status;
    if (status != STELE_OK) {
        return status;
    }
    sign(fd);
    char *path = stele__path_join(dir, "sweep.yaml");
    status = write_text(path, text, len, diag);
    stele__free(path);
    status = status == STELE_OK ? make_below(dir, "specs", diag) : status;
    status = status == STELE_OK ? make_below(dir, "runs", diag) : status;
    status = status == STELE_OK ? make_below(dir, "logs", diag) : status;
    if (status != STELE_OK) {
        close(fd);
        return status;
    }
    *ret_lock = fd;
    return STELE_OK;
}

int stele__sweep_run_busy(const char *run)
{
    int fd = open(run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int busy = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (fd >= 0) {
        close(fd);
    }
    return busy;
}

static json_t *read_json(const char *run, const char *name)
{
    char *path = stele__path_join(run, name), *text = NULL;
    size_t len = 0;
    json_t *value = NULL;
    if (path != NULL && stele__file_read(path, MOST_BYTES, &text, &len, NULL) == STELE_OK) {
        value = json_loadb(text, len, 0, NULL);
    }
    stele__free(text);
    stele__free(path);
    return value;
}

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static double ratio_of(const json_t *summary, const char *part)
{
    const json_t *rows = json_object_get(summary, "rows");
    double ratio = number(rows, part) / number(rows, "train");
    return isfinite(ratio) ? ratio : 0.0;
}

int stele__record_read(const char *run, const char *part, const char *evaluate, stele__record *ret)
{
    char name[2][32];
    snprintf(name[0], sizeof name[0], "sweep-%s.json", part);
    snprintf(name[1], sizeof name[1], "eval-%s.json", part);
    json_t *mark = read_json(run, name[0]), *report = read_json(run, name[1]);
    json_t *summary = read_json(run, "summary.json");
    const char *by = json_string_value(json_object_get(mark, "evaluate"));
    int finished = report != NULL && summary != NULL && by != NULL && strcmp(by, evaluate) == 0;
    if (finished) {
        *ret = (stele__record){
            .figures = stele__figures_flatten(report),
            .expected_bytes = number(mark, "expected_bytes"),
            .peak_bytes = number(mark, "peak_bytes"),
            .seconds = number(mark, "seconds"),
            .ratio = ratio_of(summary, part),
            .rows = json_integer_value(json_object_get(json_object_get(summary, "rows"), part)),
            .epochs = json_integer_value(json_object_get(summary, "epochs")),
            .best_epoch = json_integer_value(json_object_get(summary, "best_epoch")),
        };
        finished = ret->figures != NULL;
    }
    json_decref(mark);
    json_decref(report);
    json_decref(summary);
    return finished;
}

stele_status stele__record_write(const char *run, const char *part, const char *evaluate,
                                 json_t *point, const stele__record *record, stele__diag *diag)
{
    char name[32];
    snprintf(name, sizeof name, "sweep-%s.json", part);
    char *path = stele__path_join(run, name);
    json_t *all = json_pack("{s:O, s:s, s:f, s:f, s:f}", "point", point, "evaluate", evaluate,
                            "expected_bytes", record->expected_bytes, "peak_bytes",
                            record->peak_bytes, "seconds", record->seconds);
    char *text = all != NULL ? json_dumps(all, JSON_INDENT(2)) : NULL;
    stele_status status = text != NULL ? write_text(path, text, strlen(text), diag) : STELE_E_NOMEM;
    free(text);
    json_decref(all);
    stele__free(path);
    return status;
}

void stele__record_remove(const char *run, const char *part)
{
    char name[32];
    snprintf(name, sizeof name, "sweep-%s.json", part);
    char *path = stele__path_join(run, name);
    if (path != NULL) {
        (void)unlink(path);
    }
    stele__free(path);
}

/* The first line of a log that is neither a warning nor what follows a message. */
static void append_error(stele__str *out, const char *log)
{
    char *text = NULL;
    size_t len = 0;
    if (stele__file_read(log, MOST_BYTES, &text, &len, NULL) != STELE_OK) {
        return;
    }
    for (const char *at = text; *at != '\0';) {
        size_t n = strcspn(at, "\n");
        int is_error = n > 0 && at[0] != ' ' && memmem(at, n, "warning: ", 9) == NULL;
        if (is_error) {
            stele__str_append(out, ": ");
            stele__str_append_n(out, at, n);
            break;
        }
        at += n + (at[n] == '\n');
    }
    stele__free(text);
}

char *stele__child_reason(const char *what, int wait_status, const char *log)
{
    stele__str s;
    stele__str_init(&s);
    if (WIFSIGNALED(wait_status)) {
        int number = WTERMSIG(wait_status);
        stele__str_printf(&s, "%s was ended by signal %d, %s", what, number, strsignal(number));
        if (number == SIGKILL) {
            stele__str_append(&s, ", as happens when memory runs out");
        } else {
            append_error(&s, log);
        }
    } else {
        stele__str_printf(&s, "%s failed with exit status %d", what, WEXITSTATUS(wait_status));
        append_error(&s, log);
    }
    return stele__str_take(&s);
}
