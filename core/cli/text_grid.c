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

/* Of n rows or columns: what is kept for more. */
static int room_for(int n)
{
    int room = 8;
    while (room < n) {
        room *= 2;
    }
    return room;
}

/* Rows up to `row` and columns up to `column` exist afterwards, if there is memory for them. */
static int make_room(stele__grid *t, int row, int column)
{
    const int rows = row + 1 > t->rows ? row + 1 : t->rows;
    const int room = room_for(column + 1 > t->room ? column + 1 : t->room);
    if (room == t->room && room_for(rows) == room_for(t->rows)) {
        t->rows = rows;
        return 1;
    }
    char(*more)[STELE__CELL] = stele__calloc((size_t)room_for(rows) * (size_t)room, sizeof *more);
    if (more == NULL) {
        return 0;
    }
    for (int r = 0; r < t->rows; r++) {
        memcpy(more[r * room], t->cell[r * t->room], (size_t)t->columns * sizeof *more);
    }
    stele__free(t->cell);
    t->cell = more;
    t->rows = rows;
    t->room = room;
    return 1;
}

static const char *cell_at(const stele__grid *t, int row, int column)
{
    return t->cell[row * t->room + column];
}

/* Names may have line ends, which would break the table. */
static void clean(char cell[STELE__CELL], const char *text)
{
    snprintf(cell, STELE__CELL, "%s", text);
    for (char *c = cell; *c != '\0'; c++) {
        *c = (unsigned char)*c < ' ' || *c == 0x7f ? ' ' : *c;
    }
}

void stele__grid_put(stele__grid *t, int row, int column, const char *text)
{
    if (!make_room(t, row, column)) {
        return;
    }
    clean(t->cell[row * t->room + column], text);
    t->columns = column + 1 > t->columns ? column + 1 : t->columns;
}

int stele__grid_column(stele__grid *t, int row, const char *title)
{
    int column = 0;
    char shown[STELE__CELL];
    clean(shown, title);
    while (column < t->columns && (strcmp(cell_at(t, 0, column), shown) != 0 ||
                                   (row < t->rows && cell_at(t, row, column)[0] != '\0'))) {
        column++;
    }
    if (column == t->columns) {
        stele__grid_put(t, 0, column, title);
    }
    return column;
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

void stele__grid_fill(stele__grid *t)
{
    for (int r = 0; r < t->rows; r++) {
        for (int c = 0; c < t->columns; c++) {
            if (cell_at(t, r, c)[0] == '\0') {
                stele__grid_put(t, r, c, "-");
            }
        }
    }
}

static void print_markdown(const stele__grid *t)
{
    stele__str line;
    stele__str_init(&line);
    for (int r = 0; r < t->rows; r++) {
        for (int c = 0; c < t->columns; c++) {
            stele__str_append(&line, c == 0 ? "| " : " | ");
            stele__str_append_cell(&line, cell_at(t, r, c));
        }
        stele__str_append(&line, " |\n");
        for (int c = 0; r == 0 && c < t->columns; c++) {
            stele__str_append(&line, c == 0 ? "|---" : "|---:");
        }
        stele__str_append(&line, r == 0 ? "|\n" : "");
    }
    fputs(line.failed || line.data == NULL ? "" : line.data, stdout);
    stele__str_finish(&line);
}

/* Between columns; of a block at most; of a table that is kept whole all the same, as a block of
 * its last column or two would say little. */
enum { GAP = 2, WIDTH = 120, WIDTH_WHOLE = 140 };

static int width_of(const stele__grid *t, int column)
{
    int width = 0;
    for (int r = 0; r < t->rows; r++) {
        const int n = (int)strlen(cell_at(t, r, column));
        width = n > width ? n : width;
    }
    return width;
}

/* Columns `first` to `end` behind the keys. */
static void print_block(const stele__grid *t, const int *width, int keys, int first, int end)
{
    for (int r = 0; r < t->rows; r++) {
        for (int c = 0; c < end; c = c + 1 == keys ? first : c + 1) {
            printf(c == 0 ? "%-*s" : "  %*s", width[c], cell_at(t, r, c));
        }
        putchar('\n');
    }
}

static void print_text(const stele__grid *t, const int *width)
{
    const int keys = t->keys > 0 ? t->keys : 1;
    int all = -GAP, names = -GAP;
    for (int c = 0; c < t->columns; c++) {
        all += width[c] + GAP;
        names += c < keys ? width[c] + GAP : 0;
    }
    const int most = all <= WIDTH_WHOLE ? WIDTH_WHOLE : WIDTH;
    int first = keys;
    do {
        int end = first, n = names;
        while (end < t->columns && (end == first || n + GAP + width[end] <= most)) {
            n += GAP + width[end++];
        }
        fputs(first > keys ? "\n" : "", stdout);
        print_block(t, width, keys, first, end > first ? end : t->columns);
        first = end;
    } while (first < t->columns);
}

void stele__grid_print(const stele__grid *t)
{
    int *width = stele__calloc((size_t)t->columns + 1, sizeof *width);
    for (int c = 0; width != NULL && c < t->columns; c++) {
        width[c] = width_of(t, c);
    }
    if (t->style.markdown) {
        print_markdown(t);
    } else if (width != NULL) {
        print_text(t, width);
    }
    stele__free(width);
}
