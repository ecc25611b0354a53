/* draws.h - the draws of z that `stele generate` is asked for. */
#ifndef STELE_CLI_DRAWS_H
#define STELE_CLI_DRAWS_H

#include "cli/generated.h"
#include "eval/sample.h"

typedef struct stele__draw_request {
    stele__open_request open;
    const char *out, *to, *rows, *between, *traverse, *dims, *given, *like, *shape;
    int64_t first, prior, samples, steps; /* first, prior, steps: 0 unless asked for */
    uint32_t what;                        /* STELE_DRAW_* */
    stele__sampling sampling;
    int format, seed_given;
} stele__draw_request;

typedef struct stele__draw_work {
    const stele__draw_request *q;
    stele__opened o;
    stele__generated t;
    uint64_t targets;     /* of the modalities to generate */
    uint32_t to;          /* the first of them */
    uint64_t mask;        /* of the modalities that z comes from; 0: the prior */
    int64_t like;         /* row whose covariates all draws get; -1: their own */
    int64_t *row, n_rows; /* that z comes from; owned */
    stele__diag *diag;
} stele__draw_work;

/* After o is open: fill everything but the values of t. */
STELE_NODISCARD stele_status stele__draw_z(stele__draw_work *w);

/* The parts of it that other files have: the rows that an option names, room for n draws, and the
 * name of draw i, "ROW:NUMBER", or ROW alone where the number is below 0. */
STELE_NODISCARD stele_status stele__draw_rows_named(stele__draw_work *w, const char *option,
                                                    const char *text);
STELE_NODISCARD stele_status stele__draw_room(stele__draw_work *w, int64_t n);
STELE_NODISCARD stele_status stele__draw_name(stele__draw_work *w, int64_t i, const char *row,
                                              int64_t number);
/* traverse.c: one latent dimension after the other through the prior's range, around one row. */
STELE_NODISCARD stele_status stele__draw_traverse(stele__draw_work *w);

#endif
