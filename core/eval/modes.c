#include "eval/modes.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

stele_status stele__modes_init(stele__modes *m, int64_t n_rows, int64_t width, int64_t n_classes)
{
    *m = (stele__modes){ .width = width, .n_classes = n_classes };
    m->mode = stele__calloc((size_t)((1 + n_classes) * width), sizeof *m->mode);
    m->room = stele__calloc((size_t)n_rows + 1, sizeof *m->room);
    return m->mode != NULL && m->room != NULL ? STELE_OK : STELE_E_NOMEM;
}

void stele__modes_finish(stele__modes *m)
{
    stele__free(m->mode);
    stele__free(m->room);
    memset(m, 0, sizeof *m);
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static float most_frequent(float *v, int64_t n)
{
    float best = NAN;
    int64_t most = 0;
    qsort(v, (size_t)n, sizeof *v, by_value);
    for (int64_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && v[end] == v[i]; end++) {
        }
        if (end - i > most) {
            most = end - i;
            best = v[i];
        }
    }
    return best;
}

void stele__modes_learn(stele__modes *m, const float *block, int64_t width, int64_t n_rows,
                        const int64_t *row, const int32_t *code)
{
    for (int64_t k = -1; k < (code != NULL ? m->n_classes : 0); k++) {
        for (int64_t f = 0; f < width; f++) {
            int64_t n = 0;
            for (int64_t r = 0; r < n_rows; r++) {
                const float v = block[r * width + f];
                if (!isnan(v) && (k < 0 || code[row[r]] == k)) {
                    m->room[n++] = v;
                }
            }
            m->mode[(k + 1) * m->width + f] = most_frequent(m->room, n);
        }
    }
}

float stele__mode_of(const stele__modes *m, int64_t class_, int64_t feature)
{
    const float v = m->mode[(class_ + 1) * m->width + feature];
    return isnan(v) ? m->mode[feature] : v;
}
