/* sequence.h - training steps of models of texts, signals and spikes. */
#ifndef STELE_BENCH_SEQUENCE_H
#define STELE_BENCH_SEQUENCE_H

/* What is read and what reads it: a text by recurrent units, a window of a signal by convolutions,
 * a window of bins by a recurrent unit. */
enum { BENCH_TEXT = 0, BENCH_SIGNAL, BENCH_SPIKES, BENCH_N_SEQUENCES };

/* Their names, those of the twin's --kind too. */
extern const char *const bench_sequence_name[BENCH_N_SEQUENCES];

/* Median seconds of a step of `batch` rows. 0, or -1 after a message on stderr. */
int bench_sequence_measure(int kind, int batch, int threads, int rounds, double *ret);

#endif
