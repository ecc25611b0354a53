/* Lists of texts in one block, and sets of them by a hash table of numbers. */
#include "csv.h"

#include <stdlib.h>
#include <string.h>

const char *csv_strings_get(const csv_strings *s, int64_t i)
{
    return i < 0 || i >= s->n || s->at[i] == SIZE_MAX ? NULL : s->bytes + s->at[i];
}

void csv_strings_finish(csv_strings *s)
{
    free(s->bytes);
    free(s->at);
    free(s->slot);
    memset(s, 0, sizeof *s);
}

void csv_strings_drop_set(csv_strings *s)
{
    free(s->slot);
    s->slot = NULL;
    s->n_slots = 0;
}

/* `at` doubles whenever n reaches a power of two. */
static int grow(csv_strings *s, size_t len)
{
    if ((s->n & (s->n - 1)) == 0) {
        size_t n = s->n == 0 ? 1 : 2 * (size_t)s->n;
        size_t *at = realloc(s->at, n * sizeof *at);
        if (at == NULL) {
            return -1;
        }
        s->at = at;
    }
    if (s->len + len + 1 > s->capacity) {
        size_t capacity = 2 * s->capacity + len + 64;
        char *bytes = realloc(s->bytes, capacity);
        if (bytes == NULL) {
            return -1;
        }
        s->bytes = bytes;
        s->capacity = capacity;
    }
    return 0;
}

int csv_strings_add(csv_strings *s, const char *text, size_t len)
{
    if (grow(s, len) != 0) {
        return -1;
    }
    s->at[s->n++] = text != NULL ? s->len : SIZE_MAX;
    if (text != NULL) {
        memcpy(s->bytes + s->len, text, len);
        s->bytes[s->len + len] = '\0';
        s->len += len + 1;
    }
    return 0;
}

/* FNV-1a (Fowler, Noll, Vo), its bits mixed once more because the table takes the low ones. */
static size_t hash(const char *text, size_t len)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++) {
        h = (h ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    }
    return (size_t)(h ^ h >> 32);
}

/* Slot of a text, or the free one where it belongs. */
static size_t slot_of(const csv_strings *s, const char *text, size_t len)
{
    size_t k = hash(text, len) & (s->n_slots - 1);
    for (; s->slot[k] != 0; k = (k + 1) & (s->n_slots - 1)) {
        const char *there = s->bytes + s->at[s->slot[k] - 1];
        if (strncmp(there, text, len) == 0 && there[len] == '\0') {
            break;
        }
    }
    return k;
}

static int rehash(csv_strings *s)
{
    size_t n_slots = s->n_slots == 0 ? 16 : 2 * s->n_slots;
    uint32_t *slot = calloc(n_slots, sizeof *slot);
    if (slot == NULL || s->n >= UINT32_MAX) {
        free(slot);
        return -1;
    }
    free(s->slot);
    s->slot = slot;
    s->n_slots = n_slots;
    for (int64_t i = 0; i < s->n; i++) {
        const char *text = s->bytes + s->at[i];
        slot[slot_of(s, text, strlen(text))] = (uint32_t)i + 1;
    }
    return 0;
}

int64_t csv_strings_find(const csv_strings *s, const char *text, size_t len)
{
    return s->n_slots == 0 ? -1 : (int64_t)s->slot[slot_of(s, text, len)] - 1;
}

int csv_strings_put(csv_strings *s, const char *text, size_t len, int64_t *ret_index)
{
    if ((size_t)s->n * 3 >= s->n_slots * 2 && rehash(s) != 0) {
        return -1;
    }
    size_t k = slot_of(s, text, len);
    if (s->slot[k] != 0) {
        *ret_index = (int64_t)s->slot[k] - 1;
        return 0;
    }
    if (csv_strings_add(s, text, len) != 0) {
        return -1;
    }
    s->slot[k] = (uint32_t)s->n;
    *ret_index = s->n - 1;
    return 1;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int csv_strings_sort(csv_strings *s)
{
    csv_strings sorted = { 0 };
    const char **text = malloc(((size_t)s->n + 1) * sizeof *text);
    int failed = text == NULL;
    for (int64_t i = 0; i < s->n && !failed; i++) {
        text[i] = s->bytes + s->at[i];
    }
    if (!failed && s->n > 0) {
        qsort(text, (size_t)s->n, sizeof *text, by_bytes);
    }
    for (int64_t i = 0; i < s->n && !failed; i++) {
        int64_t index;
        failed = csv_strings_put(&sorted, text[i], strlen(text[i]), &index) < 0;
    }
    free(text);
    if (failed) {
        csv_strings_finish(&sorted);
        return -1;
    }
    csv_strings_finish(s);
    *s = sorted;
    return 0;
}
