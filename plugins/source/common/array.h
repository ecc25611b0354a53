/* array.h - a source made of dense arrays in files: npy and idx. Rows lie along each array's first
 * axis and are the same in all of them; an array of one dimension is a label, a number or a text
 * per row; the others are measurements whose rows have the shape of the further axes. Numbers stay
 * in the file until they are read. */
#ifndef SOURCE_ARRAY_H
#define SOURCE_ARRAY_H

#include "input.h"

enum {
    ELEMENT_U8 = 1,
    ELEMENT_I8,
    ELEMENT_U16,
    ELEMENT_I16,
    ELEMENT_U32,
    ELEMENT_I32,
    ELEMENT_U64,
    ELEMENT_I64,
    ELEMENT_F16,
    ELEMENT_F32,
    ELEMENT_F64
};

#define ARRAY_MAX_DIMS 5

typedef struct array {
    char *name;     /* of the field */
    uint64_t given; /* which of `files` it is */
    input *in;
    int64_t begin;            /* byte of the first element */
    int element;              /* ELEMENT_* */
    int big_endian;           /* else little-endian */
    int columns_first;        /* the first index runs fastest, as in Fortran */
    uint32_t n_dims, is_part; /* is_part: of an array before it, to which `in` belongs */
    int64_t dim[ARRAY_MAX_DIMS];
    int64_t first, end; /* of a part: which of the first axis of its rows are its own */
    int channels_last;  /* the last axis of a row is given as its first one */
    int32_t *code;      /* of texts: (rows) numbers of categories, -1 where the text is empty */
    texts category;     /* by the alphabet */
} array;

/* Options that both plugins have. */
typedef struct array_config {
    const char *path;
    stele_str_list files, names;
    const char *key;
    stele_str_list parts, channels_last;
} array_config;

struct stele_inst {
    const stele_host *host;
    const array_config *config;
    int new_rows; /* arrays that options name may be absent */
    int64_t n_rows;
    texts id;
    array *array;
    uint32_t n_arrays;
};

size_t array_element_size(int element);
/* Elements of one row, as it is in the file. */
int64_t array_width(const array *a);
/* The extent of the first axis of a row, as the field has it. */
int64_t array_channels(const array *a);
/* Fill in `begin` and what follows it from the bytes of a->in. */
typedef stele_status array_parse(array *a);
/* Do the bytes of the numbers, from a->begin to the end of the content, fit the shape? */
stele_status array_check_size(const array *a);

/* Slots that do not depend on the format. */
stele_status array_source_create(const stele_create_args *a, stele_inst **ret);
void array_source_destroy(stele_inst *s);
/* Make an array of texts of its rows, which have been read. */
stele_status array_take_texts(array *a, const texts *rows);
/* A vtable but for `build`. */
#define ARRAY_SOURCE_SLOTS                                                                         \
    .create = array_source_create, .destroy = array_source_destroy, .n_axes = array_source_n_axes, \
    .n_rows = array_source_n_rows, .row_id = array_source_row_id,                                  \
    .n_fields = array_source_n_fields, .field = array_source_field,                                \
    .feature_name = array_source_no_name, .category = array_source_category,                       \
    .count = array_source_count, .read = array_source_read
uint32_t array_source_n_axes(const stele_inst *s);
int64_t array_source_n_rows(const stele_inst *s, uint32_t axis);
const char *array_source_row_id(const stele_inst *s, uint32_t axis, int64_t row);
uint32_t array_source_n_fields(const stele_inst *s);
stele_status array_source_field(const stele_inst *s, uint32_t index, stele_field *ret);
const char *array_source_no_name(const stele_inst *s, uint32_t index, int64_t number);
const char *array_source_category(const stele_inst *s, uint32_t index, int64_t number);
stele_status array_source_count(const stele_inst *s, uint32_t index, uint64_t n, const int64_t *row,
                                int64_t *ret_n);
stele_status array_source_read(const stele_inst *s, const stele_read *r);

/* Is `path` a folder? */
int array_source_is_folder(const stele_inst *s);
/* Steps of build. Take over `in` and a copy of the name, then parse. */
stele_status array_source_add(stele_inst *s, input *in, const char *name, size_t name_len,
                              array_parse *parse);
/* Add the file `path`, or if it is a folder the `files` in it. `stem` gives the length of what a
 * file's name has before its ending. */
stele_status array_source_open(stele_inst *s, array_parse *parse, size_t (*stem)(const char *name));
/* Is there a file of the name that `key` gives, beside the arrays? */
int array_source_has_key(const stele_inst *s);
/* `key`, opened: a file beside the arrays. Only if it is given. */
stele_status array_source_open_key(const stele_inst *s, input **ret);
/* Ids from `key` (an opened file of lines, NULL: row numbers unless there are ids), names from
 * `names`; do all arrays agree? */
stele_status array_source_finish(stele_inst *s, input *key);

#endif
