/* The writers of the data room: npy, csv, h5ad, metrics log; safetensors have a test of their own.
 */
#include "test.h"

#include "base/file.h"
#include "base/mem.h"
#include "data/csv.h"
#include "data/h5ad.h"
#include "data/metrics.h"
#include "data/npy.h"
#include "data/number.h"
#include "data/safetensors.h"

#include <hdf5.h>
#include <locale.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static char folder[] = "/tmp/stele-files-XXXXXX";
static char path[64];

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder); /* fails if a test or a writer left something */
}

static char *content(size_t *ret_len)
{
    char *text = NULL;
    assert_int_equal(stele__file_read(path, 1 << 20, &text, ret_len, NULL), STELE_OK);
    return text;
}

static void write_bytes(const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

/* Files may then not grow beyond `limit` bytes: what a full disk looks like to a writer. */
static void limit_files(rlim_t limit)
{
    struct rlimit bound;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &bound), 0);
    bound.rlim_cur = limit;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &bound), 0);
}

/* A failed write names the file and the reason and leaves neither the file nor its draft. */
static void assert_nothing_left(stele__diag *d)
{
    char draft[80];
    snprintf(draft, sizeof draft, "%s.tmp", path);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_not_equal(access(draft, F_OK), 0);
    assert_int_equal(d->n, 1);
    assert_non_null(strstr(d->message[0].text, path));
    assert_non_null(strstr(d->message[0].text, "File too large"));
    stele__diag_finish(d);
}

static const double wide[2] = { 0.1, -7.0 };

static void npy_is_what_numpy_writes(void **state)
{
    (void)state;
    size_t n = 0;
    assert_int_equal(stele__npy_write(path, STELE_F64, wide, 1, 2, NULL), STELE_OK);
    char *bytes = content(&n);
    assert_int_equal(n, 128 + 16);
    assert_memory_equal(bytes, "\x93NUMPY\x01\x00\x76\x00", 10);
    const char *dict = "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2), }";
    assert_memory_equal(bytes + 10, dict, strlen(dict));
    assert_int_equal(strspn(bytes + 10 + strlen(dict), " "), 128 - 10 - strlen(dict) - 1);
    assert_int_equal(bytes[127], '\n');
    assert_memory_equal(bytes + 128, wide, 16);
    stele__free(bytes);
    assert_int_equal(stele__npy_write(path, STELE_I32, wide, 1, 2, NULL), STELE_E_DTYPE);
    unlink(path);
}

static void csv_quotes_and_round_trips(void **state)
{
    (void)state;
    const char *text[3] = { "plain", "a,\"b\"\nc", NULL };
    const char *category[1] = { "\xc3\xa4" };
    const int32_t code[3] = { 0, -1, 0 };
    const float z[6] = { 0.1f, 9, -1e-8f, 9, 16777216.0f, 9 };
    const double d[3] = { 0.1, NAN, -INFINITY };
    const int64_t i64[3] = { -1, INT64_MAX, 0 };
    const stele__column column[] = {
        { .name = "id,x", .kind = STELE__TEXT, .text = text },
        { .name = "c", .kind = STELE__CATEGORY, .text = category, .n_categories = 1, .code = code },
        { .name = "z", .kind = STELE__FLOAT, .f32 = z, .stride = 2 },
        { .name = "d", .kind = STELE__DOUBLE, .f64 = d },
        { .name = "i", .kind = STELE__INTEGER, .i64 = i64 },
    };
    size_t n = 0;
    assert_int_equal(stele__csv_write(path, column, 5, 3, NULL), STELE_OK);
    char *bytes = content(&n);
    assert_string_equal(bytes, "\"id,x\",c,z,d,i\n"
                               "plain,\xc3\xa4,0.1,0.1,-1\n"
                               "\"a,\"\"b\"\"\nc\",,-1e-08,,9223372036854775807\n"
                               ",\xc3\xa4,16777216,-inf,0\n");
    stele__free(bytes);
    const char *empty[4] = { "", "x", "say \"y\"", "a\rb" };
    const stele__column alone = { .name = "only", .kind = STELE__TEXT, .text = empty };
    assert_int_equal(stele__csv_write(path, &alone, 1, 4, NULL), STELE_OK);
    bytes = content(&n);
    assert_string_equal(bytes, "only\n\"\"\nx\n\"say \"\"y\"\"\"\n\"a\rb\"\n");
    stele__free(bytes);
    const double missing[2] = { NAN, 1.0 };
    const stele__column number = { .name = "only", .kind = STELE__DOUBLE, .f64 = missing };
    assert_int_equal(stele__csv_write(path, &number, 1, 2, NULL), STELE_OK);
    bytes = content(&n);
    assert_string_equal(bytes, "only\n\"\"\n1\n");
    stele__free(bytes);
    unlink(path);
    const int32_t beyond[1] = { 1 };
    const stele__column wrong = {
        .name = "c", .kind = STELE__CATEGORY, .text = category, .n_categories = 1, .code = beyond
    };
    assert_int_equal(stele__csv_write(path, &wrong, 1, 1, NULL), STELE_E_ARG);
    assert_int_equal(stele__csv_write(path, NULL, 0, 1, NULL), STELE_E_ARG);
}

static void numbers_are_shortest_and_exact(void **state)
{
    (void)state;
    char text[STELE__NUMBER_TEXT];
    uint32_t seed = 12345;
    for (int i = 0; i < 20000; i++) {
        float f = 0.0f;
        seed = seed * 1664525u + 1013904223u;
        memcpy(&f, &seed, sizeof f);
        if (!isfinite(f)) {
            continue;
        }
        stele__float_text(f, text);
        assert_true(strtof(text, NULL) == f);
        double d = (double)f * 1.1;
        stele__double_text(d, text);
        assert_true(strtod(text, NULL) == d);
    }
    stele__float_text(0.3f, text);
    assert_string_equal(text, "0.3");
    stele__double_text(0.1 + 0.2, text);
    assert_string_equal(text, "0.30000000000000004");
    stele__double_text(-1e300, text);
    assert_string_equal(text, "-1e+300");
    /* Where a locale with a decimal comma is installed, it must make no difference. */
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") != NULL) {
        stele__float_text(0.3f, text);
        assert_string_equal(text, "0.3");
        setlocale(LC_NUMERIC, "C");
    }
}

static stele__h5ad small_h5ad(const float *z)
{
    static const char *names[3] = { "a", "b", "c" };
    static const double score[3] = { 1, 2, 3 };
    static const stele__column obs[1] = { { .name = "s", .kind = STELE__DOUBLE, .f64 = score } };
    static stele__obsm obsm[1] = { { "X_stele", NULL, 2 } };
    obsm[0].data = z;
    return (stele__h5ad){
        .n_obs = 3, .obs_names = names, .obs = obs, .n_obs_columns = 1, .obsm = obsm, .n_obsm = 1
    };
}

/* What Python makes of it is tested in tests/e2e/read_h5ad.py. */
static void h5ad_holds_matrices_and_encodings(void **state)
{
    (void)state;
    const float z[6] = { 1, 2, 3, 4, 5, 6 };
    float back[6] = { 0 };
    char *type = NULL;
    stele__h5ad c = small_h5ad(z);
    assert_int_equal(stele__h5ad_write(path, &c, NULL), STELE_OK);
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_true(file >= 0);
    hid_t set = H5Dopen2(file, "/obsm/X_stele", H5P_DEFAULT);
    assert_true(H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, back) >= 0);
    assert_memory_equal(back, z, sizeof z);
    hid_t attribute = H5Aopen_by_name(file, "obs", "encoding-type", H5P_DEFAULT, H5P_DEFAULT);
    hid_t text = H5Aget_type(attribute);
    assert_true(H5Aread(attribute, text, &type) >= 0);
    assert_string_equal(type, "dataframe");
    H5free_memory(type);
    H5Tclose(text);
    H5Aclose(attribute);
    H5Dclose(set);
    assert_int_equal(H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_ALL), 1); /* the writer left none open */
    H5Fclose(file);
    unlink(path);
}

static void h5ad_refuses_names_it_cannot_hold(void **state)
{
    (void)state;
    const float z[6] = { 0 };
    static const char *bad[] = { "a/b", "", "_index" };
    const double score[3] = { 0 };
    const int32_t code[3] = { 0, 1, -2 };
    const char *category[2] = { "x", "y" };
    stele__diag d;
    stele__h5ad c = small_h5ad(z);
    for (int i = 0; i < 3; i++) {
        stele__column column = { .name = bad[i], .kind = STELE__DOUBLE, .f64 = score };
        c.obs = &column;
        assert_int_equal(stele__h5ad_write(path, &c, NULL), STELE_E_ARG);
    }
    stele__column wrong = {
        .name = "c", .kind = STELE__CATEGORY, .text = category, .n_categories = 2, .code = code
    };
    c.obs = &wrong;
    stele__diag_init(&d);
    assert_int_equal(stele__h5ad_write(path, &c, &d), STELE_E_ARG);
    assert_non_null(strstr(d.message[0].text, "column 'c', row 2: code -2 of 2 categories"));
    stele__diag_finish(&d);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
}

static void full_disk_leaves_nothing(void **state)
{
    (void)state;
    enum { N = 40000 };
    float *z = stele__calloc(2 * N, sizeof *z);
    const stele__safetensor t = { "z", STELE_F32, { 1, 0, { 2 * N } }, z };
    const stele__column column = { .name = "z", .kind = STELE__FLOAT, .f32 = z, .stride = 1 };
    const char **names = stele__calloc(N, sizeof *names);
    for (size_t i = 0; i < N; i++) {
        names[i] = "x";
    }
    const stele__obsm obsm = { "z", z, 2 };
    const stele__h5ad h = { .n_obs = N, .obs_names = names, .obsm = &obsm, .n_obsm = 1 };
    stele__diag d;
    stele__diag_init(&d);
    limit_files(1 << 16);
    assert_int_equal(stele__safetensors_write(path, &t, 1, NULL, 0, &d), STELE_E_IO);
    assert_nothing_left(&d);
    assert_int_equal(stele__npy_write(path, STELE_F32, z, N, 2, &d), STELE_E_IO);
    assert_nothing_left(&d);
    assert_int_equal(stele__csv_write(path, &column, 1, 2 * N, &d), STELE_E_IO);
    assert_nothing_left(&d);
    assert_int_equal(stele__h5ad_write(path, &h, &d), STELE_E_IO);
    assert_nothing_left(&d);
    limit_files(RLIM_INFINITY);
    stele__free(z);
    stele__free(names);
}

static void put_line(stele__metrics *log, int64_t at, double loss)
{
    json_t *line = json_pack("{s:I, s:f}", "step", (json_int_t)at, "loss", loss);
    assert_int_equal(stele__metrics_write(log, line, NULL), STELE_OK);
    json_decref(line);
}

static void metrics_are_appended_and_cut_on_resume(void **state)
{
    (void)state;
    stele__metrics *log = NULL;
    size_t n = 0;
    assert_int_equal(stele__metrics_open(path, -1, &log, NULL), STELE_OK);
    put_line(log, 1, 0.5);
    char *text = content(&n); /* there before the log is closed */
    assert_string_equal(text, "{\"step\":1,\"loss\":0.5}\n");
    stele__free(text);
    put_line(log, 2, 0.25);
    put_line(log, 3, 0.125);
    stele__metrics_close(log);
    FILE *f = fopen(path, "a");
    fputs("{\"step\":4,\"lo", f);
    fclose(f);
    assert_int_equal(stele__metrics_open(path, INT64_MAX, &log, NULL), STELE_OK);
    stele__metrics_close(log);
    text = content(&n);
    assert_non_null(strstr(text, "\"step\":3,\"loss\":0.125}\n"));
    assert_null(strstr(text, "\"step\":4"));
    stele__free(text);
    assert_int_equal(stele__metrics_open(path, 2, &log, NULL), STELE_OK);
    put_line(log, 3, 8.0);
    stele__metrics_close(log);
    text = content(&n);
    assert_string_equal(text, "{\"step\":1,\"loss\":0.5}\n{\"step\":2,\"loss\":0.25}\n"
                              "{\"step\":3,\"loss\":8.0}\n");
    stele__free(text);
    unlink(path);
}

static void metrics_that_are_no_json_are_kept(void **state)
{
    (void)state;
    static const char odd[] = "{\"step\":1}\nnot json\n{\"step\":2}\n";
    stele__metrics *log = NULL;
    stele__diag d;
    size_t n = 0;
    stele__diag_init(&d);
    write_bytes(odd, sizeof odd - 1);
    assert_int_equal(stele__metrics_open(path, 0, &log, NULL), STELE_OK);
    stele__metrics_close(log);
    write_bytes(odd, sizeof odd - 1);
    assert_int_equal(stele__metrics_open(path, 9, &log, &d), STELE_E_DATA);
    assert_non_null(strstr(d.message[0].text, "file:2: is not a JSON object"));
    char *text = content(&n);
    assert_string_equal(text, odd);
    stele__free(text);
    stele__diag_finish(&d);
    unlink(path);
}

/* The one allocation whose loss does no harm is that for syncing a folder, so success is no sign
 * that none was lost. */
static void every_failed_allocation_is_survived(void **state)
{
    (void)state;
    const float z[6] = { 0 };
    stele__h5ad c = small_h5ad(z);
    int n_failed = 0;
    for (int64_t i = 0; i < 60; i++) {
        stele__mem_fail_at(i);
        stele_status status = stele__h5ad_write(path, &c, NULL);
        if (status == STELE_OK) {
            status = stele__csv_write(path, c.obs, 1, 3, NULL);
        }
        stele__mem_fail_at(-1);
        unlink(path);
        assert_true(status == STELE_E_NOMEM || status == STELE_OK);
        assert_int_equal(H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
        n_failed += status == STELE_E_NOMEM;
    }
    assert_in_range(n_failed, 15, 55);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(npy_is_what_numpy_writes),
        cmocka_unit_test(csv_quotes_and_round_trips),
        cmocka_unit_test(numbers_are_shortest_and_exact),
        cmocka_unit_test(h5ad_holds_matrices_and_encodings),
        cmocka_unit_test(h5ad_refuses_names_it_cannot_hold),
        cmocka_unit_test(full_disk_leaves_nothing),
        cmocka_unit_test(metrics_are_appended_and_cut_on_resume),
        cmocka_unit_test(metrics_that_are_no_json_are_kept),
        cmocka_unit_test(every_failed_allocation_is_survived),
    };
    return cmocka_run_group_tests_name("files", tests, make_folder, remove_folder);
}
