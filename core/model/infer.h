/* infer.h - from measurements to posteriors to samples: what training and evaluation have in
 * common. */
#ifndef STELE_MODEL_INFER_H
#define STELE_MODEL_INFER_H

#include "model/batch.h"

/* Experts of all modalities for the rows of a batch, as (B, D) tensors. */
typedef struct stele__expert_set {
    const stele__batch *batch;
    stele_dist *q;    /* (modalities) of z; where absent: zeros */
    stele_dist *own;  /* (modalities) of private latents, (B, dim) each; n 0: has none */
    stele_tensor **x; /* (modalities) measurements of the rows that have it, NULL if none has */
    stele_dist prior; /* (D): mean 0, log-variance 0 */
} stele__expert_set;

/* Run the encoders. Everything lives in the graph. */
STELE_NODISCARD stele_status stele__encode(const stele__model *m, stele_graph *g,
                                           const stele__batch *b, stele__expert_set *ret);

/* Measurements alone, without the experts of encoders: enough to decode. */
STELE_NODISCARD stele_status stele__measure(const stele__model *m, stele_graph *g,
                                            const stele__batch *b, stele__expert_set *ret);

/* A posterior given some of the modalities: what went into it and what fusion made of that. */
typedef struct stele__posterior {
    uint64_t mask;
    stele_experts experts;
    stele_joint joint;
    uint64_t *used; /* (B) bits of the modalities that took part in each row */
} stele__posterior;

/* Fuse the experts of those modalities in `mask` that are present. Everything lives in the graph.
 */
STELE_NODISCARD stele_status stele__fuse(const stele__model *m, stele_graph *g,
                                         const stele__expert_set *e, uint64_t mask,
                                         stele__posterior *ret);

/* The posterior that heads see: as in training, so that what is calibrated after it
 * (STELE_PARAM_CALIBRATED) has its initial values. Without such parameters the same bits as
 * stele__fuse. */
STELE_NODISCARD stele_status stele__fuse_for_heads(const stele__model *m, stele_graph *g,
                                                   const stele__expert_set *e, uint64_t mask,
                                                   stele__posterior *ret);

/* Samples of one component of one posterior, for those rows that have it. */
typedef struct stele__draws {
    uint64_t mask;   /* of the posterior */
    uint64_t subset; /* of these modalities, those that the component consists of */
    const uint64_t
        *row_subset; /* NULL, or by position in the batch: all that it consists of there */
    uint32_t component;
    int64_t n;               /* rows */
    int64_t *position;       /* (n) in the batch */
    int64_t *row;            /* (n) of the data set */
    uint32_t *sample;        /* (n) noise address, all equal */
    stele_tensor *z;         /* (n, D) */
    stele_tensor *mean;      /* (n, D) of the component */
    stele_tensor *log_ratio; /* (n): as STELE__RATIO_* says */
    stele_tensor *weight;    /* (n): exp(log_weight), or NULL: 1 */
    /* Of private latents, by stele__private_draw: */
    stele_tensor **w;        /* (modalities) (n, dim) each; NULL: none */
    stele_tensor *own_ratio; /* (n) sum over modalities of log q(w) - log p(w); NULL: 0 */
} stele__draws;

/* What log_ratio of a draw is: log q(z) - log p(z) under the whole mixture; the same, but
 * KL(q || prior) in closed form where there is one component; or left NULL. */
enum { STELE__RATIO_SAMPLED = 0, STELE__RATIO_CLOSED, STELE__RATIO_NONE };

/* Draw z once from every component that some row has (stratified sampling); rows in which none of
 * the modalities asked for is present are left out. `sample` addresses the noise; ratio:
 * STELE__RATIO_*. Returns the number of entries put into ret[max_components]. */
STELE_NODISCARD stele_status stele__draw_from(const stele__model *m, stele_graph *g,
                                              const stele__expert_set *e, const stele__posterior *p,
                                              uint32_t sample, int ratio, stele__draws *ret,
                                              uint32_t *ret_n);
/* The log_ratio of a draw that has none, as STELE__RATIO_SAMPLED says, under `joint`. */
STELE_NODISCARD stele_status stele__draws_ratio(stele_graph *g, const stele__expert_set *e,
                                                const stele_joint *joint, stele__draws *d);
/* Fuse and draw. */
STELE_NODISCARD stele_status stele__draw(const stele__model *m, stele_graph *g,
                                         const stele__expert_set *e, uint64_t mask, uint32_t sample,
                                         int ratio, stele__draws *ret, uint32_t *ret_n);

/* Rows of the draw of a distribution of the n_batch rows of the batch. */
stele_dist stele__dist_rows(stele_graph *g, const stele__draws *d, int64_t n_batch,
                            const stele_dist *q);

/* log q(z | x), (n), of a posterior at samples that may come from another one; what they were drawn
 * from does not matter. NULL after an error of the graph. */
stele_tensor *stele__posterior_log_prob(stele_graph *g, const stele_joint *j, const stele__batch *b,
                                        const stele__draws *at);

/* log p(z), (n), at the same. NULL after an error of the graph. */
stele_tensor *stele__prior_log_prob(stele_graph *g, const stele__expert_set *e,
                                    const stele__draws *at);

/* What work on a graph has come to: the graph's error if it has one, else `status`, which a failure
 * makes the graph's error. */
stele_status stele__graph_outcome(stele_graph *g, stele_status status);
/* The same after a call of `slot` of a part, inside its scope and on the thread of the call: what
 * the plugin said is the graph's error, or stands beside that of an operation. */
stele_status stele__part_outcome(const stele__part *part, stele_graph *g, const char *slot,
                                 stele_status status);
/* The same when the call's end has handed the words over already. */
stele_status stele__said_outcome(stele_graph *g, const char *slot, stele_status status,
                                 const stele__said *said);

/* Is what encode and fuse handed out all that it has to be? An error of the graph in the plugin's
 * scope if not: the plugin that comes next would stumble over it and take the blame. `what` names
 * the distribution ("ret_q"); rows and extent are those it has to have. */
STELE_NODISCARD stele_status stele__dist_check(stele_graph *g, const char *slot, const char *what,
                                               const stele_dist *q, int64_t rows, int64_t extent);
STELE_NODISCARD stele_status stele__joint_check(stele_graph *g, const stele_joint *j, int64_t rows,
                                                int64_t extent);

/* Report the graph's error, at the section of the spec that named the plugin in whose scope it
 * happened; `when` as in stele__guest_report. Returns the graph's status. */
stele_status stele__graph_report(const stele__model *m, const stele_graph *g, const char *when,
                                 stele__diag *diag);

/* Are the n metrics of a slot within `capacity`, with names as the contract wants them? */
STELE_NODISCARD stele_status stele__metrics_check(const stele__part *part, const char *slot,
                                                  const stele_metric *metric, uint32_t n,
                                                  uint32_t capacity, stele__diag *diag);

/* Variance of element i of a distribution: NORMAL exp(p1), LAPLACE 2 exp(2 p1). [compute] */
double stele__dist_variance(const stele_dist *q, int64_t i);

/* Moments of the joint posterior of the rows given the modalities in `mask`: mean and standard
 * deviation (B, D) each; a row without any gets the prior's. A mixture gives the moments of the
 * mixture. [compute] */
STELE_NODISCARD stele_status stele__posterior_moments(const stele__model *m, stele_graph *g,
                                                      const stele__batch *b, uint64_t mask,
                                                      float *ret_mean, float *ret_sd);
/* The means, (B, D), of the posterior that heads see. [compute] */
STELE_NODISCARD stele_status stele__means_for_heads(const stele__model *m, stele_graph *g,
                                                    const stele__batch *b, uint64_t mask,
                                                    float *ret_mean);

#endif
