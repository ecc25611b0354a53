/* source/idx on files of every type (fixtures/make_arrays.py) and, if they are there, on real
 * digits. */
#include "test.h"

#include <stele/plugin.h>

stele_plugin_query_fn stele_plugin_query;

#include "array.h"
#include "data/dataset.h"
#include "plugin_host.h"
#include "source_files.h"

#include <math.h>

static const stele_source_vt *vt;

enum { N = 12, WIDTH = 12 };

static stele_inst *open_config(const array_config *c)
{
    stele_inst *s = NULL;
    if (host_open_source(c, &vt, &s) != STELE_OK) {
        fail_msg("%s", host_message);
    }
    return s;
}

static void check_cube(const stele_inst *s, const char *name, double modulus, double offset)
{
    stele_field d = { .struct_size = sizeof d };
    int64_t row[] = { 11, 0, 1, 7 };
    float x[4 * WIDTH];
    stele_read r = { .struct_size = sizeof r, .n_rows = 4, .row = row, .data = x };
    assert_int_equal(vt->field(s, 0, &d), STELE_OK);
    assert_string_equal(d.name, name);
    assert_int_equal(d.sample.ndim, 2);
    assert_int_equal(d.sample.dim[1], 4);
    assert_int_equal(vt->read(s, &r), STELE_OK);
    for (int64_t k = 0; k < 4 * WIDTH; k++) {
        int64_t e = k % WIDTH;
        double cube = (double)(100 * row[k / WIDTH] + 10 * (e / 4) + e % 4);
        assert_float_equal(x[k], fmod(cube, modulus) + offset, 0);
    }
}

static void all_types_are_read(void **state)
{
    (void)state;
    static const char *const name[] = { "type9", "type11", "type12", "type13", "type14" };
    for (int k = 0; k < 5; k++) {
        char file[64];
        snprintf(file, sizeof file, "arrays/%s.idx", name[k]);
        array_config c = { .path = fixture(file) };
        stele_inst *s = open_config(&c);
        check_cube(s, name[k], 128, -5);
        vt->destroy(s);
    }
}

static void images_and_labels_share_their_rows(void **state)
{
    (void)state;
    static const char *const files[] = { "images-idx3-ubyte.gz", "labels-idx1-ubyte" };
    array_config c = { .path = fixture("arrays"), .files = { files, 2 }, .key = "ids.txt" };
    stele_inst *s = open_config(&c);
    stele_field d = { .struct_size = sizeof d };
    check_cube(s, "images", 256, 0);
    assert_int_equal(vt->field(s, 1, &d), STELE_OK);
    assert_string_equal(d.name, "labels");
    assert_int_equal(d.content, STELE_FIELD_NUMBER);
    int64_t row[] = { 11, 9 };
    double x[2];
    stele_read r = { .struct_size = sizeof r, .field = 1, .n_rows = 2, .row = row, .data = x };
    assert_int_equal(vt->read(s, &r), STELE_OK);
    assert_true(x[0] == 1 && x[1] == 9);
    assert_string_equal(vt->row_id(s, 0, 9), "row 9");
    vt->destroy(s);
}

static void ids_may_follow_a_byte_order_mark(void **state)
{
    (void)state;
    static const unsigned char two[] = { 0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 1, 5, 6 };
    char *path = bytes_of("two.idx", two, sizeof two);
    free(bytes_of("two.txt", "\xef\xbb\xbfr0\r\nr1\r\n", 11));
    array_config c = { .path = path, .key = "two.txt" };
    stele_inst *s = open_config(&c);
    assert_string_equal(vt->row_id(s, 0, 0), "r0");
    assert_string_equal(vt->row_id(s, 0, 1), "r1");
    vt->destroy(s);
    free(path);
}

/* Counts that the set's description gives. */
static void digits_are_read(void **state)
{
    (void)state;
    static const char *const files[] = { "images-idx3-ubyte.gz", "labels-idx1-ubyte.gz" };
    const char *dir = getenv("STELE_DATA");
    char path[1024];
    snprintf(path, sizeof path, "%s/digits-8x8", dir != NULL ? dir : "");
    if (access(path, R_OK) != 0) {
        skip();
    }
    array_config c = { .path = path, .files = { files, 2 } };
    stele_inst *s = open_config(&c);
    stele__source src = { "data", vt, s };
    stele__matrix_request m = { .name = "images", .from = "images" };
    stele__label_request l = { .from = "labels", .content = STELE_FIELD_CATEGORY };
    stele__data_request rq = { &src, 1, &m, 1, &l, 1, 0 };
    stele__dataset *ds = NULL;
    assert_int_equal(stele__dataset_create(&rq, &ds, NULL), STELE_OK);
    assert_int_equal(stele__dataset_load(ds, NULL, NULL), STELE_OK);
    vt->destroy(s);
    assert_int_equal(ds->n_rows, 1797);
    assert_int_equal(ds->label[0].n_categories, 10);
    assert_int_equal(ds->matrix[0].n_features, 64);
    double largest = 0;
    int64_t of_digit[10] = { 0 };
    for (int64_t k = 0; k < 1797 * 64; k++) {
        largest = fmax(largest, ds->matrix[0].dense[k]);
    }
    for (int64_t i = 0; i < 1797; i++) {
        of_digit[ds->label[0].code[i]]++;
    }
    assert_float_equal(largest, 16, 0);
    for (int digit = 0; digit < 10; digit++) {
        assert_true(of_digit[digit] >= 174 && of_digit[digit] <= 183);
    }
    stele__dataset_destroy(ds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_types_are_read),
        cmocka_unit_test(images_and_labels_share_their_rows),
        cmocka_unit_test(ids_may_follow_a_byte_order_mark),
        cmocka_unit_test(digits_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
