/* AnnData files. What a field holds is looked at when it is read, so reading may be refused too. */
#define FUZZ_LATE 1
#include "fuzz_source.h"

#include "fuzz_h5.h"

static void finish(hid_t file, fuzz_bytes *b)
{
    static const char *const layout[] = { "csr_matrix", "csc_matrix", "array" };
    fuzz_h5_text(file, "/", "encoding-type", "anndata");
    fuzz_h5_text(file, "/layers/counts", "encoding-type", layout[fuzz_next(b, 3)]);
    fuzz_h5_numbers(file, "/layers/counts", "shape", 2, b);
    fuzz_h5_text(file, "/obs", "_index", "_index");
    fuzz_h5_text(file, "/obs", "encoding-type", "dataframe");
    fuzz_h5_text(file, "/var", "_index", "_index");
    fuzz_h5_text(file, "/obs/class", "encoding-type", "categorical");
    fuzz_h5_text(file, "/obs/flag", "encoding-type", "nullable-integer");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const object[] = {
        "/obs/_index",         "/var/_index",           "/X",
        "/layers/counts/data", "/layers/counts/indptr", "/layers/counts/indices",
        "/obs/class/codes",    "/obs/class/categories", "/obs/number",
        "/obs/flag/values",    "/obs/flag/mask",        "/obsm/pca",
    };
    char path[64];
    int fd = fuzz_named_file(data, size, path);
    fuzz_bytes b = { data, size };
    struct {
        const char *path;
    } config = { path };
    if (!fuzz_is_h5(data, size)) {
        fuzz_h5_file(path, object, sizeof object / sizeof object[0], &b, finish);
    }
    fuzz_source(&config);
    close(fd);
    unlink(path);
    return 0;
}
