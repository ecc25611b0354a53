#include "eval/logistic.h"

#include "base/mem.h"
#include "eval/logistic_fit.h"
#include "eval/moments.h"

#include <math.h>
#include <string.h>

/* Rows of one fold, to be told, and of the others, to learn from. */
typedef struct room {
    size_t n_columns, n_classes, n_known, n_asked;
    float *known, *asked; /* (n_known, n_columns), (n_asked, n_columns) */
    int32_t *known_label, *asked_label;
    size_t *asked_row;        /* (n_asked) where they stand in x */
    double *w, *mean, *scale; /* (n_classes, n_columns + 1), (n_columns) */
} room;

static void room_finish(room *m)
{
    stele__free(m->known);
    stele__free(m->asked);
    stele__free(m->known_label);
    stele__free(m->asked_label);
    stele__free(m->asked_row);
    stele__free(m->w);
    stele__free(m->mean);
    stele__free(m->scale);
}

static stele_status room_init(room *m, size_t n, size_t n_columns, size_t n_classes)
{
    *m = (room){ .n_columns = n_columns, .n_classes = n_classes };
    m->known = stele__calloc(n * n_columns + 1, sizeof *m->known);
    m->asked = stele__calloc(n * n_columns + 1, sizeof *m->asked);
    m->known_label = stele__calloc(n + 1, sizeof *m->known_label);
    m->asked_label = stele__calloc(n + 1, sizeof *m->asked_label);
    m->asked_row = stele__calloc(n + 1, sizeof *m->asked_row);
    m->w = stele__calloc(n_classes * (n_columns + 1), sizeof *m->w);
    m->mean = stele__calloc(n_columns, sizeof *m->mean);
    m->scale = stele__calloc(n_columns, sizeof *m->scale);
    return m->known != NULL && m->asked != NULL && m->known_label != NULL &&
                   m->asked_label != NULL && m->asked_row != NULL && m->w != NULL &&
                   m->mean != NULL && m->scale != NULL
               ? STELE_OK
               : STELE_E_NOMEM;
}

static void fill(room *m, const float *x, const int32_t *label, const int32_t *fold,
                 const size_t *row, size_t n, int32_t which)
{
    size_t width = m->n_columns;
    m->n_known = m->n_asked = 0;
    for (size_t i = 0; i < n; i++) {
        int asked = fold[row[i]] == which;
        size_t at = asked ? m->n_asked++ : m->n_known++;
        if (asked) {
            m->asked_row[at] = row[i];
        }
        memcpy((asked ? m->asked : m->known) + at * width, x + row[i] * width, width * sizeof *x);
        (asked ? m->asked_label : m->known_label)[at] = label[row[i]];
    }
}

/* A column that does not vary is left at 0. */
static void standardise(room *m)
{
    for (size_t j = 0; j < m->n_columns; j++) {
        stele__moments c = { 0 };
        for (size_t i = 0; i < m->n_known; i++) {
            stele__moments_add(&c, (double)m->known[i * m->n_columns + j]);
        }
        double sd = m->n_known > 0 ? sqrt(c.squares / c.n) : 0.0;
        m->mean[j] = c.mean;
        m->scale[j] = sd > 0.0 ? 1.0 / sd : 0.0;
    }
    float *part[] = { m->known, m->asked };
    size_t rows[] = { m->n_known, m->n_asked };
    for (int p = 0; p < 2; p++) {
        for (size_t i = 0; i < rows[p] * m->n_columns; i++) {
            size_t j = i % m->n_columns;
            part[p][i] = (float)(((double)part[p][i] - m->mean[j]) * m->scale[j]);
        }
    }
}

static stele_status count_right(room *m, size_t *ret, double *ret_hit)
{
    standardise(m);
    stele_status status =
        stele__logistic_fit(m->known, m->known_label, m->n_known, m->n_columns, m->n_classes, m->w);
    *ret = 0;
    for (size_t i = 0; i < m->n_asked && status == STELE_OK; i++) {
        int hit = stele__logistic_class(m->w, m->asked + i * m->n_columns, m->n_columns,
                                        m->n_classes) == m->asked_label[i];
        *ret += (size_t)hit;
        if (ret_hit != NULL) {
            ret_hit[m->asked_row[i]] = hit;
        }
    }
    return status;
}

static size_t count_classes(const int32_t *label, const size_t *row, size_t n)
{
    int32_t most = -1;
    for (size_t i = 0; i < n; i++) {
        most = label[row[i]] > most ? label[row[i]] : most;
    }
    return (size_t)(most + 1);
}

stele_status stele__logistic_accuracy(const float *x, const int32_t *label, const int32_t *fold,
                                      size_t n, size_t n_columns, int32_t n_folds,
                                      stele__knn_result *ret, double *ret_hit, stele__diag *diag)
{
    room m = { 0 };
    stele__moments accuracy = { 0 };
    size_t *row = stele__malloc((n + 1) * sizeof *row);
    size_t n_rows = row != NULL ? stele__usable_rows(x, label, n, n_columns, row) : 0;
    stele_status status = row != NULL ? STELE_OK : STELE_E_NOMEM;
    if (status == STELE_OK && n_rows == 0) {
        status =
            stele__diag_error(diag, STELE_E_DATA, NULL, "no row has a label and finite values");
    }
    if (status == STELE_OK) {
        status = room_init(&m, n_rows, n_columns, count_classes(label, row, n_rows));
    }
    for (size_t i = 0; ret_hit != NULL && i < n; i++) {
        ret_hit[i] = NAN;
    }
    for (int32_t f = 0; status == STELE_OK && f < n_folds; f++) {
        size_t n_right = 0;
        fill(&m, x, label, fold, row, n_rows, f);
        if (m.n_asked == 0) {
            continue;
        }
        if (m.n_known == 0) {
            status = stele__diag_error(diag, STELE_E_DATA, NULL,
                                       "%d folds need more than %zu labelled rows", (int)n_folds,
                                       n_rows);
            break;
        }
        status = count_right(&m, &n_right, ret_hit);
        stele__moments_add(&accuracy, (double)n_right / (double)m.n_asked);
    }
    if (status == STELE_OK) {
        *ret =
            (stele__knn_result){ accuracy.mean, stele__moments_standard_error(&accuracy), n_rows };
    }
    room_finish(&m);
    stele__free(row);
    return status;
}
