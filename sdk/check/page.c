/* The reference page of a plugin in Markdown: what it says about itself, its options, and its metrics, which only an
 * instance can name. */
#include "rig.h"
#include "scores.h"

#include "base/child.h"
#include "base/str.h"
#include "spec/help.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_METRICS = 32, SCORED = 40, FEATURES = 6, LONGEST_PAGES = 1 << 20 };

static const struct {
    uint64_t cap;
    const char *text;
} promises[] = {
    { STELE_CAP_ROW_INDEPENDENT, "a row's result depends on that row alone" },
    { STELE_CAP_BITWISE_REPEAT, "the same bits for any number of threads" },
    { STELE_CAP_F64, "works in double too" },
    { STELE_CAP_ORDER_FREE, "the order of the modalities is irrelevant" },
    { STELE_CAP_EMPTY_IS_PRIOR, "a row with nothing present yields the prior" },
    { STELE_CAP_SINGLE_IS_EXPERT, "a row with one modality yields that expert" },
    { STELE_CAP_SHARPENS, "the joint is at least as sharp as each expert" },
    { STELE_CAP_SAMPLES, "draws random data" },
    { STELE_CAP_COLUMNS, "columns may differ in kind" },
    { STELE_CAP_WINDOW, "takes windows of rows" },
    { STELE_CAP_SUBPROBABILITY, "probabilities of all rows sum to at most 1" },
};

static void add_head(const stele_plugin *p, stele__str *out)
{
    const char *comma = "";
    stele__str_printf(out, "# %s\n\n%s\n\n| | |\n|---|---|\n", p->id, p->summary);
    stele__str_printf(out, "| version | %s |\n", p->version);
    stele__str_printf(out, "| licence | %s |\n", p->license);
    if (p->reference != NULL) {
        stele__str_printf(out, "| reference | %s |\n", p->reference);
    }
    if (p->detail != NULL) {
        stele__str_printf(out, "| detail of a prediction | `%s` |\n", p->detail);
    }
    if (p->caps != 0) {
        stele__str_append(out, "| promises | ");
        for (size_t i = 0; i < sizeof promises / sizeof promises[0]; i++) {
            if ((p->caps & promises[i].cap) != 0) {
                stele__str_printf(out, "%s%s", comma, promises[i].text);
                comma = "; ";
            }
        }
        stele__str_append(out, " |\n");
    }
    stele__str_append(out, "\n## Options\n\n");
    if (p->n_options == 0) {
        stele__str_append(out, "None.\n");
        return;
    }
    stele__table table = { p->options, p->n_options, p->option_stride };
    stele__table_markdown(&table, out);
}

static uint32_t modality_metrics(rig *r, stele_metric *ret)
{
    const stele_modality_vt *vt = &r->vt->modality;
    if (vt->tally != NULL) {
        return scores_of(r, ret);
    }
    float truth[SCORED * FEATURES], predicted[SCORED * FEATURES], detail[SCORED * FEATURES];
    double known[FEATURES] = { 0 };
    stele_scored s = { sizeof s, SCORED,    0,     FEATURES,
                       truth,    predicted, known, r->plugin->desc.detail != NULL ? detail : NULL,
                       NULL };
    uint32_t n = 0;
    for (int64_t i = 0; i < SCORED * FEATURES; i++) {
        truth[i] = (float)rig_value(r, 500, i);
        predicted[i] = (float)(0.7 * (double)truth[i] + 0.3 * rig_uniform(r->t, 501, i));
        known[i % FEATURES] += (double)truth[i] / SCORED;
        detail[i] = (float)rig_uniform(r->t, 502, i);
    }
    s.likely = rig_likely(r, SCORED * FEATURES, predicted);
    void *state = rig_take(r, (size_t)vt->score_size(r->inst) + 1);
    if (vt->score_add(r->inst, state, &s) != STELE_OK ||
        vt->score_end(r->inst, state, MOST_METRICS, ret, &n) != STELE_OK || n > MOST_METRICS) {
        check_fail(r->t, "its metrics failed");
        return 0;
    }
    return n;
}

static uint32_t head_metrics(rig *r, stele_metric *ret)
{
    rig_result res;
    float predicted[4096];
    int32_t code[SCORED];
    uint32_t n = 0;
    if (!rig_compute(r, SCORED, NULL, 0, &res)) {
        return 0;
    }
    int64_t width = res.out[0].width;
    for (int64_t i = 0; i < SCORED * width && i < 4096; i++) {
        predicted[i] = (float)res.out[0].value[i];
    }
    for (int i = 0; i < SCORED; i++) {
        code[i] = (int32_t)r->target[i];
    }
    rig_result_finish(&res);
    stele_head_scored s = scores_of_head(r, SCORED, width, predicted, code, r->target);
    if (SCORED * width > 4096 || r->vt->head.score(r->inst, &s, MOST_METRICS, ret, &n) != STELE_OK ||
        n > MOST_METRICS) {
        check_fail(r->t, "its metrics failed");
        return 0;
    }
    return n;
}

static const char *better(const stele_metric *m)
{
    return m->higher_is_better == STELE_METRIC_NEITHER ? "neither" : m->higher_is_better != 0 ? "higher" : "lower";
}

static void add_metrics(check_trial *t, stele__str *out)
{
    stele_metric metric[MOST_METRICS];
    rig r;
    rig_plan plan = { .rows = SCORED, .features = FEATURES };
    uint32_t kind = t->plugin->desc.kind, n = 0;
    const stele__vtable *vt = &t->plugin->vt;
    if (!(kind == STELE_MODALITY && (vt->modality.score_size != NULL || vt->modality.tally != NULL)) &&
        !(kind == STELE_HEAD && vt->head.score != NULL)) {
        return;
    }
    if (rig_start(t, &plan, &r)) {
        n = kind == STELE_MODALITY ? modality_metrics(&r, metric) : head_metrics(&r, metric);
        stele__str_printf(out, "\n## Metrics\n\nOn held-out rows%s:\n\n| metric | better |\n|---|---|\n",
                          kind == STELE_MODALITY                    ? ", with the options' defaults"
                          : r.field.content == STELE_FIELD_CATEGORY ? ", here for a target of three classes"
                                                                    : ", here for a target of numbers");
    }
    for (uint32_t i = 0; i < n; i++) {
        stele__str_printf(out, "| `%.*s` | %s |\n", (int)sizeof metric[i].name, metric[i].name, better(&metric[i]));
    }
    rig_finish(&r);
}

/* The pages of all plugins of the subject. 0: failed, and `out` says why. */
static int make_pages(const check_subject *s, stele__str *out)
{
    static check_trial t;
    char why[1024];
    stele__library *library = NULL;
    if (!check_open(s, &library, why, sizeof why)) {
        stele__str_printf(out, "%s\n", why);
        return 0;
    }
    for (size_t i = 0; i < library->n && t.verdict < CHECK_FAIL; i++) {
        t.subject = s;
        t.plugin = &library->plugin[i];
        stele__str_append(out, i > 0 ? "\n" : "");
        add_head(&t.plugin->desc, out);
        add_metrics(&t, out);
    }
    if (t.verdict >= CHECK_FAIL) {
        stele__str_finish(out);
        stele__str_printf(out, "%s: %s", t.plugin->desc.id, t.text);
    }
    stele__library_destroy(library);
    return t.verdict < CHECK_FAIL;
}

static int show(const check_subject *s, int good, const char *text)
{
    if (good) {
        return fputs(text, stdout) >= 0 && fflush(stdout) == 0;
    }
    fprintf(stderr, "stele-check: %s: %s", s->name, text);
    return 0;
}

/* In a child: a byte that says whether it went well, then the text. */
_Noreturn static void send_pages(const check_subject *s, const stele__child *self)
{
    stele__str out;
    stele__str_init(&out);
    check_hush();
    char good = (char)make_pages(s, &out);
    int failed = stele__child_say(self, &good, 1) != 0 || stele__child_say(self, out.data, out.len) != 0;
    _exit(failed ? STELE__CHILD_UNHEARD : 0);
}

static int hear_pages(const check_subject *s, stele__child *c, char *text)
{
    stele__child_hear(c, s->timeout, text, LONGEST_PAGES);
    text[c->n] = '\0';
    if (c->in_time && WIFEXITED(c->status) && WEXITSTATUS(c->status) == 0 && c->n > 0) {
        return show(s, text[0], text + 1);
    }
    if (!c->in_time) {
        fprintf(stderr, "stele-check: %s: its page was not made after %g s\n", s->name, s->timeout);
    } else if (WIFSIGNALED(c->status)) {
        fprintf(stderr, "stele-check: %s: died of signal %d while its page was made\n", s->name, WTERMSIG(c->status));
    } else {
        fprintf(stderr, "stele-check: %s: ended the process while its page was made, exit status %d\n", s->name,
                WEXITSTATUS(c->status));
    }
    return 0;
}

int check_page(const check_subject *s)
{
    stele__child c;
    stele__str out;
    int good = 0;
    fflush(NULL);
    if (s->in_process) {
        stele__str_init(&out);
        good = make_pages(s, &out);
        good = show(s, good, out.data != NULL ? out.data : "");
        stele__str_finish(&out);
        return good;
    }
    char *text = malloc(LONGEST_PAGES + 1);
    if (text != NULL && stele__child_start(&c) == 0) {
        send_pages(s, &c);
    } else if (text == NULL || c.pid < 0) {
        fprintf(stderr, "stele-check: no process for the plugin\n");
    } else {
        good = hear_pages(s, &c, text);
    }
    free(text);
    return good;
}
