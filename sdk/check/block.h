/* block.h - the elementwise likelihood of a modality, called directly on blocks whose borders are watched. */
#ifndef STELE_CHECK_BLOCK_H
#define STELE_CHECK_BLOCK_H

#include "rig.h"

/* Arguments in double, whatever they are handed over as. */
typedef struct block_rig {
    rig r;
    uint32_t n_eta, n_feature, n_row;
    int64_t rows, features;
    double *eta[STELE_MAX_ETA];       /* (rows, features) each */
    double *feature[STELE_MAX_PARAM]; /* (features) */
    int trained[STELE_MAX_PARAM];     /* 0: a buffer, which gets no derivative */
    double *row[STELE_MAX_PARAM];     /* (rows) */
    double *weight;                   /* (rows) */
    double *x;                        /* (rows, features) */
    int own;                          /* log_prob in place of decode and likelihood: no eta, feature, row */
} block_rig;

enum {
    BLOCK_DERIVATIVES = 1, /* ask for them */
    BLOCK_CSR = 2,         /* x sparse */
    BLOCK_ZEROS = 4,       /* with its zeros stored */
    BLOCK_ALIAS = 8,       /* d_eta is eta */
    BLOCK_FILLED = 16,     /* arrays that are added to start at 3, those that are written at NaN */
    BLOCK_DENSE64 = 32     /* x in double, else in float */
};

typedef struct block_result {
    stele_status status;
    double *log_prob; /* (rows) */
    double *d_eta[STELE_MAX_ETA], *d_feature[STELE_MAX_PARAM], *d_row[STELE_MAX_PARAM];
} block_result;

/* A rig with arguments drawn at random. 0: no instance. */
int block_start(check_trial *t, const rig_plan *plan, block_rig *b);
/* The same of an instance b->r that was started before; the rest of *b is zeros. */
int block_open(block_rig *b);
void block_finish(block_rig *b);
/* Room for a result, released with the block. */
void block_result_init(block_rig *b, block_result *ret);
/* likelihood() over features first .. first + n - 1, added to the fields of ret (d_eta: written in its place). `dtype`
 * of the block. Guard breaches are said by the trial's end. */
stele_status block_eval(block_rig *b, uint32_t dtype, unsigned how, int64_t first, int64_t n, block_result *ret);
/* All features at once into a cleared result; 0: the call failed, which was said. */
int block_whole(block_rig *b, uint32_t dtype, unsigned how, block_result *ret);
/* sum_r weight[r] log_prob[r]. */
double block_objective(const block_rig *b, const block_result *res);
/* draw() into ret (rows, features); `sample` addresses the uniform numbers. */
stele_status block_draw(block_rig *b, uint32_t what, uint64_t sample, double *ret);
/* The same for features first .. first + n - 1 alone, into their columns of ret (rows, features). Elementwise only. */
stele_status block_draw_part(block_rig *b, uint32_t what, uint64_t sample, int64_t first, int64_t n, double *ret);
/* "eta 0.5, feature parameter 1": the first element's parameters, for messages. */
void block_place(const block_rig *b, char *ret, size_t size);

/* The same of a plugin's own log_prob and generate (own.c). Values of log_prob into ret (rows); NaN where it failed,
 * which was said. */
void own_log_prob(block_rig *b, double *ret);
stele_status own_draw(block_rig *b, uint32_t what, uint64_t sample, double *ret);
/* Give all rows the same z, by number. */
void own_set_latent(block_rig *b, uint64_t number);
/* Largest |a - c| / (1 + largest |a|). NaN anywhere that is not in both gives infinity. */
double block_distance(int64_t n, const double *a, const double *c);

#endif
