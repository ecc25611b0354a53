/* source/table: cells and numbers are what a table says, whatever it looks like. Messages for bad
 * input are in tests/golden. */
#include "table_case.h"

/* --- cells ----------------------------------------------------------------------------------- */

static void quotes_hold_delimiters_lines_and_quotes(void **state)
{
    static const char *const texts[] = { "b" };
    csv_config c = usual();
    (void)state;
    c.texts = (stele_str_list){ texts, 1 };
    stele_inst *s = open_text(&c, "\xEF\xBB\xBF\"id\",\"a \"\"1\"\"\",b\r\n"
                                  "r1,\"1\",\"x,\"\"y\"\"\r\nz\"\r\n"
                                  "\r\n"
                                  "r2,2,\" in \"\"the\"\" middle\"\r\n"
                                  "\"r,3\",3,5\" pipe\n"
                                  "r4,4,\"\"\n"
                                  "r5,5,\"\"\"\"\r"
                                  "r6, 6\t,last");
    stele_field d;
    assert_int_equal(find(s, "X", &d), 0);
    assert_int_equal(d.sample.dim[0], 1);
    assert_string_equal(vt->feature_name(s, 0, 0), "a \"1\"");
    assert_null(vt->feature_name(s, 0, 1));
    assert_int_equal(vt->n_axes(s), 1);
    assert_int_equal(vt->n_rows(s, 0), 6);
    assert_string_equal(vt->row_id(s, 0, 2), "r,3");
    assert_string_equal(text_at(s, "b", 0), "x,\"y\"\r\nz");
    assert_string_equal(text_at(s, "b", 1), " in \"the\" middle");
    assert_string_equal(text_at(s, "b", 2), "5\" pipe");
    assert_null(text_at(s, "b", 3));
    assert_string_equal(text_at(s, "b", 4), "\"");
    assert_string_equal(text_at(s, "b", 5), "last");
    for (int64_t i = 0; i < 6; i++) {
        assert_true(x_at(s, i, 0) == (float)(i + 1));
    }
    vt->destroy(s);
}

static void delimiters_are_found_or_given(void **state)
{
    static const char *const text[] = { "id,a,b\n1,2,3\n", "id\ta,c\tb\n1\t2\t3\n",
                                        "id;\"a,,,,\";b\n1;2;3\n", "\n# a;;;;\nid,a,b\n1,2,3\n" };
    (void)state;
    for (int k = 0; k < 4; k++) {
        csv_config c = usual();
        c.comment = k == 3 ? "#" : NULL;
        stele_inst *s = open_text(&c, text[k]);
        stele_field d;
        find(s, "X", &d);
        assert_int_equal(d.sample.dim[0], 2);
        assert_true(x_at(s, 0, 1) == 3);
        vt->destroy(s);
    }
    csv_config c = usual();
    c.delimiter = 3;
    stele_inst *s = open_text(&c, "a,b;c\n1;2\n");
    assert_string_equal(vt->feature_name(s, 0, 0), "a,b");
    assert_string_equal(vt->row_id(s, 0, 0), "0");
    vt->destroy(s);
    c.delimiter = 4;
    s = open_text(&c, "id|a,b\nx|2\n");
    assert_string_equal(vt->feature_name(s, 0, 0), "a,b");
    assert_string_equal(vt->row_id(s, 0, 0), "x");
    assert_true(x_at(s, 0, 0) == 2);
    vt->destroy(s);
}

static void comments_are_left_out_on_request_alone(void **state)
{
    csv_config c = usual();
    (void)state;
    c.comment = "##";
    stele_inst *s = open_text(&c, "##made by\nid,a\n##\nx,1\n##\"\n#y,2\n##");
    assert_int_equal(vt->n_rows(s, 0), 2);
    assert_string_equal(vt->row_id(s, 0, 1), "#y");
    assert_true(x_at(s, 1, 0) == 2);
    vt->destroy(s);
    c.comment = NULL;
    s = open_text(&c, "id,a\n##x,1\n");
    assert_string_equal(vt->row_id(s, 0, 0), "##x");
    vt->destroy(s);
}

static void one_column_completes_another(void **state)
{
    static const char *const out[] = { "*" }, *const rule[] = { "death = last = seen" };
    csv_config c = usual();
    stele_field d;
    double v[3];
    (void)state;
    c.exclude = (stele_str_list){ out, 1 };
    c.columns.n = 0;
    c.fallback = (stele_str_list){ rule, 1 };
    stele_inst *s = open_text(&c, "id,death,last = seen\na,5,9\nb,,7\nc,,\n");
    const int64_t rows[] = { 2, 1, 0 };
    stele_read r = { .struct_size = sizeof r, .n_rows = 3, .row = rows, .data = v };
    r.field = find(s, "death", &d);
    assert_int_equal(d.content, STELE_FIELD_NUMBER);
    assert_int_equal(vt->read(s, &r), STELE_OK);
    assert_true(isnan(v[0]) && v[1] == 7 && v[2] == 5);
    r.field = find(s, "last = seen", &d);
    assert_int_equal(vt->read(s, &r), STELE_OK);
    assert_true(isnan(v[0]) && v[1] == 7 && v[2] == 9);
    vt->destroy(s);
}

/* --- numbers --------------------------------------------------------------------------------- */

static const char *const hard[] = {
    "0.1",
    "-0",
    "1e22",
    "1e23",
    "9007199254740993",
    "9007199254740992",
    "-1.7976931348623157e308",
    "4.9e-324",
    "2.4703282292062327e-324",
    "2.4703282292062328e-324",
    "123456789012345678901234567890",
    "0.000000000000000000000000000000000000001",
    "+1.",
    ".5",
    "1E+2",
    "1e-22",
    "3.5e-23",
    "8.988465674311579e307",
    "1.00000000000000011102230246251565404236316680908203125",
    "0.1000000000000000055511151231257827021181583404541015625",
    "12345.678e3",
    "1e0000000000010",
    "179769313486231580793e287",
    "00000000000000000000000000.25",
    "9999999999999999999",
    "99999999999999999999",
    "1e-400",
    "5e-1000000000000",
};

/* A decimal of 3 to 18 digits. */
static void random_decimal(uint64_t *r, char ret[64])
{
    for (int k = 0; k < 3; k++) {
        *r = *r * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    }
    double v = (double)(*r >> 8) * pow(10, (double)(*r % 61) - 40);
    snprintf(ret, 64, *r % 2 == 0 ? "%.*e" : "%.*g", (int)(*r >> 60) + 2, v);
}

static void numbers_are_those_nearest_to_the_decimals(void **state)
{
    static const char *const exclude[] = { "v" };
    enum { HARD = sizeof hard / sizeof hard[0], N = HARD + 5000 };
    static double want[N], got[N];
    static int64_t row[N];
    static char text[N * 70];
    csv_config c = usual();
    char *to = text + sprintf(text, "v,x\n"), decimal[64];
    uint64_t r = 7;
    (void)state;
    c.exclude = (stele_str_list){ exclude, 1 };
    for (int i = 0; i < N; i++) {
        random_decimal(&r, decimal);
        const char *number = i < HARD ? hard[i] : decimal;
        want[i] = strtod(number, NULL);
        row[i] = i;
        to += sprintf(to, "%s,1\n", number);
    }
    stele_inst *s = open_text(&c, text);
    assert_int_equal(read_rows(s, "v", N, row, got, NULL), STELE_OK);
    for (int i = 0; i < N; i++) {
        if (memcmp(&got[i], &want[i], sizeof *got) != 0) {
            fail_msg("row %d: %.17g instead of %.17g", i, got[i], want[i]);
        }
    }
    vt->destroy(s);
}

/* With a decimal comma, where such a locale is installed. */
static void the_locale_has_no_say(void **state)
{
    static const char *const exclude[] = { "v" };
    csv_config c = usual();
    (void)state;
    c.exclude = (stele_str_list){ exclude, 1 };
    (void)!setlocale(LC_ALL, "de_DE.UTF-8");
    stele_inst *s = open_text(&c, "ID,v,x\na,1.5,1\nb,0.12345678901234567890123,2\n");
    double short_one = number_at(s, "v", 0), long_one = number_at(s, "v", 1);
    setlocale(LC_ALL, "C");
    assert_string_equal(vt->row_id(s, 0, 1), "b");
    assert_true(short_one == 1.5);
    assert_true(long_one == 0.12345678901234567890123);
    vt->destroy(s);
}

static void missing_values_and_infinities_are_told_apart(void **state)
{
    static const char *const tokens[] = { "", "-999", "n.d." };
    csv_config c = usual();
    (void)state;
    c.missing = (stele_str_list){ tokens, 3 };
    stele_inst *s = open_text(&c, "id,a,b,kind\n"
                                  "1,,2,p\n2,-999,-99,q\n3, n.d. ,inf,n.d.\n4,5,-Infinity,p\n"
                                  "5,-999.0,1e38,q\n");
    assert_true(isnan(x_at(s, 0, 0)) && isnan(x_at(s, 1, 0)) && isnan(x_at(s, 2, 0)));
    assert_true(x_at(s, 4, 0) == -999);
    assert_true(x_at(s, 1, 1) == -99);
    assert_true(isinf(x_at(s, 2, 1)) && x_at(s, 2, 1) > 0);
    assert_true(isinf(x_at(s, 3, 1)) && x_at(s, 3, 1) < 0);
    assert_null(class_at(s, "kind", 2));
    assert_string_equal(class_at(s, "kind", 4), "q");
    vt->destroy(s);
    s = open_text(&c, "id,a\n1,2\n2,1e39\n");
    float v[2];
    int64_t row[] = { 0, 1 };
    assert_int_equal(read_rows(s, "X", 2, row, v, NULL), STELE_E_DATA);
    assert_non_null(strstr(host_message, "line 3: row `2`, column `a`: `1e39` is too large for a "
                                         "number of single precision"));
    vt->destroy(s);
}

/* Rows that another source knows have its id, the others one of their own. */
static void ids_may_stand_in_one_of_two_columns(void **state)
{
    csv_config c = usual();
    (void)state;
    c.key = "cell";
    c.key_else = "recording";
    stele_inst *s = open_text(&c, "recording,cell,v\nr1,,1\nr2,c7,2\nr3,,3\n");
    assert_string_equal(vt->row_id(s, 0, 0), "r1");
    assert_string_equal(vt->row_id(s, 0, 1), "c7");
    assert_string_equal(vt->row_id(s, 0, 2), "r3");
    assert_string_equal(text_at(s, "recording", 1), "r2");
    assert_true(x_at(s, 2, 0) == 3);
    vt->destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotes_hold_delimiters_lines_and_quotes),
        cmocka_unit_test(delimiters_are_found_or_given),
        cmocka_unit_test(comments_are_left_out_on_request_alone),
        cmocka_unit_test(one_column_completes_another),
        cmocka_unit_test(numbers_are_those_nearest_to_the_decimals),
        cmocka_unit_test(the_locale_has_no_say),
        cmocka_unit_test(missing_values_and_infinities_are_told_apart),
        cmocka_unit_test(ids_may_stand_in_one_of_two_columns),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
