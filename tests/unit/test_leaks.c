/* What generated measurements may know of the row's own: a private latent comes from the
 * measurement where that is given, and nowhere else. */
#include "test.h"

#include "eval/calibration.h"
#include "eval/coherence.h"
#include "graph/tensor.h"
#include "toy_specs.h"

#include <math.h>

enum { D = 2, AT_A = 1, AT_B = 2 };

/* The private latent of b that its decoder was given, in all calls. */
static struct {
    stele_modality_vt vt, own;
    double least, most;
    int64_t n;
} seen;

static stele_status watch(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                          stele_output *ret)
{
    assert_null(a->target);
    assert_int_equal(a->z->shape.dim[1], D + 1);
    for (int64_t r = 0; r < a->z->shape.dim[0]; r++) {
        const double w = stele__tensor_real(a->z, r * (D + 1) + D);
        seen.least = w < seen.least ? w : seen.least;
        seen.most = w > seen.most ? w : seen.most;
        seen.n++;
    }
    return seen.own.decode(self, g, a, ret);
}

static void forget(void)
{
    seen.least = HUGE_VAL;
    seen.most = -HUGE_VAL;
    seen.n = 0;
}

/* Every measurement of b says N(50, 1) of its private latent, whose prior is N(0, 1). */
static void open_watched(toy *t)
{
    open_spec(t,
              "  a: {plugin: bernoulli_peaks, from: a/dense, encoder: {hidden: [4]}, "
              "decoder: {hidden: [3], covariates: [batch]}}\n"
              "  b: {plugin: bernoulli_peaks, from: b/dense, private: {dim: 1}, " SMALL "}\n",
              POE, "", STELE_F32, 1);
    static const char *const zero[] = { "b.mean.weight", "b.logvar.weight", "b.logvar.bias" };
    for (int i = 0; i < 3; i++) {
        stele__param *p = param(t, zero[i]);
        memset(p->values, 0, (size_t)p->n * sizeof(float));
    }
    assert_int_equal(param(t, "b.mean.bias")->n, D + 1);
    ((float *)param(t, "b.mean.bias")->values)[D] = 50.0F;
    seen.own = seen.vt = *t->model.modality[1].vt;
    seen.vt.decode = watch;
    t->model.modality[1].vt = &seen.vt;
    forget();
}

static void from_the_prior(void)
{
    assert_true(seen.n > 4);
    assert_true(seen.least > -6.0 && seen.most < 6.0 && seen.least < seen.most);
}

static void from_the_measurement(void)
{
    assert_true(seen.n > 4);
    assert_true(seen.least > 44.0 && seen.most < 56.0 && seen.least < seen.most);
}

/* b generated given a, and from the prior, for rows that have b. */
static void coherence_does_not_look(void **state)
{
    toy t;
    int64_t all[TOY_ROWS];
    stele__coherence c;
    (void)state;
    open_watched(&t);
    for (int64_t r = 0; r < TOY_ROWS; r++) {
        all[r] = r;
    }
    const stele__judge j = { .model = &t.model, .data = t.data, .graph = t.graph, .seed = 3 };
    const stele__label *label = stele__dataset_label(t.data, "batch", STELE_FIELD_CATEGORY);
    const stele__coherence_request q = { .label = label,
                                         .row = all,
                                         .n = TOY_ROWS,
                                         .train = all,
                                         .n_train = TOY_ROWS,
                                         .mask = AT_A | AT_B,
                                         .n_samples = 3 };
    TOY_OK(&t, stele__coherence_compute(&j, &q, &c, &t.diag));
    assert_int_equal(c.mask, AT_A | AT_B);
    from_the_prior();
    stele__coherence_finish(&c);
    toy_close(&t);
}

/* b judged given a, given itself, and given both. */
static void calibration_looks_where_it_is_told(void **state)
{
    toy t;
    int64_t all[TOY_ROWS];
    double rows[TOY_ROWS * STELE__N_CALIBRATION_ROWS];
    (void)state;
    open_watched(&t);
    for (int64_t r = 0; r < TOY_ROWS; r++) {
        all[r] = r;
    }
    const stele__judge j = { .model = &t.model, .data = t.data, .graph = t.graph, .seed = 3 };
    for (uint64_t given = AT_A; given <= (AT_A | AT_B); given++) {
        const stele__calibration_request q = {
            .to = 1, .given = given, .row = all, .n = TOY_ROWS, .level = 0.9, .n_samples = 3
        };
        forget();
        TOY_OK(&t, stele__calibration_compute(&j, &q, rows, &t.diag));
        if (given == AT_A) {
            from_the_prior();
        } else {
            from_the_measurement();
        }
    }
    toy_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(coherence_does_not_look),
        cmocka_unit_test(calibration_looks_where_it_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
