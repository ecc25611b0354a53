/* source/npy on what NumPy wrote (fixtures/make_arrays.py) and on files made here. */
#include "test.h"

#include <stele/plugin.h>

stele_plugin_query_fn stele_plugin_query;

#include "array.h"
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

static void read_rows(const stele_inst *s, uint32_t field, uint64_t n, const int64_t *row,
                      void *ret)
{
    stele_read r = {
        .struct_size = sizeof r, .field = field, .n_rows = n, .row = row, .data = ret
    };
    assert_int_equal(vt->read(s, &r), STELE_OK);
}

/* The rule of make_arrays.py. */
static double cube_at(int64_t i, int64_t e)
{
    return (double)(100 * i + 10 * (e / 4) + e % 4);
}

static void check_cube(const stele_inst *s, uint32_t field, const char *name, int modulus)
{
    static const int64_t row[] = { 3, 4, 5, 0, 11, 11, 2, 1 };
    enum { ROWS = sizeof row / sizeof row[0] };
    float x[ROWS * WIDTH];
    stele_field d = { .struct_size = sizeof d };
    assert_int_equal(vt->field(s, field, &d), STELE_OK);
    assert_string_equal(d.name, name);
    assert_int_equal(d.content, STELE_FIELD_MATRIX);
    assert_int_equal(d.sample.ndim, 2);
    assert_int_equal(d.sample.dim[0], 3);
    assert_int_equal(d.sample.dim[1], 4);
    read_rows(s, field, ROWS, row, x);
    for (int64_t i = 0; i < ROWS; i++) {
        for (int64_t e = 0; e < WIDTH; e++) {
            double want = cube_at(row[i], e);
            want = modulus == 2 ? fmod(want + 1, 2) : modulus != 0 ? fmod(want, modulus) : want;
            assert_float_equal(x[i * WIDTH + e], want, 0);
        }
    }
}

static void all_types_and_orders_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int modulus;
    } file[] = { { "u1", 128 },  { "i1", 128 },    { "le_u2", 0 },   { "be_u2", 0 }, { "le_i2", 0 },
                 { "be_i2", 0 }, { "le_u4", 0 },   { "be_u4", 0 },   { "le_i4", 0 }, { "be_i4", 0 },
                 { "le_u8", 0 }, { "be_u8", 0 },   { "le_i8", 0 },   { "be_i8", 0 }, { "le_f2", 0 },
                 { "be_f2", 0 }, { "le_f4", 0 },   { "be_f4", 0 },   { "le_f8", 0 }, { "be_f8", 0 },
                 { "bool", 2 },  { "fortran", 0 }, { "version2", 0 } };
    for (size_t k = 0; k < sizeof file / sizeof file[0]; k++) {
        char name[64];
        snprintf(name, sizeof name, "arrays/%s.npy", file[k].name);
        array_config c = { .path = fixture(name) };
        stele_inst *s = open_config(&c);
        assert_int_equal(vt->n_fields(s), 1);
        assert_int_equal(vt->n_rows(s, 0), N);
        assert_string_equal(vt->row_id(s, 0, 11), "11");
        check_cube(s, 0, file[k].name, file[k].modulus);
        vt->destroy(s);
    }
}

/* Rows of a part are those of the whole array without what lies before and behind. */
static void parts_are_fields(void **state)
{
    static const char *const file[] = { "le_f4", "be_i2", "fortran" };
    static const int64_t row[] = { 3, 4, 0, 11 };
    (void)state;
    for (size_t k = 0; k < sizeof file / sizeof file[0]; k++) {
        char name[64], text[2][64];
        const char *parts[] = { text[0], text[1] };
        float x[4 * WIDTH];
        snprintf(name, sizeof name, "arrays/%s.npy", file[k]);
        snprintf(text[0], sizeof text[0], "last=%s[1:3]", file[k]);
        snprintf(text[1], sizeof text[1], "middle=%s[1:2]", file[k]);
        array_config c = { .path = fixture(name), .parts = { parts, 2 } };
        stele_inst *s = open_config(&c);
        assert_int_equal(vt->n_fields(s), 3);
        check_cube(s, 0, file[k], 0);
        for (uint32_t field = 1; field <= 2; field++) {
            stele_field d = { .struct_size = sizeof d };
            const int64_t own = field == 1 ? 8 : 4;
            assert_int_equal(vt->field(s, field, &d), STELE_OK);
            assert_string_equal(d.name, field == 1 ? "last" : "middle");
            assert_true(d.sample.ndim == 2 && d.sample.dim[0] * 4 == own && d.sample.dim[1] == 4);
            read_rows(s, field, 4, row, x);
            for (int64_t i = 0; i < 4 * own; i++) {
                assert_float_equal(x[i], cube_at(row[i / own], 4 + i % own), 0);
            }
        }
        vt->destroy(s);
    }
}

/* Rows (3, 4) as windows of 4 channels and 3 samples, whole and in part, in any order of the file.
 */
static void channels_that_come_last_are_turned(void **state)
{
    static const char *const file[] = { "le_f4", "be_i2", "fortran" };
    static const int64_t row[] = { 3, 4, 0, 11 };
    (void)state;
    for (size_t k = 0; k < sizeof file / sizeof file[0]; k++) {
        char name[64], text[64];
        const char *parts[] = { text }, *last[] = { file[k] };
        snprintf(name, sizeof name, "arrays/%s.npy", file[k]);
        snprintf(text, sizeof text, "two=%s[1:3]", file[k]);
        array_config c = { .path = fixture(name), .parts = { parts, 1 } };
        c.channels_last = (stele_str_list){ last, 1 };
        stele_inst *s = open_config(&c);
        for (uint32_t field = 0; field <= 1; field++) {
            stele_field d = { .struct_size = sizeof d };
            const int64_t n = field == 0 ? 4 : 2, first = field == 0 ? 0 : 1;
            float x[4 * WIDTH];
            assert_int_equal(vt->field(s, field, &d), STELE_OK);
            assert_true(d.sample.ndim == 2 && d.sample.dim[0] == n && d.sample.dim[1] == 3);
            read_rows(s, field, 4, row, x);
            for (int64_t i = 0; i < 4 * n * 3; i++) {
                const int64_t channel = first + i / 3 % n, sample = i % 3;
                assert_float_equal(x[i], cube_at(row[i / (3 * n)], 4 * sample + channel), 0);
            }
        }
        vt->destroy(s);
    }
}

static void check_label(const stele_inst *s, uint32_t field)
{
    int64_t row[] = { 11, 0, 1, 2 };
    double x[4];
    stele_field d = { .struct_size = sizeof d };
    assert_int_equal(vt->field(s, field, &d), STELE_OK);
    assert_int_equal(d.content, STELE_FIELD_NUMBER);
    read_rows(s, field, 4, row, x);
    for (int i = 0; i < 4; i++) {
        assert_float_equal(x[i], (double)(row[i] % 3), 0);
    }
}

static void members_of_archives_are_fields(void **state)
{
    (void)state;
    static const char *const file[] = { "arrays/small.npz", "arrays/stored.npz",
                                        "arrays/zip64.npz" };
    for (int k = 0; k < 3; k++) {
        array_config c = { .path = fixture(file[k]), .key = "id" };
        stele_inst *s = open_config(&c);
        assert_int_equal(vt->n_fields(s), 3);
        assert_string_equal(vt->row_id(s, 0, 11), "row \xc3\xa9"
                                                  "11");
        check_cube(s, 0, "cube", 0);
        check_label(s, 1);
        check_cube(s, 2, "turned", 0);
        vt->destroy(s);
        /* Some of them, under other names, with whole numbers as ids. */
        static const char *const some[] = { "turned.npy", "cube" }, *const names[] = { "a", "b" };
        c.files = (stele_str_list){ some, 2 };
        c.names = (stele_str_list){ names, 2 };
        c.key = NULL;
        s = open_config(&c);
        check_cube(s, 0, "a", 0);
        check_cube(s, 1, "b", 0);
        vt->destroy(s);
    }
}

static void files_of_a_folder_share_their_rows(void **state)
{
    (void)state;
    static const char *const files[] = { "be_i2.npy", "label.npy", "fortran.npy" };
    array_config c = { .path = fixture("arrays"), .files = { files, 3 }, .key = "ids.txt" };
    stele_inst *s = open_config(&c);
    assert_string_equal(vt->row_id(s, 0, 11), "row 11");
    check_cube(s, 0, "be_i2", 0);
    check_label(s, 1);
    check_cube(s, 2, "fortran", 0);
    int64_t row = N;
    float x[WIDTH];
    stele_read r = { .struct_size = sizeof r, .n_rows = 1, .row = &row, .data = x };
    assert_int_equal(vt->read(s, &r), STELE_E_ARG);
    assert_string_equal(host_message, "`be_i2` has 12 rows, none with number 12");
    vt->destroy(s);
    array_config one = { .path = fixture("arrays/le_f4.npy"), .key = "ids.txt" };
    s = open_config(&one);
    assert_string_equal(vt->row_id(s, 0, 0), "row 0");
    vt->destroy(s);
    array_config twice = { .path = fixture("arrays/be_f4.npy"), .key = "label.npy" };
    assert_int_equal(host_open_source(&twice, &vt, &s), STELE_E_DATA);
    assert_non_null(strstr(host_message, "entry 3: the id `0` is entry 0 already"));
}

/* --- larger than any buffer ------------------------------------------------------------------ */

enum { ROWS = 700, COLUMNS = 131 };

/* A .npy of doubles, big-endian, element (i, j) being 1000 i + j. */
static char *make_large(int columns_first, size_t *ret_size)
{
    size_t size = 128 + sizeof(double) * ROWS * COLUMNS;
    char *bytes = calloc(1, size);
    assert_non_null(bytes);
    memcpy(bytes, "\x93NUMPY\x01\x00\x76\x00", 10);
    snprintf(bytes + 10, 118, "{'descr': '>f8', 'fortran_order': %s, 'shape': (%d, %d), }",
             columns_first ? "True" : "False", ROWS, COLUMNS);
    memset(bytes + 10 + strlen(bytes + 10), ' ', 118 - strlen(bytes + 10));
    for (int i = 0; i < ROWS; i++) {
        for (int j = 0; j < COLUMNS; j++) {
            double v = 1000 * i + j;
            char *to = bytes + 128 + 8 * (columns_first ? j * ROWS + i : i * COLUMNS + j);
            for (int k = 0; k < 8; k++) {
                to[k] = ((char *)&v)[7 - k];
            }
        }
    }
    *ret_size = size;
    return bytes;
}

static void large_arrays_are_read_in_pieces(void **state)
{
    (void)state;
    static float x[ROWS * COLUMNS];
    for (int kind = 0; kind < 4; kind++) {
        size_t size = 0;
        char *bytes = make_large(kind & 1, &size);
        char *path =
            kind & 2 ? gzip_of("large.npy.gz", bytes, size) : bytes_of("large.npy", bytes, size);
        array_config c = { .path = path };
        stele_inst *s = open_config(&c);
        int64_t row[ROWS], step[] = { ROWS, 97, -97 };
        for (int k = 0; k < 3; k++) { /* as a whole, in pieces, in pieces from the end */
            int64_t n = step[k] < 0 ? -step[k] : step[k];
            int64_t pieces = (ROWS + n - 1) / n;
            for (int64_t p = 0; p < pieces; p++) {
                int64_t first = n * (step[k] < 0 ? pieces - 1 - p : p);
                int64_t m = ROWS - first < n ? ROWS - first : n;
                for (int64_t i = 0; i < m; i++) {
                    row[i] = first + i;
                }
                read_rows(s, 0, (uint64_t)m, row, x);
                for (int64_t e = 0; e < m * COLUMNS; e++) {
                    int64_t i = first + e / COLUMNS;
                    assert_float_equal(x[e], (double)(1000 * i + e % COLUMNS), 0);
                }
            }
        }
        vt->destroy(s);
        free(path);
        free(bytes);
    }
}

/* Halves: the largest, the smallest, infinity, not a number. */
static void half_precision_is_exact(void **state)
{
    (void)state;
    static const uint16_t half[] = {
        0x7bff, 0x0001, 0x8400, 0x7c00, 0xfc00, 0x7e00, 0x3c01, 0x8000
    };
    char bytes[64 + sizeof half] = "\x93NUMPY\x01\x00\x36\x00"
                                   "{'shape':(8,1),'descr':\"<f2\",'fortran_order':False}";
    memcpy(bytes + 64, half, sizeof half);
    for (char *c = bytes + 10; c < bytes + 64; c++) {
        *c = *c == '\0' ? ' ' : *c;
    }
    char *path = bytes_of("half.npy", bytes, sizeof bytes);
    array_config c = { .path = path };
    stele_inst *s = open_config(&c);
    int64_t row[] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    float x[8];
    read_rows(s, 0, 8, row, x);
    assert_float_equal(x[0], 65504, 0);
    assert_float_equal(x[1], ldexp(1, -24), 0);
    assert_float_equal(x[2], -ldexp(1, -14), 0);
    assert_true(isinf(x[3]) && x[3] > 0 && isinf(x[4]) && x[4] < 0 && isnan(x[5]));
    assert_float_equal(x[6], 1 + ldexp(1, -10), 0);
    assert_true(x[7] == 0 && signbit(x[7]));
    vt->destroy(s);
    free(path);
}

/* Texts are classes by the alphabet, an empty one is missing; of four bytes a letter and of one. */
static void texts_are_labels(void **state)
{
    static const char *const text[] = { "rod", "amacrine", "", "rod", "cone" };
    static const int32_t want[] = { 2, 0, -1, 2, 1 };
    (void)state;
    for (int wide = 0; wide <= 1; wide++) {
        const size_t each = wide ? 4 : 1, size = 128 + 5 * 8 * each;
        char bytes[128 + 5 * 8 * 4] = "\x93NUMPY\x01\x00\x76\x00";
        snprintf(bytes + 10, 118, "{'descr': '%s', 'fortran_order': False, 'shape': (5,), }",
                 wide ? "<U8" : "|S8");
        memset(bytes + 10 + strlen(bytes + 10), ' ', 118 - strlen(bytes + 10));
        memset(bytes + 128, 0, size - 128);
        for (size_t i = 0; i < 5; i++) {
            for (size_t k = 0; text[i][k] != '\0'; k++) {
                bytes[128 + (8 * i + k) * each] = text[i][k];
            }
        }
        char *path = bytes_of("kind.npy", bytes, size);
        array_config c = { .path = path };
        stele_inst *s = open_config(&c);
        stele_field d = { .struct_size = sizeof d };
        const int64_t row[] = { 4, 0, 2, 1 };
        int32_t code[4];
        assert_int_equal(vt->field(s, 0, &d), STELE_OK);
        assert_int_equal(d.content, STELE_FIELD_CATEGORY);
        assert_int_equal(d.dtype, STELE_I32);
        assert_int_equal(d.n_categories, 3);
        assert_string_equal(vt->category(s, 0, 0), "amacrine");
        assert_string_equal(vt->category(s, 0, 2), "rod");
        read_rows(s, 0, 4, row, code);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(code[i], want[row[i]]);
        }
        vt->destroy(s);
        free(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_types_and_orders_are_read),
        cmocka_unit_test(parts_are_fields),
        cmocka_unit_test(channels_that_come_last_are_turned),
        cmocka_unit_test(members_of_archives_are_fields),
        cmocka_unit_test(files_of_a_folder_share_their_rows),
        cmocka_unit_test(large_arrays_are_read_in_pieces),
        cmocka_unit_test(half_precision_is_exact),
        cmocka_unit_test(texts_are_labels),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
