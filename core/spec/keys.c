/* Which keys are known, and what to say about the others. */
#include "base/mem.h"
#include "spec/node_private.h"
#include "spec/options.h"

#include <string.h>

void stele__node_know(stele__node *mapping, const char *name, const stele_option *option,
                      int hidden)
{
    stele__known **tail = &mapping->known;
    for (; *tail != NULL; tail = &(*tail)->next) {
        if (strcmp((*tail)->name, name) == 0) {
            return;
        }
    }
    /* A note that does not fit in memory costs a hint, nothing else. */
    stele__known *known = stele__pool_take(&mapping->doc->pool, sizeof *known);
    if (known == NULL || (known->name = stele__pool_strdup(&mapping->doc->pool, name)) == NULL) {
        return;
    }
    if (option != NULL) {
        stele_option *copy = stele__pool_take(&mapping->doc->pool, sizeof *copy);
        if (copy != NULL) {
            *copy = *option;
        }
        known->option = copy;
    }
    known->hidden = hidden;
    *tail = known;
}

stele__node *stele__node_get(stele__node *mapping, const char *key)
{
    stele__node *child = stele__node_find(mapping, key);
    stele__node_know(mapping, key, NULL, 0);
    if (child != NULL) {
        child->used = 1;
    }
    return child;
}

void stele__node_use_all(stele__node *node)
{
    node->used = 1;
    for (size_t i = 0; i < node->n; i++) {
        stele__node_use_all(node->child[i]);
    }
}

const stele_option *stele__node_option(const stele__node *root, const char *key)
{
    const stele__node *at = root;
    while (at != NULL) {
        for (const stele__known *k = at->known; k != NULL; k = k->next) {
            if (strcmp(k->name, key) == 0) {
                return k->option;
            }
        }
        const char *dot = strchr(key, '.'), *rest = dot != NULL ? dot + 1 : NULL;
        const stele__node *below = NULL;
        for (size_t i = 0; rest != NULL && at->kind == STELE__MAPPING && i < at->n; i++) {
            size_t n = (size_t)(dot - key);
            if (strncmp(at->child[i]->key, key, n) == 0 && at->child[i]->key[n] == '\0') {
                below = at->child[i];
            }
        }
        at = below;
        key = rest;
    }
    return NULL;
}

/* From `k` on, a key that belongs one level deeper: `hidden` where `encoder.hidden` is known. */
static const stele__known *deeper(const stele__known *k, const char *key)
{
    for (; k != NULL; k = k->next) {
        const char *dot = strrchr(k->name, '.');
        if (dot != NULL && !k->hidden && strcmp(dot + 1, key) == 0) {
            return k;
        }
    }
    return NULL;
}

/* "did you mean `NAME` (type, range, default)?", with the names of `others` that hold `key` too. */
static void hint_known(const stele__known *k, const stele__known *others, const char *key,
                       stele__diag *diag)
{
    stele__str about;
    stele__str_init(&about);
    stele__str_printf(&about, "`%s`", k->name);
    while ((others = deeper(others, key)) != NULL) {
        const stele__known *further = deeper(others->next, key);
        stele__str_printf(&about, "%s `%s`", further != NULL ? "," : " or", others->name);
        others = others->next;
    }
    if (k->option != NULL) {
        stele__str_append(&about, " (");
        stele__option_describe(k->option, &about);
        stele__str_append(&about, ")");
    }
    stele__diag_hint(diag, "did you mean %s?", about.data != NULL ? about.data : k->name);
    stele__str_finish(&about);
}

static void hint_for(const stele__node *mapping, const char *key, stele__diag *diag)
{
    size_t n = 0;
    const char **names = NULL;
    for (const stele__known *k = mapping->known; k != NULL; k = k->next) {
        n++;
    }
    names = stele__malloc((n + 1) * sizeof *names);
    if (names == NULL) {
        return;
    }
    n = 0;
    for (const stele__known *k = mapping->known; k != NULL; k = k->next) {
        if (!k->hidden && strchr(k->name, '.') == NULL) {
            names[n++] = k->name;
        }
    }
    /* A key of one or two letters is near to every other one. */
    const char *nearest = strlen(key) > 2 ? stele__nearest(key, names, n) : NULL;
    const stele__known *below = deeper(mapping->known, key);
    if (below != NULL) {
        hint_known(below, below->next, key, diag);
    } else if (nearest != NULL) {
        for (const stele__known *k = mapping->known; k != NULL; k = k->next) {
            if (k->name == nearest) {
                hint_known(k, NULL, key, diag);
            }
        }
    } else if (n != 0) {
        stele__str list;
        stele__str_init(&list);
        for (size_t i = 0; i < n; i++) {
            stele__str_printf(&list, "%s%s", i != 0 ? ", " : "", names[i]);
        }
        stele__diag_hint(diag, "known here: %s", list.data != NULL ? list.data : "");
        stele__str_finish(&list);
    }
    stele__free(names);
}

stele_status stele__node_check_keys(stele__node *node, stele__diag *diag)
{
    stele_status status = STELE_OK;
    for (size_t i = 0; i < node->n; i++) {
        stele__node *child = node->child[i];
        if (node->kind == STELE__MAPPING && !child->used && !child->reported) {
            status = stele__node_key_error(child, NULL, STELE_E_OPTION, diag, "unknown key");
            hint_for(node, child->key, diag);
            child->reported = 1;
        } else if (!child->reported && stele__node_check_keys(child, diag) != STELE_OK) {
            status = STELE_E_OPTION;
        }
    }
    return status;
}
