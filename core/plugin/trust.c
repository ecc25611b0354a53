#include "plugin/trust.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Who owns the program can put code into it anyway: plugins of a shared installation, or of a build
 * folder that is mounted into a container, belong to its owner. */
static int is_trusted(uid_t owner)
{
    struct stat program;
    return owner == 0 || owner == geteuid() ||
           (stat("/proc/self/exe", &program) == 0 && owner == program.st_uid);
}

/* Why the file or the folder next to it cannot be trusted; 0: it can. */
static int is_unsafe(const struct stat *st, const char *what, char *ret, size_t size)
{
    if ((st->st_mode & S_IWOTH) != 0) {
        snprintf(ret, size, "every user may write to %s", what);
        return 1;
    }
    if (!is_trusted(st->st_uid)) {
        snprintf(ret, size,
                 "%s belongs to user %lu, who is neither root, nor you, nor the owner of this "
                 "program",
                 what, (unsigned long)st->st_uid);
        return 1;
    }
    return 0;
}

/* The file, its folder, and all folders above, which could be renamed and replaced. */
static int find_reason(const char *path, const struct stat *file, char *ret, size_t size)
{
    char folder[PATH_MAX], what[PATH_MAX + 32];
    struct stat st;
    int next_to_it = 1;
    if (is_unsafe(file, "this file", ret, size)) {
        return 1;
    }
    snprintf(folder, sizeof folder, "%s", path);
    for (char *slash; (slash = strrchr(folder, '/')) != NULL; next_to_it = 0) {
        int top = slash == folder;
        slash[top] = '\0';
        if (stat(folder, &st) != 0) {
            snprintf(ret, size, "the folder %s cannot be looked at: %s", folder, strerror(errno));
            return 1;
        }
        if (next_to_it && is_unsafe(&st, "its folder", ret, size)) {
            return 1;
        }
        if ((st.st_mode & S_IWOTH) != 0 && (st.st_mode & S_ISVTX) == 0) {
            snprintf(what, sizeof what, "the folder %s above it", folder);
            return is_unsafe(&st, what, ret, size);
        }
        if (top) {
            break;
        }
    }
    return 0;
}

stele_status stele__file_trust(const char *path, int allow, stele__diag *diag)
{
    struct stat st;
    char reason[PATH_MAX + 128];
    if (stat(path, &st) != 0) {
        return stele__diag_error(diag, STELE_E_IO, NULL, "%s: cannot open: %s", path,
                                 strerror(errno));
    }
    if (!S_ISREG(st.st_mode)) {
        return stele__diag_error(diag, STELE_E_IO, NULL, "%s: is not a regular file", path);
    }
    if (!find_reason(path, &st, reason, sizeof reason)) {
        return STELE_OK;
    }
    if (allow) {
        stele__diag_warning(diag, NULL, "%s: %s: loaded all the same", path, reason);
        return STELE_OK;
    }
    stele__diag_error(diag, STELE_E_IO, NULL, "%s: %s: not loaded", path, reason);
    stele__diag_hint(diag, "a plugin can do whatever you can: make it yours alone to write, or say "
                           "--allow-unsafe-plugins");
    return STELE_E_IO;
}
