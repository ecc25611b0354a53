/* What is known of a class without z: by how often each class occurs, and by the covariates of the
 * head that is to hide it. */
#include "test.h"

#include "eval/fresh.h"
#include "toy_specs.h"

#include <math.h>

/* Of the nine rows that have a and a batch, r0 and r3 are x; r1, r4, r9 and r11 y; r2, r6 and r7 z.
 * Sites: of r0, r1 and r3 the first, of r2, r4, r6 and r7 the second, of r9 and r11 unknown. r5, r8
 * and r10 do not count: their sites would name other classes. */
static const double site[TOY_ROWS] = { 0, 0, 1, 0, 1, 1, 1, 1, 1, -1, -1, -1 };
static const double half[TOY_ROWS] = { 0, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0 };
static const char *const names[] = { "one", "two" };

static void check(const char *covariates, double want)
{
    const fake_field fields[] = {
        toy_fields[0],
        toy_fields[1],
        toy_fields[5],
        toy_fields[6],
        toy_fields[7],
        { "site", STELE_FIELD_CATEGORY, STELE_DENSE, 0, 0, site, NULL, names, 2 },
        { "half", STELE_FIELD_CATEGORY, STELE_DENSE, 0, 0, half, NULL, names, 2 },
    };
    const fake_source source = { toy_axes, 4, fields, 7 };
    const float mean[2 * TOY_ROWS] = { 0.0F };
    int64_t all[TOY_ROWS];
    char text[1024];
    toy t;
    stele__fresh fresh;
    snprintf(text, sizeof text,
             HEAD A B POE TRAIN
             "heads: {k: {plugin: adversary, target: batch, covariates: [%s]}}\n",
             covariates);
    toy_open(&t, text, &source, toy_others, 1, STELE_F32, 1);
    assert_true(stele__fresh_wanted(&t.model.head[0]));
    for (int64_t r = 0; r < TOY_ROWS; r++) {
        all[r] = r;
    }
    const stele__judge j = { .model = &t.model, .data = t.data, .graph = t.graph, .seed = 3 };
    const stele__head_request q = { .row = all, .mean = mean, .n = TOY_ROWS, .mask = 1 };
    TOY_OK(&t, stele__fresh_score(&j, &q, &fresh, NULL));
    assert_int_equal(fresh.n, 9);
    assert_float_equal(fresh.chance, 4.0 / 9.0, 1e-12);
    if (isnan(want)) {
        assert_true(isnan(fresh.covariates));
    } else {
        assert_float_equal(fresh.covariates, want, 1e-12);
    }
    toy_close(&t);
}

static void covariates_name_a_share(void **state)
{
    (void)state;
    check("", NAN);
    check("age", NAN);
    check("site", (2.0 + 3.0 + 2.0) / 9.0);
    check("half", (3.0 + 3.0) / 9.0);
    check("site, half", 1.0);
    check("age, site", (2.0 + 3.0 + 2.0) / 9.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(covariates_name_a_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
