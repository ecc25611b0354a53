/* The header of a .npy file: magic, version, and a Python dictionary of type, order and shape.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
#include "npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC   "\x93NUMPY"
#define LEAD    12      /* magic, version, length of the dictionary: 10 or 12 bytes */
#define LONGEST 1048576 /* bytes of a dictionary; numpy writes 64 to 128 */

/* What the dictionary says. */
typedef struct header {
    array *a;
    char descr[32];
    char text;         /* 'U' or 'S' for texts, 0 for numbers */
    int64_t text_size; /* characters of each */
    int has_descr, has_order, has_shape;
    /* while it is parsed */
    const char *begin, *at;
    int64_t offset; /* of `begin` in the file */
} header;

/* --- the dictionary -------------------------------------------------------------------------- */

static stele_status unexpected(const header *h, const char *wanted)
{
    return input_fail(h->a->in, STELE_E_DATA, "its header is damaged at byte %lld: expected %s",
                      (long long)(h->offset + (h->at - h->begin)), wanted);
}

/* The next character that is no space; passed over if it is `c`. */
static int take(header *h, char c)
{
    h->at += strspn(h->at, " \t\n\r");
    if (*h->at != c) {
        return 0;
    }
    h->at++;
    return 1;
}

static int take_word(header *h, const char *word)
{
    size_t len = strlen(word);
    h->at += strspn(h->at, " \t\n\r");
    if (strncmp(h->at, word, len) != 0) {
        return 0;
    }
    h->at += len;
    return 1;
}

static stele_status take_text(header *h, char *ret, size_t capacity)
{
    char quote = take(h, '\'') ? '\'' : take(h, '"') ? '"' : '\0';
    const char *end = quote != '\0' ? strchr(h->at, quote) : NULL;
    if (end == NULL || (size_t)(end - h->at) >= capacity) {
        return unexpected(h, "a short text in quotes");
    }
    memcpy(ret, h->at, (size_t)(end - h->at));
    ret[end - h->at] = '\0';
    h->at = end + 1;
    return STELE_OK;
}

static stele_status take_shape(header *h)
{
    array *a = h->a;
    if (!take(h, '(')) {
        return unexpected(h, "a shape: (rows, ...)");
    }
    while (!take(h, ')')) {
        int64_t n = 0;
        if (*h->at < '0' || *h->at > '9') {
            return unexpected(h, "a whole number");
        }
        for (; *h->at >= '0' && *h->at <= '9'; h->at++) {
            if (n > INT64_MAX / 16) {
                return unexpected(h, "a number that is not that large");
            }
            n = n * 10 + (*h->at - '0');
        }
        h->at += *h->at == 'L'; /* Python 2 wrote it */
        if (a->n_dims < ARRAY_MAX_DIMS) {
            a->dim[a->n_dims] = n;
        }
        a->n_dims++;
        if (!take(h, ',') && *h->at != ')') {
            return unexpected(h, "`,` or `)`");
        }
    }
    return STELE_OK;
}

static stele_status take_value(header *h, const char *key)
{
    if (strcmp(key, "descr") == 0) {
        h->has_descr = 1;
        h->at += strspn(h->at, " ");
        if (*h->at == '[') {
            return input_fail(h->a->in, STELE_E_DATA,
                              "holds records with several columns; save every column as an array");
        }
        return take_text(h, h->descr, sizeof h->descr);
    }
    if (strcmp(key, "fortran_order") == 0) {
        h->has_order = 1;
        h->a->columns_first = take_word(h, "True");
        return h->a->columns_first || take_word(h, "False") ? STELE_OK
                                                            : unexpected(h, "True or False");
    }
    h->has_shape = 1;
    return strcmp(key, "shape") == 0 ? take_shape(h)
                                     : unexpected(h, "`descr`, `fortran_order` or `shape`");
}

static stele_status take_dictionary(header *h)
{
    char key[32];
    stele_status st = take(h, '{') ? STELE_OK : unexpected(h, "`{`");
    while (st == STELE_OK && !take(h, '}')) {
        st = take_text(h, key, sizeof key);
        if (st == STELE_OK && !take(h, ':')) {
            st = unexpected(h, "`:`");
        }
        st = st == STELE_OK ? take_value(h, key) : st;
        if (st == STELE_OK && !take(h, ',') && *h->at != '}') {
            st = unexpected(h, "`,` or `}`");
        }
    }
    if (st == STELE_OK && (!h->has_descr || !h->has_order || !h->has_shape)) {
        st = input_fail(h->a->in, STELE_E_DATA, "its header does not name the %s",
                        !h->has_descr   ? "type (`descr`)"
                        : !h->has_order ? "order (`fortran_order`)"
                                        : "`shape`");
    }
    return st;
}

/* --- types ----------------------------------------------------------------------------------- */

static stele_status unsupported(const header *h)
{
    const char *d = h->descr + strspn(h->descr, "<>=|");
    const char *what = *d == 'O'                ? "Python objects; save them as numbers"
                       : *d == 'c'              ? "complex numbers; save real and imaginary part"
                       : *d == 'M' || *d == 'm' ? "times; save them as numbers"
                       : *d == 'V'              ? "records or raw bytes"
                                                : "a type that is not known here";
    return input_fail(h->a->in, STELE_E_DATA, "has elements of type `%s`: %s", h->descr, what);
}

/* "<f4": byte order, kind, bytes. */
static stele_status take_type(header *h)
{
    static const struct {
        const char *name;
        int element;
    } known[] = { { "b1", ELEMENT_U8 },  { "u1", ELEMENT_U8 },  { "i1", ELEMENT_I8 },
                  { "u2", ELEMENT_U16 }, { "i2", ELEMENT_I16 }, { "u4", ELEMENT_U32 },
                  { "i4", ELEMENT_I32 }, { "u8", ELEMENT_U64 }, { "i8", ELEMENT_I64 },
                  { "f2", ELEMENT_F16 }, { "f4", ELEMENT_F32 }, { "f8", ELEMENT_F64 } };
    const char *d = h->descr + (strchr("<>=|", h->descr[0]) != NULL && h->descr[0] != '\0');
    h->a->big_endian = h->descr[0] == '>';
    for (size_t k = 0; k < sizeof known / sizeof known[0]; k++) {
        if (strcmp(d, known[k].name) == 0) {
            h->a->element = known[k].element;
            return STELE_OK;
        }
    }
    char *end = NULL;
    long long size = *d == 'U' || *d == 'S' || *d == 'a' ? strtoll(d + 1, &end, 10) : -1;
    if (size < 1 || size > 65536 || *end != '\0') {
        return unsupported(h);
    }
    h->text = *d == 'U' ? 'U' : 'S';
    h->text_size = size;
    return STELE_OK;
}

/* --- the whole header ------------------------------------------------------------------------ */

int npy_is_array(input *in)
{
    char magic[6];
    size_t n = 0;
    return input_read(in, 0, sizeof magic, magic, &n) == STELE_OK && n == sizeof magic &&
           memcmp(magic, MAGIC, sizeof magic) == 0;
}

/* Length of the dictionary; sets `offset`, where it begins. */
static stele_status read_lead(header *h, size_t *ret_len)
{
    input *in = h->a->in;
    unsigned char lead[LEAD] = { 0 };
    size_t n = 0;
    stele_status st = input_read(in, 0, LEAD, lead, &n);
    if (st != STELE_OK) {
        return st;
    }
    if (n < 6 || memcmp(lead, MAGIC, 6) != 0) {
        return input_fail(in, STELE_E_DATA,
                          "is no .npy file: it does not begin with the byte 0x93 and `NUMPY`");
    }
    if (n < LEAD) {
        return input_fail(in, STELE_E_DATA, "is cut short: it ends inside its header");
    }
    if (lead[6] < 1 || lead[6] > 3) {
        return input_fail(in, STELE_E_DATA,
                          "has version %d.%d of the .npy format; known are 1.0 to 3.0", lead[6],
                          lead[7]);
    }
    size_t len = (size_t)lead[8] | (size_t)lead[9] << 8;
    h->offset = 10;
    if (lead[6] > 1) {
        len |= (size_t)lead[10] << 16 | (size_t)lead[11] << 24;
        h->offset = 12;
    }
    if (len > LONGEST) {
        return input_fail(in, STELE_E_DATA, "its header claims to be %zu bytes long", len);
    }
    *ret_len = len;
    return STELE_OK;
}

static stele_status read_header(header *h)
{
    size_t len = 0, n = 0;
    stele_status st = read_lead(h, &len);
    char *text = st == STELE_OK ? malloc(len + 1) : NULL;
    if (text == NULL) {
        return st == STELE_OK ? input_nomem(h->a->in) : st;
    }
    st = input_read(h->a->in, h->offset, len, text, &n);
    if (st == STELE_OK && n < len) {
        st = input_fail(h->a->in, STELE_E_DATA, "is cut short: it ends inside its header");
    }
    text[st == STELE_OK ? len : 0] = '\0';
    h->begin = h->at = text;
    h->a->begin = h->offset + (int64_t)len;
    st = st == STELE_OK ? take_dictionary(h) : st;
    st = st == STELE_OK ? take_type(h) : st;
    free(text);
    if (st == STELE_OK && h->a->n_dims > ARRAY_MAX_DIMS) {
        st = input_fail(h->a->in, STELE_E_DATA, "has %u dimensions; possible are 1 to %d",
                        h->a->n_dims, ARRAY_MAX_DIMS);
    } else if (st == STELE_OK && h->a->n_dims == 0) {
        st = input_fail(h->a->in, STELE_E_DATA, "is a single number, without rows");
    }
    return st;
}

/* --- texts -------------------------------------------------------------------------------------
 */

/* NumPy's text: characters of four bytes, filled up with zeros, as UTF-8. */
static size_t to_utf8(const unsigned char *from, int64_t n, int big_endian, char *ret)
{
    size_t len = 0;
    for (int64_t i = 0; i < n; i++, from += 4) {
        uint32_t c = big_endian ? (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 |
                                      (uint32_t)from[2] << 8 | from[3]
                                : (uint32_t)from[3] << 24 | (uint32_t)from[2] << 16 |
                                      (uint32_t)from[1] << 8 | from[0];
        if (c == 0) {
            break;
        }
        c = c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0xfffd : c;
        if (c < 0x80) {
            ret[len++] = (char)c;
            continue;
        }
        int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
        ret[len++] = (char)((0xff00 >> (more + 1) & 0xff) | c >> 6 * more);
        while (more-- > 0) {
            ret[len++] = (char)(0x80 | (c >> 6 * more & 0x3f));
        }
    }
    return len;
}

static stele_status read_texts(const header *h, texts *ret)
{
    const array *a = h->a;
    size_t size = (size_t)h->text_size * (h->text == 'U' ? 4 : 1), n = 0;
    unsigned char *item = malloc(size);
    char *text = malloc(size + 1);
    stele_status st = item != NULL && text != NULL ? STELE_OK : input_nomem(a->in);
    for (int64_t i = 0; i < a->dim[0] && st == STELE_OK; i++) {
        st = input_read(a->in, a->begin + i * (int64_t)size, size, item, &n);
        if (st == STELE_OK && n < size) {
            st = input_fail(a->in, STELE_E_DATA, "is cut short: there are %lld of %lld texts",
                            (long long)i, (long long)a->dim[0]);
        }
        if (st == STELE_OK) {
            size_t len = h->text == 'U' ? to_utf8(item, h->text_size, a->big_endian, text)
                                        : strnlen((char *)item, size);
            st = texts_add(ret, h->text == 'U' ? text : (char *)item, len) == 0
                     ? STELE_OK
                     : input_nomem(a->in);
        }
    }
    free(item);
    free(text);
    return st;
}

/* A label of each row. */
static stele_status take_labels(header *h)
{
    texts rows = { 0 };
    if (h->a->n_dims != 1) {
        return input_fail(h->a->in, STELE_E_DATA,
                          "has elements of type `%s`: texts, of which a row has one; name the "
                          "arrays to read in `files`",
                          h->descr);
    }
    stele_status st =
        h->a->dim[0] > 0 ? read_texts(h, &rows) : input_fail(h->a->in, STELE_E_DATA, "has no rows");
    st = st == STELE_OK ? array_take_texts(h->a, &rows) : st;
    texts_finish(&rows);
    return st;
}

stele_status npy_parse(array *a)
{
    header h = { .a = a };
    stele_status st = read_header(&h);
    return st == STELE_OK && h.text != 0 ? take_labels(&h) : st;
}

/* --- ids -------------------------------------------------------------------------------------- */

static stele_status read_numbers(const header *h, texts *ret)
{
    const array *a = h->a;
    stele_inst alone = { .n_rows = a->dim[0], .array = h->a, .n_arrays = 1 };
    stele_status st = array_check_size(a);
    for (int64_t i = 0; i < a->dim[0] && st == STELE_OK; i++) {
        double v = 0;
        char text[32];
        stele_read r = { .struct_size = sizeof r, .n_rows = 1, .row = &i, .data = &v };
        st = array_source_read(&alone, &r);
        if (st == STELE_OK && !(v > -9e15 && v < 9e15 && v == (double)(int64_t)v)) {
            st = input_fail(a->in, STELE_E_DATA, "entry %lld is %g, which is no id", (long long)i,
                            v);
        }
        if (st == STELE_OK) {
            int len = snprintf(text, sizeof text, "%lld", (long long)v);
            st = texts_add(ret, text, (size_t)len) == 0 ? STELE_OK : input_nomem(a->in);
        }
    }
    return st;
}

stele_status npy_read_ids(input *in, texts *ret)
{
    array a = { .in = in };
    header h = { .a = &a };
    int64_t first = 0, second = 0;
    stele_status st = read_header(&h);
    if (st == STELE_OK && a.n_dims != 1) {
        st = input_fail(in, STELE_E_DATA, "has %u dimensions; ids have one", a.n_dims);
    }
    st = st != STELE_OK ? st : h.text != 0 ? read_texts(&h, ret) : read_numbers(&h, ret);
    int twice = st == STELE_OK ? texts_find_twice(ret, &first, &second) : 0;
    if (twice < 0) {
        st = input_nomem(in);
    } else if (twice > 0) {
        st = input_fail(in, STELE_E_DATA, "entry %lld: the id `%s` is entry %lld already",
                        (long long)second, texts_at(ret, second), (long long)first);
    }
    return st;
}
