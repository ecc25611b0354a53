/* scalar.h - texts of YAML scalars as values and back, the same in every locale. */
#ifndef STELE_SPEC_SCALAR_H
#define STELE_SPEC_SCALAR_H

#include "base/str.h"

#include <stdint.h>

/* Outcome of parsing a text as a number. */
enum { STELE__SCALAR_OK = 0, STELE__SCALAR_OTHER = 1, STELE__SCALAR_TOO_LARGE = 2 };

/* Decimal, 0x and 0o integers with an optional sign. OTHER: not an integer; TOO_LARGE: beyond 64
 * bits. */
int stele__scalar_i64(const char *text, int64_t *ret);
/* Decimal numbers with an optional exponent, and .inf with an optional sign. A NaN is OTHER, a
 * value that would round to infinity TOO_LARGE. */
int stele__scalar_f64(const char *text, double *ret);
/* true, false, yes, no, on, off in lower case, Capitalised or UPPER CASE. */
int stele__scalar_bool(const char *text, int32_t *ret);
/* Nothing, ~ or null. */
int stele__scalar_is_null(const char *text);
/* A plain text that a YAML reader could take for something else than a string, and so wants quotes.
 */
int stele__scalar_looks_special(const char *text);

/* The shortest text that reads back as the same double; ".inf" and "-.inf" for infinities. */
void stele__scalar_put_f64(stele__str *out, double value);

#endif
