#include "eval/logistic_fit.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

enum { MEMORY = 10, ITERATIONS = 500, HALVINGS = 40 };

typedef struct problem {
    const float *x;
    const int32_t *label;
    size_t n, n_columns, n_classes, size; /* size: of w */
    double *eta;                          /* (n_classes) */
} problem;

/* Differences of the last steps and derivatives, newest last, and what a step needs. */
typedef struct memory {
    double *s[MEMORY], *y[MEMORY], rho[MEMORY];
    int n;
    double *w, *slope, *next, *next_slope, *direction;
} memory;

static double linear(const double *w, const float *x, size_t n_columns)
{
    double sum = w[n_columns];
    for (size_t j = 0; j < n_columns; j++) {
        sum += w[j] * (double)x[j];
    }
    return sum;
}

/* Value and derivatives. */
static double evaluate(const problem *p, const double *w, double *ret_slope)
{
    const size_t width = p->n_columns + 1;
    double value = 0.0;
    for (size_t i = 0; i < p->size; i++) {
        int intercept = i % width == p->n_columns;
        ret_slope[i] = intercept ? 0.0 : w[i];
        value += intercept ? 0.0 : 0.5 * w[i] * w[i];
    }
    for (size_t r = 0; r < p->n; r++) {
        const float *x = p->x + r * p->n_columns;
        double most = -HUGE_VAL, sum = 0.0;
        for (size_t k = 0; k < p->n_classes; k++) {
            p->eta[k] = linear(w + k * width, x, p->n_columns);
            most = fmax(most, p->eta[k]);
        }
        for (size_t k = 0; k < p->n_classes; k++) {
            sum += exp(p->eta[k] - most);
        }
        value += most + log(sum) - p->eta[p->label[r]];
        for (size_t k = 0; k < p->n_classes; k++) {
            double d = exp(p->eta[k] - most) / sum - (p->label[r] == (int32_t)k);
            double *slope = ret_slope + k * width;
            for (size_t j = 0; j < p->n_columns; j++) {
                slope[j] += d * (double)x[j];
            }
            slope[p->n_columns] += d;
        }
    }
    return value;
}

static double dot(size_t n, const double *a, const double *b)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

static void add(size_t n, double factor, const double *a, double *to)
{
    for (size_t i = 0; i < n; i++) {
        to[i] += factor * a[i];
    }
}

/* Minus the inverse Hessian's estimate times the slope, by the two loops. */
static void find_direction(const problem *p, memory *m)
{
    double alpha[MEMORY], *d = m->direction;
    memcpy(d, m->slope, p->size * sizeof *d);
    for (int i = m->n - 1; i >= 0; i--) {
        alpha[i] = m->rho[i] * dot(p->size, m->s[i], d);
        add(p->size, -alpha[i], m->y[i], d);
    }
    double scale = m->n > 0
                       ? 1.0 / (m->rho[m->n - 1] * dot(p->size, m->y[m->n - 1], m->y[m->n - 1]))
                       : 1.0 / (double)(p->n + 1);
    for (size_t i = 0; i < p->size; i++) {
        d[i] *= scale;
    }
    for (int i = 0; i < m->n; i++) {
        add(p->size, alpha[i] - m->rho[i] * dot(p->size, m->y[i], d), m->s[i], d);
    }
    for (size_t i = 0; i < p->size; i++) {
        d[i] = -d[i];
    }
}

/* Forget the oldest if there is no room, keep the newest pair. */
static void remember(const problem *p, memory *m)
{
    if (m->n == MEMORY) {
        double *s = m->s[0], *y = m->y[0];
        memmove(m->s, m->s + 1, (MEMORY - 1) * sizeof(double *));
        memmove(m->y, m->y + 1, (MEMORY - 1) * sizeof(double *));
        memmove(m->rho, m->rho + 1, (MEMORY - 1) * sizeof(double));
        m->s[MEMORY - 1] = s;
        m->y[MEMORY - 1] = y;
        m->n--;
    }
    for (size_t i = 0; i < p->size; i++) {
        m->s[m->n][i] = m->next[i] - m->w[i];
        m->y[m->n][i] = m->next_slope[i] - m->slope[i];
    }
    double curvature = dot(p->size, m->s[m->n], m->y[m->n]);
    if (curvature > 0.0) {
        m->rho[m->n++] = 1.0 / curvature;
    }
}

/* Halve the step until the value falls as it should (Armijo). 0: it does not. */
static int search(const problem *p, memory *m, double *value)
{
    double step = 1.0, expected = dot(p->size, m->slope, m->direction);
    for (int i = 0; i < HALVINGS; i++, step *= 0.5) {
        memcpy(m->next, m->w, p->size * sizeof *m->next);
        add(p->size, step, m->direction, m->next);
        double now = evaluate(p, m->next, m->next_slope);
        if (now <= *value + 1e-4 * step * expected) {
            *value = now;
            return 1;
        }
    }
    return 0;
}

static void minimise(const problem *p, memory *m)
{
    double value = evaluate(p, m->w, m->slope);
    for (int i = 0; i < ITERATIONS; i++) {
        double largest = 0.0;
        for (size_t k = 0; k < p->size; k++) {
            largest = fmax(largest, fabs(m->slope[k]));
        }
        if (largest <= 1e-6 * (double)p->n) {
            return;
        }
        find_direction(p, m);
        if (!search(p, m, &value)) {
            return;
        }
        remember(p, m);
        memcpy(m->w, m->next, p->size * sizeof *m->w);
        memcpy(m->slope, m->next_slope, p->size * sizeof *m->slope);
    }
}

stele_status stele__logistic_fit(const float *x, const int32_t *label, size_t n, size_t n_columns,
                                 size_t n_classes, double *ret_w)
{
    enum { VECTORS = 2 * MEMORY + 4 };
    problem p = { .x = x, .label = label, .n = n, .n_columns = n_columns, .n_classes = n_classes };
    memory m = { .w = ret_w };
    p.size = n_classes * (n_columns + 1);
    double *room = stele__calloc(VECTORS * p.size + n_classes, sizeof *room);
    if (room == NULL) {
        return STELE_E_NOMEM;
    }
    for (size_t i = 0; i < MEMORY; i++) {
        m.s[i] = room + 2 * i * p.size;
        m.y[i] = m.s[i] + p.size;
    }
    m.slope = room + 2 * MEMORY * p.size;
    m.next = m.slope + p.size;
    m.next_slope = m.next + p.size;
    m.direction = m.next_slope + p.size;
    p.eta = m.direction + p.size;
    memset(ret_w, 0, p.size * sizeof *ret_w);
    minimise(&p, &m);
    stele__free(room);
    return STELE_OK;
}

int32_t stele__logistic_class(const double *w, const float *x, size_t n_columns, size_t n_classes)
{
    double most = -HUGE_VAL;
    int32_t best = 0;
    for (size_t k = 0; k < n_classes; k++) {
        double eta = linear(w + k * (n_columns + 1), x, n_columns);
        if (eta > most) {
            most = eta;
            best = (int32_t)k;
        }
    }
    return best;
}
