/* stele score RUN [-o FILE] [--modalities a,b] [--split PART] [--data PATH] [--alpha A] [--json] */
#include "base/mem.h"
#include "cli/command.h"
#include "cli/eval_table.h"
#include "cli/opened.h"
#include "cli/row_table.h"
#include "data/csv.h"
#include "eval/consistency.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PAIRS = STELE__MAX_MODALITIES * (STELE__MAX_MODALITIES - 1) / 2 };

typedef struct options {
    stele__open_request open;
    const char *out;
    double alpha; /* p_match below this is flagged */
    int json;
} options;

typedef struct pair {
    uint32_t a, b;
    stele__consistency c;
} pair;

typedef struct work {
    const options *q;
    stele__opened o;
    int64_t *row, n;
    pair *pair;
    size_t n_pairs;
    stele__diag *diag;
} work;

static int check(int argc, char **argv, options *o)
{
    int code = stele__open_check(&o->open, argc, argv);
    if (code != STELE__EXIT_OK) {
        return code;
    }
    if (o->out != NULL && strcmp(stele__extension(o->out), ".csv") != 0) {
        return stele__cli_usage_error(argv[0], "`%s` does not end in .csv", o->out);
    }
    return STELE__EXIT_OK;
}

static int parse(int argc, char **argv, options *o)
{
    static const struct option longs[] = { { "output", required_argument, NULL, 'o' },
                                           { "alpha", required_argument, NULL, 'a' },
                                           { "data", required_argument, NULL, 'd' },
                                           { "json", no_argument, NULL, 'j' },
                                           STELE__OPEN_OPTIONS,
                                           { 0 } };
    o->alpha = 0.05;
    o->open = (stele__open_request){
        .part = STELE__TEST, .checkpoint = "best", .encode_only = 1, .takes_data = 1
    };
    for (int c; (c = stele__cli_option(argc, argv, ":o:", longs)) != -1;) {
        char *end = NULL;
        switch (c) {
        case 'o': o->out = optarg; break;
        case 'd': o->open.data = optarg; break;
        case 'j': o->json = 1; break;
        case 'a':
            o->alpha = strtod(optarg, &end);
            if (end == optarg || *end != '\0' || !(o->alpha > 0.0) || !(o->alpha < 1.0)) {
                return stele__cli_usage_error(argv[0], "--alpha is a number between 0 and 1");
            }
            break;
        default:
            if (!stele__open_option(&o->open, c, optarg)) {
                return stele__cli_option_error(c, argv);
            }
        }
    }
    return check(argc, argv, o);
}

/* Matched pairs to compare with: held-out rows that are not those to be scored. */
static void choose_reference(const work *w, stele__consistency_request *r)
{
    const stele__split *s = w->o.run.split;
    if (s != NULL && w->q->open.part != STELE__VALID && w->q->open.part != STELE__N_PARTS) {
        r->reference = s->row[STELE__VALID];
        r->n_reference = s->n[STELE__VALID];
    }
}

static stele_status score_pairs(work *w, uint64_t mask)
{
    const stele__model *m = &w->o.run.model;
    stele_status status = STELE_OK;
    w->pair = stele__calloc(MOST_PAIRS, sizeof *w->pair);
    if (w->pair == NULL) {
        return STELE_E_NOMEM;
    }
    for (uint32_t a = 0; a < m->n_modalities; a++) {
        for (uint32_t b = a + 1; b < m->n_modalities && status == STELE_OK; b++) {
            if ((mask >> a & 1) == 0 || (mask >> b & 1) == 0) {
                continue;
            }
            pair *p = &w->pair[w->n_pairs++];
            stele__consistency_request r = {
                .a = UINT64_C(1) << a, .b = UINT64_C(1) << b, .row = w->row, .n = w->n
            };
            p->a = a;
            p->b = b;
            choose_reference(w, &r);
            status = stele__consistency_compute(&w->o.judge, &r, w->o.run.pool, &p->c, w->diag);
            if (status == STELE_E_DATA) {
                stele__diag_hint(w->diag, "modalities `%s` and `%s`", m->modality[a].name,
                                 m->modality[b].name);
            }
        }
    }
    if (status == STELE_OK && w->n_pairs == 0) {
        return stele__diag_error(w->diag, STELE_E_ARG, NULL, "a pair takes two modalities");
    }
    return status;
}

/* --- the table of rows --- */

static int64_t count_rows(const work *w)
{
    int64_t n = 0;
    for (size_t i = 0; i < w->n_pairs; i++) {
        n += w->pair[i].c.n;
    }
    return n;
}

/* One line per row and pair of modalities. */
static stele_status write_rows(const work *w)
{
    const stele__model *m = &w->o.run.model;
    const size_t n = (size_t)count_rows(w);
    const char **text = stele__calloc(3 * n, sizeof *text);
    double *value = stele__calloc(3 * n, sizeof *value);
    int64_t *flag = stele__calloc(n, sizeof *flag);
    size_t at = 0;
    stele_status status = text != NULL && value != NULL && flag != NULL ? STELE_OK : STELE_E_NOMEM;
    for (size_t i = 0; i < w->n_pairs && status == STELE_OK; i++) {
        const pair *p = &w->pair[i];
        for (int64_t r = 0; r < p->c.n; r++, at++) {
            text[at] = stele__dataset_row_id(w->o.run.data, p->c.row[r]);
            text[n + at] = m->modality[p->a].name;
            text[2 * n + at] = m->modality[p->b].name;
            value[at] = p->c.score[r];
            value[n + at] = p->c.p_match[r];
            value[2 * n + at] = p->c.p_chance[r];
            flag[at] = p->c.p_match[r] < w->q->alpha;
        }
    }
    if (status == STELE_OK) {
        stele__column column[] = {
            { .name = "id", .kind = STELE__TEXT, .text = text },
            { .name = "a", .kind = STELE__TEXT, .text = text + n },
            { .name = "b", .kind = STELE__TEXT, .text = text + 2 * n },
            { .name = "log_bayes_factor", .kind = STELE__DOUBLE, .f64 = value },
            { .name = "p_match", .kind = STELE__DOUBLE, .f64 = value + n },
            { .name = "p_chance", .kind = STELE__DOUBLE, .f64 = value + 2 * n },
            { .name = "flagged", .kind = STELE__INTEGER, .i64 = flag },
        };
        status = stele__csv_write(w->q->out, column, sizeof column / sizeof column[0], n, w->diag);
    }
    stele__free((void *)(uintptr_t)text);
    stele__free(value);
    stele__free(flag);
    return status;
}

/* --- the summary --- */

static json_t *retrieval(const stele__retrieval *r)
{
    return json_pack("{s:f, s:f, s:f, s:f}", "recall1", r->recall1, "recall5", r->recall5,
                     "recall10", r->recall10, "median_rank", r->median_rank);
}

static json_t *summary_of(const work *w, const pair *p)
{
    const stele__model *m = &w->o.run.model;
    int64_t flagged = 0, together = 0;
    for (int64_t r = 0; r < p->c.n; r++) {
        flagged += p->c.p_match[r] < w->q->alpha;
        together += p->c.score[r] > 0.0;
    }
    json_t *auroc = isfinite(p->c.auroc) ? json_real(p->c.auroc) : json_null();
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:o, s:f, s:I, s:f, s:o, s:o}", "a",
                     m->modality[p->a].name, "b", m->modality[p->b].name, "rows",
                     (json_int_t)p->c.n, "reference_rows", (json_int_t)p->c.n_reference,
                     "candidates", (json_int_t)p->c.n_candidates, "auroc", auroc, "share_together",
                     (double)together / (double)p->c.n, "flagged", (json_int_t)flagged, "alpha",
                     w->q->alpha, "a_to_b", retrieval(&p->c.forward), "b_to_a",
                     retrieval(&p->c.backward));
}

static stele_status show(const work *w)
{
    json_t *report = json_object(), *pairs = json_array();
    (void)json_object_set_new(report, "run", json_string(w->q->open.dir));
    (void)json_object_set_new(report, "pairs", pairs);
    for (size_t i = 0; i < w->n_pairs; i++) {
        (void)json_array_append_new(pairs, summary_of(w, &w->pair[i]));
    }
    char *text = w->q->json ? json_dumps(report, JSON_INDENT(2)) : NULL;
    if (text != NULL) {
        printf("%s\n", text);
    } else if (!w->q->json) {
        stele__score_print(report);
    }
    stele_status status = w->q->json && text == NULL ? STELE_E_NOMEM : STELE_OK;
    free(text);
    json_decref(report);
    return status;
}

int stele__cmd_score(int argc, char **argv)
{
    options q = { 0 };
    stele__diag diag;
    int code = parse(argc, argv, &q);
    if (code != STELE__EXIT_OK) {
        return code;
    }
    stele__diag_init(&diag);
    stele__cli_end_on_interrupts();
    work w = { .q = &q, .diag = &diag };
    uint64_t mask = 0;
    stele_status status = stele__opened_init(&w.o, &q.open, &diag);
    if (status == STELE_OK && q.out != NULL) {
        status = stele__opened_keep(&w.o, q.out, q.open.data, &diag);
    }
    status = status == STELE_OK ? stele__opened_mask(&w.o, &q.open, &mask, &diag) : status;
    status = status == STELE_OK ? stele__opened_rows(&w.o, &q.open, &w.row, &w.n) : status;
    status = status == STELE_OK ? score_pairs(&w, mask) : status;
    status = status == STELE_OK && q.out != NULL ? write_rows(&w) : status;
    status = status == STELE_OK ? show(&w) : status;
    for (size_t i = 0; i < w.n_pairs; i++) {
        stele__consistency_finish(&w.pair[i].c);
    }
    stele__free(w.pair);
    stele__free(w.row);
    stele__opened_finish(&w.o);
    return stele__cli_finish(&diag, status);
}
