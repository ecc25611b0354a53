/* Time series: samples with times of their own, brought to the bins. */
#include "nwb.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is brought to bins stays in memory: behaviour, no raw recordings. */
#define MOST_VALUES ((hsize_t)1 << 28)

/* Is the attribute one finite number, in *ret then? */
static int is_number(hid_t attribute, double *ret)
{
    hid_t space = H5Aget_space(attribute), type = H5Aget_type(attribute);
    const int of_numbers =
        type >= 0 && (H5Tget_class(type) == H5T_INTEGER || H5Tget_class(type) == H5T_FLOAT);
    const int good = space >= 0 && of_numbers && H5Sget_simple_extent_npoints(space) == 1 &&
                     H5Aread(attribute, H5T_NATIVE_DOUBLE, ret) >= 0 && isfinite(*ret);
    if (space >= 0) {
        H5Sclose(space);
    }
    if (type >= 0) {
        H5Tclose(type);
    }
    return good;
}

/* A number that the object `path` may have as attribute; without it *ret stays as it is. */
static stele_status take_attribute(const stele_inst *s, const char *path, hid_t object,
                                   const char *name, double *ret)
{
    hid_t a = H5Aexists(object, name) > 0 ? H5Aopen(object, name, H5P_DEFAULT) : -1;
    double v = 0.0;
    if (a < 0) {
        return STELE_OK;
    }
    const int good = is_number(a, &v);
    H5Aclose(a);
    if (!good) {
        return h5_fail(&s->h5, STELE_E_DATA, path, "has an attribute `%s` that is no finite number",
                       name);
    }
    *ret = v;
    return STELE_OK;
}

/* Samples (n) or (n, channels), in the unit that conversion and offset say. */
static stele_status read_values(const stele_inst *s, const char *path, nwb_series *x)
{
    hsize_t extent[2] = { 0, 1 };
    hid_t data = H5Dopen2(s->h5.id, path, H5P_DEFAULT), space = -1;
    if (data < 0 || (space = H5Dget_space(data)) < 0) {
        if (data >= 0) {
            H5Dclose(data);
        }
        return h5_fail_library(&s->h5, path, "cannot be opened as an array");
    }
    int n_dims = H5Sget_simple_extent_ndims(space);
    stele_status st = STELE_OK;
    if (n_dims != 1 && n_dims != 2) {
        st = h5_fail(&s->h5, STELE_E_DATA, path, "has %d dimensions instead of 1 or 2", n_dims);
    } else {
        H5Sget_simple_extent_dims(space, extent, NULL);
    }
    /* A damaged header may claim any number; compression gains a factor of a thousand at most. */
    const hsize_t claimed = (hsize_t)s->h5.size * 1100,
                  most = claimed < MOST_VALUES ? claimed : MOST_VALUES;
    if (st == STELE_OK && (extent[0] == 0 || extent[1] == 0 || extent[0] > most / extent[1])) {
        st = h5_fail(&s->h5, STELE_E_DATA, path, "has %llu samples of %llu channels",
                     (unsigned long long)extent[0], (unsigned long long)extent[1]);
    }
    if (st == STELE_OK) {
        x->n = (int64_t)extent[0];
        x->channels = (int64_t)extent[1];
        x->value = malloc((size_t)(extent[0] * extent[1]) * sizeof *x->value);
        st = x->value == NULL ? h5_nomem(&s->h5, path)
             : H5Dread(data, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, x->value) < 0
                 ? h5_fail_library(&s->h5, path, "cannot be read as numbers")
                 : STELE_OK;
    }
    double factor = 1.0, add = 0.0;
    st = st == STELE_OK ? take_attribute(s, path, data, "conversion", &factor) : st;
    st = st == STELE_OK ? take_attribute(s, path, data, "offset", &add) : st;
    for (int64_t i = 0; i < x->n * x->channels && st == STELE_OK; i++) {
        x->value[i] = (float)((double)x->value[i] * factor + add);
    }
    H5Sclose(space);
    H5Dclose(data);
    return st;
}

/* `starting_time` and its rate, in place of a time for each sample. */
static stele_status make_times(const stele_inst *s, const char *path, nwb_series *x)
{
    hid_t start = H5Dopen2(s->h5.id, path, H5P_DEFAULT);
    double first = 0.0, rate = 0.0;
    stele_status st = start >= 0 ? take_attribute(s, path, start, "rate", &rate) : STELE_OK;
    hid_t space = start >= 0 ? H5Dget_space(start) : -1;
    /* An array of more would be read beyond `first`. */
    int read = space >= 0 && H5Sget_simple_extent_npoints(space) == 1 &&
               H5Dread(start, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, &first) >= 0;
    if (space >= 0) {
        H5Sclose(space);
    }
    if (start >= 0) {
        H5Dclose(start);
    }
    if (st != STELE_OK) {
        return st;
    }
    if (!read || !(rate > 0.0) || !isfinite(first)) {
        return h5_fail(&s->h5, STELE_E_DATA, path,
                       "is not one time with an attribute `rate` above 0, in samples per second");
    }
    x->time = malloc((size_t)x->n * sizeof *x->time);
    for (int64_t i = 0; i < x->n && x->time != NULL; i++) {
        x->time[i] = first + (double)i / rate;
    }
    return x->time != NULL ? STELE_OK : h5_nomem(&s->h5, path);
}

static stele_status read_times(const stele_inst *s, const char *path, nwb_series *x)
{
    void *time = NULL;
    stele_status st =
        h5_read_all(&s->h5, path, x->n, H5T_NATIVE_DOUBLE, sizeof(double), &time, NULL);
    x->time = time;
    for (int64_t i = 0; i < x->n && st == STELE_OK; i++) {
        if (!isfinite(x->time[i]) || (i > 0 && x->time[i] < x->time[i - 1])) {
            st = i > 0 && isfinite(x->time[i])
                     ? h5_fail(&s->h5, STELE_E_DATA, path,
                               "entry %lld is %.15g s, earlier than the %.15g s before it; a "
                               "series needs times that do not go back",
                               (long long)i, x->time[i], x->time[i - 1])
                     : h5_fail(&s->h5, STELE_E_DATA, path, "entry %lld is %g, which is no time",
                               (long long)i, x->time[i]);
        }
    }
    return st;
}

typedef struct listing {
    char text[256];
    size_t len;
} listing;

/* NAME/data: NAME is a time series. */
static herr_t visit_link(hid_t root, const char *name, const H5L_info_t *info, void *ctx)
{
    listing *l = ctx;
    const size_t len = strlen(name);
    (void)root;
    (void)info;
    if (len > 5 && strcmp(name + len - 5, "/data") == 0 && l->len < sizeof l->text) {
        l->len += (size_t)snprintf(l->text + l->len, sizeof l->text - l->len, "%s%.*s",
                                   l->len > 0 ? ", " : "", (int)len - 5, name);
    }
    return 0;
}

static stele_status no_series(const stele_inst *s, const char *path)
{
    listing l = { .len = 0 };
    H5Lvisit(s->h5.id, H5_INDEX_NAME, H5_ITER_INC, visit_link, &l);
    return STELE_FAIL(s->h5.host, STELE_E_OPTION,
                      "series: %s: there is no time series `%s`; there are: %s%s", s->h5.path, path,
                      l.len > 0 ? l.text : "none", l.len >= sizeof l.text ? ", ..." : "");
}

stele_status nwb_series_read(const stele_inst *s, const char *path, nwb_series *ret)
{
    const char *slash = strrchr(path, '/');
    char *data = text_join(path, "data"), *times = text_join(path, "timestamps");
    char *start = text_join(path, "starting_time");
    ret->name = text_copy(slash != NULL ? slash + 1 : path);
    stele_status st = data != NULL && times != NULL && start != NULL && ret->name != NULL
                          ? STELE_OK
                          : h5_nomem(&s->h5, path);
    if (st == STELE_OK && (!h5_is_group(&s->h5, path) || !h5_exists(&s->h5, data))) {
        st = no_series(s, path);
    }
    st = st == STELE_OK ? read_values(s, data, ret) : st;
    if (st == STELE_OK) {
        st = h5_exists(&s->h5, times)   ? read_times(s, times, ret)
             : h5_exists(&s->h5, start) ? make_times(s, start, ret)
                                        : h5_fail(&s->h5, STELE_E_DATA, path,
                                                  "has neither `timestamps` nor `starting_time`");
    }
    free(data);
    free(times);
    free(start);
    return st;
}

void nwb_interpolate(const stele_inst *s, const nwb_series *x, int64_t row, float *ret)
{
    for (int64_t b = 0; b < s->n_bins; b++) {
        const double t = s->begin[row] + ((double)b + 0.5) * s->config->bin;
        int64_t low = 0, high = x->n; /* the first sample behind t */
        while (low < high) {
            int64_t middle = low + (high - low) / 2;
            if (x->time[middle] <= t) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        const int at_end = low == x->n && t == x->time[x->n - 1];
        const int64_t next = at_end ? low - 1 : low, before = next > 0 ? next - 1 : 0;
        const int inside = (low > 0 && low < x->n) || at_end;
        const double gap = inside ? x->time[next] - x->time[before] : 0.0;
        const double share = gap > 0.0 ? (t - x->time[before]) / gap : 1.0;
        for (int64_t c = 0; c < x->channels; c++) {
            const double a = inside ? (double)x->value[before * x->channels + c] : NAN;
            const double z = inside ? (double)x->value[next * x->channels + c] : NAN;
            ret[c * s->n_bins + b] = (float)(share < 1.0 ? a + share * (z - a) : z);
        }
    }
}
