#include "sweep/points.h"

#include "base/map.h"
#include "base/mem.h"
#include "kernels/philox.h"
#include "spec/scalar.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int stele__axis_is_replicate(const stele__spec *spec, size_t axis)
{
    for (uint64_t i = 0; i < spec->sweep->over.n; i++) {
        if (strcmp(spec->sweep->over.v[i], spec->axis[axis].key) == 0) {
            return 1;
        }
    }
    return 0;
}

/* On one line, as it would be typed. */
static void describe(const stele__node *node, stele__str *out)
{
    if (node->kind == STELE__SCALAR) {
        stele__str_append(out, stele__node_is_null(node) ? "null" : node->text);
        return;
    }
    int is_list = node->kind == STELE__SEQUENCE;
    stele__str_append(out, is_list ? "[" : "{");
    for (size_t i = 0; i < node->n; i++) {
        stele__str_append(out, i > 0 ? ", " : "");
        if (!is_list) {
            stele__str_printf(out, "%s: ", node->child[i]->key);
        }
        describe(node->child[i], out);
    }
    stele__str_append(out, is_list ? "]" : "}");
}

static int is_range(const stele__axis *axis)
{
    return axis->node->kind == STELE__MAPPING;
}

/* Draws are addressed by key and number: another key, or more draws, change none of them. */
static stele__noise noise_of(const stele__spec *spec, const stele__axis *axis)
{
    return stele__noise_at((uint64_t)spec->sweep->draw_seed, stele__noise_purpose(axis->key, 0), 0);
}

/* Four digits are enough of a number that was drawn, and can be typed again. */
static void draw_number(const stele__spec *spec, const stele__axis *axis, size_t draw,
                        stele__str *out)
{
    const stele_option *row = stele__node_option(stele__spec_doc_root(spec->doc), axis->key);
    double u = 0.0, low = axis->from, high = axis->to;
    int whole = row != NULL && row->type == STELE_OPT_I64;
    stele__noise_uniform_f64(noise_of(spec, axis), draw, 0, 1, &u);
    if (whole) { /* every number between the two has its share, the ends too */
        low = ceil(low) - 0.5;
        high = floor(high) + 0.5;
    }
    double x = axis->log ? low * pow(high / low, u) : low + u * (high - low);
    if (whole) {
        x = rint(x);
        x = x < ceil(axis->from) ? ceil(axis->from) : x > floor(axis->to) ? floor(axis->to) : x;
        stele__str_printf(out, "%.0f", x);
        return;
    }
    char text[40];
    double rounded;
    snprintf(text, sizeof text, "%.3e", x);
    rounded = strtod(text, NULL);
    rounded = rounded < axis->from ? axis->from : rounded > axis->to ? axis->to : rounded;
    stele__scalar_put_f64(out, rounded);
}

/* How many values an axis has beside those of the others: drawn ones go with the number of the
 * draw. */
static size_t width_of(const stele__axis *axis)
{
    return axis->kind == STELE__AXIS_RANDOM ? 1 : axis->node->n;
}

static stele_status fill(stele__points *p, size_t i)
{
    const stele__spec *spec = p->spec;
    stele__point *point = &p->point[i];
    point->value = stele__calloc(spec->n_axes, sizeof *point->value);
    point->choice = stele__calloc(spec->n_axes, sizeof *point->choice);
    if (point->value == NULL || point->choice == NULL) {
        return STELE_E_NOMEM;
    }
    size_t rest = i;
    for (size_t k = spec->n_axes; k-- > 0;) {
        const stele__axis *axis = &spec->axis[k];
        point->choice[k] = rest % width_of(axis);
        rest /= width_of(axis);
    }
    for (size_t k = 0; k < spec->n_axes; k++) { /* `rest` is the number of the draw now */
        const stele__axis *axis = &spec->axis[k];
        stele__str text;
        stele__str_init(&text);
        if (axis->kind == STELE__AXIS_RANDOM) {
            point->choice[k] =
                is_range(axis) ? rest
                               : stele__noise_below(noise_of(spec, axis), rest, 0, axis->node->n);
        }
        if (is_range(axis)) {
            draw_number(spec, axis, rest, &text);
        } else {
            describe(axis->node->child[point->choice[k]], &text);
        }
        point->value[k] = stele__str_take(&text);
        if (point->value[k] == NULL) {
            return STELE_E_NOMEM;
        }
    }
    return STELE_OK;
}

static void free_point(const stele__spec *spec, stele__point *p)
{
    for (size_t k = 0; p->value != NULL && k < spec->n_axes; k++) {
        stele__free(p->value[k]);
    }
    stele__free(p->value);
    stele__free(p->choice);
}

/* Draws that coincide are one point. */
static stele_status drop_twins(stele__points *p)
{
    stele__map *seen = NULL;
    size_t n = 0;
    stele_status status = stele__map_create(&seen);
    for (size_t i = 0; i < p->n; i++) {
        char name[64];
        int64_t index;
        int is_new = 1;
        snprintf(name, sizeof name, "%zu/%zu", p->point[i].setting, p->point[i].replicate);
        status = status == STELE_OK ? stele__map_add(seen, name, &index, &is_new) : status;
        if (is_new) {
            p->point[n++] = p->point[i];
        } else {
            free_point(p->spec, &p->point[i]);
        }
    }
    p->n = n;
    stele__map_destroy(seen);
    return status;
}

/* Number the settings and the repetitions by the values that make them, in the order of points. */
static stele_status number(stele__points *p)
{
    stele__map *map[2] = { NULL, NULL };
    stele_status status = stele__map_create(&map[0]);
    status = status == STELE_OK ? stele__map_create(&map[1]) : status;
    for (size_t i = 0; i < p->n && status == STELE_OK; i++) {
        int64_t index[2] = { 0, 0 };
        for (int r = 0; r < 2 && status == STELE_OK; r++) {
            stele__str name;
            stele__str_init(&name);
            stele__str_append(&name, "/"); /* a map wants no empty name */
            for (size_t k = 0; k < p->spec->n_axes; k++) {
                if (stele__axis_is_replicate(p->spec, k) == r) {
                    stele__str_printf(&name, "%s\n", p->point[i].value[k]);
                }
            }
            status =
                name.failed ? STELE_E_NOMEM : stele__map_add(map[r], name.data, &index[r], NULL);
            stele__str_finish(&name);
        }
        p->point[i].setting = (size_t)index[0];
        p->point[i].replicate = (size_t)index[1];
    }
    status = status == STELE_OK ? drop_twins(p) : status;
    if (status == STELE_OK) {
        p->n_settings = (size_t)stele__map_count(map[0]);
        p->n_replicates = (size_t)stele__map_count(map[1]);
    }
    stele__map_destroy(map[0]);
    stele__map_destroy(map[1]);
    return status;
}

/* 0: too many. */
static size_t count(const stele__spec *spec)
{
    size_t n = 1, draws = 1;
    for (size_t k = 0; k < spec->n_axes && n != 0; k++) {
        size_t width = width_of(&spec->axis[k]);
        n = n <= STELE__MOST_POINTS / width ? n * width : 0;
        draws = spec->axis[k].kind == STELE__AXIS_RANDOM ? (size_t)spec->sweep->draws : draws;
    }
    return n <= STELE__MOST_POINTS / draws ? n * draws : 0;
}

stele_status stele__points_create(const stele__spec *spec, stele__points *ret, stele__diag *diag)
{
    *ret = (stele__points){ .spec = spec };
    if (spec->n_axes == 0) {
        stele_status status = stele__spec_error(spec, "sweep", STELE_E_OPTION,
                                                "there is nothing to sweep over", diag);
        stele__diag_hint(diag, "write sweep: {grid: {KEY: [VALUE, VALUE]}}; see stele help sweep");
        return status;
    }
    size_t n = count(spec);
    if (n == 0) {
        char text[64];
        snprintf(text, sizeof text, "makes more than %d points", STELE__MOST_POINTS);
        return stele__spec_error(spec, "sweep", STELE_E_OPTION, text, diag);
    }
    ret->point = stele__calloc(n, sizeof *ret->point);
    stele_status status = ret->point != NULL ? STELE_OK : STELE_E_NOMEM;
    for (size_t i = 0; i < n && status == STELE_OK; i++) {
        ret->n = i + 1;
        status = fill(ret, i);
    }
    return status == STELE_OK ? number(ret) : status;
}

void stele__points_finish(stele__points *points)
{
    for (size_t i = 0; i < points->n; i++) {
        free_point(points->spec, &points->point[i]);
    }
    stele__free(points->point);
    memset(points, 0, sizeof *points);
}

/* Take the modalities named "a+b" out, and what data.missing and data.mismatched say of them. */
static stele_status drop(stele__spec_doc *doc, const char *names)
{
    stele__node *root = stele__spec_doc_root(doc);
    stele__node *modalities = stele__node_find(root, "modalities");
    stele__node *data = stele__node_find(root, "data");
    stele__node *share[] = { stele__node_find(data, "missing"),
                             stele__node_find(data, "mismatched") };
    for (const char *at = names; *at != '\0';) {
        size_t n = strcspn(at, "+");
        char *name = stele__strndup(at, n);
        if (name == NULL) {
            return STELE_E_NOMEM;
        }
        if (strcmp(names, "none") != 0 && modalities != NULL) {
            stele__node_remove(modalities, name);
        }
        for (size_t i = 0; i < sizeof share / sizeof share[0]; i++) {
            if (share[i] != NULL && share[i]->kind == STELE__MAPPING) {
                stele__node_remove(share[i], name);
            }
        }
        stele__free(name);
        at += n + (at[n] == '+');
    }
    return STELE_OK;
}

/* A number that was drawn, as if it stood in the file at the range. */
static stele_status put_drawn(stele__spec_doc *doc, const stele__axis *axis,
                              const stele__node *range, const char *value, stele__diag *diag)
{
    stele__spec_doc *number = NULL;
    stele_status status = stele__spec_value_parse(value, "drawn", &number, diag);
    if (status == STELE_OK) {
        stele__node *node = stele__spec_doc_root(number);
        node->line = range->line;
        node->column = range->column;
        status = stele__spec_doc_put(doc, axis->key, node, range, diag);
    }
    stele__spec_doc_destroy(number);
    return status;
}

stele_status stele__point_apply(const stele__points *points, size_t i, stele__spec_doc *doc,
                                stele__diag *diag)
{
    const stele__spec *spec = points->spec;
    const stele__point *p = &points->point[i];
    const stele__node *sweep = stele__node_find(stele__spec_doc_root(doc), "sweep");
    stele_status status = STELE_OK;
    for (size_t k = 0; k < spec->n_axes && status == STELE_OK; k++) {
        const stele__axis *axis = &spec->axis[k];
        const char *section = axis->kind == STELE__AXIS_GRID ? "grid" : "random";
        const stele__node *of =
            axis->kind == STELE__AXIS_DROP ? sweep : stele__node_find(sweep, section);
        const stele__node *own = stele__node_find(of, axis->key);
        if (own == NULL) { /* not a document of the same text */
            return STELE_E_STATE;
        }
        if (axis->kind == STELE__AXIS_DROP) {
            status = drop(doc, p->value[k]);
        } else if (is_range(axis)) {
            status = put_drawn(doc, axis, own, p->value[k], diag);
        } else {
            status = stele__spec_doc_put(doc, axis->key, own->child[p->choice[k]], own, diag);
        }
    }
    /* The point is one run: the section is about all of them, and names what it may lack. */
    stele__node_remove(stele__spec_doc_root(doc), "sweep");
    return status;
}
