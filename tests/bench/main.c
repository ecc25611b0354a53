/* stele-bench [--json FILE] [--rounds N] [--threads N]
 *     [--quick | --border | --conv | --sequence | --missing]:
 * a training step against the floor of the machine and against PyTorch, and what it costs in
 * memory; one of convolutions and those of texts, signals and spikes against PyTorch; one whose
 * rows lack modalities. */
#include "conv.h"
#include "floor.h"
#include "measure.h"
#include "missing.h"
#include "report.h"
#include "sequence.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct options {
    const char *json;
    int rounds, threads, quick, border, conv, sequence, missing;
} options;

static int parse(int argc, char **argv, options *o)
{
    static const struct option longs[] = { { "json", required_argument, NULL, 'j' },
                                           { "rounds", required_argument, NULL, 'r' },
                                           { "threads", required_argument, NULL, 't' },
                                           { "quick", no_argument, NULL, 'q' },
                                           { "border", no_argument, NULL, 'b' },
                                           { "conv", no_argument, NULL, 'c' },
                                           { "missing", no_argument, NULL, 'm' },
                                           { "sequence", no_argument, NULL, 's' },
                                           { 0 } };
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        if (c == 'j') {
            o->json = optarg;
        } else if (c == 'r') {
            o->rounds = atoi(optarg);
        } else if (c == 't') {
            o->threads = atoi(optarg);
        } else if (c == 'q') {
            o->quick = 1;
        } else if (c == 'b') {
            o->border = 1;
        } else if (c == 'c') {
            o->conv = 1;
        } else if (c == 's') {
            o->sequence = 1;
        } else if (c == 'm') {
            o->missing = 1;
        } else {
            return -1;
        }
    }
    return o->rounds < 1 || optind != argc ? -1 : 0;
}

static const bench_shape shapes[] = {
    { .rows = 5000, .genes = 1677, .peaks = 25734, .rna_depth = 400, .atac_depth = 1200 },
    { .rows = 5000, .genes = 4000, .peaks = 100000, .rna_depth = 900, .atac_depth = 4000 },
};
static const int64_t scale[] = { 5000, 50000, 200000 };

static bench_shape complete(bench_shape s, const options *o)
{
    s.hidden = 128;
    s.batch = 128;
    s.threads = o->threads;
    return s;
}

static int measure(const options *o, json_t *figures)
{
    /* First, while this process is small: a child starts with its parent's peak. */
    bench_footprint footprint[2];
    for (int i = 0; i < 2; i++) {
        bench_shape s = complete(shapes[i], o);
        if (bench_footprint_measure(&s, &footprint[i]) != 0) {
            return -1;
        }
    }
    for (size_t i = 0; !o->quick && i < sizeof scale / sizeof scale[0]; i++) {
        bench_shape s = complete(shapes[0], o);
        bench_footprint f;
        s.rows = scale[i];
        if (bench_footprint_measure(&s, &f) != 0) {
            return -1;
        }
        report_scale(figures, &s, &f);
    }
    for (int i = 0; i < 2; i++) {
        bench_shape s = complete(shapes[i], o);
        bench_step step;
        if (bench_step_measure(&s, o->rounds, &step) != 0) {
            return -1;
        }
        report_step(figures, &s, &step, &footprint[i], twin_ms(&s));
    }
    return 0;
}

static int measure_border(const options *o, json_t *figures)
{
    bench_shape s = complete(shapes[0], o);
    bench_border border;
    if (bench_border_measure(&s, o->rounds * 2, &border) != 0) {
        return -1;
    }
    report_border(figures, &s, &border);
    return 0;
}

/* Images of MNIST's size, and of one that the wide layers hardly matter for. */
static const int64_t sides[] = { 28, 64 };

static int measure_conv(const options *o, json_t *figures)
{
    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++) {
        bench_shape s = complete((bench_shape){ .rows = 1024, .side = sides[i] }, o);
        double seconds = 0.0;
        s.atac_depth = s.side * s.side / 5; /* as much ink as digits have */
        if (bench_conv_measure(&s, o->rounds, &seconds) != 0) {
            return -1;
        }
        report_conv(figures, &s, seconds, twin_ms(&s));
    }
    return 0;
}

static int measure_sequences(const options *o, json_t *figures)
{
    for (int kind = 0; kind < BENCH_N_SEQUENCES; kind++) {
        bench_shape s = complete((bench_shape){ .kind = bench_sequence_name[kind] }, o);
        double seconds = 0.0;
        if (bench_sequence_measure(kind, s.batch, s.threads, o->rounds, &seconds) != 0) {
            return -1;
        }
        report_conv(figures, &s, seconds, twin_ms(&s));
    }
    return 0;
}

static int measure_missing(const options *o, json_t *figures)
{
    bench_shape s = complete(shapes[0], o);
    double seconds[BENCH_N_MISSING];
    if (bench_missing_measure(&s, o->rounds, seconds) != 0) {
        return -1;
    }
    report_missing(figures, &s, seconds);
    return 0;
}

/* All there is, or the one part that was asked for. */
static int measure_wanted(const options *o, json_t *figures)
{
    const int all = !o->border && !o->conv && !o->sequence && !o->missing;
    int failed = all && measure(o, figures) != 0;
    failed = failed || ((all || o->conv) && measure_conv(o, figures) != 0);
    failed = failed || ((all || o->sequence) && measure_sequences(o, figures) != 0);
    failed = failed || ((all || o->missing) && measure_missing(o, figures) != 0);
    failed = failed || ((all || o->border) && measure_border(o, figures) != 0);
    return failed ? -1 : 0;
}

int main(int argc, char **argv)
{
    options o = { .rounds = 15 };
    if (parse(argc, argv, &o) != 0) {
        fprintf(stderr,
                "usage: %s [--json FILE] [--rounds N] [--threads N] [--quick | --border | "
                "--conv | --sequence | --missing]\n",
                argv[0]);
        return 2;
    }
    json_t *figures = json_array();
    int failed = figures == NULL || measure_wanted(&o, figures) != 0;
    if (!failed && o.json != NULL) {
        failed = json_dump_file(figures, o.json, JSON_INDENT(2)) != 0;
        if (failed) {
            fprintf(stderr, "stele-bench: cannot write %s\n", o.json);
        }
    }
    json_decref(figures);
    return failed;
}
