#include "texts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for another text of `len` bytes; `at` doubles whenever n reaches a power of two. */
static int grow(texts *t, size_t len)
{
    if ((t->n & (t->n - 1)) == 0) {
        size_t n = t->n == 0 ? 1 : 2 * (size_t)t->n;
        size_t *at = realloc(t->at, n * sizeof *at);
        if (at == NULL) {
            return -1;
        }
        t->at = at;
    }
    if (t->len + len + 1 > t->capacity) {
        size_t capacity = 2 * t->capacity + len + 64;
        char *bytes = realloc(t->bytes, capacity);
        if (bytes == NULL) {
            return -1;
        }
        t->bytes = bytes;
        t->capacity = capacity;
    }
    return 0;
}

int texts_add(texts *t, const char *text, size_t len)
{
    if (grow(t, len) != 0) {
        return -1;
    }
    t->at[t->n++] = text != NULL ? t->len : SIZE_MAX;
    if (text != NULL) {
        memcpy(t->bytes + t->len, text, len);
        t->bytes[t->len + len] = '\0';
        t->len += len + 1;
    }
    return 0;
}

int texts_add_numbers(texts *t, int64_t n)
{
    int failed = 0;
    for (int64_t i = 0; i < n && !failed; i++) {
        char text[24];
        int len = snprintf(text, sizeof text, "%lld", (long long)i);
        failed = texts_add(t, text, (size_t)len) != 0;
    }
    return failed ? -1 : 0;
}

const char *texts_at(const texts *t, int64_t i)
{
    return i < 0 || i >= t->n || t->at[i] == SIZE_MAX ? NULL : t->bytes + t->at[i];
}

void texts_finish(texts *t)
{
    free(t->bytes);
    free(t->at);
    memset(t, 0, sizeof *t);
}

/* --- order ----------------------------------------------------------------------------------- */

typedef struct numbered {
    const char *text;
    int64_t number;
} numbered;

static int by_text(const void *a, const void *b)
{
    const numbered *x = a, *y = b;
    int order = strcmp(x->text, y->text);
    return order != 0 ? order : (x->number > y->number) - (x->number < y->number);
}

int64_t *texts_order(const texts *t)
{
    numbered *list = malloc(((size_t)t->n + 1) * sizeof *list);
    int64_t *order = malloc(((size_t)t->n + 1) * sizeof *order);
    if (list == NULL || order == NULL) {
        free(list);
        free(order);
        return NULL;
    }
    for (int64_t i = 0; i < t->n; i++) {
        list[i] = (numbered){ texts_at(t, i), i };
    }
    qsort(list, (size_t)t->n, sizeof *list, by_text);
    for (int64_t i = 0; i < t->n; i++) {
        order[i] = list[i].number;
    }
    free(list);
    return order;
}

int texts_find_twice(const texts *t, int64_t *ret_first, int64_t *ret_second)
{
    int64_t *order = texts_order(t);
    int found = 0;
    if (order == NULL) {
        return -1;
    }
    for (int64_t k = 1; k < t->n; k++) {
        if (strcmp(texts_at(t, order[k]), texts_at(t, order[k - 1])) == 0 &&
            (!found || order[k] < *ret_second)) {
            *ret_first = order[k - 1];
            *ret_second = order[k];
            found = 1;
        }
    }
    free(order);
    return found;
}

/* Is `text` among the texts? */
static int is_taken(const texts *t, const int64_t *order, const char *text)
{
    int64_t low = 0, high = t->n;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        int c = strcmp(texts_at(t, order[middle]), text);
        if (c == 0) {
            return 1;
        }
        low = c < 0 ? middle + 1 : low;
        high = c < 0 ? high : middle;
    }
    return 0;
}

/* Names made from different ones cannot meet: what follows the last hyphen is the number. */
static int rename_repeats(const texts *t, const int64_t *order, texts *made, int64_t *name_of)
{
    int64_t suffix = 0;
    for (int64_t k = 1; k < t->n; k++) {
        const char *name = texts_at(t, order[k]);
        if (strcmp(name, texts_at(t, order[k - 1])) != 0) {
            suffix = 0;
            continue;
        }
        size_t size = strlen(name) + 24;
        char *other = malloc(size);
        if (other == NULL) {
            return -1;
        }
        do {
            snprintf(other, size, "%s-%lld", name, (long long)++suffix);
        } while (is_taken(t, order, other));
        name_of[order[k]] = made->n;
        int failed = texts_add(made, other, strlen(other));
        free(other);
        if (failed != 0) {
            return -1;
        }
    }
    return 0;
}

int texts_make_unique(texts *t)
{
    texts made = { 0 }, all = { 0 };
    int64_t *order = texts_order(t), *name_of = malloc(((size_t)t->n + 1) * sizeof *name_of);
    int failed = order == NULL || name_of == NULL;
    for (int64_t i = 0; i < t->n && !failed; i++) {
        name_of[i] = -1;
    }
    failed = failed || rename_repeats(t, order, &made, name_of) != 0;
    for (int64_t i = 0; i < t->n && !failed && made.n > 0; i++) {
        const char *name = name_of[i] >= 0 ? texts_at(&made, name_of[i]) : texts_at(t, i);
        failed = texts_add(&all, name, strlen(name)) != 0;
    }
    if (!failed && made.n > 0) {
        texts_finish(t);
        *t = all;
    } else {
        texts_finish(&all);
    }
    texts_finish(&made);
    free(order);
    free(name_of);
    return failed ? -1 : 0;
}

/* --- single texts ---------------------------------------------------------------------------- */

char *text_copy(const char *text)
{
    size_t len = strlen(text) + 1;
    char *copy = malloc(len);
    if (copy != NULL) {
        memcpy(copy, text, len);
    }
    return copy;
}

char *text_join(const char *folder, const char *name)
{
    size_t len = strlen(folder) + strlen(name) + 2;
    char *path = name[0] == '/' ? text_copy(name) : malloc(len);
    if (path != NULL && name[0] != '/') {
        const char *slash = folder[0] != '\0' && folder[strlen(folder) - 1] != '/' ? "/" : "";
        snprintf(path, len, "%s%s%s", folder, slash, name);
    }
    return path;
}
