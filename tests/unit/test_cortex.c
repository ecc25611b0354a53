/* source/h5mu and the data room on the real cells of ../shared/data/snare-mouse-cortex, if they are
 * there. */
#include "test.h"

#include <stele/plugin.h>

stele_plugin_query_fn stele_plugin_query;

#include "data/dataset.h"
#include "plugin_host.h"

#include <stdlib.h>
#include <unistd.h>

static char path[1024];

static void the_cortex_is_read(void **state)
{
    (void)state;
    struct {
        const char *path;
    } config = { path };
    const stele_source_vt *vt = NULL;
    stele_inst *s = NULL;
    assert_int_equal(host_open_source(&config, &vt, &s), STELE_OK);
    stele__source src = { "data", vt, s };
    stele__matrix_request m[] = { { .name = "rna", .from = "rna", .min_rows = 1 },
                                  { .name = "atac", .from = "atac", .min_rows = 1 } };
    stele__label_request l[] = { { .from = "cell_type" }, { .from = "cell_class" } };
    stele__data_request rq = { &src, 1, m, 2, l, 2, 0, NULL };
    stele__dataset *ds = NULL;
    assert_int_equal(stele__dataset_create(&rq, &ds, NULL), STELE_OK);
    assert_int_equal(stele__dataset_load(ds, NULL, NULL), STELE_OK);
    vt->destroy(s);
    assert_int_equal(ds->n_rows, 5232);
    assert_int_equal(ds->label[0].n_categories, 23);
    assert_int_equal(ds->label[1].n_categories, 15);
    assert_int_equal(ds->matrix[0].n_features, 1675);
    assert_int_equal(ds->matrix[1].n_features, 25734 - 2196);
    assert_int_equal(ds->matrix[0].row_start[5232], 548849);
    assert_int_equal(ds->matrix[1].row_start[5232], 506651);
    assert_int_equal(ds->matrix[0].value_kind, STELE__VALUE_U16);
    assert_int_equal(ds->matrix[1].value_kind, STELE__VALUE_U8);
    stele__dataset_destroy(ds);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_cortex_is_read) };
    const char *dir = getenv("STELE_DATA");
    snprintf(path, sizeof path, "%s/snare-mouse-cortex/snare_cortex.h5mu", dir != NULL ? dir : "");
    if (access(path, R_OK) != 0) {
        return 77; /* skipped, as Meson understands it */
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
