/* What the program says: lines for people, one object for machines. */
#include "check.h"

#include "base/str.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct check_report {
    const check_subject *subject;
    const char *json_path;
    json_t *rows; /* NULL: none wanted */
    FILE *out;    /* for people: standard error when the object goes to standard output */
    unsigned count[CHECK_TIMEOUT + 1];
    int colour;
};

check_report *check_report_create(const check_subject *s, const char *json)
{
    check_report *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return NULL;
    }
    r->subject = s;
    r->json_path = json;
    r->rows = json != NULL ? json_array() : NULL;
    r->out = json != NULL && strcmp(json, "-") == 0 ? stderr : stdout;
    r->colour = isatty(fileno(r->out));
    return r;
}

void check_report_plugin(check_report *r, const char *id, const char *version)
{
    fprintf(r->out, "%s %s (%s)\n", id, version, r->subject->file != NULL ? r->subject->file : "linked in");
}

/* A word for a shell, whatever is in it. */
static void add_quoted(stele__str *out, const char *before, const char *word)
{
    stele__str_append(out, before);
    stele__str_append(out, "'");
    for (; *word != '\0'; word++) {
        if (*word == '\'') {
            stele__str_append(out, "'\\''");
        } else {
            stele__str_append_n(out, word, 1);
        }
    }
    stele__str_append(out, "'");
}

/* The command that runs this check alone, ready for a shell. */
static void repeat_command(const check_report *r, const check_trial *t, stele__str *out)
{
    const check_subject *s = r->subject;
    add_quoted(out, "stele-check ", s->name);
    stele__str_printf(out, " --only '^%s$' --seed %llu", t->check->id, (unsigned long long)s->seed);
    for (size_t i = 0; i < s->n_options; i++) {
        add_quoted(out, " --options ", s->option[i]);
    }
    for (size_t i = 0; i < s->n_unseen; i++) {
        add_quoted(out, " --unseen ", s->unseen[i]);
    }
    if (s->timeout != CHECK_SECONDS) {
        stele__str_printf(out, " --timeout %.15g", s->timeout);
    }
    stele__str_append(out, s->strict ? " --strict" : "");
    stele__str_append(out, s->allow_unsafe ? " --allow-unsafe-plugins" : "");
    stele__str_append(out, s->in_process ? " --in-process" : "");
}

static void add_json(check_report *r, const char *id, const check_trial *t, const char *command)
{
    json_t *row = json_object();
    json_object_set_new(row, "plugin", json_string(id));
    json_object_set_new(row, "check", json_string(t->check->id));
    json_object_set_new(row, "verdict", json_string(check_verdict_name(t->verdict)));
    json_object_set_new(row, "seconds", json_real(t->seconds));
    if (t->n_text > 0) {
        /* Texts come from the plugin: what is no UTF-8 would be no JSON. */
        json_t *text = json_stringn(t->text, t->n_text - 1);
        json_object_set_new(row, "message", text != NULL ? text : json_string("(not UTF-8)"));
    }
    if (command != NULL) {
        json_object_set_new(row, "repeat", json_string(command));
    }
    json_array_append_new(r->rows, row);
}

/* Of what a plugin said, as a screen may show it. */
static void put_line(const check_report *r, const char *line, size_t n)
{
    stele__str s;
    stele__str_init(&s);
    stele__str_append_visible(&s, line, n);
    fprintf(r->out, "            %s\n", s.data != NULL ? s.data : "");
    stele__str_finish(&s);
}

void check_report_add(check_report *r, const char *id, const check_trial *t)
{
    int bad = t->verdict >= CHECK_HOLLOW || (r->subject->strict && t->verdict == CHECK_SKIP);
    const char *on = !r->colour ? "" : bad ? "\033[31m" : t->verdict == CHECK_PASS ? "\033[32m" : "\033[33m";
    stele__str command;
    stele__str_init(&command);
    fprintf(r->out, "  %s%-8s%s%-22s %6.2f s\n", on, check_verdict_name(t->verdict), r->colour ? "\033[0m" : "",
            t->check->id, t->seconds);
    for (const char *line = t->text; t->n_text > 0 && *line != '\0';) {
        const char *end = strchr(line, '\n');
        int n = end != NULL ? (int)(end - line) : (int)strlen(line);
        put_line(r, line, (size_t)n);
        line += end != NULL ? n + 1 : n;
    }
    if (bad) {
        repeat_command(r, t, &command);
        fprintf(r->out, "            repeat: %s\n", command.data != NULL ? command.data : "(out of memory)");
    }
    fflush(r->out);
    r->count[t->verdict]++;
    if (r->rows != NULL) {
        add_json(r, id, t, command.data);
    }
    stele__str_finish(&command);
}

static int write_json(check_report *r, unsigned passed, unsigned failed, unsigned skipped)
{
    json_t *all = json_object();
    json_object_set_new(all, "subject", json_string(r->subject->name));
    json_object_set_new(all, "seed", json_integer((json_int_t)r->subject->seed));
    json_object_set_new(all, "passed", json_integer(passed));
    json_object_set_new(all, "failed", json_integer(failed));
    json_object_set_new(all, "skipped", json_integer(skipped));
    json_object_set(all, "checks", r->rows);
    int to_stdout = strcmp(r->json_path, "-") == 0;
    FILE *f = to_stdout ? stdout : fopen(r->json_path, "w");
    int failed_write = f == NULL || json_dumpf(all, f, JSON_INDENT(1)) != 0 || fputc('\n', f) == EOF;
    if (f != NULL && !to_stdout) {
        failed_write = fclose(f) != 0 || failed_write;
    }
    if (failed_write) {
        fprintf(stderr, "stele-check: cannot write %s: %s\n", r->json_path, strerror(errno));
    }
    json_decref(all);
    return failed_write;
}

int check_report_end(check_report *r)
{
    unsigned passed = r->count[CHECK_PASS] + r->count[CHECK_WARN], skipped = r->count[CHECK_SKIP];
    unsigned failed = r->count[CHECK_FAIL] + r->count[CHECK_HOLLOW] + r->count[CHECK_CRASH] + r->count[CHECK_TIMEOUT];
    if (r->subject->strict) {
        failed += skipped;
        skipped = 0;
    }
    int code = failed > 0;
    if (r->rows != NULL && write_json(r, passed, failed, skipped)) {
        code = 2;
    }
    fprintf(r->out, "%u passed, %u failed, %u skipped\n", passed, failed, skipped);
    json_decref(r->rows);
    free(r);
    return code;
}
