/* stele score RUN [DATA...] [-o FILE] [--modalities a,b] [--split PART] [--data PATH] [--alpha A]
 *     [--intervals] [--resamples N] [--level P] [--markdown] [--json] */
#include "base/mem.h"
#include "cli/command.h"
#include "cli/eval_table.h"
#include "cli/eval_units.h"
#include "cli/opened.h"
#include "cli/row_table.h"
#include "cli/score_reference.h"
#include "data/csv.h"

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
    stele__interval_options figures;
} options;

typedef struct pair {
    uint32_t a, b;
    stele__consistency c;
} pair;

typedef struct work {
    const options *q;
    stele__opened o;
    int64_t *row, n;
    stele__reference reference;
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
    o->open.spec_labels = o->open.data.n == 0; /* other data need not have its groups */
    return stele__interval_check(argv[0], &o->figures);
}

static int parse(int argc, char **argv, options *o)
{
    static const struct option longs[] = { { "output", required_argument, NULL, 'o' },
                                           { "alpha", required_argument, NULL, 'a' },
                                           { "data", required_argument, NULL, STELE__OPTION_DATA },
                                           STELE__INTERVAL_OPTIONS,
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
        case 'a':
            o->alpha = strtod(optarg, &end);
            if (end == optarg || *end != '\0' || !(o->alpha > 0.0) || !(o->alpha < 1.0)) {
                return stele__cli_usage_error(argv[0], "--alpha is a number between 0 and 1");
            }
            break;
        default:
            if (!stele__interval_option(&o->figures, c, optarg) &&
                !stele__open_option(&o->open, c, optarg)) {
                return stele__cli_option_error(c, argv);
            }
        }
    }
    return check(argc, argv, o);
}

/* What is known of matched pairs, and which rows are among them. */
static void choose_reference(const work *w, const pair *p, stele__consistency_request *r)
{
    if (w->reference.pair != NULL) {
        const stele__reference_pair *matched = stele__reference_of(&w->reference, p->a, p->b);
        r->reference = matched->score;
        r->n_reference = matched->n;
    }
    r->part = w->o.run.split != NULL ? w->o.run.split->part : NULL;
}

/* A pair that no row has is left out: of three modalities two may never meet. */
static int can_compare(const work *w, uint32_t a, uint32_t b)
{
    const stele__model *m = &w->o.run.model;
    const uint64_t both = UINT64_C(1) << a | UINT64_C(1) << b;
    for (int64_t r = 0; r < w->n; r++) {
        if ((stele__judge_present(&w->o.judge, w->row[r]) & both) == both) {
            return 1;
        }
    }
    stele__diag_warning(w->diag, NULL,
                        "none of %lld rows has both `%s` and `%s`: the pair is left out",
                        (long long)w->n, m->modality[a].name, m->modality[b].name);
    return 0;
}

static stele_status score_pairs(work *w, uint64_t mask)
{
    const stele__model *m = &w->o.run.model;
    stele_status status = STELE_OK;
    int n_asked = 0;
    w->pair = stele__calloc(MOST_PAIRS, sizeof *w->pair);
    if (w->pair == NULL) {
        return STELE_E_NOMEM;
    }
    for (uint32_t a = 0; a < m->n_modalities; a++) {
        for (uint32_t b = a + 1; b < m->n_modalities && status == STELE_OK; b++) {
            if ((mask >> a & 1) == 0 || (mask >> b & 1) == 0) {
                continue;
            }
            n_asked++;
            if (!can_compare(w, a, b)) {
                continue;
            }
            pair *p = &w->pair[w->n_pairs++];
            stele__consistency_request r = {
                .a = UINT64_C(1) << a, .b = UINT64_C(1) << b, .row = w->row, .n = w->n
            };
            p->a = a;
            p->b = b;
            choose_reference(w, p, &r);
            status = stele__consistency_compute(&w->o.judge, &r, w->o.run.pool, &p->c, w->diag);
            if (status == STELE_OK) {
                stele__score_reference_warn(&w->o, &w->q->open, &w->reference, &p->c, w->q->alpha,
                                            a, b, w->diag);
            }
        }
    }
    if (status == STELE_OK && w->n_pairs == 0) {
        return n_asked > 0
                   ? stele__diag_error(w->diag, STELE_E_DATA, NULL,
                                       "there is no pair of modalities to compare")
                   : stele__diag_error(w->diag, STELE_E_ARG, NULL, "a pair takes two modalities");
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
    static const char *const no_or_yes[] = { "0", "1" };
    const size_t n = (size_t)count_rows(w);
    const char **text = stele__calloc(3 * n, sizeof *text);
    double *value = stele__calloc(3 * n, sizeof *value);
    int32_t *flag = stele__calloc(n, sizeof *flag);
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
            flag[at] = isnan(p->c.p_match[r]) ? -1 : p->c.p_match[r] < w->q->alpha;
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
            { .name = "flagged",
              .kind = STELE__CATEGORY,
              .text = no_or_yes,
              .n_categories = 2,
              .code = flag },
        };
        status = stele__csv_write(w->q->out, column, sizeof column / sizeof column[0], n, w->diag);
    }
    stele__free((void *)(uintptr_t)text);
    stele__free(value);
    stele__free(flag);
    return status;
}

/* --- the summary --- */

/* Figures of a pair that are means over its rows. */
enum { AUROC = 0, TOGETHER, FLAGGED, RECALL, N_MEANS = RECALL + 6 };
static const int recalled[] = { 1, 5, 10 };

/* (n, N_MEANS) */
static void fill_means(const work *w, const stele__consistency *c, double *ret)
{
    for (int64_t r = 0; r < c->n; r++, ret += N_MEANS) {
        ret[AUROC] = c->contribution[r];
        ret[TOGETHER] = c->score[r] > 0.0;
        ret[FLAGGED] = c->p_match[r] < w->q->alpha;
        for (int k = 0; k < 3; k++) {
            ret[RECALL + k] = c->rank_forward[r] <= recalled[k];
            ret[RECALL + 3 + k] = c->rank_backward[r] <= recalled[k];
        }
    }
}

typedef struct intervals {
    stele__interval mean[N_MEANS], forward, backward; /* forward, backward: of the median ranks */
} intervals;

static stele_status find_intervals(const work *w, const stele__consistency *c, intervals *ret)
{
    stele__bootstrap b = w->q->figures.bootstrap;
    double *value = stele__calloc((size_t)c->n * N_MEANS, sizeof *value);
    stele_status status =
        value != NULL ? stele__eval_units(&w->o, c->row, c->n, &b) : STELE_E_NOMEM;
    if (status == STELE_OK) {
        fill_means(w, c, value);
        status = stele__bootstrap_means(&b, value, N_MEANS, ret->mean);
    }
    status =
        status == STELE_OK ? stele__bootstrap_median(&b, c->rank_forward, &ret->forward) : status;
    status =
        status == STELE_OK ? stele__bootstrap_median(&b, c->rank_backward, &ret->backward) : status;
    /* The mean of contributions is that area to first order only. */
    ret->mean[AUROC].low = fmax(ret->mean[AUROC].low, 0.0);
    ret->mean[AUROC].high = fmin(ret->mean[AUROC].high, 1.0);
    stele__eval_units_finish(&b);
    stele__free(value);
    return status;
}

/* null where there is none. */
static json_t *interval(const stele__interval *i, double factor)
{
    return isfinite(i->low) && isfinite(i->high)
               ? json_pack("[f, f]", factor * i->low, factor * i->high)
               : json_null();
}

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

/* `at`: recall at 1, 5 and 10. */
static json_t *retrieval(const stele__retrieval *r, const stele__interval *at,
                         const stele__interval *median)
{
    json_t *one = json_pack("{s:o, s:o, s:o, s:o}", "recall1", number(r->recall1), "recall5",
                            number(r->recall5), "recall10", number(r->recall10), "median_rank",
                            number(r->median_rank));
    if (at != NULL) {
        json_object_set_new(one, "intervals",
                            json_pack("{s:o, s:o, s:o, s:o}", "recall1", interval(&at[0], 1.0),
                                      "recall5", interval(&at[1], 1.0), "recall10",
                                      interval(&at[2], 1.0), "median_rank", interval(median, 1.0)));
    }
    return one;
}

/* i NULL: without intervals. Of a single row there is what one row can say. */
static json_t *summary_of(const work *w, const pair *p, const intervals *i)
{
    const stele__model *m = &w->o.run.model;
    int64_t flagged = 0, together = 0;
    for (int64_t r = 0; r < p->c.n; r++) {
        flagged += p->c.p_match[r] < w->q->alpha;
        together += p->c.score[r] > 0.0;
    }
    const int single = p->c.n == 1, known = !isnan(p->c.p_match[0]);
    json_t *one = json_pack(
        "{s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:f, s:o, s:o}", "a", m->modality[p->a].name, "b",
        m->modality[p->b].name, "rows", (json_int_t)p->c.n, "reference_rows",
        (json_int_t)p->c.n_reference, "candidates",
        single ? json_null() : json_integer(p->c.n_candidates), "auroc", number(p->c.auroc),
        "share_together", single ? json_null() : json_real((double)together / (double)p->c.n),
        "flagged", known ? json_integer(flagged) : json_null(), "alpha", w->q->alpha, "a_to_b",
        retrieval(&p->c.forward, i != NULL ? i->mean + RECALL : NULL,
                  i != NULL ? &i->forward : NULL),
        "b_to_a",
        retrieval(&p->c.backward, i != NULL ? i->mean + RECALL + 3 : NULL,
                  i != NULL ? &i->backward : NULL));
    if (single) {
        json_object_set_new(one, "log_bayes_factor", number(p->c.score[0]));
        json_object_set_new(one, "p_match", number(p->c.p_match[0]));
    }
    if (i != NULL) {
        json_object_set_new(one, "intervals",
                            json_pack("{s:o, s:o, s:o}", "auroc", interval(&i->mean[AUROC], 1.0),
                                      "share_together", interval(&i->mean[TOGETHER], 1.0),
                                      "flagged", interval(&i->mean[FLAGGED], (double)p->c.n)));
    }
    return one;
}

static stele_status summarise(const work *w, json_t *report)
{
    const stele__interval_options *f = &w->q->figures;
    json_t *pairs = json_array();
    stele_status status = STELE_OK;
    (void)json_object_set_new(report, "run", json_string(w->q->open.dir));
    (void)json_object_set_new(report, "pairs", pairs);
    for (size_t i = 0; i < w->n_pairs && status == STELE_OK; i++) {
        intervals found = { 0 };
        const int wanted = f->bootstrap.n_resamples > 0 && w->pair[i].c.n > 1;
        status = wanted ? find_intervals(w, &w->pair[i].c, &found) : STELE_OK;
        (void)json_array_append_new(pairs, summary_of(w, &w->pair[i], wanted ? &found : NULL));
    }
    if (f->bootstrap.n_resamples > 0) {
        (void)json_object_set_new(report, "intervals",
                                  json_pack("{s:f, s:I}", "level", f->bootstrap.level, "resamples",
                                            (json_int_t)f->bootstrap.n_resamples));
    }
    return status;
}

static stele_status show(const work *w)
{
    const stele__interval_options *f = &w->q->figures;
    json_t *report = json_object();
    stele_status status = summarise(w, report);
    char *text = status == STELE_OK && f->json ? json_dumps(report, JSON_INDENT(2)) : NULL;
    if (text != NULL) {
        printf("%s\n", text);
    } else if (status == STELE_OK && !f->json) {
        stele__score_print(report, &f->style);
    } else if (status == STELE_OK) {
        status = STELE_E_NOMEM;
    }
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
        status = stele__opened_keep(&w.o, q.out, &diag);
    }
    status = status == STELE_OK ? stele__opened_mask(&w.o, &q.open, &mask, &diag) : status;
    status = status == STELE_OK ? stele__opened_rows(&w.o, &q.open, &w.row, &w.n) : status;
    status = status == STELE_OK
                 ? stele__score_reference_open(&w.o, &q.open, mask, &w.reference, &diag)
                 : status;
    status = status == STELE_OK ? score_pairs(&w, mask) : status;
    status = status == STELE_OK && q.out != NULL ? write_rows(&w) : status;
    status = status == STELE_OK ? show(&w) : status;
    for (size_t i = 0; i < w.n_pairs; i++) {
        stele__consistency_finish(&w.pair[i].c);
    }
    stele__reference_finish(&w.reference);
    stele__free(w.pair);
    stele__free(w.row);
    stele__opened_finish(&w.o);
    return stele__cli_finish(&diag, status);
}
