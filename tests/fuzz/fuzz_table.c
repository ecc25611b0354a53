/* Any bytes as a table: a source or a message, the same rows read alone and together. */
#include "fuzz_file.h"

#include "base/mem.h"
#include <stele/plugin.h>

stele_plugin_query_fn stele_plugin_query;

#include "../../plugins/source/table/csv.h"
#include "../unit/plugin_host.h"

#include <string.h>

static const stele_source_vt *vt;

typedef union value {
    float x[64];
    double number;
    int32_t code;
} value;

/* A row of a field by itself. 0 if it was refused, with a message. */
static int read_one(const stele_inst *s, uint32_t field, const stele_field *d, int64_t row,
                    value *ret)
{
    const char *text = NULL;
    int32_t column[64];
    int64_t n = 0, start[2] = { 0, 0 };
    stele_read r = { .struct_size = sizeof r,
                     .field = field,
                     .n_rows = 1,
                     .row = &row,
                     .data = ret,
                     .row_start = start,
                     .column = column,
                     .text = &text };
    memset(ret, 0, sizeof *ret);
    host_message[0] = '\0';
    if (d->layout == STELE_CSR) {
        if (vt->count(s, field, 1, &row, &n) != STELE_OK) {
            FUZZ_CHECK(host_message[0] != '\0');
            return 0;
        }
        start[1] = n;
    }
    int ok = vt->read(s, &r) == STELE_OK;
    FUZZ_CHECK(ok == (host_message[0] == '\0'));
    if (ok && d->content == STELE_FIELD_CATEGORY) {
        FUZZ_CHECK(ret->code >= -1 && ret->code < d->n_categories);
    }
    for (int64_t k = 0; k < n; k++) {
        FUZZ_CHECK(column[k] < d->sample.dim[0] && (k == 0 || column[k] > column[k - 1]));
    }
    return ok;
}

/* Bytes of a row; 0: nothing that can be compared. */
static size_t row_bytes(const stele_field *d)
{
    return d->content == STELE_FIELD_NUMBER     ? sizeof(double)
           : d->content == STELE_FIELD_CATEGORY ? sizeof(int32_t)
           : d->content == STELE_FIELD_MATRIX && d->layout == STELE_DENSE
               ? (size_t)d->sample.dim[0] * sizeof(float)
               : 0;
}

static void check_field(const stele_inst *s, uint32_t field)
{
    enum { MOST = 50 };
    stele_field d = { .struct_size = sizeof d };
    int64_t row[MOST];
    value one;
    FUZZ_CHECK(vt->field(s, field, &d) == STELE_OK && d.name != NULL && d.name[0] != '\0');
    int64_t n = vt->n_rows(s, d.axis),
            width = d.content == STELE_FIELD_MATRIX ? d.sample.dim[0] : 0;
    n = n < MOST ? n : MOST;
    if (width > 64) {
        return;
    }
    size_t bytes = row_bytes(&d);
    char *all = stele__calloc((size_t)n + 1, bytes + 1);
    FUZZ_CHECK(all != NULL);
    for (int64_t i = 0; i < n; i++) {
        row[i] = i;
    }
    stele_read r = {
        .struct_size = sizeof r, .field = field, .n_rows = (uint64_t)n, .row = row, .data = all
    };
    int ok = bytes > 0 && vt->read(s, &r) == STELE_OK;
    for (int64_t i = n - 1; i >= 0; i--) {
        int good = read_one(s, field, &d, i, &one);
        FUZZ_CHECK(!ok || (good && memcmp(all + (size_t)i * bytes, &one, bytes) == 0));
    }
    stele__free(all);
}

static void check_source(const csv_config *c)
{
    stele_inst *s = NULL;
    if (host_open_source(c, &vt, &s) != STELE_OK) {
        FUZZ_CHECK(host_message[0] != '\0');
        return;
    }
    for (uint32_t a = 0; a < vt->n_axes(s); a++) {
        FUZZ_CHECK(vt->n_rows(s, a) > 0);
        for (int64_t i = 0; i < vt->n_rows(s, a); i++) {
            FUZZ_CHECK(vt->row_id(s, a, i) != NULL && vt->row_id(s, a, i)[0] != '\0');
        }
    }
    for (uint32_t f = 0; f < vt->n_fields(s) && f < 20; f++) {
        check_field(s, f);
    }
    vt->destroy(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const all[] = { "*" }, *const missing[] = { "", "NA" };
    char path[64];
    int fd = fuzz_file(data, size, path);
    csv_config c = { .path = path, .columns = { all, 1 }, .missing = { missing, 2 } };
    check_source(&c);
    c.sparse = c.numbered = 1;
    c.comment = "#";
    c.delimiter = 3;
    check_source(&c);
    close(fd);
    return 0;
}
