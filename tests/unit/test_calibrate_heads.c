/* What heads are calibrated on: predictions at the posteriors that they learned from. */
#include "test.h"

#include "base/mem.h"
#include "graph/params.h"
#include "model/head.h"
#include "model/infer.h"
#include "toy_data.h"
#include "toy_model.h"
#include "train/loop.h"

#include <math.h>

enum { CLASSES = 3, MOST = 3 * TOY_ROWS };

static const char spec[] =
    "stele: 1\nseed: 5\ndata: {source: simulate}\nlatent: {dim: 2}\nmodalities:\n"
    "  a: {plugin: nb_counts, encoder: {hidden: [4]}, decoder: {hidden: [3]}}\n"
    "  b: {plugin: bernoulli_peaks, encoder: {hidden: [4]}, decoder: {hidden: [3]}}\n"
    "train: {epochs: 1, batch_size: 5}\nfusion: poe\n"
    "heads: {kind: {plugin: freely, target: batch%s}}\n";

/* What the plugin was last given. */
static struct {
    int calls;
    int64_t n_rows, n_distinct;
    float predicted[MOST * CLASSES];
    int32_t code[MOST];
} given;

static stele_status take(const stele_inst *self, const stele_head_scored *s, stele_fit *f)
{
    (void)self;
    (void)f;
    assert_int_equal(s->n_outputs, CLASSES);
    assert_true(s->n_rows <= MOST && s->code != NULL && s->number == NULL && s->reader != NULL);
    given.calls++;
    given.n_rows = s->n_rows;
    given.n_distinct = s->n_distinct;
    memcpy(given.predicted, s->predicted, (size_t)(s->n_rows * CLASSES) * sizeof(float));
    memcpy(given.code, s->code, (size_t)s->n_rows * sizeof *s->code);
    return STELE_OK;
}

typedef struct fitting {
    toy t;
    stele_head_vt vt;
    stele__split split; /* rows that are judged are those trained on */
    stele__training training;
    stele__loop loop;
} fitting;

static void calibrate(fitting *f, const char *options)
{
    char text[2048];
    memset(f, 0, sizeof *f);
    toy *t = &f->t;
    snprintf(text, sizeof text, spec, options);
    toy_open(t, text, &toy_source, toy_others, 1, STELE_F64, 1);
    toy_stir(t, 0.5);
    f->vt = *t->model.head[0].vt;
    f->vt.calibrate = take;
    t->model.head[0].vt = &f->vt;
    f->split = *t->split;
    f->split.n[STELE__VALID] = f->split.n[STELE__TRAIN];
    f->split.row[STELE__VALID] = f->split.row[STELE__TRAIN];
    f->training = (stele__training){
        .model = &t->model, .data = t->data, .split = &f->split, .spec = t->spec, .pool = t->pool
    };
    TOY_OK(t, stele__loop_init(&f->training, &f->loop, &t->diag));
    memset(&given, 0, sizeof given);
    TOY_OK(t, stele__loop_calibrate_heads(&f->loop, &t->diag));
}

static void finish(fitting *f)
{
    stele__free(f->loop.calibrated);
    stele__loop_finish(&f->loop);
    toy_close(&f->t);
}

static const double *values_of(toy *t, const char *name)
{
    const int64_t at = stele__params_find(t->model.params, name);
    assert_true(at >= 0);
    return stele__params_entry(t->model.params, (uint32_t)at)->values;
}

/* Those of the rows of the batch that have a class and, of `mask`, something, but not all that they
 * have unless the mask is that of everything; in their order, from entry `at` on. */
static int64_t expect(toy *t, uint64_t mask, int64_t at)
{
    float mean[2 * TOY_ROWS];
    const double *w = values_of(t, "heads.kind.out.weight");
    const double *bias = values_of(t, "heads.kind.out.bias");
    const stele__pass pass = { .seed = 5 };
    toy_begin(t, 0, NULL, 0, 0); /* loads the rows */
    stele__graph_begin(t->graph, &pass);
    TOY_OK(t, stele__means_for_heads(&t->model, t->graph, t->batch, mask, mean));
    for (int64_t r = 0; r < TOY_ROWS; r++) {
        const uint64_t seen = t->batch->present[r] & mask;
        if (toy_batch[r] < 0.0 || seen == 0 || (mask != 3 && seen == t->batch->present[r])) {
            continue;
        }
        assert_true(at < given.n_rows);
        assert_int_equal(given.code[at], (int)toy_batch[r]);
        for (int k = 0; k < CLASSES; k++) {
            const double y = (double)mean[2 * r] * w[k] + (double)mean[2 * r + 1] * w[CLASSES + k];
            assert_float_equal(given.predicted[at * CLASSES + k], y + bias[k], 1e-5);
        }
        at++;
    }
    return at;
}

/* Of 12 rows one has nothing and one no class; 6 have both modalities. */
static void a_head_of_the_joint_sees_every_row_once(void **state)
{
    fitting f;
    (void)state;
    calibrate(&f, "");
    assert_int_equal(given.calls, 1);
    assert_int_equal(given.n_rows, 10);
    assert_int_equal(given.n_distinct, 10);
    assert_int_equal(expect(&f.t, 3, 0), 10);
    finish(&f);
}

static void a_head_of_subsets_sees_those_that_differ(void **state)
{
    fitting f;
    (void)state;
    calibrate(&f, ", posteriors: subsets");
    assert_int_equal(given.calls, 1);
    assert_int_equal(given.n_rows, 10 + 2 * 6);
    assert_int_equal(given.n_distinct, 10);
    assert_int_equal(expect(&f.t, 3, 0), 10);
    assert_int_equal(expect(&f.t, 1, 10), 16);
    assert_int_equal(expect(&f.t, 2, 16), 22);
    assert_int_equal(f.loop.calibrated[0].n, 10);
    for (int k = 0; k < CLASSES; k++) { /* of the first row that has both, three posteriors */
        assert_true(fabs(given.predicted[k] - given.predicted[10 * CLASSES + k]) > 1e-3);
        assert_true(fabs(given.predicted[k] - given.predicted[16 * CLASSES + k]) > 1e-3);
    }
    finish(&f);
}

static void a_head_may_be_left_as_it_is(void **state)
{
    fitting f;
    (void)state;
    calibrate(&f, ", calibrate: false");
    assert_int_equal(given.calls, 0);
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_of_the_joint_sees_every_row_once),
        cmocka_unit_test(a_head_of_subsets_sees_those_that_differ),
        cmocka_unit_test(a_head_may_be_left_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
