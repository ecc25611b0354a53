/* classes.h - what heads share that tell classes by a softmax over logits: the loss, and the
 * weights of classes in it.
 *
 *     q = softmax(learned logits),   loss = -w_class sum_k t_k log q_k
 *
 * t is 1 at the class, or 1 - s there and s / classes more at every class with label smoothing s
 * (Szegedy et al. 2016). Balanced makes w_class the number of training rows over (classes * rows of
 * that class), so that every class weighs the same.
 *
 * Weights move what is learned: q is least wrong where it is w_k p(k | z) over its sum. Predictions
 * are of the data as they are, p_k = q_k / w_k over their sum: logits less log w. The loss, which
 * gets predictions, adds log w again. */
#ifndef HEAD_CLASSES_H
#define HEAD_CLASSES_H

#include <stele/plugin.h>

enum { HEAD_WEIGHTS_NONE = 0, HEAD_WEIGHTS_BALANCED };
extern const char *const head_weight_names[];

typedef struct head_classes {
    const stele_host *host;
    int64_t n;
    int balanced;
    double smoothing;
    uint32_t weight; /* buffer (n, 1), declared if balanced */
    /* (n, n) identity: its rows are the classes as 0/1 vectors. Made once, as a step allocates
     * nothing. */
    float *one_f32;
    double *one_f64;
} head_classes;

/* OK if the target is a category of two classes or more; else E_DATA and why, `who` ("a
 * classifier") wants classes. */
stele_status head_classes_check(const stele_create_args *a, const char *who);
/* head_classes_finish in any case. */
stele_status head_classes_init(const stele_create_args *a, int32_t weights, double smoothing,
                               head_classes *ret);
void head_classes_finish(head_classes *c);
stele_status head_classes_build(head_classes *c, stele_build *b);
/* Weights of the classes, from the training rows. */
stele_status head_classes_fit(const head_classes *c, stele_fit *f);
/* The same in two steps: training rows of each class, (n), and the weights that follow. */
stele_status head_classes_count(const head_classes *c, stele_fit *f, double *ret);
stele_status head_classes_set(const head_classes *c, stele_fit *f, const double *count);
/* Rows (R) times the weights of their classes. */
stele_tensor *head_classes_weigh(const head_classes *c, stele_graph *g, stele_tensor *rows,
                                 stele_tensor *target);
/* Predictions (R, n) from learned logits (R, n). */
stele_tensor *head_classes_predict(const head_classes *c, stele_graph *g, stele_tensor *learned);
/* Loss per row (R) for predictions (R, n) and codes (R). NULL after an error of the graph. */
stele_tensor *head_classes_loss(const head_classes *c, stele_graph *g, stele_tensor *logits,
                                stele_tensor *target);
/* log p(class) (R) of predictions (R, n) and codes (R). */
stele_tensor *head_classes_log_prob(const head_classes *c, stele_graph *g, stele_tensor *logits,
                                    stele_tensor *target);
/* Logarithms of the weights (n). */
stele_status head_classes_log_weights(const head_classes *c, const stele_reader *reader,
                                      double *ret);
/* One quantity for each class: its probability, "p". */
stele_status head_classes_outputs(int64_t n, uint32_t capacity, stele_head_output *ret,
                                  uint32_t *ret_n);
/* Logits as those. */
void head_classes_show(int64_t n, const stele_head_shown *s);
/* Log-probabilities (n) of one row of logits (n). */
void head_classes_log_p(int64_t n, const float *logits, double *ret);

#endif
