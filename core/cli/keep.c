/* What a command may not write over: results can be made again, measurements and models cannot. */
#include "base/mem.h"
#include "cli/opened.h"
#include "train/folder.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int same_file(const char *a, const char *b)
{
    struct stat x, y;
    return a != NULL && b != NULL && stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

/* Is the file `out`, which exists, in the folder `dir` or below? */
static int lies_in(const char *out, const char *dir)
{
    char *file = realpath(out, NULL), *folder = realpath(dir, NULL);
    const size_t n = folder != NULL ? strlen(folder) : 0;
    const int found =
        file != NULL && folder != NULL && strncmp(file, folder, n) == 0 && file[n] == '/';
    free(file);
    free(folder);
    return found;
}

static int ends_in(const char *out, const char *ending)
{
    const size_t n = strlen(out), m = strlen(ending);
    return n > m && strcmp(out + n - m, ending) == 0;
}

/* What a training writes, and models of evaluations; their tables may be replaced. */
static int is_of_run(const char *dir, const char *out)
{
    static const char *const names[] = { "data.json", "metrics.jsonl", "resolved.yaml", "spec.yaml",
                                         "summary.json" };
    int found = ends_in(out, ".safetensors") && lies_in(out, dir);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = stele__folder_path(dir, names[i]);
        found |= same_file(out, path);
        stele__free(path);
    }
    return found;
}

static int older_than_run(const char *dir, const char *out)
{
    struct stat file, run;
    char *path = stele__folder_path(dir, "data.json");
    const int older =
        path != NULL && stat(path, &run) == 0 && stat(out, &file) == 0 &&
        (file.st_mtim.tv_sec < run.st_mtim.tv_sec ||
         (file.st_mtim.tv_sec == run.st_mtim.tv_sec && file.st_mtim.tv_nsec < run.st_mtim.tv_nsec));
    stele__free(path);
    return older;
}

/* A source that reads a folder, or pictures that its file names, does not tell which files these
 * are. What this run has written is younger than it. */
static int may_be_measured(const char *dir, const char *source, const char *out)
{
    struct stat s;
    if (source == NULL || stat(source, &s) != 0 || !older_than_run(dir, out)) {
        return 0;
    }
    if (S_ISDIR(s.st_mode)) {
        return lies_in(out, source);
    }
    const char *slash = strrchr(source, '/');
    char *folder =
        slash != NULL ? stele__strndup(source, (size_t)(slash - source) + 1) : stele__strdup(".");
    const int found = ends_in(out, ".png") && folder != NULL && lies_in(out, folder);
    stele__free(folder);
    return found;
}

stele_status stele__opened_keep(const stele__opened *o, const char *out, stele__diag *diag)
{
    if (is_of_run(o->dir, out)) {
        return stele__diag_error(diag, STELE_E_ARG, NULL,
                                 "%s: belongs to the run; name another file", out);
    }
    for (size_t i = 0; i < o->run.n_sources; i++) {
        const char *source = o->run.source[i].file;
        if (same_file(out, source)) {
            return stele__diag_error(diag, STELE_E_ARG, NULL,
                                     "%s: holds the measurements; name another file", out);
        }
        if (may_be_measured(o->dir, source, out)) {
            stele__diag_error(diag, STELE_E_ARG, NULL,
                              "%s: may be one of the measurements: it lies with them and is older "
                              "than the run",
                              out);
            stele__diag_hint(diag, "name another file, or remove this one first");
            return STELE_E_ARG;
        }
    }
    return STELE_OK;
}
