/* source/my_plugin - reads a table of comma-separated values.
 *
 *     id,class,g1,g2,...      a line of column names: the first column holds the ids of the rows
 *     a,young,3,0,...         column `class`, if there is one, is a label; all others are numbers
 *
 * The numbers together are the measurement `table`. Cells are not quoted; an empty one is a missing value. Go through
 * the steps 1 to 5; rebuild and run stele-check after each.
 */
#include <stele/plugin.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 1. The options that a spec may set: a member of `config` and a row of `options` each. Rows are checked against the
 * type of their member when this file is compiled. `stele help source/my_plugin` prints them. */
typedef struct config {
    const char *path; /* the host has resolved it against the folder of the spec */
} config;

static const stele_option options[] = {
    STELE_OPTION_PATH(config, path, "path", STELE_OPT_REQUIRED, "The table, a text file."),
};

/* 2. The instance: all that reads need. It does not change once it is built, because reads come from several threads.
 */
struct stele_inst {
    const stele_host *host;
    const config *config;
    char *text; /* the file, cut into cells by NULs; the strings below point into it */
    int64_t n_rows, n_features, n_classes;
    int64_t class_column; /* among the columns after the id; -1: there is no column `class` */
    const char **id, **feature, **class_name;
    float *value;  /* (n_rows, n_features), NaN: missing */
    int32_t *code; /* (n_rows), -1: missing */
};

static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    stele_inst *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STELE_E_NOMEM;
    }
    self->host = a->host;
    self->config = a->config;
    self->class_column = -1;
    *ret = self;
    return STELE_OK;
}

static void destroy(stele_inst *self)
{
    if (self != NULL) {
        free(self->text);
        free(self->id);
        free(self->feature);
        free(self->class_name);
        free(self->value);
        free(self->code);
        free(self);
    }
}

/* 3. Opening the data: in build(). Say what is wrong and where; text before a colon that names an option leads the
 * reader to its line in the spec. Here the whole file is read; one that is too large for that is opened only, and read
 * in step 5. */
static stele_status read_file(stele_inst *self)
{
    const stele_host *h = self->host;
    const char *path = self->config->path;
    FILE *f = fopen(path, "rb");
    size_t n = 0, got = 0, room = 1 << 16;
    if (f == NULL) {
        return STELE_FAIL(h, STELE_E_IO, "path: %s: %s", path, strerror(errno));
    }
    do {
        room *= 2;
        char *bigger = realloc(self->text, room + 1);
        if (bigger == NULL) {
            fclose(f);
            return STELE_E_NOMEM;
        }
        self->text = bigger;
        n += got = fread(self->text + n, 1, room - n, f);
    } while (n == room);
    int failed = ferror(f);
    fclose(f);
    self->text[n] = '\0';
    return failed ? STELE_FAIL(h, STELE_E_IO, "path: %s: cannot read", path) : STELE_OK;
}

/* The next cell of a line, NUL-terminated; NULL after the last one. */
static char *next_cell(char **at)
{
    char *cell = *at;
    if (cell != NULL) {
        char *comma = strchr(cell, ',');
        *at = comma != NULL ? comma + 1 : NULL;
        cell[strcspn(cell, ",")] = '\0';
    }
    return cell;
}

/* The next line that is not empty, NUL-terminated; NULL at the end of the text. */
static char *next_line(char **at)
{
    *at += strspn(*at, "\r\n");
    char *line = *at;
    size_t n = strcspn(line, "\r\n");
    *at += n + (line[n] != '\0');
    line[n] = '\0';
    return n > 0 ? line : NULL;
}

/* Columns of the header, and room for n_lines rows. */
static stele_status make_room(stele_inst *self, char *header, size_t n_lines)
{
    int64_t n_columns = 0;
    self->feature = calloc(strlen(header) + 1, sizeof *self->feature);
    if (self->feature == NULL) {
        return STELE_E_NOMEM;
    }
    (void)next_cell(&header); /* that of the ids */
    for (const char *name; (name = next_cell(&header)) != NULL; n_columns++) {
        if (strcmp(name, "class") == 0) {
            self->class_column = n_columns;
        } else {
            self->feature[self->n_features++] = name;
        }
    }
    self->id = calloc(n_lines, sizeof *self->id);
    self->class_name = calloc(n_lines, sizeof *self->class_name);
    self->code = calloc(n_lines, sizeof *self->code);
    self->value = calloc(n_lines * (size_t)self->n_features + 1, sizeof *self->value);
    int failed = self->id == NULL || self->class_name == NULL || self->code == NULL || self->value == NULL;
    return failed ? STELE_E_NOMEM : STELE_OK;
}

static int32_t code_of(stele_inst *self, const char *name)
{
    int64_t k = 0;
    while (k < self->n_classes && strcmp(self->class_name[k], name) != 0) {
        k++;
    }
    if (k == self->n_classes) {
        self->class_name[self->n_classes++] = name;
    }
    return (int32_t)k;
}

static stele_status read_line(stele_inst *self, char *line)
{
    const int64_t row = self->n_rows, n_columns = self->n_features + (self->class_column >= 0);
    float *value = self->value + row * self->n_features;
    int64_t column = 0;
    self->id[row] = next_cell(&line);
    self->code[row] = -1;
    for (char *cell; (cell = next_cell(&line)) != NULL; column++) {
        char *end = cell;
        if (column >= n_columns) {
            continue; /* too many: refused below */
        }
        if (column == self->class_column) {
            self->code[row] = cell[0] != '\0' ? code_of(self, cell) : -1;
            continue;
        }
        *value = cell[0] != '\0' ? strtof(cell, &end) : NAN;
        value++;
        if (*end != '\0') {
            return STELE_FAIL(self->host, STELE_E_DATA, "path: row `%s`: `%s` is no number", self->id[row], cell);
        }
    }
    if (column != n_columns) {
        return STELE_FAIL(self->host, STELE_E_DATA, "path: row `%s` does not have %lld cells", self->id[row],
                          (long long)n_columns + 1);
    }
    self->n_rows++;
    return STELE_OK;
}

static stele_status build(stele_inst *self, stele_build *b)
{
    (void)b; /* sources have no parameters */
    size_t n_lines = 1;
    stele_status status = read_file(self);
    if (status != STELE_OK) {
        return status;
    }
    for (const char *c = self->text; *c != '\0'; c++) {
        n_lines += *c == '\n' || *c == '\r';
    }
    char *at = self->text, *line = next_line(&at);
    if (line == NULL) {
        return STELE_FAIL(self->host, STELE_E_DATA, "path: %s: the file is empty", self->config->path);
    }
    status = make_room(self, line, n_lines);
    while (status == STELE_OK && (line = next_line(&at)) != NULL) {
        status = read_line(self, line);
    }
    return status;
}

/* 4. What there is: row axes, the ids of their rows, fields along them. One axis is enough unless measurements have
 * rows of their own. The host joins several sources by row id. */
enum { FIELD_TABLE = 0, FIELD_CLASS };

static uint32_t n_axes(const stele_inst *self)
{
    (void)self;
    return 1;
}

static int64_t n_rows(const stele_inst *self, uint32_t axis)
{
    return axis == 0 ? self->n_rows : 0;
}

static const char *row_id(const stele_inst *self, uint32_t axis, int64_t row)
{
    return row >= 0 && row < n_rows(self, axis) ? self->id[row] : NULL;
}

static uint32_t n_fields(const stele_inst *self)
{
    return self->class_column >= 0 ? 2 : 1;
}

static stele_status field(const stele_inst *self, uint32_t i, stele_field *ret)
{
    stele_field f = { .struct_size = sizeof f, .layout = STELE_DENSE };
    if (i >= n_fields(self)) {
        return STELE_FAIL(self->host, STELE_E_ARG, "there is no field %u", i);
    }
    if (i == FIELD_TABLE) {
        f.name = "table";
        f.content = STELE_FIELD_MATRIX;
        f.dtype = STELE_F32;
        f.sample.ndim = 1;
        f.sample.dim[0] = self->n_features;
    } else {
        f.name = "class";
        f.content = STELE_FIELD_CATEGORY;
        f.dtype = STELE_I32;
        f.n_categories = self->n_classes;
    }
    *ret = f;
    return STELE_OK;
}

static const char *feature_name(const stele_inst *self, uint32_t i, int64_t feature)
{
    return i == FIELD_TABLE && feature >= 0 && feature < self->n_features ? self->feature[feature] : NULL;
}

static const char *category(const stele_inst *self, uint32_t i, int64_t code)
{
    return i == FIELD_CLASS && code >= 0 && code < self->n_classes ? self->class_name[code] : NULL;
}

/* 5. Reading: rows of one field in any order, into the host's buffer. `count` is for sparse fields (STELE_CSR). */
static stele_status count(const stele_inst *self, uint32_t i, uint64_t n, const int64_t *row, int64_t *ret_n)
{
    (void)n;
    (void)row;
    (void)ret_n;
    return STELE_FAIL(self->host, STELE_E_ARG, "field %u is not sparse", i);
}

static stele_status read_rows(const stele_inst *self, const stele_read *r)
{
    const size_t width = (size_t)self->n_features;
    if (r->field >= n_fields(self)) {
        return STELE_FAIL(self->host, STELE_E_ARG, "there is no field %u", r->field);
    }
    for (uint64_t i = 0; i < r->n_rows; i++) {
        if (r->row[i] < 0 || r->row[i] >= self->n_rows) {
            return STELE_FAIL(self->host, STELE_E_ARG, "there is no row %lld", (long long)r->row[i]);
        }
        if (r->field == FIELD_CLASS) {
            ((int32_t *)r->data)[i] = self->code[r->row[i]];
        } else {
            memcpy((float *)r->data + i * width, self->value + (size_t)r->row[i] * width, width * sizeof(float));
        }
    }
    return STELE_OK;
}

static const stele_source_vt vtable = {
    .struct_size = sizeof vtable,
    .create = create,
    .destroy = destroy,
    .build = build,
    .n_axes = n_axes,
    .n_rows = n_rows,
    .row_id = row_id,
    .n_fields = n_fields,
    .field = field,
    .feature_name = feature_name,
    .category = category,
    .count = count,
    .read = read_rows,
};

static const stele_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = STELE_SOURCE,
    .min_host_minor = STELE_ABI_MINOR,
    .id = "source/my_plugin",
    .version = "0.1.0",
    .summary = "Table of comma-separated values.",
    .license = "BSD-3-Clause",
    STELE_PLUGIN_OPTIONS(options, config),
    .vtable = &vtable,
};

STELE_LIBRARY(&plugin)
