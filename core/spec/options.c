/* Tables of options: access, checks, and how a row is described. */
#include "spec/options.h"

#include "spec/scalar.h"

#include <float.h>
#include <math.h>
#include <string.h>

stele_option stele__table_row(const stele__table *table, uint32_t i)
{
    stele_option row;
    memset(&row, 0, sizeof row);
    size_t known = table->stride < sizeof row ? table->stride : sizeof row;
    memcpy(&row, (const char *)table->option + (size_t)i * table->stride, known);
    return row;
}

static size_t field_size(uint32_t type)
{
    switch (type) {
    case STELE_OPT_BOOL:
    case STELE_OPT_ENUM: return sizeof(int32_t);
    case STELE_OPT_I64: return sizeof(int64_t);
    case STELE_OPT_F64: return sizeof(double);
    case STELE_OPT_STR:
    case STELE_OPT_PATH: return sizeof(const char *);
    case STELE_OPT_I64_LIST: return sizeof(stele_i64_list);
    case STELE_OPT_F64_LIST: return sizeof(stele_f64_list);
    case STELE_OPT_STR_LIST: return sizeof(stele_str_list);
    default: return 0;
    }
}

/* Letters, digits, _ and -, in one part or two with a dot between. */
static int is_usable_name(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    size_t first = strspn(name, allowed);
    if (first == 0 || name[first] == '\0') {
        return first != 0;
    }
    size_t second = name[first] == '.' ? strspn(name + first + 1, allowed) : 0;
    return second != 0 && name[first + 1 + second] == '\0';
}

int stele__option_names_clash(const char *a, const char *b)
{
    size_t same = 0;
    while (a[same] != '\0' && a[same] == b[same]) {
        same++;
    }
    return (a[same] == '\0' || a[same] == '.') && (b[same] == '\0' || b[same] == '.');
}

static const char *row_defect(const stele__table *table, uint32_t i, size_t block_size)
{
    stele_option row = stele__table_row(table, i);
    size_t size = field_size(row.type);
    if (row.name == NULL || !is_usable_name(row.name)) {
        return "has a name that cannot be a key: letters, digits, _ and -, one dot at most";
    }
    if (row.help == NULL) {
        return "has no help text";
    }
    if (size == 0) {
        return "has a type that this host does not know";
    }
    if (row.offset > block_size || block_size - row.offset < size) {
        return "lies outside of its config block";
    }
    if (row.type == STELE_OPT_ENUM) {
        int64_t n = 0;
        while (row.choices != NULL && row.choices[n] != NULL) {
            n++;
        }
        if (n == 0 || row.def.i < 0 || row.def.i >= n) {
            return "has no choices, or a default that is none of them";
        }
    }
    if ((row.flags & STELE_OPT_SCALAR) != 0 && row.type < STELE_OPT_I64_LIST) {
        return "is no list, which a value alone could stand for";
    }
    for (uint32_t j = 0; j < i; j++) {
        if (stele__option_names_clash(stele__table_row(table, j).name, row.name)) {
            return "occurs twice, or is a value and a mapping at once";
        }
    }
    return NULL;
}

stele_status stele__table_check(const stele__table *table, size_t block_size, const char *who,
                                stele__diag *diag)
{
    if (table->n != 0 && (table->option == NULL || table->stride < sizeof(stele_option))) {
        return stele__diag_error(diag, STELE_E_ABI, NULL,
                                 "%s: the rows of its option table are smaller than in ABI %u.%u",
                                 who, STELE_ABI_MAJOR, STELE_ABI_MINOR);
    }
    for (uint32_t i = 0; i < table->n; i++) {
        const char *defect = row_defect(table, i, block_size);
        if (defect != NULL) {
            const char *name = stele__table_row(table, i).name;
            return stele__diag_error(diag, STELE_E_ABI, NULL, "%s: option %u (`%s`) %s", who, i,
                                     name != NULL ? name : "", defect);
        }
    }
    return STELE_OK;
}

void stele__option_type(const stele_option *option, stele__str *out)
{
    static const char *const names[] = {
        [STELE_OPT_BOOL] = "true or false",
        [STELE_OPT_I64] = "integer",
        [STELE_OPT_F64] = "number",
        [STELE_OPT_STR] = "text",
        [STELE_OPT_PATH] = "path",
        [STELE_OPT_I64_LIST] = "list of integers",
        [STELE_OPT_F64_LIST] = "list of numbers",
        [STELE_OPT_STR_LIST] = "list of texts",
    };
    if (option->type != STELE_OPT_ENUM) {
        if ((option->flags & STELE_OPT_SCALAR) != 0) {
            static const char *const one[] = { [STELE_OPT_I64_LIST] = "integer or ",
                                               [STELE_OPT_F64_LIST] = "number or ",
                                               [STELE_OPT_STR_LIST] = "text or " };
            stele__str_append(out, one[option->type]);
        }
        stele__str_append(out, names[option->type]);
        return;
    }
    for (size_t i = 0; option->choices[i] != NULL; i++) {
        const char *separator = i == 0 ? "" : option->choices[i + 1] != NULL ? ", " : " or ";
        stele__str_printf(out, "%s%s", separator, option->choices[i]);
    }
}

static void put_bound(stele__str *out, int is_float, stele_scalar v)
{
    if (is_float) {
        stele__scalar_put_f64(out, v.f);
    } else {
        stele__str_printf(out, "%lld", (long long)v.i);
    }
}

void stele__option_range(const stele_option *option, stele__str *out)
{
    int is_float = option->type == STELE_OPT_F64 || option->type == STELE_OPT_F64_LIST;
    int is_int = option->type == STELE_OPT_I64 || option->type == STELE_OPT_I64_LIST;
    stele_scalar lo = option->min, hi = option->max;
    if (!is_float && !is_int) {
        return;
    }
    if (is_float ? lo.f == 0 && hi.f == 0 : lo.i == 0 && hi.i == 0) {
        return;
    }
    int has_lo = is_float ? lo.f > -DBL_MAX : lo.i > INT64_MIN;
    int has_hi = is_float ? hi.f < DBL_MAX : hi.i < INT64_MAX;
    if (has_lo && has_hi && (is_float ? lo.f == hi.f : lo.i == hi.i)) {
        put_bound(out, is_float, lo);
    } else if (has_lo && has_hi) {
        put_bound(out, is_float, lo);
        stele__str_append(out, " to ");
        put_bound(out, is_float, hi);
    } else if (has_lo) {
        stele__str_append(out, "at least ");
        put_bound(out, is_float, lo);
    } else if (has_hi) {
        stele__str_append(out, "at most ");
        put_bound(out, is_float, hi);
    }
}

void stele__option_default(const stele_option *option, stele__str *out)
{
    if ((option->flags & STELE_OPT_REQUIRED) != 0) {
        return;
    }
    switch (option->type) {
    case STELE_OPT_BOOL: stele__str_append(out, option->def.i ? "true" : "false"); break;
    case STELE_OPT_I64: stele__str_printf(out, "%lld", (long long)option->def.i); break;
    case STELE_OPT_F64: stele__scalar_put_f64(out, option->def.f); break;
    case STELE_OPT_ENUM: stele__str_append(out, option->choices[option->def.i]); break;
    case STELE_OPT_STR:
    case STELE_OPT_PATH: stele__str_append(out, option->def.s != NULL ? option->def.s : ""); break;
    default: stele__str_append(out, option->def.s != NULL ? option->def.s : "[]"); break;
    }
}

void stele__option_describe(const stele_option *option, stele__str *out)
{
    stele__str part;
    stele__str_init(&part);
    stele__option_type(option, out);
    stele__option_range(option, &part);
    if (part.len != 0) {
        stele__str_printf(out, ", %s", part.data);
    }
    stele__str_finish(&part);
    stele__option_default(option, &part);
    if ((option->flags & STELE_OPT_REQUIRED) != 0) {
        stele__str_append(out, ", required");
    } else if (part.len != 0) {
        stele__str_printf(out, ", default %s", part.data);
    }
    stele__str_finish(&part);
}
