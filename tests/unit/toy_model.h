/* A whole model over data in memory, for tests: the real spec reader, registry, plugins, join and
 * model, with a source of plain arrays. The spec's own `data` section has to name some source and
 * is not used otherwise. */
#ifndef STELE_TOY_MODEL_H
#define STELE_TOY_MODEL_H

#include "base/mem.h"
#include "cli/preload_table.h"
#include "data/window.h"
#include "fake_source.h"
#include "graph/ops.h"
#include "model/objective.h"
#include "plugin/use.h"
#include "train/load.h"
#include "train/target.h"
#include "train/train.h"

#include <stdio.h>

typedef struct toy {
    stele__diag diag;
    stele__registry *registry;
    stele__spec *spec;
    stele__cast cast;
    stele__dataset *data;
    stele__split *split; /* all rows are training rows */
    stele__model model;
    stele__pool *pool;
    stele_graph *graph;
    stele__batch *batch; /* room for all rows */
} toy;

#define TOY_OK(t_, call_)                                                                          \
    do {                                                                                           \
        if ((call_) != STELE_OK) {                                                                 \
            fail_msg("%s: %s", #call_, toy_message(t_));                                           \
        }                                                                                          \
    } while (0)

static const char *toy_message(const toy *t)
{
    const char *said = t->graph != NULL ? stele__graph_error(t->graph) : "";
    return t->diag.n > 0 ? t->diag.message[0].text : said;
}

static void toy_read_spec(toy *t, const char *text)
{
#ifdef TEST_PLUGINS
    const char *folder[] = { STELE_PLUGINS, TEST_PLUGINS };
#else
    const char *folder[] = { STELE_PLUGINS };
#endif
    stele__registry_settings settings = { stele__preload_table, folder,
                                          sizeof folder / sizeof folder[0] };
    stele__spec_doc *doc = NULL;
    TOY_OK(t, stele__registry_create(&settings, &t->registry, &t->diag));
    TOY_OK(t, stele__spec_doc_parse(text, strlen(text), "toy.yaml", ".", &doc, &t->diag));
    TOY_OK(t, stele__spec_create(doc, &t->spec, &t->diag));
    TOY_OK(t, stele__cast_find(t->registry, t->spec, &t->cast, &t->diag));
    TOY_OK(t, stele__spec_finish(t->spec, &t->diag));
}

/* One label; whoever asks for the same again shares it. */
static stele__label_request *toy_request_label(const char *name, uint32_t content,
                                               stele__data_request *r, stele__label_request *label)
{
    size_t at = 0;
    while (at < r->n_labels &&
           (strcmp(label[at].from, name) != 0 || label[at].content != content)) {
        at++;
    }
    label[at].from = name;
    label[at].content = content;
    r->n_labels = at < r->n_labels ? r->n_labels : at + 1;
    return &label[at];
}

static void toy_request_labels(const stele_str_list *names, stele__data_request *r,
                               stele__label_request *label)
{
    for (uint64_t k = 0; k < names->n; k++) {
        (void)toy_request_label(names->v[k], 0, r, label);
    }
}

/* Windows of rows, of all rows that follow one another. */
static void toy_open_windows(toy *t)
{
    for (size_t i = 0; i < t->spec->n_modalities; i++) {
        const stele__modality_spec *host = stele__modality_host(&t->spec->modality[i]);
        const int past = host->window.at == STELE__WINDOW_PAST;
        stele__window_request q = { .bins = host->window.bins };
        q.before = past ? q.bins - 1 : q.bins / 2;
        if (q.bins > 1) {
            TOY_OK(t, stele__dataset_window(t->data, i, &q, &t->diag));
        }
    }
}

/* Matrices of the modalities, of `others` (rows that have one of those exist, whatever else they
 * have), and the covariates. */
static void toy_read_data(toy *t, const fake_source *from, const char *const *others,
                          size_t n_others)
{
    stele__source source = { "toy", &fake_vt, (const stele_inst *)(const void *)from };
    stele__matrix_request matrix[8];
    stele__label_request label[8];
    stele__data_request request = { .source = &source, 1, matrix, 0, label, 0, 0 };
    memset(matrix, 0, sizeof matrix);
    memset(label, 0, sizeof label);
    for (size_t i = 0; i < t->spec->n_modalities; i++) {
        const stele__modality_spec *host = stele__modality_host(&t->spec->modality[i]);
        matrix[request.n_matrices].name = t->spec->modality[i].name;
        matrix[request.n_matrices].describe =
            (t->cast.modality[i]->desc.caps & STELE_CAP_COLUMNS) != 0;
        matrix[request.n_matrices++].from = host->from;
        toy_request_labels(&host->encoder.covariates, &request, label);
        toy_request_labels(&host->decoder.covariates, &request, label);
    }
    for (size_t i = 0; i < t->spec->n_heads; i++) {
        const stele__head_spec *host = stele__head_host(&t->spec->head[i]);
        toy_request_labels(&host->covariates, &request, label);
        for (uint64_t k = 0; k < host->target.n; k++) {
            stele__label_request *l =
                toy_request_label(host->target.v[k], stele__target_content(host), &request, label);
            l->category = host->classes.n > 0 ? host->classes.v : NULL;
            l->n_categories = (int64_t)host->classes.n;
        }
    }
    for (size_t i = 0; i < n_others; i++) {
        matrix[request.n_matrices].name = others[i];
        matrix[request.n_matrices++].from = others[i];
    }
    for (size_t i = 0; i < t->spec->n_modalities; i++) {
        const stele__modality_spec *host = stele__modality_host(&t->spec->modality[i]);
        if (host->encoder.from != NULL) {
            matrix[request.n_matrices++] = (stele__matrix_request){ .name = host->encoder.from,
                                                                    .from = host->encoder.from,
                                                                    .beside = i + 1 };
        }
    }
    stele__split_spec split = { .fraction = { 1.0, 0.0, 0.0 } };
    TOY_OK(t, stele__dataset_create(&request, &t->data, &t->diag));
    TOY_OK(t, stele__split_create(t->data, &split, &t->split, &t->diag));
    TOY_OK(t, stele__dataset_load(t->data, NULL, &t->diag));
    toy_open_windows(t);
}

static void toy_covariates(toy *t, const stele_str_list *names, stele__covariate_set *set)
{
    set->index = stele__calloc(names->n, sizeof *set->index);
    assert_non_null(set->index);
    for (uint64_t k = 0; k < names->n; k++) {
        uint32_t i = 0;
        while (i < t->model.n_covariates && strcmp(t->model.covariate[i].name, names->v[k]) != 0) {
            i++;
        }
        assert_true(i < t->model.n_covariates);
        set->index[set->n++] = i;
        set->width += t->model.covariate[i].width;
    }
}

static void toy_start(toy *t, const stele__plugin *plugin, const stele__instance *instance,
                      stele_create_args *args, stele__guest **ret)
{
    TOY_OK(t, stele__guest_create(plugin, instance->name, instance->config, &stele__model_tables,
                                  NULL, ret));
    TOY_OK(t, stele__guest_start(*ret, args, &t->diag));
}

static void toy_start_modality(toy *t, uint32_t i)
{
    const stele__modality_spec *host = stele__modality_host(&t->spec->modality[i]);
    stele__modality *md = &t->model.modality[i];
    md->name = t->spec->modality[i].name;
    md->vt = &t->cast.modality[i]->vt.modality;
    md->input = t->data->matrix[i].field;
    md->n_features = t->data->matrix[i].n_features;
    const int64_t seen = stele__dataset_beside(t->data, i);
    md->sees = seen >= 0;
    if (seen >= 0) {
        md->seen = t->data->matrix[seen].field;
        md->n_seen = t->data->matrix[seen].n_features;
    }
    md->weight = host->weight;
    md->own.dim = (uint32_t)host->own.dim;
    md->own.learned = host->own.cross == STELE__CROSS_LEARNED;
    if (t->data->matrix[i].window != NULL) {
        md->window_bins = (uint32_t)t->data->matrix[i].window->bins;
        md->window_at = (uint32_t)t->data->matrix[i].window->before;
    }
    toy_covariates(t, &host->encoder.covariates, &md->encoder_covariates);
    toy_covariates(t, &host->decoder.covariates, &md->decoder_covariates);
    stele_create_args args = { .input = &md->input,
                               .latent_dim = t->model.latent_dim,
                               .private_dim = md->own.dim,
                               .n_modalities = t->model.n_modalities,
                               .encoder_covariates = (uint32_t)md->encoder_covariates.width,
                               .decoder_covariates = (uint32_t)md->decoder_covariates.width,
                               .window_bins = md->window_bins,
                               .window_at = md->window_at,
                               .seen = md->sees ? &md->seen : NULL };
    toy_start(t, t->cast.modality[i], &t->spec->modality[i], &args, &md->part.guest);
}

static void toy_start_head(toy *t, uint32_t i)
{
    const stele__head_spec *host = stele__head_host(&t->spec->head[i]);
    stele__head *h = &t->model.head[i];
    char name[64];
    snprintf(name, sizeof name, "heads.%s", t->spec->head[i].name);
    h->name = stele__strdup(name);
    h->vt = &t->cast.head[i]->vt.head;
    h->weight = host->weight;
    h->uncertainty.learned = host->uncertainty;
    h->calibrate = host->calibrate;
    h->subsets = host->posteriors == STELE__POSTERIORS_SUBSETS;
    TOY_OK(t, stele__target_describe(t->spec, i, t->data, t->split, NULL, h, &t->diag));
    toy_covariates(t, &host->covariates, &h->covariates);
    stele_create_args args = { .input = &h->target,
                               .latent_dim = t->model.latent_dim,
                               .n_modalities = t->model.n_modalities,
                               .decoder_covariates = (uint32_t)h->covariates.width,
                               .columns = h->column,
                               .n_columns = h->n_columns };
    toy_start(t, t->cast.head[i], &t->spec->head[i], &args, &h->part.guest);
}

/* Every label that was read is a covariate. */
static void toy_build(toy *t, uint32_t dtype)
{
    stele__model *m = &t->model;
    m->latent_dim = (uint32_t)t->spec->latent->dim;
    m->n_modalities = (uint32_t)t->spec->n_modalities;
    m->modality = stele__calloc(m->n_modalities, sizeof *m->modality);
    m->n_heads = (uint32_t)t->spec->n_heads;
    m->head = stele__calloc(m->n_heads, sizeof *m->head);
    m->covariate = stele__calloc(t->data->n_labels, sizeof *m->covariate);
    m->fusion_vt = &t->cast.fusion->vt.fusion;
    assert_true(m->modality != NULL && m->covariate != NULL);
    for (size_t i = 0; i < t->data->n_labels; i++) {
        TOY_OK(t, stele__covariate_describe(t->data, t->split, NULL, t->data->label[i].name,
                                            &m->covariate[m->n_covariates++]));
    }
    for (uint32_t i = 0; i < m->n_modalities; i++) {
        toy_start_modality(t, i);
    }
    stele_create_args args = { .latent_dim = m->latent_dim, .n_modalities = m->n_modalities };
    toy_start(t, t->cast.fusion, &t->spec->fusion, &args, &m->fusion.guest);
    for (uint32_t i = 0; i < m->n_heads; i++) {
        toy_start_head(t, i);
    }
    TOY_OK(t, stele__model_build(m, dtype, &t->diag));
    TOY_OK(t, stele__params_finalize(m->params, (uint64_t)t->spec->top->seed, 1, &t->diag));
    for (uint32_t i = 0; i < m->n_modalities; i++) {
        TOY_OK(t, stele__modality_validate(m, i, t->data, &t->diag));
        TOY_OK(t, stele__modality_drop(m, i, t->data, &t->diag));
        TOY_OK(t, stele__modality_fit(m, i, t->data, t->split, &t->diag));
    }
    for (uint32_t i = 0; i < m->n_heads; i++) {
        TOY_OK(t, stele__head_fit(m, i, t->data, t->split, &t->diag));
    }
    TOY_OK(t, stele__modalities_prepare(m, t->data, &t->diag));
}

static void toy_open(toy *t, const char *spec, const fake_source *from, const char *const *others,
                     size_t n_others, uint32_t dtype, unsigned threads)
{
    memset(t, 0, sizeof *t);
    stele__diag_init(&t->diag);
    toy_read_spec(t, spec);
    toy_read_data(t, from, others, n_others);
    toy_build(t, dtype);
    TOY_OK(t, stele__pool_create(threads, &t->pool));
    TOY_OK(t, stele__graph_create(t->pool, dtype, &t->graph));
    TOY_OK(t, stele__batch_create(&t->model, t->data, t->data->n_rows, &t->batch));
}

static void toy_close(toy *t)
{
    stele__batch_destroy(t->batch);
    stele__graph_destroy(t->graph);
    stele__pool_destroy(t->pool);
    stele__model_finish(&t->model);
    stele__split_destroy(t->split);
    stele__dataset_destroy(t->data);
    stele__cast_finish(&t->cast);
    stele__spec_destroy(t->spec);
    stele__registry_destroy(t->registry);
    stele__diag_finish(&t->diag);
}

static double toy_real(uint32_t dtype, const void *p, int64_t i)
{
    return dtype == STELE_F64 ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

static void toy_put(uint32_t dtype, void *p, int64_t i, double v)
{
    if (dtype == STELE_F64) {
        ((double *)p)[i] = v;
    } else {
        ((float *)p)[i] = (float)v;
    }
}

/* Move every trained value by something of about `size`, a function of name and position: zeros and
 * constants of the start would hide mistakes. Values are floats in both dtypes. */
static inline void toy_stir(toy *t, double size)
{
    stele__params *params = t->model.params;
    for (uint32_t e = 0; e < stele__params_count(params); e++) {
        stele__param *p = stele__params_entry(params, e);
        for (int64_t i = 0; p->kind == STELE__TRAINED && i < p->n; i++) {
            uint32_t h = 2166136261u ^ (uint32_t)(i * 2654435761u);
            for (const char *c = p->name; *c != '\0'; c++) {
                h = (h ^ (uint8_t)*c) * 16777619u;
            }
            double u = (double)((h ^ h >> 15) * 2246822519u >> 8) / 16777216.0 - 0.5;
            double v = toy_real(stele__params_dtype(params), p->values, i) + 2.0 * size * u;
            toy_put(stele__params_dtype(params), p->values, i, (double)(float)v);
        }
    }
}

/* Load all rows (or those named) and begin a recording pass. */
static inline void toy_begin(toy *t, int64_t n, const int64_t *row, uint64_t hide, uint64_t step)
{
    int64_t all[64];
    assert_true(t->data->n_rows <= 64);
    for (int64_t i = 0; i < t->data->n_rows; i++) {
        all[i] = i;
    }
    stele__pass pass = {
        .training = 1, .record = 1, .seed = (uint64_t)t->spec->top->seed, .step = step
    };
    stele__batch_load(t->batch, row != NULL ? n : t->data->n_rows, row != NULL ? row : all, hide);
    stele__graph_begin(t->graph, &pass);
    stele__params_begin_gradient(t->model.params);
}

#endif
