/* source/jsonl: what the fixtures hold (fixtures/make_jsonl.py), sizes of images, long texts. */
#include "test.h"

#include <stele/plugin.h>

stele_plugin_query_fn stele_plugin_query;

#include "jsonl.h"
#include "plugin_host.h"
#include "source_files.h"

#include <jpeglib.h>
#include <math.h>
#include <png.h>
#include <sys/stat.h>

static const stele_source_vt *vt;
static const char *const texts_named[] = { "note" }, *const images_named[] = { "picture" };

static stele_inst *open_config(const jsonl_config *c)
{
    stele_inst *s = NULL;
    if (host_open_source(c, &vt, &s) != STELE_OK) {
        fail_msg("%s", host_message);
    }
    return s;
}

static uint32_t field_of(const stele_inst *s, const char *name, stele_field *ret)
{
    for (uint32_t f = 0; f < vt->n_fields(s); f++) {
        *ret = (stele_field){ .struct_size = sizeof *ret };
        assert_int_equal(vt->field(s, f, ret), STELE_OK);
        if (strcmp(ret->name, name) == 0) {
            return f;
        }
    }
    fail_msg("no field %s", name);
    return 0;
}

static void read_field(const stele_inst *s, uint32_t f, uint64_t n, const int64_t *row, void *data)
{
    stele_read r = { .struct_size = sizeof r, .field = f, .n_rows = n, .row = row, .data = data };
    assert_int_equal(vt->read(s, &r), STELE_OK);
}

/* --- fields ----------------------------------------------------------------------------------- */

static void check_labels(const stele_inst *s)
{
    stele_field d;
    int64_t row[] = { 4, 0, 3 };
    double age[3];
    int32_t code[3];
    const char *word[3];
    uint32_t f = field_of(s, "age", &d);
    assert_int_equal(d.content, STELE_FIELD_NUMBER);
    read_field(s, f, 3, row, age);
    assert_true(age[0] == 5.5 && age[1] == 3 && isnan(age[2]));
    f = field_of(s, "tame", &d);
    assert_int_equal(d.content, STELE_FIELD_CATEGORY);
    read_field(s, f, 3, row, code);
    assert_true(code[0] == 1 && code[1] == 0 && code[2] == -1);
    assert_string_equal(vt->category(s, f, 1), "true");
    f = field_of(s, "kind", &d);
    assert_int_equal(d.content, STELE_FIELD_TEXT);
    stele_read r = { .struct_size = sizeof r, .field = f, .n_rows = 3, .row = row, .text = word };
    assert_int_equal(vt->read(s, &r), STELE_OK);
    assert_string_equal(word[0], "owl");
    assert_string_equal(word[1], "cat");
    assert_null(word[2]);
}

static void check_note(const stele_inst *s)
{
    static const char *const want[] = { "gr\xc3\xbc\xc3\x9f dich", "", "sits" };
    stele_field d;
    uint32_t f = field_of(s, "note", &d);
    int64_t row[] = { 3, 2, 0 }, n[3], start[4] = { 0 };
    unsigned char bytes[64];
    int32_t column[64];
    assert_true(d.layout == STELE_CSR && d.sample.dim[0] == s->config->text_bytes);
    assert_int_equal(vt->n_rows(s, d.axis), 4);
    assert_string_equal(vt->row_id(s, d.axis, 3), "e"); /* d has none */
    assert_int_equal(vt->count(s, f, 3, row, n), STELE_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(n[i], strlen(want[i]));
        start[i + 1] = start[i] + n[i];
    }
    stele_read r = { .struct_size = sizeof r,
                     .field = f,
                     .n_rows = 3,
                     .row = row,
                     .data = bytes,
                     .row_start = start,
                     .column = column };
    assert_int_equal(vt->read(s, &r), STELE_OK);
    for (int i = 0; i < 3; i++) {
        assert_memory_equal(bytes + start[i], want[i], (size_t)n[i]);
        for (int64_t k = 0; k < n[i]; k++) {
            assert_int_equal(column[start[i] + k], k);
        }
    }
}

static void every_kind_is_read(void **state)
{
    (void)state;
    static const char *const name[] = { "jsonl/rows.jsonl", "jsonl/rows.jsonl.gz" };
    for (int k = 0; k < 2; k++) {
        jsonl_config c = { .path = fixture(name[k]),
                           .texts = { texts_named, 1 },
                           .images = { images_named, 1 },
                           .text_bytes = 64 };
        stele_inst *s = open_config(&c);
        stele_field d;
        int64_t row[] = { 3, 0 };
        float x[6];
        assert_int_equal(vt->n_rows(s, 0), 5);
        assert_string_equal(vt->row_id(s, 0, 2), "7"); /* an integer */
        uint32_t f = field_of(s, "size", &d);
        assert_true(d.sample.ndim == 1 && d.sample.dim[0] == 3 && d.axis == 0);
        read_field(s, f, 2, row, x);
        assert_true(x[0] == 4 && x[1] == 0.5f && isnan(x[2]) && x[3] == 1 && x[5] == 3);
        check_labels(s);
        check_note(s);
        assert_int_equal(host_warnings,
                         0); /* `tags`, a list of strings, is worth no more than a word */
        vt->destroy(s);
    }
}

static void files_of_a_pattern_follow_each_other(void **state)
{
    (void)state;
    free(file_of("a-2.jsonl", "{\"x\": 3}\n"));
    free(file_of("a-1.jsonl", "{\"x\": 1}\n\n  \r\n{\"x\": 2}"));
    char *path = path_of("a-*.jsonl");
    jsonl_config c = { .path = path, .text_bytes = 64 };
    stele_inst *s = open_config(&c);
    int64_t row[] = { 0, 1, 2 };
    double x[3];
    read_field(s, 0, 3, row, x);
    assert_true(x[0] == 1 && x[1] == 2 && x[2] == 3);
    assert_string_equal(vt->row_id(s, 0, 2), "2");
    vt->destroy(s);
    free(path);
}

/* Programs of Windows begin texts with a byte order mark. */
static void a_byte_order_mark_is_no_text(void **state)
{
    (void)state;
    char *path = file_of("mark.jsonl", "\xef\xbb\xbf{\"id\": \"a\", \"v\": [1, 2]}\n"
                                       "{\"id\": \"b\", \"v\": [3, 4]}\n");
    jsonl_config c = { .path = path, .text_bytes = 64 };
    stele_inst *s = open_config(&c);
    stele_field d;
    int64_t row[] = { 1, 0 };
    float x[4];
    read_field(s, field_of(s, "v", &d), 2, row, x);
    assert_true(x[0] == 3 && x[1] == 4 && x[2] == 1 && x[3] == 2);
    assert_string_equal(vt->row_id(s, 0, 0), "a");
    vt->destroy(s);
    free(path);
}

static void long_texts_are_cut_between_letters(void **state)
{
    (void)state;
    static const char *const named[] = { "t" };
    char *path = file_of("long.jsonl", "{\"t\": \"abc\xe2\x82\xac\"}\n{\"t\": \"abcde\"}\n");
    jsonl_config c = { .path = path, .texts = { named, 1 }, .text_bytes = 5 };
    stele_inst *s = open_config(&c);
    int64_t row[] = { 0, 1 }, n[2];
    assert_int_equal(vt->count(s, 0, 2, row, n), STELE_OK);
    assert_true(n[0] == 3 && n[1] == 5);
    assert_non_null(strstr(host_warning, "1 of 2 texts"));
    vt->destroy(s);
    free(path);
}

static void a_file_that_changes_is_noticed(void **state)
{
    (void)state;
    char *path = file_of("changing.jsonl", "{\"x\": [1, 2]}\n{\"x\": [3, 4]}\n");
    jsonl_config c = { .path = path, .text_bytes = 64 };
    stele_inst *s = open_config(&c);
    int64_t row[] = { 1 };
    float x[2];
    stele_read r = { .struct_size = sizeof r, .n_rows = 1, .row = row, .data = x };
    free(file_of("changing.jsonl", "{\"x\": [1, 2]}\n{\"x\": [3,4 ,\n"));
    assert_int_equal(vt->read(s, &r), STELE_E_DATA);
    free(file_of("changing.jsonl", "{\"x\": [1, 2]}\n{\"y\": [3, 4]}\n"));
    assert_int_equal(vt->read(s, &r), STELE_E_IO);
    vt->destroy(s);
    free(path);
    path = file_of("changing.jsonl", "{\"x\": 1}\n{\"x\": 2}\n");
    c.path = path;
    s = open_config(&c);
    double number[1];
    r.data = number;
    free(file_of("changing.jsonl", "{\"x\": 1}\n{\"x\":\"\"}\n"));
    assert_int_equal(vt->read(s, &r), STELE_E_IO);
    vt->destroy(s);
    free(path);
}

/* --- images ----------------------------------------------------------------------------------- */

/* Row a, a picture of 4 x 6: red 10 y, green 20 x, blue 200; row c is half transparent black. */
static void pixels_are_where_they_belong(void **state)
{
    (void)state;
    jsonl_config c = { .path = fixture("jsonl/rows.jsonl"),
                       .images = { images_named, 1 },
                       .text_bytes = 64 };
    stele_inst *s = open_config(&c);
    stele_field d;
    uint32_t f = field_of(s, "picture", &d);
    unsigned char x[2][3][4][6];
    int64_t row[] = { 2, 0 };
    assert_true(d.sample.ndim == 3 && d.sample.dim[0] == 3 && d.sample.dim[1] == 4 &&
                d.sample.dim[2] == 6 && d.dtype == STELE_U8);
    read_field(s, f, 2, row, x);
    for (int y = 0; y < 4; y++) {
        for (int w = 0; w < 6; w++) {
            assert_true(x[1][0][y][w] == 10 * y && x[1][1][y][w] == 20 * w && x[1][2][y][w] == 200);
            assert_in_range(x[0][1][y][w], 120, 190); /* black over white */
        }
    }
    vt->destroy(s);
}

/* A JPEG of one grey loses nothing. */
static void write_jpeg_of(const char *path, int level, int channels, J_COLOR_SPACE space)
{
    struct jpeg_compress_struct j;
    struct jpeg_error_mgr errors;
    FILE *f = fopen(path, "wb");
    JSAMPLE line[32];
    JSAMPROW rows[1] = { line };
    assert_non_null(f);
    j.err = jpeg_std_error(&errors);
    jpeg_create_compress(&j);
    jpeg_stdio_dest(&j, f);
    j.image_width = j.image_height = 8;
    j.input_components = channels;
    j.in_color_space = space;
    jpeg_set_defaults(&j);
    jpeg_set_quality(&j, 100, TRUE);
    jpeg_start_compress(&j, TRUE);
    memset(line, level, sizeof line);
    while (j.next_scanline < 8) {
        jpeg_write_scanlines(&j, rows, 1);
    }
    jpeg_finish_compress(&j);
    jpeg_destroy_compress(&j);
    fclose(f);
}

static void write_jpeg(const char *path, int level)
{
    write_jpeg_of(path, level, 1, JCS_GRAYSCALE);
}

static void colours_of_print_are_refused(void **state)
{
    (void)state;
    char why[IMAGE_MESSAGE], *path = path_of("print.jpg");
    uint32_t h, w;
    write_jpeg_of(path, 77, 4, JCS_CMYK);
    assert_int_equal(jsonl_image_size(path, &h, &w, why), STELE_E_DATA);
    assert_non_null(strstr(why, "CMYK"));
    free(path);
}

/* Shades of 16 bits are those of 8 bits, whole bytes of them. */
static void deep_png_keeps_its_shades(void **state)
{
    (void)state;
    unsigned char line[] = { 0, 0, 0x40, 0x40, 0x80, 0x80, 0xff, 0xff }, x[4], *rows[] = { line };
    char why[IMAGE_MESSAGE], *path = path_of("deep.png");
    FILE *f = fopen(path, "wb");
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    assert_non_null(f);
    png_init_io(png, f);
    png_set_IHDR(png, info, 4, 1, 16, PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_rows(png, info, rows);
    png_write_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
    png_destroy_write_struct(&png, &info);
    fclose(f);
    assert_int_equal(jsonl_image_read(path, 1, 1, 4, x, why), STELE_OK);
    const unsigned char want[] = { 0, 0x40, 0x80, 0xff };
    assert_memory_equal(x, want, sizeof want);
    free(path);
}

static void jpeg_comes_grey_and_coloured(void **state)
{
    (void)state;
    unsigned char x[3 * 64];
    char why[IMAGE_MESSAGE], *path = path_of("grey.jpg");
    uint32_t h = 0, w = 0;
    write_jpeg(path, 77);
    assert_int_equal(jsonl_image_size(path, &h, &w, why), STELE_OK);
    assert_true(h == 8 && w == 8);
    for (int grey = 0; grey < 2; grey++) {
        memset(x, 0, sizeof x);
        assert_int_equal(jsonl_image_read(path, grey, 8, 8, x, why), STELE_OK);
        for (int k = 0; k < (grey ? 64 : 3 * 64); k++) {
            assert_in_range(x[k], 76, 78);
        }
    }
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(truncate(path, status.st_size - 3), 0); /* libjpeg would fill it up */
    assert_int_equal(jsonl_image_read(path, 0, 8, 8, x, why), STELE_E_DATA);
    free(path);
}

static void shrinking_averages_and_growing_interpolates(void **state)
{
    (void)state;
    const unsigned char four[] = { 0, 100, 0, 100, 0, 100, 0, 100 }; /* (2, 4, 1) */
    const unsigned char edge[] = { 0, 0, 0, 120 };                   /* (1, 4, 1) */
    const unsigned char two[] = { 0, 10, 100, 20 };                  /* (1, 2, 2) */
    unsigned char x[8] = { 0 };
    assert_int_equal(jsonl_image_resample(four, 2, 4, 1, 1, 1, x), 0);
    assert_int_equal(x[0], 50);
    assert_int_equal(jsonl_image_resample(edge, 1, 4, 1, 1, 1, x), 0);
    assert_int_equal(x[0], 25); /* weights 5, 7, 7, 5 of 24 */
    assert_int_equal(jsonl_image_resample(four, 2, 4, 1, 2, 4, x), 0);
    assert_memory_equal(x, four, 8);
    assert_int_equal(jsonl_image_resample(two, 1, 2, 2, 1, 4, x), 0);
    const unsigned char want[] = { 0, 25, 75, 100, 10, 13, 18, 20 }; /* (2, 1, 4) */
    assert_memory_equal(x, want, 8);
}

static void size_is_checked_or_made(void **state)
{
    (void)state;
    char *a = path_of("a.jpg"), *path = file_of("sizes.jsonl", "{\"p\": \"a.jpg\"}\n");
    static const char *const named[] = { "p" };
    static const int64_t size[] = { 2, 3 };
    write_jpeg(a, 200);
    jsonl_config c = {
        .path = path, .images = { named, 1 }, .size = { size, 2 }, .grey = 1, .text_bytes = 64
    };
    stele_inst *s = open_config(&c);
    stele_field d;
    unsigned char x[6];
    int64_t row[] = { 0 };
    read_field(s, field_of(s, "p", &d), 1, row, x);
    assert_true(d.sample.dim[0] == 1 && d.sample.dim[1] == 2 && d.sample.dim[2] == 3);
    for (int k = 0; k < 6; k++) {
        assert_in_range(x[k], 199, 201);
    }
    vt->destroy(s);
    free(a);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_read),
        cmocka_unit_test(files_of_a_pattern_follow_each_other),
        cmocka_unit_test(a_byte_order_mark_is_no_text),
        cmocka_unit_test(long_texts_are_cut_between_letters),
        cmocka_unit_test(a_file_that_changes_is_noticed),
        cmocka_unit_test(pixels_are_where_they_belong),
        cmocka_unit_test(colours_of_print_are_refused),
        cmocka_unit_test(deep_png_keeps_its_shades),
        cmocka_unit_test(jpeg_comes_grey_and_coloured),
        cmocka_unit_test(shrinking_averages_and_growing_interpolates),
        cmocka_unit_test(size_is_checked_or_made),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
