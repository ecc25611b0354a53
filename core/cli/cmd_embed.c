/* stele embed RUN -o FILE [--modalities a,b] [--split PART] [--data PATH] [--checkpoint NAME]
 *     [--details] */
#include "base/mem.h"
#include "cli/command.h"
#include "cli/row_table.h"
#include "data/csv.h"
#include "data/h5ad.h"
#include "data/npy.h"
#include "eval/predict.h"
#include "eval/private.h"

#include <stdio.h>
#include <string.h>

enum { H5AD = 1, NPY, CSV };

typedef struct options {
    stele__open_request open;
    const char *out;
    int format;
    int details; /* also what modalities have to say besides their means */
} options;

/* The table that is written: rows, their posterior, what is known about them. */
typedef struct table {
    stele__row_table rows;
    float *mean, *sd;    /* (n, D) */
    stele__obsm *detail; /* of modalities that have one; owned names and values */
    size_t n_details;
} table;

static int format_of(const char *path)
{
    const char *end = stele__extension(path);
    return strcmp(end, ".h5ad") == 0  ? H5AD
           : strcmp(end, ".npy") == 0 ? NPY
           : strcmp(end, ".csv") == 0 ? CSV
                                      : 0;
}

static int check(int argc, char **argv, options *o)
{
    int code = stele__open_check(&o->open, argc, argv);
    if (code != STELE__EXIT_OK) {
        return code;
    }
    if (o->out == NULL) {
        return stele__cli_usage_error(argv[0], "name the file to write with -o");
    }
    o->format = format_of(o->out);
    if (o->format == 0) {
        return stele__cli_usage_error(argv[0], "`%s` ends in none of .h5ad, .npy, .csv", o->out);
    }
    if (o->details && o->format != H5AD) {
        return stele__cli_usage_error(argv[0], "--details needs a file that ends in .h5ad");
    }
    return STELE__EXIT_OK;
}

static int parse(int argc, char **argv, options *o)
{
    static const struct option longs[] = { { "output", required_argument, NULL, 'o' },
                                           { "data", required_argument, NULL, STELE__OPTION_DATA },
                                           { "details", no_argument, NULL, 'D' },
                                           STELE__OPEN_OPTIONS,
                                           { 0 } };
    o->open = (stele__open_request){ .part = STELE__N_PARTS,
                                     .checkpoint = "best",
                                     .encode_only = 1,
                                     .spec_labels = 1,
                                     .takes_data = 1 };
    for (int c; (c = stele__cli_option(argc, argv, ":o:", longs)) != -1;) {
        if (c == 'o') {
            o->out = optarg;
        } else if (c == 'D') {
            o->details = 1;
            o->open.encode_only = 0;
        } else if (!stele__open_option(&o->open, c, optarg)) {
            return stele__cli_option_error(c, argv);
        }
    }
    return check(argc, argv, o);
}

/* --- columns --- */

/* Named by the last part of "counts/obs/batch" unless that name is taken. */
static stele_status add_label(stele__row_table *t, const stele__label *label)
{
    const char *slash = strrchr(label->name, '/');
    char *name = stele__strdup(slash != NULL && !stele__row_table_has(t, slash + 1) ? slash + 1
                                                                                    : label->name);
    for (char *c = name; c != NULL && *c != '\0'; c++) {
        *c = *c == '/' ? '_' : *c;
    }
    if (name == NULL || stele__row_table_has(t, name)) {
        stele__free(name);
        return name != NULL ? STELE_OK : STELE_E_NOMEM;
    }
    int is_number = label->content == STELE_FIELD_NUMBER;
    stele__column *c = stele__row_table_add(t, name, is_number ? STELE__DOUBLE : STELE__CATEGORY,
                                            (size_t)t->n * sizeof(double));
    stele__free(name);
    if (c == NULL) {
        return STELE_E_NOMEM;
    }
    double *number = t->values[t->n_columns - 1];
    int32_t *code = t->values[t->n_columns - 1];
    for (int64_t r = 0; r < t->n; r++) {
        if (is_number) {
            number[r] = label->number[t->row[r]];
        } else {
            code[r] = label->code[t->row[r]];
        }
    }
    c->f64 = number;
    c->code = code;
    c->text = (const char *const *)label->category;
    c->n_categories = (size_t)label->n_categories;
    return STELE_OK;
}

/* One column per dimension, for tables that hold nothing else. */
static stele_status add_dimensions(table *t, const char *prefix, const float *values)
{
    size_t width = t->rows.o->run.model.latent_dim;
    for (size_t d = 0; d < width; d++) {
        char name[32];
        snprintf(name, sizeof name, "%s_%zu", prefix, d);
        stele__column *c = stele__row_table_add(&t->rows, name, STELE__FLOAT, 0);
        if (c == NULL) {
            return STELE_E_NOMEM;
        }
        c->f32 = values + d;
        c->stride = width;
    }
    return STELE_OK;
}

static stele_status describe(table *t, int csv)
{
    const stele__dataset *data = t->rows.o->run.data;
    stele_status status = stele__row_table_describe(&t->rows, csv);
    for (size_t i = 0; i < data->n_labels && status == STELE_OK; i++) {
        status = add_label(&t->rows, &data->label[i]);
    }
    if (csv && status == STELE_OK) {
        status = add_dimensions(t, "z", t->mean);
    }
    return csv && status == STELE_OK ? add_dimensions(t, "sd", t->sd) : status;
}

/* --- the table --- */

static void table_finish(table *t)
{
    for (size_t i = 0; i < t->n_details; i++) {
        stele__free((void *)(uintptr_t)t->detail[i].name);
        stele__free((void *)(uintptr_t)t->detail[i].data);
    }
    stele__free(t->detail);
    stele__free(t->mean);
    stele__free(t->sd);
    stele__row_table_finish(&t->rows);
}

static stele_status infer(table *t, uint64_t mask, stele__diag *diag)
{
    size_t size = (size_t)t->rows.n * t->rows.o->run.model.latent_dim;
    t->mean = stele__calloc(size, sizeof *t->mean);
    t->sd = stele__calloc(size, sizeof *t->sd);
    if (t->mean == NULL || t->sd == NULL || stele__row_table_ids(&t->rows) != STELE_OK) {
        return STELE_E_NOMEM;
    }
    return stele__judge_moments(&t->rows.o->judge, t->rows.row, t->rows.n, mask, t->mean, t->sd,
                                diag);
}

/* Room for a detail of modality i, "heart_private": the table's. NULL: none. */
static float *new_detail(table *t, uint32_t i, const char *what, size_t width)
{
    stele__str name;
    stele__str_init(&name);
    stele__str_printf(&name, "%s_%s", t->rows.o->run.model.modality[i].name, what);
    char *text = stele__str_take(&name);
    float *values = stele__calloc((size_t)t->rows.n * width, sizeof *values);
    if (text == NULL || values == NULL) {
        stele__free(text);
        stele__free(values);
        return NULL;
    }
    t->detail[t->n_details++] = (stele__obsm){ text, values, width };
    return values;
}

/* What modality i says besides its mean, at the posterior means. */
static stele_status add_detail(table *t, uint32_t i, uint64_t mask, stele__diag *diag)
{
    const stele__modality *md = &t->rows.o->run.model.modality[i];
    float *values = new_detail(t, i, stele__detail_name(md), (size_t)md->n_features);
    return values == NULL ? STELE_E_NOMEM
                          : stele__detail_compute(&t->rows.o->judge, i, mask, t->rows.row,
                                                  t->rows.n, t->mean, values, diag);
}

/* Posterior means of its private latent; those of the prior where it is not there. */
static stele_status add_private(table *t, uint32_t i, uint64_t mask, stele__diag *diag)
{
    size_t width = t->rows.o->run.model.modality[i].own.dim;
    float *mean = new_detail(t, i, "private", width);
    float *sd = stele__calloc((size_t)t->rows.n * width, sizeof *sd);
    stele_status status = mean == NULL || sd == NULL
                              ? STELE_E_NOMEM
                              : stele__private_moments(&t->rows.o->judge, i, mask, t->rows.row,
                                                       t->rows.n, mean, sd, diag);
    stele__free(sd);
    return status;
}

static stele_status add_details(table *t, uint64_t mask, stele__diag *diag)
{
    const stele__model *m = &t->rows.o->run.model;
    stele_status status = STELE_OK;
    t->detail = stele__calloc(2 * m->n_modalities, sizeof *t->detail);
    if (t->detail == NULL) {
        return STELE_E_NOMEM;
    }
    for (uint32_t i = 0; i < m->n_modalities && status == STELE_OK; i++) {
        if (stele__detail_name(&m->modality[i]) != NULL) {
            status = add_detail(t, i, mask, diag);
        }
        if (status == STELE_OK && m->modality[i].own.dim > 0) {
            status = add_private(t, i, mask, diag);
        }
    }
    return status == STELE_OK && t->n_details == 0
               ? stele__diag_error(diag, STELE_E_ARG, NULL,
                                   "--details: no modality of the run says more than its mean")
               : status;
}

static stele_status write_h5ad(const table *t, const options *o, const char *modalities,
                               stele__diag *diag)
{
    stele__str spec;
    stele__str_init(&spec);
    stele_status status = stele__spec_resolve(t->rows.o->loaded.spec, &spec);
    size_t width = t->rows.o->run.model.latent_dim;
    stele__obsm obsm[2 + 2 * STELE__MAX_MODALITIES] = { { "X_stele", t->mean, width },
                                                        { "X_stele_sd", t->sd, width } };
    for (size_t i = 0; i < t->n_details; i++) {
        obsm[2 + i] = t->detail[i];
    }
    stele__uns uns[] = { { "stele_spec", spec.data }, { "stele_modalities", modalities } };
    stele__h5ad file = { .n_obs = (size_t)t->rows.n,
                         .obs_names = t->rows.id,
                         .obs = t->rows.column,
                         .n_obs_columns = t->rows.n_columns,
                         .obsm = obsm,
                         .n_obsm = 2 + t->n_details,
                         .uns = uns,
                         .n_uns = 2 };
    if (status == STELE_OK) {
        status = spec.failed ? STELE_E_NOMEM : stele__h5ad_write(o->out, &file, diag);
    }
    stele__str_finish(&spec);
    return status;
}

static stele_status write_table(table *t, const options *o, uint64_t mask, stele__diag *diag)
{
    const stele__model *m = &t->rows.o->run.model;
    if (o->format == NPY) {
        return stele__npy_write(o->out, STELE_F32, t->mean, (size_t)t->rows.n, m->latent_dim, diag);
    }
    stele_status status = describe(t, o->format == CSV);
    if (status != STELE_OK || o->format == CSV) {
        return status == STELE_OK ? stele__csv_write(o->out, t->rows.column, t->rows.n_columns,
                                                     (size_t)t->rows.n, diag)
                                  : status;
    }
    stele__str names;
    stele__str_init(&names);
    for (uint32_t i = 0; i < m->n_modalities; i++) {
        if ((mask >> i & 1) != 0) {
            stele__str_printf(&names, "%s%s", names.len > 0 ? "," : "", m->modality[i].name);
        }
    }
    status = names.failed ? STELE_E_NOMEM : write_h5ad(t, o, names.data, diag);
    stele__str_finish(&names);
    return status;
}

/* Rows without any of the modalities are there with the prior; say so. */
static void warn_of_empty(const table *t, uint64_t mask, stele__diag *diag)
{
    int64_t n = 0;
    for (int64_t r = 0; r < t->rows.n; r++) {
        n += (stele__judge_present(&t->rows.o->judge, t->rows.row[r]) & mask) == 0;
    }
    if (n > 0) {
        stele__diag_warning(diag, NULL,
                            "%lld of %lld rows have none of the modalities: they get the prior",
                            (long long)n, (long long)t->rows.n);
    }
}

static stele_status embed(const options *o, stele__diag *diag)
{
    stele__opened opened;
    table t = { .rows = { .o = &opened } };
    uint64_t mask = 0;
    stele_status status = stele__opened_init(&opened, &o->open, diag);
    if (status == STELE_OK) {
        status = stele__opened_mask(&opened, &o->open, &mask, diag);
    }
    if (status == STELE_OK) {
        status = stele__opened_rows(&opened, &o->open, &t.rows.row, &t.rows.n);
    }
    if (status == STELE_OK) {
        status = stele__opened_keep(&opened, o->out, diag);
    }
    if (status == STELE_OK) {
        status = infer(&t, mask, diag);
    }
    if (status == STELE_OK && o->details) {
        status = add_details(&t, mask, diag);
    }
    if (status == STELE_OK) {
        warn_of_empty(&t, mask, diag);
        status = write_table(&t, o, mask, diag);
    }
    if (status == STELE_OK && !o->open.quiet) {
        fprintf(stderr, "%s: %lld row%s, %u dimension%s\n", o->out, (long long)t.rows.n,
                stele__cli_s(t.rows.n), opened.run.model.latent_dim,
                stele__cli_s(opened.run.model.latent_dim));
    }
    table_finish(&t);
    stele__opened_finish(&opened);
    return status;
}

int stele__cmd_embed(int argc, char **argv)
{
    options o = { 0 };
    stele__diag diag;
    int code = parse(argc, argv, &o);
    if (code != STELE__EXIT_OK) {
        return code;
    }
    stele__diag_init(&diag);
    stele__cli_end_on_interrupts();
    stele_status status = embed(&o, &diag);
    return stele__cli_finish(&diag, status);
}
