/* Values of columns and what terms make of them. */
#include "table.h"

#include <stele/counts.h>

#include <float.h>
#include <math.h>

static int64_t find_value(const stele_feature *f, double x)
{
    int64_t lo = 0, hi = f->n_values;
    while (lo < hi) {
        const int64_t middle = lo + (hi - lo) / 2;
        if (f->value[middle] < x) {
            lo = middle + 1;
        } else {
            hi = middle;
        }
    }
    return lo < f->n_values && f->value[lo] == x ? lo : -1;
}

int64_t table_level(const table_column *c, double x)
{
    const int64_t at = isnan(x) ? -1 : find_value(c->feature, x);
    return at >= 0 && c->rank != NULL ? c->rank[at] : at;
}

double table_uncoded(const table_column *c, int64_t level)
{
    int64_t at = level;
    for (int64_t k = 0; c->rank != NULL && k < c->n; k++) {
        at = c->rank[k] == level ? k : at;
    }
    return c->feature->value[at];
}

/* 0 inside, then the ends that training rows have: the normal term is for what is inside. */
static double end_of(const table_column *c, double x)
{
    if (x == 0.0 && (c->ends & 1) != 0) {
        return 1.0;
    }
    return x == 1.0 && (c->ends & 2) != 0 ? (c->ends == 3 ? 2.0 : 1.0) : 0.0;
}

/* An end that training rows lack is taken for half the way to it from the nearest of theirs: there
 * the logit is infinite. */
static double logit_of(const table_column *c, double x)
{
    const stele_feature *f = c->feature;
    if (end_of(c, x) != 0.0) {
        return (double)NAN;
    }
    if (x <= 0.0) {
        x = f != NULL ? 0.5 * f->least : 1e-6;
    } else if (x >= 1.0) {
        x = f != NULL ? 1.0 - 0.5 * (1.0 - f->largest) : 1.0 - 1e-6;
    }
    return log(x) - log1p(-x);
}

double table_coded(const stele_inst *self, int64_t term, double x)
{
    const table_column *c = &self->column[self->term[term].column];
    if (isnan(x)) {
        return x;
    }
    if (term == c->end) {
        return end_of(c, x);
    }
    switch (c->type) {
    case TABLE_POSITIVE: return log(x);
    case TABLE_PROPORTION: return logit_of(c, x);
    case TABLE_REAL:
    case TABLE_COUNT: return x;
    default: {
        const int64_t level = table_level(c, x);
        return level >= 0 ? (double)level : (double)NAN;
    }
    }
}

double table_seen(const stele_inst *self, int64_t term, double y)
{
    return self->column[self->term[term].column].type == TABLE_COUNT ? log1p(y) : y;
}

/* --- validate -------------------------------------------------------------------------------- */

/* Can a column of the type hold x? NULL: yes. */
static const char *not_of_type(const table_column *c, double x)
{
    switch (c->type) {
    case TABLE_POSITIVE:
        return x > 0.0 ? NULL
                       : "is not above 0; a column that is not `positive` is listed in `real`";
    case TABLE_PROPORTION:
        return x >= 0.0 && x <= 1.0
                   ? NULL
                   : "is not between 0 and 1; a column that is no `proportion` is listed in "
                     "`real`";
    case TABLE_COUNT:
        if (x < 0.0 || x != floor(x)) {
            return x < 0.0
                       ? "is negative; a column that is no `count` is listed in `real`"
                       : "is not a whole number; a column that is no `count` is listed in `real`";
        }
        return x < STELE_COUNT_LIMIT
                   ? NULL
                   : "is no count below 2^24 (16777216); a column of larger numbers is listed in "
                     "`positive` or `real`";
    default: return NULL;
    }
}

/* NULL: nothing is wrong with it. What a type that the spec names cannot hold is an error. Where
 * the training rows alone suggested the type or the levels, other rows may know better: missing. */
static const char *wrong_with(const table_column *c, double x, int *ret_missing)
{
    *ret_missing = 0;
    if (isnan(x)) {
        return NULL;
    }
    if (isinf(x)) {
        return "is infinite";
    }
    if (c->n > 0 && table_level(c, x) < 0) {
        *ret_missing = c->feature->level == NULL;
        return *ret_missing ? "did not occur in training" : "is no code of the column's texts";
    }
    *ret_missing = c->inferred;
    return not_of_type(c, x);
}

stele_status table_validate(const stele_inst *self, const stele_view *x, stele_bad_value *ret)
{
    const int64_t rows = x->shape.dim[0], n = self->n_columns;
    for (int64_t j = 0; j < n; j++) {
        for (int64_t r = 0; r < rows; r++) {
            const double v = table_real(x, r * n + j);
            int missing;
            const char *reason = wrong_with(&self->column[j], v, &missing);
            if (reason != NULL && missing && ret->gap != NULL) {
                ret->gap[r * n + j] = 1;
            } else if (reason != NULL) {
                ret->row = r;
                ret->column = j;
                ret->value = v;
                ret->reason = reason;
                return STELE_E_DATA;
            }
        }
    }
    return STELE_OK;
}
