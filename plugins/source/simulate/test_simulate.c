/* source/simulate: rows are functions of (seed, row), and have the statistics that they claim. */
#include "test.h"

#include <stele/plugin.h>

stele_plugin_query_fn stele_plugin_query;

#include "data/dataset.h"
#include "plugin_host.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const stele_source_vt *vt;

/* The config block with defaults, and some I64, F64 or BOOL options set by name. */
typedef struct setting {
    const char *name;
    double value;
} setting;

static void put_option(char *block, const stele_option *o, const double *value)
{
    if (o->type == STELE_OPT_I64) {
        int64_t v = value != NULL ? (int64_t)*value : o->def.i;
        memcpy(block + o->offset, &v, sizeof v);
    } else if (o->type == STELE_OPT_F64) {
        double v = value != NULL ? *value : o->def.f;
        memcpy(block + o->offset, &v, sizeof v);
    } else {
        int32_t v = (int32_t)(value != NULL ? *value : (double)o->def.i);
        assert_int_equal(o->type, STELE_OPT_BOOL);
        memcpy(block + o->offset, &v, sizeof v);
    }
}

static stele_inst *make(char block[512], const setting *set, size_t n_set)
{
    const stele_plugin *p = stele_plugin_query(STELE_ABI_MAJOR, STELE_ABI_MINOR)->plugins[0];
    size_t used = 0;
    stele_inst *s = NULL;
    assert_true(p->config_size <= 512);
    for (uint32_t i = 0; i < p->n_options; i++) {
        const double *value = NULL;
        for (size_t k = 0; k < n_set; k++) {
            if (strcmp(set[k].name, p->options[i].name) == 0) {
                value = &set[k].value;
                used++;
            }
        }
        put_option(block, &p->options[i], value);
    }
    assert_int_equal(used, n_set);
    assert_int_equal(host_open_source(block, &vt, &s), STELE_OK);
    return s;
}

/* All rows of a data set with both measurements. */
static stele__dataset *load(const stele_inst *s)
{
    static const stele__matrix_request m[] = { { .name = "r", .from = "rna" },
                                               { .name = "a", .from = "atac" } };
    static const stele__label_request l[] = { { .from = "class" }, { .from = "batch" } };
    stele__source src = { "sim", vt, s };
    stele__data_request rq = { &src, 1, m, 2, l, 2, 0 };
    stele__dataset *ds = NULL;
    assert_int_equal(stele__dataset_create(&rq, &ds, NULL), STELE_OK);
    assert_int_equal(stele__dataset_load(ds, NULL, NULL), STELE_OK);
    return ds;
}

/* Values of one cell as a dense row; its sum. */
static double row_of(const stele__dataset *ds, size_t m, int64_t row, float *ret)
{
    static int64_t start[2];
    static int32_t column[4096];
    static float value[4096];
    double sum = 0;
    memset(ret, 0, (size_t)ds->matrix[m].n_features * sizeof *ret);
    stele__dataset_gather_csr(ds, m, 1, &row, start, column, value);
    for (int64_t k = 0; k < start[1]; k++) {
        ret[column[k]] = value[k];
        sum += value[k];
    }
    return sum;
}

static void rows_depend_on_seed_and_row_alone(void **state)
{
    (void)state;
    char small[512], large[512], other[512];
    const setting few[] = { { "n_rows", 40 } }, many[] = { { "n_rows", 400 } };
    const setting seed[] = { { "n_rows", 40 }, { "seed", 2 } };
    stele_inst *a = make(small, few, 1), *b = make(large, many, 1), *c = make(other, seed, 2);
    stele__dataset *x = load(a), *y = load(b), *z = load(c);
    static float p[5000], q[5000], r[5000];
    for (size_t m = 0; m < 2; m++) {
        size_t bytes = (size_t)x->matrix[m].n_features * sizeof *p;
        for (int64_t i = 0; i < 40; i++) {
            row_of(x, m, i, p);
            row_of(y, m, i, q);
            row_of(z, m, i, r);
            assert_memory_equal(p, q, bytes);
            assert_memory_not_equal(p, r, bytes);
        }
    }
    assert_memory_equal(x->label[0].code, y->label[0].code, 40 * sizeof(int32_t));
    stele__dataset_destroy(x);
    stele__dataset_destroy(y);
    stele__dataset_destroy(z);
    vt->destroy(a);
    vt->destroy(b);
    vt->destroy(c);
}

/* One class and one program: all cells have the same rates, so that moments are plain to see. */
static void counts_are_negative_binomial(void **state)
{
    (void)state;
    enum { N = 4000, G = 40 };
    char block[512];
    const setting set[] = { { "n_rows", N },      { "n_genes", G },          { "n_peaks", 200 },
                            { "n_classes", 1 },   { "n_programs", 1 },       { "depth_sd", 0 },
                            { "rna_depth", 400 }, { "overdispersion", 2.5 }, { "atac_depth", 100 },
                            { "binary_peaks", 0 } };
    stele_inst *s = make(block, set, 10);
    stele__dataset *ds = load(s);
    static float x[200];
    double sum[G] = { 0 }, square[G] = { 0 }, total = 0, peaks = 0, peaks_square = 0;
    for (int64_t i = 0; i < N; i++) {
        total += row_of(ds, 0, i, x);
        for (int j = 0; j < G; j++) {
            sum[j] += x[j];
            square[j] += (double)x[j] * x[j];
        }
        double n = row_of(ds, 1, i, x);
        peaks += n;
        peaks_square += n * n;
    }
    /* Row sums: mean 400 with sd sqrt(400 * 2.5 / N) = 0.5; Poisson fragments 100 +- 0.16. */
    assert_float_equal(total / N, 400, 2.5);
    assert_float_equal(peaks / N, 100, 0.8);
    assert_float_equal(peaks_square / N - peaks * peaks / N / N, 100, 12);
    double fano = 0;
    for (int j = 0; j < G; j++) {
        double mean = sum[j] / N;
        fano += (square[j] / N - mean * mean) / mean / G;
    }
    assert_float_equal(fano, 2.5, 0.1);
    stele__dataset_destroy(ds);
    vt->destroy(s);
}

/* How much of the variance of normalised profiles lies between the groups of a label. */
static double between(const stele__dataset *ds, size_t m, const stele__label *l)
{
    enum { MAX_F = 300, MAX_C = 8 };
    static double mean[MAX_C][MAX_F], all[MAX_F];
    static float x[MAX_F];
    double n[MAX_C] = { 0 }, total = 0, explained = 0;
    int64_t width = ds->matrix[m].n_features;
    memset(mean, 0, sizeof mean);
    memset(all, 0, sizeof all);
    for (int64_t i = 0; i < ds->n_rows; i++) {
        double sum = row_of(ds, m, i, x);
        n[l->code[i]]++;
        for (int64_t j = 0; j < width; j++) {
            mean[l->code[i]][j] += x[j] / sum;
            all[j] += x[j] / sum;
            total += x[j] / sum * (x[j] / sum);
        }
    }
    for (int64_t j = 0; j < width; j++) {
        total -= all[j] * all[j] / (double)ds->n_rows;
        for (int64_t c = 0; c < l->n_categories; c++) {
            double d = mean[c][j] / n[c] - all[j] / (double)ds->n_rows;
            explained += n[c] * d * d;
        }
    }
    return explained / total;
}

static void classes_and_batches_show_as_much_as_asked(void **state)
{
    (void)state;
    char block[512];
    for (int k = 0; k < 4; k++) {
        const setting set[] = { { "n_rows", 600 },
                                { "n_genes", 100 },
                                { "n_peaks", 300 },
                                { "n_classes", 4 },
                                { "n_batches", 3 },
                                { "class_separation", k % 2 ? 2 : 0 },
                                { "batch_effect", k / 2 ? 0.7 : 0 } };
        stele_inst *s = make(block, set, 7);
        stele__dataset *ds = load(s);
        assert_int_equal(ds->label[0].n_categories, 4);
        assert_int_equal(ds->label[1].n_categories, 3);
        for (size_t m = 0; m < 2; m++) {
            double class_share = between(ds, m, &ds->label[0]);
            double batch_share = between(ds, m, &ds->label[1]);
            /* By chance alone 3 and 2 of 599 degrees of freedom. */
            assert_true(k % 2 ? class_share > 0.04 : class_share < 0.012);
            assert_true(k / 2 ? batch_share > 0.02 : batch_share < 0.012);
        }
        stele__dataset_destroy(ds);
        vt->destroy(s);
    }
}

static void measurements_are_missing_independently(void **state)
{
    (void)state;
    char block[512];
    const setting set[] = { { "n_rows", 3000 },
                            { "n_genes", 20 },
                            { "n_peaks", 20 },
                            { "missing_rna", 0.3 },
                            { "missing_atac", 0.5 } };
    stele_inst *s = make(block, set, 5);
    stele__dataset *ds = load(s);
    int64_t both = 0;
    for (int64_t i = 0; i < ds->n_rows; i++) {
        both += ds->present[2 * i] && ds->present[2 * i + 1];
    }
    assert_in_range(ds->matrix[0].n_present, 2010, 2190);
    assert_in_range(ds->matrix[1].n_present, 1400, 1600);
    assert_in_range(both, 965, 1135); /* 0.35 of them */
    assert_int_equal(ds->n_rows, ds->matrix[0].n_present + ds->matrix[1].n_present - both);
    assert_int_equal(ds->matrix[1].value_kind, STELE__VALUE_U8);
    for (int64_t k = 0; k < ds->matrix[1].row_start[ds->matrix[1].n_present]; k++) {
        assert_int_equal(((uint8_t *)ds->matrix[1].value)[k], 1);
    }
    stele__dataset_destroy(ds);
    vt->destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_depend_on_seed_and_row_alone),
        cmocka_unit_test(counts_are_negative_binomial),
        cmocka_unit_test(classes_and_batches_show_as_much_as_asked),
        cmocka_unit_test(measurements_are_missing_independently),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
