/* Joining the row axes of all sources by id. */
#include "base/mem.h"
#include "base/str.h"
#include "data/parts.h"

#include <stdio.h>

/* Place and name, for messages, of a modality that lies along an axis; NULL if none does. */
static const stele__matrix *matrix_along(const stele__dataset *ds, const stele__axis *axis)
{
    for (size_t i = 0; i < ds->n_matrices; i++) {
        const stele__matrix *m = &ds->matrix[i];
        if (m->available && m->source == axis->source && m->field.axis == axis->axis) {
            return m;
        }
    }
    return NULL;
}

const char *stele__row_id(const stele__dataset *ds, const stele__axis *axis, int64_t row)
{
    const stele__source *src = &ds->source[axis->source];
    stele__guest_begin(src->guest, "row_id");
    const char *id = src->vt->row_id(src->inst, axis->axis, row);
    stele__guest_restore(src->guest, "row_id");
    return id;
}

/* An error about the ids of an axis: "FILE: FIELD: text". */
static stele_status bad_ids(const stele__dataset *ds, const stele__axis *axis, const char *text,
                            stele__diag *diag)
{
    const stele__matrix *m = matrix_along(ds, axis);
    const stele__source *src = &ds->source[axis->source];
    return stele__diag_error(diag, STELE_E_DATA, m != NULL ? &m->place : NULL, "%s%s%s%s%s: %s",
                             src->file != NULL ? src->file : "source `",
                             src->file != NULL ? "" : src->name, src->file != NULL ? "" : "`",
                             m != NULL ? ": " : "", m != NULL ? m->from : "", text);
}

/* Put the ids of one axis into `wanted`, NULL: nobody wants them; an id that comes twice would make
 * the join ambiguous. */
static stele_status add_ids(const stele__dataset *ds, const stele__axis *axis, stele__map *wanted,
                            stele__diag *diag)
{
    const int64_t n_before = wanted != NULL ? stele__map_count(wanted) : 0;
    stele__map *own = NULL, *again = NULL;
    stele__str twice;
    int64_t n_twice = 0;
    uint8_t *seen = stele__calloc((size_t)n_before + 1, 1); /* of those before it, here as well */
    stele__str_init(&twice);
    stele_status st = seen != NULL ? stele__map_create(&again) : STELE_E_NOMEM;
    st = st == STELE_OK && wanted == NULL ? stele__map_create(&own) : st;
    for (int64_t r = 0; r < axis->n_rows && st == STELE_OK; r++) {
        const char *id = stele__row_id(ds, axis, r);
        int64_t at = 0;
        int is_new = 0;
        if (id == NULL || id[0] == '\0') {
            char text[64];
            snprintf(text, sizeof text, "row %lld, counted from 0, has no id", (long long)r);
            st = bad_ids(ds, axis, text, diag);
            break;
        }
        st = stele__map_add(wanted != NULL ? wanted : own, id, &at, &is_new);
        if (st == STELE_OK && at < n_before) {
            is_new = !seen[at];
            seen[at] = 1;
        }
        int first_repeat = 0;
        if (st == STELE_OK && !is_new) {
            st = stele__map_add(again, id, NULL, &first_repeat);
        }
        if (st == STELE_OK && first_repeat && ++n_twice <= 3) {
            stele__str_printf(&twice, "%s`%s`", n_twice > 1 ? ", " : "", id);
        }
    }
    if (st == STELE_OK && n_twice > 0) {
        stele__str text;
        stele__str_init(&text);
        stele__str_printf(&text, "%lld row %s more than once: %s%s", (long long)n_twice,
                          n_twice == 1 ? "id occurs" : "ids occur",
                          twice.data != NULL ? twice.data : "", n_twice > 3 ? ", ..." : "");
        st = bad_ids(ds, axis, text.data != NULL ? text.data : "", diag);
        stele__str_finish(&text);
    }
    stele__str_finish(&twice);
    stele__free(seen);
    stele__map_destroy(own);
    stele__map_destroy(again);
    return st;
}

/* Rows that have a requested modality, in the order in which any axis first names them. Takes what
 * is wanted where that is the order already: ids of many rows take memory. */
static stele_status order_rows(stele__dataset *ds, stele__map **wanted)
{
    int others = 0, is_ordered = 1;
    for (size_t a = 0; a < ds->n_axes; a++) {
        is_ordered = is_ordered && !(others && ds->axis[a].adds_rows);
        others = others || !ds->axis[a].adds_rows;
    }
    if (is_ordered) {
        ds->id = *wanted;
        *wanted = NULL;
        ds->n_rows = stele__map_count(ds->id);
        return STELE_OK;
    }
    stele_status st = stele__map_create(&ds->id);
    for (size_t a = 0; a < ds->n_axes && st == STELE_OK; a++) {
        for (int64_t r = 0; r < ds->axis[a].n_rows && st == STELE_OK; r++) {
            const char *id = stele__row_id(ds, &ds->axis[a], r);
            if (id != NULL && stele__map_find(*wanted, id) >= 0) {
                st = stele__map_add(ds->id, id, NULL, NULL);
            }
        }
    }
    ds->n_rows = st == STELE_OK ? stele__map_count(ds->id) : 0;
    return st;
}

static stele_status index_axis(const stele__dataset *ds, stele__axis *axis)
{
    axis->axis_row = stele__malloc((size_t)ds->n_rows * sizeof *axis->axis_row);
    if (axis->axis_row == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t i = 0; i < ds->n_rows; i++) {
        axis->axis_row[i] = -1;
    }
    for (int64_t r = 0; r < axis->n_rows; r++) {
        int64_t row = stele__map_find(ds->id, stele__row_id(ds, axis, r));
        if (row >= 0) {
            axis->axis_row[row] = r;
        }
    }
    return STELE_OK;
}

stele_status stele__dataset_join(stele__dataset *ds, stele__diag *diag)
{
    stele__map *wanted = NULL;
    stele_status st = stele__map_create(&wanted);
    for (size_t a = 0; a < ds->n_axes && st == STELE_OK; a++) {
        if (ds->axis[a].has_matrix || ds->axis[a].has_label) {
            st = add_ids(ds, &ds->axis[a], ds->axis[a].adds_rows ? wanted : NULL, diag);
        }
    }
    if (st == STELE_OK) {
        st = order_rows(ds, &wanted);
    }
    if (st == STELE_OK && ds->n_rows == 0) {
        st = stele__diag_error(diag, STELE_E_DATA, NULL,
                               "the data have no row with any of the modalities");
    }
    for (size_t a = 0; a < ds->n_axes && st == STELE_OK; a++) {
        if (ds->axis[a].has_matrix || ds->axis[a].has_label) {
            st = index_axis(ds, &ds->axis[a]);
        }
    }
    stele__map_destroy(wanted);
    return st;
}
