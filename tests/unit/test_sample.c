/* Draws to generate from: what a temperature makes of them, and their moments at that of 1. */
#include "test.h"

#include "eval/sample.h"
#include "toy_specs.h"

#include <math.h>

enum { D = 2, DRAWS = 4000 };

static const double temperatures[] = { 0.0, 0.25, 0.5, 1.0, 1.5 };
enum { N_TEMPERATURES = sizeof temperatures / sizeof *temperatures };

static void fill(toy *t, const char *name, double value)
{
    stele__param *p = param(t, name);
    for (int64_t i = 0; i < p->n; i++) {
        ((float *)p->values)[i] = (float)value;
    }
}

/* Every dimension of a's posterior is N(1, 1/4), of b's N(-3, 1/4). */
static void open_experts(toy *t, const char *fusion)
{
    open_spec(t, A B, fusion, "", STELE_F32, 1);
    fill(t, "a.mean.weight", 0.0);
    fill(t, "a.logvar.weight", 0.0);
    fill(t, "a.mean.bias", 1.0);
    fill(t, "a.logvar.bias", log(0.25));
    fill(t, "b.mean.weight", 0.0);
    fill(t, "b.logvar.weight", 0.0);
    fill(t, "b.mean.bias", -3.0);
    fill(t, "b.logvar.bias", log(0.25));
}

/* z of row r, which has both, for the same numbers at another temperature. */
static void draw_row(toy *t, const stele__judge *j, int64_t row, uint64_t mask, uint32_t number,
                     double temperature, float *ret)
{
    const stele__sampling s = { .seed = 11, .temperature = temperature };
    TOY_OK(t, stele__sample_posterior(j, &row, 1, mask, number, &s, ret, &t->diag));
}

/* From the same noise the deviation is that at 1 times the temperature, of a mixture from the mean
 * of the component that was drawn. Row 10 has nothing and is drawn from the prior. */
static void deviations_go_with_the_temperature(void **state)
{
    static const struct {
        const char *fusion;
        int64_t row;
        double mean[2]; /* of components */
    } c[] = { { MOE, 0, { 1.0, -3.0 } }, { POE_NO, 0, { -1.0, -1.0 } }, { POE, 10, { 0.0, 0.0 } } };
    (void)state;
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        toy t;
        int seen[2] = { 0, 0 };
        open_experts(&t, c[i].fusion);
        const stele__judge j = { .model = &t.model, .data = t.data, .graph = t.graph, .seed = 3 };
        for (uint32_t k = 0; k < 20; k++) {
            float still[D], one[D], z[D];
            draw_row(&t, &j, c[i].row, 3, k, 0.0, still);
            draw_row(&t, &j, c[i].row, 3, k, 1.0, one);
            const int which = fabs((double)still[0] - c[i].mean[1]) < 1e-5;
            seen[which]++;
            for (int n = 0; n < N_TEMPERATURES; n++) {
                draw_row(&t, &j, c[i].row, 3, k, temperatures[n], z);
                for (int d = 0; d < D; d++) {
                    const double mean = c[i].mean[which];
                    const double want = mean + temperatures[n] * ((double)one[d] - mean);
                    assert_float_equal(still[d], mean, 1e-5);
                    assert_float_equal(z[d], want, 1e-5);
                }
            }
        }
        assert_true(c[i].mean[0] == c[i].mean[1] || (seen[0] > 3 && seen[1] > 3));
        toy_close(&t);
    }
}

/* Mean and standard deviation of many draws, within five standard errors. */
static void check_moments(const float *z, int64_t n, double mean, double sd)
{
    double sum = 0.0, squares = 0.0;
    for (int64_t i = 0; i < n; i++) {
        sum += (double)z[i];
    }
    for (int64_t i = 0; i < n; i++) {
        squares += ((double)z[i] - sum / n) * ((double)z[i] - sum / n);
    }
    assert_true(fabs(sum / n - mean) < 5.0 * sd / sqrt(n));
    assert_true(fabs(sqrt(squares / n) / sd - 1.0) < 5.0 / sqrt(2.0 * n));
}

/* The standard deviation of draws is the posterior's, or the prior's, times the temperature. */
static void draws_are_as_wide_as_asked_for(void **state)
{
    static float z[DRAWS * D];
    toy t;
    (void)state;
    open_experts(&t, POE_NO);
    const stele__judge j = { .model = &t.model, .data = t.data, .graph = t.graph, .seed = 3 };
    for (int n = 1; n < N_TEMPERATURES; n++) {
        const stele__sampling s = { .seed = 12, .temperature = temperatures[n] };
        stele__sample_prior(&j, 0, DRAWS, &s, z);
        check_moments(z, DRAWS * D, 0.0, temperatures[n]);
        for (uint32_t k = 0; k < DRAWS; k++) {
            draw_row(&t, &j, 0, 1, k, temperatures[n], &z[k * D]);
        }
        check_moments(z, DRAWS * D, 1.0, 0.5 * temperatures[n]);
    }
    toy_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deviations_go_with_the_temperature),
        cmocka_unit_test(draws_are_as_wide_as_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
