/* Write the file that read_h5ad.py expects. */
#include "data/h5ad.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    const char *names[5] = { "cell-0", "cell-1", "Zelle \xc3\xa4", "cell,3", "cell-4" };
    const char *batch[5] = { "a", NULL, "b", "a", "b" };
    const char *type[2] = { "Oligo", "L2/3" };
    const int32_t code[5] = { 1, 0, -1, 0, 1 };
    const float z[10] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 };
    const double score[5] = { 0.5, 1.5, 2.5, 3.5, 4.5 };
    const int64_t count[5] = { 0, 1, 2, 3, INT64_C(1) << 40 };
    const stele__column obs[5] = {
        { .name = "batch", .kind = STELE__TEXT, .text = batch },
        { .name = "type", .kind = STELE__CATEGORY, .text = type, .n_categories = 2, .code = code },
        { .name = "depth", .kind = STELE__FLOAT, .f32 = z, .stride = 2 },
        { .name = "score", .kind = STELE__DOUBLE, .f64 = score },
        { .name = "count", .kind = STELE__INTEGER, .i64 = count },
    };
    const stele__obsm obsm[2] = { { "X_stele", z, 2 }, { "X_stele_sd", z, 1 } };
    const stele__uns uns[1] = { { "spec", "name: \xc3\xa9\nseed: 7\n" } };
    const stele__h5ad content = { .n_obs = 5,
                                  .obs_names = names,
                                  .obs = obs,
                                  .n_obs_columns = 5,
                                  .obsm = obsm,
                                  .n_obsm = 2,
                                  .uns = uns,
                                  .n_uns = 1 };
    stele__diag diag;
    stele__diag_init(&diag);
    if (argc != 2 || stele__h5ad_write(argv[1], &content, &diag) != STELE_OK) {
        fprintf(stderr, "%s\n", diag.n > 0 ? diag.message[0].text : "usage: write_h5ad FILE");
        return EXIT_FAILURE;
    }
    stele__diag_finish(&diag);
    return EXIT_SUCCESS;
}
