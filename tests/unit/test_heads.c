/* Heads in a whole model of twelve small rows: derivatives, what reaches the encoders, steps of
 * their own, rows without a target. */
#include "test.h"

#include "graph/params.h"
#include "model/head.h"
#include "toy_data.h"
#include "toy_model.h"
#include "train/loop.h"

#include <math.h>
#include <stdlib.h>

enum { MOST = 2048 };

static const char spec[] =
    "stele: 1\nseed: 5\ndata: {source: simulate}\nlatent: {dim: 2}\nmodalities:\n"
    "  a: {plugin: nb_counts, encoder: {hidden: [4], activation: tanh}, "
    "decoder: {hidden: [3], activation: silu}}\n"
    "  b: {plugin: bernoulli_peaks, encoder: {hidden: [4], activation: tanh}, "
    "decoder: {hidden: [3], activation: silu}}\n"
    "objective: {subsets: all+single, reconstruct: present}\n"
    "train: {epochs: 1, batch_size: 12, optimiser: {lr: 0.01}}\nfusion: %s\nheads:\n%s";

static void open_spec(toy *t, const char *fusion, const char *heads, uint32_t dtype,
                      unsigned threads)
{
    char text[2048];
    snprintf(text, sizeof text, spec, fusion, heads);
    toy_open(t, text, &toy_source, toy_others, 1, dtype, threads);
    toy_stir(t, 0.3);
}

static stele__param *param(toy *t, const char *name)
{
    int64_t at = stele__params_find(t->model.params, name);
    assert_true(at >= 0);
    return stele__params_entry(t->model.params, (uint32_t)at);
}

static stele_tensor *loss_of(toy *t, stele__loss_terms *ret)
{
    stele__objective o = stele__objective_of(t->spec->objective);
    toy_begin(t, 0, NULL, 0, 0);
    return stele__objective_loss(&t->model, t->graph, t->batch, &o, 0.8, 5, 0, ret);
}

/* Derivatives of the whole loss, in the order of the parameters; their number. */
static size_t derivatives(toy *t, double *ret, stele__loss_terms *terms)
{
    size_t n = 0;
    stele_tensor *loss = loss_of(t, terms);
    if (loss == NULL) {
        fail_msg("%s", stele__graph_error(t->graph));
    }
    TOY_OK(t, stele__graph_backward(t->graph, loss));
    stele__params_end_gradient(t->model.params);
    (void)stele__params_values(t->model.params, &n);
    assert_true(n <= MOST);
    for (size_t i = 0; i < n; i++) {
        ret[i] = toy_real(stele__params_dtype(t->model.params),
                          stele__params_gradient(t->model.params), (int64_t)i);
    }
    return n;
}

static double numeric(toy *t, double *x)
{
    static const double offset[4] = { -2.0, -1.0, 1.0, 2.0 }, factor[4] = { 1.0, -8.0, 8.0, -1.0 };
    const double kept = *x, h = 1e-3;
    double sum = 0.0;
    for (int k = 0; k < 4; k++) {
        stele__loss_terms terms;
        *x = kept + offset[k] * h;
        assert_non_null(loss_of(t, &terms));
        sum += factor[k] * terms.loss;
    }
    *x = kept;
    return sum / (12.0 * h);
}

#define CLASSIFIER                                                                                 \
    "  kind: {plugin: classifier, target: batch, weight: 3, hidden: [5], activation: tanh, "       \
    "class_weights: balanced, label_smoothing: 0.1, covariates: [age]}\n"
#define OF_SUBSETS                                                                                 \
    "  both: {plugin: classifier, target: batch, weight: 2, posteriors: subsets, latent: mean}\n"
#define NUMBER "  years: {plugin: freely, target: age, weight: 0.002, uncertainty: learned}\n"

static void derivatives_of_the_whole_loss(void **state)
{
    (void)state;
    static double is[MOST];
    static const char *const fusion[] = { "poe", "moe" };
    for (int f = 0; f < 2; f++) {
        toy t;
        stele__loss_terms terms;
        open_spec(&t, fusion[f], CLASSIFIER OF_SUBSETS NUMBER, STELE_F64, 2);
        derivatives(&t, is, &terms);
        for (uint32_t e = 0; e < stele__params_count(t.model.params); e++) {
            stele__param *p = stele__params_entry(t.model.params, e);
            double largest = 1e-4, worst = 0.0;
            for (int64_t i = 0; p->kind == STELE__TRAINED && i < p->n; i++) {
                double want = numeric(&t, (double *)p->values + i);
                largest = fmax(largest, fabs(want));
                worst = fmax(worst, fabs(is[p->offset + (size_t)i] - want));
            }
            if (!(worst < 2e-7 * largest) || (p->kind == STELE__TRAINED && largest <= 1e-4)) {
                fail_msg("%s: off by %g of %g", p->name, worst, largest);
            }
        }
        toy_close(&t);
    }
}

/* The loss is what the model's would be without heads, plus weight times the mean over the rows
 * with a target and a posterior: r5 has no batch, r10 no measurement. */
static void the_loss_is_a_weighted_mean_over_rows_with_a_target(void **state)
{
    (void)state;
    toy with, without;
    stele__loss_terms a, b;
    open_spec(&with, "moe", CLASSIFIER, STELE_F64, 1);
    open_spec(&without, "moe", "  kind: {plugin: classifier, target: batch, weight: 0}\n",
              STELE_F64, 1);
    assert_non_null(loss_of(&with, &a));
    assert_non_null(loss_of(&without, &b));
    assert_int_equal(a.n_head[0], 10);
    assert_true(a.head[0] > 0.0);
    assert_true(fabs(a.loss - b.loss - 3.0 * a.head[0] / 10.0) < 1e-12 * fabs(a.loss));
    assert_true(a.elbo == b.elbo);
    toy_close(&with);
    toy_close(&without);
}

/* exp(-s) L + s / 2, times the weight. */
static void a_learned_weight_divides_by_a_variance(void **state)
{
    (void)state;
    toy learned, fixed;
    stele__loss_terms a, b;
    open_spec(&fixed, "poe", "  kind: {plugin: classifier, target: batch, weight: 3}\n", STELE_F64,
              1);
    open_spec(&learned, "poe",
              "  kind: {plugin: classifier, target: batch, weight: 3, uncertainty: learned}\n",
              STELE_F64, 1);
    double *s = param(&learned, "heads.kind.uncertainty.log_variance")->values;
    assert_non_null(loss_of(&fixed, &b));
    for (int k = 0; k < 2; k++) {
        *s = k == 0 ? 1.5 : -9.0; /* beyond what it may be */
        const double used = fmax(*s, -5.0), mean = b.head[0] / (double)b.n_head[0];
        assert_non_null(loss_of(&learned, &a));
        assert_true(a.head[0] == b.head[0]);
        assert_true(fabs(a.loss - b.loss - 3.0 * (exp(-used) * mean + 0.5 * used - mean)) <
                    1e-10 * fabs(a.loss));
    }
    toy_close(&learned);
    toy_close(&fixed);
}

#define FREELY(scale_) "  kind: {plugin: freely, target: batch, gradient_scale: " scale_ "}\n"
#define NO_WEIGHT      "  kind: {plugin: freely, target: batch, weight: 0}\n"

static int is_of_head(const stele__param *p)
{
    return strncmp(p->name, "heads.", 6) == 0;
}

/* What the head adds to the derivatives of encoders is `factor` times what it adds with scale 1;
 * its own derivatives stay. */
static void check_scale(const char *fusion, const char *heads, double factor)
{
    static double none[MOST], one[MOST], is[MOST];
    toy t, u, v;
    stele__loss_terms terms;
    open_spec(&t, fusion, NO_WEIGHT, STELE_F64, 1);
    open_spec(&u, fusion, FREELY("1"), STELE_F64, 1);
    open_spec(&v, fusion, heads, STELE_F64, 1);
    derivatives(&t, none, &terms);
    derivatives(&u, one, &terms);
    derivatives(&v, is, &terms);
    double reach = 0.0;
    for (uint32_t e = 0; e < stele__params_count(t.model.params); e++) {
        const stele__param *p = stele__params_entry(t.model.params, e);
        for (size_t i = p->offset; p->kind == STELE__TRAINED && i < p->offset + (size_t)p->n; i++) {
            if (is_of_head(p)) {
                assert_true(is[i] == one[i] && one[i] != 0.0);
            } else if (factor == 0.0) {
                assert_true(is[i] == none[i]);
            } else {
                reach = fmax(reach, fabs(is[i] - none[i]));
                assert_true(fabs(is[i] - none[i] - factor * (one[i] - none[i])) < 1e-12);
            }
        }
    }
    assert_true(factor == 0.0 || reach > 1e-3);
    toy_close(&t);
    toy_close(&u);
    toy_close(&v);
}

static void gradients_are_scaled_and_reversed(void **state)
{
    (void)state;
    check_scale("poe", FREELY("-1"), -1.0);
    check_scale("poe", FREELY("0.25"), 0.25);
    check_scale("moe", FREELY("-2"), -2.0);
}

static void a_probe_leaves_the_encoders_alone(void **state)
{
    (void)state;
    check_scale("poe", FREELY("0"), 0.0);
    check_scale("moe", FREELY("0"), 0.0);
}

/* An adversary's or a probe's loss does not make a model better: it is reported, not counted. */
static void only_supervision_counts_in_the_criterion(void **state)
{
    (void)state;
    static const char *const heads[] = { NO_WEIGHT, FREELY("0"), FREELY("-1"), FREELY("1") };
    double loss[4];
    for (int i = 0; i < 4; i++) {
        toy t;
        stele__loss_terms terms;
        open_spec(&t, "poe", heads[i], STELE_F64, 1);
        assert_non_null(loss_of(&t, &terms));
        assert_true(terms.n_head[0] == 10 && terms.head[0] > 0.0);
        loss[i] = terms.loss;
        toy_close(&t);
    }
    assert_true(loss[1] == loss[0] && loss[2] == loss[0] && loss[3] > loss[0]);
}

/* --- steps of their own --- */

typedef struct training {
    toy t;
    stele__training training;
    stele__loop loop;
} training;

static void open_training(training *r, const char *heads, uint32_t dtype, unsigned threads)
{
    memset(r, 0, sizeof *r);
    toy *t = &r->t;
    open_spec(t, "moe", heads, dtype, threads);
    r->training = (stele__training){
        .model = &t->model, .data = t->data, .split = t->split, .spec = t->spec, .pool = t->pool
    };
    TOY_OK(t, stele__loop_init(&r->training, &r->loop, &t->diag));
}

static void close_training(training *r)
{
    stele__loop_finish(&r->loop);
    toy_close(&r->t);
}

static stele_tensor *own_steps(toy *t, stele__loss_terms *ret)
{
    stele__objective o = stele__objective_of(t->spec->objective);
    toy_begin(t, 0, NULL, 0, 0);
    return stele__objective_own_steps(&t->model, t->graph, t->batch, &o, 5, 0, ret);
}

#define OWN_STEP "  kind: {plugin: freely, target: batch, own_step: true, gradient_scale: -1}\n"

/* The first step of AdamW moves a value by lr against the sign of its derivative. The head moves by
 * its own loss (weight 1, whatever that in the model's), and what the model's step then sees is the
 * loss of the head that has moved. */
static void a_head_steps_before_the_model_does(void **state)
{
    (void)state;
    training r;
    stele__loss_terms before, during;
    open_training(&r, OWN_STEP, STELE_F64, 1);
    toy *t = &r.t;
    stele__param *w = param(t, "heads.kind.out.weight"), *a = param(t, "a.mean.weight");
    assert_int_equal(w->group, STELE__GROUP_HEADS);
    double start[6], encoder = ((double *)a->values)[0], lr = 0.01;
    memcpy(start, w->values, sizeof start);
    stele_tensor *own = own_steps(t, &before);
    TOY_OK(t, stele__graph_backward(t->graph, own));
    stele__params_end_gradient(t->model.params);
    for (uint32_t e = 0; e < stele__params_count(t->model.params); e++) {
        const stele__param *p = stele__params_entry(t->model.params, e);
        for (int64_t i = 0; p->kind == STELE__TRAINED && i < p->n && !is_of_head(p); i++) {
            assert_true(((double *)p->gradient)[i] == 0.0);
        }
    }
    double gradient[6];
    memcpy(gradient, w->gradient, sizeof gradient);
    TOY_OK(t, stele__loop_step(&r.loop, &during, &t->diag));
    for (int i = 0; i < 6; i++) {
        double moved = ((double *)w->values)[i] - start[i];
        assert_true(fabs(moved + (gradient[i] > 0.0 ? lr : -lr)) < 1e-6);
    }
    assert_true(((double *)a->values)[0] != encoder);
    assert_true(before.n_head[0] == 10 && during.n_head[0] == 10);
    assert_true(during.head[0] < before.head[0]);
    close_training(&r);
}

static void the_model_sees_the_head_that_has_moved(void **state)
{
    (void)state;
    training r;
    stele__loss_terms during, after;
    open_training(&r, OWN_STEP, STELE_F64, 1);
    TOY_OK(&r.t, stele__loop_step(&r.loop, &during, &r.t.diag));
    close_training(&r);
    open_training(&r, OWN_STEP, STELE_F64, 1);
    const int64_t *row = NULL;
    int64_t n = stele__batches_get(&r.loop.batches, 0, 0, &row);
    stele__batch_load(r.loop.batch, n, row, 0);
    TOY_OK(&r.t, stele__loop_step_heads(&r.loop, 0.01, &r.t.diag));
    assert_non_null(loss_of(&r.t, &after)); /* encoders have not moved */
    assert_true(fabs(during.head[0] - after.head[0]) < 1e-12 * after.head[0]);
    close_training(&r);
}

/* --- z given subsets --- */

#define SUBSETS(more_) "  kind: {plugin: freely, target: batch, posteriors: subsets" more_ "}\n"

/* Mean loss of head 0 at the z that the objective draws given `mask`; the term's noise address is
 * 0 of the joint, 1 + i of modality i alone. */
static double loss_given(toy *t, uint64_t mask, uint32_t sample)
{
    stele__expert_set e;
    stele__draws draws[4];
    stele__head_loss one;
    uint32_t n = 0;
    toy_begin(t, 0, NULL, 0, 0);
    TOY_OK(t, stele__encode(&t->model, t->graph, t->batch, &e));
    TOY_OK(t, stele__draw(&t->model, t->graph, &e, mask, sample, STELE__RATIO_CLOSED, draws, &n));
    TOY_OK(t, stele__head_loss_of(&t->model, t->graph, t->batch, 0, draws, n, 1.0, &one));
    assert_true(one.n > 0);
    return one.sum / (double)one.n;
}

/* The joint's loss and each modality's, weighted as the objective weighs its terms; what is
 * reported is the joint's. */
static void a_head_learns_from_subsets(void **state)
{
    static const char *const fusion[] = { "poe", "moe" };
    (void)state;
    for (int f = 0; f < 2; f++) {
        toy with, without, joint;
        stele__loss_terms a, b, c;
        open_spec(&with, fusion[f], SUBSETS(", weight: 3"), STELE_F64, 1);
        open_spec(&joint, fusion[f], "  kind: {plugin: freely, target: batch, weight: 3}\n",
                  STELE_F64, 1);
        open_spec(&without, fusion[f], NO_WEIGHT, STELE_F64, 1);
        assert_non_null(loss_of(&with, &a));
        assert_non_null(loss_of(&joint, &b));
        assert_non_null(loss_of(&without, &c));
        const double w = with.spec->objective->subset_weight;
        const double whole = loss_given(&with, 3, 0),
                     alone[2] = { loss_given(&with, 1, 1), loss_given(&with, 2, 2) };
        const double want = (whole + w * (alone[0] + alone[1])) / (1.0 + 2.0 * w);
        assert_true(fabs(want - whole) > 1e-3);
        assert_true(fabs(a.loss - c.loss - 3.0 * want) < 1e-10 * fabs(a.loss));
        assert_true(fabs(b.loss - c.loss - 3.0 * whole) < 1e-10 * fabs(b.loss));
        assert_true(a.head[0] == b.head[0] && a.n_head[0] == b.n_head[0]);
        toy_close(&with);
        toy_close(&joint);
        toy_close(&without);
    }
}

/* Steps of its own see the same. */
static void a_step_of_its_own_sees_subsets(void **state)
{
    toy t;
    stele__loss_terms terms;
    (void)state;
    open_spec(&t, "moe", SUBSETS(", own_step: true"), STELE_F64, 1);
    stele_tensor *loss = own_steps(&t, &terms);
    assert_non_null(loss);
    const double is = *(const double *)loss->data, w = t.spec->objective->subset_weight;
    const double want = (loss_given(&t, 3, 0) + w * (loss_given(&t, 1, 1) + loss_given(&t, 2, 2))) /
                        (1.0 + 2.0 * w);
    assert_true(fabs(is - want) < 1e-12 * want);
    toy_close(&t);
}

/* --- rows without a target, threads --- */

static void rows_without_a_target_have_no_influence(void **state)
{
    (void)state;
    static double none[MOST], is[MOST];
    toy t, u;
    stele__loss_terms terms;
    open_spec(&t, "moe", NO_WEIGHT, STELE_F64, 1);
    open_spec(&u, "moe", CLASSIFIER, STELE_F64, 1);
    derivatives(&t, none, &terms);
    for (uint32_t i = 0; i < u.model.n_heads; i++) {
        memset(u.batch->target[i].column[0]->code, 0xff, TOY_ROWS * sizeof(int32_t));
    }
    derivatives(&u, is, &terms);
    assert_true(terms.n_head[0] == 0 && terms.head[0] == 0.0);
    for (uint32_t e = 0; e < stele__params_count(t.model.params); e++) {
        const stele__param *p = stele__params_entry(t.model.params, e);
        int64_t at = stele__params_find(u.model.params, p->name);
        if (p->kind != STELE__TRAINED || is_of_head(p)) {
            continue;
        }
        const stele__param *q = stele__params_entry(u.model.params, (uint32_t)at);
        for (int64_t i = 0; i < p->n; i++) {
            assert_true(((double *)p->gradient)[i] == ((double *)q->gradient)[i]);
        }
    }
    toy_close(&t);
    toy_close(&u);
}

/* What a row that lacks the target measured does not reach the head, nor does the prediction for
 * it: its z may be anything. */
static void a_missing_target_hides_the_row_from_the_head(void **state)
{
    (void)state;
    toy t;
    stele__expert_set e;
    stele__draws draws[4];
    double first = 0.0;
    open_spec(&t, "poe", FREELY("1"), STELE_F64, 1);
    for (int poison = 0; poison < 2; poison++) {
        uint32_t n = 0;
        stele__head_loss one;
        toy_begin(&t, 0, NULL, 0, 3);
        TOY_OK(&t, stele__encode(&t.model, t.graph, t.batch, &e));
        TOY_OK(&t, stele__draw(&t.model, t.graph, &e, 3, 0, 1, draws, &n));
        for (int64_t r = 0; poison && r < draws[0].n; r++) {
            if (!stele__head_has_target(t.batch, 0, draws[0].row[r])) {
                ((double *)draws[0].z->data)[2 * r] = (double)NAN;
            }
        }
        TOY_OK(&t, stele__head_loss_of(&t.model, t.graph, t.batch, 0, draws, n, 1.0, &one));
        assert_int_equal(one.n, 10);
        first = poison ? first : one.sum;
        assert_true(isfinite(one.sum) && one.sum == first);
    }
    toy_close(&t);
}

#define BOTH CLASSIFIER "  other: {plugin: freely, target: batch, own_step: true}\n" NUMBER

static void threads_change_no_bit(void **state)
{
    (void)state;
    static float kept[MOST];
    for (unsigned threads = 1; threads <= 3; threads++) {
        training r;
        stele__loss_terms terms;
        size_t n = 0;
        open_training(&r, BOTH, STELE_F32, threads);
        for (int step = 0; step < 4; step++) {
            r.loop.at.batch = 0;
            TOY_OK(&r.t, stele__loop_step(&r.loop, &terms, &r.t.diag));
        }
        const float *values = stele__params_values(r.t.model.params, &n);
        assert_true(n <= MOST);
        if (threads == 1) {
            memcpy(kept, values, n * sizeof *kept);
        }
        assert_memory_equal(kept, values, n * sizeof *kept);
        close_training(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(derivatives_of_the_whole_loss),
        cmocka_unit_test(the_loss_is_a_weighted_mean_over_rows_with_a_target),
        cmocka_unit_test(a_learned_weight_divides_by_a_variance),
        cmocka_unit_test(gradients_are_scaled_and_reversed),
        cmocka_unit_test(a_probe_leaves_the_encoders_alone),
        cmocka_unit_test(only_supervision_counts_in_the_criterion),
        cmocka_unit_test(a_head_steps_before_the_model_does),
        cmocka_unit_test(the_model_sees_the_head_that_has_moved),
        cmocka_unit_test(a_head_learns_from_subsets),
        cmocka_unit_test(a_step_of_its_own_sees_subsets),
        cmocka_unit_test(rows_without_a_target_have_no_influence),
        cmocka_unit_test(a_missing_target_hides_the_row_from_the_head),
        cmocka_unit_test(threads_change_no_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
