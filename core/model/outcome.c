/* What calls into plugins have come to: from the plugin's words to the graph's error, and from
 * there to a message at the right place. */
#include "graph/op.h"
#include "model/infer.h"

#include <stdio.h>

stele_status stele__graph_outcome(stele_graph *g, stele_status status)
{
    if (status != STELE_OK && stele__graph_status(g) == STELE_OK) {
        /* A plugin may fail without a failed operation; the pass must not go on as if it had
         * nothing to do. */
        stele__op_fail(g, status, "%s", stele__status_text(status));
    }
    return stele__graph_status(g);
}

stele_status stele__said_outcome(stele_graph *g, const char *slot, stele_status status,
                                 const stele__said *said)
{
    if (status == STELE_OK) {
        return stele__graph_status(g);
    }
    /* An operation that failed first is nearer to the cause than what the plugin made of it. */
    int by_operation = stele__graph_status(g) != STELE_OK;
    if (said->code == STELE_OK) {
        stele__op_fail(g, status, "%s failed: %s", slot, stele__status_text(status));
    } else if (by_operation) {
        stele__op_hint(g, "in %s, said by %s: %s", slot, said->where, said->text);
    } else {
        stele__op_fail(g, status, "%s", said->text);
        stele__op_hint(g, "in %s, said by %s", slot, said->where);
    }
    return stele__graph_status(g);
}

stele_status stele__part_outcome(const stele__part *part, stele_graph *g, const char *slot,
                                 stele_status status)
{
    stele__said said;
    stele__guest_end(part->guest, slot, status, &said);
    return stele__said_outcome(g, slot, status, &said);
}

static const stele__part *part_of(const stele__model *m, const stele__scope *scope)
{
    for (uint32_t i = 0; i < m->n_modalities; i++) {
        if (scope == &m->modality[i].part.scope) {
            return &m->modality[i].part;
        }
    }
    for (uint32_t i = 0; i < m->n_heads; i++) {
        if (scope == &m->head[i].part.scope) {
            return &m->head[i].part;
        }
    }
    return scope == &m->fusion.scope ? &m->fusion : NULL;
}

stele_status stele__graph_report(const stele__model *m, const stele_graph *g, const char *when,
                                 stele__diag *diag)
{
    stele_status status = stele__graph_status(g);
    const stele__scope *scope = stele__graph_error_scope(g);
    const stele__part *part = part_of(m, scope);
    const char *error = stele__graph_error(g), *hint = stele__graph_hint(g);
    stele__said said;
    if (part == NULL) {
        return stele__diag_error(diag, status, NULL, "%s%s%s%s", scope != NULL ? scope->name : "",
                                 scope != NULL ? ": " : "", error, when);
    }
    /* A derivative that failed has ended no call: its words still wait. */
    stele__guest_end(part->guest, "backward", status, &said);
    char beside[sizeof said.text + sizeof said.where + 64];
    if (said.code != STELE_OK && hint[0] == '\0') {
        snprintf(beside, sizeof beside, "in backward, said by %s: %s", said.where, said.text);
        hint = beside;
    }
    return stele__guest_report(part->guest, status, error, when, hint, diag);
}
