/* plugins/source/simulate: cells with RNA counts and chromatin peaks whose truth is known.
 *
 * Every cell has a class, a batch and proportions of a few programs, drawn around its class's own.
 * A program is a distribution over genes and one over peaks, so both measurements tell of the same
 * proportions; each batch bends them a little.
 *
 *   rna   depth D is log-normal; counts are negative binomial with mean D sum_k theta_k beta_kj and
 *         variance `overdispersion` times that: clusters of molecules, Poisson in number and
 *         logarithmic in size, fall on genes. Work goes with the molecules, not with the genes.
 *   atac  fragments, Poisson in number, fall on peaks; a peak is open if it got any
 * (`binary_peaks`) or counts them.
 *
 * A row is a function of (seed, row) alone and is made whenever it is asked for. */
#include "draw.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <stele/plugin.h>
#include <string.h>

typedef struct config {
    int64_t n_rows, n_genes, n_peaks, n_classes, n_batches, n_programs, seed;
    double class_separation, batch_effect, rna_depth, atac_depth, depth_sd, overdispersion;
    double missing_rna, missing_atac;
    int32_t binary_peaks;
} config;

static const stele_option options[] = {
    STELE_OPTION_I64(config, n_rows, "n_rows", 2000, 1, 100000000, "Number of cells, the rows."),
    STELE_OPTION_I64(config, n_genes, "n_genes", 1000, 1, 1000000,
                     "Number of genes, the features of `rna` (counts)."),
    STELE_OPTION_I64(config, n_peaks, "n_peaks", 5000, 1, 1000000,
                     "Number of peaks, the features of `atac`."),
    STELE_OPTION_I64(config, n_classes, "n_classes", 5, 1, 1000,
                     "Number of classes of cells, the categories of the label column `class`."),
    STELE_OPTION_I64(config, n_batches, "n_batches", 1, 1, 64,
                     "Number of batches, the categories of the label column `batch`."),
    STELE_OPTION_I64(config, n_programs, "n_programs", 10, 1, 64,
                     "Number of programs that genes and peaks take part in."),
    STELE_OPTION_F64(config, class_separation, "class_separation", 1.5, 0, 20,
                     "How far the classes' proportions of programs lie apart; 0: not at all."),
    STELE_OPTION_F64(config, batch_effect, "batch_effect", 0.0, 0, 10,
                     "Standard deviation of what a batch adds to log rates."),
    STELE_OPTION_F64(config, rna_depth, "rna_depth", 1000, 1, 1000000,
                     "Median number of RNA molecules of a cell."),
    STELE_OPTION_F64(config, atac_depth, "atac_depth", 500, 1, 1000000,
                     "Median number of chromatin fragments of a cell."),
    STELE_OPTION_F64(config, depth_sd, "depth_sd", 0.4, 0, 5,
                     "Standard deviation of the logarithm of both depths."),
    STELE_OPTION_F64(config, overdispersion, "overdispersion", 1.5, 1, 100,
                     "Variance of an RNA count divided by its mean; 1: Poisson."),
    STELE_OPTION_F64(config, missing_rna, "missing_rna", 0.0, 0, 1,
                     "Fraction of cells without RNA."),
    STELE_OPTION_F64(config, missing_atac, "missing_atac", 0.0, 0, 1,
                     "Fraction of cells without peaks."),
    STELE_OPTION_BOOL(config, binary_peaks, "binary_peaks", 1,
                      "Peaks are open or closed instead of counted."),
    STELE_OPTION_I64(config, seed, "seed", 1, 0, INT64_MAX, "Seed of everything."),
};

/* Purposes of streams. Measurement m adds m to those that it has of its own. */
enum {
    OF_CELL = 1,
    OF_CLASS = 2,
    OF_MISSING = 10,
    OF_PROFILE = 20,
    OF_BATCH = 30,
    OF_ENTRIES = 40
};

enum { RNA = 0, ATAC = 1, N_MEASURED = 2 };
enum { FIELD_RNA = 0, FIELD_ATAC, FIELD_CLASS, FIELD_BATCH, N_FIELDS };
#define NAME_SIZE 16

typedef struct measured {
    int64_t n_features, n_rows;
    int64_t *cell;           /* (n_rows) cells that have it */
    alias_table *table;      /* (n_programs, n_batches) */
    char (*name)[NAME_SIZE]; /* (n_features) */
} measured;

struct stele_inst {
    const stele_host *host;
    const config *c;
    measured m[N_MEASURED];
    double *class_logit;   /* (n_classes, n_programs) */
    char (*id)[NAME_SIZE]; /* (n_rows) */
    char (*class_name)[NAME_SIZE];
    char (*batch_name)[NAME_SIZE];
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    stele_inst *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return STELE_FAIL(a->host, STELE_E_NOMEM, "out of memory");
    }
    s->host = a->host;
    s->c = a->config;
    *ret = s;
    return STELE_OK;
}

static void destroy(stele_inst *s)
{
    if (s == NULL) {
        return;
    }
    for (int m = 0; m < N_MEASURED; m++) {
        int64_t n = s->m[m].table != NULL ? s->c->n_programs * s->c->n_batches : 0;
        for (int64_t t = 0; t < n; t++) {
            simulate_alias_finish(&s->m[m].table[t]);
        }
        free(s->m[m].table);
        free(s->m[m].cell);
        free(s->m[m].name);
    }
    free(s->class_logit);
    free(s->id);
    free(s->class_name);
    free(s->batch_name);
    free(s);
}

/* --- the world ------------------------------------------------------------------------------- */

/* PREFIX0, PREFIX1, ...; NULL: no memory. */
static char (*make_names(const char *prefix, int64_t n))[NAME_SIZE]
{
    char(*name)[NAME_SIZE] = malloc((size_t)n * sizeof *name);
    for (int64_t i = 0; name != NULL && i < n; i++) {
        snprintf(name[i], sizeof name[i], "%s%u", prefix, (unsigned)i);
    }
    return name;
}

static int is_missing(const config *c, int m, int64_t cell)
{
    stream s = simulate_stream((uint64_t)c->seed, (uint64_t)(OF_MISSING + m), (uint64_t)cell);
    return simulate_uniform(&s) < (m == RNA ? c->missing_rna : c->missing_atac);
}

/* Log rates: a level of the feature, a program's own deviation, a batch's. */
static int make_tables(stele_inst *s, int m)
{
    const config *c = s->c;
    int64_t n = s->m[m].n_features;
    double *weight = malloc((size_t)n * sizeof *weight);
    s->m[m].table = calloc((size_t)(c->n_programs * c->n_batches), sizeof *s->m[m].table);
    int failed = weight == NULL || s->m[m].table == NULL;
    for (int64_t k = 0; k < c->n_programs && !failed; k++) {
        for (int64_t b = 0; b < c->n_batches && !failed; b++) {
            uint64_t seed = (uint64_t)c->seed;
            stream level = simulate_stream(seed, (uint64_t)(OF_PROFILE + m), 0);
            stream own = simulate_stream(seed, (uint64_t)(OF_PROFILE + m), (uint64_t)k + 1);
            stream bend = simulate_stream(seed, (uint64_t)(OF_BATCH + m), (uint64_t)b);
            for (int64_t j = 0; j < n; j++) {
                double log_rate = simulate_normal(&level) + 1.2 * simulate_normal(&own);
                weight[j] = exp(log_rate + c->batch_effect * simulate_normal(&bend));
            }
            failed = simulate_alias_init(&s->m[m].table[k * c->n_batches + b], n, weight) != 0;
        }
    }
    free(weight);
    return failed;
}

static int make_measured(stele_inst *s, int m)
{
    const config *c = s->c;
    measured *x = &s->m[m];
    x->n_features = m == RNA ? c->n_genes : c->n_peaks;
    x->name = make_names(m == RNA ? "gene" : "peak", x->n_features);
    x->cell = malloc((size_t)c->n_rows * sizeof *x->cell);
    if (x->name == NULL || x->cell == NULL) {
        return -1;
    }
    for (int64_t i = 0; i < c->n_rows; i++) {
        if (!is_missing(c, m, i)) {
            x->cell[x->n_rows++] = i;
        }
    }
    return make_tables(s, m);
}

static stele_status build(stele_inst *s, stele_build *b)
{
    const config *c = s->c;
    (void)b;
    int64_t n_logits = c->n_classes * c->n_programs;
    s->id = make_names("cell", c->n_rows);
    s->class_name = make_names("class", c->n_classes);
    s->batch_name = make_names("batch", c->n_batches);
    s->class_logit = malloc((size_t)n_logits * sizeof *s->class_logit);
    if (s->id == NULL || s->class_name == NULL || s->batch_name == NULL || s->class_logit == NULL ||
        make_measured(s, RNA) != 0 || make_measured(s, ATAC) != 0) {
        return STELE_FAIL(s->host, STELE_E_NOMEM, "n_rows: %lld cells do not fit into memory",
                          (long long)c->n_rows);
    }
    stream r = simulate_stream((uint64_t)c->seed, OF_CLASS, 0);
    for (int64_t i = 0; i < n_logits; i++) {
        s->class_logit[i] = c->class_separation * simulate_normal(&r);
    }
    return STELE_OK;
}

/* --- a cell ---------------------------------------------------------------------------------- */

#define MAX_PROGRAMS 64

typedef struct cell {
    int64_t class, batch;
    double depth[N_MEASURED];
    double theta[MAX_PROGRAMS]; /* proportions of the programs */
} cell;

static void make_cell(const stele_inst *s, int64_t row, cell *ret)
{
    const config *c = s->c;
    stream r = simulate_stream((uint64_t)c->seed, OF_CELL, (uint64_t)row);
    double sum = 0;
    ret->class = (int64_t)(simulate_uniform(&r) * (double)c->n_classes);
    ret->batch = (int64_t)(simulate_uniform(&r) * (double)c->n_batches);
    ret->depth[RNA] = c->rna_depth * exp(c->depth_sd * simulate_normal(&r));
    ret->depth[ATAC] = c->atac_depth * exp(c->depth_sd * simulate_normal(&r));
    for (int64_t k = 0; k < c->n_programs; k++) {
        double own = 0.5 * simulate_normal(&r);
        ret->theta[k] = exp(s->class_logit[ret->class * c->n_programs + k] + own);
        sum += ret->theta[k];
    }
    for (int64_t k = 0; k < c->n_programs; k++) {
        ret->theta[k] /= sum;
    }
}

/* Counts of one row on a board with a place per feature, and a bit for each place in use. */
typedef struct board {
    int32_t *count;
    uint64_t *used;
    int64_t n_words;
} board;

static void board_finish(board *b)
{
    free(b->count);
    free(b->used);
}

static stele_status board_init(const stele_inst *s, int m, board *ret)
{
    int64_t n = s->m[m].n_features;
    ret->n_words = (n + 63) / 64;
    ret->count = calloc((size_t)n, sizeof *ret->count);
    ret->used = calloc((size_t)ret->n_words, sizeof *ret->used);
    if (ret->count == NULL || ret->used == NULL) {
        board_finish(ret);
        return STELE_FAIL(s->host, STELE_E_NOMEM, "out of memory");
    }
    return STELE_OK;
}

static void put_clusters(const stele_inst *s, int m, int64_t row, board *b)
{
    const config *c = s->c;
    cell x;
    make_cell(s, row, &x);
    stream r = simulate_stream((uint64_t)c->seed, (uint64_t)(OF_ENTRIES + m), (uint64_t)row);
    /* Clusters of mean size -p / ((1 - p) ln(1 - p)) make up the depth. */
    double p = m == RNA ? 1 - 1 / c->overdispersion : 0;
    double first = p > 0 ? -p / log1p(-p) : 1, clusters = x.depth[m] * (1 - p) / first;
    for (int64_t k = 0; k < c->n_programs; k++) {
        const alias_table *table = &s->m[m].table[k * c->n_batches + x.batch];
        for (int64_t n = simulate_poisson(&r, clusters * x.theta[k]); n > 0; n--) {
            int32_t j = simulate_alias_draw(table, &r);
            b->count[j] += p > 0 ? (int32_t)simulate_logarithmic(&r, p, first) : 1;
            b->used[j / 64] |= UINT64_C(1) << (j % 64);
        }
    }
}

/* Number of places in use; they and their counts go to column and value if those are given. The
 * board is empty afterwards. */
static int64_t take_entries(board *b, int binary, int32_t *column, float *value)
{
    int64_t n = 0;
    for (int64_t w = 0; w < b->n_words; w++) {
        uint64_t bits = b->used[w];
        b->used[w] = 0;
        for (; bits != 0; bits &= bits - 1, n++) {
            int32_t j = (int32_t)(w * 64) + __builtin_ctzll(bits);
            if (column != NULL) {
                column[n] = j;
                value[n] = binary ? 1.0f : (float)b->count[j];
            }
            b->count[j] = 0;
        }
    }
    return n;
}

/* --- slots ----------------------------------------------------------------------------------- */

/* Axis 0 has all cells, axis 1 + m those with measurement m. */
static uint32_t n_axes(const stele_inst *s)
{
    (void)s;
    return 1 + N_MEASURED;
}

static int64_t n_rows(const stele_inst *s, uint32_t axis)
{
    return axis == 0 ? s->c->n_rows : axis <= N_MEASURED ? s->m[axis - 1].n_rows : 0;
}

static const char *row_id(const stele_inst *s, uint32_t axis, int64_t row)
{
    if (row < 0 || row >= n_rows(s, axis)) {
        return NULL;
    }
    return s->id[axis == 0 ? row : s->m[axis - 1].cell[row]];
}

static uint32_t n_fields(const stele_inst *s)
{
    (void)s;
    return N_FIELDS;
}

static stele_status describe(const stele_inst *s, uint32_t f, stele_field *ret)
{
    static const char *const name[] = { "rna", "atac", "class", "batch" };
    if (f >= N_FIELDS) {
        return STELE_FAIL(s->host, STELE_E_ARG, "there is no field %u", f);
    }
    stele_field d = { .struct_size = sizeof d, .name = name[f] };
    if (f < N_MEASURED) {
        d.content = STELE_FIELD_MATRIX;
        d.dtype = STELE_F32;
        d.layout = STELE_CSR;
        d.axis = 1 + f;
        d.sample.ndim = 1;
        d.sample.dim[0] = s->m[f].n_features;
    } else {
        d.content = STELE_FIELD_CATEGORY;
        d.dtype = STELE_I32;
        d.layout = STELE_DENSE;
        d.n_categories = f == FIELD_CLASS ? s->c->n_classes : s->c->n_batches;
    }
    *ret = d;
    return STELE_OK;
}

static const char *feature_name(const stele_inst *s, uint32_t f, int64_t j)
{
    return f < N_MEASURED && j >= 0 && j < s->m[f].n_features ? s->m[f].name[j] : NULL;
}

static const char *category(const stele_inst *s, uint32_t f, int64_t code)
{
    if (f == FIELD_CLASS && code >= 0 && code < s->c->n_classes) {
        return s->class_name[code];
    }
    return f == FIELD_BATCH && code >= 0 && code < s->c->n_batches ? s->batch_name[code] : NULL;
}

static stele_status check_rows(const stele_inst *s, uint32_t f, uint64_t n, const int64_t *row)
{
    if (f >= N_FIELDS) {
        return STELE_FAIL(s->host, STELE_E_ARG, "there is no field %u", f);
    }
    int64_t n_axis = n_rows(s, f < N_MEASURED ? 1 + f : 0);
    for (uint64_t i = 0; i < n; i++) {
        if (row[i] < 0 || row[i] >= n_axis) {
            return STELE_FAIL(s->host, STELE_E_ARG, "there is no row %lld", (long long)row[i]);
        }
    }
    return STELE_OK;
}

static stele_status count(const stele_inst *s, uint32_t f, uint64_t n, const int64_t *row,
                          int64_t *ret_n)
{
    board b;
    stele_status st = check_rows(s, f, n, row);
    if (st == STELE_OK && f >= N_MEASURED) {
        st = STELE_FAIL(s->host, STELE_E_ARG, "field %u is not sparse", f);
    }
    st = st == STELE_OK ? board_init(s, (int)f, &b) : st;
    if (st != STELE_OK) {
        return st;
    }
    for (uint64_t i = 0; i < n; i++) {
        put_clusters(s, (int)f, s->m[f].cell[row[i]], &b);
        ret_n[i] = take_entries(&b, 0, NULL, NULL);
    }
    board_finish(&b);
    return STELE_OK;
}

static stele_status read_matrix(const stele_inst *s, const stele_read *r)
{
    board b;
    int binary = r->field == FIELD_ATAC && s->c->binary_peaks;
    stele_status st = board_init(s, (int)r->field, &b);
    if (st != STELE_OK) {
        return st;
    }
    for (uint64_t i = 0; i < r->n_rows; i++) {
        put_clusters(s, (int)r->field, s->m[r->field].cell[r->row[i]], &b);
        take_entries(&b, binary, r->column + r->row_start[i], (float *)r->data + r->row_start[i]);
    }
    board_finish(&b);
    return STELE_OK;
}

static stele_status read_field(const stele_inst *s, const stele_read *r)
{
    stele_status st = check_rows(s, r->field, r->n_rows, r->row);
    if (st != STELE_OK || r->field < N_MEASURED) {
        return st != STELE_OK ? st : read_matrix(s, r);
    }
    for (uint64_t i = 0; i < r->n_rows; i++) {
        cell x;
        make_cell(s, r->row[i], &x);
        ((int32_t *)r->data)[i] = (int32_t)(r->field == FIELD_CLASS ? x.class : x.batch);
    }
    return STELE_OK;
}

static const stele_source_vt vt = { .struct_size = sizeof vt,
                                    .create = create,
                                    .destroy = destroy,
                                    .build = build,
                                    .n_axes = n_axes,
                                    .n_rows = n_rows,
                                    .row_id = row_id,
                                    .n_fields = n_fields,
                                    .field = describe,
                                    .feature_name = feature_name,
                                    .category = category,
                                    .count = count,
                                    .read = read_field };

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_SOURCE,
    .id = "source/simulate",
    .version = "0.1.0",
    .summary = "Simulated cells with RNA counts and chromatin peaks, classes and batches",
    .license = "BSD-3-Clause",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vt,
};

STELE_LIBRARY(&plugin)
