/* The section `sweep`: which keys the points differ in. */
#include "base/mem.h"
#include "spec/scalar.h"
#include "spec/spec_private.h"

#include <string.h>

/* Keys that all points share, and why. Of `data` two are free. */
static const struct {
    const char *key, *why;
} SHARED[] = {
    { "train.epochs", "all points stop by the same rule" },
    { "train.early_stopping", "all points stop by the same rule" },
    { "data", "all points see the same rows in the same split; of `data` only `missing` and "
              "`split.fold` can be swept" },
    { "evaluate", "all points are judged in the same way" },
    { "train.threads", "it changes no result" },
    { "train.checkpoint", "it changes no result" },
    { "stele", "it says nothing about a model" },
    { "name", "it says nothing about a model" },
    { "output", "it says nothing about a model" },
    { "sweep", "it says nothing about a model" },
};

/* 1 if one key is the other, or a mapping that holds it. */
static int overlap(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b), least = n < m ? n : m;
    return strncmp(a, b, least) == 0 && (n == m || (n < m ? b[n] : a[m]) == '.');
}

static int is_free(const char *key)
{
    return strcmp(key, "data.split.fold") == 0 || strcmp(key, "data.missing") == 0 ||
           strncmp(key, "data.missing.", 13) == 0;
}

static int check_key(const stele__spec *spec, const stele__node *node, stele__diag *diag)
{
    const char *key = node->key;
    for (size_t i = 0; i < sizeof SHARED / sizeof SHARED[0] && !is_free(key); i++) {
        if (overlap(key, SHARED[i].key)) {
            stele__node_key_error(node, NULL, STELE_E_OPTION, diag, "cannot be swept: %s",
                                  SHARED[i].why);
            return 0;
        }
    }
    for (size_t i = 0; i < spec->n_axes; i++) {
        if (overlap(key, spec->axis[i].key)) {
            stele__node_key_error(node, NULL, STELE_E_OPTION, diag,
                                  "is swept as `%s` already, at line %u", spec->axis[i].key,
                                  spec->axis[i].node->key_line);
            return 0;
        }
    }
    if (key[0] == '.' || key[strlen(key) - 1] == '.' || strstr(key, "..") != NULL) {
        stele__node_key_error(node, NULL, STELE_E_OPTION, diag, "is no path of a key");
        return 0;
    }
    return 1;
}

/* Two points of the same value would be the same run. */
static void check_values(const stele__node *list, stele__diag *diag)
{
    stele__str *text = stele__calloc(list->n + 1, sizeof *text);
    if (list->n == 0) {
        stele__node_error(list, STELE_E_OPTION, diag, "there are no values");
    }
    for (size_t i = 0; text != NULL && i < list->n; i++) {
        stele__str_init(&text[i]);
        int written = stele__node_write(list->child[i], &text[i]) == STELE_OK && !text[i].failed;
        for (size_t j = 0; written && j < i; j++) {
            if (text[j].data != NULL && strcmp(text[i].data, text[j].data) == 0) {
                stele__node_error(list->child[i], STELE_E_OPTION, diag,
                                  "this value is given twice");
                break;
            }
        }
    }
    for (size_t i = 0; text != NULL && i < list->n; i++) {
        stele__str_finish(&text[i]);
    }
    stele__free(text);
}

static void read_range(stele__node *node, stele__axis *axis, stele__diag *diag)
{
    const stele__section *s = stele__section_get(STELE__SECTION_RANDOM);
    stele__config *config = NULL;
    if (stele__config_create(&s->table, s->block_size, node, s->path, &config, diag) != STELE_OK) {
        return;
    }
    const stele__axis *range = stele__config_values(config);
    axis->from = range->from;
    axis->to = range->to;
    axis->log = range->log;
    if (!(axis->from < axis->to)) {
        stele__config_error(config, STELE_E_OPTION, "to: is not above `from`", diag);
    } else if (axis->log && axis->from <= 0.0) {
        stele__config_error(config, STELE_E_OPTION, "from: has to be above 0 with `log`", diag);
    }
    stele__config_destroy(config);
}

static void read_axis(stele__spec *spec, stele__node *node, int kind, stele__diag *diag)
{
    stele__axis axis = { .kind = kind, .key = node->key, .node = node };
    node->used = 1;
    if (!check_key(spec, node, diag)) {
        stele__node_use_all(node);
        return;
    }
    if (node->kind == STELE__SEQUENCE) {
        stele__node_use_all(node);
        check_values(node, diag);
    } else if (kind == STELE__AXIS_RANDOM && node->kind == STELE__MAPPING) {
        read_range(node, &axis, diag);
    } else {
        stele__node_error(node, STELE_E_OPTION, diag, "expected a list of values%s",
                          kind == STELE__AXIS_RANDOM ? ", or a range {from: ..., to: ...}" : "");
        stele__node_use_all(node);
        return;
    }
    spec->axis[spec->n_axes++] = axis;
}

static void read_axes(stele__spec *spec, stele__node *node, int kind, stele__diag *diag)
{
    if (node == NULL || stele__node_is_null(node)) {
        return;
    }
    if (node->kind != STELE__MAPPING) {
        stele__node_error(node, STELE_E_OPTION, diag, "expected a mapping of keys");
        stele__diag_hint(diag, "write %s: {KEY: [VALUE, VALUE]}", node->key);
        stele__node_use_all(node);
        return;
    }
    for (size_t i = 0; i < node->n; i++) {
        read_axis(spec, node->child[i], kind, diag);
    }
}

/* The names of one item, "a+b": known, and not all of them. */
static void check_drop(const stele__spec *spec, const stele__node *item, stele__diag *diag)
{
    const char **names = stele__calloc(spec->n_modalities + 1, sizeof *names);
    size_t n = 0;
    for (size_t i = 0; names != NULL && i < spec->n_modalities; i++) {
        names[i] = spec->modality[i].name;
    }
    for (const char *at = item->text; names != NULL; n++) {
        char *name = stele__strndup(at, strcspn(at, "+"));
        size_t i = 0;
        while (name != NULL && i < spec->n_modalities && strcmp(names[i], name) != 0) {
            i++;
        }
        if (name != NULL && i == spec->n_modalities && strcmp(item->text, "none") != 0) {
            const char *near = stele__nearest(name, names, spec->n_modalities);
            stele__node_error(item, STELE_E_OPTION, diag, "there is no modality `%s`", name);
            if (near != NULL) {
                stele__diag_hint(diag, "did you mean `%s`?", near);
            }
        }
        stele__free(name);
        at += strcspn(at, "+");
        if (*at == '\0') {
            break;
        }
        at++;
    }
    if (n + 1 >= spec->n_modalities && strcmp(item->text, "none") != 0) {
        stele__node_error(item, STELE_E_OPTION, diag, "leaves no modality");
    }
    stele__free(names);
}

int stele__sweep_bounds(const stele__spec *spec, const char **ret_metric)
{
    const stele_str_list *const list[] = { &spec->sweep->higher, &spec->sweep->lower };
    for (int k = 0; k < 2; k++) {
        for (uint64_t i = 0; i < list[k]->n; i++) {
            if (strstr(list[k]->v[i], ".elbo") != NULL ||
                strstr(list[k]->v[i], ".importance_weighted") != NULL) {
                *ret_metric = list[k]->v[i];
                return spec->sweep->drop.n > 0;
            }
        }
    }
    return 0;
}

static void warn_of_bounds(const stele__spec *spec, const stele__node *drop, stele__diag *diag)
{
    const char *metric = NULL;
    if (stele__sweep_bounds(spec, &metric)) {
        stele__node_key_warning(drop, diag,
                                "%s is about all measurements of a row, fewer where modalities are "
                                "dropped: settings that drop others are not comparable by it",
                                metric);
        stele__diag_hint(diag,
                         "compare by figures of labels, heads or predictions: metrics.higher");
    }
}

static void read_drop(stele__spec *spec, const stele__node *sweep, stele__diag *diag)
{
    const stele__node *node = stele__node_find(sweep, "drop");
    if (spec->sweep == NULL || spec->sweep->drop.n == 0) {
        return;
    }
    check_values(node, diag);
    for (size_t i = 0; i < node->n; i++) {
        check_drop(spec, node->child[i], diag);
    }
    warn_of_bounds(spec, node, diag);
    spec->axis[spec->n_axes++] =
        (stele__axis){ .kind = STELE__AXIS_DROP, .key = "drop", .node = node };
}

/* Repetitions are over keys that are swept; the default names two that may not be. */
static void check_over(const stele__spec *spec, const stele__node *sweep, stele__diag *diag)
{
    const stele__node *node = stele__node_find(sweep, "over");
    const char **keys = stele__calloc(spec->n_axes + 1, sizeof *keys);
    for (size_t i = 0; keys != NULL && i < spec->n_axes; i++) {
        keys[i] = spec->axis[i].key;
    }
    for (size_t i = 0; keys != NULL && node != NULL && node->kind == STELE__SEQUENCE && i < node->n;
         i++) {
        const stele__node *item = node->child[i];
        size_t k = 0;
        while (k < spec->n_axes && strcmp(keys[k], item->text) != 0) {
            k++;
        }
        if (k == spec->n_axes) {
            const char *near = stele__nearest(item->text, keys, spec->n_axes);
            stele__node_error(item, STELE_E_OPTION, diag, "`%s` is not swept", item->text);
            if (near != NULL) {
                stele__diag_hint(diag, "did you mean `%s`?", near);
            }
        }
    }
    stele__free(keys);
}

static void check_metrics(const stele__spec *spec, stele__diag *diag)
{
    if (spec->sweep != NULL && spec->sweep->higher.n + spec->sweep->lower.n == 0) {
        stele__config_error(spec->section[STELE__SECTION_SWEEP], STELE_E_OPTION,
                            "metrics.higher: there is no figure to compare", diag);
    }
}

stele_status stele__sweep_read(stele__spec *spec, stele__diag *diag)
{
    stele__node *sweep = stele__node_find(stele__spec_doc_root(spec->doc), "sweep");
    if (sweep == NULL || sweep->kind != STELE__MAPPING) {
        return STELE_OK;
    }
    stele__node *grid = stele__node_get(sweep, "grid"), *random = stele__node_get(sweep, "random");
    size_t most = 1 + (grid != NULL ? grid->n : 0) + (random != NULL ? random->n : 0);
    spec->axis = stele__calloc(most, sizeof *spec->axis);
    if (spec->axis == NULL) {
        return STELE_E_NOMEM;
    }
    read_axes(spec, grid, STELE__AXIS_GRID, diag);
    read_drop(spec, sweep, diag);
    read_axes(spec, random, STELE__AXIS_RANDOM, diag);
    check_over(spec, sweep, diag);
    check_metrics(spec, diag);
    return STELE_OK;
}
