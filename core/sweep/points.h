/* core/sweep: many trainings from one spec, compared.
 *
 * points.h - the points of a sweep: every combination of the values of its axes, drawn ones
 * included. */
#ifndef STELE_SWEEP_POINTS_H
#define STELE_SWEEP_POINTS_H

#include "spec/spec.h"

enum { STELE__MOST_POINTS = 10000 };

typedef struct stele__point {
    char **value;              /* (n_axes) as tables show it: "one", "[64, 32]", "{a: 1}" */
    size_t *choice;            /* (n_axes) which value of a list; of a range: which draw */
    size_t setting, replicate; /* points of one setting differ in axes that are averaged over */
} stele__point;

typedef struct stele__points {
    const stele__spec *spec; /* borrowed: the base */
    stele__point *point;     /* n */
    size_t n, n_settings, n_replicates;
} stele__points;

/* All points of a finished spec in a fixed order: draws outermost, then the axes as they stand in
 * the file, the last one fastest. Draws that coincide are one point. E_OPTION if nothing is swept,
 * or too much. stele__points_finish in any case. */
STELE_NODISCARD stele_status stele__points_create(const stele__spec *spec, stele__points *ret,
                                                  stele__diag *diag);
void stele__points_finish(stele__points *points);
/* 1 if points that differ in this axis alone are repetitions of one setting. */
int stele__axis_is_replicate(const stele__spec *spec, size_t axis);
/* Change a document of the same text as the base (with the same assignments of the command line) to
 * point i. Before anything was read from it. */
STELE_NODISCARD stele_status stele__point_apply(const stele__points *points, size_t i,
                                                stele__spec_doc *doc, stele__diag *diag);

#endif
