#include "sweep/foreseen.h"

#include "base/mem.h"
#include "eval/evaluation.h"

#include <string.h>

/* --- what there can be --- */

typedef struct adding {
    stele__foreseen *foreseen;
    const stele__spec *spec;
    const stele__plan *plan;
    const char *needs; /* of what is added */
    stele_status status;
} adding;

static int grow(stele__foreseen *k)
{
    const size_t most = k->n < k->capacity ? k->capacity : 2 * k->capacity + 64;
    if (most == k->capacity) {
        return 1;
    }
    char **name = stele__realloc(k->name, most * sizeof *name);
    k->name = name != NULL ? name : k->name;
    const char **needs = stele__realloc((void *)k->needs, most * sizeof *needs);
    k->needs = needs != NULL ? needs : k->needs;
    k->capacity = name != NULL && needs != NULL ? most : k->capacity;
    return k->capacity == most;
}

/* A figure `key` below `at`. */
static void add(adding *a, const char *at, const char *key)
{
    stele__str s;
    stele__str_init(&s);
    stele__str_printf(&s, "%s%s", at, key);
    char *name = stele__str_take(&s);
    if (name == NULL || !grow(a->foreseen)) {
        stele__free(name);
        a->status = STELE_E_NOMEM;
        return;
    }
    a->foreseen->needs[a->foreseen->n] = a->needs;
    a->foreseen->name[a->foreseen->n++] = name;
}

static void add_all(adding *a, const char *at, const char *const *key)
{
    for (; *key != NULL; key++) {
        add(a, at, *key);
    }
}

/* "a-b.model.*": what one modality tells of another; both directions and of itself, which not all
 * do, or the first of the two first. */
static void add_pairs(adding *a, const char *section, int all, const char *const *key)
{
    const stele__spec *s = a->spec;
    for (size_t i = 0; i < s->n_modalities; i++) {
        for (size_t j = 0; j < s->n_modalities; j++) {
            stele__str at;
            stele__str_init(&at);
            stele__str_printf(&at, "%s.%s-%s.", section, s->modality[i].name, s->modality[j].name);
            if ((all || i < j) && at.data != NULL) {
                add_all(a, at.data, key);
            }
            stele__str_finish(&at);
        }
    }
}

/* The posterior that a modality is compared with: of all, or of all others. */
static void add_calibration(adding *a)
{
    static const char *const key[] = { "rows",  "values", "coverage", "below",
                                       "above", "level",  "samples",  NULL };
    const stele__spec *s = a->spec;
    for (size_t to = 0; to < s->n_modalities; to++) {
        stele__str others, at;
        stele__str_init(&others);
        for (size_t i = 0; i < s->n_modalities; i++) {
            if (i != to) {
                stele__str_printf(&others, "%s%s", others.len > 0 ? "+" : "", s->modality[i].name);
            }
        }
        const char *given[] = { s->n_modalities > 1 ? "joint" : s->modality[to].name, others.data };
        for (int k = 0; k < 2 && given[k] != NULL; k++) {
            stele__str_init(&at);
            stele__str_printf(&at, "calibration.%s-%s.", given[k], s->modality[to].name);
            add_all(a, at.data != NULL ? at.data : "", key);
            stele__str_finish(&at);
        }
        stele__str_finish(&others);
    }
}

static void add_likelihood(adding *a, const char *at)
{
    static const char *const key[] = {
        "elbo", "elbo_error", "importance_weighted", "importance_weighted_error", "divergence", NULL
    };
    static const char *const by_modality[] = { "log_likelihood", "perplexity" };
    const char *needs = a->needs;
    a->needs = needs == NULL && !a->plan->likelihood ? "likelihood" : needs;
    add_all(a, at, key);
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < a->spec->n_modalities; i++) {
            stele__str name;
            stele__str_init(&name);
            stele__str_printf(&name, "%s.%s", by_modality[k], a->spec->modality[i].name);
            add(a, at, name.data != NULL ? name.data : "");
            stele__str_finish(&name);
        }
    }
    a->needs = needs;
}

static void add_task(adding *a, const char *posterior, const stele__label_task *t)
{
    static const char *const knn[] = { "rows", "knn", "knn_error", NULL };
    static const char *const clusters[] = { "rows", "ari", "nmi", "resolution", "clusters", NULL };
    static const char *const silhouette[] = { "rows", "silhouette", "silhouette_scaled",
                                              "silhouette_batch", NULL };
    static const char *const integration[] = {
        "rows",     "ilisi",          "ilisi_median", "clisi", "clisi_median", "knn", "knn_error",
        "logistic", "logistic_error", "chance",       NULL
    };
    stele__str at;
    stele__str_init(&at);
    stele__str_printf(&at, "%slabels.%s%s%s.", posterior, t->labels, t->other != NULL ? "-" : "",
                      t->other != NULL ? t->other : "");
    add_all(a, at.data != NULL ? at.data : "",
            t->kind == STELE__TASK_KNN          ? knn
            : t->kind == STELE__TASK_CLUSTERING ? clusters
            : t->kind == STELE__TASK_SILHOUETTE ? silhouette
                                                : integration);
    stele__str_finish(&at);
}

static void add_posterior(adding *a, const char *title)
{
    static const char *const key[] = { "variance", "joint_sharper", "rows", NULL };
    stele__str at, head;
    stele__str_init(&at);
    stele__str_printf(&at, "posteriors.%s.", title);
    const char *below = at.data != NULL ? at.data : "";
    add_all(a, below, key);
    add_likelihood(a, below);
    for (size_t i = 0; i < a->plan->n_tasks; i++) {
        add_task(a, below, &a->plan->task[i]);
    }
    for (size_t h = 0; h < a->spec->n_heads; h++) {
        stele__str_init(&head);
        stele__str_printf(&head, "heads.%s.*", a->spec->head[h].name);
        add(a, below, head.data != NULL ? head.data : "");
        stele__str_finish(&head);
    }
    stele__str_finish(&at);
}

/* The joint whatever there is, then given each modality and each subset of up to six of them. */
static void add_posteriors(adding *a)
{
    const size_t n = a->spec->n_modalities;
    add_posterior(a, "joint");
    for (size_t i = 0; i < n; i++) {
        add_posterior(a, a->spec->modality[i].name);
    }
    a->needs = a->plan->subsets == STELE__SUBSETS_ALL ? NULL : "likelihood: {subsets: all}";
    for (unsigned mask = 1; n <= 6 && mask + 1 < 1U << n; mask++) {
        stele__str title;
        stele__str_init(&title);
        for (size_t i = 0; i < n; i++) {
            if ((mask >> i & 1) != 0) {
                stele__str_printf(&title, "%s%s", title.len > 0 ? "+" : "",
                                  a->spec->modality[i].name);
            }
        }
        if ((mask & (mask - 1)) != 0) {
            add_posterior(a, title.data != NULL ? title.data : "");
        }
        stele__str_finish(&title);
    }
    a->needs = NULL;
}

stele_status stele__foreseen_add(stele__foreseen *foreseen, const stele__spec *spec)
{
    static const char *const top[] = { "rows", "samples", NULL };
    static const char *const cross[] = { "rows",         "model.*",    "marginal.*",
                                         "class_mean.*", "features.*", NULL };
    static const char *const alignment[] = { "rows", "foscttm", NULL };
    const stele__plan_request request = { 0 };
    stele__plan plan;
    stele_status status = stele__plan_init(&plan, spec, &request);
    if (status != STELE_OK) {
        return status;
    }
    adding a = { .foreseen = foreseen, .spec = spec, .plan = &plan };
    add_all(&a, "", top);
    add_posteriors(&a);
    a.needs = plan.cross ? NULL : "cross";
    add_pairs(&a, "cross", 1, cross);
    a.needs = plan.alignment ? NULL : "alignment";
    add_pairs(&a, "alignment", 0, alignment);
    a.needs = plan.calibration_level > 0.0 ? NULL : "calibration";
    add_calibration(&a);
    a.needs = plan.coherence_labels != NULL ? NULL : "coherence";
    add(&a, "", "coherence.*");
    a.needs = plan.fusion ? NULL : "fusion";
    add(&a, "", "fusion.*");
    stele__plan_finish(&plan);
    return a.status;
}

void stele__foreseen_finish(stele__foreseen *foreseen)
{
    for (size_t i = 0; i < foreseen->n; i++) {
        stele__free(foreseen->name[i]);
    }
    stele__free(foreseen->name);
    stele__free((void *)foreseen->needs);
    memset(foreseen, 0, sizeof *foreseen);
}

/* --- what there cannot be --- */

static int fits(const char *name, const char *figure)
{
    const size_t n = strlen(name);
    return name[n - 1] == '*' ? strncmp(name, figure, n - 1) == 0 && figure[n - 1] != '\0'
                              : strcmp(name, figure) == 0;
}

/* Bytes of `figure`, up to the end of a part of it, that `name` starts with, too. */
static size_t common(const char *name, const char *figure)
{
    size_t at = 0, whole = 0;
    while (name[at] == figure[at] && name[at] != '\0') {
        at++;
        whole = name[at - 1] == '.' ? at : whole;
    }
    return whole;
}

/* What may stand behind the first n bytes of `figure`: each word once, copies in `word`. */
static size_t next_words(const stele__foreseen *k, const char *figure, size_t n, char **word)
{
    size_t n_words = 0;
    for (size_t i = 0; i < k->n; i++) {
        if (k->needs[i] != NULL || strncmp(k->name[i], figure, n) != 0 || k->name[i][n] == '*') {
            continue;
        }
        char *next = stele__strndup(k->name[i] + n, strcspn(k->name[i] + n, "."));
        size_t at = 0;
        while (next != NULL && at < n_words && strcmp(word[at], next) != 0) {
            at++;
        }
        if (next != NULL && at == n_words) {
            word[n_words++] = next;
        } else {
            stele__free(next);
        }
    }
    return n_words;
}

static void tell_next(const stele__foreseen *k, const char *figure, size_t n, stele__str *why,
                      stele__str *hint)
{
    enum { MOST = 8 };
    char **word = stele__calloc(k->n + 1, sizeof *word);
    char *part = stele__strndup(figure + n, strcspn(figure + n, "."));
    const size_t n_words = word != NULL ? next_words(k, figure, n, word) : 0;
    const char *near =
        part != NULL ? stele__nearest(part, (const char *const *)word, n_words) : NULL;
    if (n > 0) {
        stele__str_printf(why, "there is no `%s` in `%.*s`", figure + n, (int)n - 1, figure);
    } else {
        stele__str_append(why, "is no figure of `stele eval`");
    }
    if (near != NULL) {
        stele__str_printf(hint, "did you mean `%.*s%s`?", (int)n, figure, near);
    }
    for (size_t i = 0; i < n_words && i < MOST && near == NULL; i++) {
        stele__str_printf(hint, "%s%s", i > 0 ? ", " : "there are ", word[i]);
    }
    if (near == NULL && n_words > MOST) {
        stele__str_printf(hint, " and %zu more", n_words - MOST);
    }
    for (size_t i = 0; i < n_words; i++) {
        stele__free(word[i]);
    }
    stele__free(word);
    stele__free(part);
}

int stele__foreseen_has(const stele__foreseen *foreseen, const char *figure, stele__str *why,
                        stele__str *hint)
{
    const char *needs = NULL, *below = NULL;
    const size_t len = strlen(figure);
    size_t most = 0;
    for (size_t i = 0; i < foreseen->n; i++) {
        const size_t n = foreseen->needs[i] == NULL ? common(foreseen->name[i], figure) : 0;
        if (fits(foreseen->name[i], figure) && foreseen->needs[i] == NULL) {
            return 1;
        }
        needs = fits(foreseen->name[i], figure) ? foreseen->needs[i] : needs;
        below = foreseen->needs[i] == NULL && strncmp(foreseen->name[i], figure, len) == 0 &&
                        foreseen->name[i][len] == '.' && below == NULL
                    ? foreseen->name[i]
                    : below;
        most = n > most ? n : most;
    }
    if (needs != NULL) {
        stele__str_printf(why, "is a figure of `%s`, which the spec does not evaluate", needs);
        stele__str_printf(hint, "add %s to `evaluate`", needs);
    } else if (below != NULL || figure[most] == '\0') {
        stele__str_append(why, "is no single figure");
        stele__str_printf(hint, "write the whole path, such as %s",
                          below != NULL ? below : "posteriors.joint.variance");
    } else {
        tell_next(foreseen, figure, most, why, hint);
    }
    return 0;
}

/* The place of one item, which may be written without a list. */
static const stele__node *place_of(const stele__spec *spec, const char *key, uint64_t item)
{
    const stele__node *sweep = stele__node_find(stele__spec_doc_root(spec->doc), "sweep");
    const stele__node *metrics = sweep != NULL ? stele__node_find(sweep, "metrics") : NULL;
    const stele__node *list = metrics != NULL ? stele__node_find(metrics, key) : NULL;
    return list != NULL && list->kind == STELE__SEQUENCE && item < list->n ? list->child[item]
                                                                           : list;
}

/* Figures cannot be better both ways. */
static stele_status check_once(const stele__spec *spec, stele__diag *diag)
{
    const stele_str_list *higher = &spec->sweep->higher, *lower = &spec->sweep->lower;
    for (uint64_t i = 0; i < lower->n; i++) {
        const stele__node *at = place_of(spec, "lower", i);
        for (uint64_t k = 0; k < higher->n && at != NULL; k++) {
            if (strcmp(lower->v[i], higher->v[k]) == 0) {
                return stele__node_error(at, STELE_E_OPTION, diag,
                                         "`%s` is in metrics.higher as well", lower->v[i]);
            }
        }
    }
    return STELE_OK;
}

stele_status stele__foreseen_check(const stele__foreseen *foreseen, const stele__spec *spec,
                                   stele__diag *diag)
{
    const stele_str_list *list[] = { &spec->sweep->higher, &spec->sweep->lower };
    static const char *const key[] = { "higher", "lower" };
    stele_status status = check_once(spec, diag);
    for (size_t k = 0; k < 2; k++) {
        for (uint64_t i = 0; i < list[k]->n; i++) {
            const stele__node *at = place_of(spec, key[k], i);
            stele__str why, hint;
            stele__str_init(&why);
            stele__str_init(&hint);
            if (at != NULL && !stele__foreseen_has(foreseen, list[k]->v[i], &why, &hint)) {
                status = stele__node_error(at, STELE_E_OPTION, diag, "`%s`: %s", list[k]->v[i],
                                           why.data != NULL ? why.data : "");
                stele__diag_hint(diag, "%s", hint.data != NULL ? hint.data : "");
            }
            stele__str_finish(&why);
            stele__str_finish(&hint);
        }
    }
    return status;
}
