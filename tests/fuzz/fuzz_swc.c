/* Reconstructed neurons: first the bytes as one tree, then as an archive of trees. */
#include "fuzz_source.h"

#include "../../plugins/source/swc/swc.h"
#include "fuzz_file.h"

/* What is a tree has figures, and every parent comes before its children. */
static void one_tree(const swc_config *c, const char *path)
{
    enum { MOST = 256 };
    float measures[MOST], map[12];
    texts names = { 0 };
    swc_tree t = { 0 };
    input *in = NULL;
    FUZZ_CHECK(swc_measure_names(c, &names) == 0 && names.n < MOST);
    FUZZ_CHECK(input_open(&fuzz_host, "path", path, &in) == STELE_OK);
    fuzz_messages = 0;
    stele_status status = swc_tree_read(in, c->any_root, &t);
    FUZZ_CHECK((status == STELE_OK) == (fuzz_messages == 0));
    if (status == STELE_OK) {
        FUZZ_CHECK(t.n > 0 && t.node[0].parent == -1);
        for (int32_t k = 1; k < t.n; k++) {
            FUZZ_CHECK(t.node[k].parent >= 0 && t.node[k].parent < k);
        }
        FUZZ_CHECK(swc_measure(c, in, &t, measures) == STELE_OK);
        FUZZ_CHECK(swc_map(c, in, &t, map) == STELE_OK);
    }
    for (int64_t j = 0; j < names.n && status == STELE_OK; j++) {
        FUZZ_CHECK(measures[j] != measures[j] || (measures[j] > -1e30f && measures[j] < 1e30f));
    }
    swc_tree_finish(&t);
    input_close(in);
    texts_finish(&names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const double radii[] = { 10.0, 50.0 };
    static const int64_t bins[] = { 3, 2 };
    char path[64];
    int fd = fuzz_file(data, size, path);
    swc_config c = { .path = path,
                     .sholl_radii = { radii, 2 },
                     .sholl_step = 10.0,
                     .map_bins = { bins, 2 },
                     .map_depth = 100.0,
                     .map_radius = 50.0,
                     .map_unit = 1.0,
                     .depth_axis = 2,
                     .branches = 4096 };
    one_tree(&c, path);
    c.any_root = 1;
    one_tree(&c, path);
    fuzz_source(&c);
    close(fd);
    return 0;
}
