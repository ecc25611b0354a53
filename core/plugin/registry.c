#include "plugin/registry.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "plugin/preload.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct stele__registry {
    const lt_dlsymlist *preload;
    char **folder;
    size_t n_folders;
    int allow_unsafe;
    stele__library **library; /* all that were loaded */
    size_t n_libraries;
};

stele_status stele__registry_create(const stele__registry_settings *settings, stele__registry **ret,
                                    stele__diag *diag)
{
    stele__registry *r = stele__calloc(1, sizeof *r);
    if (r == NULL) {
        return STELE_E_NOMEM;
    }
    stele_status status = stele__preload_start(settings->preload, diag);
    if (status != STELE_OK) {
        stele__free(r);
        return status;
    }
    r->preload = settings->preload;
    r->allow_unsafe = settings->allow_unsafe;
    r->folder = stele__calloc(settings->n_folders + 1, sizeof *r->folder);
    for (size_t i = 0; r->folder != NULL && i < settings->n_folders; i++) {
        r->folder[i] = stele__strdup(settings->folder[i]);
        if (r->folder[i] == NULL) {
            break;
        }
        r->n_folders++;
    }
    if (r->folder == NULL || r->n_folders != settings->n_folders) {
        stele__registry_destroy(r);
        return STELE_E_NOMEM;
    }
    *ret = r;
    return STELE_OK;
}

void stele__registry_destroy(stele__registry *registry)
{
    if (registry == NULL) {
        return;
    }
    for (size_t i = 0; i < registry->n_libraries; i++) {
        stele__library_destroy(registry->library[i]);
    }
    for (size_t i = 0; i < registry->n_folders; i++) {
        stele__free(registry->folder[i]);
    }
    stele__free(registry->library);
    stele__free(registry->folder);
    stele__free(registry);
    stele__preload_end();
}

/* FOLDER/KIND/NAME.so; NULL: out of memory. */
static char *file_path(const char *folder, uint32_t kind, const char *name)
{
    stele__str s;
    stele__str_init(&s);
    stele__str_printf(&s, "%s/%s/%s.so", folder, stele__kind_name(kind), name);
    return stele__str_take(&s);
}

static const stele__plugin *of_kind(const stele__library *lib, uint32_t kind)
{
    for (size_t i = 0; i < lib->n; i++) {
        if (lib->plugin[i].desc.kind == kind) {
            return &lib->plugin[i];
        }
    }
    return NULL;
}

static const stele__plugin *loaded(const stele__registry *r, uint32_t kind, const char *name)
{
    for (size_t i = 0; i < r->n_libraries; i++) {
        const stele__plugin *p = of_kind(r->library[i], kind);
        if (p != NULL && strcmp(p->name, name) == 0) {
            return p;
        }
    }
    return NULL;
}

/* Take a library in unless one of its ids is taken. It is destroyed on failure. */
static stele_status keep(stele__registry *r, stele__library *lib, stele__diag *diag)
{
    for (size_t i = 0; i < lib->n; i++) {
        const stele__plugin *p = &lib->plugin[i];
        const stele__plugin *other = loaded(r, p->desc.kind, p->name);
        if (other != NULL) {
            stele_status status =
                stele__diag_error(diag, STELE_E_ABI, NULL, "%s: %s is already loaded from %s",
                                  lib->origin, p->desc.id, other->origin);
            stele__library_destroy(lib);
            return status;
        }
    }
    stele__library **bigger = stele__realloc(r->library, (r->n_libraries + 1) * sizeof *r->library);
    if (bigger == NULL) {
        stele__library_destroy(lib);
        return STELE_E_NOMEM;
    }
    r->library = bigger;
    r->library[r->n_libraries++] = lib;
    return STELE_OK;
}

/* Where the messages of a search belong, and what it searches for. */
typedef struct search {
    stele__registry *registry;
    uint32_t kind;
    const char *name;
    const stele__place *at;
    stele__diag *diag;
} search;

/* Errors of the loader have no place of their own: put them where the spec names the plugin.
 * Whatever is wrong with the file, to the caller the plugin cannot be had. */
static stele_status relay(const search *s, stele_status status, const stele__diag *from)
{
    if (status != STELE_OK && status != STELE_E_NOMEM) {
        status = STELE_E_ABI;
    }
    for (size_t i = 0; i < from->n; i++) {
        const stele__message *m = &from->message[i];
        if (m->severity == STELE__ERROR) {
            stele__diag_error(s->diag, status, s->at, "%s", m->text);
        } else {
            stele__diag_warning(s->diag, s->at, "%s", m->text);
        }
        if (m->hint != NULL) {
            stele__diag_hint(s->diag, "%s", m->hint);
        }
    }
    return status;
}

static stele_status take(const search *s, stele__library *lib, const stele__plugin **ret,
                         stele__diag *local)
{
    if (of_kind(lib, s->kind) == NULL) {
        stele_status status =
            stele__diag_error(local, STELE_E_ABI, NULL, "%s: holds %s, where a %s plugin is wanted",
                              lib->origin, lib->plugin[0].desc.id, stele__kind_name(s->kind));
        stele__library_destroy(lib);
        return status;
    }
    stele_status status = keep(s->registry, lib, local);
    if (status == STELE_OK) {
        *ret = of_kind(lib, s->kind);
    }
    return status;
}

static stele_status take_file(const search *s, const char *path, const stele__plugin **ret)
{
    char real[PATH_MAX];
    stele__library *lib = NULL;
    stele__diag local;
    /* The same file again, whatever it is called, is the same plugin. */
    for (size_t i = 0; realpath(path, real) != NULL && i < s->registry->n_libraries; i++) {
        const stele__plugin *p = of_kind(s->registry->library[i], s->kind);
        if (p != NULL && strcmp(p->origin, real) == 0) {
            *ret = p;
            return STELE_OK;
        }
    }
    stele__diag_init(&local);
    stele_status status = stele__library_open(path, s->registry->allow_unsafe, s->at, &lib, &local);
    if (status == STELE_OK) {
        status = take(s, lib, ret, &local);
    }
    status = relay(s, status, &local);
    stele__diag_finish(&local);
    return status;
}

static stele_status take_built_in(const search *s, const stele__plugin **ret)
{
    stele__library *lib = NULL;
    stele__diag local;
    stele__diag_init(&local);
    stele_status status = stele__preload_open(s->registry->preload, s->kind, s->name, &lib, &local);
    if (status == STELE_OK && lib != NULL) {
        status = take(s, lib, ret, &local);
    }
    status = relay(s, status, &local);
    stele__diag_finish(&local);
    return status;
}

/* What may be meant instead: a near name, the same name in another kind; and all of this kind. */
static void put_others(const search *s, const stele__candidates *all, stele__str *hint)
{
    const char **names = stele__calloc(all->n + 1, sizeof *names);
    size_t n = 0;
    if (names == NULL) {
        return;
    }
    for (size_t i = 0; i < all->n; i++) {
        const stele__candidate *c = &all->item[i];
        if (c->kind == s->kind && c->by == i) {
            names[n++] = c->name;
        } else if (c->by == i && strcmp(c->name, s->name) == 0) {
            stele__str_printf(hint, "`%s` is a %s plugin; ", c->name, stele__kind_name(c->kind));
        }
    }
    const char *near = stele__nearest(s->name, names, n);
    if (near != NULL) {
        stele__str_printf(hint, "did you mean `%s`? ", near);
    }
    stele__str_append(hint, n != 0 ? "there are: " : "there are none");
    for (size_t i = 0; i < n; i++) {
        stele__str_printf(hint, "%s%s", i != 0 ? ", " : "", names[i]);
    }
    stele__free((void *)names);
}

/* What is near, and where it was looked for. */
static stele_status report_unknown(const search *s)
{
    stele__candidates all = { 0 };
    stele__str hint;
    stele_status status =
        stele__diag_error(s->diag, STELE_E_ABI, s->at, "there is no %s plugin `%s`",
                          stele__kind_name(s->kind), s->name);
    stele__str_init(&hint);
    if (stele__registry_candidates(s->registry, &all) == STELE_OK) {
        put_others(s, &all, &hint);
    }
    stele__candidates_finish(&all);
    for (size_t i = 0; i < s->registry->n_folders; i++) {
        stele__str_printf(&hint, "%s%s/%s", i == 0 ? "\n    looked in " : ", ",
                          s->registry->folder[i], stele__kind_name(s->kind));
    }
    char *text = stele__str_take(&hint);
    if (text != NULL) {
        stele__diag_hint(s->diag, "%s", text);
    }
    stele__free(text);
    return status;
}

stele_status stele__registry_find(stele__registry *registry, uint32_t kind, const char *name,
                                  const stele__place *at, const stele__plugin **ret,
                                  stele__diag *diag)
{
    search s = { registry, kind, name, at, diag };
    const stele__plugin *found = NULL;
    stele_status status = STELE_OK;
    if (strchr(name, '/') != NULL) {
        status = take_file(&s, name, &found);
    } else {
        found = loaded(registry, kind, name);
        if (found == NULL) {
            status = take_built_in(&s, &found);
        }
        for (size_t i = 0; status == STELE_OK && found == NULL && i < registry->n_folders; i++) {
            char *path = file_path(registry->folder[i], kind, name);
            if (path == NULL) {
                status = STELE_E_NOMEM;
            } else if (access(path, F_OK) == 0) {
                status = take_file(&s, path, &found);
            }
            stele__free(path);
        }
        if (status == STELE_OK && found == NULL) {
            status = report_unknown(&s);
        }
    }
    if (status == STELE_OK) {
        *ret = found;
    }
    return status;
}

static stele_status add_candidate(stele__candidates *c, uint32_t kind, char *name, char *path)
{
    if (c->n == c->capacity) {
        size_t capacity = c->capacity != 0 ? 2 * c->capacity : 32;
        stele__candidate *bigger = stele__realloc(c->item, capacity * sizeof *bigger);
        if (bigger == NULL) {
            return STELE_E_NOMEM;
        }
        c->item = bigger;
        c->capacity = capacity;
    }
    c->item[c->n] = (stele__candidate){ .kind = kind, .name = name, .path = path, .by = c->n };
    c->n++;
    return STELE_OK;
}

/* All NAME.so of a folder; a folder that is not there has none. */
static stele_status scan_folder(const char *folder, uint32_t kind, stele__candidates *c)
{
    char *path = stele__path_join(folder, stele__kind_name(kind));
    DIR *dir = path != NULL ? opendir(path) : NULL;
    stele_status status = path != NULL ? STELE_OK : STELE_E_NOMEM;
    stele__free(path);
    for (struct dirent *e = NULL;
         dir != NULL && status == STELE_OK && (e = readdir(dir)) != NULL;) {
        size_t len = strlen(e->d_name);
        if (len < 4 || e->d_name[0] == '.' || strcmp(e->d_name + len - 3, ".so") != 0) {
            continue;
        }
        char *name = stele__strndup(e->d_name, len - 3);
        char *file = name != NULL ? file_path(folder, kind, name) : NULL;
        status = file != NULL ? add_candidate(c, kind, name, file) : STELE_E_NOMEM;
        if (status != STELE_OK) {
            stele__free(name);
            stele__free(file);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return status;
}

static stele_status scan_built_in(const stele__registry *r, stele__candidates *c)
{
    const char *text = NULL;
    size_t len = 0;
    uint32_t kind = 0;
    for (size_t i = 0; (kind = stele__preload_entry(r->preload, i, &text, &len)) != 0; i++) {
        char *name = stele__strndup(text, len);
        stele_status status = name != NULL ? add_candidate(c, kind, name, NULL) : STELE_E_NOMEM;
        if (status != STELE_OK) {
            stele__free(name);
            return status;
        }
    }
    return STELE_OK;
}

/* By kind and name; `by` still holds the order of search here. */
static int compare(const void *a, const void *b)
{
    const stele__candidate *x = a, *y = b;
    if (x->kind != y->kind) {
        return x->kind < y->kind ? -1 : 1;
    }
    int names = strcmp(x->name, y->name);
    return names != 0 ? names : (x->by > y->by) - (x->by < y->by);
}

stele_status stele__registry_candidates(const stele__registry *registry, stele__candidates *ret)
{
    stele__candidates c = { 0 };
    stele_status status = scan_built_in(registry, &c);
    for (size_t i = 0; i < registry->n_folders; i++) {
        for (uint32_t kind = 1; status == STELE_OK && stele__kind_name(kind) != NULL; kind++) {
            status = scan_folder(registry->folder[i], kind, &c);
        }
    }
    if (status != STELE_OK) {
        stele__candidates_finish(&c);
        return status;
    }
    if (c.n != 0) {
        qsort(c.item, c.n, sizeof *c.item, compare);
    }
    for (size_t i = 0; i < c.n; i++) {
        int same = i != 0 && c.item[i - 1].kind == c.item[i].kind &&
                   strcmp(c.item[i - 1].name, c.item[i].name) == 0;
        c.item[i].by = same ? c.item[i - 1].by : i;
    }
    *ret = c;
    return STELE_OK;
}

void stele__candidates_finish(stele__candidates *candidates)
{
    for (size_t i = 0; i < candidates->n; i++) {
        stele__free(candidates->item[i].name);
        stele__free(candidates->item[i].path);
    }
    stele__free(candidates->item);
    memset(candidates, 0, sizeof *candidates);
}

stele_status stele__candidate_open(const stele__registry *registry,
                                   const stele__candidate *candidate, stele__library **ret,
                                   stele__diag *diag)
{
    if (candidate->path != NULL) {
        return stele__library_open(candidate->path, registry->allow_unsafe, NULL, ret, diag);
    }
    return stele__preload_open(registry->preload, candidate->kind, candidate->name, ret, diag);
}
