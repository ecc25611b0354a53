#include "cli/command.h"

#include "base/file.h"
#include "base/mem.h"
#include "cli/preload_table.h"
#include "plugin/places.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void stele__command_usage(const stele__command *command)
{
    printf("usage: stele %s%s%s\n\n%s\n", command->name, command->arguments[0] != '\0' ? " " : "",
           command->arguments, command->summary);
    printf("\n%s"
           "  --allow-unsafe-plugins  load plugins that other users can change, too\n",
           command->options != NULL ? command->options : "");
}

static int allow_unsafe;

int stele__cli_take_shared(int argc, char **argv)
{
    int kept = 1;
    for (int i = 1, options = 1; i < argc; i++) {
        options = options && strcmp(argv[i], "--") != 0;
        if (options && strcmp(argv[i], "--allow-unsafe-plugins") == 0) {
            allow_unsafe = 1;
        } else {
            argv[kept++] = argv[i];
        }
    }
    argv[kept] = NULL;
    return kept;
}

int stele__cli_allows_unsafe(void)
{
    return allow_unsafe;
}

void stele__cli_put_word(stele__str *out, const char *word)
{
    const char *plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=,:+@%";
    if (word[0] != '\0' && word[strspn(word, plain)] == '\0') {
        stele__str_append(out, word);
        return;
    }
    stele__str_append(out, "'");
    for (const char *c = word; *c != '\0'; c++) {
        if (*c == '\'') {
            stele__str_append(out, "'\\''");
        } else {
            stele__str_append_n(out, c, 1);
        }
    }
    stele__str_append(out, "'");
}

int stele__cli_usage_error(const char *command, const char *fmt, ...)
{
    va_list args;
    int is_help = command == NULL || strcmp(command, "help") == 0;
    fprintf(stderr, "stele%s%s: ", command != NULL ? " " : "", command != NULL ? command : "");
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, "\n    see: stele help%s%s\n", is_help ? "" : " ", is_help ? "" : command);
    return STELE__EXIT_USAGE;
}

static const char *twice; /* the option that was given again */

int stele__cli_option(int argc, char **argv, const char *shorts, const struct option *longs)
{
    static unsigned char seen[128];
    int c = getopt_long(argc, argv, shorts, longs, NULL);
    for (const struct option *o = longs; o->name != NULL; o++) {
        if (o->val != c || o->has_arg == no_argument || c == STELE__OPTION_SET ||
            c == STELE__OPTION_DATA) {
            continue;
        }
        if (seen[c]) {
            twice = o->name;
            return '!';
        }
        seen[c] = 1;
        break;
    }
    return c;
}

int stele__cli_option_error(int code, char **argv)
{
    const char *option = argv[optind - 1];
    if (code == ':') {
        return stele__cli_usage_error(argv[0], "option `%s` needs a value", option);
    }
    if (code == '!') {
        return stele__cli_usage_error(argv[0], "option `--%s` is given twice", twice);
    }
    return stele__cli_usage_error(argv[0], "unknown option `%s`", option);
}

/* What plugins say is theirs, and the terminal the user's. */
static void put_visible(const char *text)
{
    stele__str s;
    stele__str_init(&s);
    stele__str_append_visible(&s, text, strlen(text));
    fputs(s.data != NULL ? s.data : "", stderr);
    stele__str_finish(&s);
}

void stele__cli_show(stele__diag *diag)
{
    for (size_t i = 0; i < diag->n; i++) {
        char *text = NULL;
        if (stele__message_format(&diag->message[i], &text) == STELE_OK) {
            put_visible(text);
            stele__free(text);
        }
    }
    stele__diag_finish(diag);
}

int stele__cli_finish(stele__diag *diag, stele_status status)
{
    for (size_t i = 0; i < diag->n && (status == STELE_E_OPTION || status == STELE_E_ARG); i++) {
        const stele__message *m = &diag->message[i];
        if (m->severity == STELE__ERROR && m->code != STELE_E_ARG) {
            status = m->code;
        }
    }
    /* A failure that left no words behind: memory ran short, most likely. A training that was
     * interrupted has said so. */
    if (status != STELE_OK && status != STELE_E_INTERRUPTED && diag->n_errors == 0) {
        fprintf(stderr, "stele: %s\n", stele__status_text(status));
    }
    stele__cli_show(diag);
    switch (status) {
    case STELE_OK: return STELE__EXIT_OK;
    case STELE_E_OPTION:
    case STELE_E_ARG: return STELE__EXIT_USAGE;
    case STELE_E_IO:
    case STELE_E_DATA: return STELE__EXIT_DATA;
    case STELE_E_ABI: return STELE__EXIT_PLUGIN;
    case STELE_E_NONFINITE: return STELE__EXIT_NONFINITE;
    case STELE_E_INTERRUPTED: return STELE__EXIT_INTERRUPTED;
    default: return STELE__EXIT_FAILURE;
    }
}

void stele__cli_catch_interrupts(void (*handler)(int))
{
    struct sigaction a;
    memset(&a, 0, sizeof a);
    a.sa_handler = handler;
    sigemptyset(&a.sa_mask);
    sigaddset(&a.sa_mask, SIGINT);
    sigaddset(&a.sa_mask, SIGTERM);
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

const char *stele__cli_s(int64_t n)
{
    return n == 1 ? "" : "s";
}

/* Only what a signal handler may do. */
static void end_at_once(int sig)
{
    static const char text[] = "stele: interrupted, nothing half-written is left\n";
    (void)sig;
    stele__writer_interrupt();
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(STELE__EXIT_INTERRUPTED);
}

void stele__cli_end_on_interrupts(void)
{
    stele__cli_catch_interrupts(end_at_once);
}

static void write_log(void *user, int32_t level, const char *who, const char *text)
{
    int quiet = user != NULL;
    if (level >= (quiet ? STELE_LOG_WARNING : STELE_LOG_INFO)) {
        fprintf(stderr, "%s%s", who != NULL ? who : "", who != NULL ? ": " : "");
        put_visible(text);
        fputc('\n', stderr);
    }
}

stele__log stele__cli_log(int quiet)
{
    static int is_quiet;
    return (stele__log){ .write = write_log, .user = quiet ? &is_quiet : NULL };
}

stele_status stele__cli_registry(stele__registry **ret, stele__diag *diag)
{
    stele__places places;
    stele_status status = stele__places_default(&places, diag);
    if (status != STELE_OK) {
        return status;
    }
    stele__registry_settings settings = { .preload = stele__preload_table,
                                          .folder = (const char *const *)places.folder,
                                          .n_folders = places.n,
                                          .allow_unsafe = allow_unsafe };
    status = stele__registry_create(&settings, ret, diag);
    stele__places_finish(&places);
    return status;
}
