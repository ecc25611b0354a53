/* core/cli: the program `stele`. Results go to stdout, everything else to stderr; nothing below
 * this room prints.
 *
 * command.h - the commands, one per file cmd_NAME.c, and what they share. */
#ifndef STELE_CLI_COMMAND_H
#define STELE_CLI_COMMAND_H

#include "base/diag.h"
#include "base/str.h"
#include "cli/exit.h"
#include "plugin/guest.h"
#include "plugin/registry.h"

#include <getopt.h>

typedef struct stele__command {
    const char *name, *arguments; /* "check", "SPEC [--set KEY=VALUE]..." */
    const char *summary;          /* one sentence, for the list of commands */
    const char *options;          /* one line per option, NULL if there are none */
    /* argv[0] is the command; the result is an exit code. --help was dealt with. */
    int (*run)(int argc, char **argv);
} stele__command;

int stele__cmd_check(int argc, char **argv);
int stele__cmd_embed(int argc, char **argv);
int stele__cmd_eval(int argc, char **argv);
int stele__cmd_generate(int argc, char **argv);
int stele__cmd_help(int argc, char **argv);
int stele__cmd_new(int argc, char **argv);
int stele__cmd_plugins(int argc, char **argv);
int stele__cmd_predict(int argc, char **argv);
int stele__cmd_schema(int argc, char **argv);
int stele__cmd_score(int argc, char **argv);
int stele__cmd_sweep(int argc, char **argv);
int stele__cmd_train(int argc, char **argv);

/* The commands in the order of the help text; the last one has no name. */
extern const stele__command stele__commands[];
/* NULL: no such command. */
const stele__command *stele__command_find(const char *name);
void stele__command_usage(const stele__command *command); /* to stdout */

/* "stele COMMAND: text" and where to read more, to stderr; command NULL: "stele: text". Returns
 * STELE__EXIT_USAGE. */
int stele__cli_usage_error(const char *command, const char *fmt, ...) STELE_PRINTF(2, 3);
/* The next option, as getopt_long says it. One that takes a value stands for one thing and may be
 * given once, or else '!' is the result: the last of two would win without a word. Assignments,
 * STELE__OPTION_SET, and files, STELE__OPTION_DATA, may be many. */
enum { STELE__OPTION_SET = 1, STELE__OPTION_DATA };
int stele__cli_option(int argc, char **argv, const char *shorts, const struct option *longs);
/* The usage error for what stele__cli_option just returned: '?', '!' or, with ':' in front of the
 * short options, ':'. opterr has to be 0. */
int stele__cli_option_error(int code, char **argv);
/* What the word behind a number ends in: "" of one, else "s". */
const char *stele__cli_s(int64_t n);
/* Show all messages on stderr and forget them. */
void stele__cli_show(stele__diag *diag);
/* The same, and the exit code that fits: that of `status`, except that STELE_E_OPTION gives way to
 * a worse error among the messages. */
int stele__cli_finish(stele__diag *diag, stele_status status);
/* Where plugins' log lines go: to stderr; quiet leaves warnings and errors. */
stele__log stele__cli_log(int quiet);
/* Have Ctrl-C and SIGTERM call `handler`. */
void stele__cli_catch_interrupts(void (*handler)(int));
/* The same for commands that have nothing to save: an interruption ends them at once, leaves no
 * half-written file, and is told. */
void stele__cli_end_on_interrupts(void);
/* Take --allow-unsafe-plugins, which every command has, out of the arguments behind the command;
 * the number of arguments that are left. It has to be spelled out. */
int stele__cli_take_shared(int argc, char **argv);
/* 1 if --allow-unsafe-plugins was given, for programs that this one starts. */
int stele__cli_allows_unsafe(void);
/* Append a word of a command line, quoted if the shell would take it apart. */
void stele__cli_put_word(stele__str *out, const char *word);
/* All plugins that this program can reach. The caller destroys *ret. */
STELE_NODISCARD stele_status stele__cli_registry(stele__registry **ret, stele__diag *diag);

#endif
