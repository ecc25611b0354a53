/* metric.h - what is asked of every metric of a plugin. */
#ifndef STELE_CHECK_METRIC_H
#define STELE_CHECK_METRIC_H

#include "check.h"

#include <stele/kinds.h>

/* Is the name of metric number k made of [a-z0-9_], and its direction 0 or 1? Otherwise says FAIL. */
int metric_is_named(check_trial *t, uint32_t k, const stele_metric *m);

#endif
