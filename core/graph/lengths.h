/* lengths.h - how many positions of each row of a sequence are there. */
#ifndef STELE_GRAPH_LENGTHS_H
#define STELE_GRAPH_LENGTHS_H

#include "graph/op.h"

/* 1 if lengths is NULL or has shape (rows), I64, and values within [0, most]; else fails with a
 * message. */
static inline int stele__lengths_fit(stele_graph *g, const char *op, const stele_tensor *lengths,
                                     int64_t rows, int64_t most)
{
    if (lengths == NULL) {
        return 1;
    }
    if (!stele__op_index(g, op, "lengths", lengths, 0)) {
        return 0;
    }
    if (lengths->shape.ndim != 1 || lengths->n != rows) {
        char text[STELE__SHAPE_TEXT];
        stele__op_fail(g, STELE_E_SHAPE, "%s: lengths is %s, there are %lld rows", op,
                       stele__shape_text(&lengths->shape, text), (long long)rows);
        return 0;
    }
    for (int64_t i = 0; i < rows; i++) {
        const int64_t n = ((const int64_t *)lengths->data)[i];
        if (n < 0 || n > most) {
            stele__op_fail(g, STELE_E_ARG, "%s: length %lld is %lld, there are %lld positions", op,
                           (long long)i, (long long)n, (long long)most);
            return 0;
        }
    }
    return 1;
}

#endif
