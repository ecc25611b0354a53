#include "data/split_private.h"

#include "base/mem.h"

#include <string.h>

/* Parts including the unused rest, which gets its share like the others. */
#define N_SHARES (STELE__N_PARTS + 1)

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

/* --- one or two divisions -------------------------------------------------------------------- */

/* Divide the rows that are in part `from` now; the new part p is into[p]. */
static stele_status divide_part(stele__split *s, const stele__split_spec *spec, int from,
                                stele__division *d, const uint8_t *into, stele__diag *diag)
{
    int64_t n = 0, *row = stele__malloc((size_t)(s->n_rows + 1) * sizeof *row);
    int32_t *part = stele__malloc((size_t)(s->n_rows + 1) * sizeof *part);
    stele_status st = row != NULL && part != NULL ? STELE_OK : STELE_E_NOMEM;
    for (int64_t i = 0; i < s->n_rows && st == STELE_OK; i++) {
        if (s->part[i] == from) {
            row[n++] = i;
        }
    }
    d->row = row;
    d->n_rows = n;
    d->stratify = spec->stratify;
    d->group = spec->group;
    d->contiguous = spec->contiguous;
    d->seed = spec->seed;
    d->place = spec->place;
    st = st == STELE_OK ? stele__split_divide(d, part, diag) : st;
    for (int64_t i = 0; i < n && st == STELE_OK; i++) {
        s->part[row[i]] = into[part[i]];
    }
    stele__free(row);
    stele__free(part);
    return st;
}

static stele_status by_fractions(stele__split *s, const stele__split_spec *spec, stele__diag *diag)
{
    static const uint8_t into[] = { STELE__TRAIN, STELE__VALID, STELE__TEST, STELE__UNUSED };
    double share[N_SHARES], sum = 0;
    for (int p = 0; p < STELE__N_PARTS; p++) {
        share[p] = spec->fraction[p];
        sum += share[p];
    }
    if (sum > 1 + 1e-9) {
        return stele__diag_error(diag, STELE_E_OPTION, &spec->place,
                                 "the fractions add up to %g, more than 1", sum);
    }
    share[STELE__UNUSED] = sum < 1 - 1e-9 ? 1 - sum : 0;
    stele__division d = {
        .share = share, .n_shares = N_SHARES, .n_named = STELE__N_PARTS, .first_has_all = 1
    };
    return divide_part(s, spec, STELE__UNUSED, &d, into, diag);
}

/* One of n_folds equal parts is the test part; the others train, for now. */
static stele_status by_folds(stele__split *s, const stele__split_spec *spec, stele__diag *diag)
{
    double share[STELE__MOST_SHARES];
    uint8_t into[STELE__MOST_SHARES];
    if (spec->n_folds < 2 || spec->n_folds > STELE__MOST_FOLDS || spec->fold < 1 ||
        spec->fold > spec->n_folds) {
        return stele__diag_error(diag, STELE_E_OPTION, &spec->place,
                                 "fold %lld of %lld: there are 2 to %d folds, counted from 1",
                                 (long long)spec->fold, (long long)spec->n_folds,
                                 STELE__MOST_FOLDS);
    }
    for (int64_t k = 0; k < spec->n_folds; k++) {
        share[k] = 1.0 / (double)spec->n_folds;
        into[k] = k + 1 == spec->fold ? STELE__TEST : STELE__TRAIN;
    }
    stele__division d = { .share = share,
                          .n_shares = (int)spec->n_folds,
                          .n_named = (int)spec->n_folds };
    return divide_part(s, spec, STELE__UNUSED, &d, into, diag);
}

/* Rows that choose the model, taken from those that train: a share of what is there. */
static stele_status take_valid(stele__split *s, const stele__split_spec *spec, stele__diag *diag)
{
    static const uint8_t into[] = { STELE__TRAIN, STELE__VALID };
    double fraction = spec->fraction[STELE__VALID];
    if (spec->n_folds > 0) { /* of all rows */
        fraction /= 1 - 1 / (double)spec->n_folds;
    }
    fraction = fraction < 1 ? fraction : 1;
    double share[] = { 1 - fraction, fraction };
    stele__division d = { .share = share, .n_shares = 2, .n_named = 2, .stage = 1 };
    return share[1] > 0 ? divide_part(s, spec, STELE__TRAIN, &d, into, diag) : STELE_OK;
}

/* Rows that train or choose the model, but lie within `gap` rows of one that does more judging. */
static void leave_gaps(stele__split *s, int64_t gap)
{
    for (int p = STELE__TEST; p > STELE__TRAIN; p--) {
        int64_t near = -gap - 1;
        for (int64_t i = 0; i < s->n_rows; i++) { /* `near`: the last row of part p */
            near = s->part[i] == p ? i : near;
            s->part[i] = s->part[i] < p && i - near <= gap ? STELE__UNUSED : s->part[i];
        }
        near = s->n_rows + gap + 1;
        for (int64_t i = s->n_rows - 1; i >= 0; i--) {
            near = s->part[i] == p ? i : near;
            s->part[i] = s->part[i] < p && near - i <= gap ? STELE__UNUSED : s->part[i];
        }
    }
}

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

/* Parts as a column names them. */
static stele_status by_column(stele__split *s, const stele__label *label, int *ret_has_valid,
                              stele__diag *diag)
{
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
    for (int64_t i = 0; i < s->n_rows; i++) {
        if (label->code[i] >= 0) {
            s->part[i] = (uint8_t)part_of_name(label->category[label->code[i]]);
            *ret_has_valid = *ret_has_valid || s->part[i] == STELE__VALID;
        }
    }
    return STELE_OK;
}

static stele_status check_label(const stele__split_spec *spec, const stele__label *label,
                                stele__diag *diag)
{
    return label == NULL || label->code != NULL
               ? STELE_OK
               : stele__diag_error(diag, STELE_E_DATA, &spec->place,
                                   "`%s` holds numbers, not classes", label->name);
}

static stele_status check_spec(const stele__split_spec *spec, stele__diag *diag)
{
    for (int p = 0; p < STELE__N_PARTS; p++) {
        double f = spec->fraction[p];
        if (!(f >= 0 && f <= 1)) {
            return stele__diag_error(diag, STELE_E_OPTION, &spec->place,
                                     "the fraction for `%s` is %g; it has to be in 0 .. 1",
                                     stele__part_name(p), f);
        }
    }
    if (spec->stratify != NULL && (spec->group != NULL || spec->contiguous)) {
        return stele__diag_error(diag, STELE_E_OPTION, &spec->place,
                                 "`stratify` and `%s` exclude each other",
                                 spec->group != NULL ? "group" : "contiguous");
    }
    stele_status st = check_label(spec, spec->stratify, diag);
    return st == STELE_OK ? check_label(spec, spec->group, diag) : st;
}

static stele_status assign(stele__split *s, const stele__split_spec *spec, stele__diag *diag)
{
    stele_status st;
    if (spec->column == NULL && spec->n_folds == 0) {
        st = by_fractions(s, spec, diag);
    } else {
        int has_valid = 0;
        st = spec->column != NULL ? by_column(s, spec->column, &has_valid, diag)
                                  : by_folds(s, spec, diag);
        st = st == STELE_OK && !has_valid ? take_valid(s, spec, diag) : st;
    }
    if (st == STELE_OK && spec->gap > 0) {
        leave_gaps(s, spec->gap);
    }
    return st;
}

stele_status stele__split_create(const stele__dataset *ds, const stele__split_spec *spec,
                                 stele__split **ret, stele__diag *diag)
{
    stele__split *s = NULL;
    stele_status st = check_spec(spec, diag);
    st = st == STELE_OK ? create_unused(ds->n_rows, &s) : st;
    st = st == STELE_OK ? assign(s, spec, diag) : st;
    st = st == STELE_OK ? list_parts(s, &spec->place, diag) : st;
    if (st != STELE_OK) {
        stele__split_destroy(s);
        return st;
    }
    for (int p = STELE__VALID; p < STELE__N_PARTS; p++) {
        int judged = p == STELE__TEST && (spec->column != NULL || spec->n_folds > 0);
        if ((spec->fraction[p] > 0 || judged) && s->n[p] == 0) {
            stele__diag_warning(diag, &spec->place, "part `%s` of the split is empty",
                                stele__part_name(p));
        }
    }
    *ret = s;
    return STELE_OK;
}

/* --- fixed ----------------------------------------------------------------------------------- */

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
