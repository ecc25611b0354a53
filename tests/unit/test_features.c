/* What training rows have in each feature (data/feature.c): values, levels, what others lack. */
#include "test.h"

#include "data/dataset.h"
#include "data/digest.h"
#include "fake_source.h"

#include <stdio.h>

enum { ROWS = 6, COLUMNS = 3 };
static const char *const ids[] = { "a", "b", "c", "d", "e", "f" };
static const fake_axis axes[] = { { ids, ROWS } };
/* A text with levels x, y, z; whole numbers; fractions. Rows a to d are those of the training. */
static const double values[] = { 2, 3,   0.5, /* a */
                                 0, 1,   NAN, /* b */
                                 2, 3,   1.5, /* c */
                                 0, NAN, 2.5, /* d */
                                 1, 9,   -7,  /* e: y is not among the training rows' */
                                 0, 0,   9 };
static const char *const names[] = { "text", "whole", "real" };
static const fake_field fields[] = {
    { "X", STELE_FIELD_MATRIX, STELE_DENSE, 0, COLUMNS, values, NULL, names, 0 },
};
static const fake_source instance = { axes, 1, fields, 1 };
static const char *const level_names[] = { "x", "y", "z" };
static const char *const turned_names[] = { "z", "new", "x" };
static const char *const *levels = level_names;
static int64_t texts_in = 0; /* the feature of texts, -1: none */

static int64_t n_levels(const stele_inst *self, uint32_t field, int64_t feature)
{
    (void)self;
    (void)field;
    return feature == texts_in ? 3 : 0;
}

static const char *level(const stele_inst *self, uint32_t field, int64_t feature, int64_t code)
{
    (void)self;
    (void)field;
    (void)feature;
    return levels[code];
}

static const uint8_t train[] = { 1, 1, 1, 1, 0, 0 };

/* The data set as loaded, or NULL; the first message in `said`. */
static stele__dataset *load(int describe, const stele_feature *const *known, char said[256])
{
    stele_source_vt vt = fake_vt;
    stele__dataset *ds = NULL;
    stele__diag diag;
    vt.n_levels = n_levels;
    vt.level = level;
    const stele__source source = { "file", &vt, (const stele_inst *)(const void *)&instance };
    const stele__matrix_request m = {
        .name = "m", .from = "X", .describe = describe, .known = known
    };
    const stele__data_request q = {
        .source = &source, .n_sources = 1, .matrix = &m, .n_matrices = 1
    };
    stele__diag_init(&diag);
    stele_status st = stele__dataset_create(&q, &ds, &diag);
    assert_int_equal(st, STELE_OK);
    st = stele__dataset_load(ds, known == NULL ? train : NULL, &diag);
    snprintf(said, 256, "%s", diag.n > 0 ? diag.message[0].text : "");
    stele__diag_finish(&diag);
    if (st != STELE_OK) {
        stele__dataset_destroy(ds);
        return NULL;
    }
    return ds;
}

static float at(const stele__dataset *ds, const char *id, int64_t column)
{
    float row[COLUMNS];
    int64_t r = 0;
    while (strcmp(stele__dataset_row_id(ds, r), id) != 0) {
        r++;
    }
    stele__dataset_gather_dense(ds, 0, 1, &r, row);
    return row[column];
}

static void training_rows_are_described(void **state)
{
    char said[256];
    stele__dataset *ds = load(1, NULL, said);
    (void)state;
    assert_non_null(ds);
    const stele_feature *const *f = ds->matrix[0].field.feature;
    assert_non_null(f);
    assert_string_equal(f[0]->name, "text");
    assert_int_equal(f[0]->n_values, 2); /* y is a test row's */
    assert_string_equal(f[0]->level[0], "x");
    assert_string_equal(f[0]->level[1], "z");
    assert_true(f[0]->count[0] == 2 && f[0]->count[1] == 2 && f[0]->n_rows == 4);
    assert_null(f[1]->level);
    assert_true(f[1]->n_values == 2 && f[1]->whole == 1 && f[1]->n_rows == 3);
    assert_true(f[1]->value[0] == 1 && f[1]->value[1] == 3 && f[1]->count[1] == 2);
    assert_true(f[1]->least == 1 && f[1]->largest == 3); /* 0 and 9 are those of test rows */
    assert_true(f[2]->whole == 0 && f[2]->least == 0.5 && f[2]->largest == 2.5);
    assert_true(at(ds, "a", 0) == 1.0f && at(ds, "b", 0) == 0.0f && at(ds, "f", 0) == 0.0f);
    assert_true(isnan(at(ds, "e", 0)));
    assert_true(at(ds, "e", 1) == 9.0f);
    assert_string_equal(said,
                        "`m`, column `text`: `y` did not occur in training and counts as missing");
    stele__dataset_destroy(ds);
}

/* Levels come back by their names, whatever their order; what a model does not know is missing. */
static void levels_are_found_by_name(void **state)
{
    char said[256];
    stele__dataset *first = load(1, NULL, said);
    (void)state;
    levels = turned_names; /* z, new, x */
    stele__dataset *ds = load(1, first->matrix[0].field.feature, said);
    assert_non_null(ds);
    assert_true(at(ds, "a", 0) == 0.0f && at(ds, "b", 0) == 1.0f && isnan(at(ds, "e", 0)));
    assert_string_equal(
        said, "`m`, column `text`: `new` did not occur in training and counts as missing");
    assert_ptr_equal(ds->matrix[0].field.feature, first->matrix[0].field.feature);
    stele__dataset_destroy(ds);
    levels = level_names;
    texts_in = -1;
    assert_null(load(1, first->matrix[0].field.feature, said));
    assert_string_equal(said, "m: column `text` holds numbers, in training it held texts");
    texts_in = 1; /* its values are no codes */
    assert_null(load(1, NULL, said));
    assert_string_equal(said, "source `file`: `X`, feature `whole` has code 3, but 3 levels");
    texts_in = 0;
    stele__dataset_destroy(first);
}

static void texts_are_for_those_who_know_them(void **state)
{
    char said[256];
    (void)state;
    assert_null(load(0, NULL, said));
    assert_string_equal(said,
                        "m: column `text` of `X` holds texts, and the plugin takes numbers alone");
    texts_in = -1;
    stele__dataset *ds = load(0, NULL, said);
    assert_non_null(ds);
    assert_null(ds->matrix[0].field.feature);
    stele__dataset_destroy(ds);
    texts_in = 0;
}

/* New data without the measurement: a model can be built all the same. */
static void absent_columns_keep_their_shape(void **state)
{
    char said[256];
    stele__dataset *first = load(1, NULL, said), *ds = NULL;
    const stele__source source = { "file", &fake_vt, (const stele_inst *)(const void *)&instance };
    const stele__matrix_request m[] = {
        { .name = "here", .from = "X" },
        { .name = "gone",
          .from = "Y",
          .n_features = COLUMNS,
          .describe = 1,
          .known = first->matrix[0].field.feature },
    };
    const stele__data_request q = {
        .source = &source, .n_sources = 1, .matrix = m, .n_matrices = 2, .new_data = 1
    };
    (void)state;
    assert_int_equal(stele__dataset_create(&q, &ds, NULL), STELE_OK);
    assert_int_equal(stele__dataset_load(ds, NULL, NULL), STELE_OK);
    const stele_field *f = &ds->matrix[1].field;
    assert_true(!ds->matrix[1].available && f->sample.ndim == 1 && f->sample.dim[0] == COLUMNS);
    assert_ptr_equal(f->feature, first->matrix[0].field.feature);
    assert_int_equal(f->content, STELE_FIELD_MATRIX);
    stele__dataset_destroy(ds);
    stele__dataset_destroy(first);
}

/* Names of the features kept of `from`, one after the other. */
static void assert_kept(const char *from, int64_t min_rows, int64_t most, const char *expected)
{
    /* Depths differ by ten; g0 has the same share of all. g3 is in no training row. */
    static const double counts[] = { 6,  4, 0,  0, 60, 0, 40, 0,  6, 4, 0, 0, /* a, b, c */
                                     60, 0, 40, 0, 0,  0, 0,  99, 1, 0, 0, 1 };
    static const double real[] = { 1000.1, -1, NAN, 0, 1000.0, 1, 5, 0,  1000.1, -1, NAN, 0,
                                   1000.0, 1,  5,   0, 0,      0, 0, 99, 0,      0,  0,   1 };
    static const char *const gene[] = { "g0", "g1", "g2", "g3" };
    static const fake_field field[] = {
        { "counts", STELE_FIELD_MATRIX, STELE_CSR, 0, 4, counts, NULL, gene, 0 },
        { "dense", STELE_FIELD_MATRIX, STELE_DENSE, 0, 4, counts, NULL, gene, 0 },
        { "real", STELE_FIELD_MATRIX, STELE_DENSE, 0, 4, real, NULL, gene, 0 },
    };
    static const fake_source inst = { axes, 1, field, 3 };
    const stele__source source = { "file", &fake_vt, (const stele_inst *)(const void *)&inst };
    const stele__matrix_request m = {
        .name = "m", .from = from, .min_rows = min_rows, .most_variable = most
    };
    const stele__data_request q = { &source, 1, &m, 1, NULL, 0, 0, NULL };
    stele__dataset *ds = NULL;
    char kept[64] = "";
    assert_int_equal(stele__dataset_create(&q, &ds, NULL), STELE_OK);
    assert_int_equal(stele__dataset_load(ds, train, NULL), STELE_OK);
    for (int64_t j = 0; j < ds->matrix[0].n_features; j++) {
        strcat(kept, ds->matrix[0].feature_name[j]);
    }
    assert_string_equal(kept, expected);
    stele__dataset_destroy(ds);
}

static void the_most_variable_are_kept(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        const char *from = i == 0 ? "counts" : "dense";
        assert_kept(from, 0, 0, "g0g1g2g3");
        assert_kept(from, 0, 2, "g1g2");
        assert_kept(from, 0, 1, "g1");
        assert_kept(from, 0, 9, "g0g1g2g3");
        assert_kept(from, 3, 1, "g0");
    }
    assert_kept("real", 0, 1, "g1");
    assert_kept("real", 0, 2, "g0g1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_most_variable_are_kept),
        cmocka_unit_test(training_rows_are_described),
        cmocka_unit_test(levels_are_found_by_name),
        cmocka_unit_test(texts_are_for_those_who_know_them),
        cmocka_unit_test(absent_columns_keep_their_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
