/* The elementwise likelihoods of the SDK: they are distributions with the promised moments, their
 * derivatives are those of their values, and nothing overflows. */
#include "test.h"

#include "model/model.h"

#include <stele/likelihood.h>

#include <float.h>
#include <stdlib.h>

enum { BERNOULLI, NB, ZINB, N_KINDS };
static const char *const kind_name[] = { "Bernoulli", "negative binomial",
                                         "zero-inflated negative binomial" };

enum { MAX = 4096 };

/* A block in double; run() computes it in either type. */
typedef struct block {
    int kind;
    int64_t rows, features;
    double eta[2][MAX], feature[MAX], row[MAX], weight[MAX], x[MAX];
    /* results */
    double log_prob[MAX], d_eta[2][MAX], d_feature[MAX], d_row[MAX];
} block;

static void to_real(uint32_t dtype, const double *from, int64_t n, void *ret)
{
    for (int64_t i = 0; i < n; i++) {
        if (dtype == STELE_F64) {
            ((double *)ret)[i] = from[i];
        } else {
            ((float *)ret)[i] = (float)from[i];
        }
    }
}

static void from_real(uint32_t dtype, const void *from, int64_t n, double *ret)
{
    for (int64_t i = 0; i < n; i++) {
        ret[i] = dtype == STELE_F64 ? ((const double *)from)[i] : (double)((const float *)from)[i];
    }
}

/* The measurements as the host hands them over; `first` features lie before the block. */
typedef struct measured {
    double data[MAX];
    int64_t begin[MAX], end[MAX];
    int32_t column[MAX];
    stele_values values;
} measured;

static void measure(const block *b, uint32_t dtype, uint32_t layout, int64_t first, measured *m)
{
    static double stored[MAX];
    int64_t n = 0;
    for (int64_t r = 0; r < b->rows; r++) {
        m->begin[r] = layout == STELE_CSR ? n : n - first;
        for (int64_t j = 0; j < b->features; j++) {
            double v = b->x[r * b->features + j];
            if (layout == STELE_DENSE || v != 0.0) {
                m->column[n] = (int32_t)(first + j);
                stored[n++] = v;
            }
        }
        m->end[r] = n;
    }
    to_real(dtype, stored, n, m->data);
    m->values = (stele_values){ .struct_size = sizeof m->values,
                                .dtype = dtype,
                                .layout = layout,
                                .data = m->data,
                                .begin = m->begin,
                                .end = layout == STELE_CSR ? m->end : NULL,
                                .column = layout == STELE_CSR ? m->column : NULL };
}

static void run(block *b, uint32_t dtype, uint32_t layout, int derive)
{
    static double eta[2][MAX], feature[MAX], row[MAX], weight[MAX], d_feature[MAX], d_row[MAX];
    static measured m;
    const int64_t n = b->rows * b->features, first = 5;
    const stele_vec *vec = stele__model_tables.vec;
    for (int k = 0; k < 2; k++) {
        to_real(dtype, b->eta[k], n, eta[k]);
    }
    to_real(dtype, b->feature, b->features, feature);
    to_real(dtype, b->row, b->rows, row);
    to_real(dtype, b->weight, b->rows, weight);
    measure(b, dtype, layout, first, &m);
    memset(d_feature, 0, sizeof d_feature);
    memset(d_row, 0, sizeof d_row);
    memset(b->log_prob, 0, sizeof b->log_prob);
    void *eta_at[] = { eta[0], eta[1] }, *d_feature_at[] = { d_feature }, *d_row_at[] = { d_row };
    const void *feature_at[] = { feature }, *row_at[] = { row };
    stele_block s = { .struct_size = sizeof s,
                      .dtype = dtype,
                      .n_eta = b->kind == ZINB ? 2 : 1,
                      .n_rows = b->rows,
                      .first = first,
                      .n_features = b->features,
                      .eta = (const void *const *)eta_at,
                      .feature = feature_at,
                      .row = row_at,
                      .x = &m.values,
                      .log_prob = b->log_prob };
    if (derive) { /* in the place of eta, as the host does it */
        s.d_eta = eta_at;
        s.d_feature = d_feature_at;
        s.d_row = d_row_at;
        s.weight = weight;
    }
    assert_int_equal(b->kind == BERNOULLI ? stele_bernoulli(vec, &s)
                                          : stele_negative_binomial(vec, &s),
                     STELE_OK);
    if (derive) {
        for (int k = 0; k < 2; k++) {
            from_real(dtype, eta[k], n, b->d_eta[k]);
        }
        from_real(dtype, d_feature, b->features, b->d_feature);
        from_real(dtype, d_row, b->rows, b->d_row);
    }
}

/* Numbers without a pattern, within +-1. */
static double some(int64_t i, int64_t stream)
{
    double x = 0.7548776662466927 * (double)(i + 1) + 0.5698402909980532 * (double)(stream + 1);
    x = 43.1 * (x - floor(x));
    return 2.0 * (x - floor(x)) - 1.0;
}

static double count_at(int64_t i)
{
    static const double counts[] = { 0, 0, 1, 0, 3, 0, 0, 17, 0, 1, 0, 250, 0 };
    return counts[i % 13];
}

/* More features than the inner chunk holds. */
static void fill(block *b, int kind, int64_t rows, int64_t features)
{
    memset(b, 0, sizeof *b);
    b->kind = kind;
    b->rows = rows;
    b->features = features;
    for (int64_t i = 0; i < rows * features; i++) {
        b->eta[0][i] = 2.5 * some(i, 0);
        b->eta[1][i] = 3.0 * some(i, 1);
        b->x[i] = kind == BERNOULLI ? fmin(count_at(i), 2.0) : count_at(i);
    }
    for (int64_t j = 0; j < features; j++) {
        b->feature[j] = 3.0 * some(j, 2);
    }
    for (int64_t r = 0; r < rows; r++) {
        b->row[r] = 0.8 * some(r, 3);
        b->weight[r] = 1.5 * some(r, 4);
    }
}

/* One element with these parameters at every count below n: a row each. */
static void all_counts(block *b, int kind, int64_t n, double eta, double theta, double row,
                       double extra)
{
    memset(b, 0, sizeof *b);
    b->kind = kind;
    b->rows = n;
    b->features = 1;
    b->feature[0] = log(theta);
    for (int64_t r = 0; r < n; r++) {
        b->eta[0][r] = eta;
        b->eta[1][r] = extra;
        b->row[r] = row;
        b->x[r] = (double)r;
    }
}

static void probabilities_sum_to_one(void **state)
{
    (void)state;
    static block b;
    static const double theta[] = { 0.05, 0.7, 3.0, 40.0, 1e4, 1e6 };
    for (size_t t = 0; t < sizeof theta / sizeof theta[0]; t++) {
        for (int kind = NB; kind <= ZINB; kind++) {
            const double mean = exp(1.1 + 0.4), variance = mean + mean * mean / theta[t];
            const double pi = kind == ZINB ? 1.0 / (1.0 + exp(0.7)) : 0.0;
            double sum = 0.0, first = 0.0, second = 0.0;
            all_counts(&b, kind, MAX, 1.1, theta[t], 0.4, -0.7);
            run(&b, STELE_F64, STELE_CSR, 0);
            for (int64_t x = 0; x < MAX; x++) {
                double p = exp(b.log_prob[x]);
                sum += p;
                first += p * (double)x;
                second += p * (double)(x * x);
            }
            const double want = (1.0 - pi) * (variance + mean * mean); /* of x^2 */
            assert_true(fabs(sum - 1.0) < 2e-9);
            assert_true(fabs(first / ((1.0 - pi) * mean) - 1.0) < 2e-9);
            assert_true(fabs(second / want - 1.0) < 1e-7);
        }
    }
    all_counts(&b, BERNOULLI, 2, 1.1, 1.0, 0.4, 0.0);
    run(&b, STELE_F64, STELE_CSR, 0);
    assert_true(fabs(exp(b.log_prob[1]) - 1.0 / (1.0 + exp(-1.5))) < 1e-15);
    assert_true(fabs(exp(b.log_prob[0]) + exp(b.log_prob[1]) - 1.0) < 1e-15);
}

static double weighted(block *b, uint32_t layout)
{
    double sum = 0.0;
    run(b, STELE_F64, layout, 0);
    for (int64_t r = 0; r < b->rows; r++) {
        sum += b->weight[r] * b->log_prob[r];
    }
    return sum;
}

static void check_derivatives(block *b, uint32_t layout, const char *what, double *value, int64_t n,
                              const double *derivative)
{
    static const double offset[4] = { -2.0, -1.0, 1.0, 2.0 }, factor[4] = { 1.0, -8.0, 8.0, -1.0 };
    double largest = 1e-3, worst = 0.0;
    for (int64_t i = 0; i<n; i += n> 40 ? 7 : 1) {
        const double kept = value[i], h = 1e-3;
        double sum = 0.0;
        for (int k = 0; k < 4; k++) {
            value[i] = kept + offset[k] * h;
            sum += factor[k] * weighted(b, layout);
        }
        value[i] = kept;
        sum /= 12.0 * h;
        largest = fmax(largest, fabs(sum));
        worst = fmax(worst, fabs(sum - derivative[i]));
    }
    if (!(worst < 2e-8 * largest)) {
        fail_msg("%s: derivative towards %s is off by %g of %g", kind_name[b->kind], what, worst,
                 largest);
    }
}

static void derivatives_are_those_of_the_value(void **state)
{
    (void)state;
    static block b, d;
    for (int kind = 0; kind < N_KINDS; kind++) {
        for (uint32_t layout = STELE_DENSE; layout <= STELE_CSR; layout++) {
            fill(&b, kind, 3, 300);
            if (layout == STELE_DENSE) {
                b.x[1] = b.x[300 + 271] = NAN;
            }
            d = b;
            run(&d, STELE_F64, layout, 1);
            check_derivatives(&b, layout, "eta", b.eta[0], 900, d.d_eta[0]);
            check_derivatives(&b, layout, "the row's factor", b.row, 3, d.d_row);
            if (kind != BERNOULLI) {
                check_derivatives(&b, layout, "log theta", b.feature, 300, d.d_feature);
            }
            if (kind == ZINB) {
                check_derivatives(&b, layout, "the extra zeros", b.eta[1], 900, d.d_eta[1]);
            }
        }
    }
}

static void layouts_and_values_agree_to_the_bit(void **state)
{
    (void)state;
    static block csr, dense, value;
    for (int kind = 0; kind < N_KINDS; kind++) {
        for (uint32_t dtype = STELE_F32; dtype <= STELE_F64; dtype++) {
            fill(&csr, kind, 4, 513);
            dense = value = csr;
            run(&csr, dtype, STELE_CSR, 1);
            run(&dense, dtype, STELE_DENSE, 1);
            run(&value, dtype, STELE_CSR, 0);
            assert_memory_equal(&csr, &dense, sizeof csr);
            assert_memory_equal(csr.log_prob, value.log_prob, sizeof csr.log_prob);
        }
    }
}

static double distance(const double *a, const double *b, int64_t n)
{
    double largest = 1e-6, worst = 0.0;
    for (int64_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs(b[i]));
        worst = fmax(worst, fabs(a[i] - b[i]));
    }
    return worst / largest;
}

static void float_follows_double(void **state)
{
    (void)state;
    static block f, d;
    for (int kind = 0; kind < N_KINDS; kind++) {
        for (double shift = -10.0; shift <= 15.0; shift += 5.0) { /* theta from e^-13 to e^18 */
            fill(&d, kind, 4, 300);
            for (int64_t j = 0; j < d.features; j++) {
                d.feature[j] = (double)(float)(d.feature[j] + shift);
            }
            for (int64_t i = 0; i < 1200; i++) {
                d.eta[0][i] = (double)(float)d.eta[0][i];
                d.eta[1][i] = (double)(float)d.eta[1][i];
            }
            f = d;
            run(&f, STELE_F32, STELE_CSR, 1);
            run(&d, STELE_F64, STELE_CSR, 1);
            const double is[] = { distance(f.log_prob, d.log_prob, 4),
                                  distance(f.d_eta[0], d.d_eta[0], 1200),
                                  distance(f.d_eta[1], d.d_eta[1], kind == ZINB ? 1200 : 0),
                                  distance(f.d_row, d.d_row, 4),
                                  distance(f.d_feature, d.d_feature, 300) };
            for (int i = 0; i < 5; i++) {
                if (!(is[i] < 1e-5)) {
                    fail_msg("%s, log theta + %g: quantity %d is off by %g", kind_name[kind], shift,
                             i, is[i]);
                }
            }
        }
    }
}

static void missing_entries_count_nothing(void **state)
{
    (void)state;
    static block b, other;
    for (int kind = 0; kind < N_KINDS; kind++) {
        for (uint32_t dtype = STELE_F32; dtype <= STELE_F64; dtype++) {
            fill(&b, kind, 2, 300);
            for (int64_t j = 0; j < 300; j++) {
                b.x[j] = NAN; /* the whole first row */
            }
            b.x[300 + 260] = NAN;
            other = b;
            other.eta[0][300 + 260] = 77.0;
            other.eta[1][300 + 260] = -5.0;
            run(&b, dtype, STELE_DENSE, 1);
            run(&other, dtype, STELE_DENSE, 1);
            assert_true(b.d_row[0] == 0.0 && fabs(b.log_prob[0]) < 1e-3);
            for (int64_t j = 0; j < 300; j++) {
                assert_true(b.d_eta[0][j] == 0.0 && (kind != ZINB || b.d_eta[1][j] == 0.0));
            }
            assert_true(b.d_eta[0][300 + 260] == 0.0 && isfinite(b.log_prob[1]));
            assert_true(fabs(b.log_prob[1] - other.log_prob[1]) < 1e-4 * fabs(b.log_prob[1]));
            assert_memory_equal(b.d_feature, other.d_feature, sizeof b.d_feature);
        }
    }
}

static void extremes_are_finite(void **state)
{
    (void)state;
    static block b;
    static const double eta[] = { -80.0, -20.0, 0.0, 20.0, 80.0 };
    static const double theta[] = { 1e-6, 1.0, 1e3, 1e8 };
    static const double x[] = { 0.0, 1.0, 1000.0, 1e6 };
    for (int kind = 0; kind < N_KINDS; kind++) {
        for (uint32_t dtype = STELE_F32; dtype <= STELE_F64; dtype++) {
            fill(&b, kind, 20, 16);
            for (int64_t i = 0; i < 320; i++) {
                b.eta[0][i] = eta[i / 16 % 5];
                b.eta[1][i] = eta[i / 80] + (i / 80 == 3 ? 40.0 : 0.0);
                b.x[i] = x[i % 4];
            }
            for (int64_t j = 0; j < 16; j++) {
                b.feature[j] = log(theta[j / 4]);
            }
            run(&b, dtype, STELE_CSR, 1);
            for (int64_t r = 0; r < 20; r++) {
                assert_true(isfinite(b.log_prob[r]) && b.log_prob[r] < 1e-3);
                assert_true(isfinite(b.d_row[r]));
            }
            for (int64_t i = 0; i < 320; i++) {
                assert_true(isfinite(b.d_eta[0][i]) && isfinite(b.d_eta[1][i]));
            }
            for (int64_t j = 0; j < 16; j++) {
                assert_true(isfinite(b.d_feature[j]));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probabilities_sum_to_one),
        cmocka_unit_test(derivatives_are_those_of_the_value),
        cmocka_unit_test(layouts_and_values_agree_to_the_bit),
        cmocka_unit_test(float_follows_double),
        cmocka_unit_test(missing_entries_count_nothing),
        cmocka_unit_test(extremes_are_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
