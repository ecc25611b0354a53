/* Distillation against its definition, by densities of Gaussians; its derivatives against
 * differences in which the draws stay where they are; the joint posterior is held; rows with one
 * modality take no part. */
#include "test.h"

#include "toy_specs.h"

#include <math.h>

enum { DIM = 2, ALL = 7, MODALITIES = 3, MIXTURE = 2 };

static const char *const rules[] = { POE, POE_NO, MOE };
static const char modalities[] = A B C;

static double loss_of(toy *t, double distil, uint32_t samples, int64_t n, const int64_t *row,
                      stele__loss_terms *ret)
{
    stele__objective o = stele__objective_of(t->spec->objective);
    o.distil = distil;
    o.n_samples = samples;
    toy_begin(t, n, row, 0, 17);
    stele_tensor *loss = stele__objective_loss(&t->model, t->graph, t->batch, &o, 0.8, 5, 17, ret);
    if (loss == NULL) {
        fail_msg("%s", stele__graph_error(t->graph));
    }
    TOY_OK(t, stele__graph_backward(t->graph, loss));
    stele__params_end_gradient(t->model.params);
    return stele__tensor_real(loss, 0);
}

/* Where the joint term draws, as doubles that stay when parameters move. */
typedef struct drawn {
    int64_t n[MODALITIES + 1], row[MODALITIES + 1][TOY_ROWS];
    double z[MODALITIES + 1][TOY_ROWS][DIM], weight[MODALITIES + 1][TOY_ROWS];
    uint32_t n_draws;
} drawn;

static void draw(toy *t, drawn *ret)
{
    stele__expert_set e;
    stele__posterior p;
    stele__draws d[MODALITIES + 1];
    toy_begin(t, 0, NULL, 0, 17);
    TOY_OK(t, stele__encode(&t->model, t->graph, t->batch, &e));
    TOY_OK(t, stele__fuse(&t->model, t->graph, &e, ALL, &p));
    TOY_OK(t,
           stele__draw_from(&t->model, t->graph, &e, &p, 0, STELE__RATIO_NONE, d, &ret->n_draws));
    for (uint32_t k = 0; k < ret->n_draws; k++) {
        ret->n[k] = d[k].n;
        for (int64_t i = 0; i < d[k].n; i++) {
            ret->row[k][i] = d[k].position[i];
            ret->weight[k][i] = d[k].weight != NULL ? stele__tensor_real(d[k].weight, i) : 1.0;
            for (int j = 0; j < DIM; j++) {
                ret->z[k][i][j] = stele__tensor_real(d[k].z, i * DIM + j);
            }
        }
    }
}

/* Of each modality's own posterior, (rows, DIM). */
typedef struct alone {
    double mean[TOY_ROWS * DIM], log_variance[TOY_ROWS * DIM];
} alone;

static void look(toy *t, uint64_t mask, alone *ret)
{
    stele__expert_set e;
    stele__posterior p;
    toy_begin(t, 0, NULL, 0, 17);
    TOY_OK(t, stele__encode(&t->model, t->graph, t->batch, &e));
    TOY_OK(t, stele__fuse(&t->model, t->graph, &e, mask, &p));
    uint32_t c = 0; /* of a mixture the component that is this modality */
    while (p.joint.n > 1 && p.joint.subset[c] != mask) {
        c++;
    }
    for (int64_t i = 0; i < TOY_ROWS * DIM; i++) {
        ret->mean[i] = stele__tensor_real(p.joint.component[c].p[0], i);
        ret->log_variance[i] = stele__tensor_real(p.joint.component[c].p[1], i);
    }
}

static double log_density(const alone *q, int64_t row, const double *z)
{
    double sum = 0.0;
    for (int j = 0; j < DIM; j++) {
        const double v = q->log_variance[row * DIM + j], far = z[j] - q->mean[row * DIM + j];
        sum -= 0.5 * (log(2.0 * 3.14159265358979323846) + v + far * far * exp(-v));
    }
    return sum;
}

/* A mixture's is that of the modalities a row has, equally weighted. */
static double joint_density(int mixture, const alone *q, const alone *all, uint64_t present,
                            int64_t row, const double *z)
{
    double sum = 0.0, n = 0.0;
    for (uint32_t i = 0; mixture && i < MODALITIES; i++) {
        if ((present >> i & 1) != 0) {
            sum += exp(log_density(&q[i], row, z));
            n += 1.0;
        }
    }
    return mixture ? log(sum / n) : log_density(all, row, z);
}

static double by_hand(toy *t, int mixture, const drawn *d, int with_joint, int64_t *n)
{
    alone q[MODALITIES], all;
    double sum = 0.0;
    for (uint32_t i = 0; i < MODALITIES; i++) {
        look(t, UINT64_C(1) << i, &q[i]);
    }
    if (!mixture) {
        look(t, ALL, &all);
    }
    *n = 0;
    for (int64_t r = 0; r < t->batch->n; r++) {
        const uint64_t has = t->batch->present[r];
        *n += (has & (has - 1)) != 0 ? __builtin_popcountll(has) : 0;
    }
    for (uint32_t k = 0; k < d->n_draws; k++) {
        for (int64_t r = 0; r < d->n[k]; r++) {
            const int64_t row = d->row[k][r];
            const uint64_t has = t->batch->present[row];
            for (uint32_t i = 0; i < MODALITIES && (has & (has - 1)) != 0; i++) {
                const double own = log_density(&q[i], row, d->z[k][r]);
                const double joint =
                    with_joint ? joint_density(mixture, q, &all, has, row, d->z[k][r]) : 0.0;
                sum += (has >> i & 1) != 0 ? d->weight[k][r] * (joint - own) : 0.0;
            }
        }
    }
    return sum;
}

static void the_term_is_its_definition(void **state)
{
    (void)state;
    for (int f = 0; f < 3; f++) {
        toy t;
        drawn d;
        stele__loss_terms with, without;
        int64_t n = 0;
        open_spec(&t, modalities, rules[f], CROSS, STELE_F64, 2);
        draw(&t, &d);
        const double want = by_hand(&t, f == MIXTURE, &d, 1, &n);
        const double plain = loss_of(&t, 0.0, 1, 0, NULL, &without);
        const double all = loss_of(&t, 3.0, 1, 0, NULL, &with);
        assert_true(without.n_distil == 0 && with.n_distil == n && n > 12);
        assert_true(fabs(with.distil - want) < 1e-9 * (1.0 + fabs(want)));
        assert_true(fabs(all - plain - 3.0 * with.distil / (double)n) < 1e-9 * fabs(all));
        assert_true(fabs(with.loss - plain) < 1e-12 && with.elbo == without.elbo);
        toy_close(&t);
    }
}

static double divergence(const alone *p, const alone *q, int64_t row)
{
    double sum = 0.0;
    for (int64_t j = row * DIM; j < (row + 1) * DIM; j++) {
        const double far = p->mean[j] - q->mean[j], v = p->log_variance[j] - q->log_variance[j];
        sum += 0.5 * (exp(v) + far * far * exp(-q->log_variance[j]) - 1.0 - v);
    }
    return sum;
}

/* Many draws come near the divergence itself, which is not negative; the mean over them counts. */
static void draws_are_averaged(void **state)
{
    (void)state;
    toy t;
    stele__loss_terms one, many;
    alone all, q;
    double want = 0.0;
    open_spec(&t, modalities, POE, CROSS, STELE_F64, 1);
    loss_of(&t, 1.0, 1, 0, NULL, &one);
    loss_of(&t, 1.0, 400, 0, NULL, &many);
    assert_true(many.n_distil == one.n_distil && many.distil > 0.0);
    look(&t, ALL, &all);
    for (uint32_t i = 0; i < MODALITIES; i++) {
        look(&t, UINT64_C(1) << i, &q);
        for (int64_t r = 0; r < t.batch->n; r++) {
            const uint64_t has = t.batch->present[r];
            want += (has >> i & 1) != 0 && (has & (has - 1)) != 0 ? divergence(&all, &q, r) : 0.0;
        }
    }
    assert_true(fabs(many.distil - want) < 0.05 * want);
    toy_close(&t);
}

/* r8, r9 and r10 have one modality or none: nothing could teach them. */
static void rows_with_one_take_no_part(void **state)
{
    (void)state;
    static const int64_t some[] = { 0, 2, 8, 9, 10 }, none[] = { 8, 9, 10 };
    toy t;
    stele__loss_terms two, five, alone_terms;
    open_spec(&t, modalities, POE, CROSS, STELE_F64, 1);
    loss_of(&t, 1.0, 1, 2, some, &two);
    loss_of(&t, 1.0, 1, 5, some, &five);
    loss_of(&t, 1.0, 1, 3, none, &alone_terms);
    assert_true(two.n_distil == 6 && five.n_distil == 6);
    assert_true(fabs(two.distil - five.distil) < 1e-12);
    assert_true(alone_terms.n_distil == 0 && alone_terms.distil == 0.0);
    toy_close(&t);
}

/* Of what distillation adds, the draws and log q(z | x) being held. */
static void derivatives_are_differences(void **state)
{
    (void)state;
    static const char *const names[] = { "a.mean.weight", "a.logvar.bias", "b.mean.bias",
                                         "b.logvar.weight", "c.encoder.layer0.weight" };
    for (int f = 0; f < 3; f++) {
        toy t;
        drawn d;
        stele__loss_terms terms;
        int64_t n = 0;
        open_spec(&t, modalities, rules[f], OWN, STELE_F64, 2);
        draw(&t, &d);
        for (int k = 0; k < 5; k++) {
            stele__param *p = param(&t, names[k]);
            double *v = p->values, old = v[0], h = 1e-5;
            loss_of(&t, 0.0, 1, 0, NULL, &terms);
            const double plain = ((const double *)p->gradient)[0];
            loss_of(&t, 10.0, 1, 0, NULL, &terms);
            const double slope = ((const double *)p->gradient)[0] - plain;
            v[0] = old + h;
            const double above = by_hand(&t, f == MIXTURE, &d, 0, &n);
            v[0] = old - h;
            const double below = by_hand(&t, f == MIXTURE, &d, 0, &n);
            v[0] = old;
            const double want = 10.0 * (above - below) / (2.0 * h * (double)n);
            if (fabs(slope - want) > 1e-5 * (1.0 + fabs(want))) {
                fail_msg("%s of %s: %g, not %g", names[k], rules[f], slope, want);
            }
        }
        toy_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_term_is_its_definition),
        cmocka_unit_test(draws_are_averaged),
        cmocka_unit_test(rows_with_one_take_no_part),
        cmocka_unit_test(derivatives_are_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
