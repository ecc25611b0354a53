/* fuzz_source.h - a source that reads foreign bytes: it refuses them with a message, or it gives
 * rows, ids and fields that can all be read. */
#ifndef STELE_FUZZ_SOURCE_H
#define STELE_FUZZ_SOURCE_H

#include "fuzz.h"

#include <stdlib.h>
#include <stele/plugin.h>
#include <string.h>

stele_plugin_query_fn stele_plugin_query;

static int fuzz_messages;

static stele_status fuzz_fail(const stele_host *h, stele_status code, const char *where,
                              const char *fmt, ...)
{
    (void)h;
    FUZZ_CHECK(code != STELE_OK && where != NULL && fmt != NULL);
    fuzz_messages++;
    return code;
}

static void fuzz_log(const stele_host *h, int32_t level, const char *fmt, ...)
{
    (void)h;
    FUZZ_CHECK(level >= STELE_LOG_DEBUG && level <= STELE_LOG_ERROR && fmt != NULL);
}

static const stele_host fuzz_host = { .struct_size = sizeof fuzz_host,
                                      .abi_major = STELE_ABI_MAJOR,
                                      .abi_minor = STELE_ABI_MINOR,
                                      .log = fuzz_log,
                                      .fail = fuzz_fail };

/* 1: what a field holds is looked at when it is read, which is refused then. */
#ifndef FUZZ_LATE
#define FUZZ_LATE 0
#endif

/* Did a read succeed? A refusal has its message. */
static inline int fuzz_granted(stele_status status, int messages_before)
{
    FUZZ_CHECK((status == STELE_OK) == (fuzz_messages == messages_before));
    FUZZ_CHECK(status == STELE_OK || FUZZ_LATE);
    return status == STELE_OK;
}

/* All rows of a field in pieces, each piece in memory of just its size. */
static inline void fuzz_read_field(const stele_source_vt *vt, const stele_inst *s, uint32_t field)
{
    stele_field d = { .struct_size = sizeof d };
    FUZZ_CHECK(vt->field(s, field, &d) == STELE_OK && d.name != NULL);
    int64_t width = 1, n = vt->n_rows(s, d.axis), per_piece;
    for (uint32_t k = 0; k < d.sample.ndim; k++) {
        width *= d.sample.dim[k];
    }
    FUZZ_CHECK(width >= 0 && n >= 0);
    per_piece = width < 4096 ? 4096 / (width + 1) + 1 : 1;
    /* Wide rows and long columns, which packed bytes can claim, are tried at their ends. */
    int64_t step = n / per_piece > 64 ? n - per_piece : per_piece;
    for (int64_t first = 0; first < n && width <= 1 << 20; first += step) {
        int64_t m = n - first < per_piece ? n - first : per_piece, total = m * width;
        int64_t *row = malloc((size_t)m * sizeof *row);
        int64_t *start = calloc((size_t)m + 1, sizeof *start);
        FUZZ_CHECK(row != NULL && start != NULL);
        for (int64_t i = 0; i < m; i++) {
            row[i] = first + m - 1 - i;
            FUZZ_CHECK(vt->row_id(s, d.axis, row[i]) != NULL);
        }
        const int before = fuzz_messages;
        int granted = 1, csr = d.content == STELE_FIELD_MATRIX && d.layout == STELE_CSR;
        if (csr) {
            granted = fuzz_granted(vt->count(s, field, (uint64_t)m, row, start + 1), before);
            for (int64_t i = 0; i < m && granted; i++) {
                start[i + 1] += start[i];
            }
            total = granted ? start[m] : 0;
        }
        size_t element = d.dtype == STELE_F64 ? 8 : 4;
        void *data = malloc((size_t)total * element);
        int32_t *column = malloc((size_t)total * sizeof *column);
        const char **text = malloc((size_t)m * sizeof *text);
        FUZZ_CHECK(text != NULL && (total == 0 || (data != NULL && column != NULL)));
        stele_read r = { .struct_size = sizeof r,
                         .field = field,
                         .n_rows = (uint64_t)m,
                         .row = row,
                         .data = data,
                         .row_start = csr ? start : NULL,
                         .column = csr ? column : NULL,
                         .text = d.content == STELE_FIELD_TEXT ? text : NULL };
        granted = granted && fuzz_granted(vt->read(s, &r), before);
        for (int64_t k = 0; csr && granted && k < total; k++) {
            FUZZ_CHECK(column[k] >= 0 && column[k] < width);
        }
        free(row);
        free(start);
        free(data);
        free(column);
        free(text);
    }
}

/* Build with this config and read everything. */
static inline void fuzz_source(const void *config)
{
    const stele_plugin *p = stele_plugin_query(STELE_ABI_MAJOR, STELE_ABI_MINOR)->plugins[0];
    const stele_source_vt *vt = p->vtable;
    stele_create_args args = {
        .struct_size = sizeof args, .host = &fuzz_host, .config = config, .name = "data"
    };
    stele_inst *s = NULL;
    fuzz_messages = 0;
    FUZZ_CHECK(vt->create(&args, &s) == STELE_OK);
    stele_status status = vt->build(s, NULL);
    FUZZ_CHECK((status == STELE_OK) == (fuzz_messages == 0));
    for (uint32_t f = 0; status == STELE_OK && f < vt->n_fields(s); f++) {
        fuzz_read_field(vt, s, f);
    }
    vt->destroy(s);
}

#endif
