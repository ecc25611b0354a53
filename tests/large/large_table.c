/* source/table on a file far larger than what it may keep in memory.
 *
 *     large_table FOLDER [MB]
 *
 * writes a table of that size (1000 MB) into the folder, reads it in pieces as the host does, and
 * compares values with what was written. The peak of the process has to stay below 300 MB. Times
 * are shown, not judged. */
#include <stele/plugin.h>

stele_plugin_query_fn stele_plugin_query;

#include "../../plugins/source/table/csv.h"
#include "../unit/plugin_host.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { N_NUMBERS = 40, MOST_MB = 300, CHUNK_ENTRIES = 1 << 20 };

/* Seconds of the processor: others may be at work on the machine. */
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint64_t mixed(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* The text of a cell: counts, measurements of six digits, a few as a program prints doubles, one in
 * a hundred missing. */
static int write_cell(char *to, int64_t row, int column)
{
    uint64_t r = mixed((uint64_t)row * 64 + (uint64_t)column + 1);
    unsigned whole = (unsigned)(r % 1000), part = (unsigned)(r >> 20) % 1000;
    if (r >> 40 < (UINT64_C(1) << 24) / 100) {
        return 0;
    }
    if (column % 10 == 0) {
        return sprintf(to, "%u", whole % 100);
    }
    if (column % 10 == 1) {
        return sprintf(to, "%.17g", (double)(r >> 11) * 1e-14);
    }
    return sprintf(to, "%s%u.%03u", r & 1 ? "-" : "", whole, part);
}

static int64_t write_table(const char *path, int64_t bytes)
{
    FILE *f = fopen(path, "wb");
    char line[2048];
    int64_t n = 0, rows = 0;
    if (f == NULL) {
        return -1;
    }
    fprintf(f, "cell");
    for (int k = 0; k < N_NUMBERS; k++) {
        fprintf(f, ",feature %d", k);
    }
    fprintf(f, ",kind\n");
    while (n < bytes) {
        char *to = line + sprintf(line, "cell-%08lld", (long long)rows);
        for (int k = 0; k < N_NUMBERS; k++) {
            *to++ = ',';
            to += write_cell(to, rows, k);
        }
        to += sprintf(to, ",\"kind %d\"\n", (int)(rows % 7));
        n += to - line;
        if (fwrite(line, 1, (size_t)(to - line), f) != (size_t)(to - line)) {
            break;
        }
        rows++;
    }
    return fclose(f) == 0 && n >= bytes ? rows : -1;
}

static int same(int64_t row, const float *got)
{
    char text[64];
    for (int k = 0; k < N_NUMBERS; k++) {
        int len = write_cell(text, row, k);
        text[len] = '\0';
        float want = len > 0 ? (float)strtod(text, NULL) : NAN;
        if (memcmp(&got[k], &want, sizeof want) != 0 && !(isnan(got[k]) && isnan(want))) {
            printf("row %lld, column %d: %.9g instead of %s\n", (long long)row, k, got[k], text);
            return 0;
        }
    }
    return 1;
}

/* All rows in pieces of the size that the host takes; one in 97 is compared. 0: all are right. */
static int read_all(const stele_source_vt *vt, const stele_inst *s, int64_t n_rows)
{
    int64_t most = CHUNK_ENTRIES / N_NUMBERS + 1;
    float *x = malloc((size_t)most * N_NUMBERS * sizeof *x);
    int64_t *row = malloc((size_t)most * sizeof *row);
    int failed = x == NULL || row == NULL;
    for (int64_t first = 0; first < n_rows && !failed; first += most) {
        int64_t n = n_rows - first < most ? n_rows - first : most;
        for (int64_t i = 0; i < n; i++) {
            row[i] = first + i;
        }
        stele_read r = { .struct_size = sizeof r, .n_rows = (uint64_t)n, .row = row, .data = x };
        failed = vt->read(s, &r) != STELE_OK;
        for (int64_t i = 0; i < n && !failed; i += 97) {
            failed = !same(first + i, x + i * N_NUMBERS);
        }
    }
    free(x);
    free(row);
    return failed;
}

static int read_table(const char *path, int64_t n_rows, double mb)
{
    static const char *const all[] = { "*" }, *const missing[] = { "", "NA" };
    csv_config c = { .path = path, .columns = { all, 1 }, .missing = { missing, 2 } };
    const stele_source_vt *vt;
    stele_inst *s = NULL;
    struct rusage usage;
    double start = now();
    if (host_open_source(&c, &vt, &s) != STELE_OK) {
        printf("%s\n", host_message);
        return 1;
    }
    double opened = now();
    int failed = vt->n_rows(s, 0) != n_rows || read_all(vt, s, n_rows);
    double done = now();
    getrusage(RUSAGE_SELF, &usage);
    vt->destroy(s);
    double peak = (double)usage.ru_maxrss / 1024;
    printf("%.0f MB, %lld rows: opened in %.1f s (%.0f MB/s), read in %.1f s (%.0f MB/s), peak "
           "%.0f MB of %d\n",
           mb, (long long)n_rows, opened - start, mb / (opened - start), done - opened,
           mb / (done - opened), peak, MOST_MB);
    return failed || peak > MOST_MB;
}

int main(int argc, char **argv)
{
    char path[4096];
    double mb = argc > 2 ? atof(argv[2]) : 1000;
    snprintf(path, sizeof path, "%s/large-table-XXXXXX", argc > 1 ? argv[1] : ".");
    int fd = mkstemp(path);
    if (fd < 0) {
        printf("%s cannot be written\n", path);
        return 1;
    }
    close(fd);
    int64_t n_rows = write_table(path, (int64_t)(mb * 1e6));
    int failed = n_rows < 0 || read_table(path, n_rows, mb);
    unlink(path);
    printf("%d passed, %d failed, 0 skipped\n", !failed, failed);
    return failed;
}
