/* source/mtx on the folder that fixtures/make_arrays.py wrote, and on files made here. */
#include "test.h"

#include <stele/plugin.h>

stele_plugin_query_fn stele_plugin_query;

#include "plugin_host.h"
#include "source_files.h"

#include <math.h>

typedef struct config {
    const char *path, *features, *barcodes;
    int32_t feature_names;
} config;

static const stele_source_vt *vt;

enum { N_CELLS = 12, N_FEATURES = 6, BY_ID = 1 };

/* The rule of make_arrays.py. */
static float count_at(int64_t i, int64_t j)
{
    return (i + 2 * j) % 3 == 0 ? (float)((7 * i + 3 * j) % 5 + 1) : 0;
}

/* Rows of a field, dense. */
static void read_dense(const stele_inst *s, uint32_t field, int64_t width, uint64_t n,
                       const int64_t *row, float *ret)
{
    static int32_t column[4096];
    static float value[4096];
    int64_t start[64] = { 0 };
    assert_int_equal(vt->count(s, field, n, row, start + 1), STELE_OK);
    for (uint64_t i = 0; i < n; i++) {
        start[i + 1] += start[i];
    }
    assert_true(start[n] <= 4096);
    stele_read r = { .struct_size = sizeof r,
                     .field = field,
                     .n_rows = n,
                     .row = row,
                     .data = value,
                     .row_start = start,
                     .column = column };
    assert_int_equal(vt->read(s, &r), STELE_OK);
    memset(ret, 0, n * (size_t)width * sizeof *ret);
    for (uint64_t i = 0; i < n; i++) {
        for (int64_t k = start[i]; k < start[i + 1]; k++) {
            assert_true(column[k] < width && (k == start[i] || column[k] > column[k - 1]));
            ret[(int64_t)i * width + column[k]] = value[k];
        }
    }
}

static void check_field(const stele_inst *s, uint32_t f, const char *name, int64_t n,
                        const int64_t *feature, const char *const *names)
{
    stele_field d = { .struct_size = sizeof d };
    int64_t row[N_CELLS + 3];
    float x[(N_CELLS + 3) * N_FEATURES];
    assert_int_equal(vt->field(s, f, &d), STELE_OK);
    assert_string_equal(d.name, name);
    assert_int_equal(d.content, STELE_FIELD_MATRIX);
    assert_int_equal(d.layout, STELE_CSR);
    assert_int_equal(d.sample.dim[0], n);
    for (int64_t i = 0; i < N_CELLS + 3; i++) {
        row[i] = i < N_CELLS ? i : 2 * N_CELLS - i - 2; /* the last ones again, backwards */
    }
    read_dense(s, f, n, N_CELLS + 3, row, x);
    for (int64_t i = 0; i < N_CELLS + 3; i++) {
        for (int64_t j = 0; j < n; j++) {
            assert_float_equal(x[i * n + j], count_at(row[i], feature[j]), 0);
        }
    }
    for (int64_t j = 0; j < n; j++) {
        assert_string_equal(vt->feature_name(s, f, j), names[j]);
    }
    assert_null(vt->feature_name(s, f, n));
}

static void types_of_features_are_fields(void **state)
{
    (void)state;
    static const int64_t all[] = { 0, 1, 2, 3, 4, 5 }, genes[] = { 0, 1, 2, 4 },
                         proteins[] = { 3, 5 };
    /* "Cd4-1" is taken by a gene of that name. */
    static const char *const symbol[] = { "Actb", "Cd4", "Cd4-2", "CD4_TotalSeqB", "Cd4-1", "CD8" };
    static const char *const gene[] = { "Actb", "Cd4", "Cd4-2", "Cd4-1" };
    static const char *const id[] = { "ENSG0", "ENSG1", "ENSG2", "ENSG3" };
    static const char *const protein[] = { "CD4_TotalSeqB", "CD8" };
    config c = { .path = fixture("tenx") };
    stele_inst *s = NULL;
    assert_int_equal(host_open_source(&c, &vt, &s), STELE_OK);
    assert_int_equal(vt->n_fields(s), 3);
    assert_int_equal(vt->n_rows(s, 0), N_CELLS);
    assert_string_equal(vt->row_id(s, 0, 11), "CELL11-1");
    assert_null(vt->row_id(s, 0, 12));
    check_field(s, 0, "X", 6, all, symbol);
    check_field(s, 1, "gene_expression", 4, genes, gene);
    check_field(s, 2, "antibody_capture", 2, proteins, protein);
    vt->destroy(s);
    c.feature_names = BY_ID;
    assert_int_equal(host_open_source(&c, &vt, &s), STELE_OK);
    check_field(s, 1, "gene_expression", 4, genes, id);
    vt->destroy(s);
}

static void a_matrix_alone_has_numbers_for_ids(void **state)
{
    (void)state;
    config c = { .path = fixture("tenx/matrix.mtx.gz") };
    stele_inst *s = NULL;
    assert_int_equal(host_open_source(&c, &vt, &s), STELE_OK);
    assert_int_equal(vt->n_fields(s), 1);
    assert_null(vt->feature_name(s, 0, 0));
    assert_string_equal(vt->row_id(s, 0, 10), "10");
    int64_t row = 4;
    float x[N_FEATURES];
    read_dense(s, 0, N_FEATURES, 1, &row, x);
    for (int64_t j = 0; j < N_FEATURES; j++) {
        assert_float_equal(x[j], count_at(4, j), 0);
    }
    vt->destroy(s);
}

static void tables_are_named_by_options(void **state)
{
    (void)state;
    char *features = file_of("features.tsv", "a\nb\nc\n"), *barcodes = file_of("cells", "x\ny\r\n");
    char *path = file_of("m.mtx", "%%matrixmarket MATRIX coordinate Real general\r\n"
                                  "% one\r\n%\r\n3 2 4\r\n\r\n 3\t2 -1.5e1 \r\n"
                                  "1 2 0.25\r\n% two\r\n2 1 nan\r\n1 1 +7\r\n");
    config c = { .path = path, .features = features, .barcodes = barcodes };
    stele_inst *s = NULL;
    assert_int_equal(host_open_source(&c, &vt, &s), STELE_OK);
    int64_t row[] = { 0, 1 };
    float x[6];
    read_dense(s, 0, 3, 2, row, x);
    assert_float_equal(x[0], 7, 0);
    assert_true(isnan(x[1]));
    assert_float_equal(x[3], 0.25, 0);
    assert_float_equal(x[5], -15, 0);
    assert_string_equal(vt->feature_name(s, 0, 2), "c");
    assert_string_equal(vt->row_id(s, 0, 1), "y");
    assert_int_equal(vt->n_fields(s), 1); /* one column: no types */
    vt->destroy(s);
    free(features);
    free(barcodes);
    free(path);
}

/* As bgzip writes it: several gzip files one after the other; with zeros that fill up a block. */
static char *gzip_in_two(const char *text, size_t len)
{
    static const char zeros[70000];
    char *path = gzip_of("two.gz", text, len / 3);
    gzFile g = gzopen(path, "ab");
    assert_non_null(g);
    assert_int_equal(gzwrite(g, text + len / 3, (unsigned)(len - len / 3)), len - len / 3);
    assert_int_equal(gzclose(g), Z_OK);
    FILE *f = fopen(path, "ab");
    assert_non_null(f);
    assert_int_equal(fwrite(zeros, 1, sizeof zeros, f), sizeof zeros);
    assert_int_equal(fclose(f), 0);
    return path;
}

/* Lines across the ends of buffers, and a pattern instead of values. */
static void large_patterns_are_read(void **state)
{
    (void)state;
    enum { CELLS = 30, FEATURES = 5000 };
    size_t size = 0, len = 0;
    char *text = NULL;
    FILE *f = open_memstream(&text, &size);
    fprintf(f, "%%%%MatrixMarket matrix coordinate pattern general\n%d %d %d\n", FEATURES, CELLS,
            CELLS * FEATURES / 5);
    for (int j = FEATURES - 1; j >= 0; j--) {
        for (int i = 0; i < CELLS; i++) {
            if ((i + j) % 5 == 0) {
                fprintf(f, "%d %d\n", j + 1, i + 1);
            }
        }
    }
    fclose(f);
    len = strlen(text);
    assert_true(len > 3 * 65536);
    for (int packed = 0; packed < 3; packed++) {
        char *path = packed == 0   ? file_of("p.mtx", text)
                     : packed == 1 ? gzip_of("p.mtx.gz", text, len)
                                   : gzip_in_two(text, len);
        config c = { .path = path };
        stele_inst *s = NULL;
        static float x[FEATURES];
        assert_int_equal(host_open_source(&c, &vt, &s), STELE_OK);
        for (int64_t i = 0; i < CELLS; i += 7) {
            read_dense(s, 0, FEATURES, 1, &i, x);
            for (int j = 0; j < FEATURES; j++) {
                assert_float_equal(x[j], ((i + j) % 5 == 0), 0);
            }
        }
        vt->destroy(s);
        free(path);
    }
    free(text);
}

static void a_matrix_without_entries_is_read(void **state)
{
    (void)state;
    char *path = file_of("none.mtx", "%%MatrixMarket matrix coordinate integer general\n3 2 0\n");
    config c = { .path = path };
    stele_inst *s = NULL;
    float x[6] = { 1 };
    int64_t row[] = { 1, 0 };
    assert_int_equal(host_open_source(&c, &vt, &s), STELE_OK);
    read_dense(s, 0, 3, 2, row, x);
    assert_float_equal(x[0], 0, 0);
    row[0] = 2;
    int64_t n;
    assert_int_equal(vt->count(s, 0, 1, row, &n), STELE_E_ARG);
    assert_string_equal(host_message, "`X` has 2 rows, none with number 2");
    vt->destroy(s);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_of_features_are_fields),
        cmocka_unit_test(a_matrix_alone_has_numbers_for_ids),
        cmocka_unit_test(tables_are_named_by_options),
        cmocka_unit_test(large_patterns_are_read),
        cmocka_unit_test(a_matrix_without_entries_is_read),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
