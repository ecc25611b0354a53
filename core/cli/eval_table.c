#include "cli/eval_table.h"

#include <stdio.h>
#include <string.h>

typedef stele__grid grid;
enum { TEXT = STELE__CELL };

static const char *text_of(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s != NULL ? s : "";
}

/* A figure under a title, which no other figure of the row has. */
static void put_figure(grid *t, int row, const char *title, const json_t *object, const char *key,
                       int decimals)
{
    stele__grid_figure(t, row, stele__grid_column(t, row, title), object, key, decimals);
}

/* Columns of one label score, each behind the column that it is about: "kNN class". */
static void put_label(grid *t, int row, const json_t *score)
{
    static const struct {
        const char *key, *title, *about;
    } one[] = {
        { "ari", "ARI", "labels" },
        { "nmi", "NMI", "labels" },
        { "silhouette", "silhouette", "labels" },
        { "silhouette_batch", "mixed", "batch" },
        { "ilisi", "iLISI", "batch" },
        { "clisi", "cLISI", "labels" },
        { "knn", "kNN", NULL },
        { "logistic", "logistic", "batch" },
        { "chance", "chance", "batch" },
    };
    const char *first = json_object_get(score, "ilisi") != NULL ? "batch" : "labels";
    for (size_t i = 0; i < sizeof one / sizeof one[0]; i++) {
        char title[TEXT];
        if (json_object_get(score, one[i].key) == NULL) {
            continue;
        }
        snprintf(title, sizeof title, "%s %.50s", one[i].title,
                 text_of(score, one[i].about != NULL ? one[i].about : first));
        put_figure(t, row, title, score, one[i].key, 3);
    }
}

/* Is it the standard error of a figure beside it? There is no room for those. */
static int is_error_of_other(const json_t *score, const char *key)
{
    char other[TEXT];
    size_t n = strlen(key), end = strlen("_error");
    if (n <= end || strcmp(key + n - end, "_error") != 0) {
        return 0;
    }
    snprintf(other, sizeof other, "%.*s", (int)(n - end), key);
    return json_object_get(score, other) != NULL;
}

/* Columns "NAME accuracy" of one head. */
static void put_head(grid *t, int row, const char *name, json_t *score)
{
    const char *key;
    json_t *value;
    json_object_foreach(score, key, value)
    {
        char title[TEXT];
        if (json_is_object(value) || strcmp(key, "rows") == 0 || is_error_of_other(score, key)) {
            continue;
        }
        snprintf(title, sizeof title, "%.30s %.31s", name, key);
        put_figure(t, row, title, score, key, 3);
    }
}

/* What is said of each modality's likelihood. */
static void put_modalities(grid *t, int row, const json_t *p)
{
    const char *key;
    json_t *value;
    const json_t *by_modality = json_object_get(json_object_get(p, "intervals"), "log_likelihood");
    json_object_foreach(json_object_get(p, "log_likelihood"), key, value)
    {
        char title[TEXT];
        snprintf(title, sizeof title, "log p(%.50s)", key);
        stele__grid_number(t, row, stele__grid_column(t, row, title), value,
                           json_object_get(by_modality, key), 2);
    }
    json_object_foreach(json_object_get(p, "perplexity"), key, value)
    {
        char title[TEXT];
        snprintf(title, sizeof title, "perplexity(%.40s)", key);
        stele__grid_number(t, row, stele__grid_column(t, row, title), value, NULL, 2);
    }
}

static void put_posterior(grid *t, int row, const json_t *p)
{
    static const struct {
        const char *key, *title;
        int decimals;
    } column[] = {
        { "rows", "rows", 0 },
        { "elbo", "ELBO", 2 },
        { "importance_weighted", "IW log p", 2 },
        { "divergence", "KL", 2 },
    };
    const char *key;
    json_t *value;
    size_t i;
    stele__grid_put(t, row, 0, text_of(p, "name"));
    for (i = 0; i < sizeof column / sizeof column[0]; i++) {
        if (json_object_get(p, column[i].key) != NULL) {
            put_figure(t, row, column[i].title, p, column[i].key, column[i].decimals);
        }
    }
    put_modalities(t, row, p);
    json_array_foreach(json_object_get(p, "labels"), i, value)
    {
        put_label(t, row, value);
    }
    json_object_foreach(json_object_get(p, "heads"), key, value)
    {
        put_head(t, row, key, value);
    }
    put_figure(t, row, "variance", p, "variance", 4);
    put_figure(t, row, "joint sharper", p, "joint_sharper", 3);
}

/* Metrics of the model and the baselines, a row each. */
static void put_scores(grid *t, int *row, const char *what, const json_t *scores)
{
    static const char *const key[] = { "model", "marginal", "class_mean" };
    static const char *const title[] = { "model", "marginal", "class mean" };
    const json_t *intervals = json_object_get(scores, "intervals");
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(scores, "model"), name, value)
    {
        stele__grid_put(t, *row, 0, what);
        stele__grid_put(t, *row, 1, name);
        for (int i = 0; i < 3; i++) {
            const json_t *all = json_object_get(scores, key[i]);
            stele__grid_put(t, 0, i + 2, title[i]);
            stele__grid_number(t, *row, i + 2, json_object_get(all, name),
                               json_object_get(json_object_get(intervals, key[i]), name), 4);
        }
        ++*row;
    }
}

static void put_pair(grid *t, int *row, const json_t *pair)
{
    const char *feature;
    json_t *scores;
    char text[TEXT];
    snprintf(text, sizeof text, "%.28s -> %.28s", text_of(pair, "from"), text_of(pair, "to"));
    put_scores(t, row, text, pair);
    json_object_foreach(json_object_get(pair, "features"), feature, scores)
    {
        snprintf(text, sizeof text, "%.14s -> %.14s: %.28s", text_of(pair, "from"),
                 text_of(pair, "to"), feature);
        put_scores(t, row, text, scores);
    }
}

/* One group of rows of the fusion report. */
static void put_group(grid *t, int row, const json_t *group)
{
    static const struct {
        const char *key, *title;
        int decimals;
    } column[] = {
        { "rows", "rows", 0 },           { "disagreement", "disagreement", 2 },
        { "conflict", "p < .05", 3 },    { "conflict_chi_square", "chi2 p < .05", 3 },
        { "coverage", "90 % holds", 3 },
    };
    int c = 1;
    const char *name, *class = json_string_value(json_object_get(group, "group"));
    json_t *value;
    stele__grid_put(t, row, 0, class != NULL ? class : "all rows");
    for (size_t i = 0; i < sizeof column / sizeof column[0]; i++) {
        stele__grid_put(t, 0, c, column[i].title);
        stele__grid_figure(t, row, c++, group, column[i].key, column[i].decimals);
    }
    const json_t *modalities = json_object_get(json_object_get(group, "intervals"), "modalities");
    json_object_foreach(json_object_get(group, "modalities"), name, value)
    {
        char title[TEXT];
        snprintf(title, sizeof title, "share %.50s", name);
        stele__grid_put(t, 0, c, title);
        const json_t *own = json_object_get(modalities, name);
        stele__grid_number(t, row, c++, json_object_get(value, "share"),
                           json_object_get(own, "share"), 3);
        snprintf(title, sizeof title, "%.48s holds", name);
        stele__grid_put(t, 0, c, title);
        stele__grid_number(t, row, c++, json_object_get(value, "coverage"),
                           json_object_get(own, "coverage"), 3);
    }
}

/* Figures of coherence, of one modality or of all. */
static void put_coherence(grid *t, int row, const json_t *one)
{
    static const struct {
        const char *key, *title;
    } column[] = { { "chance", "chance" }, { "accuracy", "real" }, { "joint", "joint" } };
    int c = 1;
    char key[TEXT], title[TEXT];
    stele__grid_put(t, 0, c, "rows");
    stele__grid_figure(t, row, c++, one, "rows", 0);
    for (size_t i = 0; i < sizeof column / sizeof column[0]; i++, c++) {
        stele__grid_put(t, 0, c, column[i].title);
        if (json_object_get(one, column[i].key) != NULL) {
            stele__grid_figure(t, row, c, one, column[i].key, 3);
        }
    }
    for (int k = 1;; k++, c++) {
        snprintf(key, sizeof key, "given_%d", k);
        if (json_object_get(one, key) == NULL) {
            break;
        }
        snprintf(title, sizeof title, "given %d", k);
        stele__grid_put(t, 0, c, title);
        stele__grid_figure(t, row, c, one, key, 3);
    }
    if (json_object_get(one, "joint_standard") != NULL) {
        stele__grid_put(t, 0, c, "joint, N(0, I)");
        stele__grid_figure(t, row, c, one, "joint_standard", 3);
    }
}

/* --- the tables --- */

static void print_table(grid *t, int *first)
{
    if (t->rows > 1) {
        fputs(*first ? "" : "\n", stdout);
        stele__grid_print(t);
        *first = 0;
    }
    stele__grid_finish(t);
}

static void print_posteriors(const json_t *report, const stele__grid_style *style, int *first)
{
    grid t = { .style = *style };
    size_t i;
    json_t *one;
    stele__grid_put(&t, 0, 0, "posterior");
    json_array_foreach(json_object_get(report, "posteriors"), i, one)
    {
        put_posterior(&t, (int)i + 1, one);
    }
    stele__grid_fill(&t);
    print_table(&t, first);
}

static void print_cross(const json_t *report, const stele__grid_style *style, int *first)
{
    grid t = { .style = *style, .keys = 2 };
    size_t i;
    json_t *one;
    int row = 1;
    stele__grid_put(&t, 0, 0, "prediction");
    stele__grid_put(&t, 0, 1, "metric");
    json_array_foreach(json_object_get(report, "cross"), i, one)
    {
        put_pair(&t, &row, one);
    }
    print_table(&t, first);
}

static void print_alignment(const json_t *report, const stele__grid_style *style, int *first)
{
    grid t = { .style = *style };
    size_t i;
    json_t *one;
    stele__grid_put(&t, 0, 0, "alignment");
    stele__grid_put(&t, 0, 1, "rows");
    stele__grid_put(&t, 0, 2, "FOSCTTM");
    json_array_foreach(json_object_get(report, "alignment"), i, one)
    {
        char pair[TEXT];
        snprintf(pair, sizeof pair, "%.28s, %.28s", text_of(one, "a"), text_of(one, "b"));
        stele__grid_put(&t, (int)i + 1, 0, pair);
        stele__grid_figure(&t, (int)i + 1, 1, one, "rows", 0);
        stele__grid_figure(&t, (int)i + 1, 2, one, "foscttm", 4);
    }
    print_table(&t, first);
}

static void print_calibration(const json_t *report, const stele__grid_style *style, int *first)
{
    static const char *const key[] = { "rows", "coverage", "below", "above" };
    grid t = { .style = *style };
    size_t i;
    json_t *one;
    stele__grid_put(&t, 0, 0, "calibration");
    json_array_foreach(json_object_get(report, "calibration"), i, one)
    {
        char text[TEXT];
        snprintf(text, sizeof text, "%.28s -> %.28s", text_of(one, "from"), text_of(one, "to"));
        stele__grid_put(&t, (int)i + 1, 0, text);
        snprintf(text, sizeof text, "%.4g %% holds",
                 100.0 * json_number_value(json_object_get(one, "level")));
        for (int c = 0; c < 4; c++) {
            stele__grid_put(&t, 0, c + 1, c == 1 ? text : key[c]);
            stele__grid_figure(&t, (int)i + 1, c + 1, one, key[c], c == 0 ? 0 : 3);
        }
    }
    print_table(&t, first);
}

/* A line for each modality and one for all of them. */
static void print_coherence(const json_t *report, const stele__grid_style *style, int *first)
{
    const json_t *all = json_object_get(report, "coherence");
    const char *name;
    json_t *one;
    grid t = { .style = *style };
    int row = 1;
    stele__grid_put(&t, 0, 0, "coherence");
    json_object_foreach(json_object_get(all, "modalities"), name, one)
    {
        stele__grid_put(&t, row, 0, name);
        put_coherence(&t, row++, one);
    }
    if (all != NULL) {
        stele__grid_put(&t, row, 0, "all");
        put_coherence(&t, row, all);
    }
    print_table(&t, first);
}

static void print_fusion(const json_t *report, const stele__grid_style *style, int *first)
{
    grid t = { .style = *style };
    size_t i;
    json_t *group;
    stele__grid_put(&t, 0, 0, "fusion");
    json_array_foreach(json_object_get(json_object_get(report, "fusion"), "groups"), i, group)
    {
        put_group(&t, (int)i + 1, group);
    }
    print_table(&t, first);
}

void stele__eval_print(const json_t *report, const stele__grid_style *style)
{
    const json_t *intervals = json_object_get(report, "intervals");
    int first = 1;
    printf("%lld %s rows, %s checkpoint",
           (long long)json_integer_value(json_object_get(report, "rows")), text_of(report, "split"),
           text_of(report, "checkpoint"));
    if (style->intervals && intervals != NULL) {
        printf(", %.4g %% intervals of %lld resamples",
               100.0 * json_number_value(json_object_get(intervals, "level")),
               (long long)json_integer_value(json_object_get(intervals, "resamples")));
        if (json_integer_value(json_object_get(intervals, "units")) !=
            json_integer_value(json_object_get(report, "rows"))) {
            printf(" of %lld groups",
                   (long long)json_integer_value(json_object_get(intervals, "units")));
        }
    }
    printf("\n\n");
    print_posteriors(report, style, &first);
    print_alignment(report, style, &first);
    print_cross(report, style, &first);
    print_calibration(report, style, &first);
    print_coherence(report, style, &first);
    print_fusion(report, style, &first);
}

/* Has any pair such a figure? Some are of a single row, others of several. */
static int any_has(const json_t *pairs, const char *side, const char *key)
{
    size_t i;
    json_t *one;
    json_array_foreach(pairs, i, one)
    {
        if (json_is_number(json_object_get(side != NULL ? json_object_get(one, side) : one, key))) {
            return 1;
        }
    }
    return 0;
}

void stele__score_print(const json_t *report, const stele__grid_style *style)
{
    static const struct {
        const char *side, *key, *title;
        int decimals;
    } column[] = {
        { NULL, "rows", "rows", 0 },
        { NULL, "log_bayes_factor", "log Bayes factor", 2 },
        { NULL, "p_match", "p_match", 4 },
        { NULL, "auroc", "AUROC matched", 3 },
        { NULL, "share_together", "rather together", 3 },
        { NULL, "flagged", "flagged", 0 },
        { "a_to_b", "recall1", "R@1 ->", 3 },
        { "a_to_b", "recall5", "R@5 ->", 3 },
        { "a_to_b", "recall10", "R@10 ->", 3 },
        { "a_to_b", "median_rank", "rank ->", 1 },
        { "b_to_a", "recall1", "R@1 <-", 3 },
        { "b_to_a", "recall5", "R@5 <-", 3 },
        { "b_to_a", "recall10", "R@10 <-", 3 },
        { "b_to_a", "median_rank", "rank <-", 1 },
        { NULL, "candidates", "of", 0 },
    };
    const json_t *all = json_object_get(report, "pairs");
    grid pairs = { .style = *style };
    size_t i;
    int at = 1;
    json_t *one;
    stele__grid_put(&pairs, 0, 0, "pair");
    json_array_foreach(all, i, one)
    {
        char title[TEXT];
        snprintf(title, sizeof title, "%.28s, %.28s", text_of(one, "a"), text_of(one, "b"));
        stele__grid_put(&pairs, (int)i + 1, 0, title);
    }
    for (size_t c = 0; c < sizeof column / sizeof column[0]; c++) {
        const char *side = column[c].side, *key = column[c].key;
        if (!any_has(all, side, key)) {
            continue;
        }
        stele__grid_put(&pairs, 0, at, column[c].title);
        json_array_foreach(all, i, one)
        {
            stele__grid_figure(&pairs, (int)i + 1, at,
                               side != NULL ? json_object_get(one, side) : one, key,
                               column[c].decimals);
        }
        at++;
    }
    stele__grid_print(&pairs);
    stele__grid_finish(&pairs);
}

void stele__heads_print(json_t *heads, const stele__grid_style *style)
{
    const char *name, *key;
    json_t *one, *value;
    grid t = { .style = *style, .keys = 3 };
    int row = 1;
    static const char *const title[] = { "head", "rows", "metric", "at the posterior's mean" };
    for (int c = 0; c < 4; c++) {
        stele__grid_put(&t, 0, c, title[c]);
    }
    json_object_foreach(heads, name, one)
    {
        json_object_foreach(one, key, value)
        {
            if (json_is_object(value) || strcmp(key, "rows") == 0) {
                continue;
            }
            stele__grid_put(&t, row, 0, name);
            stele__grid_figure(&t, row, 1, one, "rows", 0);
            stele__grid_put(&t, row, 2, key);
            stele__grid_figure(&t, row++, 3, one, key, 4);
        }
    }
    stele__grid_print(&t);
    stele__grid_finish(&t);
}
