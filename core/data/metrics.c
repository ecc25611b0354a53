#include "data/metrics.h"

#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct stele__metrics {
    FILE *stream;
    char *path;
};

static stele_status io_error(const char *path, const char *what, stele__diag *diag)
{
    return stele__diag_error(diag, STELE_E_IO, NULL, "%s: cannot %s: %s", path, what,
                             strerror(errno));
}

/* Bytes of the lines to keep. */
static stele_status find_end(stele__metrics *log, int64_t last_step, long *ret_end,
                             stele__diag *diag)
{
    char *line = NULL; /* getline's own memory, hence free() */
    size_t capacity = 0, number = 0;
    long end = 0;
    ssize_t n = 0;
    stele_status status = STELE_OK;
    while ((n = getline(&line, &capacity, log->stream)) > 0 && line[n - 1] == '\n') {
        json_t *object = json_loadb(line, (size_t)n, 0, NULL);
        json_t *step = json_object_get(object, "step");
        int ahead = json_is_integer(step) && json_integer_value(step) > last_step;
        int good = json_is_object(object);
        number++;
        json_decref(object);
        if (!good) {
            status = stele__diag_error(diag, STELE_E_DATA, NULL, "%s:%zu: is not a JSON object",
                                       log->path, number);
            break;
        }
        if (ahead) {
            break;
        }
        end += n;
    }
    if (status == STELE_OK && ferror(log->stream)) {
        status = io_error(log->path, "read", diag);
    }
    free(line);
    *ret_end = end;
    return status;
}

stele_status stele__metrics_open(const char *path, int64_t last_step, stele__metrics **ret,
                                 stele__diag *diag)
{
    long end = 0;
    stele_status status = STELE_OK;
    stele__metrics *log = stele__calloc(1, sizeof *log);
    if (log == NULL || (log->path = stele__strdup(path)) == NULL) {
        status = STELE_E_NOMEM;
        goto out;
    }
    log->stream = fopen(path, "a+e");
    if (log->stream == NULL) {
        status = io_error(path, "open", diag);
        goto out;
    }
    rewind(log->stream);
    status = find_end(log, last_step, &end, diag);
    if (status == STELE_OK &&
        (fseek(log->stream, 0, SEEK_END) != 0 || ftruncate(fileno(log->stream), end) != 0)) {
        status = io_error(path, "shorten", diag);
    }
out:
    if (status != STELE_OK) {
        stele__metrics_close(log);
        return status;
    }
    *ret = log;
    return STELE_OK;
}

static int append_text(const char *text, size_t n, void *str)
{
    stele__str_append_n(str, text, n);
    return ((stele__str *)str)->failed ? -1 : 0;
}

stele_status stele__metrics_write(stele__metrics *log, const json_t *line, stele__diag *diag)
{
    if (!json_is_object(line)) {
        return stele__diag_error(diag, STELE_E_ARG, NULL, "%s: a line must be a JSON object",
                                 log->path);
    }
    stele__str text;
    stele__str_init(&text);
    int bad = json_dump_callback(line, append_text, &text, JSON_COMPACT);
    stele__str_append(&text, "\n");
    stele_status status = bad || text.failed ? STELE_E_NOMEM : STELE_OK;
    if (status == STELE_OK &&
        (fwrite(text.data, 1, text.len, log->stream) != text.len || fflush(log->stream) != 0)) {
        status = io_error(log->path, "write", diag);
    }
    stele__str_finish(&text);
    return status;
}

stele_status stele__metrics_sync(stele__metrics *log, stele__diag *diag)
{
    return fsync(fileno(log->stream)) == 0 ? STELE_OK : io_error(log->path, "write", diag);
}

void stele__metrics_close(stele__metrics *log)
{
    if (log == NULL) {
        return;
    }
    if (log->stream != NULL) {
        fclose(log->stream);
    }
    stele__free(log->path);
    stele__free(log);
}
