/* lsa.h - latent semantic analysis (Deerwester et al., JASIS 1990): the directions in which the
 * texts of a corpus differ most, as bags of tokens.
 *
 * The largest right singular vectors of a sparse matrix less the means of its columns, by subspace
 * iteration from a random start that is always the same (Halko, Martinsson and Tropp, SIAM Review
 * 2011). Rows of texts are passed through one by one, so that no dense matrix has as many. */
#ifndef TEXT_LSA_H
#define TEXT_LSA_H

#include <stdint.h>

typedef struct lsa_matrix {
    int64_t n_rows, n_columns;
    int64_t *begin;  /* (n_rows + 1) */
    int32_t *column; /* (begin[n_rows]) of each row in any order; the same one twice adds up */
    double *value;   /* (begin[n_rows]) */
} lsa_matrix;

enum { LSA_MOST = 512 }; /* components: what follows from them is dense */

/* At most k vectors as the columns of ret_vector (n_columns, k) and their singular values (k),
 * largest first: how many, fewer where the matrix has a lower rank. What is left over is 0. -1
 * without memory. */
int64_t lsa_decompose(const lsa_matrix *x, int64_t k, double *ret_vector, double *ret_value);

#endif
