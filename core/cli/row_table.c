#include "cli/row_table.h"

#include "base/mem.h"
#include "base/str.h"

#include <string.h>

stele_status stele__row_table_ids(stele__row_table *t)
{
    t->id = stele__calloc((size_t)t->n, sizeof *t->id);
    for (int64_t r = 0; t->id != NULL && r < t->n; r++) {
        t->id[r] = stele__dataset_row_id(t->o->run.data, t->row[r]);
    }
    return t->id != NULL ? STELE_OK : STELE_E_NOMEM;
}

void stele__row_table_finish(stele__row_table *t)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        stele__free(t->name[i]);
        stele__free(t->values[i]);
    }
    stele__free(t->name);
    stele__free(t->values);
    stele__free(t->column);
    stele__free(t->id);
    stele__free(t->row);
    memset(t, 0, sizeof *t);
}

/* Room for one more column. */
static int make_room(stele__row_table *t)
{
    if (t->n_columns < t->room) {
        return 1;
    }
    size_t room = 2 * t->room + 16;
    stele__column *column = stele__realloc(t->column, room * sizeof *column);
    t->column = column != NULL ? column : t->column;
    char **name = stele__realloc(t->name, room * sizeof *name);
    t->name = name != NULL ? name : t->name;
    void **values = stele__realloc(t->values, room * sizeof *values);
    t->values = values != NULL ? values : t->values;
    int ok = column != NULL && name != NULL && values != NULL;
    t->room = ok ? room : t->room;
    return ok;
}

stele__column *stele__row_table_add(stele__row_table *t, const char *name, int kind, size_t size)
{
    if (!make_room(t)) {
        return NULL;
    }
    stele__column *c = &t->column[t->n_columns];
    t->name[t->n_columns] = stele__strdup(name);
    t->values[t->n_columns] = stele__calloc(1, size);
    if (t->name[t->n_columns] == NULL || t->values[t->n_columns] == NULL) {
        t->n_columns++; /* so that what is there is freed */
        return NULL;
    }
    *c = (stele__column){ .name = t->name[t->n_columns], .kind = kind, .stride = 1 };
    t->n_columns++;
    return c;
}

int stele__row_table_has(const stele__row_table *t, const char *name)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        if (strcmp(t->column[i].name, name) == 0) {
            return 1;
        }
    }
    return 0;
}

static stele_status add_split(stele__row_table *t)
{
    static const char *names[STELE__N_PARTS + 1];
    for (int p = 0; p <= STELE__N_PARTS; p++) {
        names[p] = stele__part_name(p);
    }
    stele__column *c =
        stele__row_table_add(t, "split", STELE__CATEGORY, (size_t)t->n * sizeof(int32_t));
    if (c == NULL) {
        return STELE_E_NOMEM;
    }
    int32_t *code = t->values[t->n_columns - 1];
    for (int64_t r = 0; r < t->n; r++) {
        code[r] = (int32_t)t->o->run.split->part[t->row[r]];
    }
    c->code = code;
    c->text = names;
    c->n_categories = sizeof names / sizeof names[0];
    return STELE_OK;
}

static stele_status add_presence(stele__row_table *t, uint32_t i)
{
    stele__str name;
    stele__str_init(&name);
    stele__str_printf(&name, "has_%s", t->o->run.model.modality[i].name);
    stele__column *c = name.failed ? NULL
                                   : stele__row_table_add(t, name.data, STELE__INTEGER,
                                                          (size_t)t->n * sizeof(int64_t));
    stele__str_finish(&name);
    if (c == NULL) {
        return STELE_E_NOMEM;
    }
    int64_t *has = t->values[t->n_columns - 1];
    for (int64_t r = 0; r < t->n; r++) {
        has[r] = (int64_t)(stele__judge_present(&t->o->judge, t->row[r]) >> i & 1);
    }
    c->i64 = has;
    return STELE_OK;
}

static stele_status add_ids(stele__row_table *t)
{
    stele__column *c = stele__row_table_add(t, "id", STELE__TEXT, 0);
    if (c != NULL) {
        c->text = t->id;
    }
    return c != NULL ? STELE_OK : STELE_E_NOMEM;
}

stele_status stele__row_table_describe(stele__row_table *t, int with_id)
{
    stele_status status = with_id ? add_ids(t) : STELE_OK;
    if (status == STELE_OK && t->o->run.split != NULL) {
        status = add_split(t);
    }
    for (uint32_t i = 0; i < t->o->run.model.n_modalities && status == STELE_OK; i++) {
        status = add_presence(t, i);
    }
    return status;
}

const char *stele__extension(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot != NULL ? dot : "";
}
