/* Checks of shapes and of independence of rows. */
#include "block.h"
#include "rig.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void check_shapes(rig *r, const rig_result *res, int64_t n)
{
    uint32_t kind = r->plugin->desc.kind;
    for (uint32_t i = 0; i < res->n; i++) {
        const rig_output *o = &res->out[i];
        int is_rows = strcmp(o->name, "log p(x | z)") == 0 || strcmp(o->name, "loss") == 0;
        int64_t width = is_rows                               ? 1
                        : kind == STELE_HEAD                  ? o->width
                        : strcmp(o->name, "log-weights") == 0 ? (int64_t)r->joint.n
                        : strcmp(o->name, "tally") == 0       ? (int64_t)r->vt->modality.tally_width(r->inst)
                                                              : (int64_t)r->plan.latent;
        if (o->rows != n || o->width != width) {
            check_fail(r->t, "%lld rows: the %s is (%lld, %lld), documented is (%lld, %lld)", (long long)n, o->name,
                       (long long)o->rows, (long long)o->width, (long long)n, (long long)width);
        }
        for (int64_t k = 0; k < o->rows * o->width; k++) {
            if (!isfinite(o->value[k])) {
                check_fail(r->t, "%lld rows: the %s has a value of %g", (long long)n, o->name, o->value[k]);
                break;
            }
        }
    }
}

void check_shape_sweep(check_trial *t)
{
    static const int64_t rows[] = { 1, 2, 7, 64 }, features[] = { 1, 5, 33 };
    for (size_t i = 0; i < 12 && t->verdict < CHECK_FAIL; i++) {
        for (uint32_t latent = 1; latent <= 3; latent += 2) {
            rig r;
            rig_plan plan = { .rows = rows[i % 4], .features = features[i / 4], .latent = latent };
            plan.tally = 1;
            plan.covariates = latent == 3 ? 2 : 0;
            plan.own = latent == 3 ? 1 : 0;
            rig_result res;
            if (rig_start(t, &plan, &r) && rig_compute(&r, r.plan.rows, NULL, 0, &res)) {
                check_shapes(&r, &res, r.plan.rows);
                rig_result_finish(&res);
            }
            rig_finish(&r);
        }
        if (t->plugin->desc.kind != STELE_MODALITY && i == 3) {
            break; /* features mean nothing to them */
        }
    }
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

/* Output rows of `part` against rows index[] of `whole`; those of `skip` may differ. */
static void compare_rows(rig *r, const char *what, const rig_result *whole, const rig_result *part, int64_t n,
                         const int64_t *index, int64_t skip)
{
    const double tolerance = r->plan.dtype == STELE_F64 ? 1e-11 : 2e-5;
    for (uint32_t i = 0; i < whole->n && i < part->n; i++) {
        const rig_output *a = &whole->out[i], *b = &part->out[i];
        if (a->width != b->width || b->rows != n) {
            check_fail(r->t, "%s: the %s has another shape", what, a->name);
            continue;
        }
        for (int64_t k = 0; k < n; k++) {
            int64_t row = index != NULL ? index[k] : k;
            double d = block_distance(a->width, a->value + row * a->width, b->value + k * b->width);
            if (row != skip && !(d <= tolerance)) {
                check_fail(r->t, "%s: row %lld of the %s differs by %.3g", what, (long long)row, a->name, d);
                break;
            }
        }
    }
}

void check_rows_independent(check_trial *t)
{
    static const struct {
        const char *what;
        int64_t n, index[9];
    } cases[] = {
        { "rows reversed", 7, { 6, 5, 4, 3, 2, 1, 0 } },
        { "three of the rows", 3, { 4, 1, 6 } },
        { "one row alone", 1, { 3 } },
        { "rows repeated", 9, { 0, 0, 1, 5, 5, 5, 2, 6, 3 } },
    };
    rig r;
    rig_plan plan = { .rows = 7, .features = 6, .tally = 1 };
    rig_result whole, part;
    if (!rig_start(t, &plan, &r) || !rig_compute(&r, 7, NULL, 0, &whole)) {
        rig_finish(&r);
        return;
    }
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (rig_compute(&r, cases[i].n, cases[i].index, 0, &part)) {
            compare_rows(&r, cases[i].what, &whole, &part, cases[i].n, cases[i].index, -1);
            rig_result_finish(&part);
        }
    }
    rig_result_finish(&whole);
    rig_finish(&r);
}

static void poison_row(rig *r, const rig_result *whole, rig_input *in, double v)
{
    enum { ROW = 2 };
    char what[96];
    rig_result res;
    double kept = in->value[ROW * in->width];
    in->value[ROW * in->width] = v;
    snprintf(what, sizeof what, "%g in row %d of %s", v, ROW, in->name);
    stele_status status = rig_run(r, r->plan.rows, NULL, 0, &res);
    if (status == STELE_OK) {
        compare_rows(r, what, whole, &res, r->plan.rows, NULL, ROW);
    } else if (status != STELE_E_NONFINITE && status != STELE_E_DATA) {
        check_fail(r->t, "%s: %s", what, rig_message(r));
    }
    rig_result_finish(&res);
    in->value[ROW * in->width] = kept;
}

void check_nan_row(check_trial *t)
{
    rig r;
    rig_plan plan = { .rows = 7, .features = 6, .covariates = 1, .tally = 1 };
    rig_result whole;
    if (rig_start(t, &plan, &r) && rig_compute(&r, 7, NULL, 0, &whole)) {
        for (uint32_t i = 0; i < r.n_inputs; i++) {
            if (r.input[i].per_row) {
                poison_row(&r, &whole, &r.input[i], NAN);
                poison_row(&r, &whole, &r.input[i], HUGE_VAL);
            }
        }
        rig_result_finish(&whole);
    }
    rig_finish(&r);
}
