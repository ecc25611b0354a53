/* What a command may not write over: results can be made again, measurements and models cannot. */
#include "base/mem.h"
#include "cli/opened.h"
#include "spec/node.h"
#include "train/folder.h"

#include <fnmatch.h>
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

/* Does a text below `node` name such a file, or a pattern that it fits? With an ending, as names of
 * columns have patterns, too. Folders apart: a file of that name in another folder is none of the
 * data, which lies_in() tells. */
static int is_named(const stele__node *node, const char *name)
{
    int found = 0;
    if (node->kind == STELE__SCALAR) {
        const char *slash = strrchr(node->text, '/');
        found = strchr(node->text, '.') != NULL &&
                fnmatch(slash != NULL ? slash + 1 : node->text, name, 0) == 0;
    }
    for (size_t i = 0; i < node->n; i++) {
        found |= is_named(node->child[i], name);
    }
    return found;
}

/* A single file of arrays or annotated data, which names no others. */
static int stands_alone(const char *source)
{
    static const char *const endings[] = { ".npy", ".npz", ".h5ad", ".h5mu" };
    struct stat s;
    int found = 0;
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        found |= ends_in(source, endings[i]);
    }
    return found && stat(source, &s) == 0 && S_ISREG(s.st_mode);
}

/* A source that reads several files does not tell which ones. Of its folder are taken those that
 * the spec names and, as folders of arrays and files that name pictures are read whole, arrays and
 * pictures that were there before the run: what came of it is younger. */
static int may_be_measured(const stele__opened *o, const char *source, const char *out)
{
    struct stat s;
    if (source == NULL) {
        return 0;
    }
    const int whole = stat(source, &s) == 0 && S_ISDIR(s.st_mode); /* else a file, or a pattern */
    const char *slash = strrchr(source, '/'), *name = strrchr(out, '/');
    const stele__node *data = stele__node_find(stele__spec_doc_root(o->loaded.spec->doc), "data");
    char *folder = whole           ? stele__strdup(source)
                   : slash == NULL ? stele__strdup(".")
                                   : stele__strndup(source, (size_t)(slash - source) + 1);
    const int named = data != NULL && is_named(data, name != NULL ? name + 1 : out);
    const int kind = !stands_alone(source) && (ends_in(out, ".npy") || ends_in(out, ".png"));
    const int found =
        folder != NULL && (named || (kind && older_than_run(o->dir, out))) && lies_in(out, folder);
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
        if (may_be_measured(o, source, out)) {
            stele__diag_error(diag, STELE_E_ARG, NULL,
                              "%s: may be one of the measurements, with which it lies", out);
            stele__diag_hint(diag, "name another file, or remove this one first");
            return STELE_E_ARG;
        }
    }
    return STELE_OK;
}
