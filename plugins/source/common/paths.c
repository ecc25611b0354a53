#include "paths.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static stele_status add_matching(const stele_host *host, const char *pattern, paths_add add,
                                 void *user)
{
    glob_t found = { 0 };
    stele_status st = STELE_OK;
    int code = glob(pattern, GLOB_NOSORT, NULL, &found);
    if (code != 0) {
        return STELE_FAIL(host, code == GLOB_NOSPACE ? STELE_E_NOMEM : STELE_E_IO,
                          "path: %s: no file has such a name", pattern);
    }
    qsort(found.gl_pathv, found.gl_pathc, sizeof *found.gl_pathv, by_name);
    for (size_t i = 0; i < found.gl_pathc && st == STELE_OK; i++) {
        st = add(user, found.gl_pathv[i]);
    }
    globfree(&found);
    return st;
}

/* `{a,b}` one by one: other than with glob's own braces, a file that is not there is missed. */
static stele_status add_choices(const stele_host *host, const char *path, const char *open,
                                const char *close, paths_add add, void *user)
{
    size_t before = (size_t)(open - path), len = strlen(path);
    char *one = malloc(len + 1);
    stele_status st = one != NULL ? STELE_OK : STELE_FAIL(host, STELE_E_NOMEM, "out of memory");
    for (const char *item = open + 1; item <= close && st == STELE_OK;) {
        size_t n = strcspn(item, ",}");
        memcpy(one, path, before);
        memcpy(one + before, item, n);
        memcpy(one + before + n, close + 1, strlen(close));
        st = paths_each(host, one, add, user);
        item += n + 1;
    }
    free(one);
    return st;
}

stele_status paths_each(const stele_host *host, const char *path, paths_add add, void *user)
{
    struct stat status;
    const char *open = strchr(path, '{'), *close = open != NULL ? strchr(open, '}') : NULL;
    if (stat(path, &status) == 0) {
        return add(user, path);
    }
    if (close != NULL) {
        return add_choices(host, path, open, close, add, user);
    }
    return strpbrk(path, "*?[") != NULL ? add_matching(host, path, add, user) : add(user, path);
}
