#include "base/file.h"

#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *stele__path_join(const char *dir, const char *name)
{
    if (dir == NULL || dir[0] == '\0' || name[0] == '/') {
        return stele__strdup(name);
    }
    stele__str s;
    stele__str_init(&s);
    stele__str_printf(&s, "%s%s%s", dir, dir[strlen(dir) - 1] == '/' ? "" : "/", name);
    return stele__str_take(&s);
}

char *stele__path_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return stele__strdup(".");
    }
    return slash == path ? stele__strdup("/") : stele__strndup(path, (size_t)(slash - path));
}

stele_status stele__folder_create(const char *path, stele__diag *diag)
{
    struct stat st;
    if (mkdir(path, 0777) == 0) {
        return STELE_OK;
    }
    if (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        return STELE_OK;
    }
    int reason = errno;
    if (reason == ENOENT && strchr(path, '/') != NULL) {
        char *parent = stele__path_folder(path);
        stele_status status = parent != NULL ? STELE_OK : STELE_E_NOMEM;
        /* The root exists; a relative path bottoms out at ".", which does as well. */
        if (status == STELE_OK && strcmp(parent, path) != 0) {
            status = stele__folder_create(parent, diag);
        }
        stele__free(parent);
        if (status != STELE_OK) {
            return status;
        }
        if (mkdir(path, 0777) == 0 || errno == EEXIST) {
            return STELE_OK;
        }
        reason = errno;
    }
    return stele__diag_error(diag, STELE_E_IO, NULL, "%s: cannot create the folder: %s", path,
                             strerror(reason));
}

/* The file under construction, where a signal handler finds it. There is one at a time; a second
 * one would be left behind by an interruption, nothing worse. */
static char *_Atomic unfinished;

/* Committed files that wait for others, the last one first. */
typedef struct held {
    char *path, *temporary;
    struct held *next;
} held;
static held *_Atomic waiting;
static int holding;

void stele__writer_interrupt(void)
{
    const char *path = unfinished;
    if (path != NULL) {
        (void)unlink(path);
    }
    for (const held *h = waiting; h != NULL; h = h->next) {
        (void)unlink(h->temporary);
    }
}

static stele_status cannot_write(const char *path, int reason, stele__diag *diag)
{
    return stele__diag_error(diag, STELE_E_IO, NULL, "%s: cannot write: %s", path,
                             strerror(reason));
}

stele_status stele__writer_open(stele__writer *w, const char *path, stele__diag *diag)
{
    memset(w, 0, sizeof *w);
    stele__str s;
    stele__str_init(&s);
    stele__str_printf(&s, "%s.tmp", path);
    w->temporary = stele__str_take(&s);
    w->path = stele__strdup(path);
    if (w->temporary == NULL || w->path == NULL) {
        stele__writer_abandon(w);
        return STELE_E_NOMEM;
    }
    unfinished = w->temporary;
    w->stream = fopen(w->temporary, "wb");
    if (w->stream == NULL) {
        int reason = errno;
        stele__writer_abandon(w);
        return cannot_write(path, reason, diag);
    }
    return STELE_OK;
}

/* A rename lasts only once its folder is on disk. Some file systems refuse fsync on folders; that
 * is no error. */
static void sync_folder(const char *path)
{
    char *folder = stele__path_folder(path);
    int fd = folder != NULL ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    stele__free(folder);
}

int stele__writer_write(stele__writer *w, const void *bytes, size_t n)
{
    if (ferror(w->stream) != 0) {
        return -1;
    }
    if (n != 0 && fwrite(bytes, 1, n, w->stream) != n) {
        w->reason = errno;
        return -1;
    }
    return 0;
}

/* Have a file that is complete wait for others. 0, or the reason why not. */
static int hold(stele__writer *w)
{
    held *h = stele__malloc(sizeof *h);
    if (h == NULL) {
        return ENOMEM;
    }
    *h = (held){ .path = w->path, .temporary = w->temporary, .next = waiting };
    waiting = h;
    unfinished = NULL;
    w->path = w->temporary = NULL;
    return 0;
}

void stele__files_hold(void)
{
    holding = 1;
}

/* The last one is no more in the list; its temporary file is gone if it was renamed. */
static void let_go(void)
{
    held *h = waiting;
    waiting = h->next;
    (void)unlink(h->temporary);
    stele__free(h->temporary);
    stele__free(h->path);
    stele__free(h);
}

void stele__files_drop(void)
{
    while (waiting != NULL) {
        let_go();
    }
    holding = 0;
}

stele_status stele__files_release(stele__diag *diag)
{
    struct stat st;
    stele_status status = STELE_OK;
    for (const held *h = waiting; h != NULL && status == STELE_OK; h = h->next) {
        if (stat(h->path, &st) == 0 && S_ISDIR(st.st_mode)) { /* the one place a rename fails at */
            status = cannot_write(h->path, EISDIR, diag);
        }
    }
    while (waiting != NULL && status == STELE_OK) {
        const held *h = waiting;
        if (rename(h->temporary, h->path) != 0) {
            status = cannot_write(h->path, errno, diag);
        } else {
            sync_folder(h->path);
            let_go();
        }
    }
    stele__files_drop();
    return status;
}

stele_status stele__writer_commit(stele__writer *w, stele__diag *diag)
{
    int bad = ferror(w->stream) != 0 || w->reason != 0;
    int reason = !bad ? 0 : w->reason != 0 ? w->reason : EIO;
    if ((fflush(w->stream) != 0 && !bad) || (!bad && !w->hasty && fsync(fileno(w->stream)) != 0)) {
        reason = errno;
        bad = 1;
    }
    if (fclose(w->stream) != 0 && !bad) {
        reason = errno;
        bad = 1;
    }
    w->stream = NULL;
    if (!bad && holding) {
        reason = hold(w);
        bad = reason != 0;
    } else if (!bad && rename(w->temporary, w->path) != 0) {
        reason = errno;
        bad = 1;
    }
    stele_status status = STELE_OK;
    if (bad) {
        status = cannot_write(w->path, reason, diag);
    } else if (!holding) {
        if (!w->hasty) {
            sync_folder(w->path);
        }
        unfinished = NULL;
        stele__free(w->temporary);
        w->temporary = NULL;
    }
    stele__writer_abandon(w);
    return status;
}

stele_status stele__file_sync(const char *path, stele__diag *diag)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int reason = fd < 0 || fsync(fd) != 0 ? errno : 0;
    if (fd >= 0) {
        close(fd);
    }
    if (reason != 0) {
        return cannot_write(path, reason, diag);
    }
    sync_folder(path);
    return STELE_OK;
}

void stele__writer_abandon(stele__writer *w)
{
    if (w->stream != NULL) {
        fclose(w->stream);
    }
    if (w->temporary != NULL) {
        unlink(w->temporary);
        unfinished = NULL;
    }
    stele__free(w->temporary);
    stele__free(w->path);
    memset(w, 0, sizeof *w);
}

/* Open for reading without waiting for the other end of a named pipe; reads then do wait. */
static int open_to_read(const char *path, struct stat *ret)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return -1;
    }
    int flags = fcntl(fd, F_GETFL);
    if (fstat(fd, ret) != 0 || flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0) {
        int reason = errno;
        close(fd);
        errno = reason;
        return -1;
    }
    return fd;
}

/* Up to `limit` + 1 bytes, so that the caller sees when there are more. *ret_len is set in any
 * case; 0, or the reason. */
static int read_to_end(int fd, size_t limit, char **text, size_t *ret_len)
{
    size_t capacity = 0, n = 0;
    while (n <= limit) {
        if (n == capacity) {
            capacity = capacity != 0 ? 2 * capacity : 65536;
            char *bigger = stele__realloc(*text, capacity + 1);
            if (bigger == NULL) {
                return ENOMEM;
            }
            *text = bigger;
        }
        ssize_t got = read(fd, *text + n, capacity - n);
        if (got < 0 && errno != EINTR) {
            return errno;
        }
        if (got == 0) {
            break;
        }
        n += got > 0 ? (size_t)got : 0;
    }
    *ret_len = n;
    return 0;
}

stele_status stele__file_read(const char *path, size_t limit, char **ret_text, size_t *ret_len,
                              stele__diag *diag)
{
    struct stat st;
    char *text = NULL;
    size_t n = 0;
    int fd = open_to_read(path, &st);
    if (fd < 0) {
        return stele__diag_error(diag, STELE_E_IO, NULL, "%s: cannot open: %s", path,
                                 strerror(errno));
    }
    if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode)) {
        close(fd);
        return stele__diag_error(diag, STELE_E_IO, NULL, "%s: is not a regular file", path);
    }
    int reason = read_to_end(fd, limit, &text, &n);
    close(fd);
    if (reason == 0 && n == 0 && S_ISFIFO(st.st_mode)) {
        stele__free(text);
        return stele__diag_error(diag, STELE_E_IO, NULL, "%s: is a pipe that nobody writes to",
                                 path);
    }
    if (reason == 0 && n > limit) {
        stele__free(text);
        return stele__diag_error(diag, STELE_E_DATA, NULL,
                                 "%s: has more than the %zu bytes allowed", path, limit);
    }
    if (reason != 0) {
        stele__free(text);
        return reason == ENOMEM ? STELE_E_NOMEM
                                : stele__diag_error(diag, STELE_E_IO, NULL, "%s: cannot read: %s",
                                                    path, strerror(reason));
    }
    text[n] = '\0';
    *ret_text = text;
    *ret_len = n;
    return STELE_OK;
}
