/* One modality plugin with an instance of its own, outside any model: for tests of what its slots
 * do with measurements of any shape. */
#ifndef STELE_MODALITY_RIG_H
#define STELE_MODALITY_RIG_H

#include "test.h"

#include "cli/preload_table.h"
#include "graph/graph.h"
#include "graph/params.h"
#include "model/model.h"
#include "plugin/guest.h"
#include "plugin/registry.h"
#include "spec/options.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LATENT = 3 };

typedef struct rig {
    stele__diag diag;
    stele__registry *registry;
    stele__spec_doc *doc;
    stele__config *config;
    stele__guest *guest;
    const stele_modality_vt *vt;
    stele_inst *inst;
    stele__params *params;
    uint32_t entry[64];
    stele__scope scope;
    stele_graph *graph;
    int64_t n; /* elements of a row */
} rig;

static inline const char *message(const rig *r)
{
    return r->diag.n > 0 ? r->diag.message[0].text : "";
}

#define OK(r_, call_)                                                                              \
    do {                                                                                           \
        if ((call_) != STELE_OK) {                                                                 \
            fail_msg("%s: %s", #call_, message(r_));                                               \
        }                                                                                          \
    } while (0)

struct stele_build {
    rig *r;
};

struct stele_fit {
    rig *r;
    const stele_view *x;
    int asked;
};

static inline stele_status declare(stele_build *b, const stele__declaration *d, uint32_t *ret_id)
{
    *ret_id = b->r->scope.n++;
    assert_true(*ret_id < 64);
    return stele__params_declare(b->r->params, d, &b->r->entry[*ret_id], &b->r->diag);
}

static inline stele_status build_param(stele_build *b, const stele_param_spec *s, uint32_t *ret_id)
{
    const stele__declaration d = { .name = s->name,
                                   .shape = *s->shape,
                                   .kind = STELE__TRAINED,
                                   .init = s->init,
                                   .scale = s->scale };
    return declare(b, &d, ret_id);
}

static inline stele_status build_buffer(stele_build *b, const char *name, const stele_shape *s,
                                        double value, uint32_t *ret_id)
{
    const stele__declaration d = { .name = name,
                                   .shape = *s,
                                   .kind = STELE__BUFFER,
                                   .init = STELE_INIT_CONSTANT,
                                   .scale = value };
    return declare(b, &d, ret_id);
}

static inline stele_status fit_next(stele_fit *f, stele_view *ret)
{
    *ret = *f->x;
    ret->shape.dim[0] = f->asked++ == 0 ? ret->shape.dim[0] : 0;
    return STELE_OK;
}

static inline stele_status fit_set(stele_fit *f, uint32_t id, uint64_t n, const double *values)
{
    stele__param *p = stele__params_entry(f->r->params, f->r->entry[id]);
    assert_int_equal(p->n, n);
    memcpy(p->values, values, (size_t)n * sizeof *values);
    return STELE_OK;
}

static inline const char *fit_feature_name(const stele_fit *f, int64_t feature)
{
    static const char *const name[] = { "a", "b", "c", "d" };
    (void)f;
    return feature < 4 ? name[feature] : NULL;
}

static const stele_build_api build_api = { .struct_size = sizeof build_api,
                                           .param = build_param,
                                           .buffer = build_buffer };
static const stele_fit_api fit_api = { .struct_size = sizeof fit_api,
                                       .next = fit_next,
                                       .set = fit_set,
                                       .feature_name = fit_feature_name };

static inline const stele__host_tables *tables(void)
{
    static stele__host_tables ret;
    ret = stele__model_tables;
    ret.build = &build_api;
    ret.fit = &fit_api;
    return &ret;
}

/* `field` outlives the rig; a plugin's refusal is returned. */
static inline stele_status start_rig(rig *r, const char *plugin, const stele_field *field,
                                     const stele__log *log, const char *options)
{
    static const stele__log silent = { 0 };
    const char *folder[] = { STELE_PLUGINS };
    const stele__registry_settings settings = { stele__preload_table, folder, 1 };
    const stele__plugin *p = NULL;
    stele_build b = { r };
    memset(r, 0, sizeof *r);
    stele__diag_init(&r->diag);
    OK(r, stele__registry_create(&settings, &r->registry, &r->diag));
    OK(r, stele__registry_find(r->registry, STELE_MODALITY, plugin, NULL, &p, &r->diag));
    const stele__table table = { p->desc.options, p->desc.n_options, p->desc.option_stride };
    OK(r, stele__spec_doc_parse(options, strlen(options), "options", ".", &r->doc, &r->diag));
    OK(r, stele__config_create(&table, (size_t)p->desc.config_size, stele__spec_doc_root(r->doc),
                               p->desc.id, &r->config, &r->diag));
    stele_create_args args = { .input = field, .latent_dim = LATENT, .n_modalities = 1 };
    OK(r, stele__guest_create(p, field->name, r->config, tables(), log != NULL ? log : &silent,
                              &r->guest));
    stele_status status = stele__guest_start(r->guest, &args, &r->diag);
    if (status != STELE_OK) {
        return status;
    }
    r->vt = &p->vt.modality;
    r->inst = stele__guest_inst(r->guest);
    assert_int_equal(stele__params_create(STELE_F64, &r->params), STELE_OK);
    r->scope = (stele__scope){ .name = field->name, .params = r->params, .entry = r->entry };
    status = stele__guest_check(r->guest, "build", r->vt->build(r->inst, &b), &r->diag);
    if (status == STELE_OK) {
        OK(r, stele__params_finalize(r->params, 5, 1, &r->diag));
        OK(r, stele__graph_create(NULL, STELE_F64, &r->graph));
        r->n = stele__shape_count(&field->sample);
    }
    return status;
}

/* The same for dense rows of that shape. */
static inline stele_status start_plugin(rig *r, const char *plugin, const stele_shape *sample,
                                        const char *options)
{
    static stele_field field;
    field = (stele_field){ .struct_size = sizeof field,
                           .name = "rows",
                           .content = STELE_FIELD_MATRIX,
                           .dtype = STELE_F32,
                           .layout = STELE_DENSE,
                           .sample = *sample };
    return start_rig(r, plugin, &field, NULL, options);
}

/* Values of a parameter or buffer, in double. */
static inline const double *parameter(rig *r, const char *name)
{
    int64_t at = stele__params_find(r->params, name);
    assert_true(at >= 0);
    return stele__params_entry(r->params, (uint32_t)at)->values;
}

static inline void finish(rig *r)
{
    stele__graph_destroy(r->graph);
    stele__guest_destroy(r->guest);
    stele__params_destroy(r->params);
    stele__config_destroy(r->config);
    stele__spec_doc_destroy(r->doc);
    stele__registry_destroy(r->registry);
    stele__diag_finish(&r->diag);
}

#endif
