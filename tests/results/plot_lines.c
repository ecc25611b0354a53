/* plot-lines OUT.png TITLE X-AXIS Y-AXIS: draws what standard input says in lines
 * NAME<tab>X<tab>VALUE, those of a name in one piece and by ascending X, as `stele sweep` draws its
 * figures: for the scripts beside this file. */
#include "plot/plot.h"

#include <stdio.h>
#include <string.h>

enum { MOST_LINES = 16, MOST_SETS = 256, MOST_VALUES = 4096, MOST_TEXT = 80 };

static char name[MOST_LINES][MOST_TEXT];
static stele__plot_line line[MOST_LINES];
static stele__plot_set set[MOST_SETS];
static double value[MOST_VALUES];

/* Number of lines, or -1. */
static int read_lines(FILE *in)
{
    char text[MOST_TEXT];
    double x = 0.0, y = 0.0;
    int n_lines = 0, n_sets = 0, n = 0;
    while (fscanf(in, "%79[^\t]%lf%lf ", text, &x, &y) == 3) {
        const int new_line = n_lines == 0 || strcmp(text, name[n_lines - 1]) != 0;
        if (n_lines + new_line > MOST_LINES || n_sets >= MOST_SETS || n >= MOST_VALUES) {
            return -1;
        }
        if (new_line) {
            strcpy(name[n_lines], text);
            line[n_lines] = (stele__plot_line){ .name = name[n_lines], .set = &set[n_sets] };
            n_lines++;
        }
        stele__plot_line *l = &line[n_lines - 1];
        if (l->n == 0 || set[n_sets - 1].x != x) {
            set[n_sets++] = (stele__plot_set){ .x = x, .value = &value[n] };
            l->n++;
        }
        value[n++] = y;
        set[n_sets - 1].n++;
    }
    return feof(in) ? n_lines : -1;
}

int main(int argc, char **argv)
{
    stele__diag diag;
    const int n = argc == 5 ? read_lines(stdin) : -1;
    if (n < 1) {
        fprintf(stderr, "usage: %s OUT.png TITLE X-AXIS Y-AXIS < lines of NAME, X, VALUE\n",
                argv[0]);
        return 2;
    }
    stele__diag_init(&diag);
    stele_status status =
        stele__plot_lines(argv[1], argv[2], argv[3], argv[4], 0, line, (size_t)n, &diag);
    for (size_t i = 0; i < diag.n; i++) {
        fprintf(stderr, "%s: %s\n", argv[0], diag.message[i].text);
    }
    stele__diag_finish(&diag);
    return status == STELE_OK ? 0 : 3;
}
