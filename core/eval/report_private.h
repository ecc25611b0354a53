/* report_private.h - parts of a report. */
#ifndef STELE_EVAL_REPORT_PRIVATE_H
#define STELE_EVAL_REPORT_PRIVATE_H

#include "eval/report.h"

/* Latents of the rows judged, of one posterior. */
typedef struct stele__latent {
    uint64_t mask;
    float *mean, *sd; /* (n, D) */
} stele__latent;

/* null for what is not finite. */
json_t *stele__report_number(double v);
/* "joint", "a", "a+b". */
json_t *stele__report_title(const stele__report_request *q, uint64_t mask);

/* Append to `list` how well the latents tell a label. */
STELE_NODISCARD stele_status stele__report_label(const stele__report_request *q,
                                                 const stele__label_task *t, const stele__latent *l,
                                                 json_t *list, stele__diag *diag);
/* Warn of what leaves a label without figures, or of classes to exclude that are not there. */
STELE_NODISCARD stele_status stele__report_warn_labels(const stele__report_request *q,
                                                       stele__diag *diag);

#endif
