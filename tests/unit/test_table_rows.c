/* source/table: which columns are what, which rows are there, one file or several. */
#include "table_case.h"

/* --- columns --------------------------------------------------------------------------------- */

static void columns_are_measured_or_labels(void **state)
{
    static const char *const columns[] = { "a?", "b[1]" }, *const exclude[] = { "a3" };
    static const char *const classes[] = { "batch" };
    csv_config c = usual();
    stele_field d;
    (void)state;
    const char *text = ",a1,a2,a3,b[1],b1,batch,ok,note,late\n"
                       "p,1,2,3,4,5,10,True,one,1\n"
                       "q,1,2,3,4,5,2,False,two,x\n"
                       "r,1,2,3,4,5,10,True,three,x\n"
                       "s,1,2,,4,5,NA,True,four,x\n";
    c.columns = (stele_str_list){ columns, 2 };
    c.exclude = (stele_str_list){ exclude, 1 };
    c.categories = (stele_str_list){ classes, 1 };
    stele_inst *s = open_text(&c, text);
    find(s, "X", &d);
    assert_int_equal(d.sample.dim[0], 3);
    assert_string_equal(vt->feature_name(s, 0, 1), "a2");
    assert_string_equal(vt->feature_name(s, 0, 2), "b[1]");
    assert_true(isnan(number_at(s, "a3", 3)) && number_at(s, "a3", 2) == 3);
    assert_true(number_at(s, "b1", 0) == 5);
    assert_string_equal(class_at(s, "batch", 0), "10");
    assert_string_equal(class_at(s, "batch", 1), "2");
    assert_null(class_at(s, "batch", 3));
    assert_string_equal(class_at(s, "ok", 1), "False");
    assert_string_equal(class_at(s, "late", 0), "1");
    assert_string_equal(class_at(s, "late", 3), "x");
    find(s, "note", &d);
    assert_int_equal(d.content, STELE_FIELD_TEXT);
    assert_string_equal(text_at(s, "note", 2), "three");
    assert_int_equal(find(s, "", &d), -1);
    assert_int_equal(find(s, "a1", &d), -1);
    vt->destroy(s);
    c = usual();
    c.columns = (stele_str_list){ NULL, 0 };
    s = open_text(&c, text);
    assert_int_equal(find(s, "X", &d), -1);
    assert_true(number_at(s, "a1", 0) == 1);
    vt->destroy(s);
    c = usual();
    c.key = "note";
    s = open_text(&c, text);
    assert_string_equal(vt->row_id(s, 0, 3), "four");
    assert_int_equal(find(s, "", &d), -1);
    vt->destroy(s);
}

static void many_classes_are_texts_unless_asked_for(void **state)
{
    static const char *const classes[] = { "many" };
    csv_config c = usual();
    stele_field d;
    char *text = malloc(40000), *to = text;
    (void)state;
    to += sprintf(to, "sample_id,x,some,many\n");
    for (int i = 0; i < 1000; i++) {
        to += sprintf(to, "s%d,%d,k%d,k%d\n", i, i, i % 256, i % 257);
    }
    stele_inst *s = open_text(&c, text);
    find(s, "some", &d);
    assert_int_equal(d.content, STELE_FIELD_CATEGORY);
    assert_int_equal(d.n_categories, 256);
    find(s, "many", &d);
    assert_int_equal(d.content, STELE_FIELD_TEXT);
    vt->destroy(s);
    c.categories = (stele_str_list){ classes, 1 };
    s = open_text(&c, text);
    find(s, "many", &d);
    assert_int_equal(d.n_categories, 257);
    assert_string_equal(class_at(s, "many", 300), "k43");
    vt->destroy(s);
    free(text);
}

static void rows_without_a_measurement_are_absent(void **state)
{
    csv_config c = usual();
    stele_field d;
    (void)state;
    /* `mixed` is a number in row q and turns out to be no measurement. */
    stele_inst *s = open_text(&c, "id,mixed,a,b,kind\np,1,2,3,k\nq,1,,NA,k\nr,,,,k\ns,m,,5,k\n");
    assert_int_equal(vt->n_axes(s), 2);
    assert_int_equal(vt->n_rows(s, 0), 4);
    assert_int_equal(vt->n_rows(s, 1), 2);
    assert_string_equal(vt->row_id(s, 1, 1), "s");
    assert_null(vt->row_id(s, 1, 2));
    find(s, "X", &d);
    assert_int_equal(d.axis, 1);
    find(s, "kind", &d);
    assert_int_equal(d.axis, 0);
    assert_true(isnan(x_at(s, 1, 0)));
    assert_true(x_at(s, 1, 1) == 5);
    int64_t outside = 2;
    float v[2];
    assert_int_equal(read_rows(s, "X", 1, &outside, v, NULL), STELE_E_ARG);
    vt->destroy(s);
}

static void sparse_rows_have_what_is_not_zero(void **state)
{
    csv_config c = usual();
    (void)state;
    c.sparse = 1;
    stele_inst *s = open_text(&c, "id,a,b,c\np,0,2,NA\nq,0,0,0.0\nr,-0,1e-60,3\n");
    int64_t row[] = { 2, 0, 1 }, n[3], start[] = { 0, 1, 3, 3 };
    float v[3];
    int32_t column[3];
    assert_int_equal(vt->count(s, 0, 3, row, n), STELE_OK);
    assert_true(n[0] == 1 && n[1] == 2 && n[2] == 0); /* 1e-60 is 0 in single precision */
    stele_read r = { .struct_size = sizeof r,
                     .n_rows = 3,
                     .row = row,
                     .data = v,
                     .row_start = start,
                     .column = column };
    assert_int_equal(vt->read(s, &r), STELE_OK);
    assert_true(column[0] == 2 && v[0] == 3 && column[1] == 1 && v[1] == 2);
    assert_true(column[2] == 2 && isnan(v[2]));
    vt->destroy(s);
}

/* --- files ----------------------------------------------------------------------------------- */

static void put_gzip(const char *name, const char *mode, const char *bytes)
{
    gzFile f = gzopen(path_of(name), mode);
    assert_non_null(f);
    assert_int_equal(gzwrite(f, bytes, (unsigned)strlen(bytes)), (int)strlen(bytes));
    assert_int_equal(gzclose(f), Z_OK);
}

static void gzip_is_known_by_its_content(void **state)
{
    csv_config c = usual();
    stele_inst *s = NULL;
    (void)state;
    put_gzip("packed.csv", "wb", "id,a\nx,1\n");
    put_gzip("packed.csv", "ab", "y,2\n"); /* a second member */
    FILE *f = fopen(path_of("packed.csv"), "ab");
    assert_int_equal(fwrite("\0\0\0", 1, 3, f), 3);
    fclose(f);
    c.path = path_of("packed.csv");
    assert_int_equal(host_open_source(&c, &vt, &s), STELE_OK);
    assert_int_equal(vt->n_rows(s, 0), 2);
    assert_true(x_at(s, 1, 0) == 2);
    vt->destroy(s);
    c.path = put("plain.csv.gz", "id,a\nx,1\n", 9);
    assert_int_equal(host_open_source(&c, &vt, &s), STELE_OK);
    vt->destroy(s);
}

static void further_files_add_rows(void **state)
{
    static const int64_t row[] = { 4, 3, 2, 1, 0, 0, 1, 2, 3, 4 };
    csv_config c = usual();
    stele_inst *s = NULL;
    float v[10];
    (void)state;
    put_gzip("part-4.csv", "wb", "id\ta\nv\t5\n");
    put("part-2.csv", "id,a\ny,2\nz,3\n", 13);
    put("part-3.csv", "id;a\n\nw;4", 9);
    put("part-1.csv", "id,a\nx,1\n", 9);
    c.path = path_of("part-*.csv");
    if (host_open_source(&c, &vt, &s) != STELE_OK) {
        fail_msg("%s", host_message);
    }
    assert_int_equal(vt->n_rows(s, 0), 5);
    assert_string_equal(vt->row_id(s, 0, 4), "v");
    assert_int_equal(read_rows(s, "X", 10, row, v, NULL), STELE_OK);
    for (int i = 0; i < 10; i++) {
        assert_true(v[i] == (float)(row[i] + 1));
    }
    vt->destroy(s);
    c.path = path_of("part-{3,1}.csv");
    assert_int_equal(host_open_source(&c, &vt, &s), STELE_OK);
    assert_string_equal(vt->row_id(s, 0, 0), "w");
    assert_string_equal(vt->row_id(s, 0, 1), "x");
    vt->destroy(s);
    /* A file whose name reads like a pattern is that file. */
    c.path = put("part-?.csv", "id,a\nu,6\n", 9);
    assert_int_equal(host_open_source(&c, &vt, &s), STELE_OK);
    assert_int_equal(vt->n_rows(s, 0), 1);
    vt->destroy(s);
}

static void a_file_that_changes_is_noticed(void **state)
{
    csv_config c = usual();
    float v;
    int64_t row = 0;
    (void)state;
    stele_inst *s = open_text(&c, "id,a\nx,1\ny,2\n");
    put("t.csv", "id,a\nx,1\ny,22\n", 14);
    assert_int_equal(read_rows(s, "X", 1, &row, &v, NULL), STELE_E_DATA);
    assert_non_null(strstr(host_message, "t.csv: has changed since it was opened"));
    vt->destroy(s);
}

/* Rows of all lengths, so that buffers end everywhere: inside numbers, quotes, CR LF. */
static void rows_read_alike_alone_and_together(void **state)
{
    enum { N = 6000, F = 3 };
    static const char *const texts[] = { "t" };
    csv_config c = usual();
    char *text = malloc((size_t)N * 600), *to = text;
    float *whole = malloc(N * F * sizeof *whole);
    int64_t *row = malloc(N * sizeof *row);
    (void)state;
    c.texts = (stele_str_list){ texts, 1 };
    to += sprintf(to, "id,a,t,b,c\r\n");
    for (int i = 0; i < N; i++) {
        row[i] = i;
        to += sprintf(to, "r%d,%d.5,\"%*s\"\"%d\r\n\",%d,%s\r\n", i, i, i % 400, "", i, -i,
                      i % 7 == 0 ? "NA" : "1e3");
    }
    stele_inst *s = open_text(&c, text);
    assert_int_equal(vt->n_rows(s, 0), N);
    assert_int_equal(read_rows(s, "X", N, row, whole, NULL), STELE_OK);
    for (int i = 0; i < N; i++) {
        assert_true(whole[i * F] == (float)i + 0.5F && whole[i * F + 1] == (float)-i);
        assert_true(i % 7 == 0 ? isnan(whole[i * F + 2]) : whole[i * F + 2] == 1000);
    }
    for (int i = 0; i < N; i += 13) {
        const char *t = text_at(s, "t", i);
        char want[32];
        snprintf(want, sizeof want, "\"%d\r\n", i);
        assert_string_equal(t + i % 400, want);
        assert_true(x_at(s, i, 0) == (float)i + 0.5F);
    }
    vt->destroy(s);
    free(text);
    free(whole);
    free(row);
}

/* --- real tables ----------------------------------------------------------------------------- */

/* Three tables of the same cells, joined by the host; what is in them is counted in the data's own
 * description. */
static void tables_of_the_same_cells_are_joined(void **state)
{
    static const char *const name[] = { "cells", "ephys", "morphology" };
    const char *data = getenv("STELE_DATA");
    static char path[3][1024];
    csv_config c[3] = { usual(), usual(), usual() };
    stele__source source[3] = { { 0 } };
    (void)state;
    for (int i = 0; i < 3; i++) {
        stele_inst *s = NULL;
        snprintf(path[i], sizeof path[i], "%s/patchseq-m1/%s.csv", data != NULL ? data : "",
                 name[i]);
        if (access(path[i], R_OK) != 0) {
            skip();
        }
        c[i].path = path[i];
        c[i].columns.n = i > 0;
        assert_int_equal(host_open_source(&c[i], &vt, &s), STELE_OK);
        source[i] = (stele__source){ .name = name[i], .vt = vt, .inst = s };
    }
    stele__matrix_request m[] = { { .name = "e", .from = "ephys:X" },
                                  { .name = "m", .from = "morphology:X" } };
    stele__label_request l[] = { { .from = "family" }, { .from = "mouse_age_days" } };
    stele__data_request rq = { source, 3, m, 2, l, 2, 0, NULL };
    stele__dataset *ds = NULL;
    stele__diag d;
    stele__diag_init(&d);
    if (stele__dataset_create(&rq, &ds, &d) != STELE_OK ||
        stele__dataset_load(ds, NULL, &d) != STELE_OK) {
        fail_msg("%s", d.message[0].text);
    }
    int64_t both = 0, gaps = 0;
    for (int64_t i = 0; i < ds->n_rows; i++) {
        both += ds->present[2 * i] && ds->present[2 * i + 1];
    }
    for (int64_t k = 0; k < 1328 * 29; k++) {
        gaps += isnan(ds->matrix[0].dense[k]) != 0;
    }
    assert_int_equal(ds->n_rows, 1329);
    assert_true(ds->matrix[0].n_present == 1328 && ds->matrix[0].n_features == 29);
    assert_true(ds->matrix[1].n_present == 645 && ds->matrix[1].n_features == 81);
    assert_int_equal(both, 644);
    assert_int_equal(gaps, 80);
    assert_int_equal(ds->label[0].n_categories, 10);
    assert_int_equal(ds->label[1].content, STELE_FIELD_NUMBER);
    assert_string_equal(stele__dataset_row_id(ds, 0), "20171204_sample_2");
    assert_true(ds->matrix[0].dense[0] == 0.940205F);
    stele__dataset_destroy(ds);
    stele__diag_finish(&d);
    for (int i = 0; i < 3; i++) {
        vt->destroy((stele_inst *)(uintptr_t)source[i].inst);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_measured_or_labels),
        cmocka_unit_test(many_classes_are_texts_unless_asked_for),
        cmocka_unit_test(rows_without_a_measurement_are_absent),
        cmocka_unit_test(sparse_rows_have_what_is_not_zero),
        cmocka_unit_test(gzip_is_known_by_its_content),
        cmocka_unit_test(further_files_add_rows),
        cmocka_unit_test(a_file_that_changes_is_noticed),
        cmocka_unit_test(rows_read_alike_alone_and_together),
        cmocka_unit_test(tables_of_the_same_cells_are_joined),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
