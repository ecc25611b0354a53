#include "rig.h"

#include "base/mem.h"
#include "data/safetensors.h"
#include "graph/noise.h"
#include "graph/ops.h"
#include "model/model.h"
#include "spec/options.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What a plugin sees as stele_build. */
struct stele_build {
    rig *r;
};

typedef struct scrap {
    struct scrap *next;
    uint64_t align[7];
} scrap;

void *rig_take(rig *r, size_t size)
{
    scrap *s = stele__calloc(1, sizeof *s + size);
    if (s == NULL) {
        check_say(r->t, CHECK_CRASH, "out of memory");
        check_bail("out of memory");
        return NULL;
    }
    s->next = r->scratch;
    r->scratch = s;
    return s + 1;
}

double rig_uniform(const check_trial *t, uint64_t stream, int64_t i)
{
    stele__stream s = { .key = stele__noise_key(t->subject->seed, stream, 0), .row = i };
    float u;
    stele__noise_uniform(&s, 1, &u);
    return (double)u;
}

double rig_normal(const check_trial *t, uint64_t stream, int64_t i)
{
    stele__stream s = { .key = stele__noise_key(t->subject->seed, stream, 1), .row = i };
    float u;
    stele__noise_normal(&s, 1, &u);
    return (double)u;
}

const char *rig_message(const rig *r)
{
    for (size_t i = 0; i < r->diag.n; i++) {
        const stele__message *m = &r->diag.message[i];
        if (m->severity == STELE__ERROR) {
            static char text[512];
            snprintf(text, sizeof text, "%s%s%s", m->path != NULL ? m->path : "", m->path != NULL ? ": " : "", m->text);
            return text;
        }
    }
    return "(no message)";
}

/* --- declaration of parameters ---------------------------------------------------------------------------------- */

static stele_status declare(stele_build *b, stele__declaration *d, uint32_t *ret_id)
{
    rig *r = b->r;
    uint32_t *entry = stele__realloc(r->entry, (r->scope.n + 1) * sizeof *entry);
    if (entry == NULL) {
        return STELE_E_NOMEM;
    }
    r->entry = entry;
    r->scope.entry = entry;
    stele_status status = stele__params_declare(r->params, d, &entry[r->scope.n], &r->diag);
    if (status == STELE_OK) {
        *ret_id = r->scope.n++;
    }
    return status;
}

static stele_status build_param(stele_build *b, const stele_param_spec *s, uint32_t *ret_id)
{
    stele__declaration d = { .name = s->name,
                             .shape = *s->shape,
                             .kind = STELE__TRAINED,
                             .init = s->init,
                             .scale = s->scale,
                             .decay = s->decay,
                             .group = (s->flags & STELE_PARAM_WIDTH) != 0 ? RIG_WIDTH : 0 };
    b->r->flags = 3 * b->r->flags + s->flags;
    return declare(b, &d, ret_id);
}

static stele_status build_buffer(stele_build *b, const char *name, const stele_shape *s, double value, uint32_t *ret_id)
{
    stele__declaration d = {
        .name = name, .shape = *s, .kind = STELE__BUFFER, .init = STELE_INIT_CONSTANT, .scale = value
    };
    return declare(b, &d, ret_id);
}

static stele_status build_frozen(stele_build *b, const char *name, const char *path, const char *tensor,
                                 stele_shape *ret_shape, uint32_t *ret_id)
{
    rig *r = b->r;
    stele__safetensors *file = NULL;
    stele_status status = r->n_files < 8 ? stele__safetensors_open(path, &file, &r->diag) : STELE_E_UNSUPPORTED;
    if (status != STELE_OK) {
        return status;
    }
    r->file[r->n_files++] = file;
    const stele__safetensor *t = stele__safetensors_find(file, tensor);
    if (t == NULL) {
        return stele__diag_error(&r->diag, STELE_E_DATA, NULL, "%s: has no tensor `%s`", path, tensor);
    }
    stele__declaration d = {
        .name = name, .shape = t->shape, .kind = STELE__FROZEN, .dtype = t->dtype, .data = t->data
    };
    status = declare(b, &d, ret_id);
    if (status == STELE_OK) {
        *ret_shape = t->shape;
    }
    return status;
}

const stele_build_api rig_build_api = {
    .struct_size = sizeof rig_build_api,
    .param = build_param,
    .buffer = build_buffer,
    .frozen = build_frozen,
};

/* --- start and end ------------------------------------------------------------------------------------------------ */

static stele_status read_options(rig *r)
{
    const stele_plugin *p = &r->plugin->desc;
    stele__table table = { p->options, p->n_options, p->option_stride };
    const char *const *option = r->plan.option != NULL ? r->plan.option : r->t->subject->option;
    size_t n = r->plan.option != NULL ? r->plan.n_options : r->t->subject->n_options;
    stele_status status = stele__spec_doc_create(&r->doc);
    for (size_t i = 0; status == STELE_OK && i < n; i++) {
        status = stele__spec_doc_set_as(r->doc, option[i], option[i], &r->diag);
    }
    if (status == STELE_OK) {
        status = stele__config_create(&table, (size_t)p->config_size, stele__spec_doc_root(r->doc), p->id, &r->config,
                                      &r->diag);
    }
    if (status == STELE_OK) {
        status = stele__node_check_keys(stele__spec_doc_root(r->doc), &r->diag);
    }
    return status;
}

static char changed[512];

/* The host puts back what create, build and fit changed of the process: its warning is all that is left of it. */
static void keep_change(void *user, int32_t level, const char *who, const char *text)
{
    (void)user;
    (void)who;
    if (level == STELE_LOG_WARNING && strstr(text, "; restored") != NULL) {
        static const char mark[] = "warning: "; /* behind the place */
        const char *what = strstr(text, mark);
        snprintf(changed, sizeof changed, "%s", what != NULL ? what + sizeof mark - 1 : text);
    }
}

const char *rig_change(void)
{
    return changed[0] != '\0' ? changed : NULL;
}

static stele_status create_instance(rig *r)
{
    static const stele__log silent = { .write = keep_change };
    static const char *const column[RIG_MOST_COLUMNS] = { "checked", "checked_1", "checked_2", "checked_3" };
    const rig_plan *p = &r->plan;
    uint32_t kind = r->plugin->desc.kind;
    const stele__host_tables *tables = p->tables != NULL ? p->tables : rig_tables();
    stele_create_args args = {
        .input = kind == STELE_MODALITY || kind == STELE_HEAD ? &r->field : NULL,
        .latent_dim = p->latent - (kind == STELE_MODALITY ? p->own : 0),
        .private_dim = kind == STELE_MODALITY ? p->own : 0,
        .n_modalities = p->experts,
        .encoder_covariates = kind == STELE_MODALITY ? p->covariates : 0,
        .decoder_covariates = kind == STELE_MODALITY || kind == STELE_HEAD ? p->covariates : 0,
        .window_bins = p->window,
        .window_at = p->window / 2,
        .columns = kind == STELE_HEAD ? column : NULL,
        .n_columns = r->n_columns,
    };
    const int may_see = kind == STELE_MODALITY && r->vt->modality.sees != NULL && p->window == 0;
    args.seen = may_see ? &r->seen : NULL;
    stele_status status = stele__guest_create(r->plugin, "checked", r->config, tables, &silent, &r->guest);
    if (status == STELE_OK) {
        status = stele__guest_start(r->guest, &args, &r->diag);
    }
    r->inst = status == STELE_OK ? stele__guest_inst(r->guest) : NULL;
    if (status == STELE_OK && may_see) {
        r->sees = r->vt->modality.sees(r->inst) != 0;
        stele__guest_restore(r->guest, "sees");
    }
    return status;
}

static stele_status reader_get(const stele_reader *reader, uint32_t id, uint64_t n, double *ret)
{
    const rig *r = reader->self;
    const stele__param *p = id < r->scope.n ? stele__params_entry(r->params, r->entry[id]) : NULL;
    if (p == NULL || p->kind == STELE__FROZEN || (uint64_t)p->n != n) {
        return STELE_E_ARG;
    }
    for (uint64_t i = 0; i < n; i++) {
        ret[i] = r->plan.dtype == STELE_F64 ? ((const double *)p->values)[i] : (double)((const float *)p->values)[i];
    }
    return STELE_OK;
}

static stele_status build_instance(rig *r)
{
    stele_build b = { .r = r };
    stele_status status = stele__params_create(r->plan.dtype, &r->params);
    r->reader = (stele_reader){ .struct_size = sizeof r->reader, .get = reader_get, .self = r };
    r->scope = (stele__scope){ .name = "checked", .purpose = stele__noise_hash("checked"), .params = r->params };
    /* All kinds share the slot. */
    if (status == STELE_OK && r->vt->source.build != NULL) {
        status = r->vt->source.build(r->inst, &b);
        r->raw = status;
        status = stele__guest_check(r->guest, "build", status, &r->diag);
    }
    if (status == STELE_OK) {
        status = stele__params_finalize(r->params, r->t->subject->seed, 1, &r->diag);
    }
    return status;
}

/* Zeros and ones hide mistakes: move every trained parameter off its start. Plugins may have millions, and checks make
 * hundreds of instances, so noise is drawn by the block. */
static void perturb(rig *r)
{
    enum { BLOCK = 1024 };
    for (uint32_t e = 0; e < stele__params_count(r->params); e++) {
        stele__param *p = stele__params_entry(r->params, e);
        stele__stream s = { .key = stele__noise_key(r->t->subject->seed, 7000 + e + 100 * r->plan.seed, 1) };
        for (int64_t i = 0; p->kind == STELE__TRAINED && i < p->n; i += BLOCK, s.row++) {
            float noise[BLOCK];
            const int64_t n = p->n - i < BLOCK ? p->n - i : BLOCK;
            stele__noise_normal(&s, n, noise);
            for (int64_t j = 0; j < n; j++) {
                if (r->plan.dtype == STELE_F64) {
                    ((double *)p->values)[i + j] += 0.1 * (double)noise[j];
                } else {
                    ((float *)p->values)[i + j] += 0.1f * noise[j];
                }
            }
        }
    }
}

static stele_status prepare(rig *r)
{
    stele_status status = stele__graph_create(r->pool, r->plan.dtype, &r->graph);
    if (status == STELE_OK) {
        rig_inputs_init(r);
        /* A head starts from its targets' statistics; of a modality raw parameters are asked for. */
        if (!r->plan.loaded && (!r->plan.raw || r->plugin->desc.kind == STELE_HEAD)) {
            status = rig_fit(r);
        }
        if (!r->plan.loaded && !r->plan.raw) {
            perturb(r);
        }
    }
    return status;
}

static stele_status start_once(rig *r)
{
    stele_status status = read_options(r);
    if (status == STELE_OK) {
        status = create_instance(r);
    }
    if (status == STELE_OK && r->plan.create_only) {
        return STELE_OK;
    }
    if (status == STELE_OK) {
        status = build_instance(r);
    }
    if (status == STELE_OK && r->plan.threads > 1) {
        status = stele__pool_create(r->plan.threads, &r->pool);
    }
    if (status == STELE_OK && r->plugin->desc.kind != STELE_SOURCE) {
        status = prepare(r);
    }
    return status;
}

static void rig_init(check_trial *t, const rig_plan *plan, rig *r)
{
    memset(r, 0, sizeof *r);
    r->t = t;
    r->plan = *plan;
    r->plugin = t->plugin;
    r->vt = &t->plugin->vt;
    r->plan.latent = plan->latent != 0 ? plan->latent : 3;
    r->plan.rows = plan->rows != 0 ? plan->rows : 7;
    r->plan.experts = plan->experts != 0 ? plan->experts : t->experts != 0 ? t->experts : RIG_EXPERTS;
    r->plan.features = plan->features != 0 ? plan->features : 5;
    if (plan->dtype == 0) {
        r->plan.dtype = (t->plugin->desc.caps & STELE_CAP_F64) != 0 ? STELE_F64 : STELE_F32;
    }
    stele__diag_init(&r->diag);
}

/* What the plugin may be given: a shape or a kind of target that it does not take is refused by create or build. */
static const stele_shape shapes[] = {
    { 1, 0, { 0 } },         { 3, 0, { 1, 8, 8 } },   { 3, 0, { 3, 8, 8 } },
    { 3, 0, { 1, 28, 28 } }, { 3, 0, { 3, 32, 32 } }, { 2, 0, { 5, 6 } },
};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0], N_TARGETS = 2 };

static stele_status try_choice(rig *r, size_t choice)
{
    uint32_t kind = r->plugin->desc.kind;
    if (kind == STELE_MODALITY) {
        r->field.sample = shapes[choice % N_SHAPES];
        if (r->field.sample.ndim == 1) {
            r->field.sample.dim[0] = r->plan.features;
        }
    }
    rig_field_init(r, choice);
    if (rig_has_columns(r)) {
        rig_features_init(r, choice / N_SHAPES);
    }
    return start_once(r);
}

/* The first that is taken is kept, so that failures on the way are not mistaken for refusals. */
static size_t chosen;
static int is_chosen;

void rig_choose_again(void)
{
    is_chosen = 0;
}

stele_status rig_try(check_trial *t, const rig_plan *plan, rig *r)
{
    uint32_t kind = t->plugin->desc.kind;
    int columns = kind == STELE_MODALITY && (t->plugin->desc.caps & STELE_CAP_COLUMNS) != 0;
    size_t n = columns                  ? N_SHAPES * RIG_COLUMN_CHOICES
               : kind == STELE_MODALITY ? N_SHAPES
               : kind == STELE_HEAD     ? N_TARGETS
                                        : 1;
    for (size_t first = chosen;;) {
        rig_init(t, plan, r);
        stele_status status = try_choice(r, chosen);
        int refused = kind == STELE_MODALITY ? status == STELE_E_SHAPE : status == STELE_E_DATA;
        refused = refused || (columns && status == STELE_E_OPTION);
        /* Columns differ with their number, so that what one number of them suits may not suit another. */
        if (!refused || (is_chosen && !columns) || n == 1) {
            is_chosen = is_chosen || status == STELE_OK;
            return status;
        }
        chosen = (chosen + 1) % n;
        if (chosen == first) {
            return status;
        }
        rig_finish(r);
    }
}

int rig_start(check_trial *t, const rig_plan *plan, rig *r)
{
    stele_status status = rig_try(t, plan, r);
    if (status != STELE_OK) {
        check_fail(t, "no instance could be made: %s", rig_message(r));
    }
    return status == STELE_OK;
}

static void release_scraps(rig *r)
{
    while (r->scratch != NULL) {
        scrap *s = r->scratch;
        r->scratch = s->next;
        stele__free(s);
    }
}

stele_status rig_view(const rig *r, rig *ret)
{
    *ret = *r;
    ret->scratch = NULL;
    stele__diag_init(&ret->diag);
    return stele__graph_create(NULL, r->plan.dtype, &ret->graph);
}

void rig_view_finish(rig *view)
{
    stele__graph_destroy(view->graph);
    stele__diag_finish(&view->diag);
    release_scraps(view);
}

void rig_finish(rig *r)
{
    stele__graph_destroy(r->graph);
    stele__guest_destroy(r->guest);
    stele__pool_destroy(r->pool);
    stele__params_destroy(r->params);
    for (uint32_t i = 0; i < r->n_files; i++) {
        stele__safetensors_close(r->file[i]);
    }
    stele__config_destroy(r->config);
    stele__spec_doc_destroy(r->doc);
    stele__free(r->entry);
    stele__diag_finish(&r->diag);
    release_scraps(r);
    memset(r, 0, sizeof *r);
}
