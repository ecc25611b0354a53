#include "data/number.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int special(double value, char *text)
{
    if (isfinite(value)) {
        return 0;
    }
    strcpy(text, isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
    return 1;
}

/* printf and strtod agree on the locale's decimal point while digits are searched for; only the
 * finished text is put right. A point may be several bytes. */
static void plain_point(char *text)
{
    const char *point = localeconv()->decimal_point;
    char *at = strcmp(point, ".") != 0 ? strstr(text, point) : NULL;
    if (at != NULL) {
        char *rest = at + strlen(point);
        *at = '.';
        memmove(at + 1, rest, strlen(rest) + 1);
    }
}

/* By way of a local array, which cannot be NULL: GCC 12 with -fsanitize=undefined takes `text` for
 * NULL and refuses to compile. */
static void print(int digits, double value, char text[STELE__NUMBER_TEXT])
{
    char local[STELE__NUMBER_TEXT];
    snprintf(local, sizeof local, "%.*g", digits, value);
    strcpy(text, local);
}

/* Up to FLT_DIG (DBL_DIG) digits every decimal survives the way through the type, and %g drops
 * trailing zeros: starting there finds shorter numbers too. */
void stele__float_text(float value, char ret_text[STELE__NUMBER_TEXT])
{
    if (special((double)value, ret_text)) {
        return;
    }
    for (int digits = FLT_DIG; digits <= FLT_DECIMAL_DIG; digits++) {
        print(digits, (double)value, ret_text);
        if (strtof(ret_text, NULL) == value) {
            break;
        }
    }
    plain_point(ret_text);
}

void stele__double_text(double value, char ret_text[STELE__NUMBER_TEXT])
{
    if (special(value, ret_text)) {
        return;
    }
    for (int digits = DBL_DIG; digits <= DBL_DECIMAL_DIG; digits++) {
        print(digits, value, ret_text);
        if (strtod(ret_text, NULL) == value) {
            break;
        }
    }
    plain_point(ret_text);
}
