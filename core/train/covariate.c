/* Covariates: what the training rows say of them. */
#include "base/mem.h"
#include "train/load.h"

#include <math.h>
#include <string.h>

/* The column of a covariate; it was asked for, so there is one. */
static const stele__label *label_of(const stele__dataset *data, const char *name)
{
    return stele__dataset_label(data, name, 0);
}

stele_status stele__covariate_describe(const stele__dataset *data, const stele__split *split,
                                       const stele__state *state, const char *name,
                                       stele__covariate *ret)
{
    const stele__state_covariate *known = stele__state_covariate_of(state, name);
    const stele__label *label = label_of(data, name);
    *ret = (stele__covariate){ .name = known != NULL ? known->name : name, .width = 1, .sd = 1.0 };
    ret->content = known != NULL ? known->content : label->content;
    if (ret->content == STELE_FIELD_CATEGORY) {
        ret->width = known != NULL ? known->n_categories : label->n_categories;
        return STELE_OK;
    }
    if (known != NULL) {
        ret->mean = known->mean;
        ret->sd = known->sd;
        return STELE_OK;
    }
    double n = 0.0, sum = 0.0, squares = 0.0;
    for (int64_t i = 0; i < split->n[STELE__TRAIN]; i++) {
        double v = label->number[split->row[STELE__TRAIN][i]];
        if (!isnan(v)) {
            n += 1.0;
            double old = sum;
            sum += (v - sum) / n; /* running mean and squared distances (Welford 1962) */
            squares += (v - old) * (v - sum);
        }
    }
    ret->mean = sum;
    ret->sd = n > 1.0 && squares > 0.0 ? sqrt(squares / n) : 1.0;
    return STELE_OK;
}

/* Do all training rows have the same input? A missing number enters as the mean of the others, a
 * missing category as none of them. */
static int is_constant(const stele__label *l, const int64_t *row, int64_t n, int64_t *ret_known)
{
    const double *first = NULL;
    int same = 1;
    *ret_known = 0;
    for (int64_t i = 0; i < n; i++) {
        if (l->code != NULL) {
            *ret_known += l->code[row[i]] >= 0;
            same &= l->code[row[i]] == l->code[row[0]];
        } else if (!isnan(l->number[row[i]])) {
            ++*ret_known;
            first = first != NULL ? first : &l->number[row[i]];
            same &= l->number[row[i]] == *first;
        }
    }
    return same;
}

static stele_status check_one(const stele__dataset *data, const stele__split *split,
                              const char *name, uint8_t *seen, stele__diag *diag)
{
    const stele__label *l = label_of(data, name);
    int64_t n = split->n[STELE__TRAIN], known = 0;
    if (seen[l - data->label]) {
        return STELE_OK;
    }
    seen[l - data->label] = 1;
    int constant = is_constant(l, split->row[STELE__TRAIN], n, &known);
    if (known == 0) {
        stele__diag_error(diag, STELE_E_DATA, &l->place,
                          "none of the %lld training rows has a value in the covariate `%s`",
                          (long long)n, name);
        stele__diag_hint(diag, "leave it out, or fill the column in the data");
        return STELE_E_DATA;
    }
    if (constant) {
        stele__diag_warning(diag, &l->place,
                            "the covariate `%s` is the same in all training rows: it tells the "
                            "model nothing",
                            name);
    }
    return STELE_OK;
}

static stele_status check_list(const stele__dataset *data, const stele__split *split,
                               const stele_str_list *names, uint8_t *seen, stele__diag *diag)
{
    stele_status status = STELE_OK;
    for (uint64_t k = 0; k < names->n; k++) {
        stele_status one = check_one(data, split, names->v[k], seen, diag);
        status = one != STELE_OK ? one : status;
    }
    return status;
}

stele_status stele__covariates_check(const stele__spec *spec, const stele__dataset *data,
                                     const stele__split *split, stele__diag *diag)
{
    uint8_t *seen = stele__calloc(data->n_labels, sizeof *seen);
    stele_status status = seen != NULL ? STELE_OK : STELE_E_NOMEM;
    for (size_t i = 0; i < spec->n_modalities && seen != NULL; i++) {
        const stele__modality_spec *host = stele__modality_host(&spec->modality[i]);
        stele_status one = check_list(data, split, &host->encoder.covariates, seen, diag);
        stele_status two = check_list(data, split, &host->decoder.covariates, seen, diag);
        status = one != STELE_OK ? one : two != STELE_OK ? two : status;
    }
    for (size_t i = 0; i < spec->n_heads && seen != NULL; i++) {
        const stele__head_spec *host = stele__head_host(&spec->head[i]);
        stele_status one = check_list(data, split, &host->covariates, seen, diag);
        status = one != STELE_OK ? one : status;
    }
    stele__free(seen);
    return status;
}
