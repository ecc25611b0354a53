/* What `stele score` ranks, of a whole model: which side is compared with which, and equal scores.
 * The score of one pair: test_consistency.c. */
#include "test.h"

#include "eval/consistency.h"
#include "toy_specs.h"

#include <math.h>

enum { D = 2, A_SIDE = 1, B_SIDE = 2, N = 6 };

/* Posteriors of the rows that have both, in the order of the request. */
typedef struct pairs {
    toy t;
    stele__consistency c;
    float mean[2][N * D], sd[2][N * D];
} pairs;

static void judge_pairs(pairs *p)
{
    int64_t all[TOY_ROWS];
    const stele__judge j = {
        .model = &p->t.model, .data = p->t.data, .graph = p->t.graph, .seed = 3
    };
    for (int64_t r = 0; r < TOY_ROWS; r++) {
        all[r] = r;
    }
    const stele__consistency_request q = { .a = A_SIDE, .b = B_SIDE, .row = all, .n = TOY_ROWS };
    TOY_OK(&p->t, stele__consistency_compute(&j, &q, p->t.pool, &p->c, &p->t.diag));
    assert_int_equal(p->c.n, N);
    assert_int_equal(p->c.n_candidates, N);
    for (int side = 0; side < 2; side++) {
        TOY_OK(&p->t, stele__judge_moments(&j, p->c.row, N, side == 0 ? A_SIDE : B_SIDE,
                                           p->mean[side], p->sd[side], &p->t.diag));
    }
}

static void close_pairs(pairs *p)
{
    stele__consistency_finish(&p->c);
    toy_close(&p->t);
}

/* a of row i with b of row k. */
static double score(const pairs *p, int i, int k)
{
    return (double)(float)stele__log_bayes_factor(D, &p->mean[0][i * D], &p->sd[0][i * D],
                                                  &p->mean[1][k * D], &p->sd[1][k * D]);
}

/* Of b's candidates for a of row i, or of a's for its b. */
static double rank(const pairs *p, int i, int back)
{
    const double own = score(p, i, i);
    double rank = 1.0;
    for (int k = 0; k < N; k++) {
        const double other = back ? score(p, k, i) : score(p, i, k);
        rank += k == i ? 0.0 : other > own ? 1.0 : other == own ? 0.5 : 0.0;
    }
    return rank;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void check_retrieval(const stele__retrieval *r, const double *rank_of)
{
    double sorted[N], first = 0.0, fifth = 0.0;
    memcpy(sorted, rank_of, sizeof sorted);
    qsort(sorted, N, sizeof *sorted, ascending);
    for (int i = 0; i < N; i++) {
        first += rank_of[i] <= 1.0;
        fifth += rank_of[i] <= 5.0;
    }
    assert_float_equal(r->median_rank, 0.5 * (sorted[N / 2 - 1] + sorted[N / 2]), 1e-12);
    assert_float_equal(r->recall1, first / N, 1e-12);
    assert_float_equal(r->recall5, fifth / N, 1e-12);
    assert_float_equal(r->recall10, 1.0, 1e-12);
}

/* Rows and columns of the same table of scores: they differ, and neither stands for the other. */
static void each_direction_has_its_ranks(void **state)
{
    pairs p;
    double forward[N], backward[N];
    int differ = 0;
    (void)state;
    open_spec(&p.t, A B, POE, "", STELE_F32, 2);
    judge_pairs(&p);
    for (int i = 0; i < N; i++) {
        forward[i] = rank(&p, i, 0);
        backward[i] = rank(&p, i, 1);
        differ += forward[i] != backward[i];
        assert_float_equal(p.c.score[i], score(&p, i, i), 1e-6);
        assert_float_equal(p.c.rank_forward[i], forward[i], 1e-12);
        assert_float_equal(p.c.rank_backward[i], backward[i], 1e-12);
    }
    assert_true(differ > N / 2);
    check_retrieval(&p.c.forward, forward);
    check_retrieval(&p.c.backward, backward);
    close_pairs(&p);
}

/* A modality whose posterior is the same for all rows tells no row from another: each rank is the
 * middle one, whichever side is looked for. */
static void equal_scores_count_half(void **state)
{
    static const char *const weight[2][2] = { { "a.mean.weight", "a.logvar.weight" },
                                              { "b.mean.weight", "b.logvar.weight" } };
    (void)state;
    for (int side = 0; side < 2; side++) {
        pairs p;
        open_spec(&p.t, A B, POE, "", STELE_F32, 1);
        for (int k = 0; k < 2; k++) {
            stele__param *w = param(&p.t, weight[side][k]);
            memset(w->values, 0, (size_t)w->n * sizeof(float));
        }
        judge_pairs(&p);
        for (int i = 0; i < N; i++) {
            const double flat = side == 0 ? p.c.rank_backward[i] : p.c.rank_forward[i];
            const double other = side == 0 ? p.c.rank_forward[i] : p.c.rank_backward[i];
            assert_float_equal(flat, 0.5 * (N + 1), 1e-12);
            assert_float_equal(other, rank(&p, i, side == 1), 1e-12);
        }
        close_pairs(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_direction_has_its_ranks),
        cmocka_unit_test(equal_scores_count_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
