/* Any text as a spec: no crash, no leak, and what was understood can be written and read back. */
#include "fuzz.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    stele__spec_doc *doc = NULL;
    stele__spec *spec = NULL;
    stele__diag diag;
    stele__diag_init(&diag);
    stele_status status =
        stele__spec_doc_parse((const char *)data, size, "fuzz.yaml", "/nowhere", &doc, &diag);
    FUZZ_CHECK((status == STELE_OK) == (diag.n_errors == 0));
    if (status == STELE_OK) {
        round_trip(doc);
        if (stele__spec_create(doc, &spec, &diag) == STELE_OK) {
            (void)!stele__spec_finish(spec, &diag);
        }
    }
    stele__spec_destroy(spec);
    stele__diag_finish(&diag);
    return 0;
}
