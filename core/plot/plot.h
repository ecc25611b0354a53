/* core/plot: pictures of results as PNG, by cairo.
 *
 * plot.h - two charts: values of named groups, and values against a number. Both mark every value,
 * the mean of those that belong together, and a bar of one standard deviation to either side.
 * Values that are not finite are left out. Same input, same picture. */
#ifndef STELE_PLOT_PLOT_H
#define STELE_PLOT_PLOT_H

#include "base/diag.h"

#include <stddef.h>

/* Values that belong together: of one group, or at one place of a line. Borrowed. */
typedef struct stele__plot_set {
    const char *name;    /* groups: shown beside the values */
    double x;            /* lines: where they stand */
    const double *value; /* n */
    size_t n;
    int marked; /* stands out: the best one */
} stele__plot_set;

typedef struct stele__plot_line {
    const char *name; /* in the legend; NULL: none */
    const stele__plot_set *set;
    size_t n;
} stele__plot_line;

/* One row per group, values along the horizontal axis, which is named `axis`. */
STELE_NODISCARD stele_status stele__plot_groups(const char *path, const char *title,
                                                const char *axis, const stele__plot_set *set,
                                                size_t n, stele__diag *diag);
/* Lines through the means; the horizontal axis is named `x_axis` and logarithmic with `log_x`,
 * which wants x above 0. */
STELE_NODISCARD stele_status stele__plot_lines(const char *path, const char *title,
                                               const char *x_axis, const char *y_axis, int log_x,
                                               const stele__plot_line *line, size_t n,
                                               stele__diag *diag);

#endif
