/* source/h5mu on files that mudata and anndata wrote (fixtures/make_h5mu.py), and on damaged ones.
 */
#include "test.h"

#include <stele/plugin.h>

stele_plugin_query_fn stele_plugin_query;

#include "data/dataset.h"
#include "plugin_host.h"

#include <hdf5.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* HDF5 does not free all it had when it gives up on a damaged structure. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5";
}

/* After every test, and every damaged file: nothing of ours stays open, whatever went wrong. */
static int nothing_is_open(void **state)
{
    (void)state;
    assert_int_equal(H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
    return 0;
}

typedef struct config {
    const char *path;
} config;

static const stele_source_vt *vt;

static const char *fixture(const char *name)
{
    static char path[1024];
    const char *dir = getenv("STELE_FIXTURES");
    snprintf(path, sizeof path, "%s/%s", dir != NULL ? dir : "tests/unit/fixtures", name);
    return path;
}

static stele_inst *open_file(const char *path)
{
    stele_inst *s = NULL;
    config c = { path };
    if (host_open_source(&c, &vt, &s) != STELE_OK) {
        return NULL;
    }
    return s;
}

static stele_inst *open_fixture(const char *name)
{
    stele_inst *s = open_file(fixture(name));
    if (s == NULL) {
        fail_msg("%s", host_message);
    }
    return s;
}

/* The rule of make_h5mu.py. */
static float count_at(int64_t i, int64_t j)
{
    return (i + 2 * j) % 3 == 0 ? (float)((7 * i + 3 * j) % 5) : 0;
}

static int64_t find(const stele_inst *s, const char *name, stele_field *ret)
{
    for (uint32_t f = 0; f < vt->n_fields(s); f++) {
        assert_int_equal(vt->field(s, f, ret), STELE_OK);
        if (strcmp(ret->name, name) == 0) {
            return f;
        }
    }
    return -1;
}

enum { MAX_ROWS = 32, MAX_ENTRIES = 1024 };

/* Read rows of a matrix into a dense table. */
static stele_status read_table(const stele_inst *s, const char *name, int64_t n, const int64_t *row,
                               float *ret)
{
    static int32_t column[MAX_ENTRIES];
    static float value[MAX_ENTRIES];
    int64_t start[MAX_ROWS + 1] = { 0 };
    stele_field d;
    int64_t f = find(s, name, &d), width = d.sample.dim[0];
    assert_true(f >= 0 && n <= MAX_ROWS && n * width <= MAX_ENTRIES);
    assert_int_equal(d.dtype, STELE_F32);
    stele_read r = { .struct_size = sizeof r,
                     .field = (uint32_t)f,
                     .n_rows = (uint64_t)n,
                     .row = row,
                     .data = ret };
    if (d.layout == STELE_DENSE) {
        return vt->read(s, &r);
    }
    stele_status st = vt->count(s, r.field, r.n_rows, row, start + 1);
    for (int64_t i = 0; i < n; i++) {
        start[i + 1] += start[i];
    }
    r.data = value;
    r.column = column;
    r.row_start = start;
    st = st == STELE_OK ? vt->read(s, &r) : st;
    memset(ret, 0, (size_t)(n * width) * sizeof *ret);
    for (int64_t i = 0; i < n && st == STELE_OK; i++) {
        for (int64_t k = start[i]; k < start[i + 1]; k++) {
            assert_true(k == start[i] || column[k] > column[k - 1]);
            ret[i * width + column[k]] = value[k];
        }
    }
    return st;
}

static void check_counts(const stele_inst *s, const char *name, uint32_t layout, int64_t width)
{
    stele_field d;
    float x[MAX_ENTRIES];
    int64_t row[MAX_ROWS], n = 0;
    assert_true(find(s, name, &d) >= 0);
    assert_int_equal(d.layout, layout);
    assert_int_equal(d.sample.dim[0], width);
    /* All rows in order, then some backwards with a repeat. */
    for (int64_t i = 0; i < vt->n_rows(s, d.axis); i++) {
        row[n++] = i;
    }
    row[n++] = 2;
    row[n++] = 1;
    row[n++] = 1;
    assert_int_equal(read_table(s, name, n, row, x), STELE_OK);
    for (int64_t i = 0; i < n; i++) {
        int64_t cell = atoi(vt->row_id(s, d.axis, row[i]) + 4);
        for (int64_t j = 0; j < width; j++) {
            if (!isnan(x[i * width + j])) {
                assert_float_equal(x[i * width + j], count_at(cell, j), 0);
            }
        }
    }
}

static void matrices_of_every_encoding_are_read(void **state)
{
    (void)state;
    stele_inst *s = open_fixture("small.h5mu");
    stele_field d;
    check_counts(s, "rna", STELE_CSR, 9);
    check_counts(s, "rna/layers/counts", STELE_CSR, 9);
    check_counts(s, "rna/layers/dense", STELE_DENSE, 9);
    check_counts(s, "atac", STELE_CSR, 14);
    check_counts(s, "ephys", STELE_DENSE, 3);
    float x[9];
    int64_t row[] = { 3, 11 }, second = 1;
    assert_int_equal(read_table(s, "rna/obsm/X_pca", 2, row, x), STELE_OK);
    assert_float_equal(x[0], 1.5, 0);
    assert_float_equal(x[3], 5.75, 0);
    assert_int_equal(read_table(s, "ephys", 1, &second, x), STELE_OK);
    assert_true(isnan(x[2]) && !isnan(x[1]));
    int64_t f = find(s, "atac", &d);
    assert_string_equal(vt->feature_name(s, (uint32_t)f, 13), "chr1:1300");
    assert_string_equal(vt->row_id(s, d.axis, 0), "cell15");
    assert_null(vt->row_id(s, d.axis, 6));
    f = find(s, "rna/obsm/X_pca", &d);
    assert_null(vt->feature_name(s, (uint32_t)f, 0));
    int64_t none = 12;
    assert_int_equal(read_table(s, "rna", 1, &none, x), STELE_E_ARG);
    assert_string_equal(host_message, "`rna` has 12 rows, none with number 12");
    vt->destroy(s);
}

static stele_inst *columns_of(stele__dataset **ret, stele__label_request *l, size_t n)
{
    static stele__source src;
    static stele__matrix_request m[] = { { .name = "r", .from = "rna", .min_rows = 1 },
                                         { .name = "a", .from = "atac" },
                                         { .name = "e", .from = "ephys" } };
    stele_inst *s = open_fixture("small.h5mu");
    src = (stele__source){ "data", vt, s };
    stele__data_request rq = { &src, 1, m, 3, l, n, 0 };
    stele__diag d;
    stele__diag_init(&d);
    stele_status st = stele__dataset_create(&rq, ret, &d);
    st = st == STELE_OK ? stele__dataset_load(*ret, NULL, &d) : st;
    if (st != STELE_OK) {
        fail_msg("%s / %s", host_message, d.n > 0 ? d.message[0].text : "");
    }
    stele__diag_finish(&d);
    return s;
}

static void columns_of_every_encoding_are_joined(void **state)
{
    (void)state;
    stele__label_request l[] = {
        { .from = "cell_type" }, { .from = "stage", .content = STELE_FIELD_NUMBER },
        { .from = "note" },      { .from = "age" },
        { .from = "doublet" },   { .from = "kept" },
        { .from = "depth" },     { .from = "plate", .content = STELE_FIELD_CATEGORY },
        { .from = "batch" },     { .from = "kept", .content = STELE_FIELD_NUMBER },
    };
    stele__dataset *ds = NULL;
    stele_inst *s = columns_of(&ds, l, 10);
    const stele__label *v = ds->label;
    char note[32];
    assert_int_equal(ds->n_rows, 15);
    assert_int_equal(v[0].n_categories, 2);
    assert_string_equal(v[0].category[0], "Sst");
    assert_int_equal(v[5].n_categories, 2);
    for (int64_t r = 0; r < ds->n_rows; r++) {
        int k = atoi(stele__dataset_row_id(ds, r) + 4);
        assert_int_equal(v[0].code[r], k % 3 == 0 ? 1 : k % 3 == 1 ? 0 : -1);
        assert_float_equal(v[1].number[r], (k % 4), 0);
        snprintf(note, sizeof note, "note %d \xc3\xa9", k);
        assert_string_equal(v[2].category[v[2].code[r]], note);
        assert_true(k % 4 != 0 ? v[3].number[r] == k : isnan(v[3].number[r]));
        assert_true(k % 5 != 0 ? v[4].number[r] == k % 2 : isnan(v[4].number[r]));
        assert_string_equal(v[5].category[v[5].code[r]], k % 2 == 0 ? "True" : "False");
        assert_float_equal(v[6].number[r], k * 0.5, 0);
        assert_int_equal(atoi(v[7].category[v[7].code[r]]), k + 1);
        assert_int_equal(v[8].code[r], k < 12 ? k % 2 : -1);
        assert_float_equal(v[9].number[r], (k % 2 == 0), 0);
        /* cells 0 to 11 have rna; 0 3 4 9 13 15 atac; 2 3 14 ephys */
        assert_int_equal(ds->present[3 * r], k < 12);
        assert_int_equal(ds->present[3 * r + 1],
                         k == 0 || k == 3 || k == 4 || k == 9 || k == 13 || k == 15);
        assert_int_equal(ds->present[3 * r + 2], k == 2 || k == 3 || k == 14);
    }
    stele__dataset_destroy(ds);
    vt->destroy(s);
}

static void plain_and_legacy_anndata_are_read(void **state)
{
    (void)state;
    stele_inst *s = open_fixture("small.h5ad");
    stele_field d;
    check_counts(s, "X", STELE_CSR, 4);
    check_counts(s, "layers/counts", STELE_CSR, 4);
    check_counts(s, "raw/X", STELE_CSR, 9);
    assert_true(find(s, "obsm/X_pca", &d) >= 0);
    assert_true(find(s, "batch", &d) >= 0);
    assert_int_equal(d.content, STELE_FIELD_CATEGORY);
    vt->destroy(s);
    s = open_fixture("fixed.h5mu");
    check_counts(s, "rna", STELE_CSR, 9);
    check_counts(s, "atac", STELE_CSR, 14);
    assert_true(find(s, "note", &d) >= 0);
    assert_int_equal(d.content, STELE_FIELD_TEXT);
    assert_true(find(s, "age", &d) >= 0);
    assert_int_equal(d.content, STELE_FIELD_NUMBER);
    vt->destroy(s);
    s = open_fixture("legacy.h5ad");
    check_counts(s, "X", STELE_CSR, 4);
    int64_t f = find(s, "kind", &d), row[] = { 0, 1, 2, 3, 4 };
    int32_t code[5], want[] = { 0, 1, -1, 1, 0 };
    assert_int_equal(d.n_categories, 2);
    assert_string_equal(vt->category(s, (uint32_t)f, 1), "y");
    assert_string_equal(vt->feature_name(s, (uint32_t)find(s, "X", &d), 3), "d");
    stele_read r = {
        .struct_size = sizeof r, .field = (uint32_t)f, .n_rows = 5, .row = row, .data = code
    };
    assert_int_equal(vt->read(s, &r), STELE_OK);
    assert_memory_equal(code, want, sizeof want);
    vt->destroy(s);
}

/* Reading field `name` of broken.h5ad fails with this message after the file's name. */
static void assert_broken(const stele_inst *s, const char *name, const char *text)
{
    float x[64];
    stele_field d;
    int64_t row[] = { 0, 1, 2, 3, 4, 5 };
    int64_t f = find(s, name, &d);
    stele_status st = STELE_OK;
    host_message[0] = '\0';
    assert_true(f >= 0);
    if (d.content == STELE_FIELD_MATRIX) {
        st = read_table(s, name, 6, row, x);
    } else {
        stele_read r = {
            .struct_size = sizeof r, .field = (uint32_t)f, .n_rows = 6, .row = row, .data = x
        };
        st = vt->read(s, &r);
    }
    assert_int_equal(st, STELE_E_DATA);
    const char *tail = strstr(host_message, "broken.h5ad: ");
    assert_non_null(tail);
    assert_memory_equal(host_message, "path: ", 6);
    assert_string_equal(tail + strlen("broken.h5ad: "), text);
}

static void broken_fields_fail_alone_and_clearly(void **state)
{
    (void)state;
    stele_inst *s = open_fixture("broken.h5ad");
    float x[64];
    int64_t row[] = { 0, 1, 2, 3, 4, 5 };
    assert_broken(s, "layers/short_data",
                  "`/layers/short_data`: has 29 entries in `data`, 30 in `indices`");
    assert_broken(s, "layers/bad_ptr",
                  "`/layers/bad_ptr/indptr`: runs from 0 to 31, but there are 30 entries");
    assert_broken(s, "layers/descends", "`/layers/descends/indptr`: descends at entry 2");
    assert_broken(s, "layers/out_of_range",
                  "`/layers/out_of_range`: entry 7 of `indices` is 5, outside 0 .. 4");
    assert_broken(s, "layers/twice", "`/layers/twice`: names column 0 twice in row 2");
    assert_broken(s, "layers/odd",
                  "`/layers/odd`: has the encoding `coo_matrix`, which is no matrix");
    assert_broken(s, "layers/no_indices", "`/layers/no_indices/indices`: is missing from the file");
    assert_broken(s, "layers/shape",
                  "`/layers/shape`: is 7 x 5, but there are 6 row and 5 feature names");
    assert_broken(s, "codes", "`/obs/codes/codes`: entry 2 is 9, but there are 3 categories");
    assert_broken(s, "long", "`/obs/long`: has 7 entries instead of 6");
    assert_int_equal(read_table(s, "layers/good", 6, row, x), STELE_OK);
    assert_float_equal(x[29], 1, 0);
    /* A second attempt fails the same way. */
    assert_broken(s, "layers/descends", "`/layers/descends/indptr`: descends at entry 2");
    vt->destroy(s);
}

static void assert_no_file(const char *path, const char *text)
{
    assert_null(open_file(path));
    const char *tail = strrchr(host_message, '/');
    assert_non_null(tail);
    assert_string_equal(tail + 1, text);
}

static void what_is_no_such_file_is_refused(void **state)
{
    (void)state;
    char path[] = "/tmp/stele-h5mu-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "a,b\n1,2\n", 8), 8);
    close(fd);
    assert_null(open_file(path));
    assert_non_null(strstr(host_message, ": is not an HDF5 file"));
    unlink(path);
    assert_no_file("/no/such.h5mu", "such.h5mu: cannot be opened: No such file or directory");
    assert_no_file("/tmp", "tmp: is a folder, not a regular file");
}

/* Everything a file offers, asked for once; only crashes and endless memory would be wrong. */
static void read_everything(const stele_inst *s)
{
    static char data[MAX_ENTRIES * 8];
    static int32_t column[MAX_ENTRIES];
    for (uint32_t f = 0; f < vt->n_fields(s); f++) {
        stele_field d = { .struct_size = sizeof d };
        int64_t row[MAX_ROWS], start[MAX_ROWS + 1] = { 0 }, n = 0;
        const char *text[MAX_ROWS];
        assert_int_equal(vt->field(s, f, &d), STELE_OK);
        for (; n < vt->n_rows(s, d.axis) && n < MAX_ROWS; n++) {
            row[n] = n;
        }
        if (d.content == STELE_FIELD_MATRIX && d.layout == STELE_DENSE &&
            (d.sample.dim[0] > MAX_ENTRIES || n * d.sample.dim[0] > MAX_ENTRIES)) {
            continue;
        }
        if (d.layout == STELE_CSR) {
            if (vt->count(s, f, (uint64_t)n, row, start + 1) != STELE_OK) {
                continue;
            }
            for (int64_t i = 0; i < n; i++) {
                start[i + 1] += start[i];
            }
        }
        if (start[n] > MAX_ENTRIES) {
            continue;
        }
        stele_read r = { .struct_size = sizeof r,
                         .field = f,
                         .n_rows = (uint64_t)n,
                         .row = row,
                         .data = data,
                         .row_start = start,
                         .column = column,
                         .text = text };
        stele_status st = vt->read(s, &r);
        (void)st;
    }
}

static char *load_bytes(const char *path, size_t *ret_len)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    static char bytes[1 << 20];
    *ret_len = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    return bytes;
}

static void try_bytes(const char *bytes, size_t len)
{
    char path[] = "/tmp/stele-h5mu-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    close(fd);
    stele_inst *s = open_file(path);
    if (s != NULL) {
        read_everything(s);
        vt->destroy(s);
    } else {
        assert_true(host_message[0] != '\0');
    }
    unlink(path);
    (void)nothing_is_open(NULL);
}

static void truncated_files_are_refused(void **state)
{
    (void)state;
    size_t len = 0;
    char *bytes = load_bytes(fixture("small.h5mu"), &len);
    for (size_t part = 0; part < 40; part++) {
        size_t cut = len * part / 40;
        char path[] = "/tmp/stele-h5mu-XXXXXX";
        int fd = mkstemp(path);
        assert_true(fd >= 0 && write(fd, bytes, cut) == (ssize_t)cut);
        close(fd);
        assert_null(open_file(path));
        assert_non_null(
            strstr(host_message, cut < 8 ? "is not an HDF5 file" : "it is damaged or cut short"));
        unlink(path);
    }
}

/* On a file with checksums for HDF5's own structures and without heaps of texts, which have none:
 * version 1.10 of that library crashes or runs in circles on damage that it cannot see. What is
 * tried here are values that reach this plugin: offsets, indices, codes, masks, names. */
static void flipped_bytes_do_not_crash(void **state)
{
    (void)state;
    uint64_t x = 88172645463325252u;
    for (int round = 0; round < 600; round++) {
        size_t len = 0;
        char *bytes = load_bytes(fixture("fixed.h5mu"), &len);
        for (int k = 0; k < 1 + round % 8; k++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            bytes[x % len] = (char)(bytes[x % len] ^ (1 << (x >> 40) % 8));
        }
        try_bytes(bytes, len);
    }
}

int main(void)
{
    /* A damaged object header costs version 1.10 the memory that it had for it (H5Oopen), although
     * every object is closed; at its end the library waits in vain for that and complains. */
    H5dont_atexit();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(matrices_of_every_encoding_are_read, nothing_is_open),
        cmocka_unit_test_teardown(columns_of_every_encoding_are_joined, nothing_is_open),
        cmocka_unit_test_teardown(plain_and_legacy_anndata_are_read, nothing_is_open),
        cmocka_unit_test_teardown(broken_fields_fail_alone_and_clearly, nothing_is_open),
        cmocka_unit_test_teardown(what_is_no_such_file_is_refused, nothing_is_open),
        cmocka_unit_test_teardown(truncated_files_are_refused, nothing_is_open),
        cmocka_unit_test_teardown(flipped_bytes_do_not_crash, nothing_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
