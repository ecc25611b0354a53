/* objective_private.h - a step of the objective in the making: its terms and what is drawn for
 * them. For objective*.c. */
#ifndef STELE_MODEL_OBJECTIVE_PRIVATE_H
#define STELE_MODEL_OBJECTIVE_PRIVATE_H

#include "model/importance.h"
#include "model/objective.h"

enum { STELE__MAX_TERMS = STELE__MAX_MODALITIES + STELE__MAX_RANDOM + 1 };

/* One subset of a step, and the noise address of its z. */
typedef struct stele__term {
    uint64_t mask;
    uint32_t sample;
    double weight;
} stele__term;

/* A step in the making. */
typedef struct stele__terms {
    const stele__model *m;
    stele_graph *g;
    const stele__batch *b;
    const stele__objective *o;
    stele__expert_set e;
    stele__term term[STELE__MAX_TERMS];
    uint32_t n_terms, n_draws;
    stele__posterior *posterior; /* (n_terms) */
    stele__draws *draws;         /* term by term, in it sample by sample */
    uint32_t *draw_term;         /* (n_draws) */
    uint32_t *first_draw;        /* (n_terms * samples + 1) */
    void **draw_weight;          /* (n_draws) factors (n) of each row's bound in the loss */
    stele_tensor **drawn;        /* (n_draws) z before its gate */
    stele__gate *gate;           /* (n_draws) for dreg */
    int own_loss;                /* the fusion rule has the last word on the terms */
    int promises;                /* weights of rows are known before their log-likelihoods */
    stele_tensor **log_px; /* (n_draws) else: weighted sums over modalities, (n); NULL: none yet */
    double scale;          /* 1 / (rows with anything * sum of the terms' weights) */
    double share;          /* of one sample in the figures: 1 / samples */
    stele_tensor *loss;
} stele__terms;

/* Choose the subsets of a step and their weights. */
void stele__terms_choose(stele__terms *s, uint64_t seed, uint64_t at_step);
/* Fuse and draw all of them; the experts are there. 0 after an error of the graph. */
int stele__terms_draw(stele__terms *s);
/* Does a further subset add anything in a row that has `present`? */
int stele__terms_redundant(uint64_t mask, uint64_t present);
/* What the bound of a term, or one sample of it, weighs in the loss. */
double stele__terms_weight(const stele__terms *s, const stele__term *t);
/* Add the losses of the heads to s->loss, their figures to *ret; everything is drawn. 0 after an
 * error of the graph. */
int stele__terms_heads(stele__terms *s, stele__loss_terms *ret);

#endif
