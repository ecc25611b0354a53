/* What calls into plugins have come to: from the plugin's words to the graph's error, and from
 * there to a message at the right place. */
#include "graph/op.h"
#include "model/infer.h"

#include <stdio.h>
#include <string.h>

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

/* The tensor `what` of a slot's output has to be dense, of the graph's dtype, (rows, extent). */
static stele_status check_tensor(stele_graph *g, const char *slot, const char *what,
                                 const stele_tensor *t, int64_t rows, int64_t extent)
{
    stele_shape want = STELE__SHAPE(rows, extent);
    char is[STELE__SHAPE_TEXT], wanted[STELE__SHAPE_TEXT];
    if (t == NULL) {
        stele__op_fail(g, STELE_E_INTERNAL, "%s: left %s NULL", slot, what);
    } else if (t->graph != g) {
        stele__op_fail(g, STELE_E_INTERNAL, "%s: %s is a tensor of another graph", slot, what);
    } else if (stele__op_real(g, slot, what, t) && !stele__shape_equal(&t->shape, &want)) {
        stele__op_fail(g, STELE_E_SHAPE, "%s: %s is %s, expected %s", slot, what,
                       stele__shape_text(&t->shape, is), stele__shape_text(&want, wanted));
    }
    return stele__graph_status(g);
}

stele_status stele__dist_check(stele_graph *g, const char *slot, const char *what,
                               const stele_dist *q, int64_t rows, int64_t extent)
{
    char name[64];
    if (q->family != STELE_NORMAL && q->family != STELE_LAPLACE) {
        stele__op_fail(g, STELE_E_INTERNAL, "%s: left %s unfilled: its family is %u", slot, what,
                       q->family);
        stele__op_hint(g, "set family to STELE_NORMAL or STELE_LAPLACE, n to 2, p[0] and p[1]");
    } else if (q->n != 2) {
        stele__op_fail(g, STELE_E_INTERNAL, "%s: %s has n = %u, but its family has two tensors",
                       slot, what, q->n);
    }
    for (int k = 0; k < 2 && stele__graph_status(g) == STELE_OK; k++) {
        snprintf(name, sizeof name, "%s.p[%d]", what, k);
        (void)!check_tensor(g, slot, name, q->p[k], rows, extent);
    }
    return stele__graph_status(g);
}

stele_status stele__joint_check(stele_graph *g, const stele_joint *j, int64_t rows, int64_t extent)
{
    char name[64];
    if (j->n < 1 || j->n > j->capacity) {
        stele__op_fail(g, STELE_E_INTERNAL, "fuse: gave %u components, promised 1 to %u", j->n,
                       j->capacity);
        return STELE_E_INTERNAL;
    }
    for (int64_t r = 0; j->row_subset != NULL && r < rows; r++) {
        if (j->n > 1 || (j->row_subset[r] & ~j->subset[0]) != 0) {
            stele__op_fail(g, STELE_E_INTERNAL,
                           "fuse: row_subset is for one component, and bits among its subset");
            return STELE_E_INTERNAL;
        }
    }
    stele_status status = STELE_OK;
    for (uint32_t c = 0; c < j->n && status == STELE_OK; c++) {
        snprintf(name, sizeof name, "component[%u]", c);
        status = stele__dist_check(g, "fuse", name, &j->component[c], rows, extent);
    }
    if (status == STELE_OK && (j->n > 1 || j->log_weight != NULL)) {
        status = check_tensor(g, "fuse", "log_weight", j->log_weight, rows, j->n);
    }
    return status;
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

stele_status stele__metrics_check(const stele__part *part, const char *slot,
                                  const stele_metric *metric, uint32_t n, uint32_t capacity,
                                  stele__diag *diag)
{
    char text[160], hint[64];
    snprintf(hint, sizeof hint, "in %s", slot);
    if (n > capacity) {
        snprintf(text, sizeof text, "gives %u metrics, there is room for %u", n, capacity);
        return stele__guest_report(part->guest, STELE_E_INTERNAL, text, "", hint, diag);
    }
    for (uint32_t i = 0; i < n; i++) {
        const char *name = metric[i].name;
        size_t size = sizeof metric[i].name, len = 0;
        while (len < size && name[len] != '\0' &&
               strchr("abcdefghijklmnopqrstuvwxyz0123456789_", name[len]) != NULL) {
            len++;
        }
        if (len == 0 || len == size || name[len] != '\0') {
            snprintf(text, sizeof text, "metric %u is called `%.32s`: names consist of [a-z0-9_]",
                     i, name);
            return stele__guest_report(part->guest, STELE_E_INTERNAL, text, "", hint, diag);
        }
    }
    return STELE_OK;
}
