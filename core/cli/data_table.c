#include "cli/data_table.h"

#include "base/mem.h"
#include "base/str.h"
#include "cli/text_grid.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LINES = 12, N_COUNTS = STELE__N_PARTS + 1 };

/* Rows that share something: all of them, then those of each part. */
typedef struct count {
    int64_t n[N_COUNTS];
} count;

static void add(count *c, const stele__split *split, int64_t row)
{
    c->n[0]++;
    if (split->part[row] < STELE__N_PARTS) {
        c->n[1 + split->part[row]]++;
    }
}

static void put_number(stele__grid *t, int row, int column, int64_t n)
{
    char text[STELE__CELL];
    snprintf(text, sizeof text, "%lld", (long long)n);
    stele__grid_put(t, row, column, text);
}

static void put_count(stele__grid *t, int row, int column, const count *c)
{
    for (int k = 0; k < N_COUNTS; k++) {
        put_number(t, row, column + k, c->n[k]);
    }
}

static void put_head(stele__grid *t, const char *first, const char *second)
{
    stele__grid_put(t, 0, 0, first);
    int column = 1;
    if (second != NULL) {
        stele__grid_put(t, 0, column++, second);
    }
    stele__grid_put(t, 0, column++, "rows");
    for (int p = 0; p < STELE__N_PARTS; p++) {
        stele__grid_put(t, 0, column++, stele__part_name(p));
    }
}

static void finish_grid(stele__grid *t)
{
    stele__grid_print(t);
    putchar('\n');
    stele__grid_finish(t);
}

static void put_modalities(const stele__run *run)
{
    const stele__dataset *data = run->data;
    stele__grid t = { 0 };
    count all = { 0 };
    put_head(&t, "modality", "features");
    for (int64_t r = 0; r < data->n_rows; r++) {
        add(&all, run->split, r);
    }
    int line = 1;
    for (uint32_t m = 0; m < run->model.n_modalities; m++, line++) {
        count c = { 0 };
        for (int64_t r = 0; r < data->n_rows; r++) {
            if (data->present[(size_t)r * data->n_matrices + m]) {
                add(&c, run->split, r);
            }
        }
        stele__grid_put(&t, line, 0, run->model.modality[m].name);
        put_number(&t, line, 1, data->matrix[m].n_features);
        put_count(&t, line, 2, &c);
    }
    stele__grid_put(&t, line, 0, "all rows");
    put_count(&t, line, 2, &all);
    finish_grid(&t);
}

/* --- combinations --- */

/* Rows whose modalities are the same, by the first of them. */
typedef struct combination {
    int64_t first;
    count c;
} combination;

static int more_rows(const void *pa, const void *pb)
{
    const combination *a = pa, *b = pb;
    if (a->c.n[0] != b->c.n[0]) {
        return a->c.n[0] > b->c.n[0] ? -1 : 1;
    }
    return a->first < b->first ? -1 : a->first > b->first;
}

static void name_combination(const stele__run *run, int64_t row, stele__str *out)
{
    const uint8_t *has = run->data->present + (size_t)row * run->data->n_matrices;
    for (uint32_t m = 0; m < run->model.n_modalities; m++) {
        if (has[m]) {
            stele__str_printf(out, "%s%s", out->len > 0 ? ", " : "", run->model.modality[m].name);
        }
    }
    if (out->len == 0) {
        stele__str_append(out, "none");
    }
}

/* Distinct ones, into `found` with room for one a row: a row is compared with the few that there
 * are, those of the row before first. */
static size_t find_combinations(const stele__run *run, combination *found)
{
    const stele__dataset *data = run->data;
    size_t n = 0, at = 0;
    for (int64_t r = 0; r < data->n_rows; r++) {
        const uint8_t *has = data->present + (size_t)r * data->n_matrices;
        size_t tried = 0;
        while (tried < n && memcmp(data->present + (size_t)found[at].first * data->n_matrices, has,
                                   run->model.n_modalities) != 0) {
            at = (at + 1) % n;
            tried++;
        }
        if (tried == n) {
            at = n++;
            found[at] = (combination){ .first = r };
        }
        add(&found[at].c, run->split, r);
    }
    return n;
}

static void put_combinations(const stele__run *run)
{
    combination *found = stele__calloc((size_t)run->data->n_rows, sizeof *found);
    if (found == NULL) {
        return;
    }
    size_t n = find_combinations(run, found);
    qsort(found, n, sizeof *found, more_rows);
    stele__grid t = { 0 };
    put_head(&t, "modalities of a row", NULL);
    count others = { 0 };
    int line = 1;
    for (size_t i = 0; i < n; i++) {
        if (line <= MOST_LINES) {
            stele__str name;
            stele__str_init(&name);
            name_combination(run, found[i].first, &name);
            stele__grid_put(&t, line, 0, name.data != NULL ? name.data : "");
            put_count(&t, line++, 1, &found[i].c);
            stele__str_finish(&name);
            continue;
        }
        for (int k = 0; k < N_COUNTS; k++) {
            others.n[k] += found[i].c.n[k];
        }
    }
    if (others.n[0] > 0) {
        stele__grid_put(&t, line, 0, "other combinations");
        put_count(&t, line, 1, &others);
    }
    stele__free(found);
    finish_grid(&t);
}

/* --- labels --- */

static int is_known(const stele__label *label, int64_t row)
{
    return label->content == STELE_FIELD_CATEGORY ? label->code[row] >= 0
                                                  : label->number[row] == label->number[row];
}

/* A column that the split and a head ask for is there twice. */
static int is_repeated(const stele__dataset *data, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (strcmp(data->label[k].name, data->label[i].name) == 0 &&
            data->label[k].content == data->label[i].content) {
            return 1;
        }
    }
    return 0;
}

static void put_label(const stele__run *run, const stele__label *label, stele__grid *t, int line)
{
    count c = { 0 };
    for (int64_t r = 0; r < run->data->n_rows; r++) {
        if (is_known(label, r)) {
            add(&c, run->split, r);
        }
    }
    stele__grid_put(t, line, 0, label->name);
    if (label->content == STELE_FIELD_CATEGORY) {
        put_number(t, line, 1, label->n_categories);
    } else {
        stele__grid_put(t, line, 1, "number");
    }
    put_count(t, line, 2, &c);
}

static void put_labels(const stele__run *run)
{
    const stele__dataset *data = run->data;
    stele__grid t = { 0 };
    put_head(&t, "label", "classes");
    int line = 1, left = 0;
    for (size_t i = 0; i < data->n_labels; i++) {
        if (is_repeated(data, i)) {
            continue;
        }
        if (line <= MOST_LINES) {
            put_label(run, &data->label[i], &t, line++);
        } else {
            left++;
        }
    }
    if (left > 0) {
        char text[STELE__CELL];
        snprintf(text, sizeof text, "and %d others", left);
        stele__grid_put(&t, line, 0, text);
    }
    finish_grid(&t);
}

void stele__data_table(const stele__run *run)
{
    put_modalities(run);
    if (run->model.n_modalities > 1) {
        put_combinations(run);
    }
    if (run->data->n_labels > 0) {
        put_labels(run);
    }
}
