/* Run a fuzz target over stored inputs: files, or folders of files, given as arguments. Without a
 * fuzzer this makes every input that once mattered a regression test. With clang's libFuzzer leave
 * this file out: clang -fsanitize=fuzzer,address tests/fuzz/fuzz_NAME.c ... && ./a.out
 * tests/fuzz/corpus/NAME */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    enum { LIMIT = 1 << 20 };
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(LIMIT);
    if (f == NULL || data == NULL) {
        fprintf(stderr, "%s: cannot read\n", path);
        exit(EXIT_FAILURE);
    }
    size_t n = fread(data, 1, LIMIT, f);
    fclose(f);
    /* Shrunk to its size, so that the address sanitizer sees a read beyond the end. */
    uint8_t *exact = realloc(data, n != 0 ? n : 1);
    printf("%s: %zu bytes\n", path, n);
    fflush(stdout);
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    return 1;
}

static int replay(const char *path)
{
    DIR *folder = opendir(path);
    int n = 0;
    if (folder == NULL) {
        return replay_file(path);
    }
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char name[4096];
        if (entry->d_name[0] != '.') {
            snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
            n += replay(name);
        }
    }
    closedir(folder);
    return n;
}

int main(int argc, char **argv)
{
    int n = 0;
    for (int i = 1; i < argc; i++) {
        n += replay(argv[i]);
    }
    printf("%d inputs\n", n);
    return n > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
