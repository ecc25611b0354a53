#include "train/checkpoint.h"

#include "base/mem.h"
#include "base/str.h"
#include "data/safetensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_METADATA = 12, TEXT = 40 };

/* Names of moment tensors are made; they live here until the file is written. */
typedef struct listing {
    stele__safetensor *tensor;
    char **made;
    size_t n, n_made;
} listing;

static void listing_finish(listing *l)
{
    for (size_t i = 0; i < l->n_made; i++) {
        stele__free(l->made[i]);
    }
    stele__free(l->made);
    stele__free(l->tensor);
}

static char *moment_name(int which, const char *name)
{
    stele__str s;
    stele__str_init(&s);
    stele__str_printf(&s, "moment%d.%s", which, name);
    return stele__str_take(&s);
}

static size_t real_size(stele__params *params)
{
    return stele__params_dtype(params) == STELE_F64 ? sizeof(double) : sizeof(float);
}

static void *moment_of(stele__params *params, const stele__param *p, int which)
{
    return (char *)stele__params_moment(params, which) + p->offset * real_size(params);
}

static stele_status list_tensors(stele__params *params, int moments, listing *l)
{
    uint32_t n = stele__params_count(params);
    memset(l, 0, sizeof *l);
    l->tensor = stele__calloc(3 * (size_t)n + 1, sizeof *l->tensor);
    l->made = stele__calloc(2 * (size_t)n + 1, sizeof *l->made);
    if (l->tensor == NULL || l->made == NULL) {
        return STELE_E_NOMEM;
    }
    for (uint32_t i = 0; i < n; i++) {
        const stele__param *p = stele__params_entry(params, i);
        if (p->kind == STELE__FROZEN) {
            continue;
        }
        stele__safetensor t = { .name = p->name,
                                .dtype = (int)stele__params_dtype(params),
                                .shape = p->shape,
                                .data = p->values };
        l->tensor[l->n++] = t;
        for (int which = 1; moments && p->kind == STELE__TRAINED && which <= 2; which++) {
            t.name = l->made[l->n_made] = moment_name(which, p->name);
            if (t.name == NULL) {
                return STELE_E_NOMEM;
            }
            l->n_made++;
            t.data = moment_of(params, p, which);
            l->tensor[l->n++] = t;
        }
    }
    return STELE_OK;
}

/* Doubles as their bits: exact, and independent of the locale. */
static void put_double(char text[TEXT], double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    snprintf(text, TEXT, "%016" PRIx64, bits);
}

static double get_double(const char *text)
{
    uint64_t bits = strtoull(text, NULL, 16);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static void put_int(char text[TEXT], int64_t v)
{
    snprintf(text, TEXT, "%" PRId64, v);
}

/* Bits and rows of n sums, up to the last one that has rows. */
static void put_counted(stele__str *out, const double *sum, const int64_t *rows, uint32_t n)
{
    char text[TEXT];
    while (n > 0 && rows[n - 1] == 0) {
        n--;
    }
    for (uint32_t i = 0; i < n; i++) {
        put_double(text, sum[i]);
        stele__str_printf(out, " %s %" PRId64, text, rows[i]);
    }
}

/* The epoch's sums in one line: bits of the three means, then rows; bits and rows of each modality;
 * behind a semicolon those of each head, behind others those of the contrastive term and of the
 * distillation. */
static void put_sums(stele__str *out, const stele__loss_terms *s)
{
    const double mean[] = { s->loss, s->elbo, s->divergence };
    char text[TEXT];
    for (int i = 0; i < 3; i++) {
        put_double(text, mean[i]);
        stele__str_printf(out, "%s ", text);
    }
    stele__str_printf(out, "%" PRId64, s->n);
    put_counted(out, s->log_px, s->n_px, STELE__MAX_MODALITIES);
    stele__str_append(out, ";");
    put_counted(out, s->head, s->n_head, STELE__MAX_HEADS);
    stele__str_append(out, ";");
    put_counted(out, &s->contrast, &s->n_contrast, 1);
    stele__str_append(out, ";");
    put_counted(out, &s->distil, &s->n_distil, 1);
}

/* Bits or rows, and the rest of the line. */
static double next_double(char **text)
{
    uint64_t bits = strtoull(*text, text, 16);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static void get_counted(char **at, double *sum, int64_t *rows, uint32_t most)
{
    for (uint32_t i = 0; i < most && **at == ' '; i++) {
        sum[i] = next_double(at);
        rows[i] = strtoll(*at, at, 10);
    }
}

static void get_sums(const char *line, stele__loss_terms *ret)
{
    char *at = (char *)(uintptr_t)line; /* strtoull wants it so; nothing is written */
    memset(ret, 0, sizeof *ret);
    ret->loss = next_double(&at);
    ret->elbo = next_double(&at);
    ret->divergence = next_double(&at);
    ret->n = strtoll(at, &at, 10);
    get_counted(&at, ret->log_px, ret->n_px, STELE__MAX_MODALITIES);
    if (*at == ';') {
        at++;
        get_counted(&at, ret->head, ret->n_head, STELE__MAX_HEADS);
    }
    if (*at == ';') {
        at++;
        get_counted(&at, &ret->contrast, &ret->n_contrast, 1);
    }
    if (*at == ';') {
        at++;
        get_counted(&at, &ret->distil, &ret->n_distil, 1);
    }
}

stele_status stele__checkpoint_write(const char *path, stele__params *params, int moments,
                                     const stele__position *at, const char *fingerprint,
                                     stele__diag *diag)
{
    listing l;
    char text[N_METADATA][TEXT];
    stele__metadata meta[N_METADATA];
    size_t n = 0;
    stele__str sums;
    stele__str_init(&sums);
    put_sums(&sums, &at->sums);
    stele_status status = list_tensors(params, moments, &l);
    put_int(text[0], at->epoch);
    put_int(text[1], at->batch);
    put_int(text[2], at->step);
    put_int(text[3], at->plateau.best_epoch);
    put_int(text[4], at->plateau.waited);
    put_int(text[5], at->plateau.waited_lr);
    put_double(text[6], at->plateau.best);
    put_double(text[7], at->plateau.reduction);
    put_int(text[8], at->finished);
    static const char *const keys[] = { "epoch",      "batch",          "step",
                                        "best_epoch", "waited",         "waited_lr",
                                        "best.bits",  "reduction.bits", "finished" };
    for (; n < sizeof keys / sizeof keys[0]; n++) {
        meta[n] = (stele__metadata){ .key = keys[n], .value = text[n] };
    }
    meta[n++] = (stele__metadata){ .key = "format", .value = "stele-checkpoint-1" };
    meta[n++] = (stele__metadata){ .key = "spec", .value = fingerprint };
    meta[n++] = (stele__metadata){ .key = "sums", .value = sums.data };
    if (status == STELE_OK && sums.failed) {
        status = STELE_E_NOMEM;
    }
    if (status == STELE_OK) {
        status = moments ? stele__safetensors_write(path, l.tensor, l.n, meta, n, diag)
                         : stele__safetensors_write_hasty(path, l.tensor, l.n, meta, n, diag);
    }
    listing_finish(&l);
    stele__str_finish(&sums);
    return status;
}

static stele_status read_tensors(const stele__safetensors *file, const char *path,
                                 stele__params *params, const listing *l, int moments,
                                 stele__diag *diag)
{
    size_t element = real_size(params);
    for (size_t i = 0; i < l->n; i++) {
        const stele__safetensor *want = &l->tensor[i];
        const stele__safetensor *t = stele__safetensors_find(file, want->name);
        if (t == NULL) {
            return stele__diag_error(diag, STELE_E_DATA, NULL,
                                     "%s: has no tensor `%s`: it belongs to another spec", path,
                                     want->name);
        }
        if (t->dtype != want->dtype || memcmp(&t->shape, &want->shape, sizeof t->shape) != 0) {
            return stele__diag_error(diag, STELE_E_DATA, NULL,
                                     "%s: tensor `%s` has another shape: it belongs to another "
                                     "spec, or to another version of a plugin",
                                     path, want->name);
        }
        int64_t count = 1;
        for (uint32_t k = 0; k < t->shape.ndim; k++) {
            count *= t->shape.dim[k];
        }
        /* The list points at the params' own memory, which is ours to fill. */
        memcpy((void *)(uintptr_t)want->data, t->data, (size_t)count * element);
    }
    if (moments && stele__safetensors_count(file) != l->n) {
        return stele__diag_error(diag, STELE_E_DATA, NULL,
                                 "%s: holds %zu tensors where %zu are wanted: it belongs "
                                 "to another spec",
                                 path, stele__safetensors_count(file), l->n);
    }
    return STELE_OK;
}

static const char *meta_of(const stele__safetensors *file, const char *key)
{
    const char *text = stele__safetensors_metadata(file, key);
    return text != NULL ? text : "0";
}

static stele_status read_position(const stele__safetensors *file, const char *path,
                                  stele__position *ret, stele__diag *diag)
{
    stele__position position = { 0 }, *at = &position;
    at->epoch = strtoll(meta_of(file, "epoch"), NULL, 10);
    at->batch = strtoll(meta_of(file, "batch"), NULL, 10);
    at->step = strtoll(meta_of(file, "step"), NULL, 10);
    at->finished = (int32_t)strtol(meta_of(file, "finished"), NULL, 10);
    at->plateau.best_epoch = strtoll(meta_of(file, "best_epoch"), NULL, 10);
    at->plateau.waited = strtoll(meta_of(file, "waited"), NULL, 10);
    at->plateau.waited_lr = strtoll(meta_of(file, "waited_lr"), NULL, 10);
    at->plateau.best = get_double(meta_of(file, "best.bits"));
    at->plateau.reduction = get_double(meta_of(file, "reduction.bits"));
    get_sums(meta_of(file, "sums"), &at->sums);
    if (at->epoch < 0 || at->batch < 0 || at->step < 0 || at->finished < STELE__TRAINING ||
        at->finished > STELE__ALL_DONE) {
        return stele__diag_error(diag, STELE_E_DATA, NULL,
                                 "%s: is damaged: epoch %lld, batch %lld, step %lld, stage %d",
                                 path, (long long)at->epoch, (long long)at->batch,
                                 (long long)at->step, (int)at->finished);
    }
    if (at->plateau.best_epoch < -1 || at->plateau.waited < 0 || at->plateau.waited_lr < 0) {
        return stele__diag_error(diag, STELE_E_DATA, NULL,
                                 "%s: is damaged: best epoch %lld, waited %lld and %lld", path,
                                 (long long)at->plateau.best_epoch, (long long)at->plateau.waited,
                                 (long long)at->plateau.waited_lr);
    }
    *ret = position;
    return STELE_OK;
}

static stele_status check_origin(const stele__safetensors *file, const char *path,
                                 const char *fingerprint, stele__diag *diag)
{
    if (strcmp(meta_of(file, "format"), "stele-checkpoint-1") != 0) {
        return stele__diag_error(diag, STELE_E_DATA, NULL, "%s: is not a checkpoint of Stele",
                                 path);
    }
    if (fingerprint != NULL && strcmp(meta_of(file, "spec"), fingerprint) != 0) {
        stele__diag_error(diag, STELE_E_DATA, NULL, "%s: is a checkpoint of another spec", path);
        stele__diag_hint(
            diag,
            "resume with the spec it was trained with (spec.yaml beside it), or choose another "
            "run folder");
        return STELE_E_DATA;
    }
    return STELE_OK;
}

stele_status stele__checkpoint_read(const char *path, stele__params *params, int moments,
                                    const char *fingerprint, stele__position *ret_at,
                                    stele__diag *diag)
{
    stele__safetensors *file = NULL;
    listing l;
    stele_status status = stele__safetensors_open(path, &file, diag);
    if (status != STELE_OK) {
        return status;
    }
    status = stele__safetensors_verify(file, diag);
    if (status == STELE_OK) {
        status = check_origin(file, path, fingerprint, diag);
    }
    if (status == STELE_OK) {
        status = list_tensors(params, moments, &l);
        if (status == STELE_OK) {
            status = read_tensors(file, path, params, &l, moments, diag);
        }
        listing_finish(&l);
    }
    if (status == STELE_OK && ret_at != NULL) {
        status = read_position(file, path, ret_at, diag);
    }
    stele__safetensors_close(file);
    return status;
}

stele_status stele__checkpoint_match(const char *path, const char *fingerprint, int *ret_same,
                                     stele__position *ret_at, stele__diag *diag)
{
    stele__safetensors *file = NULL;
    stele_status status = stele__safetensors_open(path, &file, diag);
    if (status == STELE_OK) {
        status = check_origin(file, path, NULL, diag);
        *ret_same = status == STELE_OK && strcmp(meta_of(file, "spec"), fingerprint) == 0;
        status = status == STELE_OK ? read_position(file, path, ret_at, diag) : status;
        stele__safetensors_close(file);
    }
    return status;
}
