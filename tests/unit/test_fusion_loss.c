/* Fusion rules with a loss of their own: the evidence lower bound, written by a plugin, is the
 * built-in one; a bound on total correlation has its closed form. */
#include "test.h"

#include "graph/params.h"
#include "toy_data.h"
#include "toy_model.h"

#include <math.h>
#include <stdlib.h>

static const char spec[] =
    "stele: 1\nseed: 5\ndata: {source: simulate}\nlatent: {dim: 2}\nmodalities:\n"
    "  a: {plugin: nb_counts, weight: 2, encoder: {hidden: [4], activation: tanh}, "
    "decoder: {hidden: [3], activation: silu}}\n"
    "  b: {plugin: bernoulli_peaks, encoder: {hidden: [4]}, decoder: {hidden: [3]}}\n"
    "train: {epochs: 1}\nfusion: %s\nobjective: %s\n";

static void open_spec(toy *t, const char *fusion, const char *objective)
{
    char text[2048];
    snprintf(text, sizeof text, spec, fusion, objective);
    toy_open(t, text, &toy_source, toy_others, 1, STELE_F64, 2);
    toy_stir(t, 0.3);
}

static double loss_and_derivatives(toy *t, stele__loss_terms *ret)
{
    stele__objective o = stele__objective_of(t->spec->objective);
    toy_begin(t, 0, NULL, 0, 17);
    stele_tensor *loss = stele__objective_loss(&t->model, t->graph, t->batch, &o, 0.8, 5, 17, ret);
    if (loss == NULL) {
        fail_msg("%s", stele__graph_error(t->graph));
    }
    TOY_OK(t, stele__graph_backward(t->graph, loss));
    stele__params_end_gradient(t->model.params);
    return ret->loss;
}

static void compare(const char *builtin, const char *own, const char *objective)
{
    toy a, b;
    size_t n = 0;
    stele__loss_terms x, y;
    open_spec(&a, builtin, objective);
    open_spec(&b, own, objective);
    double want = loss_and_derivatives(&a, &x), is = loss_and_derivatives(&b, &y);
    assert_true(fabs(is - want) < 1e-12 * fabs(want));
    assert_true(fabs(x.elbo - y.elbo) < 1e-10);
    (void)stele__params_values(a.model.params, &n);
    const double *p = stele__params_gradient(a.model.params);
    const double *q = stele__params_gradient(b.model.params);
    double largest = 0.0;
    for (size_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs(p[i]));
        assert_true(fabs(p[i] - q[i]) < 1e-10);
    }
    assert_true(largest > 0.1);
    toy_close(&a);
    toy_close(&b);
}

static void the_bound_as_a_loss_is_the_bound(void **state)
{
    (void)state;
    static const char *const objective[] = {
        "{subsets: all}",
        "{subsets: all+single, subset_weight: 0.7, reconstruct: present}",
        "{subsets: all+single, reconstruct: own}",
    };
    for (int i = 0; i < 3; i++) {
        compare("product", "product_bound", objective[i]);
        compare("mixture", "mixture_bound", objective[i]);
    }
}

static void fill(toy *t, const char *name, double value)
{
    int64_t at = stele__params_find(t->model.params, name);
    assert_true(at >= 0);
    stele__param *p = stele__params_entry(t->model.params, (uint32_t)at);
    for (int64_t i = 0; i < p->n; i++) {
        ((double *)p->values)[i] = value;
    }
}

static double kl(double m, double v, double m0, double v0)
{
    return 0.5 * (log(v0 / v) + (v + (m - m0) * (m - m0)) / v0 - 1.0);
}

/* Experts N(1, 1) and N(3, 1/2), two dimensions: the joint is N(7/3, 1/3), alone it is the expert.
 */
static void total_correlation_has_its_closed_form(void **state)
{
    (void)state;
    toy t;
    stele__loss_terms terms;
    const double alpha = 0.5, beta = 0.8;
    double want = 0.0;
    open_spec(&t, "product_correlation", "{subsets: all}");
    fill(&t, "a.mean.weight", 0.0);
    fill(&t, "a.logvar.weight", 0.0);
    fill(&t, "a.mean.bias", 1.0);
    fill(&t, "a.logvar.bias", 0.0);
    fill(&t, "b.mean.weight", 0.0);
    fill(&t, "b.logvar.weight", 0.0);
    fill(&t, "b.mean.bias", 3.0);
    fill(&t, "b.logvar.bias", log(0.5));
    double loss = loss_and_derivatives(&t, &terms);
    for (int64_t r = 0; r < t.batch->n; r++) {
        uint64_t has = t.batch->present[r];
        double m = has == 3 ? 7.0 / 3.0 : has == 1 ? 1.0 : 3.0;
        double v = has == 3 ? 1.0 / 3.0 : has == 1 ? 1.0 : 0.5;
        double experts = ((has & 1) != 0 ? kl(m, v, 1.0, 1.0) : 0.0) +
                         ((has & 2) != 0 ? kl(m, v, 3.0, 0.5) : 0.0);
        double both = alpha / 2.0 * experts + (1.0 - alpha) * kl(m, v, 0.0, 1.0);
        want += has != 0 ? 2.0 * beta * both : 0.0;
    }
    want -= (2.0 - alpha) / 2.0 * (2.0 * terms.log_px[0] + terms.log_px[1]);
    assert_true(fabs(loss - want / (double)terms.n) < 1e-12 * fabs(loss));
    toy_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bound_as_a_loss_is_the_bound),
        cmocka_unit_test(total_correlation_has_its_closed_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
