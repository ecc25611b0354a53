#include "cli/eval_table.h"

#include <stdio.h>
#include <string.h>

enum { MOST = 64, TEXT = 64 };

/* Cells of text; the first column is aligned left, the others right. */
typedef struct grid {
    char cell[MOST][MOST][TEXT];
    int rows, columns;
} grid;

static void put(grid *t, int row, int column, const char *text)
{
    if (row < MOST && column < MOST) {
        snprintf(t->cell[row][column], TEXT, "%s", text);
        t->rows = row + 1 > t->rows ? row + 1 : t->rows;
        t->columns = column + 1 > t->columns ? column + 1 : t->columns;
    }
}

static void put_number(grid *t, int row, int column, const json_t *v, int decimals)
{
    char text[TEXT] = "-";
    if (json_is_number(v)) {
        snprintf(text, sizeof text, "%.*f", decimals, json_number_value(v));
    }
    put(t, row, column, text);
}

static void print(const grid *t)
{
    for (int r = 0; r < t->rows; r++) {
        for (int c = 0; c < t->columns; c++) {
            int width = 0;
            for (int k = 0; k < t->rows; k++) {
                int n = (int)strlen(t->cell[k][c]);
                width = n > width ? n : width;
            }
            printf(c == 0 ? "%-*s" : "  %*s", width, t->cell[r][c]);
        }
        putchar('\n');
    }
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s != NULL ? s : "";
}

/* Columns of one label score: "kNN class", or ARI and NMI. */
static int put_label(grid *t, int row, int column, const json_t *score)
{
    char title[TEXT];
    int knn = json_object_get(score, "knn") != NULL;
    static const char *const keys[] = { "knn", "ari", "nmi" };
    static const char *const names[] = { "kNN", "ARI", "NMI" };
    for (int i = knn ? 0 : 1; i < (knn ? 1 : 3); i++, column++) {
        snprintf(title, sizeof title, "%s %.50s", names[i], text_of(score, "labels"));
        put(t, 0, column, title);
        put_number(t, row, column, json_object_get(score, keys[i]), 3);
    }
    return column;
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

/* Columns "NAME accuracy" of one head; the next free column. */
static int put_head(grid *t, int row, int column, const char *name, json_t *score)
{
    const char *key;
    json_t *value;
    json_object_foreach(score, key, value)
    {
        char title[TEXT];
        if (strcmp(key, "rows") != 0 && !is_error_of_other(score, key)) {
            snprintf(title, sizeof title, "%.30s %.31s", name, key);
            put(t, 0, column, title);
            put_number(t, row, column++, value, 3);
        }
    }
    return column;
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
    int c = 1;
    const char *key;
    json_t *value;
    size_t i;
    put(t, row, 0, text_of(p, "name"));
    for (i = 0; i < sizeof column / sizeof column[0]; i++) {
        value = json_object_get(p, column[i].key);
        if (value != NULL) {
            put(t, 0, c, column[i].title);
            put_number(t, row, c++, value, column[i].decimals);
        }
    }
    json_object_foreach(json_object_get(p, "log_likelihood"), key, value)
    {
        char title[TEXT];
        snprintf(title, sizeof title, "log p(%.50s)", key);
        put(t, 0, c, title);
        put_number(t, row, c++, value, 2);
    }
    json_object_foreach(json_object_get(p, "perplexity"), key, value)
    {
        char title[TEXT];
        snprintf(title, sizeof title, "perplexity(%.40s)", key);
        put(t, 0, c, title);
        put_number(t, row, c++, value, 2);
    }
    json_array_foreach(json_object_get(p, "labels"), i, value)
    {
        c = put_label(t, row, c, value);
    }
    json_object_foreach(json_object_get(p, "heads"), key, value)
    {
        c = put_head(t, row, c, key, value);
    }
    put(t, 0, c, "variance");
    put_number(t, row, c++, json_object_get(p, "variance"), 4);
    put(t, 0, c, "joint sharper");
    put_number(t, row, c, json_object_get(p, "joint_sharper"), 3);
}

/* Metrics of the model and the baselines, a row each. */
static void put_scores(grid *t, int *row, const char *what, const json_t *scores)
{
    static const char *const key[] = { "model", "marginal", "class_mean" };
    static const char *const title[] = { "model", "marginal", "class mean" };
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(scores, "model"), name, value)
    {
        put(t, *row, 0, what);
        put(t, *row, 1, name);
        for (int i = 0; i < 3; i++) {
            const json_t *all = json_object_get(scores, key[i]);
            put(t, 0, i + 2, title[i]);
            put_number(t, *row, i + 2, json_object_get(all, name), 4);
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
    put(t, row, 0, class != NULL ? class : "all rows");
    for (size_t i = 0; i < sizeof column / sizeof column[0]; i++) {
        put(t, 0, c, column[i].title);
        put_number(t, row, c++, json_object_get(group, column[i].key), column[i].decimals);
    }
    json_object_foreach(json_object_get(group, "modalities"), name, value)
    {
        char title[TEXT];
        snprintf(title, sizeof title, "share %.50s", name);
        put(t, 0, c, title);
        put_number(t, row, c++, json_object_get(value, "share"), 3);
        snprintf(title, sizeof title, "%.48s holds", name);
        put(t, 0, c, title);
        put_number(t, row, c++, json_object_get(value, "coverage"), 3);
    }
}

static void print_fusion(const json_t *fusion)
{
    static grid t;
    size_t i;
    json_t *group;
    memset(&t, 0, sizeof t);
    put(&t, 0, 0, "fusion");
    json_array_foreach(json_object_get(fusion, "groups"), i, group)
    {
        put_group(&t, (int)i + 1, group);
    }
    print(&t);
}

void stele__eval_print(const json_t *report)
{
    static grid posteriors, cross;
    size_t i;
    json_t *one;
    int row = 1;
    memset(&posteriors, 0, sizeof posteriors);
    memset(&cross, 0, sizeof cross);
    printf("%lld %s rows, %s checkpoint\n\n",
           (long long)json_integer_value(json_object_get(report, "rows")), text_of(report, "split"),
           text_of(report, "checkpoint"));
    put(&posteriors, 0, 0, "posterior");
    json_array_foreach(json_object_get(report, "posteriors"), i, one)
    {
        put_posterior(&posteriors, (int)i + 1, one);
    }
    print(&posteriors);
    put(&cross, 0, 0, "prediction");
    put(&cross, 0, 1, "metric");
    json_array_foreach(json_object_get(report, "cross"), i, one)
    {
        put_pair(&cross, &row, one);
    }
    if (row > 1) {
        putchar('\n');
        print(&cross);
    }
    if (json_object_get(report, "fusion") != NULL) {
        putchar('\n');
        print_fusion(json_object_get(report, "fusion"));
    }
}

void stele__score_print(const json_t *report)
{
    static const struct {
        const char *side, *key, *title;
        int decimals;
    } column[] = {
        { NULL, "rows", "rows", 0 },
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
    static grid pairs;
    size_t i;
    json_t *one;
    memset(&pairs, 0, sizeof pairs);
    put(&pairs, 0, 0, "pair");
    json_array_foreach(json_object_get(report, "pairs"), i, one)
    {
        char title[TEXT];
        snprintf(title, sizeof title, "%.28s, %.28s", text_of(one, "a"), text_of(one, "b"));
        put(&pairs, (int)i + 1, 0, title);
        for (size_t c = 0; c < sizeof column / sizeof column[0]; c++) {
            const json_t *at = column[c].side != NULL ? json_object_get(one, column[c].side) : one;
            put(&pairs, 0, (int)c + 1, column[c].title);
            put_number(&pairs, (int)i + 1, (int)c + 1, json_object_get(at, column[c].key),
                       column[c].decimals);
        }
    }
    print(&pairs);
}
