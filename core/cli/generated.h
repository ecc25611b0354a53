/* generated.h - what `stele generate` has made, and the files it goes to. */
#ifndef STELE_CLI_GENERATED_H
#define STELE_CLI_GENERATED_H

#include "cli/opened.h"

enum { STELE__AS_H5AD = 1, STELE__AS_CSV, STELE__AS_NPY, STELE__AS_JSONL, STELE__AS_PNG };

/* Draws of one modality. In a picture a line holds the draws of one group. */
typedef struct stele__generated {
    const stele__opened *o;
    uint32_t modality;
    int64_t n, per_group;
    char **id;              /* (n) all different; owned */
    int64_t *row;           /* (n) of the data set, whose covariates it has but for --like */
    int64_t *source;        /* (n) row that z comes from; -1: none */
    uint32_t *sample;       /* (n) number among the draws of its row */
    float *z;               /* (n, latent_dim) */
    float *value;           /* (n, n_features) */
    stele_shape shape;      /* one row, as --shape or the data have it */
    const char *modalities; /* that z comes from: "a,b", or "prior" */
    uint32_t what;          /* STELE_DRAW_*: of what values are */
} stele__generated;

/* Which of the above a file name stands for; 0: none. */
int stele__generated_format(const char *path);
/* Room for n draws, which are the caller's to fill. stele__generated_finish in any case. */
STELE_NODISCARD stele_status stele__generated_init(stele__generated *t, const stele__opened *o,
                                                   uint32_t modality, int64_t n);
/* The same draws for the values of another modality. */
STELE_NODISCARD stele_status stele__generated_turn(stele__generated *t, uint32_t modality);
void stele__generated_finish(stele__generated *t);

/* Write all of it to `path`: the whole file or none. Errors with a message: E_ARG for a modality
 * that the format cannot hold, E_IO, E_NOMEM. */
STELE_NODISCARD stele_status stele__generated_write(const stele__generated *t, const char *path,
                                                    int format, stele__diag *diag);
/* The same as .png: groups from top to bottom, in each what was measured in the row, where z comes
 * from rows, and then its draws. Values from 0, or the least measured one if that is negative, to
 * the largest measured one are black to white. */
STELE_NODISCARD stele_status stele__generated_picture(const stele__generated *t, const char *path,
                                                      stele__diag *diag);

#endif
