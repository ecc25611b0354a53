/* source/nwb on a small file (fixtures/make_nwb.py), and on a recording if it is there. Bad files
 * are golden cases. */
#include "test.h"

#include <stele/plugin.h>

stele_plugin_query_fn stele_plugin_query;

#include "nwb.h"
#include "plugin_host.h"
#include "source_files.h"

#include <math.h>

static const stele_source_vt *vt;
static const char *const series[] = { "processing/behavior/position",
                                      "/processing/behavior/speed" };

static nwb_config usual(void)
{
    return (nwb_config){
        .path = fixture("small.nwb"), .bin = 0.1, .align = "start_time", .after = 1.0
    };
}

static stele_inst *open_config(const nwb_config *c)
{
    stele_inst *s = NULL;
    if (host_open_source(c, &vt, &s) != STELE_OK) {
        fail_msg("%s", host_message);
    }
    return s;
}

static uint32_t find(const stele_inst *s, const char *name, stele_field *ret)
{
    uint32_t f = 0;
    while (f < vt->n_fields(s) && vt->field(s, f, ret) == STELE_OK &&
           strcmp(ret->name, name) != 0) {
        f++;
    }
    return f;
}

static void read_one(const stele_inst *s, const char *name, int64_t row, void *data,
                     const char **text)
{
    stele_field d = { .struct_size = sizeof d };
    stele_read r = { .struct_size = sizeof r,
                     .field = find(s, name, &d),
                     .n_rows = 1,
                     .row = &row,
                     .data = data,
                     .text = text };
    if (r.field >= vt->n_fields(s)) {
        fail_msg("there is no field %s", name);
    }
    assert_int_equal(vt->read(s, &r), STELE_OK);
}

/* The regular unit fires once in every bin of a tenth; the last spike is in the bin from 9.9 on. */
static void every_spike_is_in_one_bin(void **state)
{
    nwb_config c = usual();
    stele_inst *s = open_config(&c);
    float sum[3] = { 0 }, x[3];
    (void)state;
    assert_int_equal(vt->n_axes(s), 1);
    assert_int_equal(vt->n_rows(s, 0), 100);
    assert_int_equal(vt->n_fields(s), 1);
    assert_string_equal(vt->row_id(s, 0, 99), "99");
    assert_string_equal(vt->feature_name(s, 0, 1), "7");
    for (int64_t row = 0; row < 100; row++) {
        read_one(s, "spikes", row, x, NULL);
        assert_true(x[0] == 1 && x[2] == 0);
        for (int k = 0; k < 3; k++) {
            sum[k] += x[k];
        }
    }
    assert_true(sum[0] == 100 && sum[1] == 3 && sum[2] == 0);
    vt->destroy(s);
    c.start = 2.0;
    c.stop = 4.2;
    c.bin = 1.0;
    s = open_config(&c);
    assert_int_equal(vt->n_rows(s, 0), 2);
    read_one(s, "spikes", 0, x, NULL);
    assert_true(x[0] == 10 && x[1] == 2);
    vt->destroy(s);
}

/* What each unit's intervals do not cover entirely is missing, and so is all of a unit that has
 * neither intervals nor spikes. */
static void what_was_not_observed_is_missing(void **state)
{
    nwb_config c = usual();
    float x[3], sum = 0.0f;
    (void)state;
    c.path = fixture("observed.nwb");
    stele_inst *s = open_config(&c);
    for (int64_t row = 0; row < 100; row++) {
        read_one(s, "spikes", row, x, NULL);
        assert_true(row < 80 ? x[0] == 1 : isnan(x[0]));
        const int second = (row >= 20 && row < 30) || (row >= 70 && row < 80);
        assert_int_equal(isnan(x[1]) == 0, second);
        sum += second ? x[1] : 0.0f;
        assert_true(isnan(x[2]));
    }
    assert_true(sum == 3);
    vt->destroy(s);
    c.bin =
        2.0; /* over the place where two intervals touch; longer than those of the second unit */
    s = open_config(&c);
    read_one(s, "spikes", 2, x, NULL);
    assert_true(x[0] == 20 && isnan(x[1]));
    vt->destroy(s);
}

/* Where the file does not say, nothing was observed before the first spike or behind the last. */
static void bins_beyond_all_spikes_are_missing(void **state)
{
    nwb_config c = usual();
    float x[3];
    (void)state;
    c.start = -1.0;
    c.stop = 11.0;
    stele_inst *s = open_config(&c);
    for (int64_t row = 0; row < vt->n_rows(s, 0); row++) {
        read_one(s, "spikes", row, x, NULL);
        for (int k = 0; k < 3; k++) {
            assert_int_equal(isnan(x[k]) == 0, row >= 10 && row < 110);
        }
    }
    vt->destroy(s);
}

static void trials_are_windows_with_labels(void **state)
{
    nwb_config c = usual();
    stele_field d = { .struct_size = sizeof d };
    float x[4 * 3];
    double number = 0;
    const char *text = NULL;
    (void)state;
    c.trials = "trials";
    c.bin = 0.5;
    c.before = 1.0;
    stele_inst *s = open_config(&c);
    assert_int_equal(vt->n_axes(s), 2);
    assert_int_equal(vt->n_rows(s, 0), 4);
    assert_string_equal(vt->row_id(s, 0, 2), "12");
    assert_null(vt->feature_name(s, 0, 1));
    assert_int_equal(find(s, "spikes", &d), 0);
    assert_true(d.sample.ndim == 2 && d.sample.dim[0] == 4 && d.sample.dim[1] == 3);
    read_one(s, "spikes", 1, x, NULL); /* 2 to 4 s */
    for (int b = 0; b < 4; b++) {
        assert_true(x[3 * b] == 5 && x[3 * b + 1] == (b == 1 ? 2 : 0) && x[3 * b + 2] == 0);
    }
    read_one(s, "stimulus", 1, NULL, &text);
    assert_string_equal(text, "right");
    read_one(s, "correct", 1, NULL, &text);
    assert_string_equal(text, "False");
    read_one(s, "stop_time", 2, &number, NULL);
    assert_true(number == 6.0);
    assert_int_equal(find(s, "tags", &d), vt->n_fields(s)); /* ragged */
    assert_int_equal(find(s, "id", &d), vt->n_fields(s));
    vt->destroy(s);
    c.align = "cue_time"; /* which one trial lacks */
    s = open_config(&c);
    assert_int_equal(vt->n_rows(s, 0), 3);
    assert_int_equal(vt->n_rows(s, 1), 4);
    assert_string_equal(vt->row_id(s, 0, 1), "12");
    assert_string_equal(vt->row_id(s, 1, 1), "11");
    vt->destroy(s);
}

/* Position is (t, 2 t) every half second up to 9.5; speed is t every second up to 10, stored with a
 * factor and an offset. */
static void series_are_brought_to_the_bins(void **state)
{
    nwb_config c = usual();
    float x[2];
    (void)state;
    c.series = (stele_str_list){ series, 2 };
    stele_inst *s = open_config(&c);
    for (int64_t row = 0; row < 95; row++) {
        const float t = 0.1f * (float)row + 0.05f;
        read_one(s, "position", row, x, NULL);
        assert_float_equal(x[0], t, 1e-5);
        assert_float_equal(x[1], 2 * t, 1e-5);
        read_one(s, "speed", row, x, NULL);
        assert_float_equal(x[0], t, 1e-5);
    }
    read_one(s, "position", 95, x, NULL); /* at 9.55 */
    assert_true(isnan(x[0]) && isnan(x[1]));
    vt->destroy(s);
    c.start = -1.0;
    c.bin = 1.0;
    c.stop = 10.0;
    s = open_config(&c);
    read_one(s, "speed", 0, x, NULL);
    assert_true(isnan(x[0]));
    vt->destroy(s);
    c.start = 9.0; /* the middle is the last sample */
    c.bin = 2.0;
    c.stop = 11.0;
    s = open_config(&c);
    read_one(s, "speed", 0, x, NULL);
    assert_float_equal(x[0], 10.0f, 0);
    vt->destroy(s);
}

/* The second trial begins at 3 s. */
static void series_of_trials_are_channels_of_bins(void **state)
{
    nwb_config c = usual();
    stele_field d;
    float x[2 * 4];
    (void)state;
    c.series = (stele_str_list){ series, 2 };
    c.trials = "trials";
    c.bin = 0.5;
    c.before = 1.0;
    stele_inst *s = open_config(&c);
    find(s, "position", &d);
    assert_true(d.sample.ndim == 2 && d.sample.dim[0] == 2 && d.sample.dim[1] == 4);
    read_one(s, "position", 1, x, NULL);
    for (int b = 0; b < 4; b++) {
        const float t = 2.25f + 0.5f * (float)b;
        assert_float_equal(x[b], t, 1e-5);
        assert_float_equal(x[4 + b], 2 * t, 1e-5);
    }
    vt->destroy(s);
}

static void a_recording_is_read(void **state)
{
    const char *dir = getenv("STELE_DATA");
    char path[1024];
    float x[35];
    double sum = 0.0, category = 0.0;
    nwb_config c = usual();
    (void)state;
    snprintf(path, sizeof path, "%s/human-mtl-nwb/sub-4_ses-4_ecephys.nwb", dir != NULL ? dir : "");
    if (access(path, R_OK) != 0) {
        skip();
    }
    c.path = path;
    c.bin = 1.0;
    stele_inst *s = open_config(&c);
    for (int64_t row = 0; row < vt->n_rows(s, 0); row++) {
        read_one(s, "spikes", row, x, NULL);
        for (int k = 0; k < 35; k++) {
            sum += (double)x[k];
        }
    }
    assert_true(sum == 214278);
    vt->destroy(s);
    c.trials = "encoding_table";
    s = open_config(&c);
    assert_int_equal(vt->n_rows(s, 0), 90);
    for (int64_t row = 0; row < 90; row++) {
        double v;
        read_one(s, "stimCategory", row, &v, NULL);
        category += v;
    }
    assert_true(category == 30 + 60);
    vt->destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_spike_is_in_one_bin),
        cmocka_unit_test(what_was_not_observed_is_missing),
        cmocka_unit_test(bins_beyond_all_spikes_are_missing),
        cmocka_unit_test(trials_are_windows_with_labels),
        cmocka_unit_test(series_are_brought_to_the_bins),
        cmocka_unit_test(series_of_trials_are_channels_of_bins),
        cmocka_unit_test(a_recording_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
