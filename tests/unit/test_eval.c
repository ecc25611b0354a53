/* The eval room against scikit-learn, umap-learn and igraph (fixtures/make_eval.py), and by
 * properties. */
#include "test.h"

#include "base/mem.h"
#include "eval/agreement.h"
#include "eval/cluster.h"
#include "eval/knn.h"
#include "eval/moments.h"
#include "eval/neighbour_graph.h"
#include "eval/ranking.h"
#include "fixtures/eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A small generator of test data; its quality does not matter. Uniform in (-1, 1). */
static float draw(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(*seed >> 33) / (double)(1u << 30) - 1.0);
}

static void assert_close(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance)) {
        fail_msg("%.17g is not %.17g within %g", a, b, tolerance);
    }
}

static void nearest_are_those_of_scikit_learn(void **state)
{
    (void)state;
    int32_t index[FIX_N * FIX_VOTERS];
    double distance[FIX_N * FIX_VOTERS];
    assert_int_equal(stele__knn_search(fix_x, FIX_N, fix_x, FIX_N, FIX_COLUMNS, FIX_VOTERS, 1,
                                       index, distance, NULL),
                     STELE_OK);
    assert_memory_equal(index, fix_nearest, sizeof index);
    double sum = 0.0;
    for (int j = 0; j < FIX_COLUMNS; j++) {
        sum += pow((double)fix_x[j] - (double)fix_x[index[0] * FIX_COLUMNS + j], 2);
    }
    assert_close(distance[0], sqrt(sum), 1e-12);
}

/* More rows than blocks have, far from the origin, compared with the plain definition. */
static void nearest_in_blocks_are_exact(void **state)
{
    (void)state;
    enum { N = 2300, QUERIES = 140, COLUMNS = 5, K = 9 };
    uint64_t seed = 1;
    float *x = stele__malloc(sizeof(float) * N * COLUMNS);
    int32_t *index = stele__malloc(sizeof(int32_t) * QUERIES * K);
    for (size_t i = 0; i < N * COLUMNS; i++) {
        x[i] = 1000.0f + draw(&seed);
    }
    assert_int_equal(stele__knn_search(x, QUERIES, x, N, COLUMNS, K, 1, index, NULL, NULL),
                     STELE_OK);
    for (int32_t q = 0; q < QUERIES; q++) {
        double last = -1.0;
        for (int k = 0; k < K; k++) {
            double best = INFINITY;
            int32_t nearest = -1;
            for (int32_t i = 0; i < N; i++) {
                double d = 0.0;
                for (int j = 0; j < COLUMNS; j++) {
                    d += pow((double)x[q * COLUMNS + j] - (double)x[i * COLUMNS + j], 2);
                }
                if (i != q && d < best && d > last) {
                    best = d;
                    nearest = i;
                }
            }
            assert_int_equal(index[q * K + k], nearest);
            last = best;
        }
    }
    stele__free(x);
    stele__free(index);
}

static void equal_points_come_in_the_order_of_their_rows(void **state)
{
    (void)state;
    enum { N = 200, K = 4 };
    float x[N * 2];
    int32_t index[N * K];
    for (int i = 0; i < N; i++) {
        x[2 * i] = i < N / 2 ? 0.1f : 3.7f;
        x[2 * i + 1] = 0.3f;
    }
    assert_int_equal(stele__knn_search(x, N, x, N, 2, K, 1, index, NULL, NULL), STELE_OK);
    for (int k = 0; k < K; k++) {
        assert_int_equal(index[0 * K + k], k + 1);
        assert_int_equal(index[50 * K + k], k);
        assert_int_equal(index[(N - 1) * K + k], N / 2 + k);
    }
    x[7] = NAN;
    assert_int_equal(stele__knn_search(x, N, x, N, 2, K, 1, index, NULL, NULL), STELE_E_NONFINITE);
    assert_int_equal(stele__knn_search(x, 3, x, 3, 2, 3, 1, index, NULL, NULL), STELE_E_ARG);
}

static void accuracy_is_that_of_scikit_learn(void **state)
{
    (void)state;
    stele__knn_result r = { 0 };
    assert_int_equal(stele__knn_accuracy(fix_x, fix_label, fix_fold, FIX_N, FIX_COLUMNS, FIX_VOTERS,
                                         5, &r, NULL, NULL),
                     STELE_OK);
    assert_close(r.accuracy, fix_knn_accuracy, 1e-12);
    assert_int_equal(r.n, FIX_N);
    assert_true(r.standard_error > 0.0 && r.standard_error < 0.2);
}

/* A fold told from the rows of the others, which are not their own neighbours. */
static void known_rows_tell_new_ones(void **state)
{
    (void)state;
    double sum = 0.0;
    stele__knn_result r = { 0 };
    for (int f = 0; f < 5; f++) {
        int32_t query[FIX_N], known[FIX_N];
        size_t n = 0;
        for (int i = 0; i < FIX_N; i++) {
            query[i] = fix_fold[i] == f ? fix_label[i] : -1;
            known[i] = fix_fold[i] == f ? -1 : fix_label[i];
            n += query[i] >= 0;
        }
        assert_int_equal(stele__knn_classify(fix_x, query, FIX_N, fix_x, known, FIX_N, FIX_COLUMNS,
                                             FIX_VOTERS, &r, NULL, NULL),
                         STELE_OK);
        assert_int_equal(r.n, n);
        assert_close(r.standard_error, sqrt(r.accuracy * (1.0 - r.accuracy) / (double)n), 1e-12);
        sum += r.accuracy;
    }
    assert_close(sum / 5.0, fix_knn_accuracy, 1e-12);
    assert_int_equal(stele__knn_classify(fix_x, fix_label, FIX_N, fix_x, fix_label, 3, FIX_COLUMNS,
                                         FIX_VOTERS, &r, NULL, NULL),
                     STELE_E_DATA);
}

/* Rows without label, and rows with a NaN, must not vote. */
static void rows_left_out_have_no_say(void **state)
{
    (void)state;
    float x[2 * FIX_N * FIX_COLUMNS];
    int32_t label[2 * FIX_N], fold[2 * FIX_N];
    for (int i = 0; i < 2 * FIX_N; i++) {
        memcpy(x + i * FIX_COLUMNS, fix_x + i / 2 * FIX_COLUMNS, sizeof(float) * FIX_COLUMNS);
        label[i] = fix_label[i / 2];
        fold[i] = fix_fold[i / 2];
        if (i % 2 == 1) {
            label[i] = i % 3 == 0 ? -1 : 3 - label[i];
            x[i * FIX_COLUMNS + 1] = label[i] >= 0 ? NAN : x[i * FIX_COLUMNS + 1];
        }
    }
    stele__knn_result r = { 0 };
    assert_int_equal(
        stele__knn_accuracy(x, label, fold, 2 * FIX_N, FIX_COLUMNS, FIX_VOTERS, 5, &r, NULL, NULL),
        STELE_OK);
    assert_close(r.accuracy, fix_knn_accuracy, 1e-12);
    assert_int_equal(r.n, FIX_N);
    assert_int_equal(
        stele__knn_accuracy(x, label, fold, 8, FIX_COLUMNS, FIX_VOTERS, 5, &r, NULL, NULL),
        STELE_E_DATA);
}

static void folds_have_every_class_in_equal_shares(void **state)
{
    (void)state;
    enum { N = 503, FOLDS = 5, CLASSES = 6 };
    int32_t label[N], fold[N], again[N], count[CLASSES][FOLDS] = { { 0 } }, size[FOLDS] = { 0 };
    uint64_t key[N], seed = 3;
    for (int i = 0; i < N; i++) {
        label[i] = i % 11 == 0 ? -1 : (i * i) % CLASSES;
        (void)draw(&seed);
        key[i] = seed;
    }
    assert_int_equal(stele__folds_stratified(label, key, N, FOLDS, fold), STELE_OK);
    for (int i = 0; i < N; i++) {
        assert_int_equal(fold[i] < 0, label[i] < 0);
        if (label[i] >= 0) {
            count[label[i]][fold[i]]++;
            size[fold[i]]++;
        }
    }
    for (int f = 1; f < FOLDS; f++) {
        assert_true(abs(size[f] - size[0]) <= 1);
        for (int c = 0; c < CLASSES; c++) {
            assert_true(abs(count[c][f] - count[c][0]) <= 1);
        }
    }
    for (int i = 0; i < N; i++) {
        key[i] ^= 0x5555555555555555u;
    }
    assert_int_equal(stele__folds_stratified(label, key, N, FOLDS, again), STELE_OK);
    assert_memory_not_equal(fold, again, sizeof fold);
}

static void graph_has_the_weights_of_umap(void **state)
{
    (void)state;
    stele__neighbour_graph g;
    double found[FIX_N][FIX_N] = { { 0 } };
    assert_int_equal(stele__neighbour_graph_init(&g, fix_x, FIX_N, FIX_COLUMNS, FIX_GRAPH_K, NULL),
                     STELE_OK);
    for (size_t e = 0; e < g.n_edges; e++) {
        assert_int_not_equal(g.from[e], g.to[e]);
        assert_true(found[g.from[e]][g.to[e]] == 0.0 && g.weight[e] > 0.0);
        found[g.from[e]][g.to[e]] = found[g.to[e]][g.from[e]] = g.weight[e];
    }
    for (int i = 0; i < FIX_N * FIX_N; i++) {
        assert_close(found[i / FIX_N][i % FIX_N], (double)fix_weight[i], 2e-5);
    }
    stele__neighbour_graph_finish(&g);
    assert_int_equal(stele__neighbour_graph_init(&g, fix_x, 3, FIX_COLUMNS, 7, NULL), STELE_E_ARG);
    stele__neighbour_graph_finish(&g);
}

static double modularity(const stele__neighbour_graph *g, const int32_t *member, double resolution)
{
    double strength[FIX_N] = { 0 }, total = 0.0, inside = 0.0, expected = 0.0;
    for (size_t e = 0; e < g->n_edges; e++) {
        strength[g->from[e]] += g->weight[e];
        strength[g->to[e]] += g->weight[e];
        total += 2.0 * g->weight[e];
        inside += member[g->from[e]] == member[g->to[e]] ? 2.0 * g->weight[e] : 0.0;
    }
    for (int i = 0; i < FIX_N * FIX_N; i++) {
        int a = i / FIX_N, b = i % FIX_N;
        expected += member[a] == member[b] ? strength[a] * strength[b] / total : 0.0;
    }
    return (inside - resolution * expected) / total;
}

static void leiden_reaches_the_modularity_of_igraph(void **state)
{
    (void)state;
    const double resolution[2] = { 1.0, 0.3 };
    stele__neighbour_graph g;
    int32_t member[2][FIX_N], again[2][FIX_N];
    double quality[2];
    assert_int_equal(stele__neighbour_graph_init(&g, fix_x, FIX_N, FIX_COLUMNS, FIX_GRAPH_K, NULL),
                     STELE_OK);
    assert_int_equal(stele__leiden(&g, resolution, 2, 7, member[0], quality, NULL), STELE_OK);
    assert_int_equal(stele__leiden(&g, resolution, 2, 7, again[0], NULL, NULL), STELE_OK);
    assert_memory_equal(member, again, sizeof member);
    assert_close(modularity(&g, member[0], 1.0), fix_modularity, 0.01);
    assert_close(quality[0], modularity(&g, member[0], 1.0), 1e-9);
    assert_close(quality[1], modularity(&g, member[1], 0.3), 1e-9);
    stele__neighbour_graph_finish(&g);
    assert_int_equal(stele__leiden(&g, resolution, 1, 7, member[0], NULL, NULL), STELE_E_DATA);
}

static void planted_clusters_are_found(void **state)
{
    (void)state;
    enum { N = 360, COLUMNS = 4 };
    float x[N * COLUMNS];
    int32_t label[N];
    uint64_t seed = 9;
    for (int i = 0; i < N; i++) {
        label[i] = i % 3;
        for (int j = 0; j < COLUMNS; j++) {
            x[i * COLUMNS + j] = draw(&seed) + (j == label[i] ? 8.0f : 0.0f);
        }
    }
    /* Unlabelled rows between the clusters would join them if they were not left out. */
    for (int i = 0; i < N; i += 6) {
        label[i] = -1;
        for (int j = 0; j < COLUMNS; j++) {
            x[i * COLUMNS + j] = 2.0f;
        }
    }
    stele__clustering r;
    assert_int_equal(stele__clustering_score(x, label, N, COLUMNS, 15, 1, &r, NULL, NULL),
                     STELE_OK);
    assert_close(r.best.ari, 1.0, 1e-12);
    assert_close(r.best.nmi, 1.0, 1e-12);
    assert_int_equal(r.n_clusters, 3);
    assert_int_equal(r.best.n, N - N / 6);
    assert_int_equal(stele__clustering_score(x, label, 12, COLUMNS, 15, 1, &r, NULL, NULL),
                     STELE_E_DATA);
}

static void agreement_is_that_of_scikit_learn(void **state)
{
    (void)state;
    stele__agreement r;
    assert_int_equal(stele__agreement_compute(fix_label, fix_other, FIX_N, &r), STELE_OK);
    assert_close(r.ari, fix_ari, 1e-12);
    assert_close(r.nmi, fix_nmi, 1e-12);
    const int32_t a[] = { 5, 5, 9, 9, -1, 7 }, b[] = { 1, 1, 0, 0, 3, -1 }, one[] = { 2, 2, 2, 2 };
    const int32_t apart[] = { 0, 1, 0, 1 };
    assert_int_equal(stele__agreement_compute(a, b, 6, &r), STELE_OK);
    assert_int_equal(r.n, 4);
    assert_close(r.ari, 1.0, 0);
    assert_close(r.nmi, 1.0, 1e-15);
    assert_int_equal(stele__agreement_compute(one, b, 4, &r), STELE_OK);
    assert_close(r.ari, 0.0, 0);
    assert_close(r.nmi, 0.0, 1e-15);
    assert_int_equal(stele__agreement_compute(apart, b, 4, &r), STELE_OK);
    assert_close(r.ari, -0.5, 1e-15);
    assert_int_equal(stele__agreement_compute(a, b, 0, &r), STELE_OK);
    assert_true(isnan(r.ari) && isnan(r.nmi));
}

static void ranking_is_that_of_scikit_learn(void **state)
{
    (void)state;
    stele__ranking r;
    assert_int_equal(stele__ranking_exact(fix_score, fix_hit, FIX_N, &r), STELE_OK);
    assert_close(r.auroc, fix_auroc, 1e-12);
    assert_close(r.average_precision, fix_average_precision, 1e-12);
    const float score[] = { -0.0f, 0.0f, NAN };
    const uint8_t hit[] = { 1, 0, 1 };
    assert_int_equal(stele__ranking_exact(score, hit, 2, &r), STELE_OK);
    assert_close(r.auroc, 0.5, 0);
    assert_int_equal(stele__ranking_exact(score, hit, 1, &r), STELE_OK);
    assert_true(isnan(r.auroc) && isnan(r.average_precision)); /* positives alone */
    assert_int_equal(stele__ranking_exact(score + 1, hit + 1, 1, &r), STELE_OK);
    assert_true(isnan(r.auroc) && isnan(r.average_precision)); /* negatives alone */
    assert_int_equal(stele__ranking_exact(score, hit, 3, &r), STELE_E_NONFINITE);
}

static void counted_ranking_is_near_the_exact_one(void **state)
{
    (void)state;
    enum { N = 40000, PART = 15000 };
    uint64_t seed = 2;
    float *score = stele__malloc(sizeof(float) * N);
    uint8_t *hit = stele__malloc(N);
    int32_t *positive = stele__malloc(sizeof(int32_t) * N);
    size_t n_positive = 0;
    for (int i = 0; i < N; i++) {
        hit[i] = draw(&seed) > 0.95f;
        score[i] = 5.0f * draw(&seed) + (hit[i] ? 2.0f : 0.0f);
        if (hit[i] && i >= PART) {
            positive[n_positive++] = i - PART;
        }
    }
    stele__ranking exact, counted;
    stele__ranking_counts *a = NULL, *b = NULL, *c = NULL;
    assert_int_equal(stele__ranking_exact(score, hit, N, &exact), STELE_OK);
    assert_int_equal(stele__ranking_counts_create(16, &a), STELE_OK);
    assert_int_equal(stele__ranking_counts_create(16, &b), STELE_OK);
    assert_int_equal(stele__ranking_counts_create(20, &c), STELE_OK);
    assert_int_equal(stele__ranking_counts_add(a, score, hit, PART), STELE_OK);
    assert_int_equal(
        stele__ranking_counts_add_sparse(b, score + PART, N - PART, positive, n_positive),
        STELE_OK);
    assert_int_equal(stele__ranking_counts_merge(a, b), STELE_OK);
    assert_int_equal(stele__ranking_counts_merge(a, c), STELE_E_SHAPE);
    stele__ranking_counts_result(a, &counted);
    assert_int_equal(counted.n, N);
    assert_int_equal(counted.n_positive, exact.n_positive);
    assert_close(counted.auroc, exact.auroc, 2e-4);
    assert_close(counted.average_precision, exact.average_precision, 2e-3);
    assert_true(exact.auroc > 0.6 && exact.auroc < 0.8);
    /* Scores that are equal or a bin apart lose nothing. */
    assert_int_equal(stele__ranking_counts_add(c, fix_score, fix_hit, FIX_N), STELE_OK);
    stele__ranking_counts_result(c, &counted);
    assert_close(counted.auroc, fix_auroc, 1e-12);
    assert_close(counted.average_precision, fix_average_precision, 1e-12);
    const float bad = NAN;
    assert_int_equal(stele__ranking_counts_add(c, &bad, hit, 1), STELE_E_NONFINITE);
    assert_int_equal(stele__ranking_counts_create(11, &a), STELE_E_ARG);
    stele__ranking_counts_destroy(a);
    stele__ranking_counts_destroy(b);
    stele__ranking_counts_destroy(c);
    stele__free(score);
    stele__free(hit);
    stele__free(positive);
}

static void moments_stream_and_merge(void **state)
{
    (void)state;
    stele__comoments whole = { 0 }, first = { 0 }, second = { 0 };
    stele__moments one = { 0 }, other = { 0 };
    for (int i = 0; i < FIX_N; i++) {
        stele__comoments_add(&whole, fix_truth[i], fix_guess[i]);
        stele__comoments_add(i < 13 ? &first : &second, fix_truth[i], fix_guess[i]);
        stele__moments_add(i < 13 ? &one : &other, fix_truth[i]);
    }
    assert_close(stele__comoments_correlation(&whole), fix_correlation, 1e-13);
    assert_close(stele__comoments_r2(&whole), fix_r2, 1e-13);
    stele__comoments_merge(&first, &second);
    assert_close(stele__comoments_correlation(&first), fix_correlation, 1e-13);
    assert_close(stele__comoments_r2(&first), fix_r2, 1e-13);
    stele__moments_merge(&one, &other);
    assert_close(one.mean, whole.mean_true, 1e-14);
    assert_close(stele__moments_variance(&one), whole.squares_true / (FIX_N - 1), 1e-13);
    assert_close(stele__moments_standard_error(&one),
                 sqrt(whole.squares_true / (FIX_N - 1) / FIX_N), 1e-14);
    stele__comoments flat = { 0 };
    stele__comoments_add(&flat, 3.0, 1.0);
    stele__comoments_add(&flat, 3.0, 2.0);
    assert_true(isnan(stele__comoments_correlation(&flat)) && isnan(stele__comoments_r2(&flat)));
}

static void log_mean_exp_neither_overflows_nor_vanishes(void **state)
{
    (void)state;
    const double small[] = { -2000.0, -2000.0 + log(3.0) }, none[] = { -INFINITY, -INFINITY };
    const double mixed[] = { 0.0, -INFINITY }, bad[] = { 1.0, NAN };
    assert_close(stele__log_mean_exp(small, 2), -2000.0 + log(2.0), 1e-12);
    assert_close(stele__log_mean_exp(mixed, 2), -log(2.0), 1e-15);
    assert_true(stele__log_mean_exp(none, 2) == -INFINITY);
    assert_true(isnan(stele__log_mean_exp(bad, 2)) && isnan(stele__log_mean_exp(bad, 0)));
}

static void every_failed_allocation_is_survived(void **state)
{
    (void)state;
    for (int64_t i = 0;; i++) {
        stele__clustering c;
        stele__knn_result k;
        stele__mem_fail_at(i);
        stele_status status =
            stele__clustering_score(fix_x, fix_label, FIX_N, FIX_COLUMNS, 7, 1, &c, NULL, NULL);
        if (status == STELE_OK) {
            status = stele__knn_accuracy(fix_x, fix_label, fix_fold, FIX_N, FIX_COLUMNS, 5, 5, &k,
                                         NULL, NULL);
        }
        stele__mem_fail_at(-1);
        if (status == STELE_OK) {
            assert_true(i > 40);
            return;
        }
        assert_int_equal(status, STELE_E_NOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nearest_are_those_of_scikit_learn),
        cmocka_unit_test(nearest_in_blocks_are_exact),
        cmocka_unit_test(equal_points_come_in_the_order_of_their_rows),
        cmocka_unit_test(accuracy_is_that_of_scikit_learn),
        cmocka_unit_test(known_rows_tell_new_ones),
        cmocka_unit_test(rows_left_out_have_no_say),
        cmocka_unit_test(folds_have_every_class_in_equal_shares),
        cmocka_unit_test(graph_has_the_weights_of_umap),
        cmocka_unit_test(leiden_reaches_the_modularity_of_igraph),
        cmocka_unit_test(planted_clusters_are_found),
        cmocka_unit_test(agreement_is_that_of_scikit_learn),
        cmocka_unit_test(ranking_is_that_of_scikit_learn),
        cmocka_unit_test(counted_ranking_is_near_the_exact_one),
        cmocka_unit_test(moments_stream_and_merge),
        cmocka_unit_test(log_mean_exp_neither_overflows_nor_vanishes),
        cmocka_unit_test(every_failed_allocation_is_survived),
    };
    return cmocka_run_group_tests_name("eval", tests, NULL, NULL);
}
