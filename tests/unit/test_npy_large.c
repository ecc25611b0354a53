/* Two gigabytes of numbers are read with memory for a chunk: a file with a hole, so that it takes
 * no room on the disk. test_npy_large NAME: le (as they are), f8 (converted), turned (Fortran's
 * order), packed (gzip). */
#include "test.h"

#include <stele/plugin.h>

stele_plugin_query_fn stele_plugin_query;

#include "array.h"
#include "plugin_host.h"
#include "source_files.h"

#include <fcntl.h>

enum { COLUMNS = 512, PIECE = 2048, MARK_EVERY = 10007, MOST_MB = 300 };

static const char *which = "le";

/* High-water mark of this program's memory in megabytes. */
static long peak(void)
{
    char line[128];
    long kb = -1;
    FILE *f = fopen("/proc/self/status", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        sscanf(line, "VmHWM: %ld", &kb);
    }
    fclose(f);
    return kb / 1024;
}

/* Row r has r + 1 in column r % COLUMNS if r is a multiple of MARK_EVERY, zeros elsewhere. */
static char *make_file(int64_t n_rows, const char *descr, int64_t size, int turned)
{
    char head[128] = "\x93NUMPY\x01\x00\x76\x00";
    char *path = path_of("large.npy");
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    int n = snprintf(head + 10, 118, "{'descr': '%s', 'fortran_order': %s, 'shape': (%lld, %d), }",
                     descr, turned ? "True" : "False", (long long)n_rows, COLUMNS);
    memset(head + 10 + n, ' ', (size_t)(118 - n));
    assert_int_equal(pwrite(fd, head, sizeof head, 0), sizeof head);
    assert_int_equal(ftruncate(fd, 128 + n_rows * COLUMNS * size), 0);
    for (int64_t r = 0; r < n_rows; r += MARK_EVERY) {
        int64_t c = r % COLUMNS, at = turned ? c * n_rows + r : r * COLUMNS + c;
        float f32 = (float)(r + 1);
        double f64 = (double)(r + 1);
        assert_int_equal(pwrite(fd, size == 4 ? (void *)&f32 : &f64, (size_t)size, 128 + at * size),
                         size);
    }
    close(fd);
    return path;
}

/* The same file, gzipped: written from its beginning to its end. */
static char *make_packed(int64_t n_rows)
{
    char head[128] = "\x93NUMPY\x01\x00\x76\x00";
    char *path = path_of("large.npy.gz");
    gzFile f = gzopen(path, "wb1");
    assert_non_null(f);
    int n =
        snprintf(head + 10, 118, "{'descr': '<f4', 'fortran_order': False, 'shape': (%lld, %d), }",
                 (long long)n_rows, COLUMNS);
    memset(head + 10 + n, ' ', (size_t)(118 - n));
    assert_int_equal(gzwrite(f, head, sizeof head), sizeof head);
    for (int64_t r = 0; r < n_rows; r++) {
        float x[COLUMNS] = { 0 };
        x[r % COLUMNS] = r % MARK_EVERY == 0 ? (float)(r + 1) : 0;
        assert_int_equal(gzwrite(f, x, sizeof x), sizeof x);
    }
    assert_int_equal(gzclose(f), Z_OK);
    return path;
}

static void memory_is_bounded_by_the_chunk(void **state)
{
    (void)state;
    int turned = strcmp(which, "turned") == 0, wide = strcmp(which, "f8") == 0;
    int64_t size = wide ? 8 : 4, n_rows = ((int64_t)2 << 30) / COLUMNS / size;
    char *path = strcmp(which, "packed") == 0
                     ? make_packed(n_rows)
                     : make_file(n_rows, wide ? "<f8" : "<f4", size, turned);
    array_config c = { .path = path };
    const stele_source_vt *vt = NULL;
    stele_inst *s = NULL;
    static float x[PIECE * COLUMNS];
    static int64_t row[PIECE];
    assert_int_equal(host_open_source(&c, &vt, &s), STELE_OK);
    assert_int_equal(vt->n_rows(s, 0), n_rows);
    for (int64_t first = 0; first < n_rows; first += PIECE) {
        for (int64_t i = 0; i < PIECE; i++) {
            row[i] = first + i;
        }
        stele_read r = { .struct_size = sizeof r, .n_rows = PIECE, .row = row, .data = x };
        assert_int_equal(vt->read(s, &r), STELE_OK);
        for (int64_t k = 0; k < PIECE * COLUMNS; k++) {
            int64_t i = first + k / COLUMNS;
            int marked = i % MARK_EVERY == 0 && k % COLUMNS == i % COLUMNS;
            if (x[k] != (marked ? (float)(i + 1) : 0)) {
                fail_msg("row %lld, column %lld is %g", (long long)i, (long long)(k % COLUMNS),
                         (double)x[k]);
            }
        }
    }
    vt->destroy(s);
    free(path);
    print_message("%s: peak memory %ld MB\n", which, peak());
    assert_true(peak() > 0 && peak() < MOST_MB);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(memory_is_bounded_by_the_chunk) };
    which = argc > 1 ? argv[1] : which;
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
