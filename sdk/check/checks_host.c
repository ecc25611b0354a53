/* Checks of what passes between host and instance whatever the kind: tables of other sizes, floating-point state,
 * output, options. */
#include "check.h"
#include "exercise.h"
#include "guard.h"
#include "rig.h"
#include "sense.h"

#include "spec/options.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A copy of a table of `size` bytes that claims to be `extra` bytes longer. Behind it lies a page nobody may touch. */
static const void *table_copy(const void *table, size_t size, size_t extra, const char *name)
{
    char *copy = guard_take(size + extra, name);
    uint64_t whole = size + extra;
    memcpy(copy, table, size);
    memset(copy + size, 0x5A, extra);
    memcpy(copy, &whole, sizeof whole);
    return copy;
}

static void with_tables(check_trial *t, size_t extra, uint64_t trailing)
{
    const stele__host_tables *own = rig_tables();
    stele__host_tables tables = {
        .ops = table_copy(own->ops, sizeof *own->ops, extra, "host->ops"),
        .vec = table_copy(own->vec, sizeof *own->vec, extra, "host->vec"),
        .build = table_copy(own->build, sizeof *own->build, extra, "host->build"),
        .fit = table_copy(own->fit, sizeof *own->fit, extra, "host->fit"),
    };
    rig_plan plan = { .tables = &tables, .trailing = trailing };
    exercise(t, &plan);
}

void check_abi_old_host(check_trial *t)
{
    with_tables(t, 0, 0);
}

void check_abi_new_host(check_trial *t)
{
    with_tables(t, 256, 128);
}

void check_fp_environment(check_trial *t)
{
    rig_plan plan = { 0 };
    sense before;
    sense_take(&before);
    exercise(t, &plan);
    const char *change = rig_change();
    change = change == NULL ? sense_float_change(&before) : change;
    if (change != NULL) {
        check_fail(t, "%s", change);
    }
    sense_take(&before); /* by now libraries that the host uses have started their threads */
    exercise(t, &plan);
    change = sense_other_change(&before);
    if (change != NULL) {
        check_fail(t, "%s", change);
    }
}

void check_silence(check_trial *t)
{
    rig_plan plan = { 0 };
    char printed[200];
    int file = memfd_create("printed", 0), kept = dup(1), kept_error = dup(2);
    dup2(file, 1);
    dup2(file, 2);
    exercise(t, &plan);
    fflush(NULL); /* what the plugin left in the buffers of stdio */
    dup2(kept, 1);
    dup2(kept_error, 2);
    close(kept);
    close(kept_error);
    ssize_t n = pread(file, printed, sizeof printed - 1, 0);
    close(file);
    if (n > 0) {
        printed[n] = '\0';
        printed[strcspn(printed, "\n")] = '\0';
        check_fail(t, "printed \"%s\": messages go through host->log", printed);
    }
}

/* --- options ------------------------------------------------------------------------------------------------------ */

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
    case STELE_OPT_ENUM: {
        int64_t n = 0;
        while (o->choices[n] != NULL) {
            n++;
        }
        if (o->def.i < 0 || o->def.i >= n) {
            check_fail(t, "`%s`: the default is number %lld of %lld choices", o->name, (long long)o->def.i,
                       (long long)n);
        }
        break;
    }
    default: break; /* lists are parsed when an instance is made */
    }
}

void check_options_defaults(check_trial *t)
{
    const stele_plugin *p = &t->plugin->desc;
    int n_required = 0;
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

/* A legal value of row o as text of an assignment. Sizes stay small, so that time goes into many lives, not long ones.
 */
static int random_value(check_trial *t, const stele_option *o, uint64_t stream, char *ret, size_t size)
{
    double u = rig_uniform(t, stream, 0), edge = rig_uniform(t, stream, 1);
    switch (o->type) {
    case STELE_OPT_BOOL: return snprintf(ret, size, "%s=%s", o->name, u < 0.5 ? "true" : "false");
    case STELE_OPT_ENUM: {
        int n = 0;
        while (o->choices[n] != NULL) {
            n++;
        }
        return snprintf(ret, size, "%s=%s", o->name, o->choices[(int)(u * n)]);
    }
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
