/* mass.h - is the likelihood of whole rows a distribution? Where rows have too many elements to sum or integrate over,
 * their own samples tell: how often a row comes up is its probability, and the density of samples about their middle
 * is known from the samples themselves. */
#ifndef STELE_CHECK_MASS_H
#define STELE_CHECK_MASS_H

#include "block.h"

/* For a plugin's own log_prob with generate, at several z. Says what is wrong. */
void mass_by_samples(block_rig *b);

#endif
