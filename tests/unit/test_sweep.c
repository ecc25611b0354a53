/* Points of a sweep, and what is said about their figures. */
#include "test.h"

#include "base/mem.h"
#include "eval/evaluation.h"
#include "spec/spec.h"
#include "sweep/figures.h"
#include "sweep/foreseen.h"
#include "sweep/points.h"
#include "sweep/stats.h"
#include "sweep/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HEAD                                                                                       \
    "stele: 1\n"                                                                                   \
    "data: {source: s, missing: {a: 0.5, b: 0.25}}\n"                                              \
    "modalities: {a: {plugin: p}, b: {plugin: p}, c: {plugin: p}}\n"                               \
    "fusion: one\n"

/* --- points -------------------------------------------------------------------------------------
 */

typedef struct made {
    stele__spec *spec;
    stele__points points;
    stele__diag diag;
} made;

static void make(made *m, const char *sweep)
{
    stele__spec_doc *doc = NULL;
    char text[4096];
    snprintf(text, sizeof text, "%ssweep:\n%s", HEAD, sweep);
    stele__diag_init(&m->diag);
    assert_int_equal(stele__spec_doc_parse(text, strlen(text), "spec.yaml", NULL, &doc, &m->diag),
                     STELE_OK);
    assert_int_equal(stele__spec_create(doc, &m->spec, &m->diag), STELE_OK);
    assert_int_equal(m->diag.n_errors, 0);
    assert_int_equal(stele__points_create(m->spec, &m->points, &m->diag), STELE_OK);
}

static void finish(made *m)
{
    stele__points_finish(&m->points);
    stele__spec_destroy(m->spec);
    stele__diag_finish(&m->diag);
}

static void check_value(const made *m, size_t point, size_t axis, const char *expected)
{
    assert_string_equal(m->points.point[point].value[axis], expected);
}

/* Every combination once, the last axis fastest; seeds are repetitions. */
static void test_grid(void **state)
{
    made m;
    (void)state;
    make(&m, "  grid:\n"
             "    fusion: [one, {plugin: two, k: [1, 2]}]\n"
             "    seed: [4, 5, 6]\n");
    assert_int_equal(m.points.n, 6);
    assert_int_equal(m.points.n_settings, 2);
    assert_int_equal(m.points.n_replicates, 3);
    static const char *const fusion[] = { "one", "{plugin: two, k: [1, 2]}" };
    static const char *const seed[] = { "4", "5", "6" };
    for (size_t i = 0; i < 6; i++) {
        check_value(&m, i, 0, fusion[i / 3]);
        check_value(&m, i, 1, seed[i % 3]);
        assert_int_equal(m.points.point[i].setting, i / 3);
        assert_int_equal(m.points.point[i].replicate, i % 3);
    }
    finish(&m);
}

/* `over` says what is a repetition. */
static void test_over(void **state)
{
    made m;
    (void)state;
    make(&m, "  grid: {latent.dim: [2, 3], seed: [4, 5]}\n"
             "  over: [latent.dim]\n");
    assert_int_equal(m.points.n_settings, 2);
    assert_int_equal(m.points.point[0].setting, 0);
    assert_int_equal(m.points.point[1].setting, 1);
    assert_int_equal(m.points.point[2].setting, 0);
    assert_int_equal(m.points.point[2].replicate, 1);
    finish(&m);
}

/* Draws stay within their range, whole where the key is, and do not depend on other keys. */
static void test_random(void **state)
{
    made m, other;
    int seen[5] = { 0 };
    (void)state;
    make(&m, "  grid: {seed: [1, 2]}\n"
             "  random:\n"
             "    latent.dim: {from: 2, to: 6}\n"
             "    train.optimiser.lr: {from: 1.0e-4, to: 1.0e-2, log: true}\n"
             "    fusion: [x, y]\n"
             "  draws: 200\n");
    make(&other, "  random: {train.optimiser.lr: {from: 1.0e-4, to: 1.0e-2, log: true}}\n"
                 "  draws: 3\n");
    size_t low = 0, x = 0;
    assert_int_equal(m.points.n, 400);
    assert_int_equal(m.points.n_settings, 200);
    for (size_t i = 0; i < 400; i += 2) {
        double lr = strtod(m.points.point[i].value[2], NULL);
        char *end;
        long dim = strtol(m.points.point[i].value[1], &end, 10);
        assert_true(*end == '\0' && dim >= 2 && dim <= 6);
        assert_true(lr >= 1e-4 && lr <= 1e-2);
        seen[dim - 2]++;
        low += lr < 1e-3;
        x += strcmp(m.points.point[i].value[3], "x") == 0;
        /* The second seed has the same draws. */
        check_value(&m, i + 1, 1, m.points.point[i].value[1]);
        check_value(&m, i + 1, 2, m.points.point[i].value[2]);
    }
    for (int i = 0; i < 5; i++) {
        assert_true(seen[i] > 15 && seen[i] < 70); /* 40 expected */
    }
    assert_true(low > 70 && low < 130); /* half of the logarithm's range */
    assert_true(x > 70 && x < 130);
    for (size_t i = 0; i < 3; i++) {
        check_value(&other, i, 0, m.points.point[2 * i].value[2]);
    }
    finish(&other);
    finish(&m);
}

/* Five draws of two values are at most two points. */
static void test_twins(void **state)
{
    made m;
    (void)state;
    make(&m, "  random: {latent.dim: {from: 2, to: 3}}\n"
             "  draws: 40\n");
    assert_int_equal(m.points.n, 2);
    assert_int_equal(m.points.n_settings, 2);
    finish(&m);
}

static const char *text_at(const stele__spec_doc *doc, const char *a, const char *b)
{
    const stele__node *node = stele__node_find(stele__spec_doc_root(doc), a);
    node = b != NULL ? stele__node_find(node, b) : node;
    return node != NULL ? node->text : NULL;
}

/* What a point changes in the spec, and where messages about it point to. */
static void test_apply(void **state)
{
    made m;
    stele__spec_doc *doc = NULL;
    static const char sweep[] = "  grid:\n"
                                "    latent.dim: [2, 3]\n"
                                "    fusion.plugin: [x, y]\n"
                                "  drop: [none, a+b]\n"
                                "  random: {train.optimiser.lr: {from: 0.5, to: 0.6}}\n"
                                "  draws: 1\n";
    char text[4096];
    (void)state;
    make(&m, sweep);
    assert_int_equal(m.points.n, 8);
    snprintf(text, sizeof text, "%ssweep:\n%s", HEAD, sweep);
    assert_int_equal(stele__spec_doc_parse(text, strlen(text), "spec.yaml", NULL, &doc, &m.diag),
                     STELE_OK);
    check_value(&m, 7, 2, "a+b");
    assert_int_equal(stele__point_apply(&m.points, 7, doc, &m.diag), STELE_OK);
    assert_string_equal(text_at(doc, "latent", "dim"), "3");
    assert_string_equal(text_at(doc, "fusion", "plugin"), "y");
    assert_null(text_at(doc, "modalities", "a"));
    assert_null(text_at(doc, "modalities", "b"));
    assert_non_null(text_at(doc, "modalities", "c"));
    const stele__node *root = stele__spec_doc_root(doc);
    const stele__node *missing = stele__node_find(stele__node_find(root, "data"), "missing");
    assert_int_equal(missing->n, 0);
    const stele__node *dim = stele__node_find(stele__node_find(root, "latent"), "dim");
    assert_int_equal(dim->line, 7); /* of the value in the list */
    assert_int_equal(dim->column, 21);
    assert_int_equal(dim->key_line, 7);
    assert_int_equal(dim->key_column, 5);
    const stele__node *lr =
        stele__node_find(stele__node_find(stele__node_find(root, "train"), "optimiser"), "lr");
    assert_string_equal(lr->text, m.points.point[7].value[3]);
    assert_int_equal(lr->line, 10);
    stele__spec_doc_destroy(doc);
    finish(&m);
}

/* --- statistics
 * ----------------------------------------------------------------------------------- */

static void check_near(double value, double expected)
{
    if (!(fabs(value - expected) < 1e-6)) {
        print_error("%.9g, expected %.9g\n", value, expected);
        fail();
    }
}

static void test_student(void **state)
{
    (void)state;
    check_near(stele__student_two_sided(1.0, 1), 0.5);
    check_near(stele__student_two_sided(-sqrt(2.0), 2), 1.0 - sqrt(0.5));
    check_near(stele__student_two_sided(sqrt(3.0), 3), 0.5 - 1.0 / acos(-1.0));
    check_near(stele__student_two_sided(2.0 * tan(1.0), 4),
               1.0 - sin(1.0) * (1.0 + 0.5 * cos(1.0) * cos(1.0)));
    check_near(stele__student_two_sided(2.228138852, 10), 0.05); /* of any printed table */
    check_near(stele__student_two_sided(2.059538553, 25), 0.05);
    check_near(stele__student_two_sided(0.0, 7), 1.0);
}

static void test_paired(void **state)
{
    static const double steady[] = { 1, 2, 3, 4, 5 }, mixed[] = { 1, -1, 2 }, same[] = { 2, 2, 2 };
    (void)state;
    stele__paired p = stele__paired_test(steady, 5, 0.25);
    check_near(p.mean, 3.0);
    /* t = 3 / sqrt(2.5 / 5) = 3 sqrt 2; corrected 3 / sqrt(2.5 * 0.45) = 2 sqrt 2 */
    check_near(p.t, 1.0 - sqrt(9.0 / 11.0) * (1.0 + 1.0 / 11.0));
    check_near(p.corrected, 1.0 - sqrt(2.0 / 3.0) * (1.0 + 1.0 / 6.0));
    check_near(p.flip, 2.0 / 32.0);
    p = stele__paired_test(mixed, 3, 0.0);
    check_near(p.flip, 6.0 / 8.0);
    check_near(p.t, p.corrected);
    p = stele__paired_test(same, 3, 0.1);
    check_near(p.mean, 2.0);
    check_near(p.flip, 0.25);
    assert_true(isnan(p.t) && isnan(p.corrected));
    p = stele__paired_test(steady, 1, 0.1);
    assert_true(isnan(p.t) && isnan(p.flip));
    check_near(p.mean, 1.0);
}

/* Beyond 20 pairs signs are drawn: p of 30 symmetric differences is near 1, of 30 ones near 0. */
static void test_flip_sampled(void **state)
{
    double x[40], ones[40];
    (void)state;
    for (int i = 0; i < 40; i++) {
        x[i] = i % 2 == 0 ? 1.0 : -1.0;
        ones[i] = 1.0;
    }
    assert_true(stele__paired_test(x, 40, 0.0).flip > 0.99);
    assert_true(stele__paired_test(ones, 40, 0.0).flip < 1e-4);
    x[1] = x[3] = x[5] = x[7] = x[9] = 1.0; /* 25 up, 15 down: a sum of 10 is 1.58 sd */
    double p = stele__paired_test(x, 40, 0.0).flip;
    assert_true(p > 0.15 && p < 0.165); /* P(|25 - 20| or more of 40 fair coins) = .1539 */
}

/* --- figures and table
 * ----------------------------------------------------------------------------- */

static void test_figures(void **state)
{
    json_t *report = json_loads("{\"rows\": 3, \"split\": \"test\", \"posteriors\": ["
                                "{\"name\": \"joint\", \"elbo\": -1.5, "
                                "\"intervals\": {\"elbo\": [-2, -1]}, \"labels\": "
                                "[{\"labels\": \"class\", \"knn\": 0.5, \"ari\": null}]}],"
                                "\"cross\": [{\"from\": \"a\", \"to\": \"b\", "
                                "\"model\": {\"r\": 1}}, [2]]}",
                                0, NULL);
    (void)state;
    assert_non_null(report);
    json_t *flat = stele__figures_flatten(report);
    assert_non_null(flat);
    assert_int_equal(json_object_size(flat), 5);
    check_near(json_number_value(json_object_get(flat, "rows")), 3.0);
    check_near(json_number_value(json_object_get(flat, "posteriors.joint.elbo")), -1.5);
    check_near(json_number_value(json_object_get(flat, "posteriors.joint.labels.class.knn")), 0.5);
    check_near(json_number_value(json_object_get(flat, "cross.a-b.model.r")), 1.0);
    check_near(json_number_value(json_object_get(flat, "cross.1.0")), 2.0);
    json_decref(flat);
    json_decref(report);
}

static void test_figures_of_one_modality(void **state)
{
    json_t *report = json_loads("{\"posteriors\": [{\"name\": \"b\", \"elbo\": -2.5, "
                                "\"heads\": {\"h\": {\"auroc\": 0.75}}}]}",
                                0, NULL);
    (void)state;
    json_t *flat = stele__figures_flatten(report);
    assert_int_equal(json_object_size(flat), 4);
    check_near(json_number_value(json_object_get(flat, "posteriors.b.elbo")), -2.5);
    check_near(json_number_value(json_object_get(flat, "posteriors.joint.elbo")), -2.5);
    check_near(json_number_value(json_object_get(flat, "posteriors.joint.heads.h.auroc")), 0.75);
    json_decref(flat);
    json_decref(report);
}

/* Two figures of three settings with three seeds, of one of which two runs failed: it has a high
 * mean, but cannot be the best. */
static void test_table(void **state)
{
    made m;
    stele__result result[9] = { { 0 } };
    static const double up[] = { 9, 0, 0, 1, 2, 3, 3, 5, 4 },
                        down[] = { 9, 0, 0, 1, 1, 1, 0, 2, 1 };
    stele__sweep_table t;
    (void)state;
    make(&m, "  grid: {fusion: [one, two, three], seed: [1, 2, 3]}\n"
             "  metrics: {higher: [u], lower: [d, nobody]}\n");
    for (int i = 0; i < 9; i++) {
        int failed = i == 1 || i == 2;
        result[i] = (stele__result){ .run = "r", .ratio = 0.5, .reason = failed ? "gone" : NULL };
        result[i].figures = failed ? NULL : json_pack("{s:f}", "u", up[i]);
        if (i < 7) { /* the third setting has the second figure in one run alone */
            json_object_set_new(result[i].figures, "d", json_real(down[i]));
        }
    }
    assert_int_equal(stele__sweep_table_init(&t, &m.points, result), STELE_OK);
    assert_int_equal(t.n_metrics, 3);
    assert_int_equal(t.metric[0].best, 2);
    assert_int_equal(t.metric[0].cell[0].n, 1);
    assert_int_equal(t.metric[0].cell[0].pairs, 1);
    check_near(t.metric[0].cell[0].test.mean, 6.0);
    check_near(t.metric[0].cell[1].mean, 2.0);
    check_near(t.metric[0].cell[1].sd, 1.0);
    assert_int_equal(t.metric[0].cell[1].pairs, 3);
    check_near(t.metric[0].cell[1].test.mean, -2.0); /* 1 - 3, 2 - 5, 3 - 4 */
    assert_int_equal(t.metric[1].best, 1);
    check_near(t.metric[1].cell[2].test.mean, -1.0);
    assert_int_equal(t.metric[2].best, 3); /* none */
    assert_int_equal(t.metric[2].cell[0].n, 0);
    stele__str text;
    stele__str_init(&text);
    stele__sweep_markdown(&t, &text);
    assert_non_null(strstr(text.data, "7 of 9 runs, judged on test rows.\n"));
    assert_non_null(strstr(text.data, "| **three** | 3 | 4 | 1 | best | | | | |\n"));
    /* t = 2 sqrt 3 with two degrees of freedom: 1 - sqrt(6 / 7) */
    assert_non_null(strstr(text.data, "| two | 3 | 2 | 1 | -2 | 3 | 0.0742 | "));
    assert_non_null(strstr(text.data, "| one | 1 | 9 | - | +6 | 1 | - | - | - |\n"));
    assert_non_null(strstr(text.data, "| one | 0 | - | - | - | 0 | - | - | - |\n"));
    assert_non_null(strstr(text.data, "- fusion = one, seed = 3: gone\n"));
    stele__str_finish(&text);
    stele__sweep_table_finish(&t);
    for (int i = 0; i < 9; i++) {
        json_decref(result[i].figures);
    }
    finish(&m);
}

/* The same figures are judged from above and from below: the best of one is the worst of the other,
 * wherever it stands; of equal ones the first is best. */
static void test_senses(void **state)
{
    static const double mean[3][4] = { { 2, 3, 1, 1.5 }, { -3, -1, -2, -1 }, { 1, 0, 0, 1 } };
    static const size_t highest[3] = { 1, 1, 0 }, lowest[3] = { 2, 0, 1 };
    (void)state;
    for (int i = 0; i < 3; i++) {
        made m;
        stele__result result[8] = { { 0 } };
        stele__sweep_table t;
        make(&m, "  grid: {latent.dim: [2, 3, 4, 5], seed: [1, 2]}\n"
                 "  metrics: {higher: [u], lower: [u]}\n");
        for (int k = 0; k < 8; k++) {
            result[k] = (stele__result){ .run = "r", .ratio = 0.5 };
            result[k].figures = json_pack("{s:f}", "u", mean[i][k / 2] + (k % 2 ? 0.75 : -0.75));
        }
        assert_int_equal(stele__sweep_table_init(&t, &m.points, result), STELE_OK);
        assert_int_equal(t.n_metrics, 2);
        assert_true(t.metric[0].higher && !t.metric[1].higher);
        assert_int_equal(t.metric[0].best, highest[i]);
        assert_int_equal(t.metric[1].best, lowest[i]);
        for (size_t s = 0; s < 4; s++) { /* what the others lie above the best */
            const double above = mean[i][s] - mean[i][lowest[i]];
            check_near(t.metric[1].cell[s].mean, mean[i][s]);
            assert_int_equal(t.metric[1].cell[s].pairs, s == lowest[i] ? 0 : 2);
            check_near(s == lowest[i] ? 0.0 : t.metric[1].cell[s].test.mean, above);
        }
        stele__sweep_table_finish(&t);
        for (int k = 0; k < 8; k++) {
            json_decref(result[k].figures);
        }
        finish(&m);
    }
}

/* --- figures that there can be ------------------------------------------------------------------
 */

static void add_foreseen(stele__foreseen *foreseen, const char *rest)
{
    stele__spec_doc *doc = NULL;
    stele__spec *spec = NULL;
    stele__diag diag;
    char text[4096];
    snprintf(text, sizeof text, "%s%s", HEAD, rest);
    stele__diag_init(&diag);
    assert_int_equal(stele__spec_doc_parse(text, strlen(text), "spec.yaml", NULL, &doc, &diag),
                     STELE_OK);
    assert_int_equal(stele__spec_create(doc, &spec, &diag), STELE_OK);
    assert_int_equal(stele__evaluations_apply(spec, &diag), STELE_OK);
    assert_int_equal(diag.n_errors, 0);
    assert_int_equal(stele__foreseen_add(foreseen, spec), STELE_OK);
    stele__spec_destroy(spec);
    stele__diag_finish(&diag);
}

static void check_foreseen(const stele__foreseen *foreseen, const char *figure, const char *why,
                           const char *hint)
{
    stele__str text[2];
    stele__str_init(&text[0]);
    stele__str_init(&text[1]);
    assert_int_equal(stele__foreseen_has(foreseen, figure, &text[0], &text[1]), why == NULL);
    if (why != NULL) {
        assert_string_equal(text[0].data, why);
        assert_string_equal(text[1].data, hint);
    }
    stele__str_finish(&text[0]);
    stele__str_finish(&text[1]);
}

/* What the evaluations of a spec give is known, what they cannot give is refused with a word that
 * they can. */
static void test_foreseen(void **state)
{
    static const char *const good[] = {
        "posteriors.joint.elbo",
        "posteriors.a.log_likelihood.c",
        "posteriors.joint.labels.cell.type.knn",
        "posteriors.b.labels.cell.type.nmi",
        "posteriors.joint.labels.donor-age.clisi",
        "posteriors.joint.heads.outcome.auroc",
        "alignment.a-c.foscttm",
        "calibration.joint-a.coverage",
        "calibration.b+c-a.coverage",
        "coherence.given_1",
    };
    stele__foreseen foreseen = { 0 };
    (void)state;
    add_foreseen(&foreseen, "heads: {outcome: {plugin: h, target: t}}\n"
                            "evaluate: [likelihood, {clustering: {labels: cell.type}}, alignment,\n"
                            "  {integration: {batch: donor, labels: age}}, calibration,\n"
                            "  {coherence: {labels: age}}]\n");
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        check_foreseen(&foreseen, good[i], NULL, NULL);
    }
    check_foreseen(&foreseen, "posterior.joint.elbo", "is no figure of `stele eval`",
                   "did you mean `posteriors`?");
    check_foreseen(&foreseen, "posteriors.nope.x", "there is no `nope.x` in `posteriors`",
                   "there are joint, a, b, c");
    check_foreseen(&foreseen, "posteriors.joint.elbow", "there is no `elbow` in `posteriors.joint`",
                   "did you mean `posteriors.joint.elbo`?");
    check_foreseen(&foreseen, "posteriors.joint.heads.outcom.auroc",
                   "there is no `outcom.auroc` in `posteriors.joint.heads`",
                   "did you mean `posteriors.joint.heads.outcome`?");
    check_foreseen(&foreseen, "posteriors.joint.heads.outcome", "is no single figure",
                   "write the whole path, such as posteriors.joint.heads.outcome.*");
    check_foreseen(&foreseen, "posteriors.a+b.elbo",
                   "is a figure of `likelihood: {subsets: all}`, which the spec does not evaluate",
                   "add likelihood: {subsets: all} to `evaluate`");
    check_foreseen(&foreseen, "cross.a-b.model.auroc",
                   "is a figure of `cross`, which the spec does not evaluate",
                   "add cross to `evaluate`");
    check_foreseen(&foreseen, "alignment.a-a.foscttm", "there is no `a-a.foscttm` in `alignment`",
                   "did you mean `alignment.a-b`?");
    /* What one point of a sweep has is enough. */
    add_foreseen(&foreseen, "evaluate: [cross, {likelihood: {subsets: all}}]\n");
    check_foreseen(&foreseen, "cross.a-b.model.auroc", NULL, NULL);
    check_foreseen(&foreseen, "posteriors.a+b.elbo", NULL, NULL);
    check_foreseen(&foreseen, "posteriors.a+d.elbo", "there is no `a+d.elbo` in `posteriors`",
                   "did you mean `posteriors.a+b`?");
    stele__foreseen_finish(&foreseen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grid),     cmocka_unit_test(test_over),
        cmocka_unit_test(test_random),   cmocka_unit_test(test_twins),
        cmocka_unit_test(test_apply),    cmocka_unit_test(test_student),
        cmocka_unit_test(test_paired),   cmocka_unit_test(test_flip_sampled),
        cmocka_unit_test(test_figures),  cmocka_unit_test(test_figures_of_one_modality),
        cmocka_unit_test(test_table),    cmocka_unit_test(test_senses),
        cmocka_unit_test(test_foreseen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
