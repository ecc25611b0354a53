/* The data room: three axes with different cells joined by id, labels, selection, gathers.
 */
#include "test.h"

#include "base/mem.h"
#include "data/dataset.h"
#include "data/digest.h"
#include "fake_source.h"

#include <stdio.h>

/* Axis 0 is a table of all cells, the others are measurements of some of them in other orders. */
static const char *const all_ids[] = { "a", "b", "c", "d", "e", "only_label" };
static const char *const left_ids[] = { "c", "a", "d" };
static const char *const right_ids[] = { "e", "d", "b", "c", "late" };
static const fake_axis axes[] = { { all_ids, 6 }, { left_ids, 3 }, { right_ids, 5 } };

static const double left_x[] = { 0, 3, 0, 1, /* c */
                                 5, 0, 0, 2, /* a */
                                 0, 0, 0, 9 /* d */ };
static const double right_x[] = { 0, 300, 0,     /* e */
                                  1, 0,   70000, /* d */
                                  0, 0,   0,     /* b */
                                  2, 0,   7,     /* c */
                                  0, 1,   0 /* late */ };
static const double numbers[] = { 1, 2, NAN, 4.5, 1, 8 };
static const double whole[] = { 10, 2, NAN, 2, 10, 77 };
static const double codes[] = { 2, 0, -1, 2, 0, 1 };
static const char *const texts[] = { "z", NULL, "m", "z", "m", "q" };
static const char *const code_names[] = { "B", "unused", "A" };
static const char *const left_names[] = { "g0", "g1", "g2", "g1" };

static const fake_field fields[] = {
    { "left", STELE_FIELD_MATRIX, STELE_CSR, 1, 4, left_x, NULL, left_names, 0 },
    { "right", STELE_FIELD_MATRIX, STELE_CSR, 2, 3, right_x, NULL, NULL, 0 },
    { "right/dense", STELE_FIELD_MATRIX, STELE_DENSE, 2, 3, right_x, NULL, NULL, 0 },
    { "number", STELE_FIELD_NUMBER, STELE_DENSE, 0, 0, numbers, NULL, NULL, 0 },
    { "left/obs/whole", STELE_FIELD_NUMBER, STELE_DENSE, 0, 0, whole, NULL, NULL, 0 },
    { "class", STELE_FIELD_CATEGORY, STELE_DENSE, 0, 0, codes, NULL, code_names, 3 },
    { "text", STELE_FIELD_TEXT, STELE_DENSE, 0, 0, NULL, texts, NULL, 0 },
};
static const fake_source instance = { axes, 3, fields, 7 };
static const stele__source source = { "file", &fake_vt,
                                      (const stele_inst *)(const void *)&instance };

/* The value of a cell, looked up the slow way. */
static double truth(const fake_field *f, const char *id, int64_t j)
{
    for (int64_t r = 0; r < axes[f->axis].n; r++) {
        if (strcmp(axes[f->axis].id[r], id) == 0) {
            return f->x[r * f->n_features + j];
        }
    }
    return NAN;
}

static stele__dataset *make(const stele__matrix_request *m, size_t n_m,
                            const stele__label_request *l, size_t n_l)
{
    stele__dataset *ds = NULL;
    stele__diag d;
    stele__diag_init(&d);
    stele__data_request rq = { &source, 1, m, n_m, l, n_l, 0, NULL };
    stele_status st = stele__dataset_create(&rq, &ds, &d);
    if (st != STELE_OK) {
        fail_msg("%s", d.n > 0 ? d.message[0].text : "no message");
    }
    stele__diag_finish(&d);
    return ds;
}

static void rows_are_joined_by_id(void **state)
{
    (void)state;
    stele__matrix_request m[] = { { .name = "L", .from = "left" },
                                  { .name = "R", .from = "right" } };
    stele__dataset *ds = make(m, 2, NULL, 0);
    const char *const want[] = { "a", "b", "c", "d", "e", "late" };
    const uint8_t present[6][2] = { { 1, 0 }, { 0, 1 }, { 1, 1 }, { 1, 1 }, { 0, 1 }, { 0, 1 } };
    assert_int_equal(ds->n_rows, 6);
    for (int64_t i = 0; i < 6; i++) {
        assert_string_equal(stele__dataset_row_id(ds, i), want[i]);
        assert_memory_equal(ds->present + 2 * i, present[i], 2);
    }
    assert_int_equal(ds->matrix[0].n_present, 3);
    assert_int_equal(ds->matrix[1].n_present, 5);
    assert_int_equal(stele__dataset_matrix(ds, "R"), 1);
    assert_int_equal(stele__dataset_matrix(ds, "left"), -1);
    stele__dataset_destroy(ds);
}

static void check_gather(const stele__dataset *ds, size_t m, const fake_field *f)
{
    int64_t all[] = { 5, 3, 0, 2, 2, 1, 4 }, row[7], position[7], start[8];
    int64_t n = stele__dataset_select(ds, m, 7, all, row, position);
    int64_t entries = stele__dataset_count_entries(ds, m, n, row);
    int32_t column[32];
    float value[32];
    assert_true(n > 2 && entries <= 32);
    stele__dataset_gather_csr(ds, m, n, row, start, column, value);
    assert_int_equal(start[0], 0);
    assert_int_equal(start[n], entries);
    for (int64_t i = 0; i < n; i++) {
        assert_int_equal(row[i], all[position[i]]);
        int64_t k = start[i];
        for (int64_t j = 0; j < f->n_features; j++) {
            double want = truth(f, stele__dataset_row_id(ds, row[i]), j);
            if (want != 0) {
                assert_int_equal(column[k], j);
                assert_float_equal(value[k], want, 0);
                k++;
            }
        }
        assert_int_equal(k, start[i + 1]);
    }
}

static void gather_equals_the_table(void **state)
{
    (void)state;
    stele__matrix_request m[] = { { .name = "L", .from = "left" },
                                  { .name = "R", .from = "file:right" },
                                  { .name = "D", .from = "right/dense" } };
    stele__dataset *ds = make(m, 3, NULL, 0);
    assert_int_equal(stele__dataset_load(ds, NULL, NULL), STELE_OK);
    assert_int_equal(ds->matrix[0].value_kind, STELE__VALUE_U8);
    assert_int_equal(ds->matrix[1].value_kind, STELE__VALUE_F32);
    check_gather(ds, 0, &fields[0]);
    check_gather(ds, 1, &fields[1]);
    assert_int_equal(stele__dataset_most_entries(ds, 0, 1), 2);
    assert_int_equal(stele__dataset_most_entries(ds, 0, 2), 4);
    assert_int_equal(stele__dataset_most_entries(ds, 0, 99), 5);
    int64_t row[] = { 4, 1, 3 };
    float x[9];
    uint64_t before = stele__mem_count();
    stele__dataset_gather_dense(ds, 2, 3, row, x);
    assert_int_equal(stele__mem_count(), before);
    for (int64_t i = 0; i < 9; i++) {
        assert_float_equal(x[i], truth(&fields[2], stele__dataset_row_id(ds, row[i / 3]), i % 3),
                           0);
    }
    assert_string_equal(ds->matrix[0].feature_name[3], "g1-1");
    assert_null(ds->matrix[1].feature_name);
    stele__dataset_destroy(ds);
}

static uint64_t digest_of(const char *from, int64_t min_rows)
{
    stele__matrix_request m = { .name = "M", .from = from, .min_rows = min_rows };
    stele__dataset *ds = make(&m, 1, NULL, 0);
    assert_int_equal(stele__dataset_load(ds, NULL, NULL), STELE_OK);
    uint64_t digest = stele__matrix_digest(ds, 0);
    stele__dataset_destroy(ds);
    return digest;
}

/* Values, their order, columns and row ids count; how a number is held in memory does not. */
static void digests_tell_values_apart(void **state)
{
    (void)state;
    stele__matrix_request m[] = { { .name = "L", .from = "left" },
                                  { .name = "D", .from = "right/dense" } };
    stele__label_request l[] = { { .from = "number" }, { .from = "class" } };
    stele__dataset *ds = make(m, 2, l, 2);
    assert_int_equal(stele__dataset_load(ds, NULL, NULL), STELE_OK);
    uint8_t *value = ds->matrix[0].value; /* 3 1 | 5 2 | 9 */
    int32_t *column = ds->matrix[0].column;
    uint64_t left = stele__matrix_digest(ds, 0), dense = stele__matrix_digest(ds, 1);
    assert_true(left == digest_of("left", 0) && left != digest_of("left", 2));
    value[4] ^= 128;
    assert_true(stele__matrix_digest(ds, 0) != left);
    value[4] ^= 128;
    column[4] = 0;
    assert_true(stele__matrix_digest(ds, 0) != left);
    column[4] = 3;
    int64_t *at = ds->matrix[0].store_row, swap = at[0];
    at[0] = at[2];
    at[2] = swap;
    assert_true(stele__matrix_digest(ds, 0) != left);
    at[2] = at[0];
    at[0] = swap;
    const float wide[] = { 3, 1, 5, 2, 9 };
    ds->matrix[0].value = (void *)(uintptr_t)wide;
    ds->matrix[0].value_kind = STELE__VALUE_F32;
    assert_true(stele__matrix_digest(ds, 0) == left);
    ds->matrix[0].value = value;
    ds->matrix[0].value_kind = STELE__VALUE_U8;
    ds->matrix[1].dense[7] += 1;
    assert_true(stele__matrix_digest(ds, 1) != dense);
    uint64_t number = stele__label_digest(ds, &ds->label[0]);
    uint64_t code = stele__label_digest(ds, &ds->label[1]);
    ds->label[0].number[1] += 1e-9;
    ds->label[1].code[4] = 1 - ds->label[1].code[4];
    assert_true(stele__label_digest(ds, &ds->label[0]) != number);
    assert_true(stele__label_digest(ds, &ds->label[1]) != code);
    stele__dataset_destroy(ds);
}

static void rare_features_go_by_training_rows_alone(void **state)
{
    (void)state;
    stele__matrix_request m[] = { { .name = "L", .from = "left", .min_rows = 1 },
                                  { .name = "D", .from = "right/dense", .min_rows = 1 } };
    stele__dataset *ds = make(m, 2, NULL, 0);
    const uint8_t train[] = { 0, 1, 1, 1, 0, 0 }; /* b, c, d */
    assert_int_equal(stele__dataset_load(ds, train, NULL), STELE_OK);
    /* Of a: g0 is not counted. g2 is zero everywhere. */
    assert_int_equal(ds->matrix[0].n_features, 2);
    assert_int_equal(ds->matrix[0].field.sample.dim[0], 2);
    assert_string_equal(ds->matrix[0].feature_name[0], "g1");
    assert_string_equal(ds->matrix[0].feature_name[1], "g1-1");
    assert_int_equal(ds->matrix[1].n_features, 2);
    int64_t row[] = { 0, 2 }, start[3];
    int32_t column[4];
    float value[4], x[2];
    stele__dataset_gather_csr(ds, 0, 2, row, start, column, value);
    assert_int_equal(start[1], 1);
    assert_int_equal(column[0], 1);
    assert_float_equal(value[0], 2, 0);
    assert_int_equal(column[1], 0);
    assert_float_equal(value[1], 3, 0);
    stele__dataset_gather_dense(ds, 1, 1, &row[1], x);
    assert_float_equal(x[0], 2, 0);
    assert_float_equal(x[1], 7, 0);
    stele__dataset_destroy(ds);
}

static void fixed_features_are_found_by_name(void **state)
{
    (void)state;
    const char *const want[] = { "g1-1", "g2", "g0" };
    stele__matrix_request m[] = {
        { .name = "L", .from = "left", .min_rows = 3, .feature = want, .n_features = 3 }
    };
    stele__dataset *ds = make(m, 1, NULL, 0);
    assert_int_equal(stele__dataset_load(ds, NULL, NULL), STELE_OK);
    int64_t row = 0, start[2]; /* a: g0 = 5, g1-1 = 2 */
    int32_t column[3];
    float value[3];
    stele__dataset_gather_csr(ds, 0, 1, &row, start, column, value);
    assert_int_equal(start[1], 2);
    assert_int_equal(column[0], 0);
    assert_float_equal(value[0], 2, 0);
    assert_int_equal(column[1], 2);
    assert_float_equal(value[1], 5, 0);
    assert_string_equal(ds->matrix[0].feature_name[2], "g0");
    stele__dataset_destroy(ds);
}

static void labels_become_codes_or_numbers(void **state)
{
    (void)state;
    const char *const fixed[] = { "A", "C", "B" };
    stele__matrix_request m[] = { { .name = "L", .from = "left" },
                                  { .name = "R", .from = "right" } };
    stele__label_request l[] = { { .from = "class" },
                                 { .from = "number" },
                                 { .from = "text" },
                                 { .from = "whole", .content = STELE_FIELD_CATEGORY },
                                 { .from = "class", .category = fixed, .n_categories = 3 } };
    stele__dataset *ds = make(m, 2, l, 5);
    const int32_t class_codes[] = { 1, 0, -1, 1, 0, -1 }, whole_codes[] = { 1, 0, -1, 0, 1, -1 };
    const int32_t text_codes[] = { 1, -1, 0, 1, 0, -1 }, fixed_codes[] = { 0, 2, -1, 0, 2, -1 };
    assert_int_equal(ds->label[0].n_categories, 2);
    assert_string_equal(ds->label[0].category[1], "A");
    assert_memory_equal(ds->label[0].code, class_codes, sizeof class_codes);
    assert_float_equal(ds->label[1].number[3], 4.5, 0);
    assert_true(isnan(ds->label[1].number[2]) && isnan(ds->label[1].number[5]));
    assert_int_equal(ds->label[2].n_categories, 2);
    assert_string_equal(ds->label[2].category[0], "m");
    assert_memory_equal(ds->label[2].code, text_codes, sizeof text_codes);
    assert_string_equal(ds->label[3].category[0], "2");
    assert_memory_equal(ds->label[3].code, whole_codes, sizeof whole_codes);
    assert_int_equal(ds->label[4].n_categories, 3);
    assert_memory_equal(ds->label[4].code, fixed_codes, sizeof fixed_codes);
    assert_ptr_equal(stele__dataset_label(ds, "number", 0), &ds->label[1]);
    assert_null(stele__dataset_label(ds, "number", STELE_FIELD_CATEGORY));
    stele__dataset_destroy(ds);
}

static void categories_without_training_rows_count_as_missing(void **state)
{
    (void)state;
    stele__matrix_request m[] = { { .name = "L", .from = "left" },
                                  { .name = "R", .from = "right" } };
    stele__label_request l[] = { { .from = "number" }, { .from = "class" } };
    const uint8_t train[] = { 0, 1, 1, 0, 0, 1 };
    const int32_t want[] = { -1, 0, -1, -1, 0, -1 }; /* B stays, A occurs elsewhere only */
    stele__diag d;
    stele__diag_init(&d);
    stele__dataset *ds = make(m, 2, l, 2);
    assert_int_equal(stele__dataset_limit_label(ds, "number", train, &d), STELE_OK);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(stele__dataset_limit_label(ds, "class", train, &d), STELE_OK);
        assert_int_equal(ds->label[1].n_categories, 1);
        assert_string_equal(ds->label[1].category[0], "B");
        assert_memory_equal(ds->label[1].code, want, sizeof want);
    }
    assert_float_equal(ds->label[0].number[3], 4.5, 0);
    assert_true(d.n == 1 && d.n_errors == 0);
    assert_string_equal(d.message[0].text,
                        "`class`: `A` did not occur in training and counts as missing");
    stele__dataset_destroy(ds);
    stele__diag_finish(&d);
}

/* The first error of a request that has to fail. */
static void assert_refused(const stele__source *src, size_t n_src, const stele__matrix_request *m,
                           size_t n_m, const stele__label_request *l, size_t n_l, const char *text)
{
    stele__dataset *ds = NULL;
    stele__diag d;
    stele__diag_init(&d);
    stele__data_request rq = { src, n_src, m, n_m, l, n_l, 0, NULL };
    stele_status st = stele__dataset_create(&rq, &ds, &d);
    st = st == STELE_OK ? stele__dataset_load(ds, NULL, &d) : st;
    assert_int_equal(st, STELE_E_DATA);
    size_t first = 0;
    while (first < d.n && d.message[first].severity != STELE__ERROR) {
        first++;
    }
    assert_true(first < d.n);
    assert_string_equal(d.message[first].text, text);
    stele__diag_finish(&d);
    stele__dataset_destroy(ds);
}

static void bad_requests_say_what_is_there(void **state)
{
    (void)state;
    stele__matrix_request typo = { .name = "L", .from = "lefft" },
                          l = { .name = "L", .from = "left" };
    stele__matrix_request rare = { .name = "L", .from = "left", .min_rows = 9 };
    const char *const strangers[] = { "g0", "g7" };
    stele__matrix_request other = {
        .name = "L", .from = "left", .feature = strangers, .n_features = 2
    };
    assert_refused(&source, 1, &typo, 1, NULL, 0,
                   "the data have no measurement `lefft`; there are left, right, right/dense");
    assert_refused(&source, 1, &rare, 1, NULL, 0,
                   "`left`: no feature is non-zero in 9 training rows");
    assert_refused(&source, 1, &other, 1, NULL, 0, "`left` lacks 1 of the model's 2 features: g7");
    stele__label_request no = { .from = "batch" };
    assert_refused(
        &source, 1, &l, 1, &no, 1,
        "the data have no label column `batch`; there are number, left/obs/whole, class, "
        "text");
    stele__label_request real = { .from = "number", .content = STELE_FIELD_CATEGORY };
    assert_refused(&source, 1, &l, 1, &real, 1,
                   "`number` holds measurements (4.5 in row `d`), not classes");
    stele__label_request word = { .from = "class", .content = STELE_FIELD_NUMBER };
    assert_refused(&source, 1, &l, 1, &word, 1,
                   "`class` holds classes (`A` in row `a`), not numbers");
    stele__source two[] = { source, { "again", &fake_vt, source.inst } };
    assert_refused(two, 2, &l, 1, NULL, 0, "`left` is ambiguous: it may be file:left, again:left");
}

static void ids_have_to_be_unique_and_to_meet(void **state)
{
    (void)state;
    static const char *const twice[] = { "a", "b", "a" }, *const else_where[] = { "x", "y", "z" };
    static const double x[] = { 1, 2, 3 };
    fake_axis ax[] = { { else_where, 3 }, { all_ids, 3 }, { twice, 3 } };
    fake_field f[] = { { "x", STELE_FIELD_MATRIX, STELE_DENSE, 0, 1, x, NULL, NULL, 0 },
                       { "y", STELE_FIELD_MATRIX, STELE_DENSE, 1, 1, x, NULL, NULL, 0 },
                       { "z", STELE_FIELD_MATRIX, STELE_DENSE, 2, 1, x, NULL, NULL, 0 } };
    fake_source inst = { ax, 3, f, 3 };
    stele__source src = { "s", &fake_vt, (const stele_inst *)(const void *)&inst };
    stele__matrix_request m[] = { { .name = "X", .from = "x" },
                                  { .name = "Y", .from = "y" },
                                  { .name = "Z", .from = "z" } };
    assert_refused(&src, 1, m, 2, NULL, 0,
                   "no row is in both of `X` and `Y`: their ids do not meet");
    assert_refused(&src, 1, m + 2, 1, NULL, 0,
                   "source `s`: z: 1 row id occurs more than once: `a`");
}

static void new_data_may_lack_modalities_and_labels(void **state)
{
    (void)state;
    stele__matrix_request m[] = { { .name = "L", .from = "left" },
                                  { .name = "N", .from = "none" } };
    stele__label_request l[] = { { .from = "absent", .content = STELE_FIELD_CATEGORY } };
    stele__data_request rq = { &source, 1, m, 2, l, 1, 1, NULL };
    stele__dataset *ds = NULL;
    stele__diag d;
    stele__diag_init(&d);
    assert_int_equal(stele__dataset_create(&rq, &ds, &d), STELE_OK);
    assert_int_equal(stele__dataset_load(ds, NULL, NULL), STELE_OK);
    assert_int_equal(ds->n_rows, 3);
    assert_int_equal(ds->matrix[1].n_present, 0);
    assert_int_equal(ds->label[0].code[2], -1);
    assert_true(d.n == 1 && d.n_errors == 0);
    assert_string_equal(d.message[0].text,
                        "the data have no label column `absent`: it counts as missing in all rows");
    stele__dataset_destroy(ds);
    stele__diag_finish(&d);
}

/* Rows of `right` alone, of which `left` has two: with which they are joined as ever. */
static void rows_may_be_those_of_some_sources(void **state)
{
    (void)state;
    const stele__source two[] = { { "one", source.vt, source.inst },
                                  { "two", source.vt, source.inst } };
    const uint8_t second[] = { 0, 1 };
    const char *const want[] = { "b", "c", "d", "e", "late" };
    stele__matrix_request m[] = { { .name = "L", .from = "one:left" },
                                  { .name = "R", .from = "two:right" } };
    stele__label_request l[] = { { .from = "one:number" } };
    for (int labels = 0; labels < 2; labels++) {
        m[1].from = labels ? "one:right" : "two:right";
        stele__data_request rq = { two, 2, m, 2, l, 1, 1, second };
        stele__dataset *ds = NULL;
        assert_int_equal(stele__dataset_create(&rq, &ds, NULL), STELE_OK);
        assert_int_equal(stele__dataset_load(ds, NULL, NULL), STELE_OK);
        assert_int_equal(ds->n_rows, labels ? 6 : 5); /* nothing is measured there: all rows */
        assert_int_equal(ds->matrix[0].n_present, labels ? 3 : 2);
        assert_int_equal(ds->matrix[1].n_present, 5);
        for (int64_t i = 0; !labels && i < 5; i++) {
            assert_string_equal(stele__dataset_row_id(ds, i), want[i]);
        }
        assert_true(labels || ds->label[0].number[2] == 4.5);
        stele__dataset_destroy(ds);
    }
}

static void every_failed_allocation_is_reported(void **state)
{
    (void)state;
    stele__matrix_request m[] = { { .name = "L", .from = "left", .min_rows = 1 },
                                  { .name = "D", .from = "right/dense" } };
    stele__label_request l[] = { { .from = "class" },
                                 { .from = "text" },
                                 { .from = "whole", .content = STELE_FIELD_CATEGORY } };
    stele__data_request rq = { &source, 1, m, 2, l, 3, 0, NULL };
    int done = 0;
    for (int64_t at = 0; !done; at++) {
        stele__dataset *ds = NULL;
        stele__mem_fail_at(at);
        stele_status st = stele__dataset_create(&rq, &ds, NULL);
        st = st == STELE_OK ? stele__dataset_load(ds, NULL, NULL) : st;
        done = st == STELE_OK;
        assert_true(done || st == STELE_E_NOMEM);
        stele__mem_fail_at(-1);
        stele__dataset_destroy(ds);
        assert_true(at < 10000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_joined_by_id),
        cmocka_unit_test(gather_equals_the_table),
        cmocka_unit_test(digests_tell_values_apart),
        cmocka_unit_test(rare_features_go_by_training_rows_alone),
        cmocka_unit_test(fixed_features_are_found_by_name),
        cmocka_unit_test(labels_become_codes_or_numbers),
        cmocka_unit_test(categories_without_training_rows_count_as_missing),
        cmocka_unit_test(bad_requests_say_what_is_there),
        cmocka_unit_test(ids_have_to_be_unique_and_to_meet),
        cmocka_unit_test(new_data_may_lack_modalities_and_labels),
        cmocka_unit_test(rows_may_be_those_of_some_sources),
        cmocka_unit_test(every_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
