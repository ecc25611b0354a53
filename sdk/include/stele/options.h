/* stele/options.h - options of a plugin as one table of rows.
 *
 * The table drives parsing into the config block, type and range checks with the position in the spec, `stele help`,
 * the JSON Schema of `stele schema` and the reference pages. Keys that are not in the table are errors.
 */
#ifndef STELE_OPTIONS_H
#define STELE_OPTIONS_H

#include <stele/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Field types in the config block: BOOL int32_t, I64 int64_t, F64 double, STR and PATH const char * (NULL if unset),
 * ENUM int32_t (index into choices), lists stele_i64_list, stele_f64_list, stele_str_list. A PATH is resolved
 * against the folder of the spec that holds it. */
enum {
    STELE_OPT_BOOL = 1,
    STELE_OPT_I64,
    STELE_OPT_F64,
    STELE_OPT_STR,
    STELE_OPT_PATH,
    STELE_OPT_ENUM,
    STELE_OPT_I64_LIST,
    STELE_OPT_F64_LIST,
    STELE_OPT_STR_LIST
};

#define STELE_OPT_REQUIRED   (1u << 0) /* no default; a missing key is an error */
#define STELE_OPT_DEPRECATED (1u << 1) /* accepted with a warning that prints `help` */
#define STELE_OPT_ADVANCED   (1u << 2) /* left out of the short help */
#define STELE_OPT_SCALAR     (1u << 3) /* lists: a value alone stands for a list of one */

typedef union stele_scalar {
    int64_t i;
    double f;
    const char *s;
} stele_scalar;
typedef struct stele_i64_list {
    const int64_t *v;
    uint64_t n;
} stele_i64_list;
typedef struct stele_f64_list {
    const double *v;
    uint64_t n;
} stele_f64_list;
typedef struct stele_str_list {
    const char *const *v;
    uint64_t n;
} stele_str_list;

typedef struct stele_option {
    const char *name;           /* the YAML key, [A-Za-z0-9_-]; one dot nests: "encoder.hidden" is key `hidden` of the
                                   mapping `encoder` */
    const char *help;           /* one sentence; a missing key shows the first of several */
    const char *unit;           /* optional: "nats", "samples" */
    const char *const *choices; /* ENUM only: NULL-terminated */
    uint32_t type, flags;
    uint64_t offset;            /* into the config block */
    stele_scalar def, min, max; /* BOOL, ENUM, I64: i. F64: f. STR, PATH: s. Lists: def.s is YAML text, min and
                                   max bound each element. min == max == 0 means unbounded. */
    uint32_t since_minor, reserved;
} stele_option;

#ifdef __cplusplus
}
#endif

/* Row makers, C only: the type of the field is checked when the table is compiled. */
#ifndef __cplusplus
#define STELE_FIELD(type_, fld_, ctype_) _Generic(((type_ *)0)->fld_, ctype_ : offsetof(type_, fld_))

#define STELE_OPTION_BOOL(type_, fld_, key_, def_, help_)                                                              \
    {                                                                                                                  \
        .name = (key_), .help = (help_), .type = STELE_OPT_BOOL, .offset = STELE_FIELD(type_, fld_, int32_t), .def = { \
            .i = (def_)                                                                                                \
        }                                                                                                              \
    }
#define STELE_OPTION_I64(type_, fld_, key_, def_, lo_, hi_, help_)                                                     \
    {                                                                                                                  \
        .name = (key_), .help = (help_), .type = STELE_OPT_I64, .offset = STELE_FIELD(type_, fld_, int64_t),           \
        .def = { .i = (def_) }, .min = { .i = (lo_) }, .max = {                                                        \
            .i = (hi_)                                                                                                 \
        }                                                                                                              \
    }
#define STELE_OPTION_F64(type_, fld_, key_, def_, lo_, hi_, help_)                                                     \
    {                                                                                                                  \
        .name = (key_), .help = (help_), .type = STELE_OPT_F64, .offset = STELE_FIELD(type_, fld_, double),            \
        .def = { .f = (def_) }, .min = { .f = (lo_) }, .max = {                                                        \
            .f = (hi_)                                                                                                 \
        }                                                                                                              \
    }
#define STELE_OPTION_STR(type_, fld_, key_, def_, flags_, help_)                                                       \
    {                                                                                                                  \
        .name = (key_), .help = (help_), .type = STELE_OPT_STR, .flags = (flags_),                                     \
        .offset = STELE_FIELD(type_, fld_, const char *), .def = {                                                     \
            .s = (def_)                                                                                                \
        }                                                                                                              \
    }
#define STELE_OPTION_PATH(type_, fld_, key_, flags_, help_)                                                            \
    {                                                                                                                  \
        .name = (key_), .help = (help_), .type = STELE_OPT_PATH, .flags = (flags_),                                    \
        .offset = STELE_FIELD(type_, fld_, const char *)                                                               \
    }
#define STELE_OPTION_ENUM(type_, fld_, key_, choices_, def_, help_)                                                    \
    {                                                                                                                  \
        .name = (key_), .help = (help_), .choices = (choices_), .type = STELE_OPT_ENUM,                                \
        .offset = STELE_FIELD(type_, fld_, int32_t), .def = {                                                          \
            .i = (def_)                                                                                                \
        }                                                                                                              \
    }
#define STELE_OPTION_I64_LIST(type_, fld_, key_, def_, lo_, hi_, help_)                                                \
    {                                                                                                                  \
        .name = (key_), .help = (help_), .type = STELE_OPT_I64_LIST,                                                   \
        .offset = STELE_FIELD(type_, fld_, stele_i64_list), .def = { .s = (def_) }, .min = { .i = (lo_) }, .max = {    \
            .i = (hi_)                                                                                                 \
        }                                                                                                              \
    }
#define STELE_OPTION_F64_LIST(type_, fld_, key_, def_, lo_, hi_, help_)                                                \
    {                                                                                                                  \
        .name = (key_), .help = (help_), .type = STELE_OPT_F64_LIST,                                                   \
        .offset = STELE_FIELD(type_, fld_, stele_f64_list), .def = { .s = (def_) }, .min = { .f = (lo_) }, .max = {    \
            .f = (hi_)                                                                                                 \
        }                                                                                                              \
    }
#define STELE_OPTION_STR_LIST(type_, fld_, key_, def_, help_)                                                          \
    {                                                                                                                  \
        .name = (key_), .help = (help_), .type = STELE_OPT_STR_LIST,                                                   \
        .offset = STELE_FIELD(type_, fld_, stele_str_list), .def = {                                                   \
            .s = (def_)                                                                                                \
        }                                                                                                              \
    }

/* Members of a stele_plugin: the table and the config block that it fills. */
#define STELE_PLUGIN_OPTIONS(rows_, config_)                                                                           \
    .options = (rows_), .n_options = sizeof(rows_) / sizeof((rows_)[0]), .option_stride = sizeof((rows_)[0]),          \
    .config_size = sizeof(config_)

/* No tail padding: otherwise a new small field could hide in it and struct_size would not change. */
#define STELE_NO_TAIL(type_, last_)                                                                                    \
    _Static_assert(sizeof(type_) == offsetof(type_, last_) + sizeof(((type_ *)0)->last_), #type_ " has tail padding")

STELE_NO_TAIL(stele_shape, dim);
STELE_NO_TAIL(stele_dist, p);
STELE_NO_TAIL(stele_view, column);
STELE_NO_TAIL(stele_option, reserved);
#endif

#endif /* STELE_OPTIONS_H */
