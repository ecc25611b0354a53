#include "graph/product.h"

#define STELE__BOTH "graph/product.inc"
#include "graph/both.h"

void stele__product(stele_graph *g, int transpose_a, int transpose_b, int64_t m, int64_t n,
                    int64_t k, const void *a, const void *b, int add, void *c)
{
    STELE__PICK(g, product)(transpose_a, transpose_b, m, n, k, a, b, add, c);
}
