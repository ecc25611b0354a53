/* text_grid.h - cells of text as an aligned table, or as one of Markdown. */
#ifndef STELE_CLI_TEXT_GRID_H
#define STELE_CLI_TEXT_GRID_H

#include <jansson.h>

enum { STELE__MOST_COLUMNS = 64, STELE__CELL = 80 };

/* How figures are shown. */
typedef struct stele__grid_style {
    int markdown;  /* as GitHub has it */
    int intervals; /* behind each figure that has one */
} stele__grid_style;

/* The first row is the head. A cell that memory or width has no room for is left out. */
typedef struct stele__grid {
    stele__grid_style style;
    char (*cell)[STELE__MOST_COLUMNS][STELE__CELL]; /* (rows), owned */
    int rows, columns;
} stele__grid;

void stele__grid_finish(stele__grid *t);
void stele__grid_put(stele__grid *t, int row, int column, const char *text);
/* A number with its interval [low, high], which may be NULL or null. "-" for what is no number. */
void stele__grid_number(stele__grid *t, int row, int column, const json_t *value,
                        const json_t *interval, int decimals);
/* The figure `key` of an object, with its interval if the object has one. */
void stele__grid_figure(stele__grid *t, int row, int column, const json_t *object, const char *key,
                        int decimals);
/* To standard output; the first column is aligned left, the others right. */
void stele__grid_print(const stele__grid *t);

#endif
