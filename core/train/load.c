#include "train/load.h"

#include "base/mem.h"
#include "base/str.h"
#include "train/target.h"

#include <stdio.h>
#include <string.h>

/* Everything that a data request points to. */
typedef struct request {
    stele__data_request data;
    stele__matrix_request *matrix;
    stele__label_request *label;
    size_t *group; /* (modalities) index of the label whose groups its windows never leave */
    char **seen;   /* (n_seen) names of what encoders see in place of their modalities */
    size_t n_seen;
} request;

static void request_finish(request *r)
{
    stele__free(r->matrix);
    stele__free(r->label);
    stele__free(r->group);
    for (size_t i = 0; i < r->n_seen; i++) {
        stele__free(r->seen[i]);
    }
    stele__free(r->seen);
}

static const stele__state_matrix *state_matrix(const stele__state *s, const char *name)
{
    for (size_t i = 0; s != NULL && i < s->n_matrices; i++) {
        if (strcmp(s->matrix[i].name, name) == 0) {
            return &s->matrix[i];
        }
    }
    return NULL;
}

static stele__place place_of(const stele__node *node, const char *key, const char *path)
{
    const stele__node *at = node != NULL ? stele__node_find(node, key) : NULL;
    const stele__node *n = at != NULL ? at : node;
    stele__place p = { .path = path };
    if (n != NULL) {
        p.file = n->file;
        p.line = at != NULL ? n->line : n->key_line;
        p.column = at != NULL ? n->column : n->key_column;
    }
    return p;
}

static stele__label_request *add_label(request *r, const char *from, uint32_t content,
                                       stele__place place, const stele__state *state, int quiet)
{
    for (size_t i = 0; i < r->data.n_labels; i++) {
        if (strcmp(r->label[i].from, from) == 0 && r->label[i].content == content) {
            r->label[i].quiet &= quiet;
            return &r->label[i];
        }
    }
    stele__label_request *l = &r->label[r->data.n_labels++];
    *l = (stele__label_request){ .from = from, .place = place, .content = content, .quiet = quiet };
    const stele__state_covariate *c = stele__state_covariate_of(state, from);
    if (c != NULL && c->content == STELE_FIELD_CATEGORY) {
        l->category = (const char *const *)c->category;
        l->n_categories = c->n_categories;
    }
    return l;
}

/* `node`: the mapping that has the key `covariates`, if there are names. */
static void add_covariates(request *r, const stele_str_list *names, const stele__node *node,
                           const stele__state *state, int quiet)
{
    const stele__node *list = node != NULL ? stele__node_find(node, "covariates") : NULL;
    for (uint64_t k = 0; k < names->n; k++) {
        const stele__state_covariate *c = stele__state_covariate_of(state, names->v[k]);
        const stele__node *item = list->child[k];
        stele__place place = { .file = item->file, .line = item->line, .column = item->column };
        add_label(r, names->v[k], c != NULL ? c->content : 0, place, state, quiet);
    }
}

/* Whoever only encodes does without targets and what heads get besides. */
static void add_head_labels(request *r, const stele__run_request *q, size_t i)
{
    const stele__instance *instance = &q->spec->head[i];
    const stele__head_spec *host = stele__head_host(instance);
    const stele__state_head *known = stele__state_head_of(q->state, instance->name);
    uint32_t content = known != NULL ? known->content : stele__target_content(host);
    for (uint64_t k = 0; k < host->target.n; k++) {
        stele__label_request *l =
            add_label(r, host->target.v[k], content, place_of(instance->node, "target", NULL),
                      q->state, q->encode_only);
        if (known != NULL && content == STELE_FIELD_CATEGORY) {
            l->category = (const char *const *)known->category;
            l->n_categories = known->n_categories;
        } else if (host->classes.n > 0) {
            l->category = host->classes.v;
            l->n_categories = (int64_t)host->classes.n;
            l->named = 1;
        }
    }
    add_covariates(r, &host->covariates, instance->node, q->state, q->encode_only);
}

/* As a run knows it. */
static void request_known(const stele__state *s, stele__matrix_request *ret)
{
    const stele__state_matrix *known = state_matrix(s, ret->name);
    if (known != NULL) {
        ret->known = known->described;
        ret->feature = (const char *const *)known->feature;
        ret->n_features = known->n_features;
        ret->sample = known->sample;
        ret->layout = known->layout;
        ret->stored_dtype = known->stored_dtype;
    }
}

static void request_matrix(const stele__run_request *q, size_t i, stele__matrix_request *ret)
{
    const stele__instance *instance = &q->spec->modality[i];
    const stele__modality_spec *host = stele__modality_host(instance);
    *ret = (stele__matrix_request){ .name = instance->name,
                                    .from = host->from,
                                    .place = place_of(instance->node, "from", NULL),
                                    .min_rows = host->min_rows,
                                    .transform = host->transform,
                                    .most_variable = host->most_variable,
                                    .describe = (q->plugins->modality[i]->desc.caps &
                                                 STELE_CAP_COLUMNS) != 0 };
    request_known(q->state, ret);
}

/* What the encoder of modality i sees in place of it, behind the modalities; nothing if the spec
 * does not say so. The name is that of a run's file, too. */
static stele_status request_seen(const stele__run_request *q, size_t i, request *r)
{
    const stele__instance *instance = &q->spec->modality[i];
    const char *from = stele__modality_host(instance)->encoder.from;
    stele__str name;
    if (from == NULL) {
        return STELE_OK;
    }
    stele__str_init(&name);
    stele__str_printf(&name, "%s.encoder", instance->name);
    char *text = stele__str_take(&name);
    if (text == NULL) {
        return STELE_E_NOMEM;
    }
    r->seen[r->n_seen++] = text;
    stele__matrix_request *m = &r->matrix[r->data.n_matrices++];
    *m = (stele__matrix_request){ .name = text, .from = from, .beside = i + 1 };
    m->place = place_of(stele__node_find(instance->node, "encoder"), "from", NULL);
    request_known(q->state, m);
    return STELE_OK;
}

/* Groups of new data are others than those of the training: the categories that a trained model
 * knows the column by, as a covariate, are not asked for. Returns the index of the label. */
static size_t add_group(request *r, const char *from, stele__place place)
{
    size_t i = 0;
    while (i < r->data.n_labels &&
           (strcmp(r->label[i].from, from) != 0 || r->label[i].category != NULL ||
            r->label[i].content != STELE_FIELD_CATEGORY)) {
        i++;
    }
    if (i == r->data.n_labels) {
        r->label[r->data.n_labels++] =
            (stele__label_request){ .from = from, .place = place, .content = STELE_FIELD_CATEGORY };
    }
    r->label[i].quiet = 0;
    return i;
}

static void add_groups(request *r, const stele__run_request *q)
{
    for (size_t i = 0; i < q->spec->n_modalities; i++) {
        const stele__modality_spec *host = stele__modality_host(&q->spec->modality[i]);
        const stele__node *window = stele__node_find(q->spec->modality[i].node, "window");
        if (host->window.group != NULL) {
            r->group[i] = add_group(r, host->window.group, place_of(window, "group", NULL));
        }
    }
}

/* What splits and evaluations ask for. */
/* Columns that a split can go by. */
enum { N_SPLIT_LABELS = 3 };

static void add_other_labels(request *r, const stele__run_request *q)
{
    const stele__data_spec *d = q->spec->data;
    const stele__node *data = stele__node_find(stele__spec_doc_root(q->spec->doc), "data");
    const stele__node *split = data != NULL ? stele__node_find(data, "split") : NULL;
    const char *const column[] = { d->stratify, d->group, d->column };
    const char *const key[] = { "stratify", "group", "column" };
    for (size_t i = 0; i < N_SPLIT_LABELS && q->state == NULL; i++) {
        if (column[i] != NULL) {
            add_label(r, column[i], STELE_FIELD_CATEGORY, place_of(split, key[i], NULL), NULL, 0);
        }
    }
    /* No command evaluates new data. */
    for (size_t i = 0; i < q->n_labels; i++) {
        stele__place nowhere = { 0 };
        add_label(r, q->label[i], STELE_FIELD_CATEGORY,
                  q->label_place != NULL ? q->label_place[i] : nowhere, NULL,
                  q->encode_only || q->new_data);
    }
}

static stele_status make_request(const stele__run_request *q, const stele__run *run, request *r)
{
    size_t n = q->spec->n_modalities, n_labels = N_SPLIT_LABELS + q->n_labels;
    memset(r, 0, sizeof *r);
    for (size_t i = 0; i < n; i++) {
        const stele__modality_spec *host = stele__modality_host(&q->spec->modality[i]);
        n_labels += 1 + host->encoder.covariates.n + host->decoder.covariates.n;
    }
    for (size_t i = 0; i < q->spec->n_heads; i++) {
        const stele__head_spec *host = stele__head_host(&q->spec->head[i]);
        n_labels += host->target.n + host->covariates.n;
    }
    r->matrix = stele__calloc(2 * n, sizeof *r->matrix);
    r->seen = stele__calloc(n, sizeof *r->seen);
    r->label = stele__calloc(n_labels, sizeof *r->label);
    r->group = stele__calloc(n, sizeof *r->group);
    if (r->matrix == NULL || r->label == NULL || r->group == NULL || r->seen == NULL) {
        return STELE_E_NOMEM;
    }
    r->data = (stele__data_request){ .source = run->source,
                                     .n_sources = run->n_sources,
                                     .matrix = r->matrix,
                                     .n_matrices = n,
                                     .label = r->label,
                                     .new_data = q->new_data,
                                     .of_rows = q->of_rows };
    for (size_t i = 0; i < n; i++) {
        const stele__modality_spec *host = stele__modality_host(&q->spec->modality[i]);
        const stele__node *node = q->spec->modality[i].node;
        request_matrix(q, i, &r->matrix[i]);
        add_covariates(r, &host->encoder.covariates, stele__node_find(node, "encoder"), q->state,
                       0);
        add_covariates(r, &host->decoder.covariates, stele__node_find(node, "decoder"), q->state,
                       q->encode_only);
    }
    for (size_t i = 0; i < q->spec->n_heads; i++) {
        add_head_labels(r, q, i);
    }
    add_other_labels(r, q);
    add_groups(r, q);
    r->data.label = r->label;
    stele_status status = STELE_OK;
    for (size_t i = 0; i < n && status == STELE_OK; i++) {
        status = request_seen(q, i, r);
    }
    return status;
}

static const stele__label *split_label(const stele__run *run, const char *name)
{
    return name != NULL ? stele__dataset_label(run->data, name, STELE_FIELD_CATEGORY) : NULL;
}

static stele_status split_rows(const stele__run_request *q, stele__run *run, stele__diag *diag)
{
    const stele__data_spec *d = q->spec->data;
    const stele__node *data = stele__node_find(stele__spec_doc_root(q->spec->doc), "data");
    if (q->state != NULL) {
        const char *const *id[STELE__N_PARTS];
        for (int p = 0; p < STELE__N_PARTS; p++) {
            id[p] = (const char *const *)q->state->id[p];
        }
        return stele__split_from_ids(run->data, id, q->state->n_ids, &run->split, diag);
    }
    stele__split_spec s = { .fraction = { d->train, d->valid, d->test },
                            .n_folds = d->n_folds,
                            .fold = d->fold,
                            .stratify = split_label(run, d->stratify),
                            .group = split_label(run, d->group),
                            .column = split_label(run, d->column),
                            .contiguous = d->contiguous,
                            .gap = d->gap,
                            .seed = (uint64_t)q->spec->top->seed,
                            .place = place_of(data, "split", "data.split") };
    return stele__split_create(run->data, &s, &run->split, diag);
}

static stele_status limit_all(const stele__run *run, const stele_str_list *names, stele__diag *diag)
{
    stele_status status = STELE_OK;
    for (uint64_t k = 0; k < names->n && status == STELE_OK; k++) {
        status = stele__dataset_limit_label(run->data, names->v[k], run->split->train, diag);
    }
    return status;
}

/* A category without training rows has weights that no row ever moved. */
static stele_status limit_labels(const stele__run_request *q, stele__run *run, stele__diag *diag)
{
    stele_status status = STELE_OK;
    for (size_t i = 0; i < q->spec->n_modalities && status == STELE_OK; i++) {
        const stele__modality_spec *host = stele__modality_host(&q->spec->modality[i]);
        status = limit_all(run, &host->encoder.covariates, diag);
        status = status == STELE_OK ? limit_all(run, &host->decoder.covariates, diag) : status;
    }
    for (size_t i = 0; i < q->spec->n_heads && status == STELE_OK; i++) {
        const stele__head_spec *host = stele__head_host(&q->spec->head[i]);
        status = limit_all(run, &host->target, diag);
        status = status == STELE_OK ? limit_all(run, &host->covariates, diag) : status;
    }
    return status;
}

static void check_batch_size(const stele__run_request *q, const stele__run *run, stele__diag *diag)
{
    const long long size = q->spec->train->batch_size, n = run->split->n[STELE__TRAIN];
    if (!q->training || size <= n) {
        return;
    }
    const stele__node *train = stele__node_find(stele__spec_doc_root(q->spec->doc), "train");
    const stele__place place = place_of(train, "batch_size", "train.batch_size");
    stele__diag_warning(diag, &place, "is %lld: all %lld training rows make one batch", size, n);
}

/* Which rows `in` (STELE__ROWS_...) is about, to be freed; NULL: no memory. */
static uint8_t *rows_in(const stele__run *run, int32_t in)
{
    uint8_t *where = stele__malloc((size_t)run->data->n_rows + 1);
    for (int64_t i = 0; where != NULL && i < run->data->n_rows; i++) {
        const int test = run->split->part[i] == STELE__TEST;
        where[i] = in == STELE__ROWS_ALL || test == (in == STELE__ROWS_TEST);
    }
    return where;
}

/* The split does not depend on what is hidden, so that runs which differ in that share it. */
static stele_status hide_some(const stele__run_request *q, stele__run *run)
{
    uint8_t *where = rows_in(run, q->spec->data->missing_in);
    for (size_t i = 0; where != NULL && i < q->spec->n_missing; i++) {
        const stele__share_spec *s = &q->spec->missing[i];
        int64_t m = stele__dataset_matrix(run->data, s->modality);
        if (m >= 0) {
            stele__dataset_hide(run->data, (size_t)m, s->fraction, (uint64_t)q->spec->top->seed,
                                where);
        }
    }
    stele__free(where);
    return where != NULL ? STELE_OK : STELE_E_NOMEM;
}

static stele_status mismatch_some(const stele__run_request *q, stele__run *run)
{
    uint8_t *where = rows_in(run, q->spec->data->mismatched_in);
    stele_status status = where != NULL ? STELE_OK : STELE_E_NOMEM;
    for (size_t i = 0; status == STELE_OK && i < q->spec->n_mismatched; i++) {
        const stele__share_spec *s = &q->spec->mismatched[i];
        int64_t m = stele__dataset_matrix(run->data, s->modality);
        if (m >= 0) {
            status = stele__dataset_mismatch(run->data, (size_t)m, s->fraction,
                                             (uint64_t)q->spec->top->seed, run->split->part, where);
        }
    }
    stele__free(where);
    return status;
}

stele_status stele__run_load(const stele__run_request *q, stele__run *run, stele__diag *diag)
{
    request r;
    stele_status status = make_request(q, run, &r);
    if (status == STELE_OK) {
        status = stele__dataset_create(&r.data, &run->data, diag);
    }
    if (status == STELE_OK && !q->new_data) {
        status = split_rows(q, run, diag);
        status = status == STELE_OK ? hide_some(q, run) : status;
        if (status == STELE_OK) {
            check_batch_size(q, run, diag);
        }
    }
    if (status == STELE_OK) {
        status = stele__windows_open(q, r.group, run, diag);
    }
    if (status == STELE_OK && !q->new_data && q->state == NULL) {
        status = limit_labels(q, run, diag);
        if (status == STELE_OK) {
            status = stele__covariates_check(q->spec, run->data, run->split, diag);
        }
    }
    if (status == STELE_OK) {
        status =
            stele__dataset_load(run->data, run->split != NULL ? run->split->train : NULL, diag);
    }
    if (status == STELE_OK && !q->new_data) {
        status = mismatch_some(q, run);
    }
    if (status == STELE_OK && q->state != NULL && !q->new_data) {
        status = stele__state_compare(q->state, run->data, diag);
    }
    request_finish(&r);
    return status;
}
