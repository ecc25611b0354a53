/* Which of several parts each row of a set goes to: by class, by group, or by stretches. */
#include "data/split_private.h"

#include "base/mem.h"
#include "kernels/philox.h"

#include <math.h>
#include <stdlib.h>

/* Streams of random numbers. */
enum { ROWS, GROUPS };

/* Divide n rows of one class: largest remainders, with what earlier classes owe in `carry`. */
static void divide_class(const stele__division *d, int64_t n, double *carry, int64_t *ret)
{
    double target[STELE__MOST_SHARES];
    int64_t left = n;
    for (int p = 0; p < d->n_shares; p++) {
        target[p] = d->share[p] * (double)n + carry[p];
        ret[p] = target[p] > 0 ? (int64_t)floor(target[p] + 1e-9) : 0;
        ret[p] = ret[p] < left ? ret[p] : left;
        left -= ret[p];
    }
    for (; left > 0; left--) {
        int best = 0;
        for (int p = 1; p < d->n_shares; p++) {
            if (target[p] - (double)ret[p] > target[best] - (double)ret[best] + 1e-9) {
                best = p;
            }
        }
        ret[best]++;
    }
    /* What the model never saw it cannot be judged on. */
    if (d->first_has_all && ret[0] == 0 && d->share[0] > 0 && n > 1) {
        int most = 1;
        for (int p = 1; p < d->n_shares; p++) {
            most = ret[p] > ret[most] ? p : most;
        }
        ret[most]--;
        ret[0]++;
    }
    for (int p = 0; p < d->n_shares; p++) {
        carry[p] = target[p] - (double)ret[p];
    }
}

/* Places of the set in random order, sorted by class: order (n_rows), start (n + 1). */
typedef struct classes {
    int64_t n, *start, *order;
} classes;

static void classes_finish(classes *c)
{
    stele__free(c->start);
    stele__free(c->order);
}

/* Class of a row: its code, the last one when there is no label. */
static int64_t class_of(const stele__label *label, int64_t row)
{
    if (label == NULL) {
        return 0;
    }
    return label->code[row] >= 0 ? label->code[row] : label->n_categories;
}

static stele_status sort_classes(const stele__division *d, const stele__label *label, classes *ret)
{
    int64_t n = label != NULL ? label->n_categories + 1 : 1;
    int64_t *shuffled = stele__malloc((size_t)(d->n_rows + 1) * sizeof *shuffled);
    *ret = (classes){ .n = n,
                      .start = stele__calloc((size_t)n + 2, sizeof *ret->start),
                      .order = stele__malloc((size_t)(d->n_rows + 1) * sizeof *ret->order) };
    if (shuffled == NULL || ret->start == NULL || ret->order == NULL) {
        stele__free(shuffled);
        return STELE_E_NOMEM;
    }
    /* start[c + 1] is moved on as class c fills, and so ends where class c + 1 begins. */
    for (int64_t i = 0; i < d->n_rows; i++) {
        ret->start[class_of(label, d->row[i]) + 2]++;
    }
    for (int64_t c = 0; c < n; c++) {
        ret->start[c + 2] += ret->start[c + 1];
    }
    stele__noise_permutation(
        stele__noise_at(d->seed, stele__noise_purpose("split", ROWS), d->stage), (size_t)d->n_rows,
        shuffled);
    for (int64_t i = 0; i < d->n_rows; i++) {
        ret->order[ret->start[class_of(label, d->row[shuffled[i]]) + 1]++] = shuffled[i];
    }
    stele__free(shuffled);
    return STELE_OK;
}

static stele_status check_single(const classes *c, const stele__division *d, stele__diag *diag)
{
    const stele__label *label = d->stratify;
    stele_status st = STELE_OK;
    for (int64_t k = 0; label != NULL && d->first_has_all && k < label->n_categories; k++) {
        if (c->start[k + 1] - c->start[k] == 1) {
            st = stele__diag_error(diag, STELE_E_DATA, &d->place,
                                   "class `%s` of `%s` has one row, which cannot be divided",
                                   label->category[k], label->name);
            stele__diag_hint(diag, "leave that row out, merge the class, or do not stratify");
        }
    }
    return st;
}

static stele_status by_class(const stele__division *d, int32_t *ret, stele__diag *diag)
{
    classes c = { 0 };
    double carry[STELE__MOST_SHARES] = { 0 };
    stele_status st = sort_classes(d, d->stratify, &c);
    st = st == STELE_OK ? check_single(&c, d, diag) : st;
    for (int64_t k = 0; k < c.n && st == STELE_OK; k++) {
        int64_t n[STELE__MOST_SHARES], at = c.start[k];
        if (c.start[k + 1] == at) {
            continue;
        }
        divide_class(d, c.start[k + 1] - at, carry, n);
        for (int p = 0; p < d->n_shares; p++) {
            for (int64_t i = 0; i < n[p]; i++) {
                ret[c.order[at++]] = p;
            }
        }
    }
    classes_finish(&c);
    return st;
}

/* --- by groups ------------------------------------------------------------------------------- */

typedef struct unit {
    int64_t rank, begin, n; /* rank: of chance; places order[begin .. begin + n - 1] */
    int alone;              /* a row whose group is not known */
} unit;

static int by_size_then_rank(const void *a, const void *b)
{
    const unit *x = a, *y = b;
    if (x->alone != y->alone) {
        return x->alone - y->alone;
    }
    if (x->n != y->n) {
        return x->n < y->n ? 1 : -1;
    }
    return (x->rank > y->rank) - (x->rank < y->rank);
}

/* The part that lacks most rows; when only as many groups are left as there are empty parts, an
 * empty one. */
static int choose_part(const stele__division *d, const double *lack, const int64_t *have,
                       int64_t left)
{
    int best = -1, n_empty = 0;
    for (int p = 0; p < d->n_named; p++) {
        n_empty += d->share[p] > 0 && have[p] == 0;
    }
    for (int p = 0; p < d->n_shares; p++) {
        int allowed = d->share[p] > 0 && (left > n_empty || (p < d->n_named && have[p] == 0));
        if (allowed && (best < 0 || lack[p] > lack[best])) {
            best = p;
        }
    }
    return best < 0 ? 0 : best;
}

static stele_status list_units(const classes *c, const stele__division *d, unit **ret,
                               int64_t *ret_n)
{
    int64_t n_single = c->start[c->n] - c->start[c->n - 1], n = 0;
    unit *u = stele__malloc((size_t)(c->n + n_single) * sizeof *u);
    int64_t *rank = stele__malloc((size_t)(c->n + n_single) * sizeof *rank);
    if (u == NULL || rank == NULL) {
        stele__free(u);
        stele__free(rank);
        return STELE_E_NOMEM;
    }
    for (int64_t k = 0; k + 1 < c->n; k++) {
        if (c->start[k + 1] > c->start[k]) {
            u[n++] = (unit){ .begin = c->start[k], .n = c->start[k + 1] - c->start[k] };
        }
    }
    for (int64_t i = c->start[c->n - 1]; i < c->start[c->n]; i++) {
        u[n++] = (unit){ .begin = i, .n = 1, .alone = d->group != NULL };
    }
    stele__noise_permutation(
        stele__noise_at(d->seed, stele__noise_purpose("split", GROUPS), d->stage), (size_t)n, rank);
    for (int64_t i = 0; i < n; i++) {
        u[i].rank = rank[i];
    }
    stele__free(rank);
    *ret = u;
    *ret_n = n;
    return STELE_OK;
}

static stele_status check_units(const stele__division *d, int64_t n, stele__diag *diag)
{
    int64_t n_parts = 0;
    for (int p = 0; p < d->n_named; p++) {
        n_parts += d->share[p] > 0;
    }
    if (n >= n_parts) {
        return STELE_OK;
    }
    return d->group != NULL ? stele__diag_error(diag, STELE_E_DATA, &d->place,
                                                "`%s` has %lld groups, too few for %lld parts",
                                                d->group->name, (long long)n, (long long)n_parts)
                            : stele__diag_error(diag, STELE_E_DATA, &d->place,
                                                "there are %lld rows, too few for %lld parts",
                                                (long long)n, (long long)n_parts);
}

static void put(const classes *c, const unit *u, int p, int32_t *ret)
{
    for (int64_t k = 0; k < u->n; k++) {
        ret[c->order[u->begin + k]] = p;
    }
}

/* Groups first, then rows without one, each as if the others were not there: rows that fill what
 * large groups left over would make up a small part alone, and are unlike the others. */
static void share_units(const stele__division *d, const classes *c, unit *u, int64_t n,
                        int32_t *ret)
{
    double lack[STELE__MOST_SHARES] = { 0.0 };
    int64_t have[STELE__MOST_SHARES] = { 0 }, n_rows[2] = { 0, 0 }, left[2] = { 0, 0 };
    for (int64_t i = 0; i < n; i++) {
        n_rows[u[i].alone] += u[i].n;
        left[u[i].alone]++;
    }
    qsort(u, (size_t)n, sizeof *u, by_size_then_rank);
    for (int64_t i = 0; i < n; i++) {
        for (int p = 0; p < d->n_shares && (i == 0 || u[i].alone != u[i - 1].alone); p++) {
            lack[p] = d->share[p] * (double)n_rows[u[i].alone];
        }
        int p = choose_part(d, lack, have, left[u[i].alone]--);
        put(c, &u[i], p, ret);
        have[p] += u[i].n;
        lack[p] -= (double)u[i].n;
    }
}

/* --- by stretches ---------------------------------------------------------------------------- */

/* In place of chance: where a unit begins. */
static void rank_by_place(const classes *c, unit *u, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        u[i].rank = c->order[u[i].begin];
        for (int64_t k = 1; k < u[i].n; k++) {
            int64_t at = c->order[u[i].begin + k];
            u[i].rank = at < u[i].rank ? at : u[i].rank;
        }
    }
}

static int by_rank(const void *a, const void *b)
{
    const unit *x = a, *y = b;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

/* Parts follow one another; a unit goes where its middle lies. */
static void cut_units(const stele__division *d, const classes *c, unit *u, int64_t n, int32_t *ret)
{
    int64_t before = 0;
    rank_by_place(c, u, n);
    qsort(u, (size_t)n, sizeof *u, by_rank);
    for (int64_t i = 0; i < n; i++) {
        double middle = ((double)before + 0.5 * (double)u[i].n) / (double)d->n_rows;
        int p = 0;
        double end = d->share[0];
        while (p + 1 < d->n_shares && middle > end) {
            end += d->share[++p];
        }
        put(c, &u[i], p, ret);
        before += u[i].n;
    }
}

static stele_status by_unit(const stele__division *d, int32_t *ret, stele__diag *diag)
{
    classes c = { 0 };
    unit *u = NULL;
    int64_t n = 0;
    /* Without groups every row is one of its own, as are rows without the label. */
    stele_status st = sort_classes(d, d->group, &c);
    st = st == STELE_OK ? list_units(&c, d, &u, &n) : st;
    st = st == STELE_OK ? check_units(d, n, diag) : st;
    if (st == STELE_OK && d->contiguous) {
        cut_units(d, &c, u, n, ret);
    } else if (st == STELE_OK) {
        share_units(d, &c, u, n, ret);
    }
    stele__free(u);
    classes_finish(&c);
    return st;
}

stele_status stele__split_divide(const stele__division *d, int32_t *ret, stele__diag *diag)
{
    return d->group != NULL || d->contiguous ? by_unit(d, ret, diag) : by_class(d, ret, diag);
}
