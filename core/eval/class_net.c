#include "eval/class_net.h"

#include "base/mem.h"
#include "data/safetensors.h"
#include "eval/class_net_private.h"
#include "graph/noise.h"
#include "graph/ops.h"
#include "graph/tensor.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK = 256 };

/* Of the convolutions, both of stride 2; grids below LEAST_SIDE do without. */
enum { FIRST = 16, SECOND = 32, KERNEL = 4, LEAST_SIDE = 8 };

static const char *const names[STELE__CLASS_ENTRIES] = { "hidden.weight", "hidden.bias",
                                                         "class.weight",  "class.bias",
                                                         "first.weight",  "first.bias",
                                                         "second.weight", "second.bias" };

void stele__class_destroy(stele__class_net *net)
{
    if (net != NULL) {
        stele__params_destroy(net->params);
        stele__free(net->mean);
        stele__free(net->scale);
        stele__free(net);
    }
}

/* Shapes of the parameters; how many there are. */
static uint32_t shapes(const stele__class_net *net, stele_shape ret[STELE__CLASS_ENTRIES])
{
    const int conv = net->height > 0;
    const int64_t places = net->height / 4 * (net->width / 4);
    const int64_t channels = conv ? net->n_columns / (net->height * net->width) : 0;
    const int64_t width = conv ? SECOND * places : net->n_columns;
    ret[0] = STELE__SHAPE(width, STELE__CLASS_HIDDEN);
    ret[1] = STELE__SHAPE(STELE__CLASS_HIDDEN);
    ret[2] = STELE__SHAPE(STELE__CLASS_HIDDEN, net->n_classes);
    ret[3] = STELE__SHAPE(net->n_classes);
    ret[4] = STELE__SHAPE(FIRST, channels, KERNEL, KERNEL);
    ret[5] = STELE__SHAPE(FIRST);
    ret[6] = STELE__SHAPE(SECOND, FIRST, KERNEL, KERNEL);
    ret[7] = STELE__SHAPE(SECOND);
    return conv ? STELE__CLASS_ENTRIES : STELE__CLASS_ENTRIES / 2;
}

/* Inputs that each unit of a layer sees. */
static double fan_in(const stele_shape *weight)
{
    return (double)(weight->ndim == 2 ? weight->dim[0]
                                      : weight->dim[1] * weight->dim[2] * weight->dim[3]);
}

stele_status stele__class_create(const stele__class_rows *rows, int32_t n_classes, uint64_t seed,
                                 stele__class_net **ret, stele__diag *diag)
{
    const size_t n_columns = (size_t)rows->n_columns;
    const int conv = rows->height >= LEAST_SIDE && rows->width >= LEAST_SIDE;
    stele_shape shape[STELE__CLASS_ENTRIES];
    stele__class_net *net = stele__calloc(1, sizeof *net);
    if (net == NULL) {
        return STELE_E_NOMEM;
    }
    net->n_columns = rows->n_columns;
    net->height = conv ? rows->height : 0;
    net->width = conv ? rows->width : 0;
    net->channels_first = rows->channels_first;
    net->n_classes = n_classes;
    net->n_entries = shapes(net, shape);
    net->mean = stele__calloc(n_columns + 1, sizeof *net->mean);
    net->scale = stele__calloc(n_columns + 1, sizeof *net->scale);
    stele_status status = net->mean != NULL && net->scale != NULL
                              ? stele__params_create(STELE_F32, &net->params)
                              : STELE_E_NOMEM;
    for (uint32_t i = 0; i < net->n_entries && status == STELE_OK; i++) {
        const int weight = shape[i].ndim > 1;
        stele__declaration d = { .name = names[i],
                                 .shape = shape[i],
                                 .kind = STELE__TRAINED,
                                 .init = weight ? STELE_INIT_UNIFORM : STELE_INIT_ZERO,
                                 .scale = weight ? sqrt(6.0 / fan_in(&shape[i])) : 0.0,
                                 .decay = weight };
        status = stele__params_declare(net->params, &d, &net->entry[i], diag);
    }
    if (status == STELE_OK) {
        status = stele__params_finalize(net->params, seed, 1, diag);
    }
    if (status != STELE_OK) {
        stele__class_destroy(net);
        return status;
    }
    *ret = net;
    return STELE_OK;
}

void stele__class_prepare(const stele__class_net *net, int64_t n, float *x)
{
    for (int64_t i = 0; i < n * net->n_columns; i++) {
        const int64_t c = i % net->n_columns;
        const float v = isfinite(x[i]) ? (x[i] - net->mean[c]) * net->scale[c] : 0.0F;
        x[i] = asinhf(v);
    }
}

/* What the hidden layer sees of a grid x (n, columns): (n, features). */
static stele_tensor *convolve(const stele__class_net *net, stele_graph *g, stele_tensor *x,
                              int64_t n, stele_tensor *const p[4])
{
    const stele_window window = { .struct_size = sizeof window,
                                  .kernel = { KERNEL, KERNEL },
                                  .stride = { 2, 2 },
                                  .padding = { 1, 1 },
                                  .dilation = { 1, 1 },
                                  .groups = 1 };
    const uint32_t first[] = { 0, 3, 1, 2 };
    const int64_t channels = net->n_columns / (net->height * net->width);
    const stele_shape last = STELE__SHAPE(n, net->height, net->width, channels);
    const stele_shape grid = STELE__SHAPE(n, channels, net->height, net->width);
    const stele_shape flat = STELE__SHAPE(n, SECOND * (net->height / 4) * (net->width / 4));
    x = net->channels_first ? stele__op_reshape(g, x, &grid)
                            : stele__op_permute(g, stele__op_reshape(g, x, &last), first);
    x = stele__op_relu(g, stele__op_conv2d(g, x, p[0], p[1], &window));
    x = stele__op_relu(g, stele__op_conv2d(g, x, p[2], p[3], &window));
    return stele__op_reshape(g, x, &flat);
}

stele_tensor *stele__class_pass(const stele__class_net *net, stele_graph *g, const float *x,
                                int64_t n)
{
    const stele_shape shape = STELE__SHAPE(n, net->n_columns);
    stele_tensor *p[STELE__CLASS_ENTRIES] = { 0 };
    for (uint32_t i = 0; i < net->n_entries; i++) {
        p[i] = stele__graph_param(g, net->params, net->entry[i]);
    }
    stele_tensor *h = stele__graph_dense(g, STELE_F32, &shape, x);
    h = net->height > 0 ? convolve(net, g, h, n, p + 4) : h;
    h = stele__op_linear(g, h, p[0], p[1]);
    h = stele__op_dropout(g, stele__op_relu(g, h), STELE__CLASS_DROPOUT, 0, 0);
    return stele__op_log_softmax(g, stele__op_linear(g, h, p[2], p[3]), 1);
}

stele_status stele__class_outcome(stele_graph *g, stele__diag *diag)
{
    return stele__graph_status(g) == STELE_OK
               ? STELE_OK
               : stele__diag_error(diag, stele__graph_status(g), NULL,
                                   "a classifier of coherence: %s", stele__graph_error(g));
}

static int32_t most_probable(const float *log_p, int32_t n)
{
    int32_t best = 0;
    for (int32_t k = 1; k < n; k++) {
        best = log_p[k] > log_p[best] ? k : best;
    }
    return best;
}

stele_status stele__class_tell(const stele__class_net *net, stele_graph *g, const float *x,
                               int64_t n, int32_t *ret, stele__diag *diag)
{
    stele_status status = STELE_OK;
    float *block = stele__calloc((size_t)(BLOCK * net->n_columns), sizeof *block);
    if (block == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t at = 0; at < n && status == STELE_OK; at += BLOCK) {
        const int64_t some = n - at < BLOCK ? n - at : BLOCK;
        const stele__pass pass = { 0 };
        memcpy(block, x + at * net->n_columns, (size_t)(some * net->n_columns) * sizeof *x);
        stele__class_prepare(net, some, block);
        stele__graph_begin(g, &pass);
        const stele_tensor *log_p = stele__class_pass(net, g, block, some);
        status = stele__class_outcome(g, diag);
        for (int64_t r = 0; r < some && status == STELE_OK; r++) {
            const float *row = (const float *)stele__tensor_data(log_p) + r * net->n_classes;
            ret[at + r] = most_probable(row, net->n_classes);
        }
    }
    stele__free(block);
    return status;
}

/* --- what it was trained on --- */

/* 32 bits at a time, as FNV-1a does with 8. */
static uint64_t mix_words(uint64_t h, const void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t word;
        memcpy(&word, (const char *)bytes + i * sizeof word, sizeof word);
        h = (h ^ word) * UINT64_C(1099511628211);
        h ^= h >> 32;
    }
    return h;
}

stele_status stele__class_digest(const stele__class_request *q, uint64_t *ret)
{
    const int64_t width = q->rows.n_columns;
    uint64_t h = stele__noise_mix(q->seed, stele__noise_hash(STELE__CLASS_VERSION));
    float *block = stele__calloc((size_t)(BLOCK * width) + 1, sizeof *block);
    stele_status status = block != NULL ? STELE_OK : STELE_E_NOMEM;
    if (q->rows.height > 0) {
        h = stele__noise_mix(stele__noise_mix(h, (uint64_t)q->rows.height),
                             (uint64_t)q->rows.width);
        h = q->rows.channels_first ? stele__noise_mix(h, 1) : h;
    }
    h = mix_words(h, q->label, (size_t)q->n);
    for (int64_t at = 0; at < q->n && status == STELE_OK; at += BLOCK) {
        const int64_t some = q->n - at < BLOCK ? q->n - at : BLOCK;
        status = q->rows.read(q->rows.ctx, q->row + at, some, block);
        h = status == STELE_OK ? mix_words(h, block, (size_t)(some * width)) : h;
    }
    stele__free(block);
    *ret = h;
    return status;
}

/* --- files --- */

stele_status stele__class_write(const stele__class_net *net, const char *path, uint64_t digest,
                                stele__diag *diag)
{
    const stele_shape row = STELE__SHAPE(net->n_columns);
    stele__safetensor t[STELE__CLASS_ENTRIES + 2] = {
        { .name = "mean", .dtype = STELE_F32, .shape = row, .data = net->mean },
        { .name = "scale", .dtype = STELE_F32, .shape = row, .data = net->scale }
    };
    char text[17];
    const stele__metadata metadata = { "digest", text };
    snprintf(text, sizeof text, "%016" PRIx64, digest);
    for (uint32_t i = 0; i < net->n_entries; i++) {
        const stele__param *p = stele__params_entry(net->params, net->entry[i]);
        t[i + 2] = (stele__safetensor){
            .name = names[i], .dtype = STELE_F32, .shape = p->shape, .data = p->values
        };
    }
    return stele__safetensors_write(path, t, net->n_entries + 2, &metadata, 1, diag);
}

static int take(const stele__safetensors *file, const char *name, int64_t n, float *to)
{
    const stele__safetensor *t = stele__safetensors_find(file, name);
    int64_t size = 1;
    for (uint32_t i = 0; t != NULL && i < t->shape.ndim; i++) {
        size *= t->shape.dim[i];
    }
    if (t == NULL || t->dtype != STELE_F32 || size != n) {
        return 0;
    }
    memcpy(to, t->data, (size_t)n * sizeof *to);
    return 1;
}

static int fits(const stele__safetensors *file, const stele__class_net *net)
{
    int ok = take(file, "mean", net->n_columns, net->mean) &&
             take(file, "scale", net->n_columns, net->scale);
    for (uint32_t i = 0; i < net->n_entries && ok; i++) {
        stele__param *p = stele__params_entry(net->params, net->entry[i]);
        ok = take(file, names[i], p->n, p->values);
    }
    return ok;
}

stele_status stele__class_read(const char *path, uint64_t digest, const stele__class_rows *rows,
                               int32_t n_classes, stele__class_net **ret)
{
    stele__safetensors *file = NULL;
    char text[17];
    *ret = NULL;
    snprintf(text, sizeof text, "%016" PRIx64, digest);
    stele_status status = stele__safetensors_open(path, &file, NULL);
    if (status == STELE_E_NOMEM) {
        return status;
    }
    const char *kept = status == STELE_OK ? stele__safetensors_metadata(file, "digest") : NULL;
    if (kept != NULL && strcmp(kept, text) == 0 &&
        stele__safetensors_verify(file, NULL) == STELE_OK) {
        stele__class_net *net = NULL;
        status = stele__class_create(rows, n_classes, 0, &net, NULL);
        if (status == STELE_OK && fits(file, net)) {
            *ret = net;
        } else {
            stele__class_destroy(net);
        }
    } else {
        status = STELE_OK;
    }
    stele__safetensors_close(file);
    return status;
}
