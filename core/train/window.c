/* Windows of rows as a spec asks for them. */
#include "data/window.h"

#include "train/load.h"

/* Windows that the split leaves with one row, or cuts more often than stretches would. */
static void warn(const stele__instance *instance, const stele__matrix *x, stele__diag *diag)
{
    static const double many = 0.1;
    static const int64_t most_of_stretches = 4; /* a fold has two ends, and so has its validation */
    const stele__window *w = x->window;
    if (w->n_pairs == 0) {
        stele__diag_warning(diag, &x->place,
                            "no two rows of a group follow one another: all windows of `%s` hold "
                            "one row",
                            instance->name);
    } else if (w->n_cut > most_of_stretches && (double)w->n_cut > many * (double)w->n_pairs) {
        stele__diag_warning(diag, &x->place,
                            "the split parts %lld of %lld pairs of neighbours, and windows of `%s` "
                            "end there",
                            (long long)w->n_cut, (long long)w->n_pairs, instance->name);
        stele__diag_hint(diag, "divide whole groups (data.split.group) or stretches of rows "
                               "(data.split.contiguous)");
    }
}

static int has_groups(const stele__label *group, int64_t n_rows)
{
    int64_t row = 0;
    while (group != NULL && row < n_rows && group->code[row] < 0) {
        row++;
    }
    return row < n_rows;
}

static stele_status open_one(const stele__instance *instance, size_t i, const stele__label *group,
                             stele__run *run, stele__diag *diag)
{
    const stele__modality_spec *host = stele__modality_host(instance);
    int64_t bins = host->window.bins;
    if (!has_groups(group, run->data->n_rows)) {
        stele__diag_error(diag, STELE_E_DATA, &group->place,
                          "no row has a value in `%s`, whose groups the windows of `%s` go by",
                          group->name, instance->name);
        stele__diag_hint(diag, "fill the column in the data, or leave out window.group where all "
                               "rows follow one another");
        return STELE_E_DATA;
    }
    stele__window_request q = { .bins = bins,
                                .before =
                                    host->window.at == STELE__WINDOW_PAST ? bins - 1 : bins / 2,
                                .group = group,
                                .part = run->split != NULL ? run->split->part : NULL };
    return stele__dataset_window(run->data, i, &q, diag);
}

stele_status stele__windows_open(const stele__run_request *q, const size_t *group, stele__run *run,
                                 stele__diag *diag)
{
    stele_status status = STELE_OK;
    for (size_t i = 0; i < q->spec->n_modalities && status == STELE_OK; i++) {
        const stele__instance *instance = &q->spec->modality[i];
        const stele__modality_spec *host = stele__modality_host(instance);
        if (host->window.bins > 1 && run->data->matrix[i].available) {
            status = open_one(instance, i,
                              host->window.group != NULL ? &run->data->label[group[i]] : NULL, run,
                              diag);
            if (status == STELE_OK && q->state == NULL) { /* of a run this was said before */
                warn(instance, &run->data->matrix[i], diag);
            }
        }
    }
    return status;
}
