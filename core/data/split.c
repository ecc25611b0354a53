#include "data/split.h"

#include "base/mem.h"
#include "base/str.h"
#include "kernels/philox.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Parts including the unused rest, which gets its share like the others. */
#define N_SHARES (STELE__N_PARTS + 1)

/* Streams of random numbers. */
enum { ROWS, GROUPS };

const char *stele__part_name(int part)
{
    static const char *const name[] = { "train", "valid", "test", "unused" };
    return part >= 0 && part < N_SHARES ? name[part] : "?";
}

void stele__split_destroy(stele__split *split)
{
    if (split == NULL) {
        return;
    }
    for (int p = 0; p < STELE__N_PARTS; p++) {
        stele__free(split->row[p]);
    }
    stele__free(split->part);
    stele__free(split->train);
    stele__free(split);
}

static stele_status create_unused(int64_t n_rows, stele__split **ret)
{
    stele__split *s = stele__calloc(1, sizeof *s);
    if (s == NULL) {
        return STELE_E_NOMEM;
    }
    s->n_rows = n_rows;
    s->part = stele__malloc((size_t)n_rows + 1);
    s->train = stele__calloc((size_t)n_rows + 1, 1);
    if (s->part == NULL || s->train == NULL) {
        stele__split_destroy(s);
        return STELE_E_NOMEM;
    }
    memset(s->part, STELE__UNUSED, (size_t)n_rows + 1);
    *ret = s;
    return STELE_OK;
}

/* Parts are decided: list their rows. */
static stele_status list_parts(stele__split *s, const stele__place *place, stele__diag *diag)
{
    for (int64_t i = 0; i < s->n_rows; i++) {
        if (s->part[i] < STELE__N_PARTS) {
            s->n[s->part[i]]++;
        }
        s->train[i] = s->part[i] == STELE__TRAIN;
    }
    for (int p = 0; p < STELE__N_PARTS; p++) {
        int64_t n = 0;
        s->row[p] = stele__malloc((size_t)(s->n[p] + 1) * sizeof *s->row[p]);
        if (s->row[p] == NULL) {
            return STELE_E_NOMEM;
        }
        for (int64_t i = 0; i < s->n_rows; i++) {
            if (s->part[i] == p) {
                s->row[p][n++] = i;
            }
        }
    }
    return s->n[STELE__TRAIN] > 0
               ? STELE_OK
               : stele__diag_error(diag, STELE_E_DATA, place, "the split leaves no training rows");
}

/* --- by fractions ---------------------------------------------------------------------------- */

/* Divide n rows of one class: largest remainders, with what earlier classes owe in `carry`. */
static void divide(int64_t n, const double *share, double *carry, int64_t *ret)
{
    double target[N_SHARES];
    int64_t left = n;
    for (int p = 0; p < N_SHARES; p++) {
        target[p] = share[p] * (double)n + carry[p];
        ret[p] = target[p] > 0 ? (int64_t)floor(target[p] + 1e-9) : 0;
        ret[p] = ret[p] < left ? ret[p] : left;
        left -= ret[p];
    }
    for (; left > 0; left--) {
        int best = 0;
        for (int p = 1; p < N_SHARES; p++) {
            if (target[p] - (double)ret[p] > target[best] - (double)ret[best] + 1e-9) {
                best = p;
            }
        }
        ret[best]++;
    }
    /* What the model never saw it cannot be judged on. */
    if (ret[STELE__TRAIN] == 0 && share[STELE__TRAIN] > 0 && n > 1) {
        int most = STELE__VALID;
        for (int p = STELE__VALID; p < N_SHARES; p++) {
            most = ret[p] > ret[most] ? p : most;
        }
        ret[most]--;
        ret[STELE__TRAIN]++;
    }
    for (int p = 0; p < N_SHARES; p++) {
        carry[p] = target[p] - (double)ret[p];
    }
}

/* Rows in random order, sorted by class: order (n_rows), start (n_classes + 1). */
typedef struct classes {
    int64_t n, *start, *order;
} classes;

/* Class of a row: its code, the last one when there is no label. */
static int64_t class_of(const stele__label *label, int64_t row)
{
    if (label == NULL) {
        return 0;
    }
    return label->code[row] >= 0 ? label->code[row] : label->n_categories;
}

static stele_status sort_classes(int64_t n_rows, const stele__label *label, uint64_t seed,
                                 classes *ret)
{
    int64_t n = label != NULL ? label->n_categories + 1 : 1;
    int64_t *shuffled = stele__malloc((size_t)(n_rows + 1) * sizeof *shuffled);
    *ret = (classes){ .n = n,
                      .start = stele__calloc((size_t)n + 2, sizeof *ret->start),
                      .order = stele__malloc((size_t)(n_rows + 1) * sizeof *ret->order) };
    if (shuffled == NULL || ret->start == NULL || ret->order == NULL) {
        stele__free(shuffled);
        return STELE_E_NOMEM;
    }
    /* start[c + 1] is moved on as class c fills, and so ends where class c + 1 begins. */
    for (int64_t i = 0; i < n_rows; i++) {
        ret->start[class_of(label, i) + 2]++;
    }
    for (int64_t c = 0; c < n; c++) {
        ret->start[c + 2] += ret->start[c + 1];
    }
    stele__noise_permutation(stele__noise_at(seed, stele__noise_purpose("split", ROWS), 0),
                             (size_t)n_rows, shuffled);
    for (int64_t i = 0; i < n_rows; i++) {
        ret->order[ret->start[class_of(label, shuffled[i]) + 1]++] = shuffled[i];
    }
    stele__free(shuffled);
    return STELE_OK;
}

static stele_status check_single(const classes *c, const stele__split_spec *spec, stele__diag *diag)
{
    const stele__label *label = spec->stratify;
    stele_status st = STELE_OK;
    for (int64_t k = 0; label != NULL && k < label->n_categories; k++) {
        if (c->start[k + 1] - c->start[k] == 1) {
            st = stele__diag_error(diag, STELE_E_DATA, &spec->place,
                                   "class `%s` of `%s` has one row, which cannot be divided",
                                   label->category[k], label->name);
            stele__diag_hint(diag, "leave that row out, merge the class, or do not stratify");
        }
    }
    return st;
}

static stele_status by_class(stele__split *s, const stele__split_spec *spec, const double *share,
                             stele__diag *diag)
{
    classes c = { 0 };
    double carry[N_SHARES] = { 0 };
    stele_status st = sort_classes(s->n_rows, spec->stratify, spec->seed, &c);
    st = st == STELE_OK ? check_single(&c, spec, diag) : st;
    for (int64_t k = 0; k < c.n && st == STELE_OK; k++) {
        int64_t n[N_SHARES], at = c.start[k];
        if (c.start[k + 1] == at) {
            continue;
        }
        divide(c.start[k + 1] - at, share, carry, n);
        for (int p = 0; p < N_SHARES; p++) {
            for (int64_t i = 0; i < n[p]; i++) {
                s->part[c.order[at++]] = (uint8_t)p;
            }
        }
    }
    stele__free(c.start);
    stele__free(c.order);
    return st;
}

/* --- by groups ------------------------------------------------------------------------------- */

typedef struct unit {
    int64_t rank, begin, n; /* random rank; rows order[begin .. begin + n - 1] */
} unit;

static int by_size_then_rank(const void *a, const void *b)
{
    const unit *x = a, *y = b;
    if (x->n != y->n) {
        return x->n < y->n ? 1 : -1;
    }
    return (x->rank > y->rank) - (x->rank < y->rank);
}

/* The part that lacks most rows; when only as many groups are left as there are empty parts, an
 * empty one. */
static int choose_part(const double *lack, const int64_t *have, const double *share, int64_t left)
{
    int best = -1, n_empty = 0;
    for (int p = 0; p < STELE__N_PARTS; p++) {
        n_empty += share[p] > 0 && have[p] == 0;
    }
    for (int p = 0; p < N_SHARES; p++) {
        int allowed = share[p] > 0 && (left > n_empty || (p < STELE__N_PARTS && have[p] == 0));
        if (allowed && (best < 0 || lack[p] > lack[best])) {
            best = p;
        }
    }
    return best < 0 ? STELE__TRAIN : best;
}

static stele_status list_units(const classes *c, uint64_t seed, unit **ret, int64_t *ret_n)
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
        u[n++] = (unit){ .begin = i, .n = 1 };
    }
    stele__noise_permutation(stele__noise_at(seed, stele__noise_purpose("split", GROUPS), 0),
                             (size_t)n, rank);
    for (int64_t i = 0; i < n; i++) {
        u[i].rank = rank[i];
    }
    qsort(u, (size_t)n, sizeof *u, by_size_then_rank);
    stele__free(rank);
    *ret = u;
    *ret_n = n;
    return STELE_OK;
}

static stele_status by_group(stele__split *s, const stele__split_spec *spec, const double *share,
                             stele__diag *diag)
{
    classes c = { 0 };
    unit *u = NULL;
    int64_t n = 0, have[N_SHARES] = { 0 }, n_parts = 0;
    double lack[N_SHARES];
    stele_status st = sort_classes(s->n_rows, spec->group, spec->seed, &c);
    st = st == STELE_OK ? list_units(&c, spec->seed, &u, &n) : st;
    for (int p = 0; p < N_SHARES; p++) {
        lack[p] = share[p] * (double)s->n_rows;
        n_parts += p < STELE__N_PARTS && share[p] > 0;
    }
    if (st == STELE_OK && n < n_parts) {
        st = stele__diag_error(diag, STELE_E_DATA, &spec->place,
                               "`%s` has %lld groups, too few for %lld parts", spec->group->name,
                               (long long)n, (long long)n_parts);
    }
    for (int64_t i = 0; i < n && st == STELE_OK; i++) {
        int p = choose_part(lack, have, share, n - i);
        for (int64_t k = 0; k < u[i].n; k++) {
            s->part[c.order[u[i].begin + k]] = (uint8_t)p;
        }
        have[p] += u[i].n;
        lack[p] -= (double)u[i].n;
    }
    stele__free(u);
    stele__free(c.start);
    stele__free(c.order);
    return st;
}

static stele_status check_spec(const stele__split_spec *spec, double *ret_share, stele__diag *diag)
{
    double sum = 0;
    for (int p = 0; p < STELE__N_PARTS; p++) {
        double f = spec->fraction[p];
        if (!(f >= 0 && f <= 1)) {
            return stele__diag_error(diag, STELE_E_OPTION, &spec->place,
                                     "the fraction for `%s` is %g; it has to be in 0 .. 1",
                                     stele__part_name(p), f);
        }
        sum += f;
        ret_share[p] = f;
    }
    if (sum > 1 + 1e-9) {
        return stele__diag_error(diag, STELE_E_OPTION, &spec->place,
                                 "the fractions add up to %g, more than 1", sum);
    }
    if (spec->stratify != NULL && spec->group != NULL) {
        return stele__diag_error(diag, STELE_E_OPTION, &spec->place,
                                 "`stratify` and `group` exclude each other");
    }
    const stele__label *label = spec->stratify != NULL ? spec->stratify : spec->group;
    if (label != NULL && label->code == NULL) {
        return stele__diag_error(diag, STELE_E_DATA, &spec->place,
                                 "`%s` holds numbers, not classes", label->name);
    }
    ret_share[STELE__UNUSED] = sum < 1 - 1e-9 ? 1 - sum : 0;
    return STELE_OK;
}

stele_status stele__split_create(const stele__dataset *ds, const stele__split_spec *spec,
                                 stele__split **ret, stele__diag *diag)
{
    stele__split *s = NULL;
    double share[N_SHARES];
    stele_status st = check_spec(spec, share, diag);
    st = st == STELE_OK ? create_unused(ds->n_rows, &s) : st;
    if (st == STELE_OK) {
        st = spec->group != NULL ? by_group(s, spec, share, diag) : by_class(s, spec, share, diag);
    }
    st = st == STELE_OK ? list_parts(s, &spec->place, diag) : st;
    if (st != STELE_OK) {
        stele__split_destroy(s);
        return st;
    }
    for (int p = STELE__VALID; p < STELE__N_PARTS; p++) {
        if (share[p] > 0 && s->n[p] == 0) {
            stele__diag_warning(diag, &spec->place, "part `%s` of the split is empty",
                                stele__part_name(p));
        }
    }
    *ret = s;
    return STELE_OK;
}

/* --- fixed ----------------------------------------------------------------------------------- */

static int part_of_name(const char *name)
{
    static const struct {
        const char *name;
        int part;
    } known[] = {
        { "train", STELE__TRAIN },      { "valid", STELE__VALID }, { "val", STELE__VALID },
        { "validation", STELE__VALID }, { "test", STELE__TEST },   { "none", STELE__UNUSED },
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(name, known[i].name) == 0) {
            return known[i].part;
        }
    }
    return -1;
}

stele_status stele__split_from_label(const stele__dataset *ds, const stele__label *label,
                                     stele__split **ret, stele__diag *diag)
{
    stele__split *s = NULL;
    if (label->code == NULL) {
        return stele__diag_error(diag, STELE_E_DATA, &label->place,
                                 "`%s` holds numbers, not the names of parts", label->name);
    }
    for (int64_t c = 0; c < label->n_categories; c++) {
        if (part_of_name(label->category[c]) < 0) {
            return stele__diag_error(diag, STELE_E_DATA, &label->place,
                                     "`%s` has `%s`; parts are train, valid, test and none",
                                     label->name, label->category[c]);
        }
    }
    stele_status st = create_unused(ds->n_rows, &s);
    for (int64_t i = 0; i < ds->n_rows && st == STELE_OK; i++) {
        if (label->code[i] >= 0) {
            s->part[i] = (uint8_t)part_of_name(label->category[label->code[i]]);
        }
    }
    st = st == STELE_OK ? list_parts(s, &label->place, diag) : st;
    if (st != STELE_OK) {
        stele__split_destroy(s);
        return st;
    }
    *ret = s;
    return STELE_OK;
}

stele_status stele__split_from_ids(const stele__dataset *ds,
                                   const char *const *const id[STELE__N_PARTS],
                                   const int64_t n_ids[STELE__N_PARTS], stele__split **ret,
                                   stele__diag *diag)
{
    stele__split *s = NULL;
    stele_status st = create_unused(ds->n_rows, &s);
    for (int p = 0; p < STELE__N_PARTS; p++) {
        for (int64_t k = 0; k < n_ids[p] && st == STELE_OK; k++) {
            int64_t row = stele__map_find(ds->id, id[p][k]);
            if (row < 0) {
                st = stele__diag_error(diag, STELE_E_DATA, NULL,
                                       "the split names row `%s`, which the data lack", id[p][k]);
            } else if (s->part[row] != STELE__UNUSED) {
                st = stele__diag_error(diag, STELE_E_DATA, NULL,
                                       "the split names row `%s` more than once", id[p][k]);
            } else {
                s->part[row] = (uint8_t)p;
            }
        }
    }
    st = st == STELE_OK ? list_parts(s, NULL, diag) : st;
    if (st != STELE_OK) {
        stele__split_destroy(s);
        return st;
    }
    *ret = s;
    return STELE_OK;
}
