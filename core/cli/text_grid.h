/* text_grid.h - cells of text as an aligned table, or as one of Markdown. */
#ifndef STELE_CLI_TEXT_GRID_H
#define STELE_CLI_TEXT_GRID_H

#include <jansson.h>

enum { STELE__CELL = 80 };

/* How figures are shown. */
typedef struct stele__grid_style {
    int markdown;  /* as GitHub has it */
    int intervals; /* behind each figure that has one */
} stele__grid_style;

/* The first row is the head. A cell that memory has no room for is left out. */
typedef struct stele__grid {
    stele__grid_style style;
    int keys;                  /* columns that name a row, at the left; 0 is 1 */
    char (*cell)[STELE__CELL]; /* (rows, room), owned */
    int rows, columns, room;
} stele__grid;

void stele__grid_finish(stele__grid *t);
/* Ends of lines and other control characters become blanks: a row is a line. */
void stele__grid_put(stele__grid *t, int row, int column, const char *text);
/* The first column of this title, or a new one, in which the row has nothing yet. */
int stele__grid_column(stele__grid *t, int row, const char *title);
/* A number with its interval [low, high], which may be NULL or null. "-" for what is no number. */
void stele__grid_number(stele__grid *t, int row, int column, const json_t *value,
                        const json_t *interval, int decimals);
/* The figure `key` of an object, with its interval if the object has one. */
void stele__grid_figure(stele__grid *t, int row, int column, const json_t *object, const char *key,
                        int decimals);
/* "-" into every cell that is still empty: rows may lack a figure that others have. */
void stele__grid_fill(stele__grid *t);
/* To standard output; the first column is aligned left, the others right. What is too wide for a
 * terminal goes into several blocks of columns, which all have the keys; tables of Markdown stay
 * whole. */
void stele__grid_print(const stele__grid *t);

#endif
