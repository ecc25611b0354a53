/* Coherence: figures from hits by hand, a classifier that has to learn what a line cannot tell, and
 * a model whose decoders say what the test wants. */
#include "test.h"

#include "eval/class_net.h"
#include "eval/coherence.h"
#include "toy_specs.h"

#include <math.h>
#include <unistd.h>

/* --- figures --- */

static void near(double got, double want)
{
    if (!(fabs(got - want) < 1e-12) && !(isnan(got) && isnan(want))) {
        fail_msg("%.17g is not %.17g", got, want);
    }
}

/* Modalities 0 and 2 of three that are given: 0 from 1, from 2, from both; 2 likewise. */
static void figures_are_means_by_the_number_given(void **state)
{
    enum { N = 4, COLUMNS = 9 };
    const double x = NAN;
    double hit[N * COLUMNS] = {
        1, 1, /**/ 1,   0, 1, x, /**/ 1,   0, /**/ 0.5, /* of real rows; given 1; given 2; joint */
        1, 0, /**/ 0.5, x, 1, x, /**/ 0.5, 1, /**/ 1,   /* row 1 */
        0, x, /**/ 0,   1, 0, x, /**/ x,   1, /**/ 0,   /* row 2 */
        x, x, /**/ x,   x, x, x, /**/ x,   x, /**/ x,   /* no label */
    };
    stele__coherence_column column[COLUMNS] = { { 0, 0, 0 }, { 2, 0, 0 }, { 0, 2, 1 },
                                                { 0, 4, 1 }, { 2, 1, 1 }, { 2, 2, 1 },
                                                { 0, 6, 2 }, { 2, 3, 2 }, { 0, 0, 0 } };
    const stele__coherence c = {
        .mask = 5, .n_columns = COLUMNS, .n = N, .most_given = 2, .column = column, .hit = hit
    };
    const uint32_t count[N] = { 2, 0, 1, 7 };
    double got[COLUMNS + 6];
    (void)state;
    assert_int_equal(stele__coherence_n_figures(&c), COLUMNS + 6);
    stele__coherence_figures(&c, NULL, got);
    const double want[COLUMNS + 6] = {
        2.0 / 3.0,
        0.5,
        0.5,
        0.5,
        2.0 / 3.0,
        NAN,
        0.75,
        2.0 / 3.0,
        0.5,
        0.5, /* modality 0 given one */
        2.0 / 3.0,
        (0.5 + 0.5 + 2.0 / 3.0) / 3.0, /* modality 2; the mean of three subsets */
        0.75,
        2.0 / 3.0,
        (0.75 + 2.0 / 3.0) / 2.0,
    };
    for (int i = 0; i < COLUMNS + 6; i++) {
        near(got[i], want[i]);
    }
    stele__coherence_figures(&c, count, got);
    near(got[0], 2.0 / 3.0);
    near(got[3], 1.0 / 3.0);
    near(got[8], 1.0 / 3.0);
    near(got[COLUMNS], (2.0 / 3.0 + 1.0 / 3.0) / 2.0);
}

/* --- the classifier --- */

enum { POINTS = 240, SEEN = 200, DIMS = 3 };

/* Two classes at the corners of a square, opposite ones alike, far from 0 and of unlike units; the
 * last column is constant, and some entries are missing. */
typedef struct corners {
    float x[POINTS * DIMS];
    int32_t label[POINTS];
    int64_t row[POINTS];
} corners;

static void draw_corners(corners *c)
{
    for (int64_t i = 0; i < POINTS; i++) {
        const int a = (int)(i / 2 % 2), b = (int)(i % 2);
        const double shift = 0.02 * (double)(i % 17), other = 0.03 * (double)(i % 13);
        c->x[i * DIMS] = (float)(100.0 + a + shift);
        c->x[i * DIMS + 1] = (float)(1000.0 * (b + other));
        c->x[i * DIMS + 2] = i % 31 == 0 ? NAN : 7.0F;
        c->label[i] = a ^ b;
        c->row[i] = i;
    }
}

static stele_status read_corners(void *ctx, const int64_t *row, int64_t n, float *ret)
{
    const corners *c = ctx;
    for (int64_t i = 0; i < n; i++) {
        memcpy(ret + i * DIMS, c->x + row[i] * DIMS, DIMS * sizeof *ret);
    }
    return STELE_OK;
}

static stele__class_request request_of(corners *c)
{
    return (stele__class_request){ .rows = { .read = read_corners, .ctx = c, .n_columns = DIMS },
                                   .row = c->row,
                                   .label = c->label,
                                   .n = SEEN,
                                   .n_classes = 2,
                                   .seed = 4 };
}

static stele__class_net *train_with(corners *c, unsigned threads, int32_t *ret_told)
{
    stele__class_net *net = NULL;
    stele__pool *pool = NULL;
    stele_graph *g = NULL;
    const stele__class_request q = request_of(c);
    assert_int_equal(stele__pool_create(threads, &pool), STELE_OK);
    assert_int_equal(stele__graph_create(pool, STELE_F32, &g), STELE_OK);
    assert_int_equal(stele__class_train(g, &q, &net, NULL), STELE_OK);
    assert_int_equal(stele__class_tell(net, g, c->x, POINTS, ret_told, NULL), STELE_OK);
    stele__graph_destroy(g);
    stele__pool_destroy(pool);
    return net;
}

/* A file as it is. */
typedef struct content {
    char bytes[1 << 15];
    size_t n;
} content;

static void read_content(const char *path, content *ret)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    ret->n = fread(ret->bytes, 1, sizeof ret->bytes, f);
    fclose(f);
    assert_true(ret->n > 0 && ret->n < sizeof ret->bytes);
}

static void a_classifier_learns_corners_whatever_the_threads(void **state)
{
    static corners c;
    static content file[2];
    int32_t told[POINTS];
    char path[] = "/tmp/stele-coherence-XXXXXX";
    int right = 0;
    (void)state;
    draw_corners(&c);
    int open = mkstemp(path);
    assert_true(open >= 0 && close(open) == 0);
    for (int k = 0; k < 2; k++) {
        stele__class_net *net = train_with(&c, k == 0 ? 1 : 3, told);
        assert_int_equal(stele__class_write(net, path, 1, NULL), STELE_OK);
        stele__class_destroy(net);
        read_content(path, &file[k]);
    }
    assert_int_equal(file[0].n, file[1].n);
    assert_memory_equal(file[0].bytes, file[1].bytes, file[0].n);
    for (int64_t i = SEEN; i < POINTS; i++) {
        right += told[i] == c.label[i];
    }
    assert_true(right >= (POINTS - SEEN) * 95 / 100);
    assert_int_equal(unlink(path), 0);
}

static void refused(const char *path, uint64_t digest, int64_t n_columns)
{
    stele__class_net *net = NULL;
    const stele__class_rows rows = { .n_columns = n_columns };
    assert_int_equal(stele__class_read(path, digest, &rows, 2, &net), STELE_OK);
    assert_null(net);
}

static void a_classifier_is_kept(void **state)
{
    static corners c;
    static content file;
    int32_t told[POINTS], again[POINTS];
    char path[] = "/tmp/stele-coherence-XXXXXX";
    stele__class_net *kept = NULL;
    stele_graph *g = NULL;
    (void)state;
    draw_corners(&c);
    int open = mkstemp(path);
    assert_true(open >= 0 && close(open) == 0);
    refused(path, 7, DIMS);
    const stele__class_request q = request_of(&c);
    stele__class_net *net = train_with(&c, 1, told);
    assert_int_equal(stele__class_write(net, path, 7, NULL), STELE_OK);
    stele__class_destroy(net);
    assert_int_equal(stele__graph_create(NULL, STELE_F32, &g), STELE_OK);
    assert_int_equal(stele__class_read(path, 7, &q.rows, 2, &kept), STELE_OK);
    assert_non_null(kept);
    assert_int_equal(stele__class_tell(kept, g, c.x, POINTS, again, NULL), STELE_OK);
    assert_memory_equal(told, again, sizeof told);
    stele__class_destroy(kept);
    stele__graph_destroy(g);
    refused(path, 7, DIMS + 1);
    refused(path, 8, DIMS);
    read_content(path, &file);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, -5, SEEK_END), 0);
    assert_true(fputc(file.bytes[file.n - 5] ^ 1, f) != EOF);
    fclose(f);
    refused(path, 7, DIMS);
    assert_int_equal(unlink(path), 0);
    refused(path, 7, DIMS);
}

static uint64_t digest_of(const stele__class_request *q)
{
    uint64_t digest = 0;
    assert_int_equal(stele__class_digest(q, &digest), STELE_OK);
    return digest;
}

static void a_digest_depends_on_all_that_is_learned(void **state)
{
    static corners c;
    (void)state;
    draw_corners(&c);
    stele__class_request q = request_of(&c);
    const uint64_t digest = digest_of(&q);
    c.x[DIMS * (SEEN - 1)] += 1.0F;
    assert_true(digest_of(&q) != digest);
    c.x[DIMS * (SEEN - 1)] -= 1.0F;
    c.label[3] ^= 1;
    assert_true(digest_of(&q) != digest);
    c.label[3] ^= 1;
    q.seed++;
    assert_true(digest_of(&q) != digest);
    q.seed--;
    q.n--;
    assert_true(digest_of(&q) != digest);
    q.n++;
    assert_true(digest_of(&q) == digest);
}

/* --- a whole model --- */

/* What decoders of a and b show, whatever z is. */
static int shown[2];

/* Feature f is high where f is the class. */
static stele_status show(const stele_block *b, const stele_draw *d, int class)
{
    assert_int_equal(d->what, STELE_DRAW_MEAN);
    for (int64_t i = 0; i < b->n_rows * b->n_features; i++) {
        ((float *)d->out)[i] = b->first + i % b->n_features == class ? 5.0F : 0.0F;
    }
    return STELE_OK;
}

static stele_status show_a(const stele_inst *self, const stele_block *b, const stele_draw *d)
{
    (void)self;
    return show(b, d, shown[0]);
}

static stele_status show_b(const stele_inst *self, const stele_block *b, const stele_draw *d)
{
    (void)self;
    return show(b, d, shown[1]);
}

/* Every row shows its own class. */
static void write_classes(const toy *t, const stele__label *label)
{
    for (int m = 0; m < 2; m++) {
        const stele__matrix *matrix = &t->data->matrix[m];
        for (int64_t r = 0; r < TOY_ROWS; r++) {
            for (int64_t f = 0; f < matrix->n_features && matrix->store_row[r] >= 0; f++) {
                matrix->dense[matrix->store_row[r] * matrix->n_features + f] =
                    f == label->code[r] ? 5.0F : 0.0F;
            }
        }
    }
}

/* more_of_a: keys of modality a. */
static void open_showing(toy *t, stele_modality_vt *vt, const char *more_of_a)
{
    char modalities[512];
    snprintf(modalities, sizeof modalities,
             "  a: {plugin: bernoulli_peaks, from: a/dense, encoder: {hidden: [4]}, "
             "decoder: {hidden: [3], covariates: [batch]}%s}\n"
             "  b: {plugin: bernoulli_peaks, from: b/dense, " SMALL "}\n",
             more_of_a);
    open_spec(t, modalities, POE, "", STELE_F32, 1);
    for (int m = 0; m < 2; m++) {
        vt[m] = *t->model.modality[m].vt;
        vt[m].draw = m == 0 ? show_a : show_b;
        t->model.modality[m].vt = &vt[m];
    }
}

static void shares_of_a_model_that_says_what_we_want(void **state)
{
    toy t;
    int64_t all[TOY_ROWS];
    double figure[8];
    stele__coherence c;
    stele_modality_vt vt[2];
    (void)state;
    open_showing(&t, vt, "");
    const stele__label *label = stele__dataset_label(t.data, "batch", STELE_FIELD_CATEGORY);
    stele__judge judge = { .model = &t.model, .data = t.data, .graph = t.graph, .seed = 3 };
    write_classes(&t, label);
    for (int64_t r = 0; r < TOY_ROWS; r++) {
        all[r] = TOY_ROWS - 1 - r;
    }
    stele__coherence_request q = { .label = label,
                                   .row = all,
                                   .n = TOY_ROWS,
                                   .train = all,
                                   .n_train = TOY_ROWS,
                                   .mask = 3,
                                   .n_samples = 3 };
    /* Of the 9 rows with a, 4 are of class 1; of the 7 with b and a class, 3 are of class 0. */
    shown[0] = 0;
    shown[1] = 1;
    TOY_OK(&t, stele__coherence_compute(&judge, &q, &c, &t.diag));
    assert_int_equal(c.n_columns, 5);
    assert_int_equal(stele__coherence_n_figures(&c), 8);
    assert_true(c.n_train[0] == 9 && c.n_train[1] == 7);
    stele__coherence_figures(&c, NULL, figure);
    const double apart[8] = { 1, 1, 3.0 / 7.0, 4.0 / 9.0, 0, 3.0 / 7.0, 4.0 / 9.0, 0 };
    for (int i = 0; i < 7; i++) {
        near(figure[i] + 1.0, apart[i] + 1.0);
    }
    near(figure[7], (3.0 / 7.0 + 4.0 / 9.0) / 2.0);
    near(stele__coherence_chance(&q), 4.0 / 11.0);
    stele__coherence_finish(&c);
    shown[0] = 1; /* the same class: of the 7, 2 are of it */
    TOY_OK(&t, stele__coherence_compute(&judge, &q, &c, &t.diag));
    stele__coherence_figures(&c, NULL, figure);
    near(figure[2], 2.0 / 7.0);
    near(figure[4], 1.0);
    stele__coherence_finish(&c);
    vt[1].draw = NULL; /* b cannot be generated, but may be given */
    TOY_OK(&t, stele__coherence_compute(&judge, &q, &c, &t.diag));
    assert_true(c.mask == 1 && c.n_columns == 3);
    stele__coherence_figures(&c, NULL, figure);
    near(figure[1], 2.0 / 7.0);
    near(figure[2], NAN);
    near(figure[4], 2.0 / 7.0);
    stele__coherence_finish(&c);
    toy_close(&t);
}

/* --- private latents --- */

/* What a's decoder made of all that it was told: a weighted sum of its outputs. */
static double told_a;

static stele_status hear_a(const stele_inst *self, const stele_block *b, const stele_draw *d)
{
    (void)self;
    for (int64_t i = 0; i < b->n_rows * b->n_features; i++) {
        told_a += (double)(1 + i % 7) * (double)((const float *)b->eta[0])[i];
    }
    return show(b, d, 0);
}

/* What a shows given b, or of the prior, does not depend on the row's own a, of which its private
 * latent would know. */
static void a_private_latent_is_not_told_what_is_asked(void **state)
{
    toy t;
    int64_t all[TOY_ROWS];
    double told[2];
    stele_modality_vt vt[2];
    (void)state;
    open_showing(&t, vt, ", private: {dim: 2}");
    vt[0].draw = hear_a;
    const stele__label *label = stele__dataset_label(t.data, "batch", STELE_FIELD_CATEGORY);
    stele__judge judge = { .model = &t.model, .data = t.data, .graph = t.graph, .seed = 3 };
    stele__coherence_request q = { .label = label,
                                   .row = all,
                                   .n = TOY_ROWS,
                                   .train = all,
                                   .n_train = TOY_ROWS,
                                   .mask = 3,
                                   .n_samples = 2 };
    write_classes(&t, label);
    for (int64_t r = 0; r < TOY_ROWS; r++) {
        all[r] = r;
    }
    for (int other = 0; other < 2; other++) {
        stele__coherence c;
        told_a = 0.0;
        TOY_OK(&t, stele__coherence_compute(&judge, &q, &c, &t.diag));
        stele__coherence_finish(&c);
        told[other] = told_a;
        const stele__matrix *a = &t.data->matrix[0];
        for (int64_t i = 0; i < TOY_A * a->n_features; i++) {
            a->dense[i] = 5.0F - a->dense[i];
        }
    }
    assert_true(told[0] != 0.0 && told[1] == told[0]);
    toy_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_are_means_by_the_number_given),
        cmocka_unit_test(a_classifier_learns_corners_whatever_the_threads),
        cmocka_unit_test(a_classifier_is_kept),
        cmocka_unit_test(a_digest_depends_on_all_that_is_learned),
        cmocka_unit_test(shares_of_a_model_that_says_what_we_want),
        cmocka_unit_test(a_private_latent_is_not_told_what_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
