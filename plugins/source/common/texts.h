/* texts.h - many texts in one block: row ids, names of features. */
#ifndef SOURCE_TEXTS_H
#define SOURCE_TEXTS_H

#include <stddef.h>
#include <stdint.h>

/* n texts in one block. Starts zeroed. */
typedef struct texts {
    int64_t n;
    char *bytes;
    size_t len, capacity;
    size_t *at; /* (n) offset into bytes, SIZE_MAX: missing */
} texts;

/* 0 on success, -1 without memory. text NULL: missing. */
int texts_add(texts *t, const char *text, size_t len);
/* The numbers 0 to n - 1, ids of rows that have no other. The same results. */
int texts_add_numbers(texts *t, int64_t n);
/* NULL: missing, or no such number. */
const char *texts_at(const texts *t, int64_t i);
void texts_finish(texts *t);

/* Numbers of the texts, none of which is missing, in the order of the texts and where these are
 * equal of the numbers: (n), the caller's. NULL without memory. */
int64_t *texts_order(const texts *t);
/* The first text that occurred before: its number and that of the one before it. 1: there is one,
 * 0: all differ, -1: no memory. */
int texts_find_twice(const texts *t, int64_t *ret_first, int64_t *ret_second);
/* A second "A" becomes "A-1", a third "A-2", passing over names that are taken. 0 or -1. */
int texts_make_unique(texts *t);

char *text_copy(const char *text); /* NULL: no memory */
/* "FOLDER/NAME"; NAME alone if it is absolute. NULL: no memory. */
char *text_join(const char *folder, const char *name);

#endif
