/* A whole model whose modality `a` holds counts, for tests of modalities of counts: its loss, what
 * its encoder says, and that what is missing has no influence. */
#ifndef STELE_COUNT_CASE_H
#define STELE_COUNT_CASE_H

#include "element_case.h"
#include "graph/params.h"
#include "toy_specs.h"

/* Loss of all rows (or those named) without the modalities of `hide`; derivatives are in the params
 * object afterwards. */
static double loss_of(toy *t, int64_t n, const int64_t *row, uint64_t hide)
{
    stele__objective o = stele__objective_of(t->spec->objective);
    stele__loss_terms terms;
    toy_begin(t, n, row, hide, 17);
    stele_tensor *loss =
        stele__objective_loss(&t->model, t->graph, t->batch, &o, 0.8, 5, 17, &terms);
    assert_non_null(loss);
    TOY_OK(t, stele__graph_backward(t->graph, loss));
    stele__params_end_gradient(t->model.params);
    return terms.loss;
}

/* Means of the experts of `a`, (rows, 2). */
static void expert_means(toy *t, double *ret)
{
    stele__expert_set e;
    toy_begin(t, 0, NULL, 0, 3);
    TOY_OK(t, stele__encode(&t->model, t->graph, t->batch, &e));
    for (int64_t i = 0; i < 2 * t->batch->n; i++) {
        ret[i] = toy_real(stele__params_dtype(t->model.params), e.q[0].p[0]->data, i);
    }
}

/* Count of feature j of `a` in a row of the data set, -1 if it lacks the modality. */
static double count_at(const toy *t, int64_t row, int64_t j)
{
    for (int64_t i = 0; i < 9; i++) {
        if (strcmp(toy_a_ids[i], stele__dataset_row_id(t->data, row)) == 0) {
            return toy_a[i * TOY_A + j];
        }
    }
    return -1.0;
}

static void set_feature(toy *t, int64_t j, float value)
{
    const stele__matrix *m = &t->data->matrix[0];
    for (int64_t i = 0; i < m->n_present; i++) {
        m->dense[i * TOY_A + j] = value;
    }
}

/* Feature 4 is missing in all rows: the encoder takes it for 0, and the parameters that are its own
 * (names of those, by feature first, up to NULL) have no derivative and no influence. `modality`:
 * of dense rows. */
static void check_missing(const char *modality, const char *const *own)
{
    enum { GONE = 4 };
    for (uint32_t dtype = STELE_F32; dtype <= STELE_F64; dtype++) {
        toy t;
        double zeros[2 * TOY_ROWS], missing[2 * TOY_ROWS];
        open_spec(&t, modality, POE, OWN, dtype, 1);
        set_feature(&t, GONE, 0.0f);
        expert_means(&t, zeros);
        const double with_zeros = loss_of(&t, 0, NULL, 0);
        set_feature(&t, GONE, NAN);
        expert_means(&t, missing);
        assert_memory_equal(zeros, missing, sizeof zeros);
        const double loss = loss_of(&t, 0, NULL, 0);
        assert_true(isfinite(loss) && loss < with_zeros);
        for (const char *const *name = own; *name != NULL; name++) {
            const stele__param *p = param(&t, *name);
            const int64_t width = p->n / TOY_A;
            int others = 0;
            for (int64_t i = 0; i < p->n; i++) {
                const double d = toy_real(dtype, p->gradient, i);
                assert_true(i / width != GONE || d == 0.0);
                others |= d != 0.0;
                if (i / width == GONE) {
                    toy_put(dtype, p->values, i, 3.0);
                }
            }
            assert_true(others);
        }
        assert_true(loss_of(&t, 0, NULL, 0) == loss);
        toy_close(&t);
    }
}

/* Rows that lack the only modality that is looked at add nothing to loss and derivatives, whatever
 * company they are in. */
static void check_absent(const char *modality)
{
    static const int64_t with[] = { 0, 8, 10, 3, 5 }, without[] = { 0, 3 };
    for (uint32_t dtype = STELE_F32; dtype <= STELE_F64; dtype++) {
        const double tolerance = dtype == STELE_F64 ? 1e-12 : 1e-5;
        toy t;
        size_t n = 0;
        open_spec(&t, modality, POE, OWN, dtype, 1);
        assert_true(count_at(&t, 8, 0) < 0.0 && count_at(&t, 5, 0) < 0.0);
        (void)stele__params_values(t.model.params, &n);
        double *clean = calloc(n, sizeof *clean);
        assert_non_null(clean);
        const double loss = loss_of(&t, 2, without, 2);
        for (size_t i = 0; i < n; i++) {
            clean[i] = toy_real(dtype, stele__params_gradient(t.model.params), (int64_t)i);
        }
        assert_true(fabs(loss_of(&t, 5, with, 2) - loss) <= tolerance * fabs(loss));
        for (size_t i = 0; i < n; i++) {
            double d = toy_real(dtype, stele__params_gradient(t.model.params), (int64_t)i);
            assert_true(fabs(d - clean[i]) <= tolerance * fmax(1.0, fabs(clean[i])));
        }
        free(clean);
        toy_close(&t);
    }
}

#endif
