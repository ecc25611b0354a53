/* What a data set is made of: axes, modalities, presence. */
#include "data/dataset.h"

#include "base/mem.h"
#include "base/str.h"
#include "data/parts.h"
#include "graph/noise.h"
#include "kernels/philox.h"

#include <string.h>

stele__axis *stele__axis_of(const stele__dataset *ds, size_t source, uint32_t axis)
{
    for (size_t a = 0; a < ds->n_axes; a++) {
        if (ds->axis[a].source == source && ds->axis[a].axis == axis) {
            return &ds->axis[a];
        }
    }
    return NULL;
}

static stele_status list_axes(stele__dataset *ds)
{
    size_t n = 0;
    for (size_t s = 0; s < ds->n_sources; s++) {
        stele__guest_begin(ds->source[s].guest, "n_axes");
        n += ds->source[s].vt->n_axes(ds->source[s].inst);
        stele__guest_restore(ds->source[s].guest, "n_axes");
    }
    ds->axis = stele__calloc(n + 1, sizeof *ds->axis);
    if (ds->axis == NULL) {
        return STELE_E_NOMEM;
    }
    for (size_t s = 0; s < ds->n_sources; s++) {
        const stele__source *src = &ds->source[s];
        stele__guest_begin(src->guest, "n_rows");
        for (uint32_t a = 0; a < src->vt->n_axes(src->inst); a++) {
            ds->axis[ds->n_axes++] =
                (stele__axis){ .source = s, .axis = a, .n_rows = src->vt->n_rows(src->inst, a) };
        }
        stele__guest_restore(src->guest, "n_rows");
    }
    return STELE_OK;
}

/* What is wrong with a sample without a number of features. */
static const char *why_featureless(const stele_shape *sample)
{
    for (uint32_t d = 0; d < sample->ndim && d < STELE_MAX_DIMS; d++) {
        if (sample->dim[d] <= 0) {
            return sample->dim[d] == 0 ? "has no features" : "has rows of varying length";
        }
    }
    return "has more features than can be numbered";
}

/* Number of extents' product; 0 when it varies by row or overflows what a column number holds. */
static int64_t features_of(const stele_shape *sample)
{
    int64_t n = 1;
    for (uint32_t d = 0; d < sample->ndim && d < STELE_MAX_DIMS; d++) {
        if (sample->dim[d] <= 0 || n > INT32_MAX / sample->dim[d]) {
            return 0;
        }
        n *= sample->dim[d];
    }
    return n;
}

/* Features of data that lack the modality have the names that the model knows: it may be asked for
 * them. */
static stele_status copy_names(const stele__matrix_request *r, stele__matrix *m)
{
    m->feature_name =
        r->feature != NULL ? stele__calloc((size_t)r->n_features, sizeof *m->feature_name) : NULL;
    for (int64_t j = 0; m->feature_name != NULL && j < r->n_features; j++) {
        m->feature_name[j] = stele__strdup(r->feature[j]);
        if (m->feature_name[j] == NULL) {
            return STELE_E_NOMEM;
        }
    }
    return r->feature == NULL || m->feature_name != NULL ? STELE_OK : STELE_E_NOMEM;
}

static stele_status init_matrix(stele__dataset *ds, const stele__data_request *request, size_t i,
                                stele__diag *diag)
{
    const stele__matrix_request *r = &request->matrix[i];
    stele__matrix *m = &ds->matrix[i];
    stele__found found;
    stele_status st =
        stele__field_find(request, r->from, STELE__FIND_MATRIX, &r->place, &found, diag);
    if (st != STELE_OK) {
        return st;
    }
    m->name = stele__strdup(r->name);
    m->from = stele__strdup(r->from);
    if (m->name == NULL || m->from == NULL) {
        return STELE_E_NOMEM;
    }
    m->place = r->place;
    m->min_rows = r->min_rows;
    m->transform = r->transform;
    m->most_variable = r->most_variable;
    m->wanted = r->feature;
    m->n_wanted = r->n_features;
    m->describe = r->describe;
    m->beside = r->beside;
    m->known = r->known;
    m->available = !found.missing;
    if (found.missing) { /* the model still has to be built as it was */
        m->n_features = r->n_features;
        m->stored_dtype = r->stored_dtype;
        m->field = (stele_field){ .struct_size = sizeof m->field,
                                  .name = m->from,
                                  .content = STELE_FIELD_MATRIX,
                                  .dtype = STELE_F32,
                                  .layout = r->layout != 0 ? r->layout : STELE_DENSE,
                                  .sample = r->sample,
                                  .feature = r->known };
        if (r->sample.ndim == 0) {
            m->field.sample = (stele_shape){ .ndim = 1, .dim = { r->n_features } };
        }
        return copy_names(r, m);
    }
    m->source = found.source;
    m->source_field = found.index;
    m->field = found.field;
    m->field.name = m->from;
    m->n_features = features_of(&found.field.sample);
    stele__axis *axis = stele__axis_of(ds, found.source, found.field.axis);
    if (axis == NULL || m->n_features == 0) {
        return stele__diag_error(diag, STELE_E_DATA, &r->place, "`%s` %s", r->from,
                                 why_featureless(&found.field.sample));
    }
    axis->has_matrix = 1;
    return STELE_OK;
}

static stele_status init_presence(stele__dataset *ds)
{
    ds->present = stele__calloc((size_t)ds->n_rows, ds->n_matrices);
    if (ds->present == NULL) {
        return STELE_E_NOMEM;
    }
    for (size_t i = 0; i < ds->n_matrices; i++) {
        stele__matrix *m = &ds->matrix[i];
        if (!m->available) {
            continue;
        }
        const stele__axis *axis = stele__axis_of(ds, m->source, m->field.axis);
        for (int64_t row = 0; row < ds->n_rows; row++) {
            int has = axis->axis_row[row] >= 0;
            ds->present[(size_t)row * ds->n_matrices + i] = (uint8_t)has;
            m->n_present += has;
        }
    }
    return STELE_OK;
}

/* Of the matrices: what encoders see besides comes behind all modalities. */
static size_t count_modalities(const stele__dataset *ds)
{
    size_t n = 0;
    while (n < ds->n_matrices && ds->matrix[n].beside == 0) {
        n++;
    }
    return n;
}

/* A measurement that is there but without rows: a source may be asked for one. */
static stele_status check_rows(const stele__dataset *ds, stele__diag *diag)
{
    stele_status status = STELE_OK;
    for (size_t i = 0; i < ds->n_matrices; i++) {
        const stele__matrix *m = &ds->matrix[i];
        if (m->available && m->n_present == 0) {
            status = stele__diag_error(diag, STELE_E_DATA, &m->place,
                                       "no row of the data has `%s`: the measurement `%s` is empty",
                                       m->name, m->from);
        }
    }
    if (status != STELE_OK) {
        stele__diag_hint(diag,
                         "look at what `data` asks its source for, or leave the modality out");
    }
    return status;
}

/* What an encoder sees is of no use without what its modality explains, nor the other way round. */
static stele_status pair_rows(stele__dataset *ds, int new_data, stele__diag *diag)
{
    stele_status status = STELE_OK;
    for (size_t i = 0; i < ds->n_matrices; i++) {
        stele__matrix *seen = &ds->matrix[i];
        if (seen->beside == 0) {
            continue;
        }
        stele__matrix *own = &ds->matrix[seen->beside - 1];
        own->n_present = seen->n_present = 0;
        for (int64_t row = 0; row < ds->n_rows; row++) {
            uint8_t *present = &ds->present[(size_t)row * ds->n_matrices];
            const uint8_t both = present[i] & present[seen->beside - 1];
            present[i] = present[seen->beside - 1] = both;
            own->n_present += both;
            seen->n_present += both;
        }
        if (own->n_present == 0 && !new_data) {
            status = stele__diag_error(diag, STELE_E_DATA, &seen->place,
                                       "no row has both `%s` and `%s`, which the encoder of `%s` "
                                       "sees in its place",
                                       own->from, seen->from, own->name);
        }
    }
    return status;
}

/* With several modalities and no row that has two, nothing joint can be learned: as a rule the ids
 * are written differently. Show one of each. */
static stele_status check_overlap(const stele__dataset *ds, stele__diag *diag)
{
    const uint8_t *p = ds->present;
    const size_t n_modalities = count_modalities(ds);
    if (n_modalities < 2) {
        return STELE_OK;
    }
    for (int64_t row = 0; row < ds->n_rows; row++, p += ds->n_matrices) {
        size_t n = 0;
        for (size_t i = 0; i < n_modalities; i++) {
            n += p[i];
        }
        if (n > 1) {
            return STELE_OK;
        }
    }
    stele__str names, ids;
    stele__str_init(&names);
    stele__str_init(&ids);
    for (size_t i = 0; i < n_modalities; i++) {
        int64_t row = 0;
        while (row < ds->n_rows && !ds->present[(size_t)row * ds->n_matrices + i]) {
            row++;
        }
        const char *sep = i == 0 ? "" : i + 1 < n_modalities ? ", " : " and ";
        stele__str_printf(&names, "%s`%s`", sep, ds->matrix[i].name);
        stele__str_printf(&ids, "%s%s has `%s`", i == 0 ? "" : ", ", ds->matrix[i].name,
                          row < ds->n_rows ? stele__map_name(ds->id, row) : "");
    }
    stele__diag_error(diag, STELE_E_DATA, &ds->matrix[n_modalities - 1].place,
                      "no row is in %s of %s: their ids do not meet",
                      n_modalities > 2 ? "two" : "both", names.data != NULL ? names.data : "");
    stele__diag_hint(diag, "compare the row ids: %s", ids.data != NULL ? ids.data : "");
    stele__str_finish(&names);
    stele__str_finish(&ids);
    return STELE_E_DATA;
}

static stele_status find_labels(stele__dataset *ds, const stele__data_request *request,
                                stele__found *ret, stele__diag *diag)
{
    stele_status first = STELE_OK;
    for (size_t i = 0; i < request->n_labels; i++) {
        const stele__label_request *r = &request->label[i];
        const stele__place *place = request->new_data && r->quiet ? NULL : &r->place;
        stele_status st =
            stele__field_find(request, r->from, STELE__FIND_LABEL, place, &ret[i], diag);
        if (st == STELE_OK && !ret[i].missing) {
            stele__axis *axis = stele__axis_of(ds, ret[i].source, ret[i].field.axis);
            if (axis == NULL) {
                return STELE_E_INTERNAL;
            }
            axis->has_label = 1;
        }
        first = first == STELE_OK ? st : first;
    }
    return first;
}

static stele_status none_available(const stele__dataset *ds, stele__diag *diag)
{
    const char *file = ds->n_sources == 1 ? ds->source->file : NULL;
    stele__str names;
    stele__str_init(&names);
    for (size_t i = 0; i < count_modalities(ds); i++) {
        stele__str_printf(&names, "%s%s", i > 0 ? ", " : "", ds->matrix[i].from);
    }
    stele__diag_error(diag, STELE_E_DATA, NULL, "%s %s none of the modalities: %s",
                      file != NULL ? file : "the data", file != NULL ? "has" : "have",
                      names.data != NULL ? names.data : "");
    stele__str_finish(&names);
    return STELE_E_DATA;
}

/* Axes of the sources that are asked for rows; of all if those have no modality. */
static void choose_axes(stele__dataset *ds, const uint8_t *of_rows)
{
    int any = 0;
    for (int all = of_rows == NULL; all < 2 && !any; all++) {
        for (size_t a = 0; a < ds->n_axes; a++) {
            stele__axis *axis = &ds->axis[a];
            axis->adds_rows = axis->has_matrix && (all || of_rows[axis->source]);
            any |= axis->adds_rows;
        }
    }
}

static stele_status build(stele__dataset *ds, const stele__data_request *request,
                          stele__found *found, stele__diag *diag)
{
    stele_status st = list_axes(ds);
    int any = 0;
    for (size_t i = 0; i < ds->n_matrices && st != STELE_E_NOMEM; i++) {
        stele_status one = init_matrix(ds, request, i, diag);
        st = st == STELE_OK ? one : st;
        any |= ds->matrix[i].available && ds->matrix[i].beside == 0;
    }
    stele_status labels = find_labels(ds, request, found, diag);
    st = st == STELE_OK ? labels : st;
    if (st == STELE_OK && !any) {
        st = none_available(ds, diag);
    }
    choose_axes(ds, request->of_rows);
    if (st == STELE_OK) {
        st = stele__dataset_join(ds, diag);
    }
    if (st == STELE_OK) {
        st = init_presence(ds);
    }
    if (st == STELE_OK && !request->new_data) {
        st = check_rows(ds, diag);
    }
    if (st == STELE_OK) {
        st = pair_rows(ds, request->new_data, diag);
    }
    if (st == STELE_OK && !request->new_data) {
        st = check_overlap(ds, diag);
    }
    for (size_t i = 0; i < ds->n_labels && st == STELE_OK; i++) {
        st = stele__label_read(ds, &request->label[i], &found[i], &ds->label[i], diag);
    }
    return st == STELE_OK ? stele__dataset_warn_near(ds, diag) : st;
}

stele_status stele__dataset_create(const stele__data_request *request, stele__dataset **ret,
                                   stele__diag *diag)
{
    stele_status st = STELE_E_NOMEM;
    stele__dataset *ds = stele__calloc(1, sizeof *ds);
    stele__found *found = stele__calloc(request->n_labels + 1, sizeof *found);
    if (ds == NULL || found == NULL) {
        goto out;
    }
    ds->source = request->source;
    ds->n_sources = request->n_sources;
    ds->matrix = stele__calloc(request->n_matrices + 1, sizeof *ds->matrix);
    ds->label = stele__calloc(request->n_labels + 1, sizeof *ds->label);
    if (ds->matrix == NULL || ds->label == NULL) {
        goto out;
    }
    ds->n_matrices = request->n_matrices;
    ds->n_labels = request->n_labels;
    st = build(ds, request, found, diag);
    if (st == STELE_OK) {
        *ret = ds;
        ds = NULL;
    }
out:
    if (st == STELE_E_NOMEM) {
        stele__diag_error(diag, st, NULL, "out of memory while joining the data");
    }
    stele__free(found);
    stele__dataset_destroy(ds);
    return st;
}

/* Addressed by ids, so that neither the order of rows nor other modalities change what is hidden.
 */
void stele__dataset_drop(stele__dataset *ds, size_t m, int64_t row)
{
    ds->present[(size_t)row * ds->n_matrices + m] = 0;
    ds->matrix[m].n_dropped++;
}

void stele__dataset_destroy(stele__dataset *ds)
{
    if (ds == NULL) {
        return;
    }
    for (size_t i = 0; i < ds->n_matrices; i++) {
        stele__matrix_finish(&ds->matrix[i]);
    }
    for (size_t i = 0; i < ds->n_labels; i++) {
        stele__label_finish(&ds->label[i]);
    }
    for (size_t a = 0; a < ds->n_axes; a++) {
        stele__free(ds->axis[a].axis_row);
    }
    stele__free(ds->axis);
    stele__free(ds->matrix);
    stele__free(ds->label);
    stele__free(ds->present);
    stele__map_destroy(ds->id);
    stele__free(ds);
}
