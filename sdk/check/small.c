#include "small.h"

#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Below this many parameters there is nothing to gain. SIZE is even, since one size often has to divide another. */
enum { FEW_PARAMETERS = 4000, SIZE = 4, TEXT_SIZE = 192 };

static struct {
    check_subject subject;
    const char *option[2 * CHECK_MOST_SETTINGS];
    char text[CHECK_MOST_SETTINGS][TEXT_SIZE];
    char said[1024];
} small;

const char *small_settings(void)
{
    return small.said;
}

static int is_given(const check_subject *s, const char *name)
{
    const size_t n = strlen(name);
    for (size_t i = 0; i < s->n_options; i++) {
        if (strncmp(s->option[i], name, n) == 0 && s->option[i][n] == '=') {
            return 1;
        }
    }
    return 0;
}

/* `[128, 64]` becomes `[4, 4]`: as many of them. 0: nothing to be made smaller, or no room. */
static int small_list(const char *def, long long size, char *ret, size_t room)
{
    size_t n = 0;
    int smaller = 0;
    for (const char *at = def; *at != '\0' && n + 24 < room;) {
        char *end = NULL;
        const long long v = strtoll(at, &end, 10);
        if (end == at) {
            ret[n++] = *at++;
            continue;
        }
        smaller = smaller || v > size;
        n += (size_t)snprintf(ret + n, room - n, "%lld", v > size ? size : v);
        at = end;
    }
    ret[n] = '\0';
    return smaller;
}

/* A small value of row o as text of an assignment. 0: it is no size, or a small one. */
static int small_value(const stele_option *o, char *ret, size_t room)
{
    const long long size = o->min.i > 1 ? o->min.i + SIZE : SIZE;
    if ((o->flags & (STELE_OPT_DEPRECATED | STELE_OPT_REQUIRED)) != 0) {
        return 0;
    }
    if (o->type == STELE_OPT_I64 && o->def.i > size) {
        return snprintf(ret, room, "%s=%lld", o->name, size) > 0;
    }
    if (o->type == STELE_OPT_I64_LIST && o->def.s != NULL) {
        const size_t n = (size_t)snprintf(ret, room, "%s=", o->name);
        return n < room && small_list(o->def.s, size, ret + n, room - n);
    }
    return 0;
}

/* Elements of all parameters with the settings of the trial; -1: refused. */
static int64_t n_elements(check_trial *t)
{
    rig r;
    rig_plan plan = { .raw = 1, .rows = 2, .features = 3 };
    int64_t n = -1;
    if (rig_try(t, &plan, &r) == STELE_OK) {
        n = 0;
        for (uint32_t e = 0; e < stele__params_count(r.params); e++) {
            n += stele__params_entry(r.params, e)->n;
        }
    }
    rig_finish(&r);
    return n;
}

static void say_settings(size_t n_given)
{
    size_t n = 0;
    for (size_t i = n_given; i < small.subject.n_options && n < sizeof small.said - TEXT_SIZE; i++) {
        n += (size_t)snprintf(small.said + n, sizeof small.said - n, "%s%s", i == n_given ? " (with " : ", ",
                              small.option[i]);
    }
    if (n > 0) {
        snprintf(small.said + n, sizeof small.said - n, ")");
    }
}

void small_model(check_trial *t)
{
    const check_subject *given = t->subject;
    const stele_plugin *p = &t->plugin->desc;
    small.said[0] = '\0';
    int64_t least = p->kind == STELE_SOURCE ? 0 : n_elements(t);
    if (least <= FEW_PARAMETERS) {
        return;
    }
    small.subject = *given;
    small.subject.option = small.option;
    for (size_t i = 0; i < given->n_options; i++) {
        small.option[i] = given->option[i];
    }
    t->subject = &small.subject;
    for (uint32_t i = 0; i < p->n_options && small.subject.n_options < CHECK_MOST_SETTINGS; i++) {
        const size_t at = small.subject.n_options;
        char *text = small.text[at];
        if (is_given(given, p->options[i].name) || !small_value(&p->options[i], text, TEXT_SIZE)) {
            continue;
        }
        small.option[at] = text;
        small.subject.n_options++;
        const int64_t n = n_elements(t);
        if (n < 0 || n > least) { /* one without a part in this model may have one in another */
            small.subject.n_options--;
        } else {
            least = n;
        }
    }
    say_settings(given->n_options);
}
