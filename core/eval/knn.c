#include "eval/knn.h"

#include "base/mem.h"
#include "eval/moments.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

size_t stele__usable_rows(const float *x, const int32_t *label, size_t n, size_t n_columns,
                          size_t *ret_row)
{
    size_t n_used = 0;
    for (size_t i = 0; i < n; i++) {
        int usable = label == NULL || label[i] >= 0;
        for (size_t j = 0; usable && j < n_columns; j++) {
            usable = isfinite(x[i * n_columns + j]) != 0;
        }
        if (usable) {
            ret_row[n_used++] = i;
        }
    }
    return n_used;
}

typedef struct card {
    int32_t label;
    uint64_t key;
    size_t row;
} card;

static int by_label_key_row(const void *a, const void *b)
{
    const card *x = a, *y = b;
    if (x->label != y->label) {
        return x->label < y->label ? -1 : 1;
    }
    if (x->key != y->key) {
        return x->key < y->key ? -1 : 1;
    }
    return x->row < y->row ? -1 : x->row > y->row;
}

stele_status stele__folds_stratified(const int32_t *label, const uint64_t *key, size_t n,
                                     int32_t n_folds, int32_t *ret_fold)
{
    card *deck = stele__malloc(n * sizeof *deck);
    size_t n_used = 0;
    if (deck == NULL) {
        return STELE_E_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        ret_fold[i] = -1;
        if (label[i] >= 0) {
            deck[n_used++] = (card){ label[i], key[i], i };
        }
    }
    qsort(deck, n_used, sizeof *deck, by_label_key_row);
    for (size_t i = 0; i < n_used; i++) {
        ret_fold[deck[i].row] = (int32_t)(i % (size_t)n_folds);
    }
    stele__free(deck);
    return STELE_OK;
}

/* The most frequent label, the lowest of equals. k is small: counting in place beats a table. */
static int32_t vote(const int32_t *index, size_t k, const int32_t *label)
{
    int32_t winner = INT32_MAX;
    size_t most = 0;
    for (size_t i = 0; i < k; i++) {
        int32_t candidate = label[index[i]];
        size_t votes = 0;
        for (size_t j = 0; j < k; j++) {
            votes += label[index[j]] == candidate;
        }
        if (votes > most || (votes == most && candidate < winner)) {
            winner = candidate;
            most = votes;
        }
    }
    return winner;
}

/* Room for one fold: its rows, the others, their labels and the neighbours found. */
typedef struct fold_room {
    float *query, *reference;
    int32_t *query_label, *reference_label, *index;
    size_t *query_row; /* where the queries stand in x */
    size_t n_query, n_reference;
} fold_room;

static stele_status room_init(fold_room *room, size_t n, size_t n_columns, size_t k)
{
    room->query = stele__calloc(n, n_columns * sizeof *room->query);
    room->reference = stele__calloc(n, n_columns * sizeof *room->reference);
    room->query_label = stele__calloc(n, sizeof *room->query_label);
    room->reference_label = stele__calloc(n, sizeof *room->reference_label);
    room->index = stele__calloc(n, k * sizeof *room->index);
    room->query_row = stele__calloc(n, sizeof *room->query_row);
    return room->query != NULL && room->reference != NULL && room->query_label != NULL &&
                   room->reference_label != NULL && room->index != NULL && room->query_row != NULL
               ? STELE_OK
               : STELE_E_NOMEM;
}

static void room_finish(fold_room *room)
{
    stele__free(room->query);
    stele__free(room->reference);
    stele__free(room->query_label);
    stele__free(room->reference_label);
    stele__free(room->index);
    stele__free(room->query_row);
}

static void room_fill(fold_room *room, const float *x, const int32_t *label, const int32_t *fold,
                      const size_t *row, size_t n_rows, size_t n_columns, int32_t which)
{
    room->n_query = room->n_reference = 0;
    for (size_t i = 0; i < n_rows; i++) {
        int own = fold[row[i]] == which;
        size_t at = own ? room->n_query++ : room->n_reference++;
        (own ? room->query_label : room->reference_label)[at] = label[row[i]];
        memcpy((own ? room->query : room->reference) + at * n_columns, x + row[i] * n_columns,
               n_columns * sizeof *x);
        if (own) {
            room->query_row[at] = row[i];
        }
    }
}

/* How many of the room's queries get their class. */
static stele_status count_right(const fold_room *room, size_t n_columns, size_t k, size_t *ret,
                                double *ret_hit, stele__diag *diag)
{
    stele_status status =
        stele__knn_search(room->query, room->n_query, room->reference, room->n_reference, n_columns,
                          k, 0, room->index, NULL, diag);
    *ret = 0;
    for (size_t i = 0; status == STELE_OK && i < room->n_query; i++) {
        int hit = vote(room->index + i * k, k, room->reference_label) == room->query_label[i];
        *ret += (size_t)hit;
        if (ret_hit != NULL) {
            ret_hit[room->query_row[i]] = hit;
        }
    }
    return status;
}

static void no_hits(double *hit, size_t n)
{
    for (size_t i = 0; hit != NULL && i < n; i++) {
        hit[i] = NAN;
    }
}

stele_status stele__knn_accuracy(const float *x, const int32_t *label, const int32_t *fold,
                                 size_t n, size_t n_columns, size_t k, int32_t n_folds,
                                 stele__knn_result *ret, double *ret_hit, stele__diag *diag)
{
    fold_room room = { 0 };
    stele__moments accuracy = { 0 };
    size_t *row = stele__malloc(n * sizeof *row);
    size_t n_rows = row != NULL ? stele__usable_rows(x, label, n, n_columns, row) : 0;
    stele_status status = row != NULL ? room_init(&room, n_rows, n_columns, k) : STELE_E_NOMEM;
    no_hits(ret_hit, n);
    for (int32_t f = 0; status == STELE_OK && f < n_folds; f++) {
        room_fill(&room, x, label, fold, row, n_rows, n_columns, f);
        if (room.n_query == 0) {
            continue;
        }
        if (room.n_reference < k) {
            status = stele__diag_error(diag, STELE_E_DATA, NULL,
                                       "%zu nearest neighbours in %d folds need more than %zu "
                                       "labelled rows",
                                       k, (int)n_folds, n_rows);
            break;
        }
        size_t n_right;
        status = count_right(&room, n_columns, k, &n_right, ret_hit, diag);
        stele__moments_add(&accuracy, (double)n_right / (double)room.n_query);
    }
    if (status == STELE_OK && n_rows == 0) {
        status =
            stele__diag_error(diag, STELE_E_DATA, NULL, "no row has a label and finite values");
    }
    if (status == STELE_OK) {
        *ret =
            (stele__knn_result){ accuracy.mean, stele__moments_standard_error(&accuracy), n_rows };
    }
    room_finish(&room);
    stele__free(row);
    return status;
}

/* Usable rows of x and their labels, one after the other; returns their number. */
static size_t pick(const float *x, const int32_t *label, size_t n, size_t n_columns, size_t *row,
                   float *ret_x, int32_t *ret_label)
{
    size_t n_rows = stele__usable_rows(x, label, n, n_columns, row);
    for (size_t i = 0; i < n_rows; i++) {
        ret_label[i] = label[row[i]];
        memcpy(ret_x + i * n_columns, x + row[i] * n_columns, n_columns * sizeof *x);
    }
    return n_rows;
}

stele_status stele__knn_classify(const float *x, const int32_t *label, size_t n,
                                 const float *reference, const int32_t *reference_label,
                                 size_t n_reference, size_t n_columns, size_t k,
                                 stele__knn_result *ret, double *ret_hit, stele__diag *diag)
{
    fold_room room = { 0 };
    size_t most = n > n_reference ? n : n_reference, n_right = 0;
    size_t *row = stele__malloc((most + 1) * sizeof *row);
    stele_status status = row != NULL ? room_init(&room, most, n_columns, k) : STELE_E_NOMEM;
    if (status == STELE_OK) {
        room.n_query = pick(x, label, n, n_columns, row, room.query, room.query_label);
        memcpy(room.query_row, row, room.n_query * sizeof *row);
        no_hits(ret_hit, n);
        room.n_reference = pick(reference, reference_label, n_reference, n_columns, row,
                                room.reference, room.reference_label);
        if (room.n_query == 0 || room.n_reference < k) {
            status = stele__diag_error(diag, STELE_E_DATA, NULL,
                                       "%zu rows with a label are to be told from %zu: too few for "
                                       "%zu neighbours",
                                       room.n_query, room.n_reference, k);
        }
    }
    status =
        status == STELE_OK ? count_right(&room, n_columns, k, &n_right, ret_hit, diag) : status;
    if (status == STELE_OK) {
        double share = (double)n_right / (double)room.n_query;
        *ret = (stele__knn_result){ share, sqrt(share * (1.0 - share) / (double)room.n_query),
                                    room.n_query };
    }
    room_finish(&room);
    stele__free(row);
    return status;
}
