/* The values of a config as nodes of a resolved spec. */
#include "base/mem.h"
#include "spec/options.h"
#include "spec/scalar.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

/* A number, or NULL when memory is short. */
static stele__node *put_i64(stele__node *at, const char *key, int64_t value)
{
    stele__str s;
    stele__str_init(&s);
    stele__str_printf(&s, "%lld", (long long)value);
    stele__node *node = s.data != NULL ? stele__node_put_scalar(at, key, s.data, 0) : NULL;
    stele__str_finish(&s);
    return node;
}

static stele__node *put_f64(stele__node *at, const char *key, double value)
{
    stele__str s;
    stele__str_init(&s);
    stele__scalar_put_f64(&s, value);
    stele__node *node = s.data != NULL ? stele__node_put_scalar(at, key, s.data, 0) : NULL;
    stele__str_finish(&s);
    return node;
}

static stele__node *put_str(stele__node *at, const char *key, const char *value)
{
    return stele__node_put_scalar(at, key, value != NULL ? value : "null", value != NULL);
}

/* The resolved spec moves to another folder: a relative path would point elsewhere from there. */
static stele__node *put_path(stele__node *at, const char *key, const char *value)
{
    char folder[PATH_MAX];
    if (value == NULL || value[0] == '/' || value[0] == '\0' ||
        getcwd(folder, sizeof folder) == NULL) {
        return put_str(at, key, value);
    }
    stele__str s;
    stele__str_init(&s);
    stele__str_printf(&s, "%s/%s", folder, value);
    stele__node *node = s.data != NULL ? put_str(at, key, s.data) : NULL;
    stele__str_finish(&s);
    return node;
}

static stele_status put_list(stele__node *at, const char *key, const stele_option *row,
                             const void *field)
{
    stele_i64_list list;
    memcpy(&list, field, sizeof list); /* the three list types have one layout */
    int alone = list.n == 1 && (row->flags & STELE_OPT_SCALAR) != 0;
    stele__node *to = alone ? at : stele__node_put_sequence(at, key), *item = to;
    key = alone ? key : NULL;
    for (uint64_t i = 0; item != NULL && i < list.n; i++) {
        const void *v = list.v;
        item = row->type == STELE_OPT_I64_LIST   ? put_i64(to, key, ((const int64_t *)v)[i])
               : row->type == STELE_OPT_F64_LIST ? put_f64(to, key, ((const double *)v)[i])
                                                 : put_str(to, key, ((const char *const *)v)[i]);
    }
    return item != NULL ? STELE_OK : STELE_E_NOMEM;
}

static stele_status put_row(stele__node *at, const char *key, const stele_option *row,
                            const void *field)
{
    stele__node *node = NULL;
    int32_t small;
    int64_t i;
    double f;
    const char *s;
    switch (row->type) {
    case STELE_OPT_BOOL:
        memcpy(&small, field, sizeof small);
        node = stele__node_put_scalar(at, key, small ? "true" : "false", 0);
        break;
    case STELE_OPT_ENUM:
        memcpy(&small, field, sizeof small);
        node = stele__node_put_scalar(at, key, row->choices[small], 1);
        break;
    case STELE_OPT_I64:
        memcpy(&i, field, sizeof i);
        node = put_i64(at, key, i);
        break;
    case STELE_OPT_F64:
        memcpy(&f, field, sizeof f);
        node = put_f64(at, key, f);
        break;
    case STELE_OPT_STR:
    case STELE_OPT_PATH:
        memcpy(&s, field, sizeof s);
        node = row->type == STELE_OPT_STR ? put_str(at, key, s) : put_path(at, key, s);
        break;
    default: return put_list(at, key, row, field);
    }
    return node != NULL ? STELE_OK : STELE_E_NOMEM;
}

stele_status stele__config_put(const stele__config *config, stele__node *mapping)
{
    const stele__table *table = stele__config_table(config);
    stele_status status = STELE_OK;
    for (uint32_t i = 0; i < table->n && status == STELE_OK; i++) {
        stele_option row = stele__table_row(table, i);
        const char *dot = strchr(row.name, '.');
        stele__node *at = mapping;
        /* A deprecated key would only bring its warning back. */
        if ((row.flags & STELE_OPT_DEPRECATED) != 0 && !stele__config_given(config, row.name)) {
            continue;
        }
        if (dot != NULL) {
            char *head = stele__strndup(row.name, (size_t)(dot - row.name));
            at = head != NULL ? stele__node_put_mapping(mapping, head) : NULL;
            stele__free(head);
        }
        status = at != NULL ? put_row(at, dot != NULL ? dot + 1 : row.name, &row,
                                      (const char *)stele__config_values(config) + row.offset)
                            : STELE_E_NOMEM;
    }
    return status;
}
