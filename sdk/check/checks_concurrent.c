/* Reads of a source from several threads at once. */
#include "race.h"
#include "source.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_FIELDS = 64, AT_ONCE = 5 };

/* What one thread alone reads of a field. */
typedef struct serial {
    uint32_t field;
    int64_t row[SOURCE_SOME], longest; /* elements of the longest row */
    source_piece piece;
} serial;

/* Buffers of readers are plain memory: those of source_read are watched by the main thread. */
typedef struct reader {
    const rig *r;
    const serial *of;
    uint32_t n_fields;
    uint64_t state; /* of which rows come next, other ones for every reader */
    uint32_t turn;  /* of the fields */
    char *data;
    int32_t *column;
    const serial *bad; /* what was read otherwise */
} reader;

static uint64_t next(reader *d, uint64_t n)
{
    d->state = d->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (d->state >> 33) % n;
}

/* A few rows of one field at random. 0: they are not what they were. */
static int read_some(reader *d, const serial *s)
{
    const source_piece *p = &s->piece;
    const stele_source_vt *vt = &d->r->vt->source;
    int64_t row[AT_ONCE], start[AT_ONCE + 1] = { 0 }, count[AT_ONCE];
    uint64_t index[AT_ONCE];
    const char *text[AT_ONCE];
    for (int i = 0; i < AT_ONCE; i++) {
        index[i] = next(d, p->n);
        row[i] = s->row[index[i]];
        start[i + 1] = start[i] + p->row_start[index[i] + 1] - p->row_start[index[i]];
    }
    source_piece got = *p;
    got.n = AT_ONCE;
    got.row_start = start;
    got.data = d->data;
    got.column = p->column != NULL ? d->column : NULL;
    got.text = p->text != NULL ? text : NULL;
    stele_read a = { .struct_size = sizeof a, .field = s->field, .n_rows = AT_ONCE, .row = row };
    a.data = p->element > 0 ? d->data : NULL;
    a.row_start = got.column != NULL ? start : NULL;
    a.column = got.column;
    a.text = got.text;
    int good = got.column == NULL || vt->count(d->r->inst, s->field, AT_ONCE, row, count) == STELE_OK;
    for (uint64_t i = 0; good && got.column != NULL && i < AT_ONCE; i++) {
        good = count[i] == start[i + 1] - start[i];
    }
    good = good && vt->read(d->r->inst, &a) == STELE_OK;
    for (uint64_t i = 0; good && i < AT_ONCE; i++) {
        good = source_same(p, index[i], &got, i);
    }
    return good;
}

static int read_again(void *ctx)
{
    reader *d = ctx;
    const serial *s = &d->of[d->turn++ % d->n_fields];
    d->bad = read_some(d, s) ? NULL : s;
    return d->bad == NULL;
}

/* Every field with rows as one thread reads it. */
static uint32_t read_alone(rig *r, serial *ret)
{
    uint32_t n = 0;
    for (uint32_t f = 0; f < r->vt->source.n_fields(r->inst) && n < MOST_FIELDS; f++) {
        serial *s = &ret[n];
        uint64_t m = source_some_rows(r, f, 0, SOURCE_SOME, s->row);
        s->field = f;
        s->longest = 0;
        if (m == 0 || source_read(r, f, m, s->row, &s->piece) != STELE_OK) {
            continue; /* which is another check's business */
        }
        for (uint64_t i = 0; i < m; i++) {
            int64_t k = s->piece.row_start[i + 1] - s->piece.row_start[i];
            s->longest = k > s->longest ? k : s->longest;
        }
        n++;
    }
    return n;
}

static void race(rig *r, const serial *of, uint32_t n_fields, size_t n_data, size_t n_column)
{
    reader d[RACE_THREADS];
    void *ctx[RACE_THREADS];
    for (uint32_t k = 0; k < RACE_THREADS; k++) {
        d[k] = (reader){ .r = r, .of = of, .n_fields = n_fields, .state = k + 1 };
        d[k].data = rig_take(r, n_data + 1);
        d[k].column = rig_take(r, n_column + 1);
        ctx[k] = &d[k];
    }
    if (!race_run(r->t, RACE_THREADS, read_again, ctx)) {
        return;
    }
    for (uint32_t k = 0; k < RACE_THREADS && r->t->verdict < CHECK_FAIL; k++) {
        if (d[k].bad != NULL) {
            check_fail(r->t, "`%s` reads otherwise while other threads read", d[k].bad->piece.field.name);
        }
    }
}

void check_source_concurrent(check_trial *t)
{
    static serial of[MOST_FIELDS];
    rig r;
    rig_plan plan = { 0 };
    if (rig_start(t, &plan, &r)) {
        uint32_t n = read_alone(&r, of);
        size_t n_data = 0, n_column = 0;
        for (uint32_t k = 0; k < n; k++) {
            size_t most = (size_t)of[k].longest * AT_ONCE;
            n_data = most * of[k].piece.element > n_data ? most * of[k].piece.element : n_data;
            n_column = most * sizeof(int32_t) > n_column ? most * sizeof(int32_t) : n_column;
        }
        if (n > 0) {
            race(&r, of, n, n_data, n_column);
        } else {
            check_say(t, CHECK_HOLLOW, "there are no rows");
        }
    }
    rig_finish(&r);
}
