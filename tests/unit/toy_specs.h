/* Specs for whole models over the rows of toy_data.h, of two or three modalities, and their
 * parameters. */
#ifndef STELE_TOY_SPECS_H
#define STELE_TOY_SPECS_H

#include "toy_data.h"
#include "toy_model.h"

#include <stdio.h>

#define HEAD "stele: 1\nseed: 5\ndata: {source: simulate}\nlatent: {dim: 2}\nmodalities:\n"
#define SMALL                                                                                      \
    "encoder: {hidden: [4], activation: tanh, input_dropout: 0}, decoder: {hidden: [3], "          \
    "activation: silu}"
#define A "  a: {plugin: nb_counts, weight: 2, " SMALL "}\n"
#define A_ALL                                                                                      \
    "  a: {plugin: nb_counts, zero_inflation: true, size_factor: learned, weight: 2, "             \
    "encoder: {hidden: [4], activation: tanh, covariates: [batch]}, "                              \
    "decoder: {hidden: [3], activation: silu, covariates: [age, batch]}}\n"
#define A_SHARES                                                                                   \
    "  a: {plugin: nb_counts, zero_inflation: true, rates: softmax, weight: 2, " SMALL "}\n"
#define B       "  b: {plugin: bernoulli_peaks, " SMALL "}\n"
#define C       "  c: {plugin: nb_counts, " SMALL "}\n"
#define TRAIN   "train: {epochs: 1}\n"
#define POE     "fusion: {plugin: poe, prior_expert: true}\n"
#define POE_NO  "fusion: {plugin: poe, prior_expert: false}\n"
#define MOE     "fusion: {plugin: moe}\n"
#define LEARNED "fusion: {plugin: poe, precision_scale: learned}\n"
#define POE_CAL "fusion: {plugin: poe, precision_scale: calibrated}\n"
#define MOE_CAL "fusion: {plugin: moe, precision_scale: calibrated}\n"
#define CROSS   "objective: {subsets: all+single, subset_weight: 0.7, reconstruct: present}\n"
#define OWN     "objective: {subsets: all+single, reconstruct: own}\n"

__attribute__((unused)) static const char *const fusions[] = { POE,     POE_NO,  MOE,
                                                               LEARNED, POE_CAL, MOE_CAL };
enum { N_FUSIONS = 6, N_RULES = 3 };

static inline void open_spec(toy *t, const char *modalities, const char *fusion,
                             const char *objective, uint32_t dtype, unsigned threads)
{
    char text[2048];
    snprintf(text, sizeof text, HEAD "%s%s%s" TRAIN, modalities, fusion, objective);
    toy_open(t, text, &toy_source, toy_others, 1, dtype, threads);
    toy_stir(t, 0.3);
}

static inline stele__param *param(toy *t, const char *name)
{
    int64_t at = stele__params_find(t->model.params, name);
    if (at < 0) {
        fail_msg("there is no parameter %s", name);
    }
    return stele__params_entry(t->model.params, (uint32_t)at);
}

#endif
