/* The source: options, which files are rows, slots. */
#include "swc.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static const char *const axis_names[] = { "x", "y", "z", NULL };

static const stele_option options[] = {
    STELE_OPTION_PATH(swc_config, path, "path", STELE_OPT_REQUIRED,
                      "A folder with .swc files, or a zip archive of them: a row each, its id the "
                      "file's name without ending."),
    STELE_OPTION_BOOL(swc_config, any_root, "any_root", 0,
                      "Take the root for the soma whatever its type; else it has to have type 1."),
    STELE_OPTION_F64_LIST(swc_config, sholl_radii, "sholl_radii", "[25, 50, 100, 150, 200, 300]",
                          1e-3, 1e6,
                          "Spheres around the soma, by radius in micrometres, whose crossings are "
                          "features of their own."),
    STELE_OPTION_F64(swc_config, sholl_step, "sholl_step", 10.0, 0.01, 1e6,
                     "Micrometres between the spheres among which the one with most crossings is "
                     "looked for; there are at most 4096."),
    STELE_OPTION_ENUM(swc_config, depth_axis, "depth_axis", axis_names, 1,
                      "The coordinate that runs along the depth of the tissue, for the map."),
    STELE_OPTION_I64_LIST(swc_config, map_bins, "map_bins", "[20, 8]", 1, 1000,
                          "Bins of the map, [DEPTH, RADIUS]."),
    STELE_OPTION_F64(swc_config, map_depth, "map_depth", 500.0, 1e-3, 1e6,
                     "Micrometres above and below the soma that the map's bins of depth divide."),
    STELE_OPTION_F64(swc_config, map_radius, "map_radius", 300.0, 1e-3, 1e6,
                     "Micrometres from the axis of depth through the soma that the map's bins of "
                     "radius divide."),
    STELE_OPTION_F64(swc_config, map_unit, "map_unit", 10.0, 1e-3, 1e6,
                     "Micrometres of cable that the map counts as one."),
    STELE_OPTION_I64(
        swc_config, branches, "branches", 4096, 1, 1000000,
        "Room for the branches of a tree, in rows of the field `branches`; a tree with "
        "more is refused there."),
};

enum { MEASURES = 0, MAP, BRANCHES, N_FIELDS };
static const char *const field_names[N_FIELDS] = { "morphometrics", "density", "branches" };

struct stele_inst {
    const stele_host *host;
    const swc_config *config;
    input *archive;
    zip zip;
    texts id, file;      /* of each row: file in the folder, or name of the archive's member */
    int64_t *member;     /* of each row: number of that */
    int64_t *n_branches; /* of each row */
    texts feature;
};

static stele_status no_memory(const stele_inst *s)
{
    return STELE_FAIL(s->host, STELE_E_NOMEM, "out of memory");
}

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    const swc_config *c = a->config;
    if (c->map_bins.n != 2) {
        return STELE_FAIL(a->host, STELE_E_OPTION, "map_bins: has to be [DEPTH, RADIUS]");
    }
    for (uint64_t i = 1; i < c->sholl_radii.n; i++) {
        if (!(c->sholl_radii.v[i] > c->sholl_radii.v[i - 1])) {
            return STELE_FAIL(a->host, STELE_E_OPTION,
                              "sholl_radii: %g does not come behind a smaller radius",
                              c->sholl_radii.v[i]);
        }
    }
    stele_inst *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return STELE_FAIL(a->host, STELE_E_NOMEM, "out of memory");
    }
    s->host = a->host;
    s->config = c;
    *ret = s;
    return STELE_OK;
}

static void destroy(stele_inst *s)
{
    if (s == NULL) {
        return;
    }
    zip_close(&s->zip);
    input_close(s->archive);
    texts_finish(&s->id);
    texts_finish(&s->file);
    texts_finish(&s->feature);
    free(s->member);
    free(s->n_branches);
    free(s);
}

/* --- which files ----------------------------------------------------------------------------- */

/* "swc/a.swc" -> "a"; NULL for what is no SWC file, and for what other programs hide from view. */
static const char *stem_of(const char *name, size_t *ret_len)
{
    const char *slash = strrchr(name, '/'), *base = slash != NULL ? slash + 1 : name;
    size_t len = strlen(base);
    len -= len > 3 && strcasecmp(base + len - 3, ".gz") == 0 ? 3 : 0;
    if (len <= 4 || base[0] == '.' || strncasecmp(base + len - 4, ".swc", 4) != 0) {
        return NULL;
    }
    *ret_len = len - 4;
    return base;
}

static stele_status list_folder(const stele_inst *s, texts *ret)
{
    DIR *folder = opendir(s->config->path);
    if (folder == NULL) {
        return STELE_FAIL(s->host, STELE_E_IO, "path: %s: cannot be opened: %s", s->config->path,
                          strerror(errno));
    }
    size_t len = 0;
    int failed = 0;
    for (struct dirent *e = readdir(folder); e != NULL && !failed; e = readdir(folder)) {
        failed = stem_of(e->d_name, &len) != NULL && texts_add(ret, e->d_name, strlen(e->d_name));
    }
    closedir(folder);
    return failed ? no_memory(s) : STELE_OK;
}

/* Numbers of the members that are SWC files go to `ret_member`, the caller's. */
static stele_status list_archive(stele_inst *s, texts *ret, int64_t **ret_member)
{
    size_t len = 0;
    stele_status st = input_open(s->host, "path", s->config->path, &s->archive);
    if (st == STELE_OK && !zip_is_archive(s->archive)) {
        st = input_fail(s->archive, STELE_E_DATA, "is neither a folder nor a zip archive");
    }
    st = st == STELE_OK ? zip_open(s->archive, &s->zip) : st;
    *ret_member = malloc(((size_t)s->zip.n + 1) * sizeof **ret_member);
    st = st == STELE_OK && *ret_member == NULL ? no_memory(s) : st;
    for (int64_t i = 0; i < s->zip.n && st == STELE_OK; i++) {
        const char *name = s->zip.member[i].name;
        if (stem_of(name, &len) != NULL) {
            (*ret_member)[ret->n] = i;
            st = texts_add(ret, name, strlen(name)) == 0 ? STELE_OK : no_memory(s);
        }
    }
    return st;
}

/* Rows in the order of the files' names: that of a folder is anything. */
static stele_status add_rows(stele_inst *s, const texts *found, const int64_t *member)
{
    int64_t first = 0, second = 0;
    int64_t *order = texts_order(found);
    s->member = malloc(((size_t)found->n + 1) * sizeof *s->member);
    int failed = order == NULL || s->member == NULL;
    for (int64_t i = 0; i < found->n && !failed; i++) {
        size_t len = 0;
        const char *name = texts_at(found, order[i]), *stem = stem_of(name, &len);
        s->member[i] = member != NULL ? member[order[i]] : 0;
        failed = stem == NULL || texts_add(&s->file, name, strlen(name)) != 0 ||
                 texts_add(&s->id, stem, len) != 0;
    }
    free(order);
    int twice = failed ? -1 : texts_find_twice(&s->id, &first, &second);
    if (twice > 0) {
        return STELE_FAIL(s->host, STELE_E_DATA, "path: %s: `%s` and `%s` would both be row `%s`",
                          s->config->path, texts_at(&s->file, first), texts_at(&s->file, second),
                          texts_at(&s->id, first));
    }
    return twice < 0 ? no_memory(s) : STELE_OK;
}

/* --- trees ----------------------------------------------------------------------------------- */

static stele_status open_row(const stele_inst *s, int64_t row, input **ret)
{
    if (s->archive != NULL) {
        return zip_open_member(&s->zip, s->member[row], ret);
    }
    char *path = text_join(s->config->path, texts_at(&s->file, row));
    stele_status st = path != NULL ? input_open(s->host, "path", path, ret) : no_memory(s);
    free(path);
    return st;
}

/* The values of a field for a row; `ret` NULL: the number of its tree's branches alone. */
static stele_status take_row(const stele_inst *s, int64_t row, uint32_t field, float *ret,
                             int64_t *ret_branches)
{
    input *in = NULL;
    swc_tree t = { 0 };
    stele_status st = open_row(s, row, &in);
    st = st == STELE_OK ? swc_tree_read(in, s->config->any_root, &t) : st;
    if (st == STELE_OK && (ret == NULL || field == BRANCHES)) {
        st = swc_branches(s->config, in, &t, ret, ret_branches);
    } else if (st == STELE_OK) {
        st = (field == MAP ? swc_map : swc_measure)(s->config, in, &t, ret);
    }
    swc_tree_finish(&t);
    input_close(in);
    return st;
}

static stele_status build(stele_inst *s, stele_build *b)
{
    struct stat status;
    texts found = { 0 };
    int64_t *member = NULL;
    (void)b;
    int is_folder = stat(s->config->path, &status) == 0 && S_ISDIR(status.st_mode);
    stele_status st = is_folder ? list_folder(s, &found) : list_archive(s, &found, &member);
    st = st == STELE_OK ? add_rows(s, &found, member) : st;
    texts_finish(&found);
    free(member);
    if (st == STELE_OK && s->id.n == 0) {
        st = STELE_FAIL(s->host, STELE_E_DATA, "path: %s: there is no .swc file in it",
                        s->config->path);
    }
    if (st == STELE_OK && swc_measure_names(s->config, &s->feature) != 0) {
        st = no_memory(s);
    }
    s->n_branches = malloc(((size_t)s->id.n + 1) * sizeof *s->n_branches);
    st = st == STELE_OK && s->n_branches == NULL ? no_memory(s) : st;
    for (int64_t row = 0; row < s->id.n && st == STELE_OK; row++) {
        st = take_row(s, row, 0, NULL, &s->n_branches[row]);
    }
    return st;
}

/* --- slots ----------------------------------------------------------------------------------- */

static uint32_t n_axes(const stele_inst *s)
{
    (void)s;
    return 1;
}

static int64_t n_rows(const stele_inst *s, uint32_t axis)
{
    return axis == 0 ? s->id.n : 0;
}

static const char *row_id(const stele_inst *s, uint32_t axis, int64_t row)
{
    return axis == 0 ? texts_at(&s->id, row) : NULL;
}

static uint32_t n_fields(const stele_inst *s)
{
    (void)s;
    return N_FIELDS;
}

static int64_t width_of(const stele_inst *s, uint32_t field)
{
    const int64_t *bins = s->config->map_bins.v;
    return field == MAP ? (SWC_PARTS - SWC_AXON) * bins[0] * bins[1] : s->feature.n;
}

static stele_status field(const stele_inst *s, uint32_t index, stele_field *ret)
{
    if (index >= N_FIELDS) {
        return STELE_FAIL(s->host, STELE_E_ARG, "there is no field %u", index);
    }
    const int64_t *bins = s->config->map_bins.v;
    stele_field d = { .struct_size = sizeof d,
                      .name = field_names[index],
                      .content = STELE_FIELD_MATRIX,
                      .dtype = STELE_F32,
                      .layout = STELE_DENSE,
                      .sample = { .ndim = 1, .dim = { s->feature.n } } };
    if (index == MAP) {
        d.sample = (stele_shape){ .ndim = 3, .dim = { SWC_PARTS - SWC_AXON, bins[0], bins[1] } };
    } else if (index == BRANCHES) {
        d.layout = STELE_CSR;
        d.sample = (stele_shape){ .ndim = 2, .dim = { s->config->branches, SWC_BRANCH_COLUMNS } };
    }
    *ret = d;
    return STELE_OK;
}

static const char *feature_name(const stele_inst *s, uint32_t index, int64_t feature)
{
    return index == MEASURES ? texts_at(&s->feature, feature) : NULL;
}

static const char *category(const stele_inst *s, uint32_t index, int64_t code)
{
    (void)s;
    (void)index;
    (void)code;
    return NULL;
}

static stele_status check_row(const stele_inst *s, int64_t row)
{
    return row >= 0 && row < s->id.n
               ? STELE_OK
               : STELE_FAIL(s->host, STELE_E_ARG, "there are %lld rows, none with number %lld",
                            (long long)s->id.n, (long long)row);
}

/* Stored are all columns of a row's branches, zeros among them. */
static stele_status count(const stele_inst *s, uint32_t index, uint64_t n, const int64_t *row,
                          int64_t *ret_n)
{
    stele_status st = STELE_OK;
    if (index != BRANCHES) {
        return STELE_FAIL(s->host, STELE_E_ARG, "field %u is not sparse", index);
    }
    for (uint64_t i = 0; i < n && st == STELE_OK; i++) {
        st = check_row(s, row[i]);
        if (st == STELE_OK && s->n_branches[row[i]] > s->config->branches) {
            st = STELE_FAIL(s->host, STELE_E_DATA,
                            "branches: `%s` has %lld branches, and there is room for %lld",
                            texts_at(&s->file, row[i]), (long long)s->n_branches[row[i]],
                            (long long)s->config->branches);
        }
        ret_n[i] = st == STELE_OK ? s->n_branches[row[i]] * SWC_BRANCH_COLUMNS : 0;
    }
    return st;
}

static stele_status read_rows(const stele_inst *s, const stele_read *r)
{
    stele_status st = STELE_OK;
    if (r->field >= N_FIELDS) {
        return STELE_FAIL(s->host, STELE_E_ARG, "there is no field %u", r->field);
    }
    const int64_t width = width_of(s, r->field);
    for (uint64_t i = 0; i < r->n_rows && st == STELE_OK; i++) {
        const int64_t at = r->field == BRANCHES ? r->row_start[i] : (int64_t)i * width;
        int64_t n = 0;
        st = check_row(s, r->row[i]);
        if (st == STELE_OK) {
            st = take_row(s, r->row[i], r->field, (float *)r->data + at, &n);
        }
        for (int64_t k = 0; k < n * SWC_BRANCH_COLUMNS; k++) {
            r->column[at + k] = (int32_t)k;
        }
    }
    return st;
}

static const stele_source_vt vt = {
    .struct_size = sizeof vt,
    .create = create,
    .destroy = destroy,
    .build = build,
    .n_axes = n_axes,
    .n_rows = n_rows,
    .row_id = row_id,
    .n_fields = n_fields,
    .field = field,
    .feature_name = feature_name,
    .category = category,
    .count = count,
    .read = read_rows,
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_SOURCE,
    .caps = STELE_CAP_BITWISE_REPEAT,
    .id = "source/swc",
    .version = "0.1.0",
    .summary = "Reconstructed neurons, SWC files in a folder or zip: morphometrics and a map of "
               "their cable",
    .license = "BSD-3-Clause",
    .reference = "Cannon et al., J. Neurosci. Methods 84, 49 (1998)",
    STELE_PLUGIN_OPTIONS(options, swc_config),
    .vtable = &vt,
};

STELE_LIBRARY(&plugin)
