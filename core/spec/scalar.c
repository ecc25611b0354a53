#include "spec/scalar.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *skip_sign(const char *s)
{
    return *s == '-' || *s == '+' ? s + 1 : s;
}

int stele__scalar_i64(const char *text, int64_t *ret)
{
    const char *s = skip_sign(text);
    int base = 10;
    const char *digits = "0123456789";
    if (s[0] == '0' && (s[1] == 'x' || s[1] == 'o')) {
        base = s[1] == 'x' ? 16 : 8;
        digits = s[1] == 'x' ? "0123456789abcdefABCDEF" : "01234567";
        s += 2;
    }
    if (*s == '\0' || s[strspn(s, digits)] != '\0') {
        return STELE__SCALAR_OTHER;
    }
    errno = 0;
    unsigned long long magnitude = strtoull(s, NULL, base);
    int negative = text[0] == '-';
    if (errno == ERANGE || magnitude > (unsigned long long)INT64_MAX + (negative ? 1 : 0)) {
        return STELE__SCALAR_TOO_LARGE;
    }
    *ret = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return STELE__SCALAR_OK;
}

/* strtod would also take hexadecimal floats, "nan(1)" and "infinity": check the shape first. */
static int is_number(const char *s)
{
    s = skip_sign(s);
    size_t whole = strspn(s, "0123456789");
    s += whole;
    size_t fraction = 0;
    if (*s == '.') {
        fraction = strspn(s + 1, "0123456789");
        s += 1 + fraction;
    }
    if (whole + fraction == 0) {
        return 0;
    }
    if (*s == 'e' || *s == 'E') {
        s = skip_sign(s + 1);
        if (!is_digit(*s)) {
            return 0;
        }
        s += strspn(s, "0123456789");
    }
    return *s == '\0';
}

static locale_t c_locale(void)
{
    /* glibc hands out a static object for "C": nothing is allocated, nothing can fail. */
    return newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

int stele__scalar_f64(const char *text, double *ret)
{
    const char *s = skip_sign(text);
    if (strcmp(s, ".inf") == 0 || strcmp(s, ".Inf") == 0 || strcmp(s, ".INF") == 0) {
        *ret = text[0] == '-' ? -INFINITY : INFINITY;
        return STELE__SCALAR_OK;
    }
    int64_t integer;
    if (s[0] == '0' && (s[1] == 'x' || s[1] == 'o')) {
        int kind = stele__scalar_i64(text, &integer);
        *ret = kind == STELE__SCALAR_OK ? (double)integer : 0.0;
        return kind;
    }
    if (!is_number(text)) {
        return STELE__SCALAR_OTHER;
    }
    locale_t locale = c_locale();
    double value = strtod_l(text, NULL, locale);
    freelocale(locale);
    if (isinf(value)) {
        return STELE__SCALAR_TOO_LARGE;
    }
    *ret = value;
    return STELE__SCALAR_OK;
}

/* YAML knows three spellings of its words: true, True, TRUE. */
static int is_word(const char *text, const char *lower)
{
    size_t n = strlen(lower);
    if (strlen(text) != n || strcasecmp(text, lower) != 0) {
        return 0;
    }
    int upper_first = text[0] != lower[0], n_upper = 0;
    for (size_t i = 0; i < n; i++) {
        n_upper += text[i] != lower[i];
    }
    return n_upper == 0 || (upper_first && n_upper == 1) || n_upper == (int)n;
}

int stele__scalar_bool(const char *text, int32_t *ret)
{
    static const char *const words[] = { "false", "true", "no", "yes", "off", "on" };
    for (int i = 0; i < 6; i++) {
        if (is_word(text, words[i])) {
            *ret = i % 2;
            return STELE__SCALAR_OK;
        }
    }
    return STELE__SCALAR_OTHER;
}

int stele__scalar_is_null(const char *text)
{
    return text[0] == '\0' || strcmp(text, "~") == 0 || is_word(text, "null");
}

int stele__scalar_looks_special(const char *text)
{
    double f;
    int64_t i;
    int32_t b;
    /* YAML 1.1 readers also see numbers in 1_000, 1:30 and dates: quote what starts like one. */
    const char *s = skip_sign(text);
    return stele__scalar_is_null(text) || stele__scalar_bool(text, &b) == STELE__SCALAR_OK ||
           stele__scalar_i64(text, &i) != STELE__SCALAR_OTHER ||
           stele__scalar_f64(text, &f) != STELE__SCALAR_OTHER || is_digit(*s) || *s == '.' ||
           strcmp(text, "<<") == 0 || strcmp(text, "=") == 0 ||
           (strchr("yYnN", text[0]) != NULL && text[1] == '\0');
}

void stele__scalar_put_f64(stele__str *out, double value)
{
    char text[40];
    if (isinf(value)) {
        stele__str_append(out, value < 0 ? "-.inf" : ".inf");
        return;
    }
    locale_t locale = c_locale(), old = uselocale(locale);
    if (value == rint(value) && fabs(value) < 1e15) {
        snprintf(text, sizeof text, "%.0f", value); /* 1000, not 1e+03 */
    } else {
        for (int digits = 1; digits <= 17; digits++) {
            snprintf(text, sizeof text, "%.*g", digits, value);
            if (strtod_l(text, NULL, locale) == value) {
                break;
            }
        }
    }
    uselocale(old);
    freelocale(locale);
    /* YAML 1.1 readers take "1e-05" for a string: an exponent wants a point before it. */
    const char *exponent = strchr(text, 'e');
    if (exponent != NULL && strchr(text, '.') == NULL) {
        stele__str_printf(out, "%.*s.0%s", (int)(exponent - text), text, exponent);
    } else {
        stele__str_append(out, text);
    }
}
