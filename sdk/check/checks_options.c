/* Checks of options: defaults, random values, and that every option does something. */
#include "rig.h"
#include "signature.h"
#include "small.h"

#include "spec/options.h"
#include "spec/spec.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int n_choices(const stele_option *o)
{
    int n = 0;
    while (o->choices[n] != NULL) {
        n++;
    }
    return n;
}

static int is_sentence(const char *help)
{
    size_t n = help != NULL ? strlen(help) : 0;
    return n > 3 && help[n - 1] == '.' && strchr(help, '\n') == NULL;
}

static void check_default(check_trial *t, const stele_option *o)
{
    int bounded_i = o->min.i != 0 || o->max.i != 0, bounded_f = o->min.f != 0 || o->max.f != 0;
    switch (o->type) {
    case STELE_OPT_BOOL:
        if (o->def.i != 0 && o->def.i != 1) {
            check_fail(t, "`%s`: the default %lld is neither 0 nor 1", o->name, (long long)o->def.i);
        }
        break;
    case STELE_OPT_I64:
        if (bounded_i && (o->def.i < o->min.i || o->def.i > o->max.i)) {
            check_fail(t, "`%s`: the default %lld lies outside %lld to %lld", o->name, (long long)o->def.i,
                       (long long)o->min.i, (long long)o->max.i);
        }
        break;
    case STELE_OPT_F64:
        if (!isfinite(o->def.f) || (bounded_f && (o->def.f < o->min.f || o->def.f > o->max.f))) {
            check_fail(t, "`%s`: the default %g lies outside %g to %g", o->name, o->def.f, o->min.f, o->max.f);
        }
        break;
    case STELE_OPT_ENUM:
        if (o->def.i < 0 || o->def.i >= n_choices(o)) {
            check_fail(t, "`%s`: the default is number %lld of %d choices", o->name, (long long)o->def.i, n_choices(o));
        }
        break;
    default: break; /* lists are parsed when an instance is made */
    }
}

void check_options_defaults(check_trial *t)
{
    const stele_plugin *p = &t->plugin->desc;
    const stele__table table = { p->options, p->n_options, p->option_stride };
    const char *taken = stele__option_of_host(p->kind, &table);
    int n_required = 0;
    if (taken != NULL) {
        check_fail(t, "`%s` has the name of a key of the host: no spec could use the plugin", taken);
    }
    for (uint32_t i = 0; i < p->n_options; i++) {
        const stele_option *o = &p->options[i];
        if (!is_sentence(o->help)) {
            check_fail(t, "`%s`: its help is not a sentence on one line that ends with a full stop", o->name);
        }
        if ((o->flags & STELE_OPT_REQUIRED) != 0) {
            n_required++;
        } else {
            check_default(t, o);
        }
    }
    rig r;
    rig_plan plan = { .option = (const char *const[]){ "" }, .n_options = 0 };
    if (n_required == 0) {
        rig_start(t, &plan, &r);
        rig_finish(&r);
    }
}

static double between(double lo, double hi, double u)
{
    return lo + (hi - lo) * u;
}

/* Their effect depends on names and places that nobody can make up. */
static int is_text(const stele_option *o)
{
    return o->type == STELE_OPT_STR || o->type == STELE_OPT_PATH || o->type == STELE_OPT_STR_LIST;
}

/* A legal value of row o as text of an assignment. Sizes stay small, so that time goes into many lives, not long ones.
 */
static int random_value(check_trial *t, const stele_option *o, uint64_t stream, char *ret, size_t size)
{
    double u = rig_uniform(t, stream, 0), edge = rig_uniform(t, stream, 1);
    switch (o->type) {
    case STELE_OPT_BOOL: return snprintf(ret, size, "%s=%s", o->name, u < 0.5 ? "true" : "false");
    case STELE_OPT_ENUM: return snprintf(ret, size, "%s=%s", o->name, o->choices[(int)(u * n_choices(o))]);
    case STELE_OPT_I64:
    case STELE_OPT_I64_LIST: {
        int bounded = o->min.i != 0 || o->max.i != 0;
        double lo = bounded ? (double)o->min.i : -8.0, hi = bounded ? fmin((double)o->max.i, lo + 24.0) : 24.0;
        long long v = (long long)(edge < 0.2 ? lo : floor(between(lo, hi + 1.0, u)));
        v = v > (long long)hi ? (long long)hi : v;
        return o->type == STELE_OPT_I64 ? snprintf(ret, size, "%s=%lld", o->name, v)
               : edge < 0.2             ? snprintf(ret, size, "%s=[]", o->name)
                                        : snprintf(ret, size, "%s=[%lld, %lld]", o->name, v, v);
    }
    case STELE_OPT_F64:
    case STELE_OPT_F64_LIST: {
        int bounded = o->min.f != 0 || o->max.f != 0;
        double lo = bounded ? o->min.f : -10.0, hi = bounded ? o->max.f : 10.0;
        double v = edge < 0.1 ? lo : edge < 0.2 ? hi : between(lo, fmin(hi, lo + 10.0), u);
        return o->type == STELE_OPT_F64 ? snprintf(ret, size, "%s=%.17g", o->name, v)
                                        : snprintf(ret, size, "%s=[%.17g]", o->name, v);
    }
    default: return 0; /* texts and paths mean nothing at random */
    }
}

enum { FUZZ_ROUNDS = 60, MOST_ROWS = 64, ROW_SIZE = 192 };

static int fuzz_once(check_trial *t, uint64_t round)
{
    static char text[MOST_ROWS][ROW_SIZE];
    const char *option[MOST_ROWS + 128];
    const stele_plugin *p = &t->plugin->desc;
    size_t n = 0, n_random = 0;
    for (; n < t->subject->n_options; n++) {
        option[n] = t->subject->option[n];
    }
    for (uint32_t i = 0; i < p->n_options && n_random < MOST_ROWS; i++) {
        const stele_option *o = &p->options[i];
        int taken = (o->flags & STELE_OPT_DEPRECATED) != 0 || rig_uniform(t, 50000 + round, i) < 0.4;
        if (!taken && random_value(t, o, 60000 + 100 * round + i, text[n_random], ROW_SIZE) > 0) {
            option[n++] = text[n_random++];
        }
    }
    rig r;
    rig_plan plan = { .option = option, .n_options = n, .raw = 1, .rows = 3 };
    stele_status status = rig_try(t, &plan, &r);
    const char *said = rig_message(&r);
    int silent = strncmp(said, "create failed: ", 15) == 0 || strncmp(said, "build failed: ", 14) == 0;
    /* What a source is told about a file may be legal and not fit this one; an option of a modality may ask
     * for other rows than those at hand. */
    int refused = status == STELE_E_OPTION || (status == STELE_E_DATA && p->kind == STELE_SOURCE) ||
                  (status == STELE_E_SHAPE && p->kind == STELE_MODALITY);
    if (status != STELE_OK && (!refused || silent)) {
        check_fail(t, "legal values were refused %s: %s",
                   silent ? "without a word through STELE_FAIL"
                          : "otherwise than "
                            "with STELE_E_OPTION",
                   said);
        for (size_t i = 0; i < n_random; i++) {
            check_fail(t, "    --options '%s'", text[i]);
        }
    }
    rig_result res = { 0 };
    if (status == STELE_OK && p->kind != STELE_SOURCE) {
        rig_compute(&r, r.plan.rows, NULL, 0, &res);
    }
    rig_result_finish(&res);
    rig_finish(&r);
    return n_random > 0;
}

void check_options_fuzz(check_trial *t)
{
    int n_varied = 0;
    if (t->plugin->desc.n_options == 0) {
        check_skip(t, "the plugin has no options");
        return;
    }
    for (uint64_t round = 0; round < FUZZ_ROUNDS && t->verdict < CHECK_FAIL; round++) {
        n_varied += fuzz_once(t, round);
    }
    if (n_varied == 0) {
        check_skip(t, "no option takes values that can be made up");
    }
}

/* --- effect ------------------------------------------------------------------------------------------------------- */

enum { MOST_CONTEXTS = 12, MOST_VALUES = 6 };

static long long bounded_i64(const stele_option *o, int64_t v)
{
    int bounded = o->min.i != 0 || o->max.i != 0;
    return (long long)(bounded && v > o->max.i ? o->max.i : v);
}

/* Value k of row o as text of an assignment, likely ones first. 0: there are no more. */
static int nth_value(const stele_option *o, int k, char *ret, size_t size)
{
    static const int64_t steps[MOST_VALUES] = { 1, 4, 0, 2, 5, 30 };
    static const double shares[MOST_VALUES] = { 0.25, 0.75, 0.5, 0.05, 1.0, 0.0 };
    static const double factors[MOST_VALUES] = { 0.5, 2.0, 10.0, 0.1, 100.0, 1.0 };
    static const char *const texts[] = { "[]", "[nobody]" };
    const int bounded_i = o->min.i != 0 || o->max.i != 0, bounded_f = o->min.f != 0 || o->max.f != 0;
    const long long v = k < MOST_VALUES ? bounded_i64(o, (bounded_i ? o->min.i : 0) + steps[k]) : 0;
    /* Wide ranges are those of quantities that act on a scale of ratios. */
    const double span = o->max.f - o->min.f, x = k >= MOST_VALUES ? 0.0
                                                 : !bounded_f     ? factors[k]
                                                 : span > 50.0    ? fmin(o->min.f + factors[k], o->max.f)
                                                                  : o->min.f + span * shares[k];
    switch (o->type) {
    case STELE_OPT_BOOL: return k < 2 ? snprintf(ret, size, "%s=%s", o->name, k == 0 ? "false" : "true") : 0;
    case STELE_OPT_ENUM: return k < n_choices(o) ? snprintf(ret, size, "%s=%s", o->name, o->choices[k]) : 0;
    case STELE_OPT_I64: return k < MOST_VALUES ? snprintf(ret, size, "%s=%lld", o->name, v) : 0;
    case STELE_OPT_F64: return k < MOST_VALUES ? snprintf(ret, size, "%s=%.17g", o->name, x) : 0;
    case STELE_OPT_I64_LIST: return k < MOST_VALUES ? snprintf(ret, size, "%s=[%lld]", o->name, v) : 0;
    case STELE_OPT_F64_LIST: return k < MOST_VALUES ? snprintf(ret, size, "%s=[%.17g]", o->name, x) : 0;
    case STELE_OPT_STR_LIST: return k < 2 ? snprintf(ret, size, "%s=%s", o->name, texts[k]) : 0;
    default: return k < 2 ? snprintf(ret, size, "%s=%s", o->name, k == 0 ? "nobody" : "nowhere/else") : 0;
    }
}

/* Settings beside the option that is looked at: what it does may hang on them. */
typedef struct context {
    const char *option[MOST_ROWS + 129];
    char text[MOST_ROWS][ROW_SIZE];
    size_t n;
} context;

static void make_context(check_trial *t, const stele_option *tried, int number, context *ret)
{
    const stele_plugin *p = &t->plugin->desc;
    size_t n_text = 0;
    ret->n = 0;
    for (size_t i = 0; i < t->subject->n_options; i++) {
        ret->option[ret->n++] = t->subject->option[i];
    }
    for (uint32_t i = 0; number > 0 && i < p->n_options && n_text < MOST_ROWS; i++) {
        const stele_option *o = &p->options[i];
        /* Many an option counts for one choice of another alone: every second context makes all choices, in turn. */
        int choices = number % 2 == 1, in_turn = choices && o->type == STELE_OPT_ENUM;
        int taken = o != tried && (o->flags & STELE_OPT_DEPRECATED) == 0 &&
                    (choices ? in_turn : rig_uniform(t, 70000 + (uint64_t)number, i) < 0.5);
        if (taken && in_turn) {
            int at = (number / 2 + (int)i) % n_choices(o);
            snprintf(ret->text[n_text], ROW_SIZE, "%s=%s", o->name, o->choices[at]);
            ret->option[ret->n++] = ret->text[n_text++];
            continue;
        }
        if (taken && random_value(t, o, 80000 + 100 * (uint64_t)number + i, ret->text[n_text], ROW_SIZE) > 0) {
            ret->option[ret->n++] = ret->text[n_text++];
        }
    }
}

/* What came of the values of one option. */
typedef struct effect {
    int seen, n_taken;
    int refused; /* by the plugin, where it took other values: somebody reads the option */
} effect;

/* `base`: the signature of the context alone, NULL where it is not known at this depth. */
static void try_values(check_trial *t, const stele_option *o, context *c, int depth, const uint64_t *base, effect *e)
{
    uint64_t first = base != NULL ? *base : 0;
    int known = base != NULL, n_refused = 0;
    for (int k = 0; !e->seen; k++) {
        char text[ROW_SIZE];
        uint64_t now;
        if (nth_value(o, k, text, sizeof text) == 0) {
            break;
        }
        c->option[c->n] = text;
        if (base == NULL && depth == SIGNATURE_DEEPEST) {
            rig_choose_again(); /* a value may ask for images, say, and refuse rows of features */
        }
        if (signature_of(t, c->option, c->n + 1, depth, &now) != STELE_OK) {
            n_refused++;
            continue;
        }
        e->seen = known && now != first;
        first = now;
        known = 1;
        e->n_taken++;
    }
    e->refused = e->refused || (n_refused > 0 && known);
    /* That a name or a place is refused shows that somebody looked for it. */
    e->seen = e->seen || (n_refused > 0 && (is_text(o) || t->plugin->desc.kind == STELE_SOURCE));
}

static void try_option(check_trial *t, const stele_option *o, uint64_t base)
{
    static context c;
    effect e = { 0 };
    int is_source = t->plugin->desc.kind == STELE_SOURCE; /* which looks the same at any depth */
    make_context(t, o, 0, &c);
    for (int depth = is_source ? SIGNATURE_DEEPEST : 0; depth <= SIGNATURE_DEEPEST && !e.seen; depth++) {
        try_values(t, o, &c, depth, depth == SIGNATURE_DEEPEST ? &base : NULL, &e);
    }
    for (int number = 1; number <= MOST_CONTEXTS && !e.seen; number++) {
        make_context(t, o, number, &c);
        try_values(t, o, &c, SIGNATURE_DEEPEST, NULL, &e);
    }
    if (e.seen || e.refused) {
        return;
    }
    if (is_text(o) || is_source) {
        check_say(t, CHECK_WARN, "`%s`: no value that can be made up changes anything; on other data it may", o->name);
    } else if (e.n_taken == 0) {
        check_say(t, CHECK_HOLLOW, "`%s`: every value that was tried is refused", o->name);
    } else {
        check_fail(t, "`%s`: no value changes parameters, outputs, derivatives, draws or metrics%s", o->name,
                   small_settings());
    }
}

static int is_unseen(const check_subject *s, const char *name)
{
    for (size_t i = 0; i < s->n_unseen; i++) {
        if (strcmp(s->unseen[i], name) == 0) {
            return 1;
        }
    }
    return 0;
}

void check_options_effect(check_trial *t)
{
    const stele_plugin *p = &t->plugin->desc;
    uint64_t first = 0, second = 0;
    if (p->n_options == 0) {
        check_skip(t, "the plugin has no options");
        return;
    }
    small_model(t); /* hundreds of models, each looked at whole */
    for (int k = 0; k < 2; k++) {
        signature_of(t, t->subject->option, t->subject->n_options, SIGNATURE_DEEPEST, k == 0 ? &first : &second);
    }
    if (first != second) {
        check_say(t, CHECK_HOLLOW, "the same options give other results the second time");
        return;
    }
    for (uint32_t i = 0; i < p->n_options; i++) {
        const stele_option *o = &p->options[i];
        if (is_unseen(t->subject, o->name)) {
            check_say(t, CHECK_WARN, "`%s` was not looked at: --unseen says that there is nothing to be seen", o->name);
        } else if ((o->flags & STELE_OPT_DEPRECATED) == 0) { /* which may well be without effect by now */
            try_option(t, o, first);
        }
    }
}
