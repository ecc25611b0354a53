/* Tables that tests write, and what source/table makes of them. The plugin is compiled into the
 * test. */
#ifndef STELE_TABLE_CASE_H
#define STELE_TABLE_CASE_H

#include "test.h"

#include <stele/plugin.h>

stele_plugin_query_fn stele_plugin_query;

#include "../../plugins/source/table/csv.h"
#include "data/dataset.h"
#include "plugin_host.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static const stele_source_vt *vt;
static char folder[] = "/tmp/stele-table-XXXXXX";

static const char *const missing[] = { "", "NA" };
static const char *const all[] = { "*" };

static csv_config usual(void)
{
    return (csv_config){ .columns = { all, 1 }, .missing = { missing, 2 } };
}

static const char *path_of(const char *name)
{
    static char path[4][256];
    static int k;
    k = (k + 1) % 4;
    snprintf(path[k], sizeof path[k], "%s/%s", folder, name);
    return path[k];
}

static const char *put(const char *name, const char *bytes, size_t n)
{
    const char *path = path_of(name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
    return path;
}

/* A source over this text as one file; the config has to live as long. */
static inline stele_inst *open_text(csv_config *c, const char *text)
{
    static char path[256];
    stele_inst *s = NULL;
    snprintf(path, sizeof path, "%s", put("t.csv", text, strlen(text)));
    c->path = path;
    if (host_open_source(c, &vt, &s) != STELE_OK) {
        fail_msg("%s", host_message);
    }
    return s;
}

static int64_t find(const stele_inst *s, const char *name, stele_field *ret)
{
    for (uint32_t f = 0; f < vt->n_fields(s); f++) {
        assert_int_equal(vt->field(s, f, ret), STELE_OK);
        if (strcmp(ret->name, name) == 0) {
            return f;
        }
    }
    return -1;
}

static stele_status read_rows(const stele_inst *s, const char *name, int64_t n, const int64_t *row,
                              void *data, const char **text)
{
    stele_field d;
    int64_t f = find(s, name, &d);
    assert_true(f >= 0);
    stele_read r = { .struct_size = sizeof r,
                     .field = (uint32_t)f,
                     .n_rows = (uint64_t)n,
                     .row = row,
                     .data = data,
                     .text = text };
    return vt->read(s, &r);
}

static inline const char *text_at(const stele_inst *s, const char *name, int64_t row)
{
    const char *text = "unread";
    assert_int_equal(read_rows(s, name, 1, &row, NULL, &text), STELE_OK);
    return text;
}

static inline const char *class_at(const stele_inst *s, const char *name, int64_t row)
{
    int32_t code = -7;
    stele_field d;
    int64_t f = find(s, name, &d);
    assert_int_equal(d.content, STELE_FIELD_CATEGORY);
    assert_int_equal(read_rows(s, name, 1, &row, &code, NULL), STELE_OK);
    return code < 0 ? NULL : vt->category(s, (uint32_t)f, code);
}

static inline double number_at(const stele_inst *s, const char *name, int64_t row)
{
    double v = -7;
    assert_int_equal(read_rows(s, name, 1, &row, &v, NULL), STELE_OK);
    return v;
}

static inline float x_at(const stele_inst *s, int64_t row, int64_t feature)
{
    float v[64] = { -7 };
    assert_int_equal(read_rows(s, "X", 1, &row, v, NULL), STELE_OK);
    return v[feature];
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    static const char *const name[] = { "t.csv",      "packed.csv", "plain.csv.gz", "part-1.csv",
                                        "part-2.csv", "part-3.csv", "part-4.csv",   "part-?.csv" };
    (void)state;
    for (size_t i = 0; i < sizeof name / sizeof name[0]; i++) {
        unlink(path_of(name[i]));
    }
    return rmdir(folder);
}

#endif
