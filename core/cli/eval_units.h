/* eval_units.h - what the intervals of stele eval draw anew: the rows judged, or their groups. */
#ifndef STELE_CLI_EVAL_UNITS_H
#define STELE_CLI_EVAL_UNITS_H

#include "cli/opened.h"
#include "cli/text_grid.h"
#include "eval/bootstrap.h"

/* The options of intervals, to be followed by the command's others. */
#define STELE__INTERVAL_OPTIONS                                                                    \
    { "intervals", no_argument, NULL, 'i' }, { "resamples", required_argument, NULL, 'b' },        \
        { "level", required_argument, NULL, 'L' }, { "markdown", no_argument, NULL, 'M' },         \
    {                                                                                              \
        "json", no_argument, NULL, 'j'                                                             \
    }

typedef struct stele__interval_options {
    const char *resamples, *level;
    int json;
    stele__grid_style style;
    stele__bootstrap bootstrap; /* level and n_resamples, 0: no intervals */
} stele__interval_options;

/* Take over one of them; 0 if `option` is none. */
int stele__interval_option(stele__interval_options *o, int option, const char *value);
/* After the options: fill `bootstrap`, of 1000 resamples and 95 % unless they say otherwise. An
 * exit code. */
int stele__interval_check(const char *command, stele__interval_options *o);

/* Units of n rows: groups where the spec splits by groups, of which rows without a group are each
 * their own. Of *b, level and n_resamples are the caller's. stele__eval_units_finish in any case.
 */
STELE_NODISCARD stele_status stele__eval_units(const stele__opened *o, const int64_t *row,
                                               int64_t n, stele__bootstrap *b);
void stele__eval_units_finish(stele__bootstrap *b);

#endif
