/* spec_check.c - the spec's part of `stele check`, without plugins: reads SPEC, prints messages as
 * the program does, and with --resolved the resolved spec. Lets the golden cases of the spec run
 * against the reader alone. Exit codes as in docs/commands.md. */
#include "base/mem.h"
#include "spec/spec.h"

#include <stdio.h>
#include <string.h>

static int show(const stele__diag *diag)
{
    int code = 0;
    for (size_t i = 0; i < diag->n; i++) {
        char *text = NULL;
        if (stele__message_format(&diag->message[i], &text) == STELE_OK) {
            fputs(text, stderr);
            stele__free(text);
        }
        stele_status status = diag->message[i].code;
        int is_file = status == STELE_E_IO || status == STELE_E_DATA;
        code = diag->message[i].severity == STELE__ERROR && code == 0 ? (is_file ? 3 : 2) : code;
    }
    return code;
}

/* Without plugins nobody knows their options: take them as they are. */
static void accept_plugin_keys(stele__spec *spec)
{
    struct {
        stele__instance *instance;
        size_t n;
    } groups[] = { { spec->modality, spec->n_modalities },
                   { spec->head, spec->n_heads },
                   { spec->evaluate, spec->n_evaluate },
                   { &spec->fusion, spec->fusion.node != NULL ? 1 : 0 } };
    for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++) {
        for (size_t i = 0; i < groups[g].n; i++) {
            stele__node_use_all(groups[g].instance[i].node);
        }
    }
}

static stele_status check(stele__spec_doc *doc, int resolved, stele__diag *diag)
{
    static const stele_option path = { .name = "path",
                                       .help = "File to read.",
                                       .type = STELE_OPT_PATH };
    static const stele__table source = { .option = &path, .n = 1, .stride = sizeof path };
    stele__spec *spec = NULL;
    stele_status status = stele__spec_create(doc, &spec, diag);
    if (status != STELE_OK) {
        return status;
    }
    for (size_t i = 0; i < spec->n_sources; i++) {
        status = stele__instance_apply(&spec->source[i], &source, sizeof(char *), "source", diag);
    }
    accept_plugin_keys(spec);
    status = stele__spec_finish(spec, diag);
    if (status == STELE_OK && resolved) {
        stele__str out;
        stele__str_init(&out);
        status = stele__spec_resolve(spec, &out);
        fputs(status == STELE_OK ? out.data : "", stdout);
        stele__str_finish(&out);
    }
    stele__spec_destroy(spec);
    return status;
}

int main(int argc, char **argv)
{
    stele__spec_doc *doc = NULL;
    stele__diag diag;
    int resolved = argc > 3 && strcmp(argv[argc - 1], "--resolved") == 0;
    if (argc < 3 || strcmp(argv[1], "check") != 0) {
        fprintf(stderr, "usage: spec_check check SPEC [--set KEY=VALUE]... [--resolved]\n");
        return 2;
    }
    stele__diag_init(&diag);
    stele_status status = stele__spec_doc_read(argv[2], &doc, &diag);
    for (int i = 3; i + 1 < argc && status == STELE_OK; i += 2) {
        if (strcmp(argv[i], "--set") == 0) {
            status = stele__spec_doc_set(doc, argv[i + 1], &diag);
        }
    }
    if (status == STELE_OK) {
        (void)!check(doc, resolved, &diag);
    } else {
        stele__spec_doc_destroy(doc);
    }
    int exit_code = show(&diag);
    stele__diag_finish(&diag);
    return exit_code;
}
