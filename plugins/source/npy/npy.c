/* The plugin itself: options, and which arrays of an archive are read. */
#include "npy.h"

#include <stdio.h>
#include <string.h>

static const stele_option options[] = {
    STELE_OPTION_PATH(array_config, path, "path", STELE_OPT_REQUIRED,
                      "A .npy or .npz file, or a folder with the `files`."),
    STELE_OPTION_STR_LIST(
        array_config, files, "files", "[]",
        "Files in the folder `path`, or arrays of the .npz file, each one a field "
        "of the same rows; without it all arrays of the .npz file."),
    STELE_OPTION_STR_LIST(array_config, names, "names", "[]",
                          "Names of the fields; without them those of the files without .npy."),
    STELE_OPTION_STR(array_config, key, "key", NULL, 0,
                     "Row ids: an array of the .npz file, or beside it a .npy file or a text with "
                     "an id per line; without it ids are row numbers from 0."),
    STELE_OPTION_STR_LIST(array_config, parts, "parts", "[]",
                          "Parts of arrays as fields of their own, NAME=FIELD[FIRST:END] along the "
                          "first axis of a row: `ppg=windows[0:2]` of windows of five channels."),
    STELE_OPTION_STR_LIST(array_config, channels_last, "channels_last", "[]",
                          "Fields whose rows have their channels along the last axis, as in "
                          "(samples, channels): it is given as the first one, before `parts`."),
};

static size_t stem(const char *name)
{
    size_t len = strlen(name);
    len -= len > 3 && strcmp(name + len - 3, ".gz") == 0 ? 3 : 0;
    return len > 4 && strncmp(name + len - 4, ".npy", 4) == 0 ? len - 4 : len;
}

/* The member that is called `name`, or that with .npy behind it; -1: there is none. */
static int64_t find_member(const zip *z, const char *name)
{
    for (int64_t i = 0; i < z->n; i++) {
        const char *own = z->member[i].name;
        if (strcmp(own, name) == 0 ||
            (strlen(name) == stem(own) && strncmp(own, name, stem(own)) == 0)) {
            return i;
        }
    }
    return -1;
}

static stele_status add_member(stele_inst *s, const zip *z, int64_t i)
{
    input *in = NULL;
    const char *name = z->member[i].name;
    stele_status st = zip_open_member(z, i, &in);
    return st == STELE_OK ? array_source_add(s, in, name, stem(name), npy_parse) : st;
}

static stele_status no_member(const stele_inst *s, const zip *z, const char *option,
                              const char *name)
{
    char list[200] = "none";
    size_t len = 0;
    for (int64_t i = 0; i < z->n && len < sizeof list; i++) {
        const char *own = z->member[i].name;
        len += (size_t)snprintf(list + len, sizeof list - len, "%s%.*s", i > 0 ? ", " : "",
                                (int)stem(own), own);
    }
    return STELE_FAIL(s->host, STELE_E_OPTION, "%s: %s: has no array `%s`%s; there are: %s%s",
                      option, s->config->path, name,
                      strcmp(option, "key") == 0 ? ", and there is no such file beside it" : "",
                      list, len >= sizeof list ? ", ..." : "");
}

static stele_status add_members(stele_inst *s, const zip *z)
{
    const stele_str_list *files = &s->config->files;
    int64_t key = s->config->key != NULL ? find_member(z, s->config->key) : -1;
    stele_status st = STELE_OK;
    for (uint64_t i = 0; i < files->n && st == STELE_OK; i++) {
        int64_t k = find_member(z, files->v[i]);
        if (k < 0 && s->new_rows) {
            continue;
        }
        st = k >= 0 ? add_member(s, z, k) : no_member(s, z, "files", files->v[i]);
        if (st == STELE_OK) {
            s->array[s->n_arrays - 1].given = i;
        }
    }
    for (int64_t i = 0; i < z->n && files->n == 0 && st == STELE_OK; i++) {
        const uint32_t before = s->n_arrays;
        st = i != key ? add_member(s, z, i) : STELE_OK;
        if (st == STELE_OK && s->n_arrays > before) {
            s->array[before].given = before;
        }
    }
    if (st == STELE_OK && s->n_arrays == 0) {
        st = input_fail(z->file, STELE_E_DATA, "has no array");
    }
    return st;
}

/* `key` is a member of the archive if one has that name, else a file. */
static stele_status read_key(stele_inst *s, const zip *z)
{
    input *key = NULL;
    int64_t member = find_member(z, s->config->key);
    if (z->n > 0 && member < 0 && !array_source_has_key(s)) {
        return no_member(s, z, "key", s->config->key);
    }
    stele_status st =
        member >= 0 ? zip_open_member(z, member, &key) : array_source_open_key(s, &key);
    int is_array = st == STELE_OK && npy_is_array(key);
    if (is_array) {
        st = npy_read_ids(key, &s->id);
    }
    st = st == STELE_OK ? array_source_finish(s, is_array ? NULL : key) : st;
    input_close(key);
    return st;
}

static stele_status build(stele_inst *s, stele_build *b)
{
    input *file = NULL;
    zip z = { 0 };
    (void)b;
    stele_status st = STELE_OK;
    int is_zip = 0;
    if (!array_source_is_folder(s)) {
        st = input_open(s->host, "path", s->config->path, &file);
        is_zip = st == STELE_OK && zip_is_archive(file);
    }
    if (is_zip) {
        st = zip_open(file, &z);
        st = st == STELE_OK ? add_members(s, &z) : st;
    } else if (st == STELE_OK) {
        st = array_source_open(s, npy_parse, stem);
    }
    if (st == STELE_OK) {
        st = s->config->key != NULL ? read_key(s, &z) : array_source_finish(s, NULL);
    }
    zip_close(&z);
    input_close(file);
    return st;
}

static const stele_source_vt vt = { .struct_size = sizeof vt, ARRAY_SOURCE_SLOTS, .build = build };

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_SOURCE,
    .caps = STELE_CAP_BITWISE_REPEAT,
    .id = "source/npy",
    .version = "0.1.0",
    .summary = "Arrays of numbers as NumPy writes them: .npy files and .npz archives",
    .license = "BSD-3-Clause",
    .reference = "Harris et al. 2020, Array programming with NumPy",
    STELE_PLUGIN_OPTIONS(options, array_config),
    .vtable = &vt,
};

STELE_LIBRARY(&plugin)
