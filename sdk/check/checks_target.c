/* Does the loss of a head lead to its target? */
#include "scores.h"
#include "train.h"

#include "graph/tensor.h"

#include <math.h>
#include <string.h>

/* Of 120 rows, some of a target's parts: its classes, or what is low, middle and high of a number. */
enum { ROWS = 120, PARTS = 3, STEPS = 100, MOST_STEPS = 3000 };

/* A loss may exceed that of the true probabilities by this factor, since classes may be weighted and no head need have
 * the form of the truth; the softmax of a softmax exceeds it by more than half. */
#define SLACK 1.4

/* A loss that compares rows has a mean, but what single rows of it say is its own business. */
static int has_row_losses(const check_trial *t)
{
    return (t->plugin->desc.caps & STELE_CAP_ROW_INDEPENDENT) != 0;
}

static int is_category(const rig *r)
{
    return r->field.content == STELE_FIELD_CATEGORY;
}

static const char *what_of(const rig *r)
{
    return is_category(r) ? "of class" : "in the target's third";
}

/* Which part of the target a row belongs to. The score is normal with a standard deviation near 1. */
static int part_of(const rig *r, int64_t row)
{
    const double v = r->target[row];
    return is_category(r) ? (int)v : v < -0.43 ? 0 : v < 0.43 ? 1 : 2;
}

/* Mean loss of the rows of each part. 0: failed, which was said. */
static int part_losses(rig *r, double ret[PARTS])
{
    rig_result res;
    double n[PARTS] = { 0.0 };
    memset(ret, 0, PARTS * sizeof *ret);
    if (!rig_compute(r, r->plan.rows, NULL, 0, &res)) {
        return 0;
    }
    const rig_output *o = &res.out[res.n - 1];
    for (int64_t i = 0; i < o->rows && i < r->plan.rows; i++) {
        n[part_of(r, i)] += 1.0;
        ret[part_of(r, i)] += o->value[i];
    }
    for (int p = 0; p < PARTS; p++) {
        ret[p] /= fmax(n[p], 1.0);
    }
    rig_result_finish(&res);
    return 1;
}

/* Mean -log of the probability of a row's class: of the true ones, and of the shares of the classes. */
static void true_losses(const rig *r, double *ret_with, double *ret_without)
{
    double n[PARTS] = { 0.0 };
    *ret_with = *ret_without = 0.0;
    for (int64_t i = 0; i < r->plan.rows; i++) {
        n[part_of(r, i)] += 1.0;
        *ret_with -= log(rig_chance(r, i, (int64_t)r->target[i])) / (double)r->plan.rows;
    }
    for (int p = 0; p < PARTS; p++) {
        const double share = n[p] / (double)r->plan.rows;
        *ret_without -= share > 0.0 ? share * log(share) : 0.0;
    }
}

/* What is left of the loss by knowing z. */
static double true_ratio(const rig *r)
{
    double with, without;
    true_losses(r, &with, &without);
    return with / without;
}

/* The loss of the best prediction that is the same for all rows, in all and by part: the same head, without z. */
static int train_blind(check_trial *t, double *ret, double ret_part[PARTS])
{
    rig r;
    rig_plan plan = { .rows = ROWS, .latent = 2, .raw = 1 };
    int good = rig_start(t, &plan, &r);
    if (good) {
        memset(r.input[0].value, 0, (size_t)(r.plan.rows * r.input[0].width) * sizeof(double));
        *ret = train_descend(&r, 3 * STEPS, train_loss(&r, 0));
        good = part_losses(&r, ret_part);
    }
    rig_finish(&r);
    return good;
}

static double element(const rig *r, const void *data, int64_t i)
{
    return r->plan.dtype == STELE_F64 ? ((const double *)data)[i] : (double)((const float *)data)[i];
}

/* Of the rows of each part that move the loss, how many: those whose own prediction has a derivative. 0: failed. */
static int count_moving(check_trial *t, const rig_plan *plan, int64_t ret[PARTS])
{
    rig r;
    rig_result res;
    int good = rig_start(t, plan, &r) && rig_compute(&r, r.plan.rows, NULL, 1, &res);
    if (good) {
        const rig_output *y = &res.out[0];
        train_backward(&r, &res.out[res.n - 1]);
        const void *d = stele__tensor_grad(y->t);
        for (int64_t i = 0; i < y->rows; i++) {
            int any = 0;
            for (int64_t k = 0; d != NULL && k < y->width; k++) {
                any = any || element(&r, d, i * y->width + k) != 0.0;
            }
            ret[part_of(&r, i)] += any;
        }
        rig_result_finish(&res);
    }
    rig_finish(&r);
    return good;
}

/* At some parameters the loss of some row of every part has a derivative towards the row's prediction. A loss with a
 * margin has none in rows that are right by far. */
static void expect_derivatives(check_trial *t, const rig *like)
{
    int64_t n[PARTS] = { 0 };
    int there[PARTS] = { 0 };
    for (uint64_t seed = 0; seed < 3; seed++) {
        const rig_plan plan = { .rows = ROWS, .latent = 2, .seed = seed };
        if (!count_moving(t, &plan, n)) {
            return;
        }
    }
    for (int64_t i = 0; i < like->plan.rows; i++) {
        there[part_of(like, i)] = 1;
    }
    for (int p = 0; p < PARTS; p++) {
        if (there[p] && n[p] == 0) {
            check_fail(t, "rows %s %d: the loss of none has a derivative towards its prediction", what_of(like), p);
        }
    }
}

/* Which quantity is about category c, of those that are named as the first one that is about a category; NONE. */
enum { NONE = -1 };

static int quantity_of(const scores_shown *s, int32_t c)
{
    const char *name = NULL;
    for (uint32_t k = 0; k < s->n; k++) {
        name = name == NULL && s->output[k].category >= 0 ? s->output[k].name : name;
        if (name != NULL && s->output[k].category == c && strcmp(s->output[k].name, name) == 0) {
            return (int)k;
        }
    }
    return NONE;
}

/* Probabilities of the classes of every row: of each class, and in all one? */
static int are_probabilities(const rig *r, const scores_shown *s, const int at[PARTS])
{
    for (int64_t i = 0; i < r->plan.rows; i++) {
        double sum = 0.0;
        for (int c = 0; c < PARTS; c++) {
            const double p = at[c] != NONE ? s->expected[i * s->n + at[c]] : -1.0;
            sum += p;
            if (!(p >= 0.0)) {
                return 0;
            }
        }
        if (!(fabs(sum - 1.0) <= 1e-3)) {
            return 0;
        }
    }
    return 1;
}

/* What a trained head shows as probabilities of classes. 0: it shows none. */
static int judge_probabilities(rig *r, const scores_shown *s)
{
    const int at[PARTS] = { quantity_of(s, 0), quantity_of(s, 1), quantity_of(s, 2) };
    double n[PARTS] = { 0.0 }, own[PARTS] = { 0.0 }, all[PARTS] = { 0.0 }, loss = 0.0, least, blind;
    const double rows = (double)r->plan.rows;
    if (!are_probabilities(r, s, at)) {
        return 0;
    }
    for (int64_t i = 0; i < r->plan.rows; i++) {
        const double *p = s->expected + i * s->n;
        const int c = part_of(r, i);
        loss -= log(fmax(p[at[c]], 1e-12)) / rows;
        n[c] += 1.0;
        own[c] += p[at[c]];
        for (int k = 0; k < PARTS; k++) {
            all[k] += p[at[k]];
        }
    }
    true_losses(r, &least, &blind);
    /* Half of what z is worth: a target that is smoothed on purpose gives it away, too. */
    if (!(loss <= least + 0.5 * (blind - least))) {
        check_fail(r->t,
                   "`%s`: after training -log p of the class is %.5g on average; the true probabilities give "
                   "%.5g, the shares of the classes %.5g",
                   s->output[at[0]].name, loss, least, blind);
    }
    for (int c = 0; c < PARTS; c++) {
        if (!(own[c] / n[c] > all[c] / rows)) {
            check_fail(r->t, "`%s` of class %d is %.5g on average in rows of the class, and %.5g in all",
                       s->output[at[0]].name, c, own[c] / n[c], all[c] / rows);
        }
    }
    return 1;
}

/* The target itself as a trained head shows it has to explain most of the target's variance. */
static void judge_number(rig *r, const scores_shown *s)
{
    double mean = 0.0, all = 0.0, left = 0.0;
    uint32_t k = 0;
    while (k < s->n && s->output[k].name[0] != '\0') {
        k++;
    }
    if (k == s->n) {
        return;
    }
    for (int64_t i = 0; i < r->plan.rows; i++) {
        mean += r->target[i] / (double)r->plan.rows;
    }
    for (int64_t i = 0; i < r->plan.rows; i++) {
        const double e = r->target[i] - s->expected[i * s->n + k];
        all += (r->target[i] - mean) * (r->target[i] - mean);
        left += e * e;
    }
    if (!(left <= 0.3 * all)) {
        check_fail(r->t,
                   "after training the head's word on its target leaves %.3g of the target's variance, z alone "
                   "leaves 0.08",
                   left / all);
    }
}

static int judge_shown(rig *r)
{
    scores_shown s;
    if (r->vt->head.outputs == NULL || r->vt->head.show == NULL || !scores_show(r, &s)) {
        return 0; /* a failure is the business of head-outputs */
    }
    if (is_category(r)) {
        return judge_probabilities(r, &s);
    }
    judge_number(r, &s);
    return 1;
}

/* What training made of a target of one column, against the best that the head does without z. */
static void judge_trained(rig *r, double after, double blind, const double blind_part[PARTS])
{
    double part[PARTS];
    if (!part_losses(r, part)) {
        return;
    }
    for (int p = 0; p < PARTS && has_row_losses(r->t); p++) {
        if ((is_category(r) || p != PARTS / 2) && !(part[p] < blind_part[p])) {
            check_fail(r->t, "rows %s %d: their loss is %.5g after training, and %.5g without z", what_of(r), p,
                       part[p], blind_part[p]);
        }
    }
    const int shows = judge_shown(r);
    if (is_category(r) && blind > 0.0 && !(after <= SLACK * true_ratio(r) * blind)) {
        /* A target that is smoothed on purpose leaves a loss that no prediction goes below. */
        check_say(r->t, shows ? CHECK_WARN : CHECK_FAIL,
                  "the loss stays at %.5g, which is %.3g of that without z; the true probabilities leave %.3g: is it "
                  "least where they are predicted?%s",
                  after, after / blind, true_ratio(r),
                  shows ? ""
                        : " A head that has another loss on purpose is judged by the probabilities it shows: "
                          "slots outputs and show.");
    }
}

static void expect_traits(rig *r)
{
    stele_head_traits traits = { .struct_size = sizeof traits };
    if (r->vt->head.traits(r->inst, &traits) != STELE_OK || !isfinite(traits.gradient_scale) || traits.own_step > 1 ||
        traits.at_mean > 1 || !(traits.step_rate >= 0.0)) {
        check_fail(r->t, "traits failed, or its figures make no sense");
    }
}

void check_head_target(check_trial *t)
{
    rig r;
    rig_plan plan = { .rows = ROWS, .latent = 2, .raw = 1 };
    double blind = 0.0, blind_part[PARTS];
    if (rig_start(t, &plan, &r)) {
        const int one_column = r.n_columns == 1;
        expect_traits(&r);
        const int compared = one_column && train_blind(t, &blind, blind_part);
        const double before = train_loss(&r, 0);
        const double enough = is_category(&r) ? SLACK * true_ratio(&r) * blind : -HUGE_VAL;
        const int most = is_category(&r) ? MOST_STEPS : 5 * STEPS;
        double after = train_descend(&r, STEPS, before);
        for (int n = STEPS; n < most && after > enough; n += STEPS) {
            after = train_descend(&r, STEPS, after);
        }
        if (!(after < before - 0.1 * fabs(before))) {
            check_fail(t, "the loss goes from %.5g to %.5g only, though the target follows from z", before, after);
        } else if (compared) {
            judge_trained(&r, after, blind, blind_part);
        }
        if (one_column && has_row_losses(t)) {
            expect_derivatives(t, &r);
        }
    }
    rig_finish(&r);
}
