/* number.h - numbers as text that other programs read back to the same bits, whatever the locale.
 *
 * The shortest decimal that gives the same value again (for subnormal numbers only some decimal
 * that does), with '.' as the point; "nan", "inf", "-inf". Any thread. */
#ifndef STELE_DATA_NUMBER_H
#define STELE_DATA_NUMBER_H

enum { STELE__NUMBER_TEXT = 40 }; /* bytes that every number fits in, with its NUL */

void stele__float_text(float value, char ret_text[STELE__NUMBER_TEXT]);
void stele__double_text(double value, char ret_text[STELE__NUMBER_TEXT]);

#endif
