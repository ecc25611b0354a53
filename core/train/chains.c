#include "train/chains.h"

#include "base/mem.h"
#include "graph/noise.h"
#include "graph/op.h"
#include "model/private.h"
#include "train/chain_density.h"
#include "train/chain_shape.h"

#include <math.h>
#include <string.h>

/* Chains of a row, and the samples of each posterior that they begin from. A move is that many
 * steps. Twice the shape is found anew, and that many moves follow which only bring the chains to
 * where they belong and find the length of a step. */
enum { CHAINS = 2, BEGINNINGS = 8, STEPS = 4, SHAPES = 2, UNKEPT = 4 };
/* In units of the shape: four steps of the first length are a quarter of an oscillation, after
 * which a Gaussian has forgotten where it was. */
static const double first_step = 0.4, longest_step = 0.5, wanted_acceptance = 0.8;
/* A prior of N(0, I) has nothing out there. */
static const double far_out = 1e4;

typedef struct chains {
    const stele__model *m;
    stele_graph *g;
    const stele__batch *b;
    stele__chain_points at;
    int64_t n_rows;
    uint32_t n_moves;               /* so far: address of their noise */
    double *place, *slope, *log_p;  /* where the chains are: (n, width), (n, width), (n) */
    double *trial, *trial_slope;    /* where they might go */
    double *trial_log_p, *momentum; /* (n), (n, width) */
    uint8_t *lost;                  /* (n) the move has come to where nothing can be computed */
    double *before, *room;          /* (n) energies, (width) */
    double *scale, *shape, *step;   /* of a row: (rows, width), (rows, width, width), (rows) */
} chains;

static void finish(chains *c)
{
    stele__free(c->at.position);
    stele__free(c->at.row);
    stele__free(c->at.sample);
    stele__free(c->place);
    stele__free(c->slope);
    stele__free(c->log_p);
    stele__free(c->trial);
    stele__free(c->trial_slope);
    stele__free(c->trial_log_p);
    stele__free(c->momentum);
    stele__free(c->lost);
    stele__free(c->before);
    stele__free(c->room);
    stele__free(c->scale);
    stele__free(c->shape);
    stele__free(c->step);
}

static stele_status init(chains *c)
{
    const size_t rows = (size_t)c->b->n, n = rows * CHAINS;
    const size_t width = (size_t)stele__chain_width(c->m), all = n * width;
    c->at.width = (int64_t)width;
    c->at.of_row = CHAINS;
    c->at.position = stele__calloc(n, sizeof *c->at.position);
    c->at.row = stele__calloc(n, sizeof *c->at.row);
    c->at.sample = stele__calloc(n, sizeof *c->at.sample);
    c->place = stele__calloc(all, sizeof(double));
    c->slope = stele__calloc(all, sizeof(double));
    c->log_p = stele__calloc(n, sizeof(double));
    c->trial = stele__calloc(all, sizeof(double));
    c->trial_slope = stele__calloc(all, sizeof(double));
    c->trial_log_p = stele__calloc(n, sizeof(double));
    c->momentum = stele__calloc(all, sizeof(double));
    c->lost = stele__calloc(n, sizeof *c->lost);
    c->before = stele__calloc(n, sizeof(double));
    c->room = stele__calloc(width, sizeof(double));
    c->scale = stele__calloc(rows * width, sizeof(double));
    c->shape = stele__calloc(rows * width * width, sizeof(double));
    c->step = stele__calloc(rows, sizeof(double));
    return c->at.position != NULL && c->at.row != NULL && c->at.sample != NULL &&
                   c->place != NULL && c->slope != NULL && c->log_p != NULL && c->trial != NULL &&
                   c->trial_slope != NULL && c->trial_log_p != NULL && c->momentum != NULL &&
                   c->lost != NULL && c->before != NULL && c->room != NULL && c->scale != NULL &&
                   c->shape != NULL && c->step != NULL
               ? STELE_OK
               : STELE_E_NOMEM;
}

static stele__stream stream_of(const chains *c, const char *purpose, int64_t row, uint32_t sample)
{
    return (
        stele__stream){ .key = stele__noise_key(c->at.seed, stele__noise_hash(purpose), c->at.step),
                        .row = row,
                        .sample = sample };
}

static double uniform(const chains *c, const char *purpose, int64_t row, uint32_t sample)
{
    double u = 0.0;
    stele__stream s = stream_of(c, purpose, row, sample);
    stele__stream_uniform(&s, STELE_F64, 1, &u);
    return u;
}

/* --- where they begin --- */

/* Chains of all rows that have samples, in order. chain[r]: the first of row r, or -1. */
static void name_chains(chains *c, const stele__targets *t, int64_t *chain)
{
    for (int64_t r = 0; r < c->b->n; r++) {
        chain[r] = -1;
    }
    for (int64_t k = 0; k < t->n; k++) {
        chain[t->position[k]] = 0;
    }
    for (int64_t r = 0; r < c->b->n; r++) {
        chain[r] = chain[r] == 0 ? c->at.n : -1;
        for (uint32_t k = 0; chain[r] >= 0 && k < CHAINS; k++, c->at.n++) {
            c->at.position[c->at.n] = r;
            c->at.row[c->at.n] = c->b->row[r];
            c->at.sample[c->at.n] = k;
        }
    }
    c->n_rows = c->at.n / CHAINS;
}

/* Every chain takes one of its row's samples, by systematic resampling. */
static stele_status resample(chains *c, const stele__targets *t)
{
    const size_t rows = (size_t)c->b->n;
    const int64_t width = c->m->latent_dim;
    int64_t *chain = stele__calloc(rows, sizeof *chain);
    double *most = stele__calloc(rows, sizeof *most), *sum = stele__calloc(rows, sizeof *sum);
    double *below = stele__calloc(rows, sizeof *below);
    stele_status status =
        chain != NULL && most != NULL && sum != NULL && below != NULL ? STELE_OK : STELE_E_NOMEM;
    if (status == STELE_OK) {
        name_chains(c, t, chain);
    }
    for (size_t r = 0; r < rows && status == STELE_OK; r++) {
        most[r] = -HUGE_VAL;
    }
    for (int64_t k = 0; k < t->n && status == STELE_OK; k++) {
        most[t->position[k]] = fmax(most[t->position[k]], t->log_w[k]);
    }
    for (int round = 0; round < 2 && status == STELE_OK; round++) {
        for (int64_t k = 0; k < t->n; k++) {
            const int64_t r = t->position[k];
            /* A sample without a weight that is a number still is a place to begin. */
            const double w = exp(t->log_w[k] - most[r]),
                         share = w > 0.0 && isfinite(w) ? w : 1e-300;
            if (round == 0) {
                sum[r] += share;
                continue;
            }
            const double u = uniform(c, "chains.start", c->b->row[r], 0);
            for (int64_t i = 0; i < CHAINS; i++) {
                const double at = ((double)i + u) / CHAINS * sum[r];
                for (int64_t d = 0; d < width && at >= below[r] && at < below[r] + share; d++) {
                    c->place[(chain[r] + i) * c->at.width + d] =
                        stele__get_real(stele__graph_dtype(c->g), t->z, k * width + d);
                }
            }
            below[r] += share;
        }
    }
    stele__free(chain);
    stele__free(most);
    stele__free(sum);
    stele__free(below);
    return status;
}

/* Private latents begin where the posterior draws them. */
static stele_status begin_private(chains *c)
{
    const stele__private_how how = { .own = UINT64_MAX };
    const int64_t shared = c->m->latent_dim;
    stele__expert_set e;
    stele__draws d = {
        .n = c->at.n, .position = c->at.position, .row = c->at.row, .sample = c->at.sample
    };
    stele_status status = stele__encode(c->m, c->g, c->b, &e);
    status = status == STELE_OK ? stele__private_draw(c->m, c->g, &e, &how, &d) : status;
    int64_t from = shared;
    for (uint32_t i = 0; i < c->m->n_modalities && status == STELE_OK; i++) {
        const int64_t dim = c->m->modality[i].own.dim;
        for (int64_t k = 0; k < c->at.n && d.w[i] != NULL; k++) {
            const int64_t r = c->at.position[k];
            const int has = (c->b->present[r] >> i & 1) != 0;
            for (int64_t j = 0; j < dim; j++) {
                c->place[k * c->at.width + from + j] = stele__tensor_real(d.w[i], k * dim + j);
                c->scale[k / CHAINS * c->at.width + from + j] =
                    has ? sqrt(stele__dist_variance(&e.own[i], r * dim + j)) : 1.0;
            }
        }
        from += dim;
    }
    return status;
}

/* First scales are the standard deviations of the posteriors. */
static stele_status begin_scales(chains *c)
{
    const int64_t shared = c->m->latent_dim;
    const stele__pass pass = { .seed = c->at.seed, .step = c->at.step };
    float *mean = stele__calloc((size_t)(c->b->n * shared), sizeof *mean);
    float *sd = stele__calloc((size_t)(c->b->n * shared), sizeof *sd);
    stele_status status = mean != NULL && sd != NULL ? STELE_OK : STELE_E_NOMEM;
    for (int64_t i = 0; i < c->n_rows * c->at.width; i++) {
        c->scale[i] = 1.0;
    }
    if (status == STELE_OK) {
        stele__graph_begin(c->g, &pass);
        status = stele__posterior_moments(c->m, c->g, c->b, UINT64_MAX, mean, sd);
    }
    for (int64_t i = 0; i < c->n_rows && status == STELE_OK; i++) {
        const int64_t r = c->at.position[i * CHAINS];
        for (int64_t d = 0; d < shared; d++) {
            c->scale[i * c->at.width + d] = fmin(fmax((double)sd[r * shared + d], 1e-3), 1.0);
        }
        c->step[i] = first_step;
    }
    stele__free(mean);
    stele__free(sd);
    if (status == STELE_OK && c->at.width > shared) {
        stele__graph_begin(c->g, &pass);
        status = begin_private(c);
    }
    return status;
}

/* --- how they move --- */

/* log p and its derivative at the trial points. A chain that has come to where they are no numbers
 * stays where it started, and its move will not count. */
static stele_status look(chains *c)
{
    const int64_t width = c->at.width;
    stele_status status =
        stele__chain_density(c->m, c->g, c->b, &c->at, c->trial, c->trial_log_p, c->trial_slope);
    for (int64_t k = 0; k < c->at.n && status == STELE_OK; k++) {
        int good = isfinite(c->trial_log_p[k]) && !c->lost[k];
        for (int64_t d = k * width; d < (k + 1) * width && good; d++) {
            good = isfinite(c->trial_slope[d]) && fabs(c->trial[d]) < far_out;
        }
        if (good) {
            continue;
        }
        c->lost[k] = 1;
        for (int64_t d = k * width; d < (k + 1) * width; d++) {
            c->trial[d] = c->place[d];
            c->trial_slope[d] = c->momentum[d] = 0.0;
        }
    }
    return status;
}

/* Second derivatives around the chains of a row: each chain goes a little along some of the
 * dimensions, one at a time. */
static stele_status find_shape(chains *c)
{
    const int64_t width = c->at.width, n = c->at.n;
    stele_status status = STELE_OK;
    for (int64_t first = 0; first < width && status == STELE_OK; first += CHAINS) {
        memcpy(c->trial, c->place, (size_t)(n * width) * sizeof *c->trial);
        for (int64_t k = 0; k < n; k++) {
            const int64_t d = first + c->at.sample[k];
            if (d < width) {
                c->trial[k * width + d] += c->scale[k / CHAINS * width + d];
            }
        }
        status = stele__chain_density(c->m, c->g, c->b, &c->at, c->trial, c->trial_log_p,
                                      c->trial_slope);
        for (int64_t k = 0; k < n && status == STELE_OK; k++) {
            const int64_t row = k / CHAINS, d = first + c->at.sample[k];
            for (int64_t i = 0; i < width && d < width; i++) {
                c->shape[(row * width + i) * width + d] =
                    (c->slope[k * width + i] - c->trial_slope[k * width + i]) /
                    c->scale[row * width + d];
            }
        }
    }
    for (int64_t i = 0; i < c->n_rows && status == STELE_OK; i++) {
        stele__chain_shape(width, c->scale + i * width, c->shape + i * width * width);
    }
    return status;
}

/* Momentum by the force at `slope` over a time h, in coordinates in which the shape is a ball. */
static void push(chains *c, int64_t k, double h, const double *slope)
{
    const int64_t width = c->at.width;
    memcpy(c->room, slope + k * width, (size_t)width * sizeof *c->room);
    stele__chain_solve(width, c->shape + k / CHAINS * width * width, c->room);
    for (int64_t d = 0; d < width; d++) {
        c->momentum[k * width + d] += h * c->room[d];
    }
}

static void drift(chains *c, int64_t k, double h)
{
    const int64_t width = c->at.width;
    memcpy(c->room, c->momentum + k * width, (size_t)width * sizeof *c->room);
    stele__chain_solve_back(width, c->shape + k / CHAINS * width * width, c->room);
    for (int64_t d = 0; d < width; d++) {
        c->trial[k * width + d] += h * c->room[d];
    }
}

static double energy(const chains *c, int64_t k, double log_p)
{
    double sum = log_p;
    for (int64_t d = k * c->at.width; d < (k + 1) * c->at.width; d++) {
        sum -= 0.5 * c->momentum[d] * c->momentum[d];
    }
    return sum;
}

/* A step's length of this move, the same for the chains of a row: it varies, so that no dimension
 * comes back to where it was every time. */
static double length_of(const chains *c, int64_t k)
{
    const double u = uniform(c, "chains.length", c->at.row[k], c->n_moves);
    return c->step[k / CHAINS] * (0.8 + 0.4 * u);
}

/* Leapfrog steps of all chains. */
static stele_status travel(chains *c)
{
    stele_status status = STELE_OK;
    for (int64_t k = 0; k < c->at.n; k++) {
        push(c, k, 0.5 * length_of(c, k), c->slope);
    }
    for (int s = 1; s <= STEPS && status == STELE_OK; s++) {
        for (int64_t k = 0; k < c->at.n; k++) {
            drift(c, k, length_of(c, k));
        }
        status = look(c);
        for (int64_t k = 0; k < c->at.n && status == STELE_OK; k++) {
            push(c, k, (s < STEPS ? 1.0 : 0.5) * length_of(c, k), c->trial_slope);
        }
    }
    return status;
}

/* Probability of acceptance, and what has come of it. */
static double accept(chains *c, int64_t k, double before)
{
    const int64_t width = c->at.width;
    const uint32_t sample = c->n_moves * CHAINS + c->at.sample[k];
    const double gain = energy(c, k, c->trial_log_p[k]) - before;
    /* A chain may begin where the density is no number: all is better than that. */
    const double p = c->lost[k] ? 0.0 : isfinite(before) ? fmin(1.0, exp(gain)) : 1.0;
    if (uniform(c, "chains.accept", c->at.row[k], sample) < p) {
        memcpy(c->place + k * width, c->trial + k * width, (size_t)width * sizeof *c->place);
        memcpy(c->slope + k * width, c->trial_slope + k * width, (size_t)width * sizeof *c->slope);
        c->log_p[k] = c->trial_log_p[k];
    }
    return p;
}

/* One move of all chains. adapt: steps become longer or shorter by what came of it. */
static stele_status move(chains *c, double adapt)
{
    const int64_t width = c->at.width;
    memcpy(c->trial, c->place, (size_t)(c->at.n * width) * sizeof *c->trial);
    memset(c->lost, 0, (size_t)c->at.n);
    for (int64_t k = 0; k < c->at.n; k++) {
        const uint32_t sample = c->n_moves * CHAINS + c->at.sample[k];
        const stele__stream s = stream_of(c, "chains.momentum", c->at.row[k], sample);
        stele__stream_normal(&s, STELE_F64, (size_t)width, c->momentum + k * width);
        c->before[k] = energy(c, k, c->log_p[k]);
    }
    stele_status status = travel(c);
    for (int64_t i = 0; i < c->n_rows && status == STELE_OK; i++) {
        double mean = 0.0;
        for (int64_t k = i * CHAINS; k < (i + 1) * CHAINS; k++) {
            mean += accept(c, k, c->before[k]) / CHAINS;
        }
        c->step[i] = fmin(c->step[i] * exp(adapt * (mean - wanted_acceptance)), longest_step);
    }
    c->n_moves++;
    return status;
}

/* The density where the chains begin. */
static stele_status look_around(chains *c)
{
    const size_t all = (size_t)(c->at.n * c->at.width);
    stele_status status =
        stele__chain_density(c->m, c->g, c->b, &c->at, c->place, c->log_p, c->slope);
    for (size_t i = 0; i < all && status == STELE_OK; i++) {
        c->slope[i] = isfinite(c->slope[i]) ? c->slope[i] : 0.0;
    }
    return status;
}

/* As many samples as are wanted, of the first chains if that is not all. */
static stele_status keep(const chains *c, uint32_t wanted, stele__targets *t)
{
    const int64_t width = c->m->latent_dim;
    const uint32_t dtype = stele__graph_dtype(c->g);
    stele_status status =
        stele__targets_reserve(t, t->n + c->at.n, (size_t)width * stele__dtype_size(dtype));
    for (int64_t k = 0; k < c->at.n && status == STELE_OK; k++) {
        if (c->at.sample[k] >= wanted) {
            continue;
        }
        t->position[t->n] = c->at.position[k];
        t->log_w[t->n] = 0.0;
        for (int64_t d = 0; d < width; d++) {
            stele__put_real(dtype, t->z, t->n * width + d, c->place[k * c->at.width + d]);
        }
        t->n++;
    }
    return status;
}

static stele_status run(chains *c, uint32_t n_samples, stele__targets *t)
{
    stele_status status = init(c);
    status = status == STELE_OK ? resample(c, t) : status;
    status = status == STELE_OK ? begin_scales(c) : status;
    status = status == STELE_OK ? look_around(c) : status;
    for (int i = 0; i < SHAPES * UNKEPT && status == STELE_OK; i++) {
        status = i % UNKEPT == 0 ? find_shape(c) : STELE_OK;
        status = status == STELE_OK ? move(c, 1.0) : status;
    }
    t->n = 0;
    for (uint32_t i = 0; i < n_samples && status == STELE_OK; i += CHAINS) {
        status = move(c, 0.0);
        status = status == STELE_OK ? keep(c, n_samples - i, t) : status;
    }
    finish(c);
    return status;
}

stele_status stele__chains_draw(const stele__model *m, stele_graph *g, const stele__batch *b,
                                uint32_t n_samples, uint64_t seed, uint64_t step, stele__targets *t)
{
    chains c = { .m = m, .g = g, .b = b, .at = { .seed = seed, .step = step } };
    t->n = 0;
    stele_status status = stele__targets_draw(m, g, b, BEGINNINGS, seed, step, t);
    return status == STELE_OK && t->n > 0 ? run(&c, n_samples, t) : status;
}
