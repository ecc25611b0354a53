#include "cli/template.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The text with the plugin's own words. The caller frees it; NULL: out of memory. */
static char *fill_in(const char *text, const stele__template_words *w)
{
    const struct {
        const char *mark, *word;
    } words[] = { { "my_kind", w->kind },
                  { "my_plugin", w->name },
                  { "my_docs", w->docs },
                  { "my_pkgconfig", w->pkgconfig },
                  { "my_check_options", stele__template_check_options(w->kind) } };
    const size_t n = sizeof words / sizeof words[0];
    stele__str out;
    stele__str_init(&out);
    stele__str_append(&out, "");
    while (*text != '\0') {
        size_t plain = strcspn(text, "m"), i = 0;
        stele__str_append_n(&out, text, plain);
        text += plain;
        while (i < n && strncmp(text, words[i].mark, strlen(words[i].mark)) != 0) {
            i++;
        }
        if (i < n) {
            stele__str_append(&out, words[i].word);
            text += strlen(words[i].mark);
        } else if (*text != '\0') {
            stele__str_append_n(&out, text++, 1);
        }
    }
    return stele__str_take(&out);
}

static int belongs(const stele__template_file *f, const char *kind)
{
    return f->kind == NULL || strcmp(f->kind, kind) == 0;
}

const char *stele__template_check_options(const char *kind)
{
    for (const stele__template_file *f = stele__template_files; f->path != NULL; f++) {
        if (belongs(f, kind) && strcmp(f->path, "example.csv") == 0) {
            return " --options path=example.csv";
        }
    }
    return "";
}

/* Where a file goes. The caller frees it; NULL: out of memory. */
static char *place_of(const stele__template_file *f, const stele__template_words *w,
                      const char *folder)
{
    char *path = fill_in(f->path, w);
    char *whole = path != NULL ? stele__path_join(folder, path) : NULL;
    stele__free(path);
    return whole;
}

static stele_status write_file(const stele__template_file *f, const stele__template_words *w,
                               const char *folder, stele__diag *diag)
{
    char *path = place_of(f, w, folder), *text = fill_in(f->text, w);
    char *parent = path != NULL ? stele__path_folder(path) : NULL;
    stele__writer out = { 0 };
    stele_status status = parent != NULL && text != NULL ? STELE_OK : STELE_E_NOMEM;
    if (status == STELE_OK) {
        status = stele__folder_create(parent, diag);
    }
    if (status == STELE_OK) {
        status = stele__writer_open(&out, path, diag);
    }
    if (status == STELE_OK) {
        (void)stele__writer_write(&out, text, strlen(text)); /* commit tells of a failure */
        status = stele__writer_commit(&out, diag);
    }
    stele__writer_abandon(&out);
    stele__free(parent);
    stele__free(path);
    stele__free(text);
    return status;
}

/* Take back what was written; what is not there does not matter. */
static void remove_all(const stele__template_words *w, const char *folder)
{
    for (const stele__template_file *f = stele__template_files; f->path != NULL; f++) {
        char *path = place_of(f, w, folder),
             *parent = path != NULL ? stele__path_folder(path) : NULL;
        if (parent != NULL) {
            (void)unlink(path);
            (void)rmdir(parent); /* succeeds with its last file */
        }
        stele__free(parent);
        stele__free(path);
    }
    (void)rmdir(folder);
}

/* Fill `folder`, which exists and is empty. */
static stele_status write_all(const stele__template_words *w, const char *folder, stele__diag *diag)
{
    stele_status status = STELE_OK;
    for (const stele__template_file *f = stele__template_files;
         f->path != NULL && status == STELE_OK; f++) {
        status = belongs(f, w->kind) ? write_file(f, w, folder, diag) : STELE_OK;
    }
    return status;
}

/* Write beside the place and move there, so that an interruption leaves no half of a plugin. */
static stele_status write_and_move(const stele__template_words *w, const char *temporary,
                                   const char *folder, stele__diag *diag)
{
    struct stat st;
    if (lstat(folder, &st) == 0) {
        stele_status status =
            stele__diag_error(diag, STELE_E_ARG, NULL, "%s: exists already", folder);
        stele__diag_hint(diag, "choose another folder with -o");
        return status;
    }
    if (mkdir(temporary, 0777) != 0) {
        int is_left = errno == EEXIST;
        stele_status status = stele__diag_error(
            diag, STELE_E_IO, NULL, "%s: cannot create the folder: %s", temporary, strerror(errno));
        if (is_left) {
            stele__diag_hint(diag, "an interrupted `stele new` has left it: remove it");
        }
        return status;
    }
    stele_status status = write_all(w, temporary, diag);
    if (status == STELE_OK && rename(temporary, folder) != 0) {
        status = stele__diag_error(diag, STELE_E_IO, NULL, "%s: cannot create the folder: %s",
                                   folder, strerror(errno));
    }
    if (status != STELE_OK) {
        remove_all(w, temporary);
    }
    return status;
}

stele_status stele__template_write(const stele__template_words *w, const char *folder,
                                   stele__diag *diag)
{
    size_t len = strlen(folder);
    stele__str temporary;
    while (len > 1 && folder[len - 1] == '/') {
        len--;
    }
    char *plain = stele__strndup(folder, len);
    stele__str_init(&temporary);
    stele__str_printf(&temporary, "%.*s.tmp", (int)len, folder);
    stele_status status = plain == NULL || temporary.failed
                              ? STELE_E_NOMEM
                              : write_and_move(w, temporary.data, plain, diag);
    stele__str_finish(&temporary);
    stele__free(plain);
    return status;
}
