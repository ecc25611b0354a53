#include "model/model.h"

#include "base/mem.h"
#include "base/str.h"
#include "data/safetensors.h"
#include "graph/noise.h"
#include "model/prepared.h"
#include "model/private.h"
#include "model/uncertainty.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What a plugin sees as stele_build while its build() runs. */
struct stele_build {
    stele__model *model;
    stele__part *part;
    stele__diag *diag;
};

/* Full name "heart.encoder.weight" of a declared tensor; the caller frees it. */
static char *full_name(const stele__part *part, const char *name)
{
    stele__str s;
    stele__str_init(&s);
    stele__str_printf(&s, "%s.%s", part->scope.name, name);
    return stele__str_take(&s);
}

/* What is wrong with a declaration is told where the spec names the plugin. */
static stele_status refuse(const stele_build *b, stele_status status, const char *fmt, ...)
    STELE_PRINTF(3, 4);
static stele_status refuse(const stele_build *b, stele_status status, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return stele__guest_report(b->part->guest, status, text, "", "in build", b->diag);
}

static stele_status add_entry(stele_build *b, const stele__declaration *d, uint32_t *ret_entry)
{
    stele__diag diag;
    stele__diag_init(&diag);
    stele_status status = stele__params_declare(b->model->params, d, ret_entry, &diag);
    if (diag.n > 0) {
        status = refuse(b, status, "%s", diag.message[0].text);
    }
    stele__diag_finish(&diag);
    return status;
}

static stele_status declare(stele_build *b, const char *name, stele__declaration *d,
                            uint32_t *ret_id)
{
    stele__part *part = b->part;
    if (name == NULL || name[0] == '\0' ||
        name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.")] != '\0') {
        return refuse(b, STELE_E_INTERNAL,
                      "declares a tensor of the name `%s`: names consist of [a-z0-9_.]",
                      name != NULL ? name : "");
    }
    char *full = full_name(part, name);
    uint32_t *entry = stele__realloc(part->entry, (part->scope.n + 1) * sizeof *entry);
    stele_status status = full != NULL && entry != NULL ? STELE_OK : STELE_E_NOMEM;
    if (entry != NULL) {
        part->entry = entry;
        part->scope.entry = entry;
    }
    if (status == STELE_OK) {
        d->name = full;
        status = add_entry(b, d, &entry[part->scope.n]);
    }
    if (status == STELE_OK) {
        *ret_id = part->scope.n++;
    }
    stele__free(full);
    return status;
}

static stele_status build_param(stele_build *b, const stele_param_spec *s, uint32_t *ret_id)
{
    const int calibrated = (s->flags & STELE_PARAM_CALIBRATED) != 0;
    if (!b->part->calibrates && calibrated) {
        return refuse(b, STELE_E_UNSUPPORTED,
                      "`%s` cannot be calibrated: only parameters of fusion rules can", s->name);
    }
    if (!calibrated && (s->flags & STELE_PARAM_WIDTH) != 0) {
        return refuse(b, STELE_E_OPTION, "`%s` is a width that is not calibrated", s->name);
    }
    stele__declaration d = { .shape = *s->shape,
                             .kind = STELE__TRAINED,
                             .init = s->init,
                             .scale = s->scale,
                             .decay = s->decay,
                             .group = (s->flags & STELE_PARAM_WIDTH) != 0 ? STELE__GROUP_WIDTH
                                      : calibrated                        ? STELE__GROUP_CALIBRATED
                                                                          : b->part->group,
                             .keep = (uint32_t)calibrated };
    return declare(b, s->name, &d, ret_id);
}

static stele_status build_buffer(stele_build *b, const char *name, const stele_shape *s,
                                 double value, uint32_t *ret_id)
{
    stele__declaration d = {
        .shape = *s, .kind = STELE__BUFFER, .init = STELE_INIT_CONSTANT, .scale = value
    };
    return declare(b, name, &d, ret_id);
}

static stele_status build_frozen(stele_build *b, const char *name, const char *path,
                                 const char *tensor, stele_shape *ret_shape, uint32_t *ret_id)
{
    stele__safetensors *file = NULL;
    stele_status status = stele__safetensors_open(path, &file, b->diag);
    if (status != STELE_OK) {
        return status;
    }
    const stele__safetensor *t = stele__safetensors_find(file, tensor);
    if (t == NULL) {
        stele__safetensors_close(file);
        return stele__diag_error(b->diag, STELE_E_DATA, NULL, "%s: has no tensor `%s`", path,
                                 tensor);
    }
    stele__declaration d = {
        .shape = t->shape, .kind = STELE__FROZEN, .dtype = t->dtype, .data = t->data
    };
    status = declare(b, name, &d, ret_id);
    if (status == STELE_OK) {
        *ret_shape = t->shape;
        status = stele__model_keep_file(b->model, file);
    } else {
        stele__safetensors_close(file);
    }
    return status;
}

const stele_build_api stele__build_api = {
    .struct_size = sizeof stele__build_api,
    .param = build_param,
    .buffer = build_buffer,
    .frozen = build_frozen,
};

/* Code of the plugin runs within an operation. */
static void part_runs(void *user, const char *what)
{
    stele__guest_begin(user, what);
}

static void part_ran(void *user, const char *what)
{
    stele__guest_restore(user, what);
}

/* Calls into plugins go through the slots that all kinds share. */
static stele_status part_build(stele__model *m, stele__part *part, const char *name,
                               stele_status (*build)(stele_inst *, stele_build *),
                               stele__diag *diag)
{
    stele_build b = { .model = m, .part = part, .diag = diag };
    part->scope = (stele__scope){ .name = name,
                                  .purpose = stele__noise_hash(name),
                                  .params = m->params,
                                  .runs = part_runs,
                                  .ran = part_ran,
                                  .user = part->guest };
    if (build == NULL) {
        return STELE_OK;
    }
    size_t before = diag->n_errors;
    stele__guest_begin(part->guest, "build");
    stele_status status = build(stele__guest_inst(part->guest), &b);
    if (status != STELE_OK && diag->n_errors > before) {
        stele__guest_end(part->guest, "build", status, NULL);
        return status;
    }
    return stele__guest_refusal(stele__guest_check(part->guest, "build", status, diag));
}

/* What a head asks for decides in which group its parameters are. */
static stele_status head_build(stele__model *m, stele__head *h, stele__diag *diag)
{
    h->traits = (stele_head_traits){ .struct_size = sizeof h->traits };
    stele__guest_begin(h->part.guest, "traits");
    stele_status status = h->vt->traits(stele__guest_inst(h->part.guest), &h->traits);
    status = stele__guest_check(h->part.guest, "traits", status, diag);
    if (status == STELE_OK && !isfinite(h->traits.gradient_scale)) {
        return stele__guest_report(h->part.guest, STELE_E_INTERNAL,
                                   "asks for a gradient_scale that is no number", "", "in traits",
                                   diag);
    }
    if (!(h->traits.step_rate >= 0.0) || isinf(h->traits.step_rate)) {
        return stele__guest_report(h->part.guest, STELE_E_INTERNAL,
                                   "asks for a step_rate that is no length", "", "in traits", diag);
    }
    h->part.group =
        h->traits.own_step ? STELE__GROUP_HEADS + (uint32_t)(h - m->head) : STELE__GROUP_MODEL;
    return status == STELE_OK ? part_build(m, &h->part, h->name, h->vt->build, diag) : status;
}

static int has_width(const stele__model *m)
{
    for (uint32_t i = 0; i < m->fusion.scope.n; i++) {
        if (stele__params_entry(m->params, m->fusion.entry[i])->group == STELE__GROUP_WIDTH) {
            return 1;
        }
    }
    return 0;
}

stele_status stele__model_build(stele__model *m, uint32_t dtype, stele__diag *diag)
{
    stele_status status = stele__params_create(dtype, &m->params);
    for (uint32_t i = 0; i < m->n_modalities && status == STELE_OK; i++) {
        stele__modality *md = &m->modality[i];
        status = part_build(m, &md->part, md->name, md->vt->build, diag);
        status = status == STELE_OK ? stele__private_build(m, i, diag) : status;
    }
    if (status == STELE_OK) {
        m->fusion.calibrates = 1;
        status = part_build(m, &m->fusion, "fusion", m->fusion_vt->build, diag);
    }
    for (uint32_t i = 0; i < m->n_heads && status == STELE_OK; i++) {
        status = head_build(m, &m->head[i], diag);
        status = status == STELE_OK ? stele__uncertainty_build(m, i, diag) : status;
    }
    if (status == STELE_OK) {
        m->latent = (stele__scope){ .name = "latent", .purpose = stele__noise_hash("latent") };
        stele__guest_begin(m->fusion.guest, "max_components");
        m->max_components =
            m->fusion_vt->max_components(stele__guest_inst(m->fusion.guest), m->n_modalities);
        stele__guest_restore(m->fusion.guest, "max_components");
        if (m->max_components < 1 || m->max_components > STELE__MAX_COMPONENTS) {
            char text[128];
            snprintf(text, sizeof text, "wants %u components, this version can have 1 to %d",
                     m->max_components, STELE__MAX_COMPONENTS);
            return stele__guest_report(m->fusion.guest, STELE_E_OPTION, text, "",
                                       "in max_components", diag);
        }
        if (m->max_components > 1 && has_width(m)) {
            return stele__guest_report(m->fusion.guest, STELE_E_OPTION,
                                       "has a parameter that is a width, and mixtures", "",
                                       "in max_components", diag);
        }
    }
    return status;
}

static void part_finish(stele__part *part)
{
    stele__guest_destroy(part->guest);
    stele__free(part->entry);
    memset(part, 0, sizeof *part);
}

void stele__model_finish(stele__model *m)
{
    for (uint32_t i = 0; i < m->n_modalities; i++) {
        part_finish(&m->modality[i].part);
        stele__free(m->modality[i].own.at.name);
        stele__prepared_destroy(m->modality[i].prepared);
        stele__free(m->modality[i].encoder_covariates.index);
        stele__free(m->modality[i].decoder_covariates.index);
    }
    for (uint32_t i = 0; i < m->n_heads; i++) {
        part_finish(&m->head[i].part);
        stele__free(m->head[i].covariates.index);
        stele__free(m->head[i].name);
        stele__free(m->head[i].uncertainty.at.name);
    }
    part_finish(&m->fusion);
    stele__free(m->head);
    stele__free(m->modality);
    stele__free(m->covariate);
    stele__params_destroy(m->params);
    for (size_t i = 0; i < m->n_files; i++) {
        stele__safetensors_close(m->file[i]);
    }
    stele__free(m->file);
    memset(m, 0, sizeof *m);
}

uint64_t stele__model_all(const stele__model *m)
{
    return m->n_modalities < 64 ? (UINT64_C(1) << m->n_modalities) - 1 : UINT64_MAX;
}

const char *stele__head_short_name(const stele__head *head)
{
    return strchr(head->name, '.') + 1;
}

stele_status stele__model_keep_file(stele__model *m, stele__safetensors *file)
{
    stele__safetensors **bigger =
        stele__realloc(m->file, (m->n_files + 1) * sizeof(stele__safetensors *));
    if (bigger == NULL) {
        stele__safetensors_close(file);
        return STELE_E_NOMEM;
    }
    m->file = bigger;
    m->file[m->n_files++] = file;
    return STELE_OK;
}

/* --- fit
 * -----------------------------------------------------------------------------------------------------
 */

struct stele_fit {
    stele__model *model;
    stele__part *part;
    const stele__fit_source *source;
    int buffers_alone; /* what was learned stays */
    int any;           /* something was set */
};

static int64_t fit_n_rows(const stele_fit *f)
{
    return f->source->n_rows;
}

static stele_status fit_next(stele_fit *f, stele_view *ret)
{
    /* The data's source may run meanwhile. */
    stele_status status = f->source->next(f->source->ctx, ret);
    stele__guest_begin(f->part->guest, "fit");
    return status;
}

static const char *fit_feature_name(const stele_fit *f, int64_t feature)
{
    const stele__fit_source *s = f->source;
    return s->feature != NULL && feature >= 0 && feature < s->n_features ? s->feature[feature]
                                                                         : NULL;
}

static stele_status fit_next_seen(stele_fit *f, stele_view *ret)
{
    if (f->source->seen == NULL) {
        return STELE_E_STATE;
    }
    stele_status status = f->source->next(f->source->seen, ret);
    stele__guest_begin(f->part->guest, "fit");
    return status;
}

/* NULL: none that may be changed. */
static stele__param *fit_entry(stele_fit *f, uint32_t id)
{
    stele__param *p =
        id < f->part->scope.n ? stele__params_entry(f->model->params, f->part->entry[id]) : NULL;
    int fixed =
        p == NULL || p->kind == STELE__FROZEN || (f->buffers_alone && p->kind != STELE__BUFFER);
    return fixed ? NULL : p;
}

static stele_status fit_set(stele_fit *f, uint32_t id, uint64_t n, const double *values)
{
    stele__param *p = fit_entry(f, id);
    if (p == NULL || (uint64_t)p->n != n) {
        return STELE_E_ARG;
    }
    int f64 = stele__params_dtype(f->model->params) == STELE_F64;
    f->any = 1;
    for (uint64_t i = 0; i < n; i++) {
        if (f64) {
            ((double *)p->values)[i] = values[i];
        } else {
            ((float *)p->values)[i] = (float)values[i];
        }
    }
    return STELE_OK;
}

static stele_status fit_scale(stele_fit *f, uint32_t id, double factor)
{
    stele__param *p = fit_entry(f, id);
    if (p == NULL) {
        return STELE_E_ARG;
    }
    int f64 = stele__params_dtype(f->model->params) == STELE_F64;
    for (int64_t i = 0; i < p->n; i++) {
        if (f64) {
            ((double *)p->values)[i] *= factor;
        } else {
            ((float *)p->values)[i] = (float)(((float *)p->values)[i] * factor);
        }
    }
    return STELE_OK;
}

const stele_fit_api stele__fit_api = {
    .struct_size = sizeof stele__fit_api,
    .n_rows = fit_n_rows,
    .next = fit_next,
    .set = fit_set,
    .scale = fit_scale,
    .next_seen = fit_next_seen,
    .feature_name = fit_feature_name,
};

/* A parameter that is no number stops the training at its first step, when nobody knows any more
 * where it came from. */
static stele_status expect_finite(const stele__model *m, const stele__part *part, const char *slot,
                                  stele__diag *diag)
{
    int f64 = stele__params_dtype(m->params) == STELE_F64;
    for (uint32_t k = 0; k < part->scope.n; k++) {
        const stele__param *p = stele__params_entry(m->params, part->entry[k]);
        for (int64_t i = 0; p->kind != STELE__FROZEN && i < p->n; i++) {
            double v = f64 ? ((const double *)p->values)[i] : (double)((const float *)p->values)[i];
            if (!isfinite(v)) {
                char text[512];
                snprintf(text, sizeof text, "%s set element %lld of %s to %s", slot, (long long)i,
                         p->name, isnan(v) ? "NaN" : "infinity");
                return stele__guest_report(part->guest, STELE_E_NONFINITE, text, "", "", diag);
            }
        }
    }
    return STELE_OK;
}

stele_status stele__model_fit(stele__model *m, uint32_t i, const stele__fit_source *source,
                              stele__diag *diag)
{
    stele__modality *md = &m->modality[i];
    stele_fit f = { .model = m, .part = &md->part, .source = source };
    if (md->vt->fit == NULL) {
        return STELE_OK;
    }
    stele__guest_begin(md->part.guest, "fit");
    stele_status status = md->vt->fit(stele__guest_inst(md->part.guest), &f);
    status = stele__guest_check(md->part.guest, "fit", status, diag);
    return status == STELE_OK ? expect_finite(m, &md->part, "fit", diag) : status;
}

stele_status stele__model_fit_head(stele__model *m, uint32_t i, const stele__fit_source *source,
                                   stele__diag *diag)
{
    stele__head *h = &m->head[i];
    stele_fit f = { .model = m, .part = &h->part, .source = source };
    if (h->vt->fit == NULL) {
        return STELE_OK;
    }
    stele__guest_begin(h->part.guest, "fit");
    stele_status status = h->vt->fit(stele__guest_inst(h->part.guest), &f);
    status = stele__guest_check(h->part.guest, "fit", status, diag);
    return status == STELE_OK ? expect_finite(m, &h->part, "fit", diag) : status;
}

static stele_status no_rows(void *ctx, stele_view *ret)
{
    (void)ctx;
    *ret = (stele_view){ .struct_size = sizeof *ret, .shape = { .ndim = 1 } };
    return STELE_OK;
}

stele_status stele__model_calibrate_head(stele__model *m, uint32_t i, const stele_head_scored *s,
                                         int *ret_set, stele__diag *diag)
{
    stele__head *h = &m->head[i];
    const stele__fit_source source = { .next = no_rows };
    stele_fit f = { .model = m, .part = &h->part, .source = &source, .buffers_alone = 1 };
    stele__guest_begin(h->part.guest, "calibrate");
    stele_status status = h->vt->calibrate(stele__guest_inst(h->part.guest), s, &f);
    status = stele__guest_check(h->part.guest, "calibrate", status, diag);
    if (ret_set != NULL) {
        *ret_set = f.any;
    }
    return status == STELE_OK ? expect_finite(m, &h->part, "calibrate", diag) : status;
}

static stele_status reader_get(const stele_reader *r, uint32_t id, uint64_t n, double *ret)
{
    const stele__part *part = r->self;
    const stele__scope *scope = &part->scope;
    const stele__param *p =
        id < scope->n ? stele__params_entry(scope->params, part->entry[id]) : NULL;
    if (p == NULL || p->kind == STELE__FROZEN || (uint64_t)p->n != n) {
        return STELE_E_ARG;
    }
    for (uint64_t i = 0; i < n; i++) {
        ret[i] = stele__params_dtype(scope->params) == STELE_F64
                     ? ((const double *)p->values)[i]
                     : (double)((const float *)p->values)[i];
    }
    return STELE_OK;
}

stele_reader stele__part_reader(const stele__part *part)
{
    return (stele_reader){ .struct_size = sizeof(stele_reader), .get = reader_get, .self = part };
}
