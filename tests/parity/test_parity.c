/* tests/parity: the program's own model, objective, derivatives and optimiser against a twin in
 * PyTorch (twin.py). Every NAME.json is a case: a spec over the rows of unit/toy_data.h.
 * NAME.safetensors holds what the twin makes of it: per parameter three rows, its start, the
 * derivative of the first step's loss, its value after ten steps; and the loss terms of each step.
 *
 *     test_parity                 compare
 *     test_parity --inputs DIR    write what the twin starts from: DIR/NAME.safetensors */
#include "unit/test.h"

#include "data/safetensors.h"
#include "train/loop.h"
#include "unit/toy_data.h"
#include "unit/toy_model.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { STEPS = 10, MAX_CASES = 64 };

/* A case on its way through ten steps. */
typedef struct run {
    toy t;
    stele__training training;
    stele__loop loop;
    stele__safetensors *fixture;
    char name[64];
    uint32_t dtype;
    double worst; /* largest disagreement, relative to the tensor's largest element */
    double tolerance;
} run;

static void read_text(const char *name, char *ret, size_t size)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s.json", PARITY_CASES, name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t n = fread(ret, 1, size - 1, f);
    fclose(f);
    assert_true(n > 0 && n < size - 1);
    ret[n] = '\0';
}

static void open_run(run *r, const char *name, uint32_t dtype)
{
    char text[4096];
    memset(r, 0, sizeof *r);
    snprintf(r->name, sizeof r->name, "%s", name);
    r->dtype = dtype;
    r->tolerance = dtype == STELE_F64 ? 1e-10 : 1e-5;
    read_text(name, text, sizeof text);
    toy *t = &r->t;
    toy_open(t, text, &toy_source, toy_others, 1, dtype, 2);
    r->training = (stele__training){
        .model = &t->model, .data = t->data, .split = t->split, .spec = t->spec, .pool = t->pool
    };
    r->loop = (stele__loop){ .t = &r->training,
                             .spec = *t->spec->train,
                             .objective = stele__objective_of(t->spec->objective),
                             .graph = t->graph,
                             .batch = t->batch };
    stele__plateau_init(&r->loop.at.plateau);
    stele__place place = { .path = "train.batch_size" };
    TOY_OK(t, stele__batches_init(&r->loop.batches, t->split->row[STELE__TRAIN],
                                  t->split->n[STELE__TRAIN], t->spec->train->batch_size,
                                  (uint64_t)t->spec->top->seed, &place, &t->diag));
    TOY_OK(t, stele__group_init(&r->loop, STELE__GROUP_MODEL, &r->loop.model));
    TOY_OK(t, stele__group_init(&r->loop, STELE__GROUP_HEADS, &r->loop.heads));
}

static void close_run(run *r)
{
    stele__group_finish(&r->loop.model);
    stele__group_finish(&r->loop.heads);
    stele__batches_finish(&r->loop.batches);
    stele__safetensors_close(r->fixture);
    toy_close(&r->t);
}

/* --- compare ---------------------------------------------------------------------------------- */

static const double *fixture(const run *r, const char *name, int64_t n)
{
    const stele__safetensor *s = stele__safetensors_find(r->fixture, name);
    if (s == NULL || s->dtype != STELE_F64 || stele__shape_count(&s->shape) != n) {
        fail_msg("%s: the fixture lacks `%s` or it has another shape", r->name, name);
        return NULL; /* not reached */
    }
    return s->data;
}

static void compare(run *r, const char *what, const char *name, int64_t n, const void *is,
                    const double *want)
{
    double largest = 0.0, worst = 0.0;
    for (int64_t i = 0; i < n; i++) {
        double distance = fabs(toy_real(r->dtype, is, i) - want[i]);
        largest = fmax(largest, fabs(want[i]));
        worst = distance <= worst ? worst : distance; /* NaN counts as worst */
    }
    double error = worst == 0.0 ? 0.0 : worst / largest;
    r->worst = error <= r->worst ? r->worst : error;
    if (!(error <= r->tolerance)) {
        fail_msg("%s, %s: %s of %s is off by %.3g of its largest element %.3g", r->name,
                 r->dtype == STELE_F64 ? "double" : "float", what, name, error, largest);
    }
}

enum { START, GRADIENT, TRAINED };

static void compare_all(run *r, int which)
{
    static const char *const what[] = { "the start", "the derivative",
                                        "the value after ten steps" };
    stele__params *params = r->t.model.params;
    for (uint32_t e = 0; e < stele__params_count(params); e++) {
        const stele__param *p = stele__params_entry(params, e);
        const double *want = fixture(r, p->name, p->kind == STELE__TRAINED ? 3 * p->n : p->n);
        if (p->kind == STELE__TRAINED) {
            compare(r, what[which], p->name, p->n, which == GRADIENT ? p->gradient : p->values,
                    want + which * p->n);
        }
    }
}

static void take_starts(run *r)
{
    stele__params *params = r->t.model.params;
    for (uint32_t e = 0; e < stele__params_count(params); e++) {
        const stele__param *p = stele__params_entry(params, e);
        const double *from = fixture(r, p->name, p->kind == STELE__TRAINED ? 3 * p->n : p->n);
        for (int64_t i = 0; i < p->n; i++) {
            toy_put(r->dtype, p->values, i, from[i]);
        }
    }
}

/* Loss terms of a step: loss, elbo, divergence, rows, then (log-likelihood, rows) per modality and
 * (loss, rows) per head. */
static void compare_terms(run *r, int64_t step, const stele__loss_terms *terms)
{
    char name[32];
    const stele__model *m = &r->t.model;
    int64_t n = 4 + 2 * ((int64_t)m->n_modalities + m->n_heads);
    const double *want = fixture(r, "terms", STEPS * n) + step * n;
    const double is[4] = { terms->loss, terms->elbo, terms->divergence, (double)terms->n };
    snprintf(name, sizeof name, "step %d", (int)step);
    for (int i = 0; i < 4; i++) {
        double error = fabs(is[i] - want[i]) / fmax(fabs(want[i]), 1.0);
        if (!(error <= r->tolerance)) {
            fail_msg("%s: term %d of %s is %.15g, the twin has %.15g", r->name, i, name, is[i],
                     want[i]);
        }
    }
    for (uint32_t i = 0; i < m->n_modalities + m->n_heads; i++) {
        int head = i >= m->n_modalities;
        uint32_t k = head ? i - m->n_modalities : i;
        const double *w = want + 4 + 2 * i, sum = head ? terms->head[k] : terms->log_px[k];
        assert_int_equal(head ? terms->n_head[k] : terms->n_px[k], (int64_t)w[1]);
        if (!(fabs(sum - w[0]) <= r->tolerance * fmax(fabs(w[0]), 1.0))) {
            fail_msg("%s: %s %u of %s is %.15g, the twin has %.15g", r->name,
                     head ? "the loss of head" : "log-likelihood", (unsigned)k, name, sum, w[0]);
        }
    }
}

/* Derivatives of the first step, which the step itself uses up. */
static void first_derivatives(run *r)
{
    toy *t = &r->t;
    stele__loss_terms terms;
    const int64_t *row = NULL;
    int64_t n = stele__batches_get(&r->loop.batches, 0, 0, &row);
    toy_begin(t, n, row, 0, 0);
    double beta = stele__beta_at(&t->spec->objective->beta, 0, r->loop.batches.n_batches);
    stele_tensor *loss = stele__objective_loss(&t->model, t->graph, t->batch, &r->loop.objective,
                                               beta, (uint64_t)t->spec->top->seed, 0, &terms);
    TOY_OK(t, stele__graph_backward(t->graph, loss));
    stele__params_end_gradient(t->model.params);
}

static void next_step(run *r, stele__loss_terms *ret)
{
    TOY_OK(&r->t, stele__loop_step(&r->loop, ret, &r->t.diag));
    if (r->loop.at.batch == r->loop.batches.n_batches) {
        r->loop.at.batch = 0;
        r->loop.at.epoch++;
    }
}

static void check(const char *name, uint32_t dtype)
{
    run r;
    char path[512];
    open_run(&r, name, dtype);
    snprintf(path, sizeof path, "%s/%s.safetensors", PARITY_CASES, name);
    TOY_OK(&r.t, stele__safetensors_open(path, &r.fixture, &r.t.diag));
    take_starts(&r);
    first_derivatives(&r);
    compare_all(&r, GRADIENT);
    for (int64_t step = 0; step < STEPS; step++) {
        stele__loss_terms terms;
        next_step(&r, &terms);
        compare_terms(&r, step, &terms);
    }
    compare_all(&r, TRAINED);
    print_message("%-24s %s: largest relative difference %.2g\n", name,
                  dtype == STELE_F64 ? "double" : "float ", r.worst);
    close_run(&r);
}

static void in_double(void **state)
{
    check(*state, STELE_F64);
}

static void in_float(void **state)
{
    check(*state, STELE_F32);
}

/* --- inputs of the twin ----------------------------------------------------------------------- */

typedef struct tensors {
    stele__safetensor item[128];
    void *owned[128];
    char name[128][96];
    size_t n;
} tensors;

static double *add(tensors *a, const char *name, stele_shape shape)
{
    assert_true(a->n < 128);
    double *data = calloc((size_t)stele__shape_count(&shape) + 1, sizeof *data);
    assert_non_null(data);
    snprintf(a->name[a->n], sizeof a->name[0], "%s", name);
    a->owned[a->n] = data;
    a->item[a->n] = (stele__safetensor){
        .name = a->name[a->n], .dtype = STELE_F64, .shape = shape, .data = data
    };
    a->n++;
    return data;
}

/* Rows of each step, -1 beyond their number. */
static void add_rows(run *r, tensors *a)
{
    int64_t size = r->loop.batches.size;
    double *out = add(a, "rows", STELE__SHAPE(STEPS, size));
    for (int64_t step = 0; step < STEPS; step++) {
        const int64_t *row = NULL;
        int64_t n_batches = r->loop.batches.n_batches;
        int64_t n = stele__batches_get(&r->loop.batches, step / n_batches, step % n_batches, &row);
        for (int64_t i = 0; i < size; i++) {
            out[step * size + i] = i < n ? (double)row[i] : -1.0;
        }
    }
}

/* The measurements as they were given, NaN rows where absent: "x.NAME". */
static void add_data(run *r, tensors *a)
{
    const stele__dataset *data = r->t.data;
    char name[96];
    for (uint32_t m = 0; m < r->t.model.n_modalities; m++) {
        const fake_field *f = NULL;
        for (size_t i = 0; i < sizeof toy_fields / sizeof toy_fields[0]; i++) {
            f = strcmp(toy_fields[i].name, data->matrix[m].from) == 0 ? &toy_fields[i] : f;
        }
        assert_non_null(f);
        snprintf(name, sizeof name, "x.%s", data->matrix[m].name);
        double *out = add(a, name, STELE__SHAPE(data->n_rows, f->n_features));
        for (int64_t i = 0; i < data->n_rows * f->n_features; i++) {
            out[i] = NAN;
        }
        for (int64_t k = 0; k < toy_axes[f->axis].n; k++) {
            int64_t row = 0;
            while (strcmp(stele__dataset_row_id(data, row), toy_axes[f->axis].id[k]) != 0) {
                row++;
            }
            memcpy(out + row * f->n_features, f->x + k * f->n_features,
                   (size_t)f->n_features * sizeof *out);
        }
    }
    memcpy(add(a, "label.batch", STELE__SHAPE(TOY_ROWS)), toy_batch, sizeof toy_batch);
    memcpy(add(a, "label.age", STELE__SHAPE(TOY_ROWS)), toy_age, sizeof toy_age);
    memcpy(add(a, "label.years", STELE__SHAPE(TOY_ROWS)), toy_years, sizeof toy_years);
    memcpy(add(a, "label.dead", STELE__SHAPE(TOY_ROWS)), toy_dead, sizeof toy_dead);
}

static void add_parameters(run *r, tensors *a)
{
    toy_stir(&r->t, 0.35);
    for (uint32_t e = 0; e < stele__params_count(r->t.model.params); e++) {
        const stele__param *p = stele__params_entry(r->t.model.params, e);
        double *out = add(a, p->name, p->shape);
        for (int64_t i = 0; i < p->n; i++) { /* the same numbers in float and double */
            out[i] = (double)(float)toy_real(r->dtype, p->values, i);
        }
    }
}

static void write_inputs(const char *name, const char *dir)
{
    run r;
    static tensors a;
    char path[512];
    memset(&a, 0, sizeof a);
    open_run(&r, name, STELE_F64);
    for (int64_t i = 0; i < TOY_ROWS; i++) { /* labels are written in this order */
        assert_string_equal(stele__dataset_row_id(r.t.data, i), toy_all_ids[i]);
    }
    add_rows(&r, &a);
    add_data(&r, &a);
    add_parameters(&r, &a);
    snprintf(path, sizeof path, "%s/%s.safetensors", dir, name);
    TOY_OK(&r.t, stele__safetensors_write(path, a.item, a.n, NULL, 0, &r.t.diag));
    for (size_t i = 0; i < a.n; i++) {
        free(a.owned[i]);
    }
    close_run(&r);
}

/* --- cases ------------------------------------------------------------------------------------ */

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static size_t find_cases(char name[MAX_CASES][64])
{
    size_t n = 0;
    DIR *dir = opendir(PARITY_CASES);
    assert_non_null(dir);
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        size_t len = strlen(e->d_name);
        if (len > 5 && len < 64 && strcmp(e->d_name + len - 5, ".json") == 0 && n < MAX_CASES) {
            snprintf(name[n++], 64, "%.*s", (int)(len - 5), e->d_name);
        }
    }
    closedir(dir);
    qsort(name, n, sizeof name[0], by_name);
    return n;
}

static void all_inputs(void **state)
{
    static char name[MAX_CASES][64];
    size_t n = find_cases(name);
    for (size_t i = 0; i < n; i++) {
        write_inputs(name[i], *state);
    }
}

int main(int argc, char **argv)
{
    static char name[MAX_CASES][64], title[2 * MAX_CASES][80];
    struct CMUnitTest test[2 * MAX_CASES];
    if (argc == 3 && strcmp(argv[1], "--inputs") == 0) {
        const struct CMUnitTest inputs[] = { cmocka_unit_test_prestate(all_inputs, argv[2]) };
        return cmocka_run_group_tests(inputs, NULL, NULL);
    }
    size_t n = find_cases(name);
    for (size_t i = 0; i < n; i++) {
        for (int k = 0; k < 2; k++) {
            snprintf(title[2 * i + k], sizeof title[0], "%s in %s", name[i],
                     k ? "float" : "double");
            test[2 * i + k] = (struct CMUnitTest){ .name = title[2 * i + k],
                                                   .test_func = k ? in_float : in_double,
                                                   .initial_state = name[i] };
        }
    }
    return n > 0 ? _cmocka_run_group_tests("parity", test, 2 * n, NULL, NULL) : 1;
}
