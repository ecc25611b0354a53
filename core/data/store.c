#include "data/store.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A fault may map a huge page of 2 MB around what is asked for. */
#define WINDOW_BITS 21
/* Windows that may be mapped before all are given back: 64 MB. */
#define MOST_WINDOWS 32

struct stele__store {
    size_t n, n_added;
    float *value; /* (n) in memory, or mapped once all are there */
    int fd;       /* -1: in memory */
    const char *folder, *what;
    const stele__place *place;
    _Atomic size_t last, n_windows; /* looked at last; since they were given back */
};

/* Beyond it a batch comes from the disk as fast as it is computed; small machines have more. */
static size_t most_in_memory = (size_t)128 << 20;

size_t stele__store_most(void)
{
    return most_in_memory;
}

void stele__store_set_most(size_t bytes)
{
    most_in_memory = bytes;
}

/* /tmp is often memory, so it comes last. */
static int open_nameless(const char **ret_folder)
{
    const char *const folder[] = { getenv("TMPDIR"), "/var/tmp", "/tmp" };
    char name[4096];
    int fd = -1;
    for (int i = 0; i < 3 && fd < 0; i++) {
        if (folder[i] == NULL || folder[i][0] == '\0') {
            continue;
        }
        *ret_folder = folder[i];
        int len = snprintf(name, sizeof name, "%s/stele-XXXXXX", folder[i]);
        fd = len < (int)sizeof name ? mkostemp(name, O_CLOEXEC) : -1;
        if (fd >= 0) {
            unlink(name);
        }
    }
    return fd;
}

static stele_status no_place(const stele__store *s, stele__diag *diag)
{
    const int code = errno;
    stele__diag_error(diag, STELE_E_IO, s->place, "`%s` takes %.1f MB, which %s does not hold: %s",
                      s->what, (double)s->n * sizeof *s->value / 1e6, s->folder, strerror(code));
    stele__diag_hint(diag,
                     "set TMPDIR to a folder with that much space: what is larger than %.0f "
                     "MB is kept in a file there",
                     (double)most_in_memory / 1e6);
    return STELE_E_IO;
}

stele_status stele__store_create(size_t n, size_t most, const char *what, const stele__place *place,
                                 stele__store **ret, stele__diag *diag)
{
    stele__store *s = stele__calloc(1, sizeof *s);
    if (s == NULL) {
        return STELE_E_NOMEM;
    }
    s->n = n;
    s->what = what;
    s->place = place;
    s->fd = -1;
    stele_status st = STELE_OK;
    if (n * sizeof *s->value <= most) {
        s->value = stele__malloc((n + 1) * sizeof *s->value);
        st = s->value != NULL ? STELE_OK : STELE_E_NOMEM;
    } else {
        s->fd = open_nameless(&s->folder);
        st = s->fd >= 0 ? STELE_OK : no_place(s, diag);
    }
    if (st != STELE_OK) {
        stele__store_destroy(s);
        return st;
    }
    *ret = s;
    return STELE_OK;
}

void stele__store_destroy(stele__store *s)
{
    if (s == NULL) {
        return;
    }
    if (s->fd < 0) {
        stele__free(s->value);
    } else {
        if (s->value != NULL) {
            munmap(s->value, s->n * sizeof *s->value);
        }
        close(s->fd);
    }
    stele__free(s);
}

/* Written, not stored through a mapping: a full disk is an error here and a signal there. */
stele_status stele__store_add(stele__store *s, const float *v, size_t n, stele__diag *diag)
{
    const char *at = (const char *)v;
    size_t left = n * sizeof *v;
    if (s->fd < 0) {
        memcpy(s->value + s->n_added, v, left);
        left = 0;
    }
    while (left > 0) {
        const ssize_t done = write(s->fd, at, left);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return no_place(s, diag);
        }
        at += done;
        left -= (size_t)done;
    }
    s->n_added += n;
    return STELE_OK;
}

float *stele__store_values(stele__store *s)
{
    if (s->value == NULL) {
        void *p = mmap(NULL, s->n * sizeof *s->value, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
        s->value = p != MAP_FAILED ? p : NULL;
    }
    return s->value;
}

size_t stele__store_memory(const stele__store *s)
{
    return s->fd < 0 ? s->n * sizeof *s->value : 0;
}

/* Two threads may count past each other by a few windows, or read what was just given back: it
 * comes again from the file. */
void stele__store_seen(stele__store *s, size_t at, size_t n)
{
    if (s->fd < 0 || n == 0) {
        return;
    }
    const size_t first = (at * sizeof *s->value) >> WINDOW_BITS;
    const size_t last = ((at + n) * sizeof *s->value - 1) >> WINDOW_BITS;
    const size_t before = atomic_load_explicit(&s->last, memory_order_relaxed);
    if (first == before && last == before) {
        return;
    }
    atomic_store_explicit(&s->last, last, memory_order_relaxed);
    const size_t more = last - first + (first != before);
    if (atomic_fetch_add_explicit(&s->n_windows, more, memory_order_relaxed) + more >
        MOST_WINDOWS) {
        atomic_store_explicit(&s->n_windows, 0, memory_order_relaxed);
        madvise(s->value, s->n * sizeof *s->value, MADV_DONTNEED);
    }
}
