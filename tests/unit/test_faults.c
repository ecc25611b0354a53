/* Experiments with rows that lose a modality, or have that of another row. */
#include "test.h"

#include "data/dataset.h"
#include "data/split.h"
#include "fake_source.h"

#include <stdio.h>
#include <string.h>

enum { n = 2000 };

/* Two modalities of one feature, 1 to n: `y` has its rows the other way round. */
typedef struct world {
    char text[n][8];
    const char *id[n], *reverse[n];
    double x[n];
    fake_axis axis[2];
    fake_field field[2];
    fake_source inst;
    stele__source source;
} world;

static const stele__matrix_request wanted[] = { { .name = "x", .from = "x" },
                                                { .name = "y", .from = "y" } };

static void make_world(world *w)
{
    for (int i = 0; i < n; i++) {
        snprintf(w->text[i], sizeof w->text[i], "r%d", i);
        w->id[i] = w->reverse[n - 1 - i] = w->text[i];
        w->x[i] = i + 1;
    }
    w->axis[0] = (fake_axis){ w->id, n };
    w->axis[1] = (fake_axis){ w->reverse, n };
    for (int k = 0; k < 2; k++) {
        w->field[k] = (fake_field){ .name = wanted[k].name,
                                    .content = STELE_FIELD_MATRIX,
                                    .layout = k == 0 ? STELE_CSR : STELE_DENSE,
                                    .axis = (uint32_t)k,
                                    .n_features = 1,
                                    .x = w->x };
    }
    w->inst = (fake_source){ w->axis, 2, w->field, 2 };
    w->source =
        (stele__source){ "s", &fake_vt, (const stele_inst *)(const void *)&w->inst, NULL, NULL };
}

static stele__dataset *dataset_of(const world *w, size_t n_matrices)
{
    stele__data_request rq = { &w->source, 1, wanted, n_matrices, NULL, 0, 0, NULL };
    stele__dataset *ds = NULL;
    assert_int_equal(stele__dataset_create(&rq, &ds, NULL), STELE_OK);
    return ds;
}

static void hiding_depends_on_names_and_seed_alone(void **state)
{
    (void)state;
    static world w;
    make_world(&w);
    stele__dataset *a = dataset_of(&w, 2), *b = dataset_of(&w, 1);
    stele__dataset_hide(a, 0, 0.3, 5, NULL);
    stele__dataset_hide(a, 1, 0.3, 5, NULL);
    stele__dataset_hide(b, 0, 0.3, 5, NULL);
    int64_t same = 0, kept = 0;
    for (int i = 0; i < n; i++) {
        assert_int_equal(a->present[2 * i], b->present[i]);
        same += a->present[2 * i] == a->present[2 * i + 1];
        kept += a->present[2 * i];
    }
    assert_int_equal(kept, a->matrix[0].n_present);
    assert_in_range(kept, 1330, 1470); /* 1400 +- 3.4 sd */
    assert_in_range(same, 1080, 1240); /* 0.58 n if independent */
    assert_int_equal(stele__dataset_load(a, NULL, NULL), STELE_OK);
    for (int64_t i = 0; i < n; i++) {
        float v = 0;
        if (a->present[2 * i + 1]) {
            stele__dataset_gather_dense(a, 1, 1, &i, &v);
            assert_float_equal(v, n - i, 0);
        } else {
            assert_int_equal(a->matrix[1].store_row[i], -1);
        }
    }
    stele__dataset_destroy(a);
    stele__dataset_destroy(b);
}

/* The value of modality m in a row. */
static float value(const stele__dataset *ds, size_t m, int64_t row)
{
    float v = 0;
    int64_t start[2];
    int32_t column;
    if (m == 1) {
        stele__dataset_gather_dense(ds, m, 1, &row, &v);
    } else {
        stele__dataset_gather_csr(ds, m, 1, &row, start, &column, &v);
    }
    return v;
}

/* Rows of the same part exchange what they have: no value is lost, none leaves its part, and nobody
 * who was drawn keeps his own. */
static void wrong_partners_stay_in_their_part(void **state)
{
    (void)state;
    static world w;
    static uint8_t part[n], where[n], seen[n + 1];
    make_world(&w);
    for (int i = 0; i < n; i++) {
        part[i] = (uint8_t)(i % 4 == 0 ? STELE__TEST : STELE__TRAIN);
        where[i] = 1;
    }
    part[1] = STELE__VALID; /* alone: it has nobody to exchange with */
    where[3] = 0;
    for (size_t m = 0; m < 2; m++) {
        stele__dataset *ds = dataset_of(&w, 2), *again = dataset_of(&w, 2);
        assert_int_equal(stele__dataset_load(ds, NULL, NULL), STELE_OK);
        assert_int_equal(stele__dataset_load(again, NULL, NULL), STELE_OK);
        assert_int_equal(stele__dataset_mismatch(ds, m, 0.2, 5, part, where), STELE_OK);
        assert_int_equal(stele__dataset_mismatch(again, m, 0.2, 5, part, where), STELE_OK);
        assert_null(ds->matrix[1 - m].partner);
        memset(seen, 0, sizeof seen);
        int n_moved = 0;
        for (int64_t i = 0; i < n; i++) {
            const float v = value(ds, m, i), own = (float)(m == 0 ? i + 1 : n - i);
            const int64_t from = m == 0 ? (int64_t)v - 1 : n - (int64_t)v;
            assert_float_equal(v, value(again, m, i), 0);
            assert_int_equal(seen[(size_t)v]++, 0);
            assert_int_equal(part[from], part[i]);
            assert_int_equal(ds->matrix[m].partner[i], from == i ? -1 : from);
            n_moved += v != own;
        }
        assert_in_range(n_moved, 340, 460); /* 400 +- 3.4 sd */
        assert_int_equal(ds->matrix[m].partner[1], -1);
        assert_int_equal(ds->matrix[m].partner[3], -1);
        stele__dataset_destroy(ds);
        stele__dataset_destroy(again);
    }
}

/* With all rows drawn everybody has a wrong partner, rows without the modality none. */
static void all_may_have_wrong_partners(void **state)
{
    (void)state;
    static world w;
    static uint8_t part[n];
    make_world(&w);
    stele__dataset *ds = dataset_of(&w, 2);
    stele__dataset_hide(ds, 0, 0.5, 5, NULL);
    assert_int_equal(stele__dataset_load(ds, NULL, NULL), STELE_OK);
    assert_int_equal(stele__dataset_mismatch(ds, 0, 1.0, 5, part, NULL), STELE_OK);
    for (int64_t i = 0; i < n; i++) {
        const int64_t partner = ds->matrix[0].partner[i];
        if (!ds->present[2 * i]) {
            assert_int_equal(partner, -1);
            assert_int_equal(ds->matrix[0].store_row[i], -1);
        } else {
            assert_true(partner >= 0 && partner != i && ds->present[2 * partner]);
            assert_float_equal(value(ds, 0, i), partner + 1, 0);
        }
    }
    stele__dataset_destroy(ds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hiding_depends_on_names_and_seed_alone),
        cmocka_unit_test(wrong_partners_stay_in_their_part),
        cmocka_unit_test(all_may_have_wrong_partners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
