/* Whether two specs train the same model, and where they differ. */
#include "base/file.h"
#include "base/mem.h"
#include "graph/noise.h"
#include "train/folder.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What does not count. The first ones never do; a training may also end later, its data lie
 * elsewhere and draws without a row come from another distribution, and still be the same one. */
static const char *const left_out[] = {
    "name",         "output",           "train.threads",        "evaluate",
    "train.epochs", "train.checkpoint", "train.early_stopping", "latent.prior"
};
enum { N_LEFT_OUT = sizeof left_out / sizeof left_out[0], N_NEVER = 4 };

/* Where the data lie is no part of what they are: files may move. */
static int is_data_path(const char *path)
{
    size_t n = strlen(path);
    return strncmp(path, "data.", 5) == 0 && n >= 9 && strcmp(path + n - 5, ".path") == 0;
}

/* `n` of the list: N_NEVER, or N_LEFT_OUT and the paths of data. */
static int is_left_out(const stele__node *node, int n)
{
    stele__str path;
    stele__str_init(&path);
    stele__node_path(node, &path);
    int found = n == N_LEFT_OUT && path.data != NULL && is_data_path(path.data);
    for (int i = 0; i < n && path.data != NULL; i++) {
        found |= strcmp(path.data, left_out[i]) == 0;
    }
    stele__str_finish(&path);
    return found;
}

static uint64_t hash_text(uint64_t h, const char *s)
{
    for (; *s != '\0'; s++) {
        h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
    }
    return (h ^ 0xff) * UINT64_C(1099511628211); /* an end that no text contains */
}

/* FNV-1a over keys and values, depth first. */
static uint64_t hash_node(uint64_t h, const stele__node *node, int depth, int n_left_out)
{
    if (depth > 0 && is_left_out(node, n_left_out)) {
        return h;
    }
    h = hash_text(h, node->key != NULL ? node->key : "");
    h = hash_text(h, node->kind == STELE__SCALAR ? node->text : "");
    for (size_t i = 0; i < node->n; i++) {
        h = hash_node(h, node->child[i], depth + 1, n_left_out);
    }
    return h;
}

/* The spec with all defaults, as a tree. */
static stele_status resolved_tree(const stele__spec *spec, stele__spec_doc **ret, stele__diag *diag)
{
    stele__str text;
    stele__str_init(&text);
    stele_status status = stele__spec_resolve(spec, &text);
    if (status == STELE_OK) {
        status = text.failed
                     ? STELE_E_NOMEM
                     : stele__spec_doc_parse(text.data, text.len, "resolved spec", NULL, ret, diag);
    }
    stele__str_finish(&text);
    return status;
}

static const uint64_t hash_start = UINT64_C(14695981039346656037);

/* Of `doc`, which it destroys, if `status` says that there is one. */
static stele_status hash_of(stele_status status, stele__spec_doc *doc, int n_left_out, char ret[17])
{
    if (status == STELE_OK) {
        snprintf(ret, 17, "%016" PRIx64,
                 hash_node(hash_start, stele__spec_doc_root(doc), 0, n_left_out));
    }
    stele__spec_doc_destroy(doc);
    return status;
}

static stele_status digest(const stele__spec *spec, int n_left_out, char ret[17], stele__diag *diag)
{
    stele__spec_doc *doc = NULL;
    stele_status status = resolved_tree(spec, &doc, diag);
    return hash_of(status, doc, n_left_out, ret);
}

stele_status stele__spec_fingerprint(const stele__spec *spec, char ret[17], stele__diag *diag)
{
    return digest(spec, N_LEFT_OUT, ret, diag);
}

stele_status stele__resolved_fingerprint(const char *path, char ret[17], stele__diag *diag)
{
    stele__spec_doc *doc = NULL;
    stele_status status = stele__spec_doc_read(path, &doc, diag);
    return hash_of(status, doc, N_LEFT_OUT, ret);
}

stele_status stele__spec_digest(const stele__spec *spec, char ret[17], stele__diag *diag)
{
    return digest(spec, N_NEVER, ret, diag);
}

stele_status stele__evaluate_digest(const stele__spec *spec, char ret[17], stele__diag *diag)
{
    stele__spec_doc *doc = NULL;
    stele_status status = resolved_tree(spec, &doc, diag);
    if (status == STELE_OK) {
        const stele__node *list = stele__node_find(stele__spec_doc_root(doc), "evaluate");
        snprintf(ret, 17, "%016" PRIx64,
                 list != NULL ? hash_node(hash_start, list, 0, N_NEVER) : hash_start);
    }
    stele__spec_doc_destroy(doc);
    return status;
}

/* More would not be read. */
enum { MOST_DIFFERENCES = 3 };

typedef struct differences {
    stele__str text;
    int n;
} differences;

/* One of the two may be NULL: the key is not there. */
static void add_difference(const stele__node *before, const stele__node *now, differences *d)
{
    if (++d->n > MOST_DIFFERENCES) {
        return;
    }
    stele__str_append(&d->text, d->n > 1 ? ", " : "");
    stele__str path;
    stele__str_init(&path);
    stele__node_path(now != NULL ? now : before, &path);
    stele__str_append(&d->text, path.data != NULL ? path.data : "");
    stele__str_finish(&path);
    if (now == NULL || before == NULL) {
        stele__str_append(&d->text, now == NULL ? " is gone" : " is new");
        return;
    }
    stele__str_append(&d->text, " is ");
    stele__node_describe(now, &d->text);
    stele__str_append(&d->text, " instead of ");
    stele__node_describe(before, &d->text);
}

static void compare(const stele__node *before, const stele__node *now, int depth, differences *d)
{
    if (depth > 0 && is_left_out(now, N_LEFT_OUT)) {
        return;
    }
    int scalars = before->kind == STELE__SCALAR && now->kind == STELE__SCALAR;
    int lists = before->kind == STELE__SEQUENCE && now->kind == STELE__SEQUENCE;
    if (before->kind != now->kind || (scalars && strcmp(before->text, now->text) != 0) ||
        (lists && before->n != now->n)) {
        add_difference(before, now, d);
        return;
    }
    for (size_t i = 0; i < now->n; i++) {
        const stele__node *old =
            lists ? before->child[i] : stele__node_find(before, now->child[i]->key);
        if (old != NULL) {
            compare(old, now->child[i], depth + 1, d);
        } else {
            add_difference(NULL, now->child[i], d);
        }
    }
    for (size_t i = 0; i < before->n && !lists; i++) {
        if (stele__node_find(now, before->child[i]->key) == NULL) {
            add_difference(before->child[i], NULL, d);
        }
    }
}

uint64_t stele__digest_mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * UINT64_C(1099511628211);
    return h ^ h >> 32;
}

void stele__parameters_digest(stele__params *params, uint64_t h, char ret[17])
{
    for (uint32_t i = 0; i < stele__params_count(params); i++) {
        const stele__param *p = stele__params_entry(params, i);
        const float *values = p->values;
        h = stele__digest_mix(h, stele__noise_hash(p->name));
        for (int64_t k = 0; k < p->n; k++) {
            uint32_t word;
            memcpy(&word, &values[k], sizeof word);
            h = stele__digest_mix(h, word);
        }
    }
    snprintf(ret, 17, "%016" PRIx64, h);
}

stele_status stele__folder_refuse(const char *dir, const stele__spec *spec, stele__diag *diag)
{
    stele__spec_doc *before = NULL, *now = NULL;
    differences d = { .n = 0 };
    stele__str_init(&d.text);
    char *path = stele__folder_path(dir, "resolved.yaml");
    stele_status status = path != NULL ? stele__spec_doc_read(path, &before, diag) : STELE_E_NOMEM;
    if (status == STELE_OK) {
        status = resolved_tree(spec, &now, diag);
    }
    if (status == STELE_OK) {
        compare(stele__spec_doc_root(before), stele__spec_doc_root(now), 0, &d);
        status =
            stele__diag_error(diag, STELE_E_DATA, NULL, "%s: holds a run of another spec", dir);
        stele__diag_hint(diag,
                         "%s%s; resume with what %s says, or choose another folder with --run",
                         d.text.data != NULL ? d.text.data : "its plugins have other options",
                         d.n > MOST_DIFFERENCES ? ", ..." : "", path);
    }
    stele__spec_doc_destroy(before);
    stele__spec_doc_destroy(now);
    stele__str_finish(&d.text);
    stele__free(path);
    return status;
}
