#include "bpe.h"

#include <stdlib.h>
#include <string.h>

static uint64_t hash_pair(int32_t left, int32_t right)
{
    uint64_t h = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    h *= UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 29;
}

/* Letters (all that is not ASCII among them), digits, blanks, and the rest. */
static int kind_of(unsigned char byte)
{
    const int letter = byte >= 0x80 || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
    return letter ? 1 : byte >= '0' && byte <= '9' ? 2 : byte == ' ' ? 3 : 4;
}

/* Bytes of the word that text begins with. */
static int64_t word_length(const unsigned char *text, int64_t n)
{
    int64_t len = 1, most = n < BPE_WORD ? n : BPE_WORD;
    while (len < most && (text[len - 1] == ' ' || kind_of(text[len]) == kind_of(text[len - 1]))) {
        len++;
    }
    return len;
}

/* Behind its blanks a word has bytes of one kind. */
int bpe_is_mark(const unsigned char *word, int64_t n)
{
    return n == 0 || kind_of(word[n - 1]) > 2;
}

/* --- encoding --------------------------------------------------------------------------------- */

/* Merges may come from a damaged run folder: of tokens that contain themselves, decoding would not
 * end. */
static int are_sound(int64_t n, const bpe_merge *merge, uint8_t *length)
{
    for (int64_t k = 0; k < n; k++) {
        const int32_t part[2] = { merge[k].left, merge[k].right };
        int total = 0;
        for (int p = 0; p < 2; p++) {
            if (part[p] < 0 || part[p] == BPE_END || part[p] >= BPE_FIRST + k) {
                return 0;
            }
            total += part[p] < BPE_END ? 1 : length[part[p] - BPE_FIRST];
        }
        if (total > BPE_WORD) {
            return 0;
        }
        length[k] = (uint8_t)total;
    }
    return 1;
}

int bpe_init(bpe *b, int64_t n, const bpe_merge *merge)
{
    *b = (bpe){ .n = n, .n_slots = 16 };
    while (b->n_slots < 2 * (uint64_t)n) {
        b->n_slots *= 2;
    }
    b->merge = malloc(((size_t)n + 1) * sizeof *b->merge);
    b->slot = calloc(b->n_slots, sizeof *b->slot);
    uint8_t *length = malloc((size_t)n + 1);
    if (b->merge == NULL || b->slot == NULL || length == NULL) {
        free(length);
        return -1;
    }
    const int sound = are_sound(n, merge, length);
    free(length);
    if (!sound) {
        return BPE_DAMAGED;
    }
    for (int64_t k = 0; k < n; k++) {
        b->merge[k] = merge[k];
        uint64_t h = hash_pair(merge[k].left, merge[k].right);
        while (b->slot[h & (b->n_slots - 1)] != 0) {
            h++;
        }
        b->slot[h & (b->n_slots - 1)] = (int32_t)k + 1;
    }
    return 0;
}

void bpe_finish(bpe *b)
{
    free(b->merge);
    free(b->slot);
    *b = (bpe){ 0 };
}

/* Number of the merge of a pair, INT32_MAX: there is none. */
static int32_t find_merge(const bpe *b, int32_t left, int32_t right)
{
    for (uint64_t h = hash_pair(left, right);; h++) {
        int32_t k = b->slot[h & (b->n_slots - 1)] - 1;
        if (k < 0) {
            return INT32_MAX;
        }
        if (b->merge[k].left == left && b->merge[k].right == right) {
            return k;
        }
    }
}

/* Put all pairs of these tokens together, from the left. */
static int64_t merge_pairs(int32_t *token, int64_t n, bpe_merge m, int32_t to)
{
    int64_t k = 0;
    for (int64_t i = 0; i < n; i++) {
        int pair = i + 1 < n && token[i] == m.left && token[i + 1] == m.right;
        token[k++] = pair ? to : token[i];
        i += pair;
    }
    return k;
}

static int64_t encode_word(const bpe *b, int32_t *token, int64_t n)
{
    for (;;) {
        int32_t first = INT32_MAX;
        for (int64_t i = 0; i + 1 < n; i++) {
            int32_t k = find_merge(b, token[i], token[i + 1]);
            first = k < first ? k : first;
        }
        if (first == INT32_MAX) {
            return n;
        }
        n = merge_pairs(token, n, b->merge[first], BPE_FIRST + first);
    }
}

int64_t bpe_encode(const bpe *b, const unsigned char *text, int64_t n, int32_t *ret)
{
    int64_t at = 0;
    for (int64_t i = 0, len = 0; i < n; i += len) {
        len = word_length(text + i, n - i);
        for (int64_t k = 0; k < len; k++) {
            ret[at + k] = text[i + k];
        }
        at += encode_word(b, ret + at, len);
    }
    return at;
}

/* A token is unfolded from its left part on; a word's length bounds the depth. */
int64_t bpe_decode(const bpe *b, const int32_t *token, int64_t n, unsigned char *ret, int64_t most)
{
    int64_t at = 0;
    for (int64_t i = 0; i < n && token[i] != BPE_END; i++) {
        int32_t open[BPE_WORD + 1];
        int depth = 0;
        open[depth++] = token[i];
        while (depth > 0 && at < most) {
            int32_t t = open[--depth];
            if (t < BPE_END) {
                ret[at++] = (unsigned char)t;
            } else if (t >= BPE_FIRST && t - BPE_FIRST < b->n && depth + 2 <= BPE_WORD + 1) {
                open[depth++] = b->merge[t - BPE_FIRST].right;
                open[depth++] = b->merge[t - BPE_FIRST].left;
            }
        }
    }
    return at;
}

/* --- words ------------------------------------------------------------------------------------ */

void corpus_finish(corpus *c)
{
    free(c->bytes);
    free(c->begin);
    free(c->count);
    free(c->slot);
    free(c->sequence);
    *c = (corpus){ 0 };
}

static uint64_t hash_bytes(const unsigned char *bytes, int64_t n)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (int64_t i = 0; i < n; i++) {
        h = (h ^ bytes[i]) * UINT64_C(1099511628211);
    }
    return h ^ h >> 29;
}

static void put_slot(corpus *c, int64_t word)
{
    int64_t begin = c->begin[word];
    uint64_t h = hash_bytes(c->bytes + begin, c->begin[word + 1] - begin);
    while (c->slot[h & (uint64_t)(c->n_slots - 1)] != 0) {
        h++;
    }
    c->slot[h & (uint64_t)(c->n_slots - 1)] = word + 1;
}

/* Room for one more word. */
static int corpus_grow(corpus *c, int64_t len)
{
    if (c->n == c->capacity) {
        int64_t capacity = c->capacity == 0 ? 1024 : 2 * c->capacity;
        int64_t *begin = realloc(c->begin, (size_t)(capacity + 1) * sizeof *begin);
        c->begin = begin != NULL ? begin : c->begin;
        int64_t *count = realloc(c->count, (size_t)capacity * sizeof *count);
        c->count = count != NULL ? count : c->count;
        int64_t *slot = calloc((size_t)(2 * capacity), sizeof *slot);
        if (begin == NULL || count == NULL || slot == NULL) {
            free(slot);
            return -1;
        }
        free(c->slot);
        c->slot = slot;
        c->n_slots = 2 * capacity;
        c->capacity = capacity;
        c->begin[0] = 0;
        for (int64_t k = 0; k < c->n; k++) {
            put_slot(c, k);
        }
    }
    if (c->n_bytes + len > c->bytes_capacity) {
        int64_t capacity = 2 * (c->bytes_capacity + len);
        unsigned char *bytes = realloc(c->bytes, (size_t)capacity);
        if (bytes == NULL) {
            return -1;
        }
        c->bytes = bytes;
        c->bytes_capacity = capacity;
    }
    return 0;
}

/* Number of the word, counted once more; -1 without memory. */
static int64_t add_word(corpus *c, const unsigned char *word, int64_t len)
{
    for (uint64_t h = hash_bytes(word, len); c->n_slots > 0; h++) {
        int64_t k = c->slot[h & (uint64_t)(c->n_slots - 1)] - 1;
        if (k < 0) {
            break;
        }
        if (c->begin[k + 1] - c->begin[k] == len &&
            memcmp(c->bytes + c->begin[k], word, (size_t)len) == 0) {
            c->count[k]++;
            return k;
        }
    }
    if (corpus_grow(c, len) != 0) {
        return -1;
    }
    memcpy(c->bytes + c->n_bytes, word, (size_t)len);
    c->n_bytes += len;
    c->begin[c->n + 1] = c->n_bytes;
    c->count[c->n] = 1;
    put_slot(c, c->n);
    return c->n++;
}

static int add_to_sequence(corpus *c, int64_t word)
{
    if (c->n_sequence == c->sequence_capacity) {
        int64_t capacity = 2 * c->sequence_capacity + 1024;
        int32_t *bigger = realloc(c->sequence, (size_t)capacity * sizeof *bigger);
        if (bigger == NULL) {
            return -1;
        }
        c->sequence = bigger;
        c->sequence_capacity = capacity;
    }
    c->sequence[c->n_sequence++] = (int32_t)word;
    return 0;
}

int corpus_add(corpus *c, const unsigned char *text, int64_t n)
{
    for (int64_t i = 0, len = 0; i < n; i += len) {
        len = word_length(text + i, n - i);
        int64_t word = add_word(c, text + i, len);
        if (word < 0 || add_to_sequence(c, word) != 0) {
            return -1;
        }
    }
    return add_to_sequence(c, -1);
}

/* --- learning --------------------------------------------------------------------------------- */

typedef struct tally {
    bpe_merge pair;
    int64_t n; /* 0: free */
} tally;

typedef struct learner {
    const corpus *c;
    int32_t *token; /* of word k: those from c->begin[k] on */
    int64_t *n;     /* (words) their numbers */
    tally *slot;
    uint64_t n_slots;
} learner;

static tally *tally_of(const learner *l, int32_t left, int32_t right)
{
    uint64_t h = hash_pair(left, right);
    for (;; h++) {
        tally *t = &l->slot[h & (l->n_slots - 1)];
        if (t->n == 0 || (t->pair.left == left && t->pair.right == right)) {
            t->pair = (bpe_merge){ left, right };
            return t;
        }
    }
}

static int is_better(const tally *a, const tally *b)
{
    if (a->n != b->n) {
        return a->n > b->n;
    }
    return a->pair.left != b->pair.left ? a->pair.left < b->pair.left
                                        : a->pair.right < b->pair.right;
}

/* The most frequent pair of all words; n is 0 if there is none. */
static tally best_pair(const learner *l)
{
    tally best = { .n = 0 };
    memset(l->slot, 0, (size_t)l->n_slots * sizeof *l->slot);
    for (int64_t k = 0; k < l->c->n; k++) {
        const int32_t *token = l->token + l->c->begin[k];
        for (int64_t i = 0; i + 1 < l->n[k]; i++) {
            tally_of(l, token[i], token[i + 1])->n += l->c->count[k];
        }
    }
    for (uint64_t s = 0; s < l->n_slots; s++) {
        best = l->slot[s].n > 0 && is_better(&l->slot[s], &best) ? l->slot[s] : best;
    }
    return best;
}

static int learner_init(learner *l, const corpus *c)
{
    *l = (learner){ .c = c, .n_slots = 16 };
    while (l->n_slots < 2 * (uint64_t)c->n_bytes) {
        l->n_slots *= 2;
    }
    l->token = malloc(((size_t)c->n_bytes + 1) * sizeof *l->token);
    l->n = malloc(((size_t)c->n + 1) * sizeof *l->n);
    l->slot = malloc((size_t)l->n_slots * sizeof *l->slot);
    if (l->token == NULL || l->n == NULL || l->slot == NULL) {
        return -1;
    }
    for (int64_t i = 0; i < c->n_bytes; i++) {
        l->token[i] = c->bytes[i];
    }
    for (int64_t k = 0; k < c->n; k++) {
        l->n[k] = c->begin[k + 1] - c->begin[k];
    }
    return 0;
}

int64_t corpus_learn(const corpus *c, int64_t most, bpe_merge *ret)
{
    learner l;
    int64_t n = learner_init(&l, c) == 0 ? 0 : -1;
    while (n >= 0 && n < most) {
        tally best = best_pair(&l);
        if (best.n < 2) {
            break;
        }
        for (int64_t k = 0; k < c->n; k++) {
            l.n[k] =
                merge_pairs(l.token + c->begin[k], l.n[k], best.pair, (int32_t)(BPE_FIRST + n));
        }
        ret[n++] = best.pair;
    }
    free(l.token);
    free(l.n);
    free(l.slot);
    return n;
}
