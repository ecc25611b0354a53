/* plugins/source/jsonl: JSON Lines, an object per line, plain or packed with gzip, as a source of
 * rows: numbers and strings as labels, lists of numbers, texts and images as measurements.
 *
 * jsonl.h - what the files of this plugin share. When a source is built its files are walked
 * through once: where each object lies, its id, what each key holds, how large each image is.
 * Reading parses the asked objects again and decodes their images, so that memory goes with the
 * number of rows and a chunk, never with the size of a file. */
#ifndef JSONL_H
#define JSONL_H

#include "input.h"

#include <jansson.h>
#include <pthread.h>
#include <stele/plugin.h>

typedef struct jsonl_config {
    const char *path, *key;
    stele_str_list texts, images, exclude;
    stele_i64_list size;
    int64_t text_bytes;
    int32_t grey, numbered;
} jsonl_config;

typedef struct jsonl_file {
    char *path;
    input *in;
} jsonl_file;

/* Where an object lies. */
typedef struct jsonl_row {
    int64_t at, line;
    int32_t len;
    uint32_t file;
} jsonl_row;

/* What a key's values are, nulls aside. */
enum {
    JSONL_UNKNOWN = 0, /* none so far */
    JSONL_NUMBER,
    JSONL_BOOLEAN,
    JSONL_STRING,
    JSONL_NUMBERS, /* a list of numbers or nulls, always as long */
    JSONL_TEXT,    /* strings that `texts` names */
    JSONL_IMAGE,   /* paths that `images` names */
    JSONL_OTHER    /* objects, and lists of something else: left out */
};

typedef struct jsonl_key {
    char *name;
    int kind;
    int64_t first; /* row of the first value */
    int64_t n;     /* NUMBERS: length of the list */
    uint32_t h, w; /* IMAGE: of all images, or as `size` asks for */
    int64_t *row;  /* (n_present) rows with a value */
    int64_t n_present, capacity;
    int64_t n_cut; /* TEXT: longer than they may be */
    uint32_t axis; /* measurements: 0 where no row lacks it */
    texts label;   /* STRING: its values, once they were asked for */
    int loaded;
} jsonl_key;

struct stele_inst {
    const stele_host *host;
    const jsonl_config *config;
    int new_rows; /* what options name may be absent */
    jsonl_file *file;
    uint32_t n_files;
    jsonl_row *row;
    int64_t n_rows, row_capacity;
    texts id;
    const char *id_key; /* NULL: rows are numbered */
    jsonl_key *key;
    uint32_t n_keys;
    uint32_t *field; /* (n_fields) keys that are a field */
    uint32_t n_fields;
    uint32_t *axis_key; /* (n_axes) key whose rows an axis has; the first axis has all */
    uint32_t n_axes;
    pthread_mutex_t lock; /* of the labels that are loaded late */
    int has_lock;
};

/* Record a message about a line of a file, "path: FILE: line N: ...", and return `code`. */
stele_status jsonl_fail(const stele_inst *s, stele_status code, const jsonl_file *f, int64_t line,
                        const char *fmt, ...) STELE_PRINTF(5, 6);
stele_status jsonl_nomem(const stele_inst *s);

/* scan.c: open the files and walk through them. */
stele_status jsonl_open(stele_inst *s);
stele_status jsonl_scan(stele_inst *s);
/* An object, parsed; *ret is the caller's. */
stele_status jsonl_parse(const stele_inst *s, uint32_t file, int64_t line, const char *text,
                         size_t len, json_t **ret);

/* Path of an image that a file names, from that file's folder; the caller's, NULL without memory.
 */
char *jsonl_image_path(const jsonl_file *f, const char *name);

/* Bytes of a text that count: whole letters, at most `text_bytes`. */
int64_t jsonl_text_length(const stele_inst *s, const json_t *text);

/* rows.c: numbers of elements and values of a field; rows are numbers of objects. */
stele_status jsonl_count(const stele_inst *s, const jsonl_key *k, uint64_t n, const int64_t *row,
                         int64_t *ret_n);
stele_status jsonl_read(stele_inst *s, jsonl_key *k, const stele_read *r, const int64_t *row);

/* --- image.c: PNG and JPEG -------------------------------------------------------------------- */

/* No image with more pixels is decoded: a file of a few bytes can claim any number. */
#define IMAGE_MOST_PIXELS (INT64_C(1) << 26)

enum { IMAGE_MESSAGE = 160 };

/* Extents that an image's header claims; E_DATA or E_IO and a message if it is none. */
stele_status jsonl_image_size(const char *path, uint32_t *ret_h, uint32_t *ret_w,
                              char ret_message[IMAGE_MESSAGE]);
/* Its pixels as (channels, h, w) bytes, 1 channel if it is to be grey, else red, green and blue;
 * what is transparent lies on white. Another size than its own is reached by averaging over what a
 * pixel covers (where it shrinks) or by linear interpolation (where it grows). */
stele_status jsonl_image_read(const char *path, int grey, uint32_t h, uint32_t w,
                              unsigned char *ret, char ret_message[IMAGE_MESSAGE]);
/* Resample (h, w, channels) bytes into (channels, to_h, to_w); 0, or -1 without memory. */
int jsonl_image_resample(const unsigned char *from, uint32_t h, uint32_t w, uint32_t channels,
                         uint32_t to_h, uint32_t to_w, unsigned char *ret);

#endif
