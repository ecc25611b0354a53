#include "train/run.h"

#include "base/mem.h"
#include "base/str.h"
#include "train/load.h"
#include "train/prior.h"
#include "train/room.h"
#include "train/schedule.h"
#include "train/target.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What there is no room for. */
static stele_status refuse_unsupported(const stele__run_request *q, stele__diag *diag)
{
    if (q->spec->n_heads > STELE__MAX_HEADS) {
        return stele__spec_error(q->spec, "heads", STELE_E_OPTION, "at most 32 heads", diag);
    }
    if (q->spec->n_modalities > STELE__MAX_MODALITIES) {
        return stele__spec_error(q->spec, "modalities", STELE_E_OPTION, "at most 64 modalities",
                                 diag);
    }
    for (size_t i = 0; i < q->spec->n_modalities; i++) {
        const stele__instance *instance = &q->spec->modality[i];
        const stele_plugin *plugin = &q->plugins->modality[i]->desc;
        if (stele__modality_host(instance)->window.bins > 1 &&
            (plugin->caps & STELE_CAP_WINDOW) == 0) {
            char text[192];
            snprintf(text, sizeof text, "window.bins: %s takes no windows of rows", plugin->id);
            return stele__config_error(instance->host, STELE_E_OPTION, text, diag);
        }
        if (stele__modality_host(instance)->transform != 0 &&
            (plugin->caps & STELE_CAP_COLUMNS) != 0) {
            char text[192];
            snprintf(text, sizeof text, "transform: %s goes by what its columns hold as they are",
                     plugin->id);
            return stele__config_error(instance->host, STELE_E_OPTION, text, diag);
        }
    }
    return STELE_OK;
}

/* Create a guest and its instance. */
static stele_status start_guest(const stele__run_request *q, const stele__plugin *plugin,
                                const stele__instance *instance, stele_create_args *args,
                                stele__guest **ret, stele__diag *diag)
{
    stele_status status = stele__guest_create(plugin, instance->name, instance->config,
                                              &stele__model_tables, q->log, ret);
    return status == STELE_OK ? stele__guest_refusal(stele__guest_start(*ret, args, diag)) : status;
}

static stele_status open_sources(const stele__run_request *q, stele__run *run, stele__diag *diag)
{
    size_t n = q->spec->n_sources;
    run->source_guest = stele__calloc(n, sizeof *run->source_guest);
    run->source = stele__calloc(n, sizeof *run->source);
    stele_status status =
        run->source_guest != NULL && run->source != NULL ? STELE_OK : STELE_E_NOMEM;
    for (size_t i = 0; i < n && status == STELE_OK; i++) {
        stele_create_args args = { .n_modalities = (uint32_t)q->spec->n_modalities,
                                   .new_rows =
                                       q->new_data && (q->of_rows == NULL || q->of_rows[i]) };
        const stele_source_vt *vt = &q->plugins->source[i]->vt.source;
        run->n_sources = i + 1;
        status = start_guest(q, q->plugins->source[i], &q->spec->source[i], &args,
                             &run->source_guest[i], diag);
        if (status == STELE_OK && vt->build != NULL) {
            stele_inst *inst = stele__guest_inst(run->source_guest[i]);
            stele__guest_begin(run->source_guest[i], "build");
            status = stele__guest_check(run->source_guest[i], "build", vt->build(inst, NULL), diag);
            status = stele__guest_refusal(status);
        }
        run->source[i] = (stele__source){ .name = q->spec->source[i].name,
                                          .vt = vt,
                                          .file = stele__config_file(q->spec->source[i].config),
                                          .inst = stele__guest_inst(run->source_guest[i]),
                                          .guest = run->source_guest[i] };
    }
    return status;
}

/* Index of a covariate in the model's list, which grows by it if it is new. */
static stele_status covariate_index(const stele__run_request *q, const stele__run *run,
                                    const char *name, stele__model *m, uint32_t *ret)
{
    for (uint32_t i = 0; i < m->n_covariates; i++) {
        if (strcmp(m->covariate[i].name, name) == 0) {
            *ret = i;
            return STELE_OK;
        }
    }
    stele__covariate *bigger = stele__realloc(m->covariate, (m->n_covariates + 1) * sizeof *bigger);
    if (bigger == NULL) {
        return STELE_E_NOMEM;
    }
    m->covariate = bigger;
    *ret = m->n_covariates++;
    return stele__covariate_describe(run->data, run->split, q->state, name, &bigger[*ret]);
}

static stele_status covariate_set(const stele__run_request *q, const stele__run *run,
                                  const stele_str_list *names, stele__model *m,
                                  stele__covariate_set *set)
{
    set->index = stele__calloc(names->n, sizeof *set->index);
    stele_status status = set->index != NULL ? STELE_OK : STELE_E_NOMEM;
    for (uint64_t i = 0; i < names->n && status == STELE_OK; i++) {
        status = covariate_index(q, run, names->v[i], m, &set->index[i]);
        if (status == STELE_OK) {
            set->n++;
            set->width += m->covariate[set->index[i]].width;
        }
    }
    return status;
}

/* Whether an encoder sees another measurement is the plugin's word, which one is the spec's. */
static stele_status check_seen(const stele__instance *instance, stele__modality *md, int named,
                               stele__diag *diag)
{
    if (md->vt->sees != NULL) {
        stele__guest_begin(md->part.guest, "sees");
        md->sees = md->vt->sees(stele__guest_inst(md->part.guest)) != 0;
        stele__guest_restore(md->part.guest, "sees");
    }
    if (md->sees == named) {
        return STELE_OK;
    }
    return stele__config_error(instance->host, STELE_E_OPTION,
                               named ? "encoder.from: the encoder sees no other measurement with "
                                       "these options of the plugin"
                                     : "encoder.from: is missing: with these options of the plugin "
                                       "the encoder sees another measurement",
                               diag);
}

static stele_status start_modality(const stele__run_request *q, stele__run *run, uint32_t i,
                                   stele__diag *diag)
{
    const stele__instance *instance = &q->spec->modality[i];
    const stele__modality_spec *host = stele__modality_host(instance);
    stele__modality *md = &run->model.modality[i];
    const stele__matrix *x = &run->data->matrix[i];
    md->name = instance->name;
    md->vt = &q->plugins->modality[i]->vt.modality;
    md->input = x->field;
    md->n_features = x->n_features;
    const int64_t seen = stele__dataset_beside(run->data, i);
    if (seen >= 0) {
        md->seen = run->data->matrix[seen].field;
        md->n_seen = run->data->matrix[seen].n_features;
    }
    md->weight = host->weight;
    md->own.dim = (uint32_t)host->own.dim;
    md->own.learned = host->own.cross == STELE__CROSS_LEARNED;
    if (host->window.bins > 1) {
        md->window_bins = (uint32_t)host->window.bins;
        md->window_at =
            host->window.at == STELE__WINDOW_PAST ? md->window_bins - 1 : md->window_bins / 2;
    }
    stele_status status =
        covariate_set(q, run, &host->encoder.covariates, &run->model, &md->encoder_covariates);
    if (status == STELE_OK) {
        status =
            covariate_set(q, run, &host->decoder.covariates, &run->model, &md->decoder_covariates);
    }
    if (status != STELE_OK) {
        return status;
    }
    stele_create_args args = { .input = &md->input,
                               .latent_dim = run->model.latent_dim,
                               .private_dim = md->own.dim,
                               .n_modalities = run->model.n_modalities,
                               .encoder_covariates = (uint32_t)md->encoder_covariates.width,
                               .decoder_covariates = (uint32_t)md->decoder_covariates.width,
                               .window_bins = md->window_bins,
                               .window_at = md->window_at,
                               .seen = seen >= 0 ? &md->seen : NULL };
    status = start_guest(q, q->plugins->modality[i], instance, &args, &md->part.guest, diag);
    return status == STELE_OK ? check_seen(instance, md, seen >= 0, diag) : status;
}

static stele_status start_head(const stele__run_request *q, stele__run *run, uint32_t i,
                               stele__diag *diag)
{
    const stele__instance *instance = &q->spec->head[i];
    const stele__head_spec *host = stele__head_host(instance);
    stele__head *h = &run->model.head[i];
    stele__str name;
    stele__str_init(&name);
    stele__str_printf(&name, "heads.%s", instance->name);
    h->name = stele__str_take(&name);
    h->vt = &q->plugins->head[i]->vt.head;
    h->weight = host->weight;
    h->calibrate = host->calibrate;
    h->uncertainty.learned = host->uncertainty;
    if (h->name == NULL) {
        return STELE_E_NOMEM;
    }
    stele_status status =
        stele__target_describe(q->spec, i, run->data, run->split, q->state, h, diag);
    if (status == STELE_OK) {
        status = covariate_set(q, run, &host->covariates, &run->model, &h->covariates);
    }
    if (status != STELE_OK) {
        return status;
    }
    stele_create_args args = { .input = &h->target,
                               .latent_dim = run->model.latent_dim,
                               .n_modalities = run->model.n_modalities,
                               .decoder_covariates = (uint32_t)h->covariates.width,
                               .columns = h->column,
                               .n_columns = h->n_columns };
    return start_guest(q, q->plugins->head[i], instance, &args, &h->part.guest, diag);
}

/* All heads, in their room. */
static stele_status start_heads(const stele__run_request *q, stele__run *run, stele__diag *diag)
{
    stele__model *m = &run->model;
    m->head = stele__calloc(q->spec->n_heads, sizeof *m->head);
    stele_status status = m->head != NULL ? STELE_OK : STELE_E_NOMEM;
    for (uint32_t i = 0; i < q->spec->n_heads && status == STELE_OK; i++) {
        m->n_heads = i + 1;
        status = start_head(q, run, i, diag);
    }
    return status;
}

/* Data-dependent starts, which a model that was trained before has already. */
static stele_status fit_model(const stele__run_request *q, stele__run *run, stele__diag *diag)
{
    stele__model *m = &run->model;
    stele_status status = STELE_OK;
    for (uint32_t i = 0; i < m->n_modalities && status == STELE_OK; i++) {
        status = stele__modality_validate(m, i, run->data, diag);
        status = status == STELE_OK ? stele__modality_drop(m, i, run->data, diag) : status;
        if (status == STELE_OK && q->state == NULL) {
            status = stele__modality_fit(m, i, run->data, run->split, diag);
        }
    }
    for (uint32_t i = 0; i < m->n_heads && status == STELE_OK; i++) {
        status = q->encode_only ? STELE_OK : stele__head_validate(m, i, run->data, diag);
        if (status == STELE_OK && q->state == NULL) {
            status = stele__head_fit(m, i, run->data, run->split, diag);
        }
    }
    if (status == STELE_OK && q->state == NULL) {
        status = stele__quantities_check(q->spec, m, run->data, diag);
    }
    if (status == STELE_OK && q->state == NULL) { /* else when the parameters have been read */
        status = stele__modalities_prepare(m, run->data, diag);
    }
    return status;
}

/* Parameters that validation rows are to calibrate would stay as they start. */
static stele_status check_calibration(const stele__run_request *q, const stele__run *run,
                                      stele__diag *diag)
{
    size_t n = 0;
    const stele__segment *s = stele__params_segments(run->model.params, &n);
    for (size_t i = 0; i < n && q->training; i++) {
        if (stele__group_is_calibrated(s[i].group) && run->split->n[STELE__VALID] == 0) {
            return stele__spec_error(q->spec, "data.split.valid", STELE_E_OPTION,
                                     "the fusion rule is calibrated on validation rows, and there "
                                     "are none",
                                     diag);
        }
    }
    return STELE_OK;
}

/* A loss that compares the rows of a batch says nothing of too few. */
static void check_batches(const stele__run_request *q, const stele__run *run, stele__diag *diag)
{
    const int64_t *n = run->split->n;
    const int64_t size =
        stele__train_for(q->spec->train, n[STELE__TRAIN], n[STELE__VALID]).batch_size;
    const stele__node *train = stele__node_find(stele__spec_doc_root(q->spec->doc), "train");
    const stele__node *node = train != NULL ? stele__node_find(train, "batch_size") : NULL;
    stele__place place = { .path = "train.batch_size" };
    if (node != NULL) {
        place.file = node->file;
        place.line = node->line;
        place.column = node->column;
    }
    if (q->spec->objective->contrast > 0.0 && size < 2) {
        stele__diag_warning(diag, &place,
                            "is 1: the term of objective.contrast compares the rows of a batch and "
                            "needs at least 2 of them");
    }
    for (uint32_t i = 0; i < run->model.n_heads; i++) {
        const stele__head *h = &run->model.head[i];
        if (size < (int64_t)h->traits.least_rows) {
            stele__diag_warning(diag, &place,
                                "is %lld: the loss of %s compares the rows of a batch and needs at "
                                "least %u of them",
                                (long long)size, h->name, h->traits.least_rows);
        }
    }
}

/* A component without a training row of its own stands for nothing. */
static stele_status check_prior(const stele__run_request *q, const stele__run *run,
                                stele__diag *diag)
{
    const stele__latent_spec *l = q->spec->latent;
    if (!q->training || l->prior.kind != STELE__PRIOR_MIXTURE ||
        l->prior.components <= run->split->n[STELE__TRAIN]) {
        return STELE_OK;
    }
    return stele__prior_refuse(q->spec, run->split->n[STELE__TRAIN], diag);
}

/* Where the spec leaves it open, a head learns to predict from few modalities, too. What takes a
 * label out of the z of all that is there need not do so once for each modality. */
static void settle_posteriors(const stele__run_request *q, stele__run *run)
{
    const stele__objective_spec *o = q->spec->objective;
    const int subsets = o->single || o->n_random > 0;
    for (uint32_t i = 0; i < run->model.n_heads; i++) {
        stele__head *h = &run->model.head[i];
        const int32_t asked = stele__head_host(&q->spec->head[i])->posteriors;
        const int as_best = asked == STELE__POSTERIORS_AUTO && !(h->traits.gradient_scale < 0.0);
        h->subsets = subsets && (as_best || asked == STELE__POSTERIORS_SUBSETS);
    }
}

/* A weight that is learned for a head that the latent is not to serve would leave the latent alone.
 */
static stele_status check_uncertainty(const stele__run_request *q, const stele__run *run,
                                      stele__diag *diag)
{
    for (uint32_t i = 0; i < run->model.n_heads; i++) {
        const stele__head *h = &run->model.head[i];
        if (h->uncertainty.learned && (h->traits.own_step || !(h->traits.gradient_scale > 0.0))) {
            char path[256];
            snprintf(path, sizeof path, "%s.uncertainty", h->name);
            return stele__spec_error(q->spec, path, STELE_E_OPTION,
                                     "the latent is not to serve this head, so that its weight "
                                     "cannot be learned with it",
                                     diag);
        }
    }
    return STELE_OK;
}

/* Variances that no draw is made with would stay as they start. */
static stele_status check_private(const stele__run_request *q, const stele__run *run,
                                  stele__diag *diag)
{
    const stele__objective_spec *o = q->spec->objective;
    const stele__model *m = &run->model;
    const int subsets = o->single || o->n_random > 0;
    if (m->max_components > 1 || (subsets && o->reconstruct == STELE__RECONSTRUCT_PRESENT)) {
        return STELE_OK;
    }
    for (uint32_t i = 0; i < m->n_modalities && m->n_modalities > 1; i++) {
        if (m->modality[i].own.learned) {
            stele_status status = stele__config_error(
                q->spec->modality[i].host, STELE_E_OPTION,
                "private.cross: learned needs an objective that decodes a modality from others",
                diag);
            stele__diag_hint(diag, "take a mixture as fusion rule, or subsets with reconstruct: "
                                   "present; or leave it at prior");
            return status;
        }
    }
    return STELE_OK;
}

static stele_status open_model(const stele__run_request *q, stele__run *run, stele__diag *diag)
{
    stele__model *m = &run->model;
    m->latent_dim = (uint32_t)q->spec->latent->dim;
    m->modality = stele__calloc(q->spec->n_modalities, sizeof *m->modality);
    m->fusion_vt = &q->plugins->fusion->vt.fusion;
    stele_status status = m->modality != NULL ? STELE_OK : STELE_E_NOMEM;
    if (status == STELE_OK) {
        m->n_modalities = (uint32_t)q->spec->n_modalities;
    }
    for (uint32_t i = 0; i < m->n_modalities && status == STELE_OK; i++) {
        status = start_modality(q, run, i, diag);
    }
    if (status == STELE_OK) {
        stele_create_args args = { .latent_dim = m->latent_dim, .n_modalities = m->n_modalities };
        status =
            start_guest(q, q->plugins->fusion, &q->spec->fusion, &args, &m->fusion.guest, diag);
    }
    if (status == STELE_OK) {
        status = start_heads(q, run, diag);
    }
    if (status == STELE_OK) {
        status = stele__model_build(m, STELE_F32, diag);
    }
    status = status == STELE_OK ? check_prior(q, run, diag) : status;
    status = status == STELE_OK ? check_private(q, run, diag) : status;
    if (status == STELE_OK) {
        settle_posteriors(q, run);
        status = check_uncertainty(q, run, diag);
    }
    if (status == STELE_OK) {
        status = stele__room_check(q->spec, m, q->training, (double)stele__mem_available(""), diag);
    }
    if (status == STELE_OK) {
        status = stele__params_finalize(m->params, (uint64_t)q->spec->top->seed, q->training, diag);
    }
    status = status == STELE_OK ? check_calibration(q, run, diag) : status;
    if (status == STELE_OK && q->training) {
        check_batches(q, run, diag);
    }
    return status == STELE_OK ? fit_model(q, run, diag) : status;
}

static stele_status open_pool(const stele__run_request *q, stele__run *run, stele__diag *diag)
{
    int64_t threads = q->spec->train->threads;
    if (threads == 0) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        threads = cores < 1 ? 1 : cores > STELE__POOL_MAX_THREADS ? STELE__POOL_MAX_THREADS : cores;
    }
    if (stele__pool_create((unsigned)threads, &run->pool) != STELE_OK) {
        return stele__diag_error(diag, STELE_E_NOMEM, NULL, "cannot start %lld threads",
                                 (long long)threads);
    }
    return STELE_OK;
}

stele_status stele__run_open(const stele__run_request *q, stele__run *run, stele__diag *diag)
{
    memset(run, 0, sizeof *run);
    run->spec = q->spec;
    run->log = q->log;
    stele_status status = refuse_unsupported(q, diag);
    if (status == STELE_OK) {
        status = open_pool(q, run, diag);
    }
    if (status == STELE_OK) {
        status = open_sources(q, run, diag);
    }
    if (status == STELE_OK) {
        status = stele__run_load(q, run, diag);
    }
    return status == STELE_OK ? open_model(q, run, diag) : status;
}

void stele__run_close(stele__run *run)
{
    stele__model_finish(&run->model);
    stele__split_destroy(run->split);
    stele__dataset_destroy(run->data);
    for (size_t i = 0; i < run->n_sources; i++) {
        stele__guest_destroy(run->source_guest[i]);
    }
    stele__free(run->source_guest);
    stele__free(run->source);
    stele__pool_destroy(run->pool);
    memset(run, 0, sizeof *run);
}
