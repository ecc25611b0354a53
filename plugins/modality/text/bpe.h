/* bpe.h - tokens of texts by byte pair encoding (Sennrich, Haddow and Birch, ACL 2016; on bytes:
 * Radford et al. 2019).
 *
 * Tokens 0 .. 255 are bytes, 256 ends a text, each further one is two earlier ones put together.
 * So all bytes have tokens, and tokens give the same bytes back. Merges never cross the border of a
 * word: blanks and then letters, digits or other characters alone, as in "the", " cat", ",", and at
 * most 64 bytes. */
#ifndef TEXT_BPE_H
#define TEXT_BPE_H

#include <stdint.h>

enum { BPE_END = 256, BPE_FIRST = 257, BPE_WORD = 64 }; /* BPE_WORD: most bytes of a word */
enum { BPE_DAMAGED = 1 };

typedef struct bpe_merge {
    int32_t left, right;
} bpe_merge;

typedef struct bpe {
    int64_t n; /* merges: the k-th makes token BPE_FIRST + k */
    bpe_merge *merge;
    int32_t *slot; /* hash table of pairs: number of the merge + 1, 0 free */
    uint32_t n_slots;
} bpe;

/* Takes a copy of n merges. 0, -1 without memory, or BPE_DAMAGED: a merge is not of two tokens
 * before it, or longer than a word. bpe_finish in any case. */
int bpe_init(bpe *b, int64_t n, const bpe_merge *merge);
void bpe_finish(bpe *b);
/* Tokens of n bytes: their number, in ret (n). */
int64_t bpe_encode(const bpe *b, const unsigned char *text, int64_t n, int32_t *ret);
/* Bytes of n tokens up to an end, at most `most`: their number. */
int64_t bpe_decode(const bpe *b, const int32_t *token, int64_t n, unsigned char *ret, int64_t most);

/* Is a word of n bytes one without a letter or digit? */
int bpe_is_mark(const unsigned char *word, int64_t n);

/* --- learning merges: words and how often they occur ------------------------------------------ */

typedef struct corpus {
    unsigned char *bytes;
    int64_t n_bytes, bytes_capacity;
    int64_t *begin, *count; /* (n + 1), (n): of each different word */
    int64_t n, capacity;
    int64_t *slot; /* hash table of words: number + 1, 0 free */
    int64_t n_slots;
    int32_t *sequence; /* (n_sequence) words of the texts in their order, -1 behind each text */
    int64_t n_sequence, sequence_capacity;
} corpus;

/* Starts zeroed. 0, or -1 without memory. */
int corpus_add(corpus *c, const unsigned char *text, int64_t n);
void corpus_finish(corpus *c);
/* At most `most` merges into ret: their number, -1 without memory. The most frequent pair is merged
 * as long as one occurs twice; of equals the one with the smaller tokens. */
int64_t corpus_learn(const corpus *c, int64_t most, bpe_merge *ret);

#endif
