/* Intervals of predictions: of a head whose predictions and noise are normal, the quantiles that
 * this has, at more levels than one. */
#include "test.h"

#include "eval/forecast.h"
#include "toy_specs.h"

#include <math.h>

enum { D = 2, DRAWS = 4000 };

#define SD_OF_Z 0.5
#define CALIBRATED                                                                                 \
    "fusion: {plugin: poe, prior_expert: false, precision_scale: calibrated, joint_scale: "        \
    "calibrated}\n"
static const double weight[D] = { 2.0, -1.0 }, bias = 0.3, mean_of[2] = { 1.0, -0.5 };

static void fill(toy *t, const char *name, double value)
{
    stele__param *p = param(t, name);
    for (int64_t i = 0; i < p->n; i++) {
        ((float *)p->values)[i] = (float)value;
    }
}

static double first(toy *t, const char *name)
{
    return (double)((const float *)param(t, name)->values)[0];
}

/* Each dimension of z is N(1, 1/4) by a and N(-1/2, 1/4) by b; the head says w z + c of it. */
static void open_head(toy *t, const char *fusion)
{
    static const char *const name[2][2] = { { "a.mean.weight", "a.logvar.weight" },
                                            { "b.mean.weight", "b.logvar.weight" } };
    static const char *const value[2][2] = { { "a.mean.bias", "a.logvar.bias" },
                                             { "b.mean.bias", "b.logvar.bias" } };
    char text[1024];
    snprintf(text, sizeof text,
             HEAD A B "%s" TRAIN "heads: {k: {plugin: regressor, target: age}}\n", fusion);
    toy_open(t, text, &toy_source, toy_others, 1, STELE_F32, 1);
    for (int m = 0; m < 2; m++) {
        fill(t, name[m][0], 0.0);
        fill(t, name[m][1], 0.0);
        fill(t, value[m][0], mean_of[m]);
        fill(t, value[m][1], 2.0 * log(SD_OF_Z));
    }
    for (int d = 0; d < D; d++) {
        ((float *)param(t, "heads.k.output.weight")->values)[d] = (float)weight[d];
    }
    fill(t, "heads.k.output.bias", bias);
}

/* As calibration leaves them: a is trusted less than in training, b more, and both together less.
 */
static void calibrate(toy *t)
{
    fill(t, "fusion.joint_scale", log(0.4));
    ((float *)param(t, "fusion.precision_scale")->values)[0] = (float)log(0.2);
    ((float *)param(t, "fusion.precision_scale")->values)[1] = (float)log(2.0);
}

/* Share of an equal mixture of normals below x. */
static double below(double x, const double *mean, int n, double sd)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++) {
        sum += 0.5 * erfc((mean[i] - x) / (sd * sqrt(2.0))) / n;
    }
    return sum;
}

/* Of row 0, which has both, the interval holds `level`, and as much lies below as above: within
 * four standard deviations of what as many draws from the true distribution would have below. */
static void check_row(const char *fusion, uint64_t mask, const double *mean_z, int n, double sd_z,
                      double level)
{
    const int64_t row = 0;
    toy t;
    stele__forecast f;
    double mean[2] = { 0.0, 0.0 }, all = 0.0;
    open_head(&t, fusion);
    if (stele__params_find(t.model.params, "fusion.joint_scale") >= 0) {
        calibrate(&t);
    }
    const double scale = first(&t, "heads.k.target_sd"), at = first(&t, "heads.k.target_mean");
    const double own = 0.05 + log1p(exp(first(&t, "heads.k.output.raw_sd")));
    const double sd =
        scale * sqrt((weight[0] * weight[0] + weight[1] * weight[1]) * sd_z * sd_z + own * own);
    for (int i = 0; i < n; i++) {
        mean[i] = at + scale * ((weight[0] + weight[1]) * mean_z[i] + bias);
        all += mean[i] / n;
    }
    const stele__judge j = { .model = &t.model, .data = t.data, .graph = t.graph, .seed = 3 };
    const stele__forecast_request q = {
        .row = &row, .n = 1, .mask = mask, .n_samples = DRAWS, .level = level
    };
    TOY_OK(&t, stele__forecast_make(&j, &q, &f, &t.diag));
    assert_int_equal(f.n_outputs, 1);
    const double tail = 0.5 * (1.0 - level), apart = 4.0 * sqrt(tail * (1.0 - tail) / DRAWS);
    assert_float_equal(below(f.low[0], mean, n, sd), tail, apart);
    assert_float_equal(below(f.high[0], mean, n, sd), 1.0 - tail, apart);
    assert_float_equal(f.value[0], all, 4.0 * sd / sqrt(DRAWS));
    stele__forecast_finish(&f);
    toy_close(&t);
}

static void intervals_hold_what_they_say(void **state)
{
    static const double level[] = { 0.5, 0.9, 0.98 }, joint = 0.25;
    (void)state;
    for (size_t i = 0; i < sizeof level / sizeof *level; i++) {
        check_row(POE_NO, 1, &mean_of[0], 1, SD_OF_Z, level[i]);
        check_row(POE_NO, 2, &mean_of[1], 1, SD_OF_Z, level[i]);
        check_row(POE_NO, 3, &joint, 1, SD_OF_Z * sqrt(0.5), level[i]);
        check_row(MOE, 3, mean_of, 2, SD_OF_Z, level[i]);
    }
}

/* Factors that were fitted when training had ended are not what the head has learned from: all that
 * it says is as it would be without. */
static void heads_see_posteriors_of_training(void **state)
{
    const double joint = 0.25;
    (void)state;
    check_row(CALIBRATED, 1, &mean_of[0], 1, SD_OF_Z, 0.9);
    check_row(CALIBRATED, 2, &mean_of[1], 1, SD_OF_Z, 0.9);
    check_row(CALIBRATED, 3, &joint, 1, SD_OF_Z * sqrt(0.5), 0.9);
}

/* z itself has them, before and after heads were asked, in one pass, too, as 1/var = .4 (.2 / .25 +
 * 2 / .25). */
static void the_latent_has_the_factors(void **state)
{
    const int64_t row = 0;
    const double want = (0.2 * mean_of[0] + 2.0 * mean_of[1]) / 2.2;
    float mean[D], sd[D], seen[D];
    stele__expert_set e;
    stele__posterior heads, own;
    toy t;
    (void)state;
    open_head(&t, CALIBRATED);
    calibrate(&t);
    const stele__judge j = { .model = &t.model, .data = t.data, .graph = t.graph, .seed = 3 };
    for (int i = 0; i < 2; i++) {
        TOY_OK(&t, stele__judge_moments(&j, &row, 1, 3, mean, sd, &t.diag));
        TOY_OK(&t, stele__judge_means_for_heads(&j, &row, 1, 3, seen, &t.diag));
        for (int d = 0; d < D; d++) {
            assert_float_equal(mean[d], want, 1e-5);
            assert_float_equal(sd[d], SD_OF_Z / sqrt(0.4 * 2.2), 1e-5);
            assert_float_equal(seen[d], 0.25, 1e-5);
        }
    }
    toy_begin(&t, 1, &row, 0, 0);
    TOY_OK(&t, stele__encode(&t.model, t.graph, t.batch, &e));
    TOY_OK(&t, stele__fuse_for_heads(&t.model, t.graph, &e, 3, &heads));
    TOY_OK(&t, stele__fuse(&t.model, t.graph, &e, 3, &own));
    assert_float_equal(stele__tensor_real(heads.joint.component[0].p[0], 0), 0.25, 1e-5);
    assert_float_equal(stele__tensor_real(own.joint.component[0].p[0], 0), want, 1e-5);
    toy_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intervals_hold_what_they_say),
        cmocka_unit_test(heads_see_posteriors_of_training),
        cmocka_unit_test(the_latent_has_the_factors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
