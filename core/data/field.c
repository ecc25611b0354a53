/* Finding the field that a spec names among the fields of all sources. */
#include "base/mem.h"
#include "base/str.h"
#include "data/parts.h"

#include <stdio.h>
#include <string.h>

static int content_fits(uint32_t content, int what)
{
    return what == STELE__FIND_MATRIX ? content == STELE_FIELD_MATRIX
                                      : content != STELE_FIELD_MATRIX;
}

/* How well a field answers to `from`: 2 by its name; 1 by the last component of a label's, or as a
 * measurement of the source that `from` names; 0 not at all. */
static int match(const char *source, const char *name, const char *from, int what)
{
    if (strcmp(name, from) == 0) {
        return 2;
    }
    if (what == STELE__FIND_MATRIX) {
        return strcmp(source, from) == 0;
    }
    const char *last = strrchr(name, '/');
    return last != NULL && strcmp(last + 1, from) == 0;
}

/* Call `visit` for each field of the right content; a negative status ends the walk. */
typedef stele_status visit_fn(void *ctx, size_t source, uint32_t index, const stele_field *field);

static stele_status each_field(const stele__data_request *request, int what, visit_fn *visit,
                               void *ctx, stele__diag *diag)
{
    for (size_t s = 0; s < request->n_sources; s++) {
        const stele__source *src = &request->source[s];
        stele__guest_begin(src->guest, "n_fields");
        uint32_t n = src->vt->n_fields(src->inst);
        stele__guest_restore(src->guest, "n_fields");
        for (uint32_t f = 0; f < n; f++) {
            stele_field field = { .struct_size = sizeof field };
            size_t n_errors = diag != NULL ? diag->n_errors : 0;
            stele__guest_begin(src->guest, "field");
            stele_status st = src->vt->field(src->inst, f, &field);
            st = stele__source_ended(src, "field", NULL, st, n_errors, diag);
            if (st == STELE_OK && content_fits(field.content, what)) {
                st = visit(ctx, s, f, &field);
            }
            if (st != STELE_OK) {
                return st;
            }
        }
    }
    return STELE_OK;
}

typedef struct search {
    const stele__data_request *request;
    const char *from;
    size_t only;   /* source, or n_sources for all */
    int own_alone; /* leave out sources whose rows are new */
    int what, best;
    size_t n_best;
    stele__found found;
    stele__str candidates;
} search;

static void append_name(stele__str *list, const stele__data_request *request, size_t source,
                        const char *name)
{
    stele__str_append(list, list->len != 0 ? ", " : "");
    if (request->n_sources > 1) {
        stele__str_printf(list, "%s:", request->source[source].name);
    }
    stele__str_append(list, name);
}

static stele_status visit_search(void *ctx, size_t source, uint32_t index, const stele_field *field)
{
    search *s = ctx;
    if ((s->only != s->request->n_sources && s->only != source) ||
        (s->own_alone && s->request->of_rows[source])) {
        return STELE_OK;
    }
    int quality = match(s->request->source[source].name, field->name, s->from, s->what);
    if (quality == 0 || quality < s->best) {
        return STELE_OK;
    }
    if (quality > s->best) {
        s->best = quality;
        s->n_best = 0;
        stele__str_finish(&s->candidates);
        stele__str_init(&s->candidates);
    }
    s->n_best++;
    append_name(&s->candidates, s->request, source, field->name);
    s->found = (stele__found){ .source = source, .field = *field, .index = index };
    return STELE_OK;
}

/* More names than this make a message unreadable. */
#define MAX_LISTED 40

typedef struct listing {
    const stele__data_request *request;
    stele__str text;
    const char *name[MAX_LISTED];
    size_t n;
} listing;

static stele_status visit_list(void *ctx, size_t source, uint32_t index, const stele_field *field)
{
    listing *l = ctx;
    (void)index;
    if (l->n < MAX_LISTED) {
        append_name(&l->text, l->request, source, field->name);
        l->name[l->n] = field->name;
    }
    l->n++;
    return STELE_OK;
}

typedef struct lookup {
    const search *s;
    int found;
} lookup;

static stele_status visit_lookup(void *ctx, size_t source, uint32_t index, const stele_field *field)
{
    lookup *l = ctx;
    (void)index;
    l->found |= (l->s->only == l->s->request->n_sources || l->s->only == source) &&
                strcmp(field->name, l->s->from) == 0;
    return STELE_OK;
}

/* A label that is asked for as a measurement, or the other way round, is there all the same. */
static stele_status hint_other_kind(const search *s, stele__diag *diag)
{
    const int label = s->what == STELE__FIND_MATRIX;
    lookup l = { .s = s };
    stele_status st = each_field(s->request, label ? STELE__FIND_LABEL : STELE__FIND_MATRIX,
                                 visit_lookup, &l, diag);
    if (st == STELE_OK && l.found) {
        stele__diag_hint(diag, "`%s` is a %s", s->from, label ? "label column" : "measurement");
    }
    return st;
}

static stele_status report_missing(const search *s, const stele__place *place, stele__diag *diag)
{
    listing l = { .request = s->request };
    stele__str_init(&l.text);
    stele_status st = each_field(s->request, s->what, visit_list, &l, diag);
    if (st != STELE_OK) {
        stele__str_finish(&l.text);
        return st;
    }
    if (l.n > MAX_LISTED) {
        stele__str_printf(&l.text, " and %zu more", l.n - MAX_LISTED);
    }
    const char *noun = s->what == STELE__FIND_MATRIX ? "measurement" : "label column";
    const char *near = stele__nearest(s->from, l.name, l.n < MAX_LISTED ? l.n : MAX_LISTED);
    char *text = stele__str_take(&l.text);
    if (text == NULL) {
        return STELE_E_NOMEM;
    }
    const char *file = s->request->n_sources == 1 ? s->request->source->file : NULL;
    const char *who = file != NULL ? file : "the data", *has = file != NULL ? "has" : "have";
    if (l.n == 0) {
        stele__diag_error(diag, STELE_E_DATA, place, "%s %s no %s at all, and no `%s`", who, has,
                          noun, s->from);
    } else {
        stele__diag_error(diag, STELE_E_DATA, place, "%s %s no %s `%s`; there %s %s", who, has,
                          noun, s->from, l.n == 1 ? "is" : "are", text);
    }
    if (near != NULL) {
        stele__diag_hint(diag, "did you mean `%s`?", near);
    }
    stele__free(text);
    st = near == NULL ? hint_other_kind(s, diag) : STELE_OK;
    return st == STELE_OK ? STELE_E_DATA : st;
}

/* "SOURCE:field": the source it names, and the field's part of it. */
static void split_prefix(search *s)
{
    const char *colon = strchr(s->from, ':');
    for (size_t i = 0; colon != NULL && i < s->request->n_sources; i++) {
        const char *name = s->request->source[i].name;
        size_t len = (size_t)(colon - s->from);
        if (strlen(name) == len && strncmp(name, s->from, len) == 0) {
            s->only = i;
            s->from = colon + 1;
            return;
        }
    }
}

/* What a name leads to among new data was one field in training: it was in a source that is still
 * the same, if one such has it. */
static stele_status find_as_trained(search *s, stele__diag *diag)
{
    search own = {
        .request = s->request, .from = s->from, .only = s->only, .own_alone = 1, .what = s->what
    };
    stele__str_init(&own.candidates);
    stele_status st = each_field(s->request, s->what, visit_search, &own, diag);
    if (st == STELE_OK && own.n_best == 1 && own.best == s->best) {
        s->found = own.found;
        s->n_best = 1;
    }
    stele__str_finish(&own.candidates);
    return st;
}

stele_status stele__field_find(const stele__data_request *request, const char *from, int what,
                               const stele__place *place, stele__found *ret, stele__diag *diag)
{
    search s = { .request = request, .from = from, .only = request->n_sources, .what = what };
    stele__str_init(&s.candidates);
    split_prefix(&s);
    stele_status st = each_field(request, what, visit_search, &s, diag);
    if (st == STELE_OK && s.n_best > 1 && request->new_data && request->of_rows != NULL) {
        st = find_as_trained(&s, diag);
    }
    if (st == STELE_OK && s.n_best == 0) {
        s.found.missing = request->new_data;
        st = request->new_data ? STELE_OK : report_missing(&s, place, diag);
    } else if (st == STELE_OK && s.n_best > 1 && place == NULL) {
        s.found.missing = 1;
    } else if (st == STELE_OK && s.n_best > 1) {
        st = stele__diag_error(diag, STELE_E_DATA, place, "`%s` is ambiguous: it may be %s", from,
                               s.candidates.data != NULL ? s.candidates.data : "several");
        if (request->new_data) {
            stele__diag_hint(diag, "leave it out of the files where the run did not find it");
        }
    }
    if (st == STELE_OK) {
        *ret = s.found;
    }
    stele__str_finish(&s.candidates);
    return st;
}

stele_status stele__source_ended(const stele__source *source, const char *slot, const char *field,
                                 stele_status code, size_t n_errors, stele__diag *diag)
{
    char call[192];
    snprintf(call, sizeof call, "%s%s%s%s", slot, field != NULL ? " of `" : "",
             field != NULL ? field : "", field != NULL ? "`" : "");
    if (code == STELE_OK || diag == NULL || diag->n_errors != n_errors) {
        stele__guest_end(source->guest, call, code, NULL);
        return code;
    }
    if (source->guest != NULL) {
        return stele__guest_check(source->guest, call, code, diag);
    }
    return stele__diag_error(diag, code, NULL, "source `%s`: %s failed: %s", source->name, call,
                             stele__status_text(code));
}
