/* Cells as numbers, missing values or texts. */
#include "csv.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int csv_is_word(const char *text, size_t n, const char *word)
{
    size_t i = 0;
    while (i < n && csv_fold(text[i]) == word[i] && word[i] != '\0') {
        i++;
    }
    return i == n && word[i] == '\0';
}

/* --- numbers --------------------------------------------------------------------------------- */

/* A decimal number in pieces: digits * 10^exponent. */
typedef struct decimal {
    uint64_t digits;
    int n_digits, exponent, negative, infinite;
} decimal;

static const char *take_digits(const char *s, const char *end, uint64_t *digits)
{
    uint64_t v = *digits;
    for (; s < end && (unsigned char)(*s - '0') <= 9; s++) {
        v = 10 * v + (uint64_t)(*s - '0');
    }
    *digits = v;
    return s;
}

/* [+-] digits [. digits] [e [+-] digits], or an infinity. Is the whole text that? */
static int take_decimal(const char *s, const char *end, decimal *d)
{
    *d = (decimal){ .negative = s < end && *s == '-' };
    s += s < end && (*s == '-' || *s == '+');
    const char *begin = s;
    s = take_digits(s, end, &d->digits);
    d->n_digits = (int)(s - begin);
    if (s < end && *s == '.') {
        begin = s + 1;
        s = take_digits(begin, end, &d->digits);
        d->exponent = (int)(begin - s);
        d->n_digits -= d->exponent;
    }
    if (d->n_digits == 0) {
        size_t n = (size_t)(end - s);
        d->infinite = csv_is_word(s, n, "inf") || csv_is_word(s, n, "infinity");
        return d->infinite;
    }
    if (s < end && (*s == 'e' || *s == 'E')) {
        int power = 0, down = ++s < end && *s == '-';
        s += s < end && (*s == '-' || *s == '+');
        if (s == end) {
            return 0;
        }
        for (; s < end && (unsigned char)(*s - '0') <= 9; s++) {
            power = power < 100000 ? 10 * power + (*s - '0') : power;
        }
        d->exponent += down ? -power : power;
    }
    return s == end;
}

/* What is exact in a double needs one correctly rounded operation only: digits up to 2^53 and
 * powers of ten up to 10^22 (Clinger 1990, How to read floating point numbers accurately). */
static int convert_fast(const decimal *d, double *ret)
{
    static const double power[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
    if (FLT_EVAL_METHOD != 0 || d->n_digits > 19 || d->digits > UINT64_C(1) << 53 ||
        d->exponent < -22 || d->exponent > 22) {
        return 0;
    }
    double v = (double)d->digits;
    v = d->exponent < 0 ? v / power[-d->exponent] : v * power[d->exponent];
    *ret = d->negative ? -v : v;
    return 1;
}

static double convert_any(locale_t c, const char *text, size_t len)
{
    char local[128], *copy = len < sizeof local ? local : malloc(len + 1);
    double v = (double)NAN;
    if (copy != NULL) {
        memcpy(copy, text, len);
        copy[len] = '\0';
        v = strtod_l(copy, NULL, c);
    }
    if (copy != local) {
        free(copy);
    }
    return v;
}

/* --- cells ----------------------------------------------------------------------------------- */

stele_status csv_values_init(csv_values *v, const stele_host *host, stele_str_list missing)
{
    v->missing = missing;
    for (uint64_t i = 0; i < missing.n; i++) {
        v->first[(unsigned char)missing.v[i][0]] = 1;
        v->empty |= missing.v[i][0] == '\0';
    }
    v->c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    return v->c != (locale_t)0 ? STELE_OK : STELE_FAIL(host, STELE_E_NOMEM, "out of memory");
}

void csv_values_finish(csv_values *v)
{
    if (v->c != (locale_t)0) {
        freelocale(v->c);
    }
}

static int is_missing(const csv_values *v, const char *text, size_t len)
{
    if (len == 0) {
        return v->empty;
    }
    if (!v->first[(unsigned char)text[0]]) {
        return 0;
    }
    for (uint64_t i = 0; i < v->missing.n; i++) {
        const char *m = v->missing.v[i];
        if (strncmp(m, text, len) == 0 && m[len] == '\0') {
            return 1;
        }
    }
    return 0;
}

static int classify(const csv_values *v, const csv_cell *cell, const char **ret_text,
                    size_t *ret_len, decimal *d)
{
    const char *s = cell->text, *end = s + cell->len;
    while (s < end && (*s == ' ' || *s == '\t')) {
        s++;
    }
    while (end > s && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    *ret_text = s;
    *ret_len = (size_t)(end - s);
    if (is_missing(v, s, *ret_len)) {
        return CSV_MISSING;
    }
    return take_decimal(s, end, d) ? CSV_NUMBER : CSV_TEXT;
}

int csv_kind(const csv_values *v, const csv_cell *cell)
{
    const char *text;
    size_t len;
    decimal d;
    return classify(v, cell, &text, &len, &d);
}

int csv_value(const csv_values *v, const csv_cell *cell, double *ret)
{
    const char *text;
    size_t len;
    decimal d;
    int kind = classify(v, cell, &text, &len, &d);
    if (kind == CSV_MISSING) {
        *ret = (double)NAN;
    } else if (kind == CSV_NUMBER && d.infinite) {
        *ret = d.negative ? -HUGE_VAL : HUGE_VAL;
    } else if (kind == CSV_NUMBER && !convert_fast(&d, ret)) {
        *ret = convert_any(v->c, text, len);
    }
    return kind;
}

const char *csv_show(const char *text, size_t len, char ret[CSV_SHOWN])
{
    size_t most = CSV_SHOWN - 4, n = len < most ? len : most;
    while (n < len && n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80) {
        n--; /* never half a character */
    }
    for (size_t i = 0; i < n; i++) {
        ret[i] = (unsigned char)text[i] < ' ' ? ' ' : text[i];
    }
    memcpy(ret + n, n < len ? "..." : "", n < len ? 4 : 1);
    return ret;
}
