#include "model/model.h"

#include "graph/ops.h"
#include "kernels/vec.h"

/* Vector maths as plugins get it. */
#define VEC1(name_)                                                                                \
    static void vec_##name_(uint32_t dtype, size_t n, const void *x, void *y)                      \
    {                                                                                              \
        if (dtype == STELE_F64) {                                                                  \
            stele__vec_##name_##_f64(n, x, y);                                                     \
        } else {                                                                                   \
            stele__vec_##name_##_f32(n, x, y);                                                     \
        }                                                                                          \
    }
VEC1(exp)
VEC1(log)
VEC1(log1p)
VEC1(tanh)
VEC1(lgamma)
VEC1(digamma)

static void vec_softplus(uint32_t dtype, size_t n, const void *x, void *softplus, void *sigmoid)
{
    if (dtype == STELE_F64) {
        stele__vec_softplus_sigmoid_f64(n, x, softplus, sigmoid);
    } else {
        stele__vec_softplus_sigmoid_f32(n, x, softplus, sigmoid);
    }
}

static double vec_softplus_sum(uint32_t dtype, size_t n, const void *x, double shift, double scale,
                               void *y)
{
    if (dtype == STELE_F64) {
        return stele__vec_softplus_sum_f64(n, x, shift, scale, y);
    }
    return stele__vec_softplus_sum_f32(n, x, (float)shift, (float)scale, y);
}

static void vec_scaled_softplus(uint32_t dtype, size_t n, const void *x, double shift,
                                const void *log_a, const void *a, void *y, void *dx, void *da)
{
    if (dtype == STELE_F64) {
        stele__vec_scaled_softplus_f64(n, x, shift, log_a, a, y, dx, da);
    } else {
        stele__vec_scaled_softplus_f32(n, x, (float)shift, log_a, a, y, dx, da);
    }
}

static void vec_rising(uint32_t dtype, size_t n, const void *x, const void *a, void *y, void *dy)
{
    if (dtype == STELE_F64) {
        stele__vec_rising_f64(n, x, a, y, dy);
    } else {
        stele__vec_rising_f32(n, x, a, y, dy);
    }
}

static const stele_vec vec = {
    .struct_size = sizeof vec,
    .exp = vec_exp,
    .log = vec_log,
    .log1p = vec_log1p,
    .tanh = vec_tanh,
    .softplus = vec_softplus,
    .lgamma = vec_lgamma,
    .digamma = vec_digamma,
    .softplus_sum = vec_softplus_sum,
    .scaled_softplus = vec_scaled_softplus,
    .rising = vec_rising,
};

const stele__host_tables stele__model_tables = {
    .ops = &stele__ops,
    .vec = &vec,
    .build = &stele__build_api,
    .fit = &stele__fit_api,
};
