/* both.h - includes the file STELE__BOTH twice, once with REAL float and once with REAL double.
 * NAME(f) becomes f_f32 or f_f64, MATH(exp) becomes expf or exp. No include guard: every operation
 * file includes it for its own .inc file. */

#ifndef STELE_GRAPH_BOTH_ONCE
#define STELE_GRAPH_BOTH_ONCE
/* The version of f that the graph computes with. */
#define STELE__PICK(g_, f_) ((g_)->dtype == STELE_F32 ? f_##_f32 : f_##_f64)
#endif

#define REAL     float
#define NAME(f_) f_##_f32
#define MATH(f_) f_##f
#include STELE__BOTH
#undef REAL
#undef NAME
#undef MATH

#define REAL     double
#define NAME(f_) f_##_f64
#define MATH(f_) f_
#include STELE__BOTH
#undef REAL
#undef NAME
#undef MATH

#undef STELE__BOTH
