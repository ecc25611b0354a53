/* Data of the shapes that the shipped specs have, made up in a folder of their own. */
#include "sequence.h"

#include "conv.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 1024, WORDS = 32, DIFFERENT = 120, CHANNELS = 5, SAMPLES = 200, NEURONS = 71 };

const char *const bench_sequence_name[BENCH_N_SEQUENCES] = { "text", "signal", "spikes" };

static const char *const file_name[BENCH_N_SEQUENCES] = { "rows.jsonl", "rows.npy", "rows.npy" };

static const char *const data_text[BENCH_N_SEQUENCES] = {
    "{source: jsonl, path: '%s/rows.jsonl', texts: [x], %s}",
    "{source: npy, path: '%s', files: [rows.npy], names: [x], %s}",
    "{source: npy, path: '%s', files: [rows.npy], names: [x], %s}",
};

/* Widths are the plugins' own; of spikes those of configs/reaching.yaml with a recurrent unit. */
static const char *const modality_text[BENCH_N_SEQUENCES] = {
    "{plugin: text, from: x, encoder: {kind: gru}, decoder: {kind: gru}}",
    "{plugin: signal, from: x}",
    ("{plugin: spikes, from: x, window: {bins: 13}, encoder: {kind: gru, hidden: [64]}, "
     "decoder: {hidden: [64]}}"),
};

static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Words of three letters that come often enough for a token of their own each. */
static void write_texts(FILE *f)
{
    uint32_t state = 1;
    for (int r = 0; r < ROWS; r++) {
        fprintf(f, "{\"id\": \"%d\", \"x\": \"", r);
        for (int k = 0; k < WORDS; k++) {
            const unsigned w = next(&state) % DIFFERENT;
            fprintf(f, "%s%c%c%c", k > 0 ? " " : "", 'a' + w % 12, 'm' + w / 12, 'a' + w % 7);
        }
        fprintf(f, "\"}\n");
    }
}

static void write_array(FILE *f, int kind)
{
    char text[128], shape[64];
    const int row = kind == BENCH_SIGNAL ? CHANNELS * SAMPLES : NEURONS;
    uint32_t state = 1;
    snprintf(shape, sizeof shape, kind == BENCH_SIGNAL ? "(%d, %d, %d)" : "(%d, %d)", ROWS,
             kind == BENCH_SIGNAL ? CHANNELS : NEURONS, SAMPLES);
    int n = snprintf(text, sizeof text, "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }",
                     shape);
    for (; (n + 11) % 64 != 0; n++) {
        text[n] = ' ';
    }
    text[n++] = '\n';
    const unsigned char head[10] = { 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)n, 0 };
    fwrite(head, 1, sizeof head, f);
    fwrite(text, 1, (size_t)n, f);
    for (int i = 0; i < ROWS * row; i++) {
        const float u = (float)next(&state) / 16777216.0f;
        const float v = kind == BENCH_SIGNAL ? u - 0.5f : (float)(u < 0.2f) + (float)(u < 0.04f);
        fwrite(&v, sizeof v, 1, f);
    }
}

static int write_rows(int kind, const char *folder)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, file_name[kind]);
    FILE *f = fopen(path, "wb");
    if (f == NULL) {
        fprintf(stderr, "stele-bench: %s cannot be written\n", path);
        return -1;
    }
    if (kind == BENCH_TEXT) {
        write_texts(f);
    } else {
        write_array(f, kind);
    }
    return fclose(f);
}

int bench_sequence_measure(int kind, int batch, int threads, int rounds, double *ret)
{
    char folder[] = "/tmp/stele-bench-XXXXXX", data[512], spec[1536], path[256];
    if (mkdtemp(folder) == NULL) {
        fprintf(stderr, "stele-bench: no folder can be made in /tmp\n");
        return -1;
    }
    snprintf(data, sizeof data, data_text[kind], folder, "split: {train: 1, valid: 0, test: 0}");
    snprintf(spec, sizeof spec,
             "stele: 1\nname: bench\nseed: 7\ndata: %s\nlatent: {dim: 20}\nmodalities:\n  x: %s\n"
             "fusion: {plugin: poe, prior_expert: true}\ntrain: {batch_size: %d, threads: %d}\n",
             data, modality_text[kind], batch, threads);
    const bench_shape shape = { .rows = ROWS, .batch = batch, .threads = threads, .spec = spec };
    const int failed =
        write_rows(kind, folder) != 0 || bench_conv_measure(&shape, rounds, ret) != 0;
    snprintf(path, sizeof path, "%s/%s", folder, file_name[kind]);
    unlink(path);
    rmdir(folder);
    return failed ? -1 : 0;
}
