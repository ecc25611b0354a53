/* head/classifier - tells a class from z.
 *
 *     p(class | z) = softmax(W stack(z) + b),   loss = -w_class sum_k t_k log p_k
 *
 * predict gives the logits (R, classes), in the order of the target's categories; softmax makes
 * probabilities of them. t is 1 at the class, or 1 - s there and s / classes more at every class
 * with label smoothing s (Szegedy et al. 2016). class_weights: balanced makes w_class the number of
 * training rows over (classes * rows of that class), so that every class weighs the same. */
#include <stele/metrics.h>
#include <stele/plugin.h>
#include <stele/predictor.h>

#include <math.h>
#include <stdlib.h>

enum { WEIGHTS_NONE = 0, WEIGHTS_BALANCED };
static const char *const weight_names[] = { "none", "balanced", NULL };

typedef struct config {
    stele_dense_config stack;
    int32_t class_weights;
    double label_smoothing;
} config;

static const stele_option options[] = {
    STELE_PREDICTOR_OPTIONS(config, stack),
    STELE_OPTION_ENUM(config, class_weights, "class_weights", weight_names, WEIGHTS_NONE,
                      "How classes weigh in the loss: by their rows, or balanced: all the same."),
    STELE_OPTION_F64(config, label_smoothing, "label_smoothing", 0.0, 0.0, 0.99,
                     "Share of the target that is spread over all classes."),
};

struct stele_inst {
    const stele_host *host;
    const config *config;
    int64_t n_classes;
    stele_predictor predictor;
    uint32_t class_weight;
    /* (n_classes, n_classes) identity: its rows are the classes as 0/1 vectors. Made once, as a
     * step allocates nothing. */
    float *one_f32;
    double *one_f64;
};

static void destroy(stele_inst *self)
{
    if (self != NULL) {
        free(self->one_f32);
        free(self->one_f64);
    }
    free(self);
}

static int make_identity(stele_inst *self)
{
    size_t n = (size_t)self->n_classes;
    self->one_f32 = calloc(n * n, sizeof *self->one_f32);
    self->one_f64 = calloc(n * n, sizeof *self->one_f64);
    if (self->one_f32 == NULL || self->one_f64 == NULL) {
        return 0;
    }
    for (size_t k = 0; k < n; k++) {
        self->one_f32[k * n + k] = 1.0f;
        self->one_f64[k * n + k] = 1.0;
    }
    return 1;
}

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    if (a->input->content != STELE_FIELD_CATEGORY) {
        return STELE_FAIL(a->host, STELE_E_DATA,
                          "target: `%s` holds numbers, a classifier needs classes; if they are "
                          "codes of classes write target_type: category",
                          a->input->name);
    }
    if (a->input->n_categories < 2) {
        return STELE_FAIL(a->host, STELE_E_DATA,
                          "target: all training rows with a value in `%s` are of one class",
                          a->input->name);
    }
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    self->host = a->host;
    self->config = a->config;
    stele_predictor_init(a, &self->config->stack, &self->predictor);
    self->n_classes = a->input->n_categories;
    if (!make_identity(self)) {
        destroy(self);
        return STELE_E_NOMEM;
    }
    *ret = self;
    return STELE_OK;
}

static stele_status build(stele_inst *self, stele_build *b)
{
    const stele_host *h = self->host;
    stele_status status = stele_predictor_build(h, b, "logits", self->n_classes, &self->predictor);
    if (status == STELE_OK && self->config->class_weights == WEIGHTS_BALANCED) {
        stele_shape shape = stele_shape2(self->n_classes, 1);
        status = h->build->buffer(b, "class_weight", &shape, 1.0, &self->class_weight);
    }
    return status;
}

static stele_status traits(const stele_inst *self, stele_head_traits *ret)
{
    (void)self;
    ret->gradient_scale = 1.0;
    ret->own_step = 0;
    return STELE_OK;
}

/* Every class of the target occurs in the training rows. */
static stele_status fit(const stele_inst *self, stele_fit *f)
{
    const stele_host *h = self->host;
    if (self->config->class_weights != WEIGHTS_BALANCED) {
        return STELE_OK;
    }
    double *weight = calloc((size_t)self->n_classes, sizeof *weight);
    double n = (double)h->fit->n_rows(f);
    stele_view x = { .struct_size = sizeof x };
    stele_status status = weight != NULL ? h->fit->next(f, &x) : STELE_E_NOMEM;
    while (status == STELE_OK && x.shape.dim[0] > 0) {
        for (int64_t r = 0; r < x.shape.dim[0]; r++) {
            weight[((const int32_t *)x.data)[r]] += 1.0;
        }
        status = h->fit->next(f, &x);
    }
    for (int64_t k = 0; status == STELE_OK && k < self->n_classes; k++) {
        weight[k] = n / ((double)self->n_classes * weight[k]);
    }
    if (status == STELE_OK) {
        status = h->fit->set(f, self->class_weight, (uint64_t)self->n_classes, weight);
    }
    free(weight);
    return status;
}

static stele_status predict(const stele_inst *self, stele_graph *g, stele_tensor *z,
                            stele_tensor *covariates, stele_tensor **ret_y)
{
    *ret_y = stele_predictor_apply(self->host, g, &self->predictor, z, covariates);
    return self->host->ops->status(g);
}

static stele_status loss(const stele_inst *self, stele_graph *g, stele_tensor *y,
                         stele_tensor *target, stele_tensor **ret_rows)
{
    const stele_ops *ops = self->host->ops;
    double smoothing = self->config->label_smoothing;
    stele_shape shape = stele_shape2(self->n_classes, self->n_classes);
    const void *one = ops->dtype(g) == STELE_F64 ? (const void *)self->one_f64 : self->one_f32;
    stele_tensor *classes = ops->constant(g, ops->dtype(g), &shape, one);
    stele_tensor *t = ops->embedding(g, classes, target);
    if (smoothing > 0.0) {
        t = ops->shift(g, ops->scale(g, t, 1.0 - smoothing), smoothing / (double)self->n_classes);
    }
    stele_tensor *log_p = ops->log_softmax(g, y, -1);
    stele_tensor *rows = ops->scale(g, ops->sum(g, ops->mul(g, t, log_p), -1, 0), -1.0);
    if (self->config->class_weights == WEIGHTS_BALANCED) {
        stele_tensor *w = ops->embedding(g, ops->param(g, self->class_weight), target);
        rows = ops->mul(g, rows, ops->sum(g, w, -1, 0));
    }
    *ret_rows = rows;
    return ops->status(g);
}

/* --- metrics --- */

typedef struct scored {
    float value;
    int positive;
} scored;

static int by_value(const void *a, const void *b)
{
    float x = ((const scored *)a)->value, y = ((const scored *)b)->value;
    return (x > y) - (x < y);
}

/* Two classes: share of pairs (second class, first class) that the logits rank rightly, ties half;
 * NaN if there are no pairs. */
static double auroc(const stele_head_scored *s, scored *pair)
{
    double below = 0.0, positive = 0.0, area = 0.0;
    for (int64_t r = 0; r < s->n_rows; r++) {
        pair[r].value = s->predicted[2 * r + 1] - s->predicted[2 * r];
        pair[r].positive = s->code[r] == 1;
    }
    qsort(pair, (size_t)s->n_rows, sizeof *pair, by_value);
    for (int64_t r = 0, end; r < s->n_rows; r = end) {
        double p = 0.0, n = 0.0;
        for (end = r; end < s->n_rows && pair[end].value <= pair[r].value; end++) {
            p += pair[end].positive;
            n += !pair[end].positive;
        }
        area += p * (below + 0.5 * n);
        positive += p;
        below += n;
        end = end > r ? end : s->n_rows; /* NaN ranks nowhere */
    }
    return area / (positive * below);
}

/* Log of the predicted probability of the row's class, and whether it is the likeliest one. */
static double log_p(const stele_head_scored *s, int64_t r, int *ret_hit)
{
    const float *y = s->predicted + r * s->n_outputs;
    double most = y[0], sum = 0.0;
    int64_t best = 0;
    for (int64_t k = 1; k < s->n_outputs; k++) {
        best = y[k] > y[best] ? k : best;
    }
    most = y[best];
    for (int64_t k = 0; k < s->n_outputs; k++) {
        sum += exp((double)y[k] - most);
    }
    *ret_hit = best == s->code[r];
    return (double)y[s->code[r]] - most - log(sum);
}

static stele_status score(const stele_inst *self, const stele_head_scored *s, uint32_t capacity,
                          stele_metric *ret, uint32_t *ret_n)
{
    size_t n = (size_t)self->n_classes;
    double *rows = calloc(2 * n, sizeof *rows), *hits = rows != NULL ? rows + n : NULL;
    scored *pair = calloc((size_t)s->n_rows + 1, sizeof *pair);
    double accuracy = 0.0, balanced = 0.0, entropy = 0.0, n_rows = (double)s->n_rows, seen = 0.0;
    uint32_t two = self->n_classes == 2;
    if (rows == NULL || pair == NULL || capacity < 3 + two) {
        free(rows);
        free(pair);
        return capacity < 3 + two ? STELE_E_ARG : STELE_E_NOMEM;
    }
    for (int64_t r = 0; r < s->n_rows; r++) {
        int hit = 0;
        entropy -= log_p(s, r, &hit) / n_rows;
        accuracy += hit / n_rows;
        rows[s->code[r]] += 1.0;
        hits[s->code[r]] += hit;
    }
    for (size_t k = 0; k < n; k++) {
        seen += rows[k] > 0.0;
        balanced += rows[k] > 0.0 ? hits[k] / rows[k] : 0.0;
    }
    stele_metric_set(&ret[0], "accuracy", accuracy, 1);
    stele_metric_set(&ret[1], "balanced_accuracy", balanced / seen, 1);
    stele_metric_set(&ret[2], "cross_entropy", entropy, 0);
    if (two) {
        stele_metric_set(&ret[3], "auroc", auroc(s, pair), 1);
    }
    *ret_n = 3 + two;
    free(rows);
    free(pair);
    return STELE_OK;
}

static const stele_head_vt vtable = {
    .struct_size = sizeof vtable,
    .create = create,
    .destroy = destroy,
    .build = build,
    .traits = traits,
    .fit = fit,
    .predict = predict,
    .loss = loss,
    .score = score,
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_HEAD,
    .min_host_minor = STELE_ABI_MINOR,
    .caps = STELE_CAP_ROW_INDEPENDENT | STELE_CAP_BITWISE_REPEAT | STELE_CAP_F64,
    .id = "head/classifier",
    .version = "0.1.0",
    .summary = "Classes from the latent: softmax cross entropy on a stack of dense layers.",
    .license = "BSD-3-Clause",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
