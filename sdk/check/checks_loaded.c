/* A model that is loaded has the parameters and buffers of the training, and no fit: whatever else fit kept, in the
 * instance or in static memory, is gone, and nothing would say so. */
#include "block.h"
#include "rig.h"
#include "scores.h"

#include "base/child.h"
#include "graph/tensor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MOST_PARTS = 96, MOST_VALUES = 1 << 25 /* pages that nobody writes are never there */ };

/* What an instance has and gives, in memory that a child shares. */
typedef struct record {
    int done;
    size_t n, n_parts; /* values in all; the first part holds parameters and buffers */
    struct {
        char name[64];
        size_t first;
    } part[MOST_PARTS];
    double value[];
} record;

static const size_t record_size = sizeof(record) + (size_t)MOST_VALUES * sizeof(double);

static record *record_take(check_trial *t)
{
    void *at = mmap(NULL, record_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) {
        check_say(t, CHECK_CRASH, "out of memory");
        return NULL;
    }
    return at;
}

static void begin_part(record *c, const char *name)
{
    if (c->n_parts < MOST_PARTS) {
        snprintf(c->part[c->n_parts].name, sizeof c->part[0].name, "%.63s", name);
        c->part[c->n_parts++].first = c->n;
    }
}

static void add(record *c, double v)
{
    if (c->n < MOST_VALUES) {
        c->value[c->n++] = v;
    }
}

static void add_part(record *c, const char *name, int64_t n, const double *value)
{
    begin_part(c, name);
    for (int64_t i = 0; i < n; i++) {
        add(c, value[i]);
    }
}

static float *next_values(const rig *r, uint32_t *e, int64_t *ret_n)
{
    for (; *e < stele__params_count(r->params); ++*e) {
        stele__param *p = stele__params_entry(r->params, *e);
        if (p->kind != STELE__FROZEN) {
            ++*e;
            *ret_n = p->n;
            return p->values;
        }
    }
    return NULL;
}

static void add_parameters(record *c, const rig *r)
{
    int64_t n;
    begin_part(c, "parameters and buffers");
    const float *v;
    for (uint32_t e = 0; (v = next_values(r, &e, &n)) != NULL;) {
        for (int64_t i = 0; i < n; i++) {
            add(c, (double)v[i]);
        }
    }
}

static void load_parameters(const record *c, const rig *r)
{
    int64_t n;
    float *v;
    size_t at = 0;
    for (uint32_t e = 0; (v = next_values(r, &e, &n)) != NULL;) {
        for (int64_t i = 0; i < n; i++) {
            v[i] = (float)c->value[at++];
        }
    }
}

static void add_draws(record *c, block_rig *b)
{
    static const char *const names[] = { "", "mean of draw", "mode of draw", "sample of draw", "detail of draw" };
    const int64_t n = b->rows * b->features;
    const uint32_t last = b->r.plugin->desc.detail != NULL ? STELE_DRAW_DETAIL : STELE_DRAW_SAMPLE;
    double *x = rig_take(&b->r, (size_t)n * sizeof *x);
    for (uint32_t what = STELE_DRAW_MEAN; what <= last; what++) {
        if (block_draw(b, what, 1, x) == STELE_OK) {
            add_part(c, names[what], n, x);
        }
    }
}

/* What only a modality has: the likelihood by itself, draws, rows that it calls absent. */
static void add_modality(record *c, block_rig *b)
{
    block_result res;
    if (!block_open(b)) {
        return;
    }
    if (!b->own && block_whole(b, STELE_F32, BLOCK_DERIVATIVES, &res)) {
        add_part(c, "log_prob of a block", b->rows, res.log_prob);
        for (uint32_t k = 0; k < b->n_eta; k++) {
            add_part(c, "d_eta of a block", b->rows * b->features, res.d_eta[k]);
        }
    }
    add_draws(c, b);
    uint8_t *absent = rig_take(&b->r, (size_t)b->rows + 1);
    if (rig_absent(&b->r, b->rows, NULL, absent)) {
        begin_part(c, "absent rows");
        for (int64_t i = 0; i < b->rows; i++) {
            add(c, absent[i]);
        }
    }
}

/* What the instance computes, everything that a loaded model is asked for. */
static void look(record *c, block_rig *b)
{
    rig *r = &b->r;
    rig_result res;
    stele_metric metric[SCORES_MOST];
    static scores_shown shown;
    if (!rig_compute(r, r->plan.rows, NULL, 0, &res)) {
        return;
    }
    for (uint32_t i = 0; i < res.n; i++) {
        add_part(c, res.out[i].name, res.out[i].rows * res.out[i].width, res.out[i].value);
    }
    rig_result_finish(&res);
    const uint32_t n = scores_of(r, metric);
    for (uint32_t k = 0; k < n; k++) {
        add_part(c, metric[k].name, 1, &metric[k].value);
    }
    if (r->plugin->desc.kind == STELE_MODALITY) {
        add_modality(c, b);
    } else if (r->vt->head.outputs != NULL && scores_show(r, &shown)) {
        add_part(c, "quantities shown", r->plan.rows * shown.n, shown.expected);
        add_part(c, "quantities shown with noise", r->plan.rows * shown.n, shown.noisy);
    }
    c->done = 1;
}

/* In a process of its own, so that static memory which fit writes is none of this one's. */
static int train_elsewhere(check_trial *t, const rig_plan *plan, record *c)
{
    stele__child child;
    char text[sizeof t->text];
    if (stele__child_start(&child) == 0) {
        block_rig b = { .own = 0 };
        if (rig_start(t, plan, &b.r)) {
            add_parameters(c, &b.r);
            look(c, &b);
        }
        _exit(stele__child_say(&child, t->text, t->n_text) != 0);
    }
    const int heard = child.pid > 0 && stele__child_hear(&child, t->subject->timeout, text, sizeof text);
    if (!heard || !c->done || child.n > 0) {
        const size_t n = heard && child.n < sizeof text ? child.n : 0;
        check_fail(t, "an instance after fit failed in another process%s%.*s", n > 0 ? ": " : "", (int)n, text);
        return 0;
    }
    return 1;
}

static void compare(check_trial *t, const record *fitted, const record *loaded)
{
    /* Who does not promise the same bits may round in another way. */
    const double tolerance = (t->plugin->desc.caps & STELE_CAP_BITWISE_REPEAT) != 0 ? 0.0 : 1e-4;
    for (size_t k = 0; k < fitted->n_parts; k++) {
        const size_t end = k + 1 < fitted->n_parts ? fitted->part[k + 1].first : fitted->n;
        if (k >= loaded->n_parts || strcmp(fitted->part[k].name, loaded->part[k].name) != 0 || end > loaded->n) {
            check_fail(t, "%s: had after fit, not after loading", fitted->part[k].name);
            return;
        }
        for (size_t i = fitted->part[k].first; i < end; i++) {
            const double a = fitted->value[i], b = loaded->value[i];
            if (a != b && !(isnan(a) && isnan(b)) && !(fabs(a - b) <= tolerance * (1.0 + fabs(a)))) {
                check_fail(t,
                           "%s: element %zu is %.9g after fit, and %.9g in a process that got the same parameters and "
                           "buffers without fit: what fit learns belongs into buffers",
                           fitted->part[k].name, i - fitted->part[k].first, a, b);
                return;
            }
        }
    }
}

static void load(check_trial *t, uint32_t layout)
{
    rig_plan plan = { .dtype = STELE_F32, .rows = 12, .features = 6, .layout = layout, .loaded = 1 };
    block_rig b = { .own = 0 };
    record *fitted = record_take(t), *loaded = record_take(t);
    if (fitted != NULL && loaded != NULL && rig_start(t, &plan, &b.r)) {
        plan.loaded = 0;
        if (train_elsewhere(t, &plan, fitted)) {
            load_parameters(fitted, &b.r);
            add_parameters(loaded, &b.r);
            look(loaded, &b);
            compare(t, fitted, loaded);
        }
    }
    rig_finish(&b.r);
    if (fitted != NULL) {
        munmap(fitted, record_size);
    }
    if (loaded != NULL) {
        munmap(loaded, record_size);
    }
}

/* Without rig_takes_sparse, which would call fit in this process. */
static int takes_sparse(check_trial *t)
{
    rig r;
    rig_plan plan = { .layout = STELE_CSR, .loaded = 1 };
    rig_result res = { 0 };
    const int takes = rig_try(t, &plan, &r) == STELE_OK && r.field.sample.ndim <= RIG_SPARSE_DIMS &&
                      rig_run(&r, r.plan.rows, NULL, 0, &res) == STELE_OK;
    rig_result_finish(&res);
    rig_finish(&r);
    return takes;
}

void check_life_loaded(check_trial *t)
{
    load(t, STELE_DENSE);
    if (t->verdict < CHECK_FAIL && t->plugin->desc.kind == STELE_MODALITY && takes_sparse(t)) {
        load(t, STELE_CSR);
    }
}
