/* Any text as a spec: no crash, no leak. What was understood can be written and read back, as a
 * tree and, for a spec without errors, as a resolved spec. */
#include "fuzz.h"

#include "base/mem.h"
#include "spec/spec.h"

#include <stdlib.h>
#include <string.h>

/* Quotes may differ: `a: ...` needs them when it is written. */
static int same(const stele__node *a, const stele__node *b)
{
    if (stele__node_is_null(a) || stele__node_is_null(b)) {
        return stele__node_is_null(a) && stele__node_is_null(b);
    }
    int equal = a->kind == b->kind && a->n == b->n;
    if (equal && a->kind == STELE__SCALAR) {
        return strcmp(a->text, b->text) == 0;
    }
    for (size_t i = 0; equal && i < a->n; i++) {
        equal = (a->kind != STELE__MAPPING || strcmp(a->child[i]->key, b->child[i]->key) == 0) &&
                same(a->child[i], b->child[i]);
    }
    return equal;
}

/* What is written of a tree has to be read as the same tree, unless aliases made it too long. */
static void round_trip(const stele__spec_doc *doc)
{
    stele__str text;
    stele__diag diag;
    stele__spec_doc *again = NULL;
    stele__str_init(&text);
    stele__diag_init(&diag);
    if (stele__node_write(stele__spec_doc_root(doc), &text) == STELE_OK &&
        text.len <= STELE__SPEC_BYTES) {
        FUZZ_CHECK(stele__spec_doc_parse(text.data, text.len, "again.yaml", NULL, &again, &diag) ==
                   STELE_OK);
        FUZZ_CHECK(same(stele__spec_doc_root(doc), stele__spec_doc_root(again)));
    }
    stele__spec_doc_destroy(again);
    stele__diag_finish(&diag);
    stele__str_finish(&text);
}

typedef struct options {
    int64_t i;
    double f;
    const char *s;
    stele_i64_list hidden;
    stele_str_list names;
    int32_t flag;
} options;
static const stele_option ROWS[] = {
    STELE_OPTION_I64(options, i, "i", 1, 0, 100, "Integer."),
    STELE_OPTION_F64(options, f, "encoder.f", 0.5, 0, 0, "Number."),
    STELE_OPTION_STR(options, s, "s", NULL, 0, "Text."),
    STELE_OPTION_I64_LIST(options, hidden, "encoder.hidden", "[128]", 1, 4096, "Integers."),
    STELE_OPTION_STR_LIST(options, names, "decoder.names", "[]", "Texts."),
    STELE_OPTION_BOOL(options, flag, "flag", 0, "Flag."),
};

static void apply(stele__instance *instance, size_t n, stele__diag *diag)
{
    static const stele__table table = STELE__TABLE(ROWS);
    for (size_t i = 0; i < n; i++) {
        (void)!stele__instance_apply(&instance[i], &table, sizeof(options), "fuzz", diag);
    }
}

/* NULL if the text is no good spec, else its resolved form. */
static char *resolve(const char *text, size_t size)
{
    stele__spec_doc *doc = NULL;
    stele__spec *spec = NULL;
    stele__diag diag;
    stele__str out;
    char *resolved = NULL;
    stele__diag_init(&diag);
    stele__str_init(&out);
    stele_status status = stele__spec_doc_parse(text, size, "input.yaml", NULL, &doc, &diag);
    FUZZ_CHECK(status == STELE_OK || diag.n_errors != 0);
    if (status == STELE_OK) { /* some keys may have been left out */
        round_trip(doc);
        status = stele__spec_create(doc, &spec, &diag);
    }
    if (status == STELE_OK) {
        apply(spec->source, spec->n_sources, &diag);
        apply(spec->modality, spec->n_modalities, &diag);
        apply(spec->head, spec->n_heads, &diag);
        apply(spec->evaluate, spec->n_evaluate, &diag);
        apply(&spec->fusion, spec->fusion.node != NULL ? 1 : 0, &diag);
        status = stele__spec_finish(spec, &diag);
    }
    if (status == STELE_OK && stele__spec_resolve(spec, &out) == STELE_OK) {
        resolved = stele__str_take(&out);
    }
    /* Never refused without a word, never accepted with an error. */
    FUZZ_CHECK((status == STELE_OK) == (diag.n_errors == 0));
    stele__str_finish(&out);
    stele__spec_destroy(spec);
    stele__diag_finish(&diag);
    return resolved;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > STELE__SPEC_BYTES) {
        return 0;
    }
    char *first = resolve((const char *)data, size);
    if (first != NULL) {
        char *second = resolve(first, strlen(first));
        FUZZ_CHECK(second != NULL && strcmp(first, second) == 0);
        stele__free(second);
    }
    stele__free(first);
    return 0;
}
