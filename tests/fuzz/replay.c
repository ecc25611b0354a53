/* Run a fuzz target over files, or over the files of folders in the order of their names. */
#include "fuzz.h"

#include <dirent.h>
#include <string.h>

static int run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL || fseek(f, 0, SEEK_END) != 0) {
        return -1;
    }
    long size = ftell(f);
    rewind(f);
    uint8_t *data =
        malloc(size > 0 ? (size_t)size : 1); /* exact, so that a sanitizer sees its end */
    size_t n = data != NULL && size > 0 ? fread(data, 1, (size_t)size, f) : 0;
    fclose(f);
    if (data == NULL || size < 0 || n != (size_t)size) {
        free(data);
        return -1;
    }
    fprintf(stderr, "%s\n", path); /* the last one named is the one that failed */
    LLVMFuzzerTestOneInput(data, n);
    free(data);
    return 0;
}

static int no_dot(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    int n_run = 0, n_failed = 0;
    for (int i = 1; i < argc; i++) {
        struct dirent **entry = NULL;
        int n = scandir(argv[i], &entry, no_dot, alphasort);
        if (n < 0) { /* no folder: a single input */
            n_failed += run_file(argv[i]) != 0;
            n_run++;
        }
        for (int k = 0; k < n; k++) {
            char path[4096];
            snprintf(path, sizeof path, "%s/%s", argv[i], entry[k]->d_name);
            n_failed += run_file(path) != 0;
            n_run++;
            free(entry[k]);
        }
        free(entry);
    }
    printf("%d passed, %d failed, 0 skipped\n", n_run - n_failed, n_failed);
    return n_run == 0 || n_failed != 0;
}
