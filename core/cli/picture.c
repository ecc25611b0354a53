/* Generated images as one PNG. */
#include "base/mem.h"
#include "cli/generated.h"
#include "data/png.h"

#include <string.h>

enum { GAP = 2, LEAST_SIDE = 48 };

/* How a row's values lie in the picture. */
typedef struct layout {
    int64_t height, width, channels;
    int64_t y, x, c;  /* steps between neighbours */
    int64_t zoom;     /* small images are shown larger: pixels per pixel */
    float low, scale; /* of values */
} layout;

/* Rows are (height, width), (height, width, channels) or (channels, height, width). */
static int find_layout(const stele_shape *s, layout *l)
{
    if (s->ndim == 2) {
        *l = (layout){ s->dim[0], s->dim[1], 1, s->dim[1], 1, 0, 1, 0, 0 };
    } else if (s->ndim == 3 && (s->dim[0] == 1 || s->dim[0] == 3)) {
        *l = (layout){
            s->dim[1], s->dim[2], s->dim[0], s->dim[2], 1, s->dim[1] * s->dim[2], 1, 0, 0
        };
    } else if (s->ndim == 3 && (s->dim[2] == 1 || s->dim[2] == 3)) {
        *l = (layout){
            s->dim[0], s->dim[1], s->dim[2], s->dim[1] * s->dim[2], s->dim[2], 1, 1, 0, 0
        };
    } else {
        return 0;
    }
    int64_t side = l->height < l->width ? l->height : l->width;
    l->zoom = side < LEAST_SIDE ? (LEAST_SIDE + side - 1) / side : 1;
    return 1;
}

static void widen(float v, float *low, float *high)
{
    *low = v < *low ? v : *low;
    *high = v > *high ? v : *high;
}

/* Of all that was measured; of what was generated if nothing was. */
static void find_range(const stele__generated *t, const stele__matrix *m, layout *l)
{
    const size_t features = (size_t)t->o->run.model.modality[t->modality].n_features;
    const int is_measured = m != NULL && m->dense != NULL;
    const int64_t n = is_measured ? m->n_present : t->n;
    float low = 0.0F, high = 0.0F;
    for (int64_t i = 0; i < n; i++) {
        const float *value =
            is_measured ? stele__matrix_row(m, i) : t->value + (size_t)i * features;
        for (size_t j = 0; j < features; j++) {
            widen(value[j], &low, &high);
        }
    }
    l->low = low;
    l->scale = high > low ? 255.0F / (high - low) : 0.0F;
}

static uint8_t shade(const layout *l, float v)
{
    float s = (v - l->low) * l->scale;
    return s >= 255.0F ? 255 : s > 0.0F ? (uint8_t)(s + 0.5F) : 0; /* NaN: black */
}

static void put_image(const layout *l, const float *value, uint8_t *at, int64_t line)
{
    for (int64_t y = 0; y < l->height * l->zoom; y++) {
        for (int64_t x = 0; x < l->width * l->zoom; x++) {
            for (int64_t c = 0; c < l->channels; c++) {
                at[y * line + x * l->channels + c] =
                    shade(l, value[y / l->zoom * l->y + x / l->zoom * l->x + c * l->c]);
            }
        }
    }
}

/* What was measured in the row of draw i; NULL: nothing, or it cannot be shown. */
static const float *measured(const stele__generated *t, const stele__matrix *m, int64_t i)
{
    if (t->source[i] < 0 || m == NULL || m->dense == NULL || m->store_row[t->source[i]] < 0) {
        return NULL;
    }
    return stele__matrix_row(m, m->store_row[t->source[i]]);
}

stele_status stele__generated_picture(const stele__generated *t, const char *path,
                                      stele__diag *diag)
{
    const stele__modality *md = &t->o->run.model.modality[t->modality];
    const stele__dataset *data = t->o->run.data;
    const int64_t at = stele__dataset_matrix(data, md->name);
    const stele__matrix *m = at >= 0 ? &data->matrix[at] : NULL;
    layout l;
    if (!find_layout(&t->shape, &l)) {
        stele__diag_error(diag, STELE_E_ARG, NULL, "%s: a row of `%s` is no picture", path,
                          md->name);
        stele__diag_hint(diag,
                         "--shape HEIGHT,WIDTH or HEIGHT,WIDTH,3 says how its %lld values lie",
                         (long long)md->n_features);
        return STELE_E_ARG;
    }
    int truth = t->source[0] >= 0;
    int64_t rows = t->n / t->per_group, columns = t->per_group + truth;
    int64_t high = l.height * l.zoom + GAP, wide = l.width * l.zoom + GAP;
    size_t line = (size_t)((columns * wide - GAP) * l.channels);
    size_t lines = (size_t)(rows * high - GAP);
    if (lines > 65535 || line / (size_t)l.channels > 65535) {
        return stele__diag_error(diag, STELE_E_ARG, NULL,
                                 "%s: %lld by %lld images do not fit into one picture", path,
                                 (long long)rows, (long long)columns);
    }
    uint8_t *pixels = stele__malloc(lines * line);
    if (pixels == NULL) {
        return STELE_E_NOMEM;
    }
    memset(pixels, 128, lines * line);
    find_range(t, m, &l);
    for (int64_t i = 0; i < t->n; i++) {
        uint8_t *corner = pixels + (size_t)(i / t->per_group * high) * line;
        const float *seen = i % t->per_group == 0 ? measured(t, m, i) : NULL;
        if (seen != NULL) {
            put_image(&l, seen, corner, (int64_t)line);
        }
        put_image(&l, t->value + i * md->n_features,
                  corner + (i % t->per_group + truth) * wide * l.channels, (int64_t)line);
    }
    stele_status status =
        stele__png_write(path, pixels, lines, line / (size_t)l.channels, (size_t)l.channels, diag);
    stele__free(pixels);
    return status;
}
