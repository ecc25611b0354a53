#include "model/fused_pass.h"

#include "kernels/csr.h"
#include "kernels/panel.h"
#include "kernels/pool.h"
#include "model/fused_sums.h"

#include <string.h>

/* A block's predictors, its weights, these once more when packed, and their derivatives fit a
 * second-level cache together. */
enum { BLOCK_BYTES = 128 * 1024, BLOCK_STEP = 64, BLOCK_MAX = 512 };

int64_t stele__fused_block(int64_t n_rows, uint32_t n_eta, int64_t n_features)
{
    int64_t row_bytes = n_rows * (int64_t)n_eta * (int64_t)sizeof(float);
    int64_t most = BLOCK_BYTES / (row_bytes > 0 ? row_bytes : 1) / BLOCK_STEP * BLOCK_STEP;
    most = most < 2 * BLOCK_STEP ? 2 * BLOCK_STEP : most > BLOCK_MAX ? BLOCK_MAX : most;
    /* As many blocks as that takes, a multiple of four where there are few, all of about one size:
     * a small remainder would leave threads without work. */
    int64_t n = stele__n_blocks(n_features, most);
    n = n < STELE__FUSED_LANES ? (n + 3) / 4 * 4 : n;
    int64_t block = stele__n_blocks(stele__n_blocks(n_features, n), BLOCK_STEP) * BLOCK_STEP;
    return block < most ? block : most;
}

static void pack(const stele__fused_pass *p, int transposed, int64_t k, int64_t n, const char *b,
                 int64_t ldb, char *packed)
{
    if (p->dtype == STELE_F32) {
        stele__panel_pack_f32(transposed, (size_t)k, (size_t)n, (const float *)b, (size_t)ldb,
                              (float *)packed);
    } else {
        stele__panel_pack_f64(transposed, (size_t)k, (size_t)n, (const double *)b, (size_t)ldb,
                              (double *)packed);
    }
}

static void multiply(const stele__fused_pass *p, const stele__panel_product *q)
{
    if (p->dtype == STELE_F32) {
        stele__panel_product_f32(q);
    } else {
        stele__panel_product_f64(q);
    }
}

static size_t panel_size(const stele__fused_pass *p, int64_t k, int64_t n)
{
    return p->dtype == STELE_F32 ? stele__panel_size_f32((size_t)k, (size_t)n)
                                 : stele__panel_size_f64((size_t)k, (size_t)n);
}

size_t stele__fused_packed_size(const stele__fused_pass *p, int64_t n)
{
    if (p->h == NULL) {
        return 0;
    }
    size_t transposed = panel_size(p, p->hidden, n), straight = panel_size(p, n, p->hidden);
    return transposed > straight ? transposed : straight;
}

static char *packed_of(const stele__fused_pass *p, unsigned thread)
{
    return p->packed + thread * p->packed_size * p->real;
}

/* Row `first` of a (features, hidden) array. */
static char *at_weight(const stele__fused_pass *p, const char *base, int64_t first)
{
    return (char *)base + (size_t)(first * p->hidden) * p->real;
}

/* Features first .. first + n - 1 of a (rows, features) array from or to a block of their own. */
static void copy_block(const stele__fused_pass *p, int64_t first, int64_t n, const char *whole,
                       char *block)
{
    for (int64_t r = 0; r < p->rows; r++) {
        memcpy(block + (size_t)(r * n) * p->real,
               whole + (size_t)(r * p->features + first) * p->real, (size_t)n * p->real);
    }
}

static void return_block(const stele__fused_pass *p, int64_t first, int64_t n, const char *block,
                         char *whole)
{
    for (int64_t r = 0; r < p->rows; r++) {
        memcpy(whole + (size_t)(r * p->features + first) * p->real,
               block + (size_t)(r * n) * p->real, (size_t)n * p->real);
    }
}

/* eta_k = hidden w_k^T + b_k for features first .. first + n - 1. What the step will want of the
 * first moments arrives on the way. */
void stele__fused_predictors(const stele__fused_pass *p, int64_t first, int64_t n, char *packed,
                             char *const *eta)
{
    for (uint32_t k = 0; k < p->n_eta && p->h == NULL; k++) {
        copy_block(p, first, n, p->given[k], eta[k]);
    }
    for (uint32_t k = 0; k < p->n_eta && p->h != NULL; k++) {
        stele__panel_product q = { .m = (size_t)p->rows,
                                   .n = (size_t)n,
                                   .k = (size_t)p->hidden,
                                   .a = p->h,
                                   .a_row = (size_t)p->hidden,
                                   .a_k = 1,
                                   .packed = packed,
                                   .bias = p->b[k] + (size_t)first * p->real,
                                   .c = eta[k],
                                   .ldc = (size_t)n };
        if (p->steps[k]) {
            q.ahead = at_weight(p, p->step[k].m, first);
            q.ahead_bytes = (size_t)(n * p->hidden) * p->real;
        }
        pack(p, 1, p->hidden, n, at_weight(p, p->w[k], first), p->hidden, packed);
        multiply(p, &q);
    }
}

/* Towards the hidden layer; the second moments arrive on the way. */
static void block_hidden(const stele__fused_pass *p, uint32_t k, int64_t lane, unsigned thread,
                         int add, int64_t first, int64_t n, const char *d_eta)
{
    stele__panel_product q = { .m = (size_t)p->rows,
                               .n = (size_t)p->hidden,
                               .k = (size_t)n,
                               .a = d_eta,
                               .a_row = (size_t)n,
                               .a_k = 1,
                               .packed = packed_of(p, thread),
                               .add = add,
                               .c = p->lane_h + (size_t)(lane * p->rows * p->hidden) * p->real,
                               .ldc = (size_t)p->hidden };
    if (p->steps[k]) {
        q.ahead = at_weight(p, p->step[k].v, first);
        q.ahead_bytes = (size_t)(n * p->hidden) * p->real;
    }
    pack(p, 0, n, p->hidden, at_weight(p, p->w[k], first), p->hidden, packed_of(p, thread));
    multiply(p, &q);
}

/* Towards the weights of predictor k, and their step if they take it here. The next block's weights
 * arrive on the way. */
static void block_weights(const stele__fused_pass *p, uint32_t k, unsigned thread, int64_t first,
                          int64_t n, const char *d_eta)
{
    int64_t next = p->features - first - n < p->block ? p->features - first - n : p->block;
    char *room = p->block_dw + thread * p->block_dw_bytes;
    char *dw = p->steps[k] ? stele__step_place(&p->step[k], (size_t)(first * p->hidden), room)
                           : at_weight(p, p->dw[k], first);
    stele__panel_product q = { .m = (size_t)n,
                               .n = (size_t)p->hidden,
                               .k = (size_t)p->rows,
                               .a = d_eta,
                               .a_row = 1,
                               .a_k = (size_t)n,
                               .packed = p->packed_h,
                               .add = !p->steps[k] && !p->fresh_w[k],
                               .c = dw,
                               .ldc = (size_t)p->hidden,
                               .ahead = at_weight(p, p->w[k], first + n),
                               .ahead_bytes = (size_t)(next * p->hidden) * p->real };
    multiply(p, &q);
    p->squares[(int64_t)k * p->n_blocks + first / p->block] =
        stele__block_squares(p->dtype, n * p->hidden, dw);
    if (p->steps[k]) {
        stele__step_part(&p->step[k], (size_t)(first * p->hidden), (size_t)(n * p->hidden), dw);
    }
}

/* Derivatives of one block towards given predictors, or hidden layer, biases and weights: these
 * last, as they may be changed on the spot. */
static void block_derivatives(const stele__fused_pass *p, int64_t lane, unsigned thread,
                              int first_of_lane, int64_t first, int64_t n, char *const *eta)
{
    for (uint32_t k = 0; k < p->n_eta && p->h == NULL; k++) {
        return_block(p, first, n, eta[k],
                     p->d_given + (size_t)(k * p->rows * p->features) * p->real);
    }
    for (uint32_t k = 0; k < p->n_eta && p->h != NULL; k++) {
        if (p->db[k] != NULL) {
            stele__block_column_sums(p->dtype, p->rows, n, eta[k], !p->fresh_b[k],
                                     p->db[k] + (size_t)first * p->real);
        }
        block_hidden(p, k, lane, thread, !(first_of_lane && k == 0), first, n, eta[k]);
        if (p->steps[k] || p->dw[k] != NULL) {
            block_weights(p, k, thread, first, n, eta[k]);
        }
    }
}

static void *at_feature(const char *base, int64_t first, size_t real)
{
    return base != NULL ? (char *)base + (size_t)first * real : NULL;
}

void stele__fused_fill_block(const stele__fused_pass *p, int64_t first, int64_t n, stele_block *b,
                             const void **feature, void **d_feature)
{
    for (uint32_t i = 0; i < p->n_feature; i++) {
        feature[i] = at_feature(p->feature[i], first, p->real);
        d_feature[i] = at_feature(p->dfeature[i], first, p->real);
    }
    *b = (stele_block){ .struct_size = sizeof *b,
                        .dtype = p->dtype,
                        .n_eta = p->n_eta,
                        .n_rows = p->rows,
                        .first = first,
                        .n_features = n,
                        .feature = feature };
}

/* The values of the rows for blocks from feature `first` on, ascending: no search of the whole row
 * for each block. begin (rows) is kept by the caller. */
static stele_values values_from(const stele__fused_pass *p, int64_t first, int64_t *begin)
{
    stele_values x = *p->f->x;
    x.begin = x.layout == STELE_CSR ? begin : x.begin;
    for (int64_t r = 0; r < p->rows && x.layout == STELE_CSR; r++) {
        begin[r] = stele__csr_seek(x.column, p->f->x->begin[r], x.end[r], first);
    }
    return x;
}

static void advance(const stele__fused_pass *p, int64_t first, const stele_values *x,
                    int64_t *begin)
{
    for (int64_t r = 0; r < p->rows && x->layout == STELE_CSR; r++) {
        while (begin[r] < x->end[r] && x->column[begin[r]] < first) {
            begin[r]++;
        }
    }
}

static void run_lane(void *ctx, size_t task, unsigned thread)
{
    stele__fused_pass *p = ctx;
    int64_t lane = (int64_t)task;
    int64_t begin = lane * p->n_blocks / p->n_lanes, end = (lane + 1) * p->n_blocks / p->n_lanes;
    const size_t eta_bytes = (size_t)(p->rows * p->block) * p->real;
    char *eta[STELE_MAX_ETA], *packed = packed_of(p, thread);
    const void *row[STELE_MAX_PARAM];
    void *d_row[STELE_MAX_PARAM];
    for (uint32_t k = 0; k < p->n_eta; k++) {
        eta[k] = p->eta + (thread * p->n_eta + k) * eta_bytes;
    }
    for (uint32_t i = 0; i < p->n_row; i++) {
        row[i] = p->row[i];
        d_row[i] = p->lane_row != NULL
                       ? p->lane_row + (size_t)((lane * p->n_row + i) * p->rows) * p->real
                       : NULL;
    }
    int64_t *values_begin = p->begin + thread * (size_t)p->rows;
    const stele_values x = values_from(p, begin * p->block, values_begin);
    for (int64_t i = begin; i < end; i++) {
        int64_t first = i * p->block;
        int64_t n = p->features - first < p->block ? p->features - first : p->block;
        const void *feature[STELE_MAX_PARAM];
        void *d_feature[STELE_MAX_PARAM];
        stele_block b;
        stele__fused_fill_block(p, first, n, &b, feature, d_feature);
        stele__fused_predictors(p, first, n, packed, eta);
        b.eta = (const void *const *)eta;
        b.row = p->n_row > 0 ? row : NULL;
        b.weight = p->weight;
        b.x = &x;
        advance(p, first, &x, values_begin);
        b.log_prob = p->lane_log_prob + lane * p->rows;
        if (p->weight != NULL) {
            b.d_eta = (void *const *)eta;
            b.d_feature = d_feature;
            b.d_row = p->lane_row != NULL ? d_row : NULL;
        }
        stele__guest_begin(p->f->guest, "likelihood");
        stele_status status = p->f->vt->likelihood(p->f->inst, &b);
        stele__guest_end_block(p->f->guest, "likelihood", status,
                               status != STELE_OK ? &p->lane_said[lane] : NULL);
        if (status != STELE_OK) {
            p->lane_status[lane] = status;
            return;
        }
        if (p->weight != NULL) {
            block_derivatives(p, lane, thread, i == begin, first, n, eta);
        }
    }
}

stele_status stele__fused_pass_run(stele__pool *pool, stele__fused_pass *p,
                                   const stele__said **ret_said)
{
    if (p->packed_h != NULL) {
        pack(p, 0, p->rows, p->hidden, p->h, p->hidden, p->packed_h);
    }
    stele__pool_run(pool, (size_t)p->n_lanes, run_lane, p);
    for (int64_t i = 0; i < p->n_lanes; i++) {
        if (p->lane_status[i] != STELE_OK) {
            *ret_said = &p->lane_said[i];
            return p->lane_status[i];
        }
    }
    return STELE_OK;
}
