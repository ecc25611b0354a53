/* Checks of lives: destroy, failing services, frozen instances, leaks. */
#include "block.h"
#include "exercise.h"
#include "faults.h"
#include "sense.h"
#include "small.h"

#include "base/mem.h"

#include <link.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Seconds of work of this process: how often something is tried must not depend on what else the machine does. */
static double worked(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

/* What `fn`, run over and over, does to the heap. */
typedef struct growth {
    int n, n_grew; /* times it ran, times the heap was larger afterwards */
    size_t bytes;  /* by which it has grown in all */
} growth;

static growth growth_of(int n, double seconds, void (*fn)(void *ctx), void *ctx)
{
    growth g = { 0 };
    double start = worked();
    size_t first = sense_heap(), last = first;
    while (g.n < n && worked() - start < seconds) {
        size_t before = last;
        fn(ctx);
        last = sense_heap();
        g.n_grew += last > before;
        g.n++;
    }
    g.bytes = last > first ? last - first : 0;
    return g;
}

/* Do something over and over, at most `most` times or for `seconds`, and look at the heap. What is lost is lost every
 * time: a library that fills a cache grows now and then, and less and less. Small chunks are 24 bytes and up. */
static void look_for_growth(check_trial *t, const char *what, int most, double seconds, void (*fn)(void *ctx),
                            void *ctx)
{
    double start = check_now();
    growth g = growth_of(most < 20 ? most : 20, seconds, fn, ctx); /* what is filled once */
    for (int look = 0; look < 4; look++) {
        g = growth_of(most, seconds, fn, ctx);
        if (g.n == 0 || 2 * g.n_grew <= g.n || g.bytes < 24 * (size_t)g.n) {
            return;
        }
        if (look < 3 && check_now() - start > 0.6 * t->subject->timeout) {
            check_say(t, CHECK_WARN, "%s: too little time to tell a leak from a cache that fills", what);
            return;
        }
    }
    check_fail(t, "%s leaves %zu bytes behind each time (%d times)", what, g.bytes / (size_t)g.n, g.n);
}

static void one_life(void *ctx)
{
    rig r;
    rig_plan plan = { .raw = 1, .rows = 2, .features = 3 };
    if (rig_try(ctx, &plan, &r) != STELE_OK) {
        check_fail(ctx, "an instance could not be made again: %s", rig_message(&r));
    }
    rig_finish(&r);
}

static void failed_build(void *ctx)
{
    rig r;
    rig_plan plan = { .tables = faults_tables(), .rows = 2, .features = 3 };
    faults_arm(0);
    if (rig_try(ctx, &plan, &r) == STELE_OK && faults_fired() != NULL) {
        check_fail(ctx, "build returned OK although the %s had failed", faults_fired());
    }
    rig_finish(&r);
    faults_arm(-1);
}

void check_life_destroy(check_trial *t)
{
    rig r;
    rig_plan plan = { .create_only = 1 };
    t->plugin->vt.source.destroy(NULL);
    rig_start(t, &plan, &r);
    rig_finish(&r);
    if (t->verdict < CHECK_FAIL) {
        look_for_growth(t, "create, build, destroy", 1000, 1.0, one_life, t);
        look_for_growth(t, "create, a failed build, destroy", 300, 0.4, failed_build, t);
    }
}

/* --- the n-th failure --------------------------------------------------------------------------------------------- */

typedef struct failing {
    check_trial *t;
    int64_t n;
    int done;
} failing;

static void fail_nth(void *ctx)
{
    failing *f = ctx;
    rig r;
    rig_plan plan = { .tables = faults_tables(), .rows = 3, .features = 4, .covariates = 1, .tally = 1 };
    faults_arm(f->n);
    stele_status status = rig_try(f->t, &plan, &r);
    const char *fired = faults_fired();
    if (status == STELE_OK && fired == NULL) { /* its birth went well: on to the compute slots */
        status = exercise_quietly(&r);
        fired = faults_fired();
    }
    f->done = fired == NULL;
    if (fired == NULL && status != STELE_OK) {
        check_fail(f->t, "nothing was made to fail, yet: %s", rig_message(&r));
    } else if (fired != NULL && status == STELE_OK) {
        check_fail(f->t, "call %lld of the host, %s, failed, and nobody was told", (long long)f->n + 1, fired);
    } else if (fired != NULL && r.raw == STELE_OK) {
        check_fail(f->t, "call %lld of the host, %s, failed, and the slot returned OK: end with ops->status(g)",
                   (long long)f->n + 1, fired);
    }
    rig_finish(&r);
    faults_arm(-1);
}

void check_life_nth_failure(check_trial *t)
{
    failing f = { .t = t };
    char what[96];
    double start = check_now();
    small_model(t); /* a life per call of the host */
    for (f.n = 0; t->verdict < CHECK_FAIL; f.n++) {
        fail_nth(&f);
        if (f.done) {
            break;
        }
        snprintf(what, sizeof what, "a life whose host call %lld fails", (long long)f.n + 1);
        look_for_growth(t, what, 12, 0.05 * t->subject->timeout, fail_nth, &f);
        if (check_now() - start > 0.7 * t->subject->timeout) {
            check_say(t, CHECK_WARN, "time for the first %lld calls only: a longer --timeout tries all",
                      (long long)f.n + 1);
            break;
        }
    }
    if (f.n == 0 && t->verdict < CHECK_FAIL) {
        check_skip(t, "the plugin uses no service that can fail");
    }
}

/* --- frozen instances --------------------------------------------------------------------------------------------- */

/* Writable memory of the plugin's module that stays as the loader left it. */
typedef struct segments {
    uintptr_t inside;
    int found, is_program;
    struct {
        char *at;
        size_t n;
    } part[8];
    size_t n_parts;
} segments;

static void add_part(segments *s, uintptr_t begin, uintptr_t end)
{
    if (end > begin && s->n_parts < 8) {
        s->part[s->n_parts].at = (char *)begin;
        s->part[s->n_parts++].n = end - begin;
    }
}

static int visit_module(struct dl_phdr_info *info, size_t size, void *ctx)
{
    segments *s = ctx;
    uintptr_t relro_begin = 0, relro_end = 0;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t begin = info->dlpi_addr + p->p_vaddr;
        if (p->p_type == PT_LOAD && s->inside >= begin && s->inside < begin + p->p_memsz) {
            s->found = 1;
        }
        if (p->p_type == PT_GNU_RELRO) {
            relro_begin = begin;
            relro_end = (begin + p->p_memsz + 4095) & ~(uintptr_t)4095;
        }
    }
    for (int i = 0; s->found && i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t begin = info->dlpi_addr + p->p_vaddr, end = begin + p->p_memsz;
        if (p->p_type == PT_LOAD && (p->p_flags & PF_W) != 0) {
            int overlaps = relro_end > begin && relro_begin < end;
            add_part(s, begin, overlaps && relro_begin > begin ? relro_begin : overlaps ? begin : end);
            add_part(s, overlaps ? relro_end : end, end);
        }
    }
    s->is_program = s->found && (info->dlpi_name == NULL || info->dlpi_name[0] == '\0');
    return s->found;
}

/* A copy of what must not change. */
typedef struct picture {
    segments s;
    char *statics[8], *inst, *config;
    size_t n_inst, n_config;
} picture;

static char *copy_of(const void *at, size_t n)
{
    char *c = malloc(n + 1);
    if (c != NULL) {
        memcpy(c, at, n);
    }
    return c;
}

static void take_picture(const rig *r, picture *p)
{
    void (*inside)(stele_inst *) = r->vt->source.destroy;
    memset(p, 0, sizeof *p);
    memcpy(&p->s.inside, &inside, sizeof p->s.inside);
    dl_iterate_phdr(visit_module, &p->s);
#ifndef __SANITIZE_ADDRESS__ /* which keeps counts of its own there */
    for (size_t i = 0; i < p->s.n_parts && !p->s.is_program; i++) {
        p->statics[i] = copy_of(p->s.part[i].at, p->s.part[i].n);
    }
    int is_static = 0;
    for (size_t i = 0; i < p->s.n_parts; i++) {
        const char *at = (const char *)r->inst;
        is_static = is_static || (at >= p->s.part[i].at && at < p->s.part[i].at + p->s.part[i].n);
    }
    if (is_static) {
        check_fail(r->t, "the instance is static memory: two instances would be one");
    } else {
        size_t n = malloc_usable_size(r->inst);
        p->n_inst = n <= (size_t)1 << 20 ? n : 0; /* whatever it is, it did not come from malloc */
        p->inst = copy_of(r->inst, p->n_inst);
    }
#endif
    p->n_config = (size_t)r->plugin->desc.config_size;
    p->config = copy_of(r->guest != NULL ? stele__config_values(r->config) : "", r->guest != NULL ? p->n_config : 0);
}

static void compare_picture(const rig *r, picture *p, const char *after)
{
    for (size_t i = 0; i < p->s.n_parts; i++) {
        for (size_t k = 0; p->statics[i] != NULL && k < p->s.part[i].n; k++) {
            if (p->statics[i][k] != p->s.part[i].at[k]) {
                check_fail(r->t, "%s changed static data of the plugin (byte %zu of its writable segment)", after, k);
                break;
            }
        }
        free(p->statics[i]);
    }
    for (size_t k = 0; p->inst != NULL && k < p->n_inst; k++) {
        if (p->inst[k] != ((const char *)r->inst)[k]) {
            check_fail(r->t, "%s changed byte %zu of the instance, which is frozen once it is built", after, k);
            break;
        }
    }
    if (p->config != NULL && memcmp(p->config, stele__config_values(r->config), p->n_config) != 0) {
        check_fail(r->t, "%s changed the options, which belong to the host", after);
    }
    free(p->inst);
    free(p->config);
}

void check_life_frozen(check_trial *t)
{
    rig r;
    rig_plan plan = { 0 };
    rig_result rows;
    picture p;
    static const int64_t other[] = { 4, 1, 3 };
    if (rig_start(t, &plan, &r)) {
        exercise_instance(&r); /* once without looking: a first call may fill what never changes afterwards */
        take_picture(&r, &p);
        exercise_instance(&r);
        if (t->plugin->desc.kind != STELE_SOURCE && rig_compute(&r, 3, other, 0, &rows)) {
            rig_result_finish(&rows); /* other data: what is kept of them shows */
        }
        compare_picture(&r, &p, "a compute call");
    }
    rig_finish(&r);
    block_rig b;
    block_result res;
    if (t->plugin->desc.kind == STELE_MODALITY && t->plugin->vt.modality.decode != NULL &&
        block_start(t, &(rig_plan){ .rows = 5, .features = 7 }, &b)) {
        take_picture(&b.r, &p);
        if (block_whole(&b, b.r.plan.dtype, BLOCK_DERIVATIVES, &res)) {
            block_draw(&b, STELE_DRAW_SAMPLE, 1, rig_take(&b.r, (size_t)(b.rows * b.features) * sizeof(double)));
        }
        compare_picture(&b.r, &p, "likelihood or draw");
        block_finish(&b);
    }
}

/* --- leaks -------------------------------------------------------------------------------------------------------- */

static void compute_once(void *ctx)
{
    rig *r = ctx;
    if (exercise_quietly(r) != STELE_OK) {
        check_fail(r->t, "computing failed: %s", rig_message(r));
    }
}

static void read_once(void *ctx)
{
    rig r;
    rig_plan plan = { 0 };
    if (rig_start(ctx, &plan, &r)) {
        exercise_quietly(&r);
    }
    rig_finish(&r);
}

typedef struct blocks {
    block_rig b;
    block_result res;
    double *x;
} blocks;

static void block_once(void *ctx)
{
    blocks *k = ctx;
    block_eval(&k->b, k->b.r.plan.dtype, BLOCK_DERIVATIVES, 0, k->b.features, &k->res);
    block_draw(&k->b, STELE_DRAW_SAMPLE, 1, k->x);
}

void check_leak(check_trial *t)
{
    rig r;
    rig_plan plan = { .rows = 3, .features = 4 };
    sense before;
    exercise(t, &plan); /* libraries start their threads when they are used first */
    sense_take(&before);
    if (t->plugin->desc.kind == STELE_SOURCE) {
        look_for_growth(t, "a life with reads", 200, 1.0, read_once, t);
    } else {
        if (rig_start(t, &plan, &r)) {
            look_for_growth(t, "a pass of the compute slots", 200, 1.0, compute_once, &r);
        }
        rig_finish(&r);
    }
    blocks k;
    if (t->plugin->desc.kind == STELE_MODALITY && t->plugin->vt.modality.decode != NULL &&
        block_start(t, &(rig_plan){ .rows = 3, .features = 4 }, &k.b)) {
        block_result_init(&k.b, &k.res);
        k.x = rig_take(&k.b.r, (size_t)(k.b.rows * k.b.features) * sizeof *k.x);
        look_for_growth(t, "a block of the likelihood and a draw", 200, 0.5, block_once, &k);
        block_finish(&k.b);
    }
    const char *change = sense_other_change(&before);
    if (change != NULL) {
        check_fail(t, "%s", change);
    }
}
