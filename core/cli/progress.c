#include "cli/progress.h"

#include "base/mem.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

void stele__display_init(stele__display *d, int quiet)
{
    *d = (stele__display){ .terminal = isatty(STDERR_FILENO), .quiet = quiet };
}

static int terminal_width(void)
{
    struct winsize w;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 1 ? w.ws_col : 80;
}

static void append_heads(stele__str *s, const stele__model *m, const stele__loss_terms *terms)
{
    for (uint32_t i = 0; i < m->n_heads; i++) {
        if (terms->n_head[i] > 0) {
            stele__str_printf(s, "  %s loss %.3f", stele__head_short_name(&m->head[i]),
                              terms->head[i] / (double)terms->n_head[i]);
        }
    }
}

static void append_terms(stele__str *s, const stele__model *m, const stele__loss_terms *terms)
{
    stele__str_printf(s, "elbo %.2f  kl %.2f", terms->elbo, terms->divergence);
    for (uint32_t i = 0; i < m->n_modalities; i++) {
        if (terms->n_px[i] > 0) {
            stele__str_printf(s, "  %s %.2f", m->modality[i].name,
                              terms->log_px[i] / (double)terms->n_px[i]);
        }
    }
    if (terms->n_contrast > 0) {
        stele__str_printf(s, "  contrast %.3f", terms->contrast / (double)terms->n_contrast);
    }
    if (terms->n_distil > 0) {
        stele__str_printf(s, "  distil %.3f", terms->distil / (double)terms->n_distil);
    }
    append_heads(s, m, terms);
}

static void append_time(stele__str *s, double seconds)
{
    long t = (long)(seconds + 0.5);
    if (t >= 3600) {
        stele__str_printf(s, "%ld:%02ld:%02ld left", t / 3600, t / 60 % 60, t % 60);
    } else {
        stele__str_printf(s, "%ld:%02ld left", t / 60, t % 60);
    }
}

/* Columns that a text takes: bytes of UTF-8 that begin a character. */
static size_t width_of(const char *text, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        n += ((unsigned char)text[i] & 0xC0) != 0x80;
    }
    return n;
}

/* What a person waits for comes first; of the terms as many as fit, none cut in two. */
static void append_fitting(stele__str *s, const stele__str *terms, size_t columns)
{
    for (const char *at = terms->data; at != NULL;) {
        const char *stop = strstr(at + 2, "  "); /* every term begins with two blanks */
        size_t n = stop != NULL ? (size_t)(stop - at) : strlen(at);
        if (width_of(s->data, s->len) + width_of(at, n) > columns) {
            return;
        }
        stele__str_append_n(s, at, n);
        at = stop;
    }
}

static void step_line(stele__display *d, const stele__progress *p)
{
    stele__str s, terms;
    size_t columns = (size_t)terminal_width() - 1; /* the last one would start a new line */
    if (!d->terminal || stele__now() - d->shown_at < 0.1) {
        return;
    }
    d->shown_at = stele__now();
    stele__str_init(&s);
    stele__str_init(&terms);
    stele__str_printf(&s, "epoch %lld/%lld  %3.0f %%  ", (long long)p->epoch + 1,
                      (long long)p->n_epochs, 100.0 * (double)p->batch / (double)p->n_batches);
    append_time(&s, p->seconds_left);
    stele__str_printf(&terms, "  %.0f rows/s  ", p->rows_per_second);
    append_terms(&terms, p->model, p->terms);
    if (!s.failed && !terms.failed) {
        append_fitting(&s, &terms, columns);
    }
    if (!s.failed && !terms.failed) {
        fprintf(stderr, "\r\033[K%.*s", (int)columns, s.data);
        fflush(stderr);
    }
    stele__str_finish(&terms);
    stele__str_finish(&s);
}

static void epoch_line(const stele__display *d, const stele__progress *p)
{
    stele__str s;
    stele__str_init(&s);
    stele__str_printf(&s, "epoch %lld/%lld  train ", (long long)p->epoch + 1,
                      (long long)p->n_epochs);
    append_terms(&s, p->model, p->terms);
    if (p->valid != NULL) {
        stele__str_printf(&s, "  valid elbo %.2f loss %.2f", p->valid->elbo, p->valid->loss);
        append_heads(&s, p->model, p->valid);
        stele__str_append(&s, p->improved ? " *" : "");
    }
    stele__str_printf(&s, "  %.0f rows/s", p->rows_per_second);
    if (!s.failed) {
        fprintf(stderr, "%s%s\n", d->terminal ? "\r\033[K" : "", s.data);
    }
    stele__str_finish(&s);
}

/* Few rows make thousands of epochs: of more than two hundred a hundred or so have a line. All are
 * in metrics.jsonl. */
static int is_shown(const stele__progress *p)
{
    enum { EACH = 200, SOME = 100 };
    const int64_t stride = p->n_epochs > EACH ? (p->n_epochs + SOME - 1) / SOME : 1;
    return (p->epoch + 1) % stride == 0 || p->epoch + 1 == p->n_epochs;
}

void stele__display_report(void *ctx, const stele__progress *p)
{
    stele__display *d = ctx;
    if (d->quiet) {
        return;
    }
    if (p->epoch_end && is_shown(p)) {
        epoch_line(d, p);
    } else if (!p->epoch_end) {
        step_line(d, p);
    }
}
