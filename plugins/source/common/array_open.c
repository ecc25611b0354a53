/* Which files make up a source of arrays, and whether they agree. */
#include "array.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

int array_source_is_folder(const stele_inst *s)
{
    return is_folder(s->config->path);
}

stele_status array_take_texts(array *a, const texts *rows)
{
    int64_t *order = texts_order(rows);
    const char *last = "";
    int failed = 0;
    a->code = malloc((size_t)rows->n * sizeof *a->code + 1);
    for (int64_t i = 0; order != NULL && a->code != NULL && i < rows->n && !failed; i++) {
        const char *text = texts_at(rows, order[i]);
        if (strcmp(text, last) != 0) {
            failed = texts_add(&a->category, text, strlen(text)) != 0;
            last = text;
        }
        a->code[order[i]] = text[0] != '\0' ? (int32_t)(a->category.n - 1) : -1;
    }
    failed = failed || order == NULL || a->code == NULL;
    free(order);
    return failed ? input_nomem(a->in) : STELE_OK;
}

stele_status array_source_add(stele_inst *s, input *in, const char *name, size_t name_len,
                              array_parse *parse)
{
    array *all = realloc(s->array, (s->n_arrays + 1) * sizeof *all);
    if (all == NULL) {
        stele_status st = input_nomem(in);
        input_close(in);
        return st;
    }
    s->array = all;
    array *a = &s->array[s->n_arrays++];
    *a = (array){ .in = in, .name = malloc(name_len + 1) };
    if (a->name == NULL) {
        return input_nomem(in);
    }
    memcpy(a->name, name, name_len);
    a->name[name_len] = '\0';
    stele_status st = parse(a);
    return st == STELE_OK && a->code == NULL ? array_check_size(a) : st;
}

static stele_status add_file(stele_inst *s, const char *option, const char *path,
                             array_parse *parse, size_t (*stem)(const char *name))
{
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    input *in = NULL;
    size_t len = stem(name) > 0 ? stem(name) : strlen(name);
    stele_status st = input_open(s->host, option, path, &in);
    return st == STELE_OK ? array_source_add(s, in, name, len, parse) : st;
}

stele_status array_source_open(stele_inst *s, array_parse *parse, size_t (*stem)(const char *name))
{
    const char *path = s->config->path;
    const stele_str_list *files = &s->config->files;
    stele_status st = STELE_OK;
    if (files->n == 0 && is_folder(path)) {
        return STELE_FAIL(s->host, STELE_E_OPTION,
                          "path: %s: is a folder; `files` has to say which of its files to read",
                          path);
    }
    if (files->n > 0 && !is_folder(path)) {
        return STELE_FAIL(s->host, STELE_E_OPTION,
                          "files: they are looked for in the folder `path`, but %s is no folder",
                          path);
    }
    if (files->n == 0) {
        return add_file(s, "path", path, parse, stem);
    }
    for (uint64_t i = 0; i < files->n && st == STELE_OK; i++) {
        char *full = text_join(path, files->v[i]);
        if (full == NULL) {
            return STELE_FAIL(s->host, STELE_E_NOMEM, "out of memory");
        }
        const int skipped = s->new_rows && access(full, F_OK) != 0;
        st = skipped ? STELE_OK : add_file(s, "files", full, parse, stem);
        if (st == STELE_OK && !skipped) {
            s->array[s->n_arrays - 1].given = i;
        }
        free(full);
    }
    return st == STELE_OK && s->n_arrays == 0
               ? STELE_FAIL(s->host, STELE_E_DATA, "files: none of them is in %s", path)
               : st;
}

/* The caller's; NULL without memory. */
static char *key_path(const stele_inst *s)
{
    const char *path = s->config->path, *slash = strrchr(path, '/');
    char *folder = text_copy(path), *full = NULL;
    if (folder != NULL && !is_folder(path)) {
        folder[slash != NULL ? slash - path + 1 : 0] = '\0';
    }
    full = folder != NULL ? text_join(folder, s->config->key) : NULL;
    free(folder);
    return full;
}

int array_source_has_key(const stele_inst *s)
{
    struct stat status;
    char *full = key_path(s);
    const int found = full != NULL && stat(full, &status) == 0;
    free(full);
    return found;
}

stele_status array_source_open_key(const stele_inst *s, input **ret)
{
    char *full = key_path(s);
    stele_status st = full != NULL ? input_open(s->host, "key", full, ret)
                                   : STELE_FAIL(s->host, STELE_E_NOMEM, "out of memory");
    free(full);
    return st;
}

static stele_status rename_fields(stele_inst *s)
{
    const stele_str_list *names = &s->config->names;
    const uint64_t n_given = s->config->files.n > 0 ? s->config->files.n : s->n_arrays;
    if (names->n > 0 && names->n != n_given) {
        return STELE_FAIL(s->host, STELE_E_OPTION, "names: there are %llu, but %llu %s",
                          (unsigned long long)names->n, (unsigned long long)n_given,
                          n_given == 1 ? "array" : "arrays");
    }
    for (uint32_t i = 0; i < s->n_arrays && names->n > 0; i++) {
        char *name = text_copy(names->v[s->array[i].given]);
        if (name == NULL) {
            return STELE_FAIL(s->host, STELE_E_NOMEM, "out of memory");
        }
        free(s->array[i].name);
        s->array[i].name = name;
    }
    return STELE_OK;
}

/* Where NAME=FIELD[FIRST:END] has its parts. 0: it is written otherwise. */
typedef struct part_text {
    const char *field;
    size_t name_len, field_len;
    int64_t first, end;
} part_text;

static int64_t read_number(const char **at, const char *digits)
{
    const size_t n = strspn(*at, digits);
    const int64_t ret = n > 0 && n < 10 ? strtol(*at, NULL, 10) : -1;
    *at += n;
    return ret;
}

static int split_part(const char *text, part_text *ret)
{
    static const char digits[] = "0123456789";
    const char *equals = strchr(text, '='), *at = strrchr(text, '[');
    if (equals == NULL || at == NULL || at <= equals + 1 || equals == text) {
        return 0;
    }
    ret->field = equals + 1;
    ret->name_len = (size_t)(equals - text);
    ret->field_len = (size_t)(at++ - ret->field);
    ret->first = read_number(&at, digits);
    if (*at++ != ':') {
        return 0;
    }
    ret->end = read_number(&at, digits);
    return ret->first >= 0 && ret->end >= 0 && strcmp(at, "]") == 0;
}

static stele_status add_part(stele_inst *s, const char *text, uint32_t n_whole)
{
    part_text p;
    uint32_t i = 0;
    if (!split_part(text, &p)) {
        return STELE_FAIL(s->host, STELE_E_OPTION,
                          "parts: `%s` has to be NAME=FIELD[FIRST:END], as in ppg=windows[0:2]",
                          text);
    }
    while (i < n_whole && (strlen(s->array[i].name) != p.field_len ||
                           strncmp(s->array[i].name, p.field, p.field_len) != 0)) {
        i++;
    }
    if (i == n_whole && s->new_rows) {
        return STELE_OK;
    }
    if (i == n_whole || s->array[i].n_dims < 2) {
        return STELE_FAIL(s->host, STELE_E_OPTION, "parts: `%s`: %s `%.*s`", text,
                          i == n_whole ? "there is no array" : "there is a number per row in",
                          (int)p.field_len, p.field);
    }
    if (p.first >= p.end || p.end > array_channels(&s->array[i])) {
        return STELE_FAIL(s->host, STELE_E_OPTION,
                          "parts: `%s`: a row of `%s` has 0 to %lld along its first axis", text,
                          s->array[i].name, (long long)array_channels(&s->array[i]));
    }
    array *all = realloc(s->array, (s->n_arrays + 1) * sizeof *all);
    char *name = all != NULL ? calloc(p.name_len + 1, 1) : NULL;
    s->array = all != NULL ? all : s->array;
    if (name == NULL) {
        return STELE_FAIL(s->host, STELE_E_NOMEM, "out of memory");
    }
    memcpy(name, text, p.name_len);
    array *a = &s->array[s->n_arrays++];
    *a = s->array[i];
    a->name = name;
    a->is_part = 1;
    a->first = p.first;
    a->end = p.end;
    return STELE_OK;
}

static stele_status add_parts(stele_inst *s)
{
    const uint32_t n_whole = s->n_arrays;
    stele_status st = STELE_OK;
    for (uint64_t i = 0; i < s->config->parts.n && st == STELE_OK; i++) {
        st = add_part(s, s->config->parts.v[i], n_whole);
    }
    return st;
}

/* Turn the arrays that `channels_last` names. */
static stele_status turn(stele_inst *s)
{
    const stele_str_list *names = &s->config->channels_last;
    for (uint64_t k = 0; k < names->n; k++) {
        uint32_t i = 0;
        while (i < s->n_arrays && strcmp(s->array[i].name, names->v[k]) != 0) {
            i++;
        }
        if (i == s->n_arrays && s->new_rows) {
            continue;
        }
        if (i == s->n_arrays || s->array[i].n_dims < 3) {
            return STELE_FAIL(s->host, STELE_E_OPTION, "channels_last: %s `%s`",
                              i == s->n_arrays ? "there is no array"
                                               : "there are not two axes in a row of",
                              names->v[k]);
        }
        s->array[i].channels_last = 1;
    }
    return STELE_OK;
}

static stele_status check_names(const stele_inst *s)
{
    for (uint32_t i = 0; i < s->n_arrays; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (strcmp(s->array[i].name, s->array[k].name) == 0) {
                return STELE_FAIL(s->host, STELE_E_OPTION,
                                  "%s: two arrays would be called `%s`; give each its own",
                                  s->array[i].is_part ? "parts" : "names", s->array[i].name);
            }
        }
    }
    return STELE_OK;
}

static stele_status check_rows(stele_inst *s)
{
    for (uint32_t i = 1; i < s->n_arrays; i++) {
        if (s->array[i].dim[0] != s->array[0].dim[0]) {
            return input_fail(
                s->array[i].in, STELE_E_DATA,
                "has %lld rows, but `%s` has %lld; arrays with other rows are another "
                "source",
                (long long)s->array[i].dim[0], s->array[0].name, (long long)s->array[0].dim[0]);
        }
    }
    s->n_rows = s->array[0].dim[0];
    return STELE_OK;
}

stele_status array_source_finish(stele_inst *s, input *key)
{
    stele_status st = rename_fields(s);
    st = st == STELE_OK ? turn(s) : st;
    st = st == STELE_OK ? add_parts(s) : st;
    st = st == STELE_OK ? check_names(s) : st;
    st = st == STELE_OK ? check_rows(s) : st;
    st = st == STELE_OK && key != NULL ? input_read_ids(key, &s->id) : st;
    if (st == STELE_OK && key == NULL && s->id.n == 0 &&
        texts_add_numbers(&s->id, s->n_rows) != 0) {
        st = STELE_FAIL(s->host, STELE_E_NOMEM, "out of memory");
    }
    if (st == STELE_OK && s->id.n != s->n_rows) {
        st = STELE_FAIL(s->host, STELE_E_DATA,
                        "key: `%s` has %lld ids, but the arrays have %lld rows", s->config->key,
                        (long long)s->id.n, (long long)s->n_rows);
    }
    return st;
}
