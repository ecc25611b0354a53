/* A tree as YAML text, through libyaml's emitter. */
#include "spec/node_private.h"
#include "spec/scalar.h"

#include <yaml.h>

static int append(void *data, unsigned char *bytes, size_t n)
{
    stele__str *out = data;
    stele__str_append_n(out, (const char *)bytes, n);
    return !out->failed;
}

static yaml_char_t *chars(const char *text)
{
    /* libyaml's interface is not const-correct; it copies the text. */
    union {
        const char *in;
        yaml_char_t *out;
    } u = { .in = text };
    return u.out;
}

static int emit_scalar(yaml_emitter_t *emitter, const char *text, int is_string)
{
    yaml_event_t event;
    int quote = is_string && stele__scalar_looks_special(text);
    return yaml_scalar_event_initialize(&event, NULL, NULL, chars(text), -1, !quote, 1,
                                        quote ? YAML_DOUBLE_QUOTED_SCALAR_STYLE
                                              : YAML_ANY_SCALAR_STYLE) &&
           yaml_emitter_emit(emitter, &event);
}

static int holds_scalars_only(const stele__node *node)
{
    for (size_t i = 0; i < node->n; i++) {
        if (node->child[i]->kind != STELE__SCALAR) {
            return 0;
        }
    }
    return 1;
}

static int emit(yaml_emitter_t *emitter, const stele__node *node)
{
    yaml_event_t event;
    int ok;
    if (node->kind == STELE__SCALAR) {
        /* An empty plain scalar is null; written out it cannot be overlooked. */
        int is_null = !node->quoted && node->text[0] == '\0';
        return emit_scalar(emitter, is_null ? "null" : node->text, node->quoted);
    }
    if (node->kind == STELE__MAPPING) {
        ok = yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE) &&
             yaml_emitter_emit(emitter, &event);
    } else {
        ok = yaml_sequence_start_event_initialize(
                 &event, NULL, NULL, 1,
                 holds_scalars_only(node) ? YAML_FLOW_SEQUENCE_STYLE : YAML_BLOCK_SEQUENCE_STYLE) &&
             yaml_emitter_emit(emitter, &event);
    }
    for (size_t i = 0; ok && i < node->n; i++) {
        ok = (node->kind != STELE__MAPPING || emit_scalar(emitter, node->child[i]->key, 1)) &&
             emit(emitter, node->child[i]);
    }
    return ok &&
           (node->kind == STELE__MAPPING ? yaml_mapping_end_event_initialize(&event)
                                         : yaml_sequence_end_event_initialize(&event)) &&
           yaml_emitter_emit(emitter, &event);
}

stele_status stele__node_write(const stele__node *root, stele__str *out)
{
    yaml_emitter_t emitter;
    yaml_event_t event;
    if (!yaml_emitter_initialize(&emitter)) {
        return STELE_E_NOMEM;
    }
    yaml_emitter_set_output(&emitter, append, out);
    yaml_emitter_set_unicode(&emitter, 1);
    yaml_emitter_set_width(&emitter, 100);
    int ok = yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING) &&
             yaml_emitter_emit(&emitter, &event) &&
             yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1) &&
             yaml_emitter_emit(&emitter, &event) && emit(&emitter, root) &&
             yaml_document_end_event_initialize(&event, 1) && yaml_emitter_emit(&emitter, &event) &&
             yaml_stream_end_event_initialize(&event) && yaml_emitter_emit(&emitter, &event);
    yaml_emitter_delete(&emitter);
    return ok ? STELE_OK : STELE_E_NOMEM;
}
