/* Splits and batches: proportions, groups, repeatability, addressability. */
#include "test.h"

#include "base/mem.h"
#include "data/batch.h"
#include "data/split.h"

#include <stdio.h>
#include <string.h>

enum { N = 1000 };

/* A data set needs its row ids only. */
static stele__dataset rows_only(int64_t n)
{
    stele__dataset ds = { .n_rows = n };
    char id[16];
    assert_int_equal(stele__map_create(&ds.id), STELE_OK);
    for (int64_t i = 0; i < n; i++) {
        snprintf(id, sizeof id, "r%d", (int)i);
        assert_int_equal(stele__map_add(ds.id, id, NULL, NULL), STELE_OK);
    }
    return ds;
}

/* A label column; code: the category of each row, -1 is none. */
static stele__label classes(char *name, int64_t n, char **names, int32_t *code)
{
    return (stele__label){ .name = name,
                           .content = STELE_FIELD_CATEGORY,
                           .n_categories = n,
                           .category = names,
                           .code = code };
}

static stele__split *make(const stele__dataset *ds, const stele__split_spec *spec)
{
    stele__split *s = NULL;
    assert_int_equal(stele__split_create(ds, spec, &s, NULL), STELE_OK);
    return s;
}

static void fractions_are_met_and_parts_are_disjoint(void **state)
{
    (void)state;
    stele__dataset ds = rows_only(N);
    stele__split_spec spec = { .fraction = { 0.8, 0.1, 0.05 }, .seed = 3 };
    stele__split *a = make(&ds, &spec), *b = make(&ds, &spec);
    spec.seed = 4;
    stele__split *c = make(&ds, &spec);
    assert_int_equal(a->n[STELE__TRAIN], 800);
    assert_int_equal(a->n[STELE__VALID], 100);
    assert_int_equal(a->n[STELE__TEST], 50);
    assert_memory_equal(a->part, b->part, N);
    assert_memory_not_equal(a->part, c->part, N);
    int64_t first_half = 0;
    for (int p = 0; p < STELE__N_PARTS; p++) {
        for (int64_t k = 0; k < a->n[p]; k++) {
            assert_int_equal(a->part[a->row[p][k]], p);
            assert_true(k == 0 || a->row[p][k] > a->row[p][k - 1]);
            first_half += p == STELE__VALID && a->row[p][k] < N / 2;
        }
    }
    assert_in_range(first_half, 35, 65);
    for (int i = 0; i < N; i++) {
        assert_int_equal(a->train[i], a->part[i] == STELE__TRAIN);
    }
    stele__split_destroy(a);
    stele__split_destroy(b);
    stele__split_destroy(c);
    stele__map_destroy(ds.id);
}

static void every_class_is_divided_in_proportion(void **state)
{
    (void)state;
    static int32_t code[N];
    char *names[] = { "big", "mid", "rare", "pair" };
    stele__dataset ds = rows_only(N);
    stele__label label = classes("class", 4, names, code);
    /* 600, 380, 9, 2, and 9 rows without a label */
    for (int i = 0; i < N; i++) {
        code[i] = i < 600 ? 0 : i < 980 ? 1 : i < 989 ? 2 : i < 991 ? 3 : -1;
    }
    stele__split_spec spec = { .fraction = { 0.6, 0.2, 0.2 }, .stratify = &label, .seed = 1 };
    for (spec.seed = 0; spec.seed < 20; spec.seed++) {
        int64_t n[5][STELE__N_PARTS] = { { 0 } };
        stele__split *s = make(&ds, &spec);
        for (int i = 0; i < N; i++) {
            n[code[i] >= 0 ? code[i] : 4][s->part[i]]++;
        }
        assert_int_equal(n[0][0], 360);
        assert_int_equal(n[1][0], 228);
        assert_int_equal(n[1][1], 76);
        assert_in_range(n[2][0], 5, 6);
        assert_in_range(n[2][2], 1, 3);
        assert_true(n[3][0] >= 1);
        assert_in_range(s->n[0], 599, 601);
        assert_in_range(s->n[1], 199, 201);
        assert_int_equal(s->n[0] + s->n[1] + s->n[2], N);
        stele__split_destroy(s);
    }
    stele__map_destroy(ds.id);
}

static void groups_stay_together(void **state)
{
    (void)state;
    static int32_t code[N];
    char *names[50];
    stele__dataset ds = rows_only(N);
    stele__label label = classes("donor", 50, names, code);
    for (int i = 0; i < N; i++) {
        code[i] = i % 7 == 0 ? i % 10 : 10 + i % 40;
    }
    stele__split_spec spec = { .fraction = { 0.7, 0.15, 0.15 }, .group = &label, .seed = 9 };
    stele__split *s = make(&ds, &spec);
    int part[50];
    memset(part, -1, sizeof part);
    for (int i = 0; i < N; i++) {
        assert_true(part[code[i]] < 0 || part[code[i]] == s->part[i]);
        part[code[i]] = s->part[i];
    }
    assert_in_range(s->n[0], 680, 720);
    assert_in_range(s->n[1], 130, 170);
    assert_in_range(s->n[2], 130, 170);
    stele__split_destroy(s);
    /* As many groups as parts: each part gets one, whatever the fractions say. */
    for (int i = 0; i < N; i++) {
        code[i] = i % 3;
    }
    label.n_categories = 3;
    s = make(&ds, &spec);
    assert_true(s->n[0] > 300 && s->n[1] > 300 && s->n[2] > 300);
    stele__split_destroy(s);
    stele__map_destroy(ds.id);
}

/* Each part has its share of the rows without a group, and of those with one. */
static void rows_without_a_group_are_shared(void **state)
{
    (void)state;
    static int32_t code[N];
    char *names[10];
    stele__dataset ds = rows_only(N);
    stele__label label = classes("subject", 10, names, code);
    for (int i = 0; i < N; i++) {
        code[i] = i % 5 == 0 ? -1 : i % 10;
    }
    stele__split_spec spec = { .fraction = { 0.7, 0.1, 0.2 }, .group = &label, .seed = 3 };
    stele__split *s = make(&ds, &spec);
    int64_t without[3] = { 0 };
    for (int i = 0; i < N; i++) {
        without[s->part[i]] += code[i] < 0;
    }
    assert_in_range(without[0], N / 5 * 0.7 - 1, N / 5 * 0.7 + 1);
    assert_in_range(without[1], N / 5 * 0.1 - 1, N / 5 * 0.1 + 1);
    for (int p = 0; p < 3; p++) {
        assert_true(s->n[p] > without[p]);
    }
    stele__split_destroy(s);
    stele__map_destroy(ds.id);
}

static void assert_refused(const stele__dataset *ds, const stele__split_spec *spec,
                           const char *text)
{
    stele__split *s = NULL;
    stele__diag d;
    stele__diag_init(&d);
    assert_true(stele__split_create(ds, spec, &s, &d) < 0);
    assert_null(s);
    assert_int_equal(d.n_errors, 1);
    assert_string_equal(d.message[0].text, text);
    stele__diag_finish(&d);
}

static void bad_splits_are_explained(void **state)
{
    (void)state;
    int32_t code[] = { 0, 0, 1, 0, -1, 0 };
    char *names[] = { "many", "lonely" };
    stele__dataset ds = rows_only(6);
    stele__label label = classes("type", 2, names, code);
    stele__label number = { .name = "age", .content = STELE_FIELD_NUMBER };
    stele__split_spec s = { .fraction = { 0.8, 0.1, 0.1 }, .stratify = &label };
    assert_refused(&ds, &s, "class `lonely` of `type` has one row, which cannot be divided");
    s.stratify = &number;
    assert_refused(&ds, &s, "`age` holds numbers, not classes");
    s.stratify = &label;
    s.group = &label;
    assert_refused(&ds, &s, "`stratify` and `group` exclude each other");
    stele__split_spec sum = { .fraction = { 0.8, 0.2, 0.1 } };
    assert_refused(&ds, &sum, "the fractions add up to 1.1, more than 1");
    stele__split_spec none = { .fraction = { 0, 0.5, 0.5 } };
    assert_refused(&ds, &none, "the split leaves no training rows");
    stele__map_destroy(ds.id);
}

static void fixed_splits_come_from_labels_or_ids(void **state)
{
    (void)state;
    int32_t code[] = { 0, 1, 2, -1, 0, 3 };
    char *names[] = { "train", "val", "test", "none" };
    const uint8_t want[] = { 0, 1, 2, 3, 0, 3 };
    stele__dataset ds = rows_only(6);
    stele__label label = classes("part", 4, names, code);
    stele__split_spec spec = { .fraction = { 0, 0.5, 0 }, .column = &label };
    stele__split *s = make(&ds, &spec); /* valid rows are named: no others become some */
    assert_memory_equal(s->part, want, 6);
    stele__split_destroy(s);
    s = NULL;
    names[3] = "tset";
    assert_refused(&ds, &spec, "`part` has `tset`; parts are train, valid, test and none");
    const char *const train[] = { "r4", "r0" }, *const valid[] = { "r1" }, *const test[] = { "r2" };
    const char *const *const ids[] = { train, valid, test };
    const int64_t n[] = { 2, 1, 1 };
    assert_int_equal(stele__split_from_ids(&ds, ids, n, &s, NULL), STELE_OK);
    assert_memory_equal(s->part, want, 6);
    assert_int_equal(s->row[0][1], 4);
    stele__split_destroy(s);
    s = NULL;
    const char *const *const twice[] = { train, train, test };
    assert_int_equal(stele__split_from_ids(&ds, twice, n, &s, NULL), STELE_E_DATA);
    assert_null(s);
    stele__map_destroy(ds.id);
}

/* Every row is tested in one fold, and chooses the model in others. */
static void folds_partition_the_rows(void **state)
{
    (void)state;
    static int32_t code[N];
    static int n_tested[N];
    char *names[] = { "a", "b", "c", "d" };
    stele__dataset ds = rows_only(N);
    stele__label label = classes("class", 4, names, code);
    for (int i = 0; i < N; i++) {
        code[i] = i % 10 < 7 ? 0 : i % 10 < 9 ? 1 : i % 20 < 15 ? 2 : 3;
    }
    for (int64_t fold = 1; fold <= 5; fold++) {
        stele__split_spec spec = {
            .fraction = { 0, 0.1, 0 }, .n_folds = 5, .fold = fold, .stratify = &label, .seed = 2
        };
        int64_t in_class[4] = { 0 };
        stele__split *s = make(&ds, &spec);
        assert_int_equal(s->n[STELE__TEST], 200);
        assert_int_equal(s->n[STELE__VALID], 100);
        assert_int_equal(s->n[STELE__TRAIN], 700);
        for (int64_t k = 0; k < s->n[STELE__TEST]; k++) {
            n_tested[s->row[STELE__TEST][k]]++;
            in_class[code[s->row[STELE__TEST][k]]]++;
        }
        assert_int_equal(in_class[0], 140);
        assert_int_equal(in_class[1], 40);
        stele__split_destroy(s);
    }
    for (int i = 0; i < N; i++) {
        assert_int_equal(n_tested[i], 1);
    }
    stele__split_spec none = { .fraction = { 0, 0.1, 0 }, .n_folds = 5, .fold = 6 };
    assert_refused(&ds, &none, "fold 6 of 5: there are 2 to 1000 folds, counted from 1");
    stele__map_destroy(ds.id);
}

/* As many folds as groups: each leaves one out, whatever their sizes. */
static void folds_of_groups_leave_one_out(void **state)
{
    (void)state;
    static int32_t code[N];
    char *names[] = { "a", "b", "c" };
    stele__dataset ds = rows_only(N);
    stele__label label = classes("subject", 3, names, code);
    int n_tested[3] = { 0 };
    for (int i = 0; i < N; i++) {
        code[i] = i < 700 ? 0 : i < 990 ? 1 : 2;
    }
    for (int64_t fold = 1; fold <= 3; fold++) {
        stele__split_spec spec = { .n_folds = 3, .fold = fold, .group = &label };
        stele__split *s = make(&ds, &spec);
        int32_t who = code[s->row[STELE__TEST][0]];
        n_tested[who]++;
        assert_int_equal(s->n[STELE__TEST], who == 0 ? 700 : who == 1 ? 290 : 10);
        for (int64_t k = 0; k < s->n[STELE__TRAIN]; k++) {
            assert_int_not_equal(code[s->row[STELE__TRAIN][k]], who);
        }
        stele__split_destroy(s);
    }
    assert_true(n_tested[0] == 1 && n_tested[1] == 1 && n_tested[2] == 1);
    stele__split_spec many = { .n_folds = 4, .fold = 1, .group = &label };
    assert_refused(&ds, &many, "`subject` has 3 groups, too few for 4 parts");
    stele__map_destroy(ds.id);
}

static void assert_parts(const stele__dataset *ds, const stele__split_spec *spec, const char *want)
{
    char is[64];
    stele__split *s = make(ds, spec);
    for (int64_t i = 0; i < ds->n_rows; i++) {
        is[i] = "rv!."[s->part[i]]; /* r: trains, v: chooses, !: judges, .: unused */
    }
    is[ds->n_rows] = '\0';
    assert_string_equal(is, want);
    stele__split_destroy(s);
}

static void stretches_follow_the_row_order(void **state)
{
    (void)state;
    int32_t code[20];
    char *names[] = { "a", "b", "c", "d", "e" };
    stele__dataset ds = rows_only(20);
    stele__label run = { .name = "run",
                         .content = STELE_FIELD_CATEGORY,
                         .n_categories = 5,
                         .category = names,
                         .code = code };
    stele__split_spec spec = { .fraction = { 0.6, 0.1, 0.3 }, .contiguous = 1 };
    assert_parts(&ds, &spec, "rrrrrrrrrrrrvv!!!!!!");
    spec.gap = 1;
    assert_parts(&ds, &spec, "rrrrrrrrrrr.v.!!!!!!");
    stele__split_spec fold = { .fraction = { 0, 0.2, 0 }, .n_folds = 4, .fold = 2 };
    fold.contiguous = 1;
    assert_parts(&ds, &fold, "rrrrr!!!!!rrrrrrvvvv");
    fold.gap = 2;
    assert_parts(&ds, &fold, "rrr..!!!!!..rr..vvvv");
    /* Runs of 7, 3, 4, 2 and 4 rows stay whole. */
    for (int i = 0; i < 20; i++) {
        code[i] = i < 7 ? 0 : i < 10 ? 1 : i < 14 ? 2 : i < 16 ? 3 : 4;
    }
    spec = (stele__split_spec){ .fraction = { 0.5, 0.2, 0.3 }, .contiguous = 1, .group = &run };
    assert_parts(&ds, &spec, "rrrrrrrrrrvvvv!!!!!!");
    fold = (stele__split_spec){ .n_folds = 2, .fold = 2, .contiguous = 1, .group = &run };
    assert_parts(&ds, &fold, "rrrrrrrrrr!!!!!!!!!!");
    stele__map_destroy(ds.id);
}

/* A column that knows training and test only leaves the choice of validation rows to the fraction.
 */
static void columns_name_parts(void **state)
{
    (void)state;
    int32_t code[20];
    char *names[] = { "train", "test" };
    stele__dataset ds = rows_only(20);
    stele__label part = { .name = "part",
                          .content = STELE_FIELD_CATEGORY,
                          .n_categories = 2,
                          .category = names,
                          .code = code };
    for (int i = 0; i < 20; i++) {
        code[i] = i < 15 ? 0 : 1;
    }
    stele__split_spec spec = { .fraction = { 0, 0.2, 0 }, .column = &part, .contiguous = 1 };
    assert_parts(&ds, &spec, "rrrrrrrrrrrrvvv!!!!!");
    spec.contiguous = 0;
    stele__split *s = make(&ds, &spec);
    assert_int_equal(s->n[STELE__VALID], 3);
    assert_int_equal(s->n[STELE__TEST], 5);
    stele__split_destroy(s);
    spec.fraction[STELE__VALID] = 0;
    assert_parts(&ds, &spec, "rrrrrrrrrrrrrrr!!!!!");
    stele__map_destroy(ds.id);
}

static void batches_cover_every_epoch_once(void **state)
{
    (void)state;
    static const struct {
        int64_t n, size, n_batches, last_two[2];
    } cases[] = { { 100, 10, 10, { 10, 10 } }, { 107, 10, 11, { 10, 7 } },
                  { 105, 10, 11, { 10, 5 } },  { 101, 10, 11, { 6, 5 } },
                  { 11, 10, 2, { 6, 5 } },     { 10, 10, 1, { 10, 10 } },
                  { 7, 1, 7, { 1, 1 } } };
    int64_t row[107];
    for (int64_t i = 0; i < 107; i++) {
        row[i] = 3 * i + 1;
    }
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        stele__batches b;
        int seen[107] = { 0 };
        int64_t total = 0, n = 0, before = 0;
        const int64_t *at = NULL;
        assert_int_equal(stele__batches_init(&b, row, cases[c].n, cases[c].size, 5, NULL, NULL),
                         STELE_OK);
        assert_int_equal(b.n_batches, cases[c].n_batches);
        for (int64_t k = 0; k < b.n_batches; k++, total += n) {
            before = k > 0 ? n : cases[c].last_two[0];
            n = stele__batches_get(&b, 2, k, &at);
            assert_true(n <= cases[c].size && 2 * n >= cases[c].size);
            for (int64_t i = 0; i < n; i++) {
                seen[(at[i] - 1) / 3]++;
            }
        }
        assert_int_equal(total, cases[c].n);
        assert_int_equal(before, cases[c].last_two[0]);
        assert_int_equal(n, cases[c].last_two[1]);
        for (int64_t i = 0; i < cases[c].n; i++) {
            assert_int_equal(seen[i], 1);
        }
        stele__batches_finish(&b);
    }
}

static void any_batch_is_reachable_directly(void **state)
{
    (void)state;
    int64_t row[N], kept[64];
    const int64_t *at = NULL;
    stele__batches a, b;
    stele__diag d;
    for (int64_t i = 0; i < N; i++) {
        row[i] = i;
    }
    assert_int_equal(stele__batches_init(&a, row, N, 64, 7, NULL, NULL), STELE_OK);
    assert_int_equal(stele__batches_init(&b, row, N, 64, 7, NULL, NULL), STELE_OK);
    uint64_t allocated = stele__mem_count();
    for (int64_t e = 0; e < 3; e++) {
        for (int64_t k = 0; k < a.n_batches; k++) {
            assert_true(stele__batches_get(&a, e, k, &at) > 0);
            memcpy(kept, at, sizeof kept[0] * (e == 2 && k == 9 ? 64 : 0));
        }
    }
    assert_int_equal(stele__batches_get(&b, 2, 9, &at), 64);
    assert_memory_equal(at, kept, sizeof kept);
    stele__batches_get(&b, 3, 9, &at);
    assert_memory_not_equal(at, kept, sizeof kept);
    assert_int_equal(stele__mem_count(), allocated);
    stele__batches_finish(&a);
    stele__batches_finish(&b);
    stele__diag_init(&d);
    assert_int_equal(stele__batches_init(&a, row, 20, 64, 7, NULL, &d), STELE_E_DATA);
    assert_string_equal(d.message[0].text, "a batch of 64 rows is more than the 20 training rows");
    stele__batches_finish(&a);
    stele__diag_finish(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fractions_are_met_and_parts_are_disjoint),
        cmocka_unit_test(every_class_is_divided_in_proportion),
        cmocka_unit_test(groups_stay_together),
        cmocka_unit_test(rows_without_a_group_are_shared),
        cmocka_unit_test(bad_splits_are_explained),
        cmocka_unit_test(fixed_splits_come_from_labels_or_ids),
        cmocka_unit_test(folds_partition_the_rows),
        cmocka_unit_test(folds_of_groups_leave_one_out),
        cmocka_unit_test(stretches_follow_the_row_order),
        cmocka_unit_test(columns_name_parts),
        cmocka_unit_test(batches_cover_every_epoch_once),
        cmocka_unit_test(any_batch_is_reachable_directly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
