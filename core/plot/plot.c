#include "plot/plot.h"

#include "base/file.h"
#include "plot/axis.h"

#include <cairo.h>
#include <math.h>
#include <stdio.h>

enum {
    WIDTH = 960,
    MARGIN = 24,
    TOP = 52,
    BOTTOM = 64,
    ROW = 34,
    LEFT = 88,
    ASIDE = 7,
    MOST_LABEL = 420
};
static const double font = 14.0, title_font = 17.0;

/* Okabe and Ito's colours, which also differ for those who see fewer of them. */
static const double colours[][3] = { { 0.00, 0.45, 0.70 }, { 0.90, 0.62, 0.00 },
                                     { 0.00, 0.62, 0.45 }, { 0.80, 0.47, 0.65 },
                                     { 0.34, 0.71, 0.91 }, { 0.84, 0.37, 0.00 },
                                     { 0.60, 0.60, 0.20 }, { 0.30, 0.30, 0.30 } };
enum { N_COLOURS = sizeof colours / sizeof colours[0] };

typedef struct paper {
    cairo_surface_t *surface;
    cairo_t *c;
    double width, height;
} paper;

static void set_colour(const paper *p, size_t i, double strength)
{
    const double *rgb = colours[i % N_COLOURS];
    cairo_set_source_rgba(p->c, rgb[0], rgb[1], rgb[2], strength);
}

/* Lines beyond the colours are dashed, and by shorter dashes each time that colours start again. */
static void set_dash(const paper *p, size_t i)
{
    const double dash[] = { 12.0 / (double)(i / N_COLOURS + 1), 4.0 };
    cairo_set_dash(p->c, dash, i < N_COLOURS ? 0 : 2, 0.0);
}

static void set_grey(const paper *p, double shade)
{
    cairo_set_source_rgb(p->c, shade, shade, shade);
}

static paper open_paper(double width, double height)
{
    paper p = { .width = width, .height = height };
    p.surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)width, (int)height);
    p.c = cairo_create(p.surface);
    cairo_set_source_rgb(p.c, 1.0, 1.0, 1.0);
    cairo_paint(p.c);
    cairo_select_font_face(p.c, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(p.c, font);
    return p;
}

static double text_width(const paper *p, const char *text)
{
    cairo_text_extents_t e;
    cairo_text_extents(p->c, text, &e);
    return e.x_advance;
}

/* `align`: 0 begins at x, 0.5 is centred, 1 ends there. */
static void put_text(const paper *p, double x, double y, double align, const char *text)
{
    cairo_move_to(p->c, x - align * text_width(p, text), y);
    cairo_show_text(p->c, text);
}

static void put_title(const paper *p, const char *title)
{
    cairo_set_font_size(p->c, title_font);
    set_grey(p, 0.1);
    put_text(p, MARGIN, 32.0, 0.0, title);
    cairo_set_font_size(p->c, font);
}

static void put_segment(const paper *p, double x, double y, double to_x, double to_y)
{
    cairo_move_to(p->c, x, y);
    cairo_line_to(p->c, to_x, to_y);
    cairo_stroke(p->c);
}

static void put_dot(const paper *p, double x, double y, double radius)
{
    cairo_arc(p->c, x, y, radius, 0.0, 6.283185307179586);
    cairo_fill(p->c);
}

static stele_status write_bytes(const paper *p, const char *path, stele__diag *diag);

/* Finish a picture: write it whole, or not at all. */
static stele_status close_paper(paper *p, const char *path, stele__diag *diag)
{
    cairo_status_t drawn = cairo_status(p->c);
    stele_status status =
        drawn == CAIRO_STATUS_SUCCESS
            ? write_bytes(p, path, diag)
            : stele__diag_error(diag, drawn == CAIRO_STATUS_NO_MEMORY ? STELE_E_NOMEM : STELE_E_IO,
                                NULL, "%s: cannot be drawn: %s", path,
                                cairo_status_to_string(drawn));
    cairo_destroy(p->c);
    cairo_surface_destroy(p->surface);
    return status;
}

static cairo_status_t put_bytes(void *closure, const unsigned char *bytes, unsigned n)
{
    return stele__writer_write(closure, bytes, n) == 0 ? CAIRO_STATUS_SUCCESS
                                                       : CAIRO_STATUS_WRITE_ERROR;
}

static stele_status write_bytes(const paper *p, const char *path, stele__diag *diag)
{
    stele__writer w;
    stele_status status = stele__writer_open(&w, path, diag);
    if (status != STELE_OK) {
        return status;
    }
    /* A failed write shows in commit, anything else is memory. */
    cairo_status_t written = cairo_surface_write_to_png_stream(p->surface, put_bytes, &w);
    if (written != CAIRO_STATUS_SUCCESS && written != CAIRO_STATUS_WRITE_ERROR) {
        stele__writer_abandon(&w);
        return STELE_E_NOMEM;
    }
    return stele__writer_commit(&w, diag);
}

typedef struct summary {
    double mean, sd;
    size_t n; /* finite ones */
} summary;

static summary summarise(const stele__plot_set *set)
{
    summary s = { 0 };
    double squares = 0.0;
    for (size_t i = 0; i < set->n; i++) {
        if (isfinite(set->value[i])) {
            s.mean += set->value[i];
            s.n++;
        }
    }
    s.mean /= (double)(s.n > 0 ? s.n : 1);
    for (size_t i = 0; i < set->n; i++) {
        double d = isfinite(set->value[i]) ? set->value[i] - s.mean : 0.0;
        squares += d * d;
    }
    s.sd = s.n > 1 ? sqrt(squares / (double)(s.n - 1)) : 0.0;
    return s;
}

/* Everything that a set shows lies within *low .. *high afterwards. */
static void widen(const stele__plot_set *set, double *low, double *high)
{
    summary s = summarise(set);
    for (size_t i = 0; i < set->n; i++) {
        if (isfinite(set->value[i])) {
            *low = fmin(*low, fmin(set->value[i], s.mean - s.sd));
            *high = fmax(*high, fmax(set->value[i], s.mean + s.sd));
        }
    }
}

static void put_horizontal_axis(const paper *p, const stele__plot_axis *axis, double top,
                                double bottom, const char *name)
{
    double value;
    char text[40];
    cairo_set_line_width(p->c, 1.0);
    for (int i = 0; stele__plot_tick(axis, i, &value); i++) {
        double x = floor(stele__plot_place(axis, value)) + 0.5;
        snprintf(text, sizeof text, "%.4g", value);
        set_grey(p, 0.88);
        put_segment(p, x, top, x, bottom);
        set_grey(p, 0.25);
        put_text(p, x, bottom + 20.0, 0.5, text);
    }
    put_text(p, 0.5 * (axis->from + axis->to), bottom + 44.0, 0.5, name);
}

/* Names of groups are cut where they would leave no room for the values. */
static void put_group_name(const paper *p, const char *name, double right, double y)
{
    cairo_save(p->c);
    cairo_rectangle(p->c, MARGIN, y - ROW, right - MARGIN, 2.0 * ROW);
    cairo_clip(p->c);
    set_grey(p, 0.1);
    if (text_width(p, name) > right - MARGIN) {
        put_text(p, MARGIN, y, 0.0, name);
    } else {
        put_text(p, right, y, 1.0, name);
    }
    cairo_restore(p->c);
}

static void put_group(const paper *p, const stele__plot_axis *axis, const stele__plot_set *set,
                      double y)
{
    summary s = summarise(set);
    size_t colour = set->marked ? 5 : 0;
    if (s.n == 0) {
        set_grey(p, 0.6);
        put_text(p, axis->from + 16.0, y + 5.0, 0.0, "no value");
        return;
    }
    double x = stele__plot_place(axis, s.mean);
    set_colour(p, colour, 1.0);
    cairo_set_line_width(p->c, 2.0);
    put_segment(p, stele__plot_place(axis, s.mean - s.sd), y,
                stele__plot_place(axis, s.mean + s.sd), y);
    cairo_set_line_width(p->c, 3.0);
    put_segment(p, x, y - 9.0, x, y + 9.0);
    set_colour(p, colour, 0.45);
    for (size_t i = 0; i < set->n; i++) {
        if (isfinite(set->value[i])) {
            put_dot(p, stele__plot_place(axis, set->value[i]), y, 4.5);
        }
    }
}

stele_status stele__plot_groups(const char *path, const char *title, const char *axis_name,
                                const stele__plot_set *set, size_t n, stele__diag *diag)
{
    double low = INFINITY, high = -INFINITY, label = 0.0;
    paper p = open_paper(WIDTH, TOP + BOTTOM + ROW * (double)n);
    for (size_t i = 0; i < n; i++) {
        widen(&set[i], &low, &high);
        label = fmax(label, text_width(&p, set[i].name));
    }
    label = MARGIN + fmin(label, MOST_LABEL);
    low = low <= high ? low : 0.0;
    high = low <= high ? high : 1.0;
    stele__plot_axis axis =
        stele__plot_axis_make(low, high, label + 16.0, p.width - 2.0 * MARGIN, 6, 0);
    put_title(&p, title);
    put_horizontal_axis(&p, &axis, TOP, p.height - BOTTOM, axis_name);
    for (size_t i = 0; i < n; i++) {
        double y = TOP + ROW * ((double)i + 0.5);
        put_group_name(&p, set[i].name, label, y + 5.0);
        put_group(&p, &axis, &set[i], y);
    }
    return close_paper(&p, path, diag);
}

static void put_vertical_axis(const paper *p, const stele__plot_axis *axis, double left,
                              double right)
{
    double value;
    char text[40];
    cairo_set_line_width(p->c, 1.0);
    for (int i = 0; stele__plot_tick(axis, i, &value); i++) {
        double y = floor(stele__plot_place(axis, value)) + 0.5;
        snprintf(text, sizeof text, "%.5g", value);
        set_grey(p, 0.88);
        put_segment(p, left, y, right, y);
        set_grey(p, 0.25);
        put_text(p, left - 8.0, y + 5.0, 1.0, text);
    }
}

/* `aside` keeps lines that share their places from hiding each other. */
static void put_line(const paper *p, const stele__plot_axis *x, const stele__plot_axis *y,
                     const stele__plot_line *line, size_t colour, double aside)
{
    int begun = 0;
    set_colour(p, colour, 1.0);
    cairo_set_line_width(p->c, 2.0);
    set_dash(p, colour);
    for (size_t i = 0; i < line->n; i++) {
        summary s = summarise(&line->set[i]);
        if (s.n > 0) {
            double at = stele__plot_place(x, line->set[i].x) + aside,
                   up = stele__plot_place(y, s.mean);
            (begun++ ? cairo_line_to : cairo_move_to)(p->c, at, up);
        }
    }
    cairo_stroke(p->c);
    set_dash(p, 0);
    for (size_t i = 0; i < line->n; i++) {
        summary s = summarise(&line->set[i]);
        double at = stele__plot_place(x, line->set[i].x) + aside;
        if (s.n == 0) {
            continue;
        }
        set_colour(p, colour, 1.0);
        put_segment(p, at, stele__plot_place(y, s.mean - s.sd), at,
                    stele__plot_place(y, s.mean + s.sd));
        put_segment(p, at - 7.0, stele__plot_place(y, s.mean), at + 7.0,
                    stele__plot_place(y, s.mean));
        set_colour(p, colour, 0.4);
        for (size_t k = 0; k < line->set[i].n; k++) {
            if (isfinite(line->set[i].value[k])) {
                put_dot(p, at, stele__plot_place(y, line->set[i].value[k]), 4.0);
            }
        }
    }
}

/* The legend stands above the lines, in rows. */
static double put_legend(const paper *p, const stele__plot_line *line, size_t n)
{
    double x = LEFT, y = TOP + 6.0;
    for (size_t i = 0; i < n; i++) {
        size_t n_values = 0;
        for (size_t k = 0; k < line[i].n; k++) {
            n_values += summarise(&line[i].set[k]).n;
        }
        if (line[i].name == NULL || n_values == 0) {
            continue;
        }
        double width = 30.0 + text_width(p, line[i].name) + 18.0;
        if (x + width > p->width - MARGIN && x > LEFT) {
            x = LEFT;
            y += 22.0;
        }
        set_colour(p, i, 1.0);
        cairo_set_line_width(p->c, 3.0);
        set_dash(p, i);
        put_segment(p, x, y - 5.0, x + 22.0, y - 5.0);
        set_dash(p, 0);
        set_grey(p, 0.1);
        put_text(p, x + 30.0, y, 0.0, line[i].name);
        x += width;
    }
    return y + 12.0;
}

stele_status stele__plot_lines(const char *path, const char *title, const char *x_axis,
                               const char *y_axis, int log_x, const stele__plot_line *line,
                               size_t n, stele__diag *diag)
{
    double low[2] = { INFINITY, INFINITY }, high[2] = { -INFINITY, -INFINITY };
    int whole = 1;
    paper p = open_paper(WIDTH, 560.0);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < line[i].n; k++) {
            low[0] = fmin(low[0], line[i].set[k].x);
            high[0] = fmax(high[0], line[i].set[k].x);
            whole &= line[i].set[k].x == floor(line[i].set[k].x);
            widen(&line[i].set[k], &low[1], &high[1]);
        }
    }
    if (!(low[1] <= high[1])) {
        low[1] = 0.0;
        high[1] = 1.0;
    }
    put_title(&p, title);
    double top = put_legend(&p, line, n) + 22.0, bottom = p.height - BOTTOM;
    stele__plot_axis x = stele__plot_axis_make(low[0], high[0], LEFT, p.width - MARGIN, 6, log_x);
    if (whole) { /* nothing was measured at half a modality */
        stele__plot_axis_whole(&x);
    }
    stele__plot_axis y = stele__plot_axis_make(low[1], high[1], bottom, top, 6, 0);
    set_grey(&p, 0.25);
    put_text(&p, MARGIN, top - 8.0, 0.0, y_axis);
    put_horizontal_axis(&p, &x, top, bottom, x_axis);
    put_vertical_axis(&p, &y, LEFT, p.width - MARGIN);
    for (size_t i = 0; i < n; i++) {
        put_line(&p, &x, &y, &line[i], i, ASIDE * ((double)i - 0.5 * (double)(n - 1)));
    }
    return close_paper(&p, path, diag);
}
