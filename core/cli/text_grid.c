#include "cli/text_grid.h"

#include "base/mem.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

void stele__grid_finish(stele__grid *t)
{
    stele__free(t->cell);
    *t = (stele__grid){ .style = t->style };
}

/* Rows up to `row` exist afterwards, if there is memory for them. */
static int make_row(stele__grid *t, int row)
{
    if (row < t->rows) {
        return 1;
    }
    void *more = stele__realloc(t->cell, (size_t)(row + 1) * sizeof *t->cell);
    if (more == NULL) {
        return 0;
    }
    t->cell = more;
    memset(t->cell + t->rows, 0, (size_t)(row + 1 - t->rows) * sizeof *t->cell);
    t->rows = row + 1;
    return 1;
}

void stele__grid_put(stele__grid *t, int row, int column, const char *text)
{
    if (column < STELE__MOST_COLUMNS && make_row(t, row)) {
        snprintf(t->cell[row][column], STELE__CELL, "%s", text);
        for (char *c = t->cell[row][column]; *c != '\0'; c++) {
            *c = (unsigned char)*c < ' ' || *c == 0x7f ? ' ' : *c;
        }
        t->columns = column + 1 > t->columns ? column + 1 : t->columns;
    }
}

void stele__grid_number(stele__grid *t, int row, int column, const json_t *value,
                        const json_t *interval, int decimals)
{
    char text[STELE__CELL] = "-";
    const json_t *low = json_array_get(interval, 0), *high = json_array_get(interval, 1);
    if (json_is_number(value) && t->style.intervals && json_is_number(low)) {
        snprintf(text, sizeof text, "%.*f [%.*f, %.*f]", decimals, json_number_value(value),
                 decimals, json_number_value(low), decimals, json_number_value(high));
    } else if (json_is_number(value)) {
        snprintf(text, sizeof text, "%.*f", decimals, json_number_value(value));
    }
    stele__grid_put(t, row, column, text);
}

void stele__grid_figure(stele__grid *t, int row, int column, const json_t *object, const char *key,
                        int decimals)
{
    stele__grid_number(t, row, column, json_object_get(object, key),
                       json_object_get(json_object_get(object, "intervals"), key), decimals);
}

static void print_markdown(const stele__grid *t)
{
    for (int r = 0; r < t->rows; r++) {
        for (int c = 0; c < t->columns; c++) {
            fputs(c == 0 ? "| " : " | ", stdout);
            stele__str cell;
            stele__str_init(&cell);
            stele__str_append_cell(&cell, t->cell[r][c]);
            fputs(cell.failed || cell.data == NULL ? "" : cell.data, stdout);
            stele__str_finish(&cell);
        }
        puts(" |");
        for (int c = 0; r == 0 && c < t->columns; c++) {
            fputs(c == 0 ? "|---" : "|---:", stdout);
        }
        fputs(r == 0 ? "|\n" : "", stdout);
    }
}

void stele__grid_print(const stele__grid *t)
{
    if (t->style.markdown) {
        print_markdown(t);
        return;
    }
    for (int r = 0; r < t->rows; r++) {
        for (int c = 0; c < t->columns; c++) {
            int width = 0;
            for (int k = 0; k < t->rows; k++) {
                int n = (int)strlen(t->cell[k][c]);
                width = n > width ? n : width;
            }
            printf(c == 0 ? "%-*s" : "  %*s", width, t->cell[r][c]);
        }
        putchar('\n');
    }
}
