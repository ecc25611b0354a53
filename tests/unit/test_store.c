/* Dense numbers that lie in a file are those that lie in memory, and they leave the memory again.
 */
#include "test.h"

#include "data/dataset.h"
#include "data/digest.h"
#include "data/store.h"
#include "data/window.h"
#include "fake_source.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

enum { ROWS = 7, FEATURES = 5 };

static const char *const ids[] = { "a", "b", "c", "d", "e", "f", "g" };
static const char *const names[] = { "u", "v", "w", "x", "y" };
static const fake_axis axes[] = { { ids, ROWS } };
static double x[ROWS * FEATURES];
static const fake_field fields[] = {
    { "x", STELE_FIELD_MATRIX, STELE_DENSE, 0, FEATURES, x, NULL, names, 0 },
};
static const fake_source instance = { axes, 1, fields, 1 };
static const stele__source source = { "file", &fake_vt,
                                      (const stele_inst *)(const void *)&instance };

static stele__dataset *load(size_t most, const stele__matrix_request *m)
{
    stele__dataset *ds = NULL;
    stele__data_request rq = { &source, 1, m, 1, NULL, 0, 0, NULL };
    stele__store_set_most(most);
    assert_int_equal(stele__dataset_create(&rq, &ds, NULL), STELE_OK);
    assert_int_equal(stele__dataset_load(ds, NULL, NULL), STELE_OK);
    assert_int_equal(stele__store_memory(ds->matrix[0].store) > 0, most > 0);
    return ds;
}

/* Gathers, windows, the digest and what is known of features; all of them once in memory and once
 * in a file. `m` may choose and reorder features. */
static void compare(const stele__matrix_request *m)
{
    stele__dataset *ds[2];
    float row[2][ROWS * FEATURES], seen[2][ROWS * 3 * FEATURES];
    const int64_t order[] = { 6, 0, 3, 3, 1, 5, 2 };
    int64_t bin[ROWS * 3];
    for (int k = 0; k < 2; k++) {
        const stele__window_request window = { .bins = 3, .before = 1 };
        ds[k] = load(k == 0 ? 1 << 20 : 0, m);
        memset(row[k], 0, sizeof row[k]);
        memset(seen[k], 0, sizeof seen[k]);
        stele__dataset_gather_dense(ds[k], 0, ROWS, order, row[k]);
        assert_int_equal(stele__dataset_window(ds[k], 0, &window, NULL), STELE_OK);
        stele__dataset_window_rows(ds[k], 0, ROWS, order, bin);
        stele__dataset_gather_window_dense(ds[k], 0, ROWS, bin, seen[k]);
    }
    assert_memory_equal(row[0], row[1], sizeof row[0]);
    assert_memory_equal(seen[0], seen[1], sizeof seen[0]);
    assert_true(stele__matrix_digest(ds[0], 0) == stele__matrix_digest(ds[1], 0));
    for (int64_t j = 0; m->describe && j < ds[0]->matrix[0].n_features; j++) {
        const stele_feature *f = ds[0]->matrix[0].field.feature[j];
        const stele_feature *g = ds[1]->matrix[0].field.feature[j];
        assert_int_equal(f->n_values, g->n_values);
        assert_true(f->least == g->least && f->largest == g->largest && f->n_rows == g->n_rows);
    }
    assert_true(row[0][0] == (float)x[6 * FEATURES + (m->feature != NULL ? 3 : 0)]);
    stele__dataset_destroy(ds[0]);
    stele__dataset_destroy(ds[1]);
}

static void a_file_gives_what_memory_gives(void **state)
{
    (void)state;
    const char *const want[] = { "x", "u", "v" };
    for (int i = 0; i < ROWS * FEATURES; i++) {
        x[i] = i % 11 == 4 ? NAN : 0.25 * i - 3;
    }
    for (int i = 0; i < ROWS; i++) {
        x[i * FEATURES + 2] = 0; /* `w` is dropped as too rare */
    }
    compare(&(stele__matrix_request){ .name = "M", .from = "x" });
    compare(&(stele__matrix_request){ .name = "M", .from = "x", .describe = 1 });
    compare(&(stele__matrix_request){ .name = "M", .from = "x", .min_rows = 1 });
    compare(&(stele__matrix_request){ .name = "M", .from = "x", .feature = want, .n_features = 3 });
}

/* Kilobytes of file pages in memory, as the kernel counts them. */
static long file_pages(void)
{
    char line[128];
    long kb = -1;
    FILE *f = fopen("/proc/self/status", "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        sscanf(line, "RssFile: %ld", &kb);
    }
    if (f != NULL) {
        fclose(f);
    }
    return kb;
}

static void what_was_seen_leaves_the_memory(void **state)
{
    (void)state;
    enum { PIECE = 1 << 18, N = 256 }; /* of 1 MB */
    static float piece[PIECE];
    stele__store *s = NULL;
    const long before = file_pages();
    long most = 0;
    assert_int_equal(stele__store_create((size_t)PIECE * N, 0, "x", NULL, &s, NULL), STELE_OK);
    for (int i = 0; i < N; i++) {
        piece[0] = (float)i;
        assert_int_equal(stele__store_add(s, piece, PIECE, NULL), STELE_OK);
    }
    const float *v = stele__store_values(s);
    assert_non_null(v);
    assert_int_equal(stele__store_memory(s), 0);
    for (int i = 0; i < N; i++) {
        const size_t at = (size_t)(i * 37 % N) * PIECE;
        double sum = 0;
        stele__store_seen(s, at, PIECE);
        for (size_t k = 0; k < PIECE; k++) {
            sum += (double)v[at + k];
        }
        assert_true(sum == i * 37 % N);
        most = file_pages() > most ? file_pages() : most;
    }
    assert_true(before < 0 || most - before < 100 * 1024);
    stele__store_destroy(s);
}

/* A folder that is full, by a limit on what this process may write. */
static void a_full_disk_is_said(void **state)
{
    (void)state;
    float some[4096] = { 0 };
    struct rlimit old, limit;
    stele__store *s = NULL;
    stele__diag d;
    stele__diag_init(&d);
    getrlimit(RLIMIT_FSIZE, &old);
    limit = old;
    limit.rlim_cur = 4096;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    stele_status made = stele__store_create(4096, 0, "big", NULL, &s, &d);
    stele_status added = made == STELE_OK ? stele__store_add(s, some, 4096, &d) : made;
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(added, STELE_E_IO);
    assert_non_null(strstr(d.message[0].text, "`big` takes 0.0 MB"));
    assert_non_null(strstr(d.message[0].text, "does not hold"));
    assert_non_null(strstr(d.message[0].hint, "TMPDIR"));
    stele__store_destroy(s);
    stele__diag_finish(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_gives_what_memory_gives),
        cmocka_unit_test(what_was_seen_leaves_the_memory),
        cmocka_unit_test(a_full_disk_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
