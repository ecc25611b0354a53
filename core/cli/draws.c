#include "cli/draws.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Groups of a picture, and steps, unless told. */
enum { PICTURE_ROWS = 8, STEPS = 8 };

typedef stele__draw_work work;
typedef stele__draw_request options;

static stele_status find_row(const work *w, const char *option, const char *id, int64_t *ret)
{
    *ret = stele__map_find(w->o.run.data->id, id);
    return *ret >= 0 ? STELE_OK
                     : stele__diag_error(w->diag, STELE_E_ARG, NULL,
                                         "%s: the data have no row `%s`", option, id);
}

stele_status stele__draw_rows_named(work *w, const char *option, const char *text)
{
    stele_str_list ids = { 0 };
    stele_status status = stele__split_list(text, &ids);
    w->row = status == STELE_OK ? stele__calloc((size_t)ids.n, sizeof *w->row) : NULL;
    status = w->row != NULL ? STELE_OK : STELE_E_NOMEM;
    for (uint64_t i = 0; i < ids.n && status == STELE_OK; i++) {
        status = find_row(w, option, ids.v[i], &w->row[w->n_rows++]);
        for (int64_t k = 0; k + 1 < w->n_rows && status == STELE_OK; k++) {
            if (w->row[k] == w->row[w->n_rows - 1]) {
                status = stele__diag_error(w->diag, STELE_E_ARG, NULL, "%s: names `%s` twice",
                                           option, ids.v[i]);
            }
        }
    }
    stele__split_list_finish(&ids);
    return status;
}

/* The first rows that there is something to generate from, if there are any. */
static void keep_first(work *w, int64_t most)
{
    int64_t n = 0;
    for (int64_t r = 0; r < w->n_rows && n < most; r++) {
        if ((stele__judge_present(&w->o.judge, w->row[r]) & w->mask) != 0) {
            w->row[n++] = w->row[r];
        }
    }
    w->n_rows = n > 0 ? n : w->n_rows < most ? w->n_rows : most;
}

static stele_status choose_rows(work *w)
{
    const options *q = w->q;
    if (q->rows != NULL) {
        return stele__draw_rows_named(w, "--rows", q->rows);
    }
    stele_status status = stele__opened_rows(&w->o, &q->open, &w->row, &w->n_rows);
    if (status == STELE_OK && (q->first > 0 || q->format == STELE__AS_PNG)) {
        keep_first(w, q->first > 0 ? q->first : PICTURE_ROWS);
    }
    return status;
}

/* Without --from: all modalities but those to generate, if there are several. */
static stele_status choose_modalities(work *w)
{
    stele_status status = stele__opened_modalities(&w->o, "--to", w->q->to, &w->targets, w->diag);
    if (status == STELE_OK) {
        status = stele__opened_mask(&w->o, &w->q->open, &w->mask, w->diag);
    }
    while (status == STELE_OK && (w->targets >> w->to & 1) == 0) {
        w->to++;
    }
    if (status == STELE_OK && w->q->open.modalities == NULL && w->o.run.model.n_modalities > 1) {
        w->mask &= ~w->targets;
        if (w->mask == 0 && w->q->prior == 0) {
            return stele__diag_error(w->diag, STELE_E_ARG, NULL,
                                     "--to names all modalities: --from says which are given");
        }
    }
    return status;
}

stele_status stele__draw_room(work *w, int64_t n)
{
    if (n == 0) {
        return stele__diag_error(w->diag, STELE_E_ARG, NULL, "there is no row to generate from");
    }
    stele_status status = stele__generated_init(&w->t, &w->o, w->to, n);
    w->t.what = w->q->what;
    if (status == STELE_E_NOMEM) {
        return stele__diag_error(w->diag, status, NULL,
                                 "%lld draws of %lld values do not fit into memory", (long long)n,
                                 (long long)w->o.run.model.modality[w->to].n_features);
    }
    return status;
}

stele_status stele__draw_name(work *w, int64_t i, const char *row, int64_t number)
{
    stele__str s;
    stele__str_init(&s);
    stele__str_append(&s, row);
    if (number >= 0) {
        stele__str_printf(&s, "%s%lld", row[0] != '\0' ? ":" : "", (long long)number);
    }
    w->t.id[i] = stele__str_take(&s);
    return w->t.id[i] != NULL ? STELE_OK : STELE_E_NOMEM;
}

/* z of all rows, sample by sample, to where the draws of a row stand together. */
static stele_status draw_rows(work *w)
{
    const stele__judge *j = &w->o.judge;
    const int64_t samples = w->q->samples;
    const size_t width = j->model->latent_dim;
    stele_status status = stele__draw_room(w, w->n_rows * samples);
    float *z = stele__calloc((size_t)w->n_rows * width, sizeof *z);
    status = status == STELE_OK && z == NULL ? STELE_E_NOMEM : status;
    w->t.per_group = samples;
    for (int64_t k = 0; k < samples && status == STELE_OK; k++) {
        status = stele__sample_posterior(j, w->row, w->n_rows, w->mask, (uint32_t)k,
                                         &w->q->sampling, z, w->diag);
        for (int64_t r = 0; r < w->n_rows && status == STELE_OK; r++) {
            int64_t i = r * samples + k;
            w->t.row[i] = w->t.source[i] = w->row[r];
            w->t.sample[i] = (uint32_t)k;
            memcpy(w->t.z + (size_t)i * width, z + (size_t)r * width, width * sizeof *z);
            status = stele__draw_name(w, i, stele__dataset_row_id(j->data, w->row[r]),
                                      samples > 1 ? k : -1);
        }
    }
    stele__free(z);
    return status;
}

/* From the posterior mean of one row to that of another in equal steps. */
static stele_status draw_between(work *w)
{
    const stele__judge *j = &w->o.judge;
    const int64_t steps = w->q->steps > 0 ? w->q->steps : STEPS;
    const size_t width = j->model->latent_dim;
    stele_status status = stele__draw_rows_named(w, "--between", w->q->between);
    if (status == STELE_OK && w->n_rows != 2) {
        return stele__diag_error(w->diag, STELE_E_ARG, NULL, "--between names two rows: ID,ID");
    }
    status = status == STELE_OK ? stele__draw_room(w, steps) : status;
    float *end = stele__calloc(4 * width, sizeof *end);
    status = status == STELE_OK && end == NULL ? STELE_E_NOMEM : status;
    if (status == STELE_OK) {
        status = stele__judge_moments(j, w->row, 2, w->mask, end, end + 2 * width, w->diag);
    }
    w->t.per_group = steps;
    for (int64_t k = 0; k < steps && status == STELE_OK; k++) {
        double t = (double)k / (double)(steps - 1);
        for (size_t d = 0; d < width; d++) {
            w->t.z[(size_t)k * width + d] =
                (float)((1.0 - t) * (double)end[d] + t * (double)end[width + d]);
        }
        w->t.row[k] = w->row[t > 0.5];
        w->t.source[k] = -1;
        w->t.sample[k] = (uint32_t)k;
        status = stele__draw_name(w, k, "", k);
    }
    stele__free(end);
    return status;
}

/* Draws from the prior belong to no row: the decoder's covariates are those of --like, or of the
 * first row. */
static stele_status draw_prior(work *w)
{
    const int64_t n = w->q->prior * w->q->samples;
    stele_status status = stele__draw_room(w, n);
    w->t.per_group = w->q->samples > 1 ? w->q->samples : n < PICTURE_ROWS ? n : PICTURE_ROWS;
    while (w->t.per_group > 1 && n % w->t.per_group != 0) {
        w->t.per_group--;
    }
    for (int64_t k = 0; k < n && status == STELE_OK; k++) {
        w->t.source[k] = -1;
        w->t.sample[k] = (uint32_t)k;
        status = stele__draw_name(w, k, "prior", k);
    }
    if (status == STELE_OK) {
        stele__sample_prior(&w->o.judge, 0, n, &w->q->sampling, w->t.z);
    }
    return status;
}

/* --- what a head is to say --- */

static stele_status find_head(const work *w, const char *name, size_t len, uint32_t *ret)
{
    const stele__model *m = &w->o.run.model;
    stele__str have;
    for (uint32_t h = 0; h < m->n_heads; h++) {
        const char *one = stele__head_short_name(&m->head[h]);
        if (strlen(one) == len && strncmp(one, name, len) == 0) {
            *ret = h;
            return STELE_OK;
        }
    }
    stele__str_init(&have);
    for (uint32_t h = 0; h < m->n_heads; h++) {
        stele__str_printf(&have, "%s%s", h > 0 ? ", " : "", stele__head_short_name(&m->head[h]));
    }
    stele__diag_error(w->diag, STELE_E_ARG, NULL, "--given: the run has no head `%.*s`", (int)len,
                      name);
    stele__diag_hint(w->diag, "there are: %s", have.data != NULL ? have.data : "none");
    stele__str_finish(&have);
    return STELE_E_ARG;
}

static stele_status find_value(const work *w, const char *text, stele__wish *wish)
{
    const stele__head *head = &w->o.run.model.head[wish->head];
    const stele_field *target = &head->target;
    const stele__label *l = stele__dataset_label(w->o.run.data, target->name, target->content);
    if (head->n_columns > 1) {
        return stele__diag_error(w->diag, STELE_E_ARG, NULL,
                                 "--given: the target of `%s` is no single value",
                                 stele__head_short_name(head));
    }
    if (target->content != STELE_FIELD_CATEGORY) {
        char *end = NULL;
        wish->number = strtod(text, &end);
        return end != text && *end == '\0' && isfinite(wish->number)
                   ? STELE_OK
                   : stele__diag_error(w->diag, STELE_E_ARG, NULL, "--given: `%s` is a number",
                                       target->name);
    }
    stele__str have;
    stele__str_init(&have);
    for (int32_t k = 0; l != NULL && k < l->n_categories; k++) {
        if (strcmp(l->category[k], text) == 0) {
            wish->code = k;
            stele__str_finish(&have);
            return STELE_OK;
        }
        stele__str_printf(&have, "%s%s", k > 0 ? ", " : "", l->category[k]);
    }
    stele__diag_error(w->diag, STELE_E_ARG, NULL, "--given: `%s` has no value `%s`", target->name,
                      text);
    stele__diag_hint(w->diag, "there are: %s", have.data != NULL ? have.data : "none");
    stele__str_finish(&have);
    return STELE_E_ARG;
}

static stele_status draw_given(work *w)
{
    const char *equals = strchr(w->q->given, '=');
    stele__wish wish = { .row = w->like >= 0 ? w->like : 0 };
    double effective = 0.0;
    if (equals == NULL) {
        return stele__diag_error(w->diag, STELE_E_ARG, NULL, "--given is HEAD=VALUE");
    }
    stele_status status = find_head(w, w->q->given, (size_t)(equals - w->q->given), &wish.head);
    status = status == STELE_OK ? find_value(w, equals + 1, &wish) : status;
    status = status == STELE_OK ? draw_prior(w) : status;
    if (status == STELE_OK) {
        status = stele__sample_wish(&w->o.judge, &wish, w->t.n, &w->q->sampling, w->t.z, &effective,
                                    w->diag);
    }
    if (status == STELE_OK && effective < (double)w->t.n) {
        stele__diag_warning(w->diag, NULL,
                            "--given: about %.0f draws of the prior agree with `%s`; the %lld that "
                            "were asked for repeat them",
                            effective, w->q->given, (long long)w->t.n);
    }
    return status;
}

stele_status stele__draw_z(work *w)
{
    const options *q = w->q;
    stele_status status = choose_modalities(w);
    w->like = -1;
    if (status == STELE_OK && q->like != NULL) {
        status = find_row(w, "--like", q->like, &w->like);
    }
    if (status != STELE_OK) {
        return status;
    }
    if (q->prior > 0) {
        w->mask = 0;
        return q->given != NULL ? draw_given(w) : draw_prior(w);
    }
    if (q->between != NULL) {
        return draw_between(w);
    }
    if (q->traverse != NULL) {
        return stele__draw_traverse(w);
    }
    status = choose_rows(w);
    return status == STELE_OK ? draw_rows(w) : status;
}
