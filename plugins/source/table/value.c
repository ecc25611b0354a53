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

/* Behind the digits: an exponent, or an infinity in place of digits. */
const char *csv_scan_rest(const char *s, csv_decimal *d)
{
    int power = 0;
    if (d->n_digits == 0) {
        size_t n = csv_is_word(s, 8, "infinity") ? 8 : 3;
        d->infinite = n == 8 || csv_is_word(s, 3, "inf");
        return d->infinite ? s + n : NULL;
    }
    int down = *++s == '-';
    s += down || *s == '+';
    const char *begin = s;
    for (; (unsigned char)(*s - '0') <= 9; s++) {
        power = power < 100000 ? 10 * power + (*s - '0') : power;
    }
    d->exponent += down ? -power : power;
    return s > begin ? s : NULL;
}

/* What is exact in a double needs one correctly rounded operation only: digits up to 2^53 and
 * powers of ten up to 10^22 (Clinger 1990, How to read floating point numbers accurately). */
static int convert_fast(const csv_decimal *d, double *ret)
{
    static const double power[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
    if (FLT_EVAL_METHOD != 0 || d->infinite || d->n_digits > 19 || d->digits > UINT64_C(1) << 53 ||
        d->exponent < -22 || d->exponent > 22) {
        return 0;
    }
    double v = (double)d->digits;
    v = d->exponent < 0 ? v / power[-d->exponent] : v * power[d->exponent];
    *ret = d->negative ? -v : v;
    return 1;
}

#ifdef __SIZEOF_INT128__
__extension__ typedef unsigned __int128 wide;

static int leading_zeros(wide v)
{
    uint64_t high = (uint64_t)(v >> 64);
    return high != 0 ? __builtin_clzll(high) : 64 + __builtin_clzll((uint64_t)v);
}

/* v * 2^exponent, a little more if `more`, as the nearest double; ties to even. */
static double round_wide(wide v, int more, int exponent)
{
    int shift = 128 - leading_zeros(v) - 54; /* 53 digits and one to round by */
    if (shift > 0) {
        more |= (v & (((wide)1 << shift) - 1)) != 0;
        v >>= shift;
    } else {
        v <<= -shift;
    }
    uint64_t m = (uint64_t)v >> 1;
    m += (v & 1) != 0 && (more || (m & 1) != 0);
    return ldexp((double)m, exponent + shift + 1);
}

/* All 17 digits that programs print of a double: 5^27 fits in 63 bits, so that products and
 * quotients of 128 bits are exact or known with a remainder; the power of two is the double's. */
static int convert_wide(const csv_decimal *d, double *ret)
{
    static const uint64_t five[] = {
        UINT64_C(1),
        UINT64_C(5),
        UINT64_C(25),
        UINT64_C(125),
        UINT64_C(625),
        UINT64_C(3125),
        UINT64_C(15625),
        UINT64_C(78125),
        UINT64_C(390625),
        UINT64_C(1953125),
        UINT64_C(9765625),
        UINT64_C(48828125),
        UINT64_C(244140625),
        UINT64_C(1220703125),
        UINT64_C(6103515625),
        UINT64_C(30517578125),
        UINT64_C(152587890625),
        UINT64_C(762939453125),
        UINT64_C(3814697265625),
        UINT64_C(19073486328125),
        UINT64_C(95367431640625),
        UINT64_C(476837158203125),
        UINT64_C(2384185791015625),
        UINT64_C(11920928955078125),
        UINT64_C(59604644775390625),
        UINT64_C(298023223876953125),
        UINT64_C(1490116119384765625),
        UINT64_C(7450580596923828125),
    };
    if (d->infinite || d->n_digits > 19 || d->digits == 0 || d->exponent < -27 ||
        d->exponent > 27) {
        return 0;
    }
    double v;
    if (d->exponent >= 0) {
        v = round_wide((wide)d->digits * five[d->exponent], 0, d->exponent);
    } else {
        uint64_t by = five[-d->exponent];
        int zeros = __builtin_clzll(d->digits);
        wide n = (wide)(d->digits << zeros) << 63, quotient = n / by;
        v = round_wide(quotient, quotient * by != n, d->exponent - zeros - 63);
    }
    *ret = d->negative ? -v : v;
    return 1;
}
#else
static int convert_wide(const csv_decimal *d, double *ret)
{
    (void)d;
    (void)ret;
    return 0;
}
#endif

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

/* Without the blanks at both ends. */
static csv_cell trimmed(const csv_cell *cell)
{
    csv_cell c = *cell;
    while (c.len > 0 && (*c.text == ' ' || *c.text == '\t')) {
        c.text++;
        c.len--;
    }
    while (c.len > 0 && (c.text[c.len - 1] == ' ' || c.text[c.len - 1] == '\t')) {
        c.len--;
    }
    return c;
}

/* What a cell holds, its text without blanks and, if it is a number, its pieces. */
static int classify(const csv_values *v, csv_cell *cell)
{
    if (!cell->is_number) {
        *cell = trimmed(cell);
    }
    if (is_missing(v, cell->text, cell->len)) {
        return CSV_MISSING;
    }
    if (!cell->is_number) {
        cell->is_number =
            cell->len > 0 && csv_scan(cell->text, &cell->decimal) == cell->text + cell->len;
    }
    return cell->is_number ? CSV_NUMBER : CSV_TEXT;
}

int csv_kind(const csv_values *v, const csv_cell *cell)
{
    if (cell->is_number && !v->first[(unsigned char)cell->text[0]]) {
        return CSV_NUMBER;
    }
    csv_cell copy = *cell;
    return classify(v, &copy);
}

int csv_value(const csv_values *v, const csv_cell *cell, double *ret)
{
    if (cell->is_number && !v->first[(unsigned char)cell->text[0]] &&
        (convert_fast(&cell->decimal, ret) || convert_wide(&cell->decimal, ret))) {
        return CSV_NUMBER;
    }
    csv_cell c = *cell;
    int kind = classify(v, &c);
    if (kind == CSV_MISSING) {
        *ret = (double)NAN;
    } else if (kind == CSV_NUMBER && c.decimal.infinite) {
        *ret = c.decimal.negative ? -HUGE_VAL : HUGE_VAL;
    } else if (kind == CSV_NUMBER && !convert_fast(&c.decimal, ret) &&
               !convert_wide(&c.decimal, ret)) {
        *ret = convert_any(v->c, c.text, c.len);
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
