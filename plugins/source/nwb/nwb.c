/* The source: options, life, fields, slots. */
#include "nwb.h"

#include <stdlib.h>
#include <string.h>

static const stele_option options[] = {
    STELE_OPTION_PATH(nwb_config, path, "path", STELE_OPT_REQUIRED,
                      "A Neurodata Without Borders file (.nwb) with spike times of units."),
    { .name = "bin",
      .help = "Width of the bins that spikes are counted in.",
      .unit = "seconds",
      .type = STELE_OPT_F64,
      .offset = STELE_FIELD(nwb_config, bin, double),
      .def = { .f = 0.1 },
      .min = { .f = 1e-5 },
      .max = { .f = 1e6 } },
    STELE_OPTION_STR(nwb_config, trials, "trials", NULL, 0,
                     "A table of intervals (`trials`): each is a row with a window of bins, its "
                     "columns are labels; without it every bin is a row."),
    STELE_OPTION_STR(nwb_config, align, "align", "start_time", 0,
                     "trials: column with the time that windows are placed by."),
    STELE_OPTION_F64(nwb_config, before, "before", 0.0, -1e6, 1e6,
                     "trials: seconds from a window's begin to that time."),
    STELE_OPTION_F64(nwb_config, after, "after", 1.0, -1e6, 1e6,
                     "trials: seconds from that time to the window's end."),
    STELE_OPTION_F64(nwb_config, start, "start", 0.0, -1e9, 1e9,
                     "Without trials: time at which the first bin begins."),
    STELE_OPTION_F64(nwb_config, stop, "stop", 0.0, -1e9, 1e9,
                     "Without trials: time that no bin goes beyond; 0: up to the last spike."),
    STELE_OPTION_STR_LIST(nwb_config, series, "series", "[]",
                          "Paths of time series in the file (`processing/behavior/position`), "
                          "measured at the middle of each bin by linear interpolation."),
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    stele_inst *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return STELE_FAIL(a->host, STELE_E_NOMEM, "out of memory");
    }
    s->config = a->config;
    s->h5 = (h5_file){ .host = a->host, .path = s->config->path, .id = -1 };
    *ret = s;
    return STELE_OK;
}

static void destroy(stele_inst *s)
{
    if (s == NULL) {
        return;
    }
    for (uint32_t k = 0; k < s->n_columns; k++) {
        free(s->column[k].name);
        free(s->column[k].path);
        free(s->column[k].number);
        texts_finish(&s->column[k].text);
    }
    for (uint32_t k = 0; k < s->n_series; k++) {
        free(s->series[k].name);
        free(s->series[k].time);
        free(s->series[k].value);
    }
    free(s->column);
    free(s->series);
    free(s->units.time);
    free(s->units.first);
    free(s->units.seen);
    free(s->units.first_seen);
    free(s->begin);
    free(s->trial);
    texts_finish(&s->units.name);
    texts_finish(&s->id);
    free(s);
}

/* Files of other programs are HDF5 as well. */
static stele_status check_kind(const stele_inst *s)
{
    char kind[64] = "";
    hid_t root = H5Gopen2(s->h5.id, "/", H5P_DEFAULT);
    int known = root >= 0 && h5_text_attribute(root, "neurodata_type", kind, sizeof kind);
    if (root >= 0) {
        H5Gclose(root);
    }
    return known && strcmp(kind, "NWBFile") == 0
               ? STELE_OK
               : h5_fail(&s->h5, STELE_E_DATA, NULL,
                         "is no NWB file: its `neurodata_type` is not `NWBFile`");
}

/* Fields are named by the last part of a path. */
static stele_status check_name(const stele_inst *s)
{
    const char *name = s->series[s->n_series - 1].name;
    int twice = strcmp(name, "spikes") == 0;
    for (uint32_t k = 0; k + 1 < s->n_series; k++) {
        twice = twice || strcmp(name, s->series[k].name) == 0;
    }
    return twice
               ? STELE_FAIL(s->h5.host, STELE_E_OPTION,
                            "series: %s: two fields would be called `%s`; read the second through "
                            "a source of its own",
                            s->h5.path, name)
               : STELE_OK;
}

static stele_status read_all(stele_inst *s)
{
    const nwb_config *c = s->config;
    stele_status st = h5_file_open(&s->h5);
    st = st == STELE_OK ? check_kind(s) : st;
    st = st == STELE_OK ? nwb_units_read(s) : st;
    st = st == STELE_OK ? nwb_observed_read(s) : st;
    st = st == STELE_OK && c->trials != NULL ? nwb_trials_read(s) : st;
    st = st == STELE_OK ? nwb_rows_make(s) : st;
    if (st == STELE_OK) {
        s->series = calloc((size_t)c->series.n + 1, sizeof *s->series);
        st = s->series != NULL ? STELE_OK : h5_nomem(&s->h5, NULL);
    }
    for (uint64_t i = 0; i < c->series.n && st == STELE_OK; i++) {
        st = nwb_series_read(s, c->series.v[i], &s->series[s->n_series++]);
        st = st == STELE_OK ? check_name(s) : st;
    }
    h5_file_close(&s->h5);
    return st;
}

static stele_status build(stele_inst *s, stele_build *b)
{
    (void)b;
    h5_enter();
    stele_status st = read_all(s);
    h5_leave();
    return st;
}

/* --- slots ----------------------------------------------------------------------------------- */

/* Trials have an axis of their own: not all need to have a window. */
enum { WINDOWS = 0, TRIALS };

static uint32_t n_axes(const stele_inst *s)
{
    return s->config->trials != NULL ? 2 : 1;
}

static int64_t n_rows(const stele_inst *s, uint32_t axis)
{
    return axis == WINDOWS ? s->n_rows : axis == TRIALS ? s->n_trials : 0;
}

static const char *row_id(const stele_inst *s, uint32_t axis, int64_t row)
{
    if (row < 0 || row >= n_rows(s, axis)) {
        return NULL;
    }
    return texts_at(&s->id, axis == WINDOWS && s->config->trials != NULL ? s->trial[row] : row);
}

/* Spikes, then series, then columns. */
static uint32_t n_fields(const stele_inst *s)
{
    return 1 + s->n_series + s->n_columns;
}

static const nwb_column *column_of(const stele_inst *s, uint32_t index)
{
    return index > s->n_series && index < n_fields(s) ? &s->column[index - 1 - s->n_series] : NULL;
}

static stele_status field(const stele_inst *s, uint32_t index, stele_field *ret)
{
    if (index >= n_fields(s)) {
        return STELE_FAIL(s->h5.host, STELE_E_ARG, "there is no field %u", index);
    }
    const nwb_column *c = column_of(s, index);
    stele_field d = { .struct_size = sizeof d, .layout = STELE_DENSE };
    if (c != NULL) {
        d.name = c->name;
        d.axis = TRIALS;
        d.content = c->number != NULL ? STELE_FIELD_NUMBER : STELE_FIELD_TEXT;
        d.dtype = c->number != NULL ? STELE_F64 : 0;
    } else {
        const int64_t width = index == 0 ? s->units.n : s->series[index - 1].channels;
        d.name = index == 0 ? "spikes" : s->series[index - 1].name;
        d.axis = WINDOWS;
        d.content = STELE_FIELD_MATRIX;
        d.dtype = STELE_F32;
        /* As `spikes` takes windows of bins, and `signal` those of channels. */
        d.sample = s->config->trials == NULL ? (stele_shape){ .ndim = 1, .dim = { width } }
                   : index == 0 ? (stele_shape){ .ndim = 2, .dim = { s->n_bins, width } }
                                : (stele_shape){ .ndim = 2, .dim = { width, s->n_bins } };
    }
    *ret = d;
    return STELE_OK;
}

/* Of a window every unit has several: they have no names of their own. */
static const char *feature_name(const stele_inst *s, uint32_t index, int64_t feature)
{
    return index == 0 && s->config->trials == NULL ? texts_at(&s->units.name, feature) : NULL;
}

static const char *category(const stele_inst *s, uint32_t index, int64_t code)
{
    (void)s;
    (void)index;
    (void)code;
    return NULL;
}

static stele_status count(const stele_inst *s, uint32_t index, uint64_t n, const int64_t *row,
                          int64_t *ret_n)
{
    (void)n;
    (void)row;
    (void)ret_n;
    return STELE_FAIL(s->h5.host, STELE_E_ARG, "field %u is not sparse", index);
}

static void read_row(const stele_inst *s, const stele_read *r, uint64_t i)
{
    const nwb_column *c = column_of(s, r->field);
    const int64_t row = r->row[i];
    if (c != NULL && c->number != NULL) {
        ((double *)r->data)[i] = c->number[row];
    } else if (c != NULL) {
        r->text[i] = texts_at(&c->text, row);
    } else if (r->field == 0) {
        nwb_count(s, row, (float *)r->data + (int64_t)i * s->n_bins * s->units.n);
    } else {
        const nwb_series *x = &s->series[r->field - 1];
        nwb_interpolate(s, x, row, (float *)r->data + (int64_t)i * s->n_bins * x->channels);
    }
}

static stele_status read_rows(const stele_inst *s, const stele_read *r)
{
    if (r->field >= n_fields(s)) {
        return STELE_FAIL(s->h5.host, STELE_E_ARG, "there is no field %u", r->field);
    }
    const int64_t n = n_rows(s, column_of(s, r->field) != NULL ? TRIALS : WINDOWS);
    for (uint64_t i = 0; i < r->n_rows; i++) {
        if (r->row[i] < 0 || r->row[i] >= n) {
            return STELE_FAIL(s->h5.host, STELE_E_ARG,
                              "field %u has %lld rows, none with number %lld", r->field,
                              (long long)n, (long long)r->row[i]);
        }
        read_row(s, r, i);
    }
    return STELE_OK;
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
    .id = "source/nwb",
    .version = "0.1.0",
    .summary = "Neurodata Without Borders files: spikes in bins, trials, time series",
    .license = "BSD-3-Clause",
    .reference = "Ruebel et al., eLife 11, e78362 (2022)",
    STELE_PLUGIN_OPTIONS(options, nwb_config),
    .vtable = &vt,
};

STELE_LIBRARY(&plugin)
