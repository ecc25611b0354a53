/* source/swc on small trees (fixtures/make_swc.py): figures reckoned by hand, the map, what is the
 * same whatever the order of nodes and the kind of container. Bad files are golden cases. */
#include "test.h"

#include <stele/plugin.h>

stele_plugin_query_fn stele_plugin_query;

#include "plugin_host.h"
#include "source_files.h"
#include "swc.h"

#include <math.h>

static const stele_source_vt *vt;
static const double radii[] = { 15.0, 35.0 };
static const int64_t bins[] = { 4, 2 };

enum { BARE = 0, FORK, SHUFFLED, SOMA, N_ROWS, MOST = 256 };

static swc_config config;

static stele_inst *open_at(const char *path)
{
    stele_inst *s = NULL;
    config = (swc_config){ .path = path,
                           .sholl_radii = { radii, 2 },
                           .sholl_step = 10.0,
                           .map_bins = { bins, 2 },
                           .map_depth = 20.0,
                           .map_radius = 10.0,
                           .map_unit = 0.5,
                           .branches = 100,
                           .depth_axis = 1 };
    if (host_open_source(&config, &vt, &s) != STELE_OK) {
        fail_msg("%s", host_message);
    }
    return s;
}

static void read_field(const stele_inst *s, uint32_t field, int64_t row, float *ret)
{
    stele_read r = {
        .struct_size = sizeof r, .field = field, .n_rows = 1, .row = &row, .data = ret
    };
    assert_int_equal(vt->read(s, &r), STELE_OK);
}

static float value(const stele_inst *s, int64_t row, const char *name)
{
    float v[MOST];
    read_field(s, 0, row, v);
    for (int64_t j = 0; vt->feature_name(s, 0, j) != NULL; j++) {
        if (strcmp(vt->feature_name(s, 0, j), name) == 0) {
            return v[j];
        }
    }
    fail_msg("there is no feature %s", name);
    return 0;
}

typedef struct golden {
    const char *name;
    double want;
} golden;

/* Of the fork: edges (0, 10), (6, 8), (-6, 8) upwards, an axon of two edges of 10 downwards. */
static const golden fork_values[] = {
    { "soma_radius", 5 },
    { "length", 50 },
    { "axon_length", 20 },
    { "dendrite_length", 30 },
    { "branch_points", 2 }, /* the soma is one of them */
    { "axon_branch_points", 0 },
    { "dendrite_branch_points", 1 },
    { "tips", 3 },
    { "axon_tips", 1 },
    { "dendrite_tips", 2 },
    { "stems", 2 },
    { "dendrite_stems", 1 },
    { "max_branch_order", 2 },
    { "axon_max_branch_order", 0 },
    { "dendrite_max_branch_order", 1 },
    { "mean_path_distance", 20 },
    { "axon_max_path_distance", 20 },
    { "mean_segment_length", 12.5 },
    { "max_segment_length", 20 },
    { "dendrite_max_segment_length", 10 },
    { "mean_tortuosity", 1 },
    { "mean_branch_angle", 126.869898 },
    { "min_branch_angle", 73.7397953 },
    { "max_branch_angle", 180 },
    { "dendrite_mean_branch_angle", 73.7397953 },
    { "axon_mean_branch_angle", NAN },
    { "mean_radius", 0.8 },
    { "extent_x", 12 },
    { "extent_y", 38 },
    { "extent_z", 0 },
    { "axon_extent_y", 20 },
    { "centre_x", 0 },
    { "centre_y", 2.6 },
    { "axon_centre_y", -10 },
    { "axon_spread_y", 5.77350269 }, /* 20 / sqrt(12) */
    { "dendrite_spread_x", 2.82842712 },
    { "sholl_most", 2 },
    { "sholl_peak", 10 },
    { "sholl_15", 3 },
    { "axon_sholl_15", 1 },
    { "sholl_35", 0 },
};

static void near(const char *name, double is, double want)
{
    int good = isnan(want) ? isnan(is) : fabs(is - want) <= 1e-5 * fmax(1.0, fabs(want));
    if (!good) {
        fail_msg("%s: %.9g, expected %.9g", name, is, want);
    }
}

static void figures_are_those_of_the_tree(void **state)
{
    stele_inst *s = open_at(fixture("swc"));
    (void)state;
    assert_int_equal(vt->n_rows(s, 0), N_ROWS);
    assert_string_equal(vt->row_id(s, 0, FORK), "fork");
    for (size_t i = 0; i < sizeof fork_values / sizeof fork_values[0]; i++) {
        near(fork_values[i].name, (double)value(s, FORK, fork_values[i].name), fork_values[i].want);
    }
    vt->destroy(s);
}

/* A path with a bend is longer than its ends are apart: 10 up, 10 aside. */
static void bends_make_paths_longer(void **state)
{
    (void)state;
    free(file_of("bend.swc", "1 1 0 0 0 3 -1\n2 2 0 10 0 1 1\n3 2 10 10 0 1 2\n"));
    stele_inst *s = open_at(test_folder);
    near("tortuosity", (double)value(s, 0, "max_tortuosity"), 20.0 / sqrt(200.0));
    near("path", (double)value(s, 0, "max_path_distance"), 20.0);
    vt->destroy(s);
}

/* An axon may leave a dendrite: its paths count from the soma, its segments from there. */
static void axons_begin_where_they_leave(void **state)
{
    (void)state;
    free(file_of("bend.swc", "1 1 0 0 0 3 -1\n2 3 0 10 0 1 1\n3 2 10 10 0 1 2\n"));
    stele_inst *s = open_at(test_folder);
    near("stems", (double)value(s, 0, "axon_stems"), 1);
    near("tortuosity", (double)value(s, 0, "axon_max_tortuosity"), 1);
    near("segment", (double)value(s, 0, "axon_max_segment_length"), 10);
    near("path", (double)value(s, 0, "axon_max_path_distance"), 20);
    near("dendrite", (double)value(s, 0, "dendrite_tips"), 1);
    vt->destroy(s);
}

static void order_and_container_do_not_matter(void **state)
{
    float want[MOST], is[MOST];
    (void)state;
    stele_inst *s = open_at(fixture("swc"));
    const int64_t n = 3 * 28 + 1, m = 2 * bins[0] * bins[1];
    read_field(s, 0, FORK, want);
    read_field(s, 0, SHUFFLED, is);
    for (int64_t j = 0; j < n; j++) {
        near(vt->feature_name(s, 0, j), (double)is[j], (double)want[j]);
    }
    assert_null(vt->feature_name(s, 0, n));
    vt->destroy(s);
    s = open_at(fixture("swc.zip"));
    assert_int_equal(vt->n_rows(s, 0), N_ROWS);
    assert_string_equal(vt->row_id(s, 0, SHUFFLED), "shuffled");
    read_field(s, 0, SHUFFLED, is);
    for (int64_t j = 0; j < n; j++) {
        near(vt->feature_name(s, 0, j), (double)is[j], (double)want[j]);
    }
    read_field(s, 1, FORK, is);
    vt->destroy(s);
    s = open_at(fixture("swc"));
    read_field(s, 1, FORK, want);
    assert_memory_equal(is, want, (size_t)m * sizeof *is);
    vt->destroy(s);
}

/* Four bins of depth from -20 to 20, two of radius to 10; halves of a micrometre. What lies beyond
 * 20 counts to the last bin. */
static void map_holds_the_cable(void **state)
{
    static const float axon[] = { 20, 0, 20, 0, 0, 0, 0, 0 };
    float map[16], sum = 0;
    stele_field d = { .struct_size = sizeof d };
    stele_inst *s = open_at(fixture("swc"));
    (void)state;
    assert_int_equal(vt->field(s, 1, &d), STELE_OK);
    assert_int_equal(d.sample.ndim, 3);
    assert_int_equal(d.sample.dim[0] * d.sample.dim[1] * d.sample.dim[2], 16);
    read_field(s, 1, FORK, map);
    assert_memory_equal(map, axon, sizeof axon);
    for (int i = 8; i < 16; i++) {
        sum += map[i];
    }
    near("cable", (double)sum, 60);
    near("below", (double)(map[8] + map[9] + map[10] + map[11]), 0);
    near("first", (double)map[12], 20); /* 0 to 10 above the soma, near the axis */
    assert_true(map[14] > 0 && map[15] > 0);
    read_field(s, 1, BARE, map);
    assert_true(isnan(map[0]) && isnan(map[7]) && map[12] + map[13] > 0);
    vt->destroy(s);
}

/* --- branches -------------------------------------------------------------------------------- */

/* All columns of a row's branches: their number, in ret (MOST). */
static int64_t read_branches(const stele_inst *s, int64_t row, float *ret)
{
    int64_t row_start[2] = { 0, 0 };
    int32_t column[MOST];
    stele_read r = { .struct_size = sizeof r,
                     .field = 2,
                     .n_rows = 1,
                     .row = &row,
                     .data = ret,
                     .row_start = row_start,
                     .column = column };
    assert_int_equal(vt->count(s, 2, 1, &row, &row_start[1]), STELE_OK);
    assert_in_range(row_start[1], 0, MOST);
    assert_int_equal(vt->read(s, &r), STELE_OK);
    for (int64_t k = 0; k < row_start[1]; k++) {
        assert_int_equal(column[k], k);
    }
    return row_start[1] / SWC_BRANCH_COLUMNS;
}

static void expect_branches(const stele_inst *s, int64_t row, int64_t n,
                            const double want[][SWC_BRANCH_COLUMNS])
{
    float is[MOST];
    assert_int_equal(read_branches(s, row, is), n);
    for (int64_t k = 0; k < n * SWC_BRANCH_COLUMNS; k++) {
        char name[32];
        snprintf(name, sizeof name, "branch %d, column %d", (int)k / SWC_BRANCH_COLUMNS,
                 (int)k % SWC_BRANCH_COLUMNS);
        near(name, (double)is[k], want[k / SWC_BRANCH_COLUMNS][k % SWC_BRANCH_COLUMNS]);
    }
}

/* Parent, length, tortuosity, radius, angle, order, path, depth, across, axon, basal, apical. */
static void branches_are_those_of_the_tree(void **state)
{
    static const double fork[][SWC_BRANCH_COLUMNS] = {
        { 1, 10, 1, 1, NAN, 1, 10, 10, 0, 0, 1, 0 },
        { 1, 10, 1, 1, 36.8698976, 2, 20, 18, 6, 0, 1, 0 },
        { 2, 10, 1, 1, 36.8698976, 2, 20, 18, 6, 0, 1, 0 },
        { 4, 20, 1, 0.5, NAN, 1, 20, -20, 0, 1, 0, 0 },
    };
    static const double bare[][SWC_BRANCH_COLUMNS] = {
        { 1, 30, 1, NAN, NAN, 1, 30, 0, 30, 0, 1, 0 },
        { 2, 40, 1, NAN, NAN, 1, 40, 0, 40, 0, 1, 0 },
    };
    stele_field d = { .struct_size = sizeof d };
    stele_inst *s = open_at(fixture("swc"));
    (void)state;
    assert_int_equal(vt->field(s, 2, &d), STELE_OK);
    assert_string_equal(d.name, "branches");
    assert_true(d.layout == STELE_CSR && d.sample.ndim == 2 && d.sample.dim[0] == 100 &&
                d.sample.dim[1] == SWC_BRANCH_COLUMNS);
    expect_branches(s, FORK, 4, fork);
    expect_branches(s, BARE, 2, bare);
    expect_branches(s, SOMA, 0, NULL);
    vt->destroy(s);
}

/* A bend makes a branch longer than its ends are apart; a change of type ends it. */
static void branches_end_where_types_change(void **state)
{
    static const double want[][SWC_BRANCH_COLUMNS] = {
        { 1, 20, 1.41421356, 1.5, NAN, 0, 20, 10, 10, 0, 0, 1 },
        { 1, 30, 1, 2, 45, 0, 50, 10, 40, 1, 0, 0 },
    };
    (void)state;
    free(file_of("bend.swc", "1 1 0 0 0 3 -1\n2 4 0 10 0 1 1\n3 4 10 10 0 2 2\n"
                             "4 2 20 10 0 2 3\n5 2 40 10 0 2 4\n"));
    stele_inst *s = open_at(test_folder);
    expect_branches(s, 0, 2, want);
    vt->destroy(s);
}

static void more_branches_than_room_are_refused(void **state)
{
    const int64_t row = FORK;
    int64_t n = 0;
    stele_inst *s = open_at(fixture("swc"));
    (void)state;
    config.branches = 3;
    assert_int_equal(vt->count(s, 2, 1, &row, &n), STELE_E_DATA);
    assert_non_null(strstr(host_message, "has 4 branches, and there is room for 3"));
    assert_int_equal(vt->count(s, 0, 1, &row, &n), STELE_E_ARG);
    vt->destroy(s);
}

/* A soma of several nodes has no cable inside; what is not known is NaN, not 0. */
static void absent_parts_are_missing(void **state)
{
    stele_inst *s = open_at(fixture("swc"));
    (void)state;
    near("length", (double)value(s, BARE, "length"), 70);
    near("stems", (double)value(s, BARE, "stems"), 2);
    near("angle", (double)value(s, BARE, "mean_branch_angle"), 90);
    near("path", (double)value(s, BARE, "max_path_distance"), 40);
    static const char *const missing[] = { "soma_radius", "mean_radius", "axon_length", "axon_tips",
                                           "axon_sholl_15" };
    for (size_t i = 0; i < sizeof missing / sizeof missing[0]; i++) {
        near(missing[i], (double)value(s, BARE, missing[i]), NAN);
    }
    near("soma", (double)value(s, SOMA, "soma_radius"), 4);
    near("nothing", (double)value(s, SOMA, "tips"), NAN);
    vt->destroy(s);
}

/* Without a soma the root stands for it, if it may: its edges and types are as before. */
static void any_root_may_stand_for_the_soma(void **state)
{
    swc_tree t = { 0 };
    input *in = NULL;
    (void)state;
    char *path = file_of("axon.swc", "1 2 7 7 7 3 -1\n2 2 7 17 7 1 1\n");
    assert_int_equal(input_open(&test_host, "path", path, &in), STELE_OK);
    assert_int_equal(swc_tree_read(in, 0, &t), STELE_E_DATA);
    assert_int_equal(swc_tree_read(in, 1, &t), STELE_OK);
    assert_true(t.n == 2 && t.node[1].x[1] == 10.0 && swc_in_part(&t, 1, SWC_AXON));
    swc_tree_finish(&t);
    input_close(in);
    unlink(path);
    free(path);
}

/* --- published figures ----------------------------------------------------------------------- */

/* Scala et al. 2019 measured 100 cells before points of their paths were left out of the files.
 * What rests on branch points and tips alone is equal; lengths are up to 6 % shorter, extents by
 * what lay between two points. Tortuosities rest on the paths most: a segment whose ends nearly
 * meet decides them, and they are not compared; nor are angles between successive points and means
 * of radii. */
static const struct {
    const char *theirs, *ours;
    double absolute, relative;
} published[] = {
    { "tips", "tips", 0, 0 },
    { "stems", "stems", 0, 0 },
    { "branch_points", "branch_points", 0, 0 },
    { "max_branch_order", "max_branch_order", 0, 0 },
    { "soma_radius", "soma_radius", 5.1e-4, 0 }, /* the files have three decimals */
    { "mean_branch_angle", "mean_branch_angle", 0, 2e-5 },
    { "max_branch_angle", "max_branch_angle", 0, 2e-5 },
    { "min_branch_angle", "min_branch_angle", 5e-3, 0 },
    { "width", "extent_x", 0.5, 0 },
    { "depth", "extent_y", 0.5, 0 },
    { "height", "extent_z", 0.5, 0 },
    { "total_length", "length", 0, 0.06 },
    { "max_path_dist_to_soma", "max_path_distance", 0, 0.06 },
    { "max_segment_length", "max_segment_length", 0, 0.06 },
};
enum { N_PUBLISHED = sizeof published / sizeof published[0] };

/* The k-th cell of a line, as a number. */
static double cell_at(const char *line, int k)
{
    for (; k > 0; k--) {
        line = strchr(line, ',') + 1;
    }
    return strtod(line, NULL);
}

static int column_of(const char *head, const char *name)
{
    int k = 0;
    for (size_t len = strlen(name);
         strncmp(head, name, len) != 0 || strchr(",\n", head[len]) == NULL; k++) {
        head = strchr(head, ',') + 1;
    }
    return k;
}

static void compare_published(const stele_inst *s, FILE *table)
{
    char head[2048], line[2048];
    assert_non_null(fgets(head, sizeof head, table));
    for (int64_t row = 0; row < 100; row++) {
        assert_non_null(fgets(line, sizeof line, table));
        assert_memory_equal(line, vt->row_id(s, 0, row), 6);
        for (int i = 0; i < N_PUBLISHED; i++) {
            const double want = cell_at(line, column_of(head, published[i].theirs));
            const double is = (double)value(s, row, published[i].ours);
            if (fabs(is - want) > published[i].absolute + published[i].relative * want) {
                fail_msg("%.6s: %s is %.9g, published is %.9g", line, published[i].ours, is, want);
            }
        }
    }
}

static void figures_are_those_published(void **state)
{
    const char *dir = getenv("STELE_DATA");
    char trees[1024], path[1024];
    (void)state;
    snprintf(trees, sizeof trees, "%s/morphology-l4/swc.zip", dir != NULL ? dir : "");
    snprintf(path, sizeof path, "%s/morphology-l4/morphometrics.csv", dir != NULL ? dir : "");
    FILE *table = fopen(path, "r");
    if (table == NULL) {
        skip();
    }
    stele_inst *s = open_at(trees);
    compare_published(s, table);
    vt->destroy(s);
    fclose(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_are_those_of_the_tree),
        cmocka_unit_test(bends_make_paths_longer),
        cmocka_unit_test(axons_begin_where_they_leave),
        cmocka_unit_test(order_and_container_do_not_matter),
        cmocka_unit_test(map_holds_the_cable),
        cmocka_unit_test(branches_are_those_of_the_tree),
        cmocka_unit_test(branches_end_where_types_change),
        cmocka_unit_test(more_branches_than_room_are_refused),
        cmocka_unit_test(absent_parts_are_missing),
        cmocka_unit_test(any_root_may_stand_for_the_soma),
        cmocka_unit_test(figures_are_those_published),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
