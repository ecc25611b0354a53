/* Whether generated modalities say the same as their rows and as each other, for a report. */
#include "eval/report_private.h"

#include "base/mem.h"
#include "eval/coherence.h"

#include <math.h>
#include <stdio.h>

/* Figures and their intervals, as far as there are any. */
typedef struct figures {
    const stele__report_request *q;
    const stele__coherence *c;
    double *value;
    stele__interval *interval;
} figures;

static void resampled(void *ctx, const uint32_t *count, unsigned thread, double *ret)
{
    (void)thread;
    stele__coherence_figures(ctx, count, ret);
}

static stele_status figures_init(figures *f, stele__coherence *c)
{
    const size_t n = stele__coherence_n_figures(c);
    f->c = c;
    f->value = stele__calloc(n, sizeof *f->value);
    f->interval = stele__calloc(n, sizeof *f->interval);
    if (f->value == NULL || f->interval == NULL) {
        return STELE_E_NOMEM;
    }
    stele__coherence_figures(c, NULL, f->value);
    return f->q->bootstrap != NULL
               ? stele__bootstrap_run(f->q->bootstrap, 0, 0, (uint32_t)n, resampled, c, f->interval)
               : STELE_OK;
}

static void figures_finish(figures *f)
{
    stele__free(f->value);
    stele__free(f->interval);
}

static void put(const figures *f, json_t *at, const char *key, size_t figure)
{
    json_object_set_new(at, key, stele__report_number(f->value[figure]));
    if (f->q->bootstrap != NULL) {
        json_object_set_new(stele__report_intervals(f->q, at), key,
                            stele__report_interval(&f->interval[figure]));
    }
}

/* given_1, given_2, ... of the place-th modality of the mask; behind the last: of all. */
static void put_by_number(const figures *f, json_t *at, size_t place, size_t n_modalities)
{
    for (uint32_t k = 0; k < f->c->most_given; k++) {
        char key[24];
        snprintf(key, sizeof key, "given_%u", k + 1);
        put(f, at, key, f->c->n_columns + k * (n_modalities + 1) + place);
    }
}

static json_int_t rows_of(const stele__coherence *c, size_t column)
{
    json_int_t n = 0;
    for (int64_t r = 0; r < c->n; r++) {
        n += !isnan(c->hit[(size_t)r * c->n_columns + column]);
    }
    return n;
}

/* Columns of real measurements come first, one for each modality of the mask. */
static void put_all(const figures *f, json_t *at)
{
    const stele__coherence *c = f->c;
    json_t *modalities = json_object(), *conditional = json_array();
    size_t n = 0;
    while (n + c->n_joint < c->n_columns && c->column[n].n_given == 0) {
        n++;
    }
    put(f, at, "joint", c->n_columns - c->n_joint);
    if (c->n_joint > 1) {
        put(f, at, "joint_standard", c->n_columns - 1);
    }
    put_by_number(f, at, n, n);
    json_object_set_new(at, "modalities", modalities);
    json_object_set_new(at, "conditional", conditional);
    for (size_t i = 0; i + c->n_joint < c->n_columns; i++) {
        const stele__coherence_column *column = &c->column[i];
        const char *to = stele__report_name(f->q, column->to);
        json_t *one = json_object();
        if (i < n) {
            json_object_set_new(one, "train_rows",
                                json_integer((json_int_t)c->n_train[column->to]));
            json_object_set_new(modalities, to, one);
        } else {
            json_object_set_new(one, "from", stele__report_title(f->q, column->given));
            json_object_set_new(one, "to", json_string(to));
            json_array_append_new(conditional, one);
        }
        json_object_set_new(one, "rows", json_integer(rows_of(c, i)));
        put(f, one, i < n ? "accuracy" : "coherence", i);
        if (i < n) {
            put_by_number(f, one, i, n);
        }
    }
}

static void warn_of_left_out(const stele__report_request *q, const stele__coherence *c,
                             stele__diag *diag)
{
    for (uint32_t m = 0; m < q->judge->model->n_modalities; m++) {
        if ((q->mask >> m & 1) == 0 || (c->mask >> m & 1) != 0) {
            continue;
        }
        stele__diag_warning(diag, NULL, "coherence: %s is left out: %s", stele__report_name(q, m),
                            stele__coherence_possible(&q->judge->model->modality[m])
                                ? "its training rows have fewer than two classes"
                                : "its plugin cannot generate");
    }
}

stele_status stele__report_check_coherence(const stele__report_request *q, stele__diag *diag)
{
    int n = 0;
    for (uint64_t mask = q->mask; mask != 0; mask &= mask - 1) {
        n++;
    }
    if (q->plan->coherence_labels == NULL || n <= STELE__COHERENCE_MODALITIES) {
        return STELE_OK;
    }
    stele__diag_error(diag, STELE_E_OPTION, NULL,
                      "coherence: %d modalities have too many subsets: at most %d are judged", n,
                      STELE__COHERENCE_MODALITIES);
    stele__diag_hint(diag, "name up to six with --modalities");
    return STELE_E_OPTION;
}

stele_status stele__report_coherence(const stele__report_request *q, json_t *at, stele__diag *diag)
{
    stele__coherence c = { 0 };
    figures f = { .q = q };
    const stele__coherence_request request = { .label = stele__dataset_label(
                                                   q->judge->data, q->plan->coherence_labels,
                                                   STELE_FIELD_CATEGORY),
                                               .row = q->row,
                                               .n = q->n,
                                               .train = q->train,
                                               .n_train = q->n_train,
                                               .mask = q->mask,
                                               .n_samples = (uint32_t)q->plan->coherence_samples,
                                               .folder = q->folder };
    int64_t rows = 0;
    stele_status status = stele__coherence_compute(q->judge, &request, &c, diag);
    if (status == STELE_OK) {
        status = figures_init(&f, &c);
    }
    if (status == STELE_OK) {
        for (int64_t r = 0; r < q->n; r++) {
            rows += request.label->code[q->row[r]] >= 0;
        }
        json_object_set_new(at, "labels", json_string(q->plan->coherence_labels));
        json_object_set_new(at, "samples", json_integer((json_int_t)request.n_samples));
        json_object_set_new(at, "rows", json_integer((json_int_t)rows));
        json_object_set_new(at, "chance", stele__report_number(stele__coherence_chance(&request)));
        put_all(&f, at);
        warn_of_left_out(q, &c, diag);
    }
    figures_finish(&f);
    stele__coherence_finish(&c);
    return status;
}
