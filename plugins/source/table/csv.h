/* plugins/source/table: CSV and TSV files, plain or packed with gzip, as a source of rows.
 *
 * csv.h - what the files of this plugin share. When a source is built its files are walked through
 * once: where each row begins, its id, what each column holds. Reading parses the asked rows again,
 * so that memory goes with the rows' number and a chunk, never with the size of a file. */
#ifndef CSV_H
#define CSV_H

#include <locale.h>
#include <pthread.h>
#include <stele/plugin.h>
#include <time.h>

/* --- strings.c: lists and sets of texts ------------------------------------------------------ */

typedef struct csv_strings {
    int64_t n;
    char *bytes;
    size_t len, capacity;
    size_t *at;     /* (n) offset into bytes, SIZE_MAX: missing */
    uint32_t *slot; /* hash table: number of a text + 1, 0 free; NULL: no set */
    size_t n_slots;
} csv_strings;

/* 0 on success, -1 without memory. text NULL: missing. */
int csv_strings_add(csv_strings *s, const char *text, size_t len);
/* Add unless it is there: 1 added, 0 there, -1 without memory. Either way its number. */
int csv_strings_put(csv_strings *s, const char *text, size_t len, int64_t *ret_index);
/* Number of a text that was put; -1 if there is none. */
int64_t csv_strings_find(const csv_strings *s, const char *text, size_t len);
const char *csv_strings_get(const csv_strings *s, int64_t i);
/* Put the texts into the order of their bytes. 0 on success, -1 without memory. */
int csv_strings_sort(csv_strings *s);
void csv_strings_drop_set(csv_strings *s);
void csv_strings_finish(csv_strings *s);

/* --- input.c: files of text ------------------------------------------------------------------ */

typedef struct csv_file {
    char *path;
    int fd;        /* of the text: the file itself, or what it was unpacked to; -1: none */
    int64_t size;  /* of the text */
    int64_t text;  /* where the text begins: behind a byte order mark */
    int64_t rows;  /* where the rows begin: behind the header */
    int64_t first; /* number of its first row */
    char delimiter;
    int unpacked;
    struct timespec changed; /* when the file last did, before it was read */
} csv_file;

/* Open a file, unpack it if it starts like gzip. csv_file_close takes it either way. */
stele_status csv_file_open(const stele_host *host, const char *path, csv_file *ret);
void csv_file_close(csv_file *f);
/* Is it still the file that was opened? */
stele_status csv_file_check(const stele_host *host, const csv_file *f);
/* n bytes from `at` on, or E_IO. */
stele_status csv_file_read(const stele_host *host, const csv_file *f, int64_t at, size_t n,
                           char *ret);
/* Number of the line at a byte, from 1. */
long long csv_file_line(const csv_file *f, int64_t at);
/* Record a message about a file, with the line at byte `at` (-1: none), and return `code`. */
stele_status csv_fail(const stele_host *host, stele_status code, const csv_file *f, int64_t at,
                      const char *fmt, ...) STELE_PRINTF(5, 6);
stele_status csv_nomem(const stele_host *host, const csv_file *f);

/* --- record.c: from text to cells ------------------------------------------------------------ */

/* A decimal number in pieces: digits * 10^exponent. */
typedef struct csv_decimal {
    uint64_t digits; /* modulo 2^64 if there are more than 19 */
    int n_digits, exponent, negative, infinite;
} csv_decimal;

typedef struct csv_cell {
    const char *text; /* not terminated, but what follows cannot go on with a number */
    size_t len;
    int escaped;         /* quotes inside are still doubled; only while a record is being cut */
    int is_number;       /* it was seen to be one; else nothing is known */
    csv_decimal decimal; /* then its pieces */
} csv_cell;

/* Walks through the records of a part of a file: blank lines and comments are left out. */
typedef struct csv_reader {
    const stele_host *host;
    const csv_file *file;
    const char *comment; /* NULL or nothing: none */
    int64_t next, end; /* offsets: the first byte that is not in the buffer; the end of the part */
    char *buffer;
    size_t capacity, begin, fill; /* bytes begin .. fill - 1 of the buffer are not cut yet */
    csv_cell *cell;
    size_t n, cells;         /* of the record; room */
    int64_t at;              /* offset of the record */
    int64_t quote;           /* offset of a quote that is still open, -1: none */
    unsigned char stop[256]; /* bytes that end a cell without quotes */
} csv_reader;

void csv_reader_init(csv_reader *r, const stele_host *host, const char *comment);
/* Go to bytes begin .. end - 1 of a file, which are whole lines. */
void csv_reader_go(csv_reader *r, const csv_file *f, int64_t begin, int64_t end);
/* The next record; *ret_more is 0 at the end. Cells are valid until the next call. */
stele_status csv_reader_next(csv_reader *r, int *ret_more);
void csv_reader_finish(csv_reader *r);
/* The most frequent of comma, tab and semicolon in the first record of a file. */
stele_status csv_find_delimiter(const stele_host *host, const csv_file *f, const char *comment,
                                char *ret);

/* --- value.c: from cells to values ----------------------------------------------------------- */

enum { CSV_TEXT = 0, CSV_NUMBER = 1, CSV_MISSING = 2 };

typedef struct csv_values {
    stele_str_list missing;
    unsigned char first[256]; /* could a missing value start with this byte? */
    int empty;                /* is nothing at all a missing value? */
    locale_t c;
} csv_values;

stele_status csv_values_init(csv_values *v, const stele_host *host, stele_str_list missing);
void csv_values_finish(csv_values *v);
/* CSV_*: what a cell holds. Blanks around a number or a missing value do not count. */
int csv_kind(const csv_values *v, const csv_cell *cell);
/* The same with its value: the double nearest to the decimal, NaN if it is missing. */
int csv_value(const csv_values *v, const csv_cell *cell, double *ret);
/* A letter's small form, in ASCII alone: the locale has no say in what a table means. */
static inline char csv_fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}
/* Is a text of n bytes this word in small letters, capitals aside? */
int csv_is_word(const char *text, size_t n, const char *word);
/* The longest text from s on that is [+-] digits [. digits] [e [+-] digits] or an infinity: its
 * end, NULL if there is none. Something that cannot be part of it has to follow. */
const char *csv_scan_rest(const char *s, csv_decimal *d);
static inline const char *csv_scan_digits(const char *s, uint64_t *digits)
{
    for (; (unsigned char)(*s - '0') <= 9; s++) {
        *digits = 10 * *digits + (uint64_t)(*s - '0');
    }
    return s;
}
static inline const char *csv_scan(const char *s, csv_decimal *d)
{
    uint64_t digits = 0;
    int exponent = 0, negative = *s == '-';
    s += negative || *s == '+';
    const char *begin = s;
    s = csv_scan_digits(s, &digits);
    long n = s - begin;
    if (*s == '.') {
        begin = s + 1;
        s = csv_scan_digits(begin, &digits);
        n += s - begin;
        exponent = (int)(begin - s);
    }
    *d = (csv_decimal){ digits, (int)n, exponent, negative, 0 };
    return n > 0 && *s != 'e' && *s != 'E' ? s : csv_scan_rest(s, d);
}
/* At most a line's worth of a text for a message. */
enum { CSV_SHOWN = 64 };
const char *csv_show(const char *text, size_t len, char ret[CSV_SHOWN]);

/* --- the source ------------------------------------------------------------------------------ */

typedef struct csv_config {
    const char *path, *key, *key_else, *comment;
    stele_str_list columns, exclude, categories, texts, levels, missing, fallback;
    int32_t delimiter, numbered, sparse;
} csv_config;

/* What the options say about a column. */
enum {
    CSV_CHOSEN = 1,    /* a measurement, which has to be a number */
    CSV_IF_NUMBER = 2, /* a measurement if it turns out to be a number */
    CSV_EXCLUDED = 4,
    CSV_CLASSES = 8,
    CSV_TEXTS = 16,
    CSV_LEVELS = 32 /* a measurement by codes of its texts */
};

typedef struct csv_column {
    const char *name;
    unsigned asked; /* CSV_CHOSEN ... */
    uint32_t content;
    int64_t n_present;
    int64_t n_numbers;    /* of these, what reads like a number */
    int64_t first_text;   /* row of the first that is no number */
    int64_t fallback;     /* column that has the values this one lacks, -1: none */
    int is_number;        /* so far, all present values are */
    int late;             /* the first text came after numbers, which `category` lacks */
    int many;             /* too many different texts for classes */
    csv_strings category; /* different texts */
    csv_strings text;     /* TEXT, once it was asked for */
    int loaded;
} csv_column;

struct stele_inst {
    const stele_host *host;
    const csv_config *config;
    int new_rows; /* columns of labels that options name may be absent */
    csv_values values;
    csv_file *file;
    size_t n_files;
    csv_strings name; /* of the columns, in the order of the files */
    csv_column *column;
    size_t n_columns;
    int64_t key;      /* column of the row ids, -1: the row's number */
    int64_t key_else; /* column of the ids of rows that have none there, -1: they have to */
    /* rows, one file after the other */
    csv_strings id;
    int64_t *row_at; /* (n_rows) offset in its file */
    int32_t *seen;   /* (n_rows) a column with a number, -1: none; only while building */
    int64_t n_rows, row_capacity;
    /* measurements: columns, and the rows that have one of them; NULL: all rows do */
    int64_t *x_column, n_x;
    int64_t *x_row, n_x_rows;
    /* label fields, after the measurement if there is one */
    int64_t *label, n_labels;
    pthread_mutex_t lock; /* of the texts that are loaded late */
    int has_lock;
};

/* header.c: open the files, read their headers, settle which column is what. */
stele_status csv_open_files(stele_inst *s);
stele_status csv_read_header(stele_inst *s);
/* index.c: walk through all rows. */
stele_status csv_index(stele_inst *s);
/* fallback.c: which column completes which, before the rows are read, and whether both are labels
 * of numbers, after. */
stele_status csv_read_fallbacks(stele_inst *s);
stele_status csv_check_fallbacks(const stele_inst *s);
/* header.c: the message that a table has no such column, with one that is like it. */
stele_status csv_no_column(const stele_inst *s, const char *option, const char *word);
/* Name of a row for messages: its id, or its number. */
const char *csv_row_name(const stele_inst *s, int64_t row, char ret[CSV_SHOWN]);

/* rows.c: number of the file that has a row. */
size_t csv_file_of(const stele_inst *s, int64_t row);
/* Call `visit` for each of n rows (row NULL: 0 .. n - 1) with its cells. */
typedef stele_status csv_visit(void *ctx, uint64_t i, int64_t row, const csv_reader *r);
stele_status csv_visit_rows(const stele_inst *s, uint64_t n, const int64_t *row, csv_visit *visit,
                            void *ctx);
static inline int csv_is_level(const csv_column *c)
{
    return (c->asked & CSV_LEVELS) != 0;
}
/* A cell as a number; a message names the row. */
stele_status csv_cell_number(const stele_inst *s, const csv_reader *r, int64_t row, int64_t column,
                             double *ret);
/* Does a row have one of the measurements? n of them, ret (n). */
stele_status csv_rows_present(const stele_inst *s, uint64_t n, const int64_t *row,
                              unsigned char *ret);
/* Entries other than 0 of measured rows; the rows of a field. Rows are numbers of the table. */
stele_status csv_count(const stele_inst *s, uint64_t n, const int64_t *row, int64_t *ret_n);
stele_status csv_read_matrix(const stele_inst *s, const stele_read *r, const int64_t *row);
stele_status csv_read_label(stele_inst *s, int64_t column, const stele_read *r);

#endif
