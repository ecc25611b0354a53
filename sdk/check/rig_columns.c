/* What training rows are said to have in each feature, for modalities whose features differ in kind. */
#include "rig.h"

#include <math.h>
#include <string.h>

/* Kinds of measurements, tried in turn like shapes: an option may ask for columns that others contradict. Values fit
 * the narrowest column of all: 0 and 1 where numbers, classes and choices stand side by side. */
enum { MIXED = 0, SHARES, CLASSES, CHOICES };

int rig_has_columns(const rig *r)
{
    return r->plugin->desc.kind == STELE_MODALITY && (r->plugin->desc.caps & STELE_CAP_COLUMNS) != 0;
}

/* Texts, equally frequent: a, b, ... */
static void set_texts(rig *r, stele_feature *f, int64_t n)
{
    static const char *const name[] = { "a", "b", "c" };
    double *value = rig_take(r, (size_t)n * sizeof *value);
    int64_t *count = rig_take(r, (size_t)n * sizeof *count);
    for (int64_t k = 0; k < n; k++) {
        value[k] = (double)k;
        count[k] = 40;
    }
    f->n_rows = 40 * n;
    f->n_values = n;
    f->value = value;
    f->count = count;
    f->level = name;
    f->least = 0.0;
    f->largest = (double)(n - 1);
    f->whole = 1;
}

static void set_numbers(stele_feature *f, double least, double largest, uint32_t whole)
{
    f->n_rows = 1000;
    f->n_values = -1;
    f->least = least;
    f->largest = largest;
    f->whole = whole;
}

void rig_features_init(rig *r, size_t choice)
{
    static const char *const names[] = { "f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7" };
    const int64_t n = r->field.sample.ndim == 1 ? r->field.sample.dim[0] : 0;
    const stele_feature **list = rig_take(r, (size_t)(n + 1) * sizeof *list);
    stele_feature *f = rig_take(r, (size_t)(n + 1) * sizeof *f);
    for (int64_t j = 0; j < n; j++) {
        f[j].struct_size = sizeof f[j];
        f[j].name = j < 8 ? names[j] : NULL;
        list[j] = &f[j];
        if (choice == SHARES) {
            set_numbers(&f[j], 0.05, 0.95, 0);
        } else if (choice == CLASSES || choice == CHOICES || j % 2 == 1) {
            set_texts(r, &f[j], choice == CHOICES || (choice == MIXED && j % 4 == 3) ? 2 : 3);
        } else if (j % 4 == 0) {
            set_numbers(&f[j], 0.0, 1000.0, 1);
        } else {
            set_numbers(&f[j], -3.0, 3.0, 0);
        }
    }
    r->field.feature = n > 0 ? list : NULL;
}

const float *rig_likely(rig *r, size_t n, const float *predicted)
{
    float *likely = rig_has_columns(r) ? rig_take(r, n * sizeof *likely + 1) : NULL;
    for (size_t i = 0; likely != NULL && i < n; i++) {
        likely[i] = r->support.whole ? floorf(predicted[i] + 0.5f) : predicted[i];
    }
    return likely;
}
