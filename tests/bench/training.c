#include "training.h"

#include <stdio.h>
#include <string.h>

/* Peaks and genes of a cell are a few per cent, as in real data; one joint bound, nothing else. */
static const char spec_text[] = "stele: 1\n"
                                "name: bench\n"
                                "seed: 7\n"
                                "data:\n"
                                "  sources:\n"
                                "    cells: {plugin: simulate, n_rows: %lld, n_genes: %lld, "
                                "n_peaks: %lld, rna_depth: %lld, atac_depth: %lld}\n"
                                "%s%s%s"
                                "  split: {train: 1, valid: 0, test: 0}\n"
                                "  missing: {rna: %g, atac: %g}\n"
                                "latent: {dim: 20}\n"
                                "modalities:\n"
                                "  rna:\n"
                                "    plugin: nb_counts\n"
                                "    encoder: {hidden: [%d], norm: none, input: log1p, "
                                "input_dropout: 0}\n"
                                "    decoder: {hidden: [%d]}\n"
                                "  atac:\n"
                                "    plugin: bernoulli_peaks\n"
                                "    encoder: {hidden: [%d], input_dropout: 0}\n"
                                "    decoder: {hidden: [%d]}\n"
                                "fusion: %s\n"
                                "heads: %s\n"
                                "objective: %s\n"
                                "train: {batch_size: %d, threads: %d, "
                                "optimiser: {clip_norm: %g}}\n";

/* The model of configs/mnist.yaml. */
static const char image_text[] = "stele: 1\n"
                                 "name: bench\n"
                                 "seed: 7\n"
                                 "data:\n"
                                 "  source: simulate\n"
                                 "  n_rows: %lld\n"
                                 "  n_genes: 8\n"
                                 "  n_peaks: %lld\n"
                                 "  atac_depth: %lld\n"
                                 "  split: {train: 1, valid: 0, test: 0}\n"
                                 "latent: {dim: 16}\n"
                                 "modalities:\n"
                                 "  atac:\n"
                                 "    plugin: image\n"
                                 "    size: [%lld, %lld]\n"
                                 "    encoder: {channels: [32, 64], hidden: [256]}\n"
                                 "    decoder: {channels: [64, 32], hidden: [256]}\n"
                                 "fusion: {plugin: poe, prior_expert: true}\n"
                                 "train: {batch_size: %d, threads: %d}\n";

/* Length of the text, which fits. */
static int write_spec(const bench_shape *s, size_t size, char *text)
{
    if (s->spec != NULL) {
        return snprintf(text, size, "%s", s->spec);
    }
    if (s->side > 0) {
        return snprintf(text, size, image_text, (long long)s->rows, (long long)(s->side * s->side),
                        (long long)s->atac_depth, (long long)s->side, (long long)s->side, s->batch,
                        s->threads);
    }
    return snprintf(text, size, spec_text, (long long)s->rows, (long long)s->genes,
                    (long long)s->peaks, (long long)s->rna_depth, (long long)s->atac_depth,
                    s->table != NULL ? "    table: {plugin: table, columns: [], path: '" : "",
                    s->table != NULL ? s->table : "", s->table != NULL ? "'}\n" : "", s->no_rna,
                    s->no_atac, s->hidden, s->hidden, s->hidden, s->hidden,
                    s->fusion != NULL ? s->fusion : "{plugin: poe, prior_expert: true}",
                    s->heads != NULL ? s->heads : "{}",
                    s->objective != NULL ? s->objective : "{bound: elbo, subsets: all}", s->batch,
                    s->threads, s->clip_norm);
}

static stele_status make_spec(bench_training *t, const bench_shape *s, stele__diag *diag)
{
    char text[2048];
    stele__spec_doc *doc = NULL;
    int n = write_spec(s, sizeof text, text);
    stele_status status = stele__spec_doc_parse(text, (size_t)n, "bench", NULL, &doc, diag);
    if (status == STELE_OK) {
        status = stele__spec_create(doc, &t->spec, diag);
    }
    if (status == STELE_OK) {
        status = stele__cast_find(t->registry, t->spec, &t->cast, diag);
    }
    return status == STELE_OK ? stele__spec_finish(t->spec, diag) : status;
}

enum { MOST_FOLDERS = 16 };

static stele_status make_registry(bench_training *t, const bench_shape *s, stele__diag *diag)
{
    stele__places places;
    const char *folder[MOST_FOLDERS];
    size_t n = 0;
    stele_status status = stele__places_default(&places, diag);
    if (status != STELE_OK) {
        return status;
    }
    if (s->folder != NULL) {
        folder[n++] = s->folder;
    }
    for (size_t i = 0; i < places.n && n < MOST_FOLDERS; i++) {
        folder[n++] = places.folder[i];
    }
    stele__registry_settings settings = { .preload = s->preload, .folder = folder, .n_folders = n };
    status = stele__registry_create(&settings, &t->registry, diag);
    stele__places_finish(&places);
    return status;
}

stele_status bench_training_init(bench_training *t, const bench_shape *shape, stele__diag *diag)
{
    memset(t, 0, sizeof *t);
    stele_status status = make_registry(t, shape, diag);
    if (status == STELE_OK) {
        status = make_spec(t, shape, diag);
    }
    if (status == STELE_OK) {
        stele__run_request q = { .spec = t->spec, .plugins = &t->cast, .training = 1 };
        status = stele__run_open(&q, &t->run, diag);
    }
    if (status != STELE_OK) {
        return status;
    }
    t->training = (stele__training){ .model = &t->run.model,
                                     .data = t->run.data,
                                     .split = t->run.split,
                                     .spec = t->spec,
                                     .pool = t->run.pool,
                                     .dir = "nowhere",
                                     .fingerprint = "" };
    return stele__loop_init(&t->training, &t->loop, diag);
}

void bench_training_finish(bench_training *t)
{
    stele__loop_finish(&t->loop);
    stele__run_close(&t->run);
    stele__cast_finish(&t->cast);
    stele__spec_destroy(t->spec);
    stele__registry_destroy(t->registry);
    memset(t, 0, sizeof *t);
}

stele_status bench_training_step(bench_training *t, stele__loss_terms *ret, stele__diag *diag)
{
    stele__position *at = &t->loop.at;
    if (at->batch == t->loop.batches.n_batches) {
        at->batch = 0;
        at->epoch++;
    }
    return stele__loop_step(&t->loop, ret, diag);
}

size_t bench_training_parameters(const bench_training *t)
{
    size_t n = 0;
    (void)stele__params_values(t->run.model.params, &n);
    return n;
}
