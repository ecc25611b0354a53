/* Which categories a label column has, and in what order. */
#include "base/mem.h"
#include "data/parts.h"

#include <string.h>

/* Replace every code by to[code] and the names by `name` (now the label's). */
static void recode(stele__label *l, int64_t n_rows, const int32_t *to, char **name, int64_t n)
{
    for (int64_t i = 0; i < n_rows; i++) {
        l->code[i] = l->code[i] >= 0 ? to[l->code[i]] : -1;
    }
    for (int64_t c = 0; c < l->n_categories; c++) {
        stele__free(l->category[c]);
    }
    stele__free(l->category);
    l->category = name;
    l->n_categories = n;
}

/* A column of names has hundreds: of more than these the number is told. */
enum { MOST_UNSEEN = 8 };

static void warn_unseen(const stele__label *l, const char *category, int named, int64_t *n,
                        stele__diag *diag)
{
    if (++*n <= MOST_UNSEEN) {
        stele__diag_warning(diag, &l->place, "`%s`: `%s` %s and counts as missing", l->name,
                            category,
                            named ? "is not among `classes`" : "did not occur in training");
    }
}

/* A class that no row has is likely a slip of the pen. */
static void warn_unused(const stele__dataset *ds, const stele__label *l, stele__diag *diag)
{
    for (int64_t c = 0; c < l->n_categories; c++) {
        int64_t n = 0;
        for (int64_t i = 0; i < ds->n_rows && n == 0; i++) {
            n += l->code[i] == c;
        }
        if (n == 0) {
            stele__diag_warning(diag, &l->place, "`%s`: no row is `%s`, which `classes` names",
                                l->name, l->category[c]);
        }
    }
}

static void warn_further(const stele__label *l, int named, int64_t n, stele__diag *diag)
{
    if (n > MOST_UNSEEN) {
        stele__diag_warning(diag, &l->place, "`%s`: %lld further values %s and count as missing",
                            l->name, (long long)(n - MOST_UNSEEN),
                            named ? "are not among `classes`" : "did not occur in training");
    }
}

stele_status stele__label_keep_used(const stele__dataset *ds, stele__label *l, const uint8_t *in,
                                    stele__diag *diag)
{
    enum { USED = 1, UNSEEN = 2 };
    int32_t *to = stele__calloc((size_t)l->n_categories + 1, sizeof *to);
    char **name = stele__calloc((size_t)l->n_categories + 1, sizeof *name);
    stele_status st = to != NULL && name != NULL ? STELE_OK : STELE_E_NOMEM;
    int64_t n = 0, n_unseen = 0;
    for (int64_t i = 0; i < ds->n_rows && st == STELE_OK; i++) {
        if (l->code[i] >= 0) {
            to[l->code[i]] |= in == NULL || in[i] ? USED : UNSEEN;
        }
    }
    for (int64_t c = 0; c < l->n_categories && st == STELE_OK; c++) {
        if ((to[c] & USED) != 0) {
            to[c] = (int32_t)n;
            name[n++] = l->category[c];
            l->category[c] = NULL;
        } else {
            if (to[c] == UNSEEN) {
                warn_unseen(l, l->category[c], 0, &n_unseen, diag);
            }
            to[c] = -1;
        }
    }
    warn_further(l, 0, n_unseen, diag);
    if (st == STELE_OK) {
        recode(l, ds->n_rows, to, name, n);
        name = NULL;
    }
    stele__free(name);
    stele__free(to);
    return st;
}

stele_status stele__label_fix(const stele__dataset *ds, stele__label *l,
                              const stele__label_request *request, stele__diag *diag)
{
    size_t n = (size_t)request->n_categories;
    int32_t *to = stele__calloc((size_t)l->n_categories + 1, sizeof *to);
    char **name = stele__calloc(n + 1, sizeof *name);
    stele_status st = to != NULL && name != NULL ? STELE_OK : STELE_E_NOMEM;
    int64_t n_unseen = 0;
    for (size_t k = 0; k < n && st == STELE_OK; k++) {
        name[k] = stele__strdup(request->category[k]);
        st = name[k] != NULL ? STELE_OK : STELE_E_NOMEM;
    }
    for (int64_t c = 0; c < l->n_categories && st == STELE_OK; c++) {
        to[c] = -1;
        for (size_t k = 0; k < n && to[c] < 0; k++) {
            to[c] = strcmp(name[k], l->category[c]) == 0 ? (int32_t)k : -1;
        }
        if (to[c] < 0) {
            warn_unseen(l, l->category[c], request->named, &n_unseen, request->quiet ? NULL : diag);
        }
    }
    warn_further(l, request->named, n_unseen, request->quiet ? NULL : diag);
    if (st == STELE_OK) {
        recode(l, ds->n_rows, to, name, (int64_t)n);
        name = NULL;
        if (request->named) {
            warn_unused(ds, l, diag);
        }
    }
    for (size_t k = 0; name != NULL && k < n; k++) {
        stele__free(name[k]);
    }
    stele__free(name);
    stele__free(to);
    return st;
}
