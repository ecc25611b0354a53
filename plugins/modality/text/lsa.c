#include "lsa.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Vectors that are iterated beyond those asked for, and iterations: the last vectors come slowly,
 * as their values lie close together, and matter little for the same reason. */
enum { BEYOND = 10, ITERATIONS = 12, SWEEPS = 30 };

typedef struct space {
    const lsa_matrix *x;
    int64_t k;
    double *basis, *next;  /* (n_columns, k) */
    double *mean;          /* (n_columns) of the matrix */
    double *gram, *vector; /* (k, k) */
    double *row, *offset;  /* (k) */
} space;

static void space_finish(space *s)
{
    free(s->basis);
    free(s->next);
    free(s->mean);
    free(s->gram);
    free(s->vector);
    free(s->row);
    free(s->offset);
}

static int space_init(space *s, const lsa_matrix *x, int64_t k)
{
    const size_t n = (size_t)x->n_columns, m = (size_t)k;
    *s = (space){ .x = x, .k = k };
    s->basis = malloc(n * m * sizeof *s->basis);
    s->next = malloc(n * m * sizeof *s->next);
    s->mean = calloc(n, sizeof *s->mean);
    s->gram = malloc(m * m * sizeof *s->gram);
    s->vector = malloc(m * m * sizeof *s->vector);
    s->row = malloc(m * sizeof *s->row);
    s->offset = malloc(m * sizeof *s->offset);
    if (s->basis == NULL || s->next == NULL || s->mean == NULL || s->gram == NULL ||
        s->vector == NULL || s->row == NULL || s->offset == NULL) {
        return -1;
    }
    for (int64_t i = 0; i < x->begin[x->n_rows]; i++) {
        s->mean[x->column[i]] += x->value[i] / (double)x->n_rows;
    }
    return 0;
}

/* Within -1 .. 1, by splitmix64 (Steele, Lea and Flood 2014). */
static void start(space *s)
{
    uint64_t state = 1;
    for (int64_t i = 0; i < s->x->n_columns * s->k; i++) {
        uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        s->basis[i] = (double)(int64_t)(z ^ z >> 31) * 0x1p-63;
    }
}

/* to += factor * from, k numbers. */
static void add(int64_t k, double factor, const double *from, double *to)
{
    for (int64_t j = 0; j < k; j++) {
        to[j] += factor * from[j];
    }
}

/* Row r of the matrix less its mean, times the basis, into s->row. */
static void project(space *s, int64_t r)
{
    const lsa_matrix *x = s->x;
    for (int64_t j = 0; j < s->k; j++) {
        s->row[j] = -s->offset[j];
    }
    for (int64_t i = x->begin[r]; i < x->begin[r + 1]; i++) {
        add(s->k, x->value[i], s->basis + x->column[i] * s->k, s->row);
    }
}

static void set_offset(space *s)
{
    memset(s->offset, 0, (size_t)s->k * sizeof *s->offset);
    for (int64_t c = 0; c < s->x->n_columns; c++) {
        add(s->k, s->mean[c], s->basis + c * s->k, s->offset);
    }
}

/* next = X' X basis for X less its means. Projections add up to 0 over the rows, so that the means
 * need no second subtraction. */
static void multiply(space *s)
{
    const lsa_matrix *x = s->x;
    memset(s->next, 0, (size_t)(x->n_columns * s->k) * sizeof *s->next);
    set_offset(s);
    for (int64_t r = 0; r < x->n_rows; r++) {
        project(s, r);
        for (int64_t i = x->begin[r]; i < x->begin[r + 1]; i++) {
            add(s->k, x->value[i], s->row, s->next + x->column[i] * s->k);
        }
    }
    double *swap = s->basis;
    s->basis = s->next;
    s->next = swap;
}

/* gram += v v', its lower half. */
static void add_square(space *s, const double *v)
{
    for (int64_t i = 0; i < s->k; i++) {
        add(i + 1, v[i], v, s->gram + i * s->k);
    }
}

/* The basis made orthonormal by the Cholesky factor of its products. A vector that lies among those
 * before it becomes 0 and stays it. */
static void orthonormalise(space *s)
{
    const int64_t k = s->k;
    double *l = s->gram;
    memset(l, 0, (size_t)(k * k) * sizeof *l);
    for (int64_t c = 0; c < s->x->n_columns; c++) {
        add_square(s, s->basis + c * k);
    }
    for (int64_t i = 0; i < k; i++) {
        const double before = l[i * k + i];
        for (int64_t j = 0; j <= i; j++) {
            double sum = l[i * k + j];
            for (int64_t m = 0; m < j; m++) {
                sum -= l[i * k + m] * l[j * k + m];
            }
            const double pivot = l[j * k + j];
            l[i * k + j] = j < i ? (pivot > 0.0 ? sum / pivot : 0.0)
                                 : (sum > 1e-12 * before ? sqrt(sum) : 0.0);
        }
    }
    for (int64_t c = 0; c < s->x->n_columns; c++) {
        double *v = s->basis + c * k;
        for (int64_t i = 0; i < k; i++) {
            for (int64_t m = 0; m < i; m++) {
                v[i] -= l[i * k + m] * v[m];
            }
            v[i] = l[i * k + i] > 0.0 ? v[i] / l[i * k + i] : 0.0;
        }
    }
}

/* --- eigenvectors of a small symmetric matrix --------------------------------------------------
 */

/* Columns p and q of a (k, k) turned. */
static void turn_columns(int64_t k, double *a, int64_t p, int64_t q, double c, double s)
{
    for (int64_t i = 0; i < k; i++) {
        const double x = a[i * k + p], y = a[i * k + q];
        a[i * k + p] = c * x - s * y;
        a[i * k + q] = s * x + c * y;
    }
}

static void turn_rows(int64_t k, double *a, int64_t p, int64_t q, double c, double s)
{
    for (int64_t i = 0; i < k; i++) {
        const double x = a[p * k + i], y = a[q * k + i];
        a[p * k + i] = c * x - s * y;
        a[q * k + i] = s * x + c * y;
    }
}

/* Jacobi's rotations: a (k, k) becomes diagonal, the columns of v its eigenvectors. */
static void diagonalise(int64_t k, double *a, double *v)
{
    int turned = 1;
    for (int64_t i = 0; i < k * k; i++) {
        v[i] = i % (k + 1) == 0 ? 1.0 : 0.0;
    }
    for (int sweep = 0; turned && sweep < SWEEPS; sweep++) {
        turned = 0;
        for (int64_t p = 0; p < k; p++) {
            for (int64_t q = p + 1; q < k; q++) {
                const double off = a[p * k + q], scale = fabs(a[p * k + p]) + fabs(a[q * k + q]);
                if (fabs(off) <= 1e-14 * scale) {
                    continue;
                }
                const double angle = 0.5 * atan2(2.0 * off, a[q * k + q] - a[p * k + p]);
                turn_columns(k, a, p, q, cos(angle), sin(angle));
                turn_rows(k, a, p, q, cos(angle), sin(angle));
                turn_columns(k, v, p, q, cos(angle), sin(angle));
                turned = 1;
            }
        }
    }
}

/* Variances of the rows along all directions of the basis, diagonalised. */
static void find_axes(space *s)
{
    const int64_t k = s->k;
    memset(s->gram, 0, (size_t)(k * k) * sizeof *s->gram);
    set_offset(s);
    for (int64_t r = 0; r < s->x->n_rows; r++) {
        project(s, r);
        add_square(s, s->row);
    }
    for (int64_t i = 0; i < k; i++) {
        for (int64_t j = i + 1; j < k; j++) {
            s->gram[i * k + j] = s->gram[j * k + i];
        }
    }
    diagonalise(k, s->gram, s->vector);
}

/* The largest value that is not taken; taken ones are below 0. */
static int64_t largest(const space *s)
{
    int64_t best = 0;
    for (int64_t i = 1; i < s->k; i++) {
        best = s->gram[i * (s->k + 1)] > s->gram[best * (s->k + 1)] ? i : best;
    }
    return best;
}

static int64_t take_axes(space *s, int64_t k, double *ret_vector, double *ret_value)
{
    const int64_t n = s->x->n_columns, first = largest(s);
    const double least = 1e-12 * s->gram[first * (s->k + 1)];
    int64_t found = 0;
    memset(ret_vector, 0, (size_t)(n * k) * sizeof *ret_vector);
    memset(ret_value, 0, (size_t)k * sizeof *ret_value);
    for (; found < k && found < s->k; found++) {
        const int64_t at = largest(s);
        const double square = s->gram[at * (s->k + 1)];
        if (!(square > least)) {
            break;
        }
        ret_value[found] = sqrt(square);
        for (int64_t c = 0; c < n; c++) {
            for (int64_t j = 0; j < s->k; j++) {
                ret_vector[c * k + found] += s->basis[c * s->k + j] * s->vector[j * s->k + at];
            }
        }
        s->gram[at * (s->k + 1)] = -1.0;
    }
    return found;
}

int64_t lsa_decompose(const lsa_matrix *x, int64_t k, double *ret_vector, double *ret_value)
{
    const int64_t rank = x->n_rows < x->n_columns ? x->n_rows : x->n_columns;
    const int64_t size = k + BEYOND < rank ? k + BEYOND : rank;
    space s;
    int64_t found = space_init(&s, x, size) == 0 ? 0 : -1;
    if (found == 0) {
        start(&s);
        orthonormalise(&s);
        for (int i = 0; i < ITERATIONS; i++) {
            multiply(&s);
            orthonormalise(&s);
        }
        find_axes(&s);
        found = take_axes(&s, k, ret_vector, ret_value);
    }
    space_finish(&s);
    return found;
}
