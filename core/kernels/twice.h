/* twice.h - includes the file STELE__TWICE once with REAL float and once with REAL double; NAME(f)
 * becomes f_f32 or f_f64, FIELD the member f32 or f64 of a table. No include guard: each use
 * defines STELE__TWICE anew. */

#define REAL     float
#define FIELD    f32
#define NAME(f_) f_##_f32
#include STELE__TWICE
#undef REAL
#undef FIELD
#undef NAME

#define REAL     double
#define FIELD    f64
#define NAME(f_) f_##_f64
#include STELE__TWICE
#undef REAL
#undef FIELD
#undef NAME

#undef STELE__TWICE
