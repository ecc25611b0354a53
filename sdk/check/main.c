/* The program: arguments, which checks run on what. */
#include "check.h"
#include "cli/version.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_GOOD = 0, EXIT_BAD = 1, EXIT_USAGE = 2, MOST_SETTINGS = CHECK_MOST_SETTINGS };

typedef struct arguments {
    check_subject subject;
    const char *option[MOST_SETTINGS], *unseen[MOST_SETTINGS];
    const char *json;
    regex_t only, skip;
    int has_only, has_skip, list, page, quit;
} arguments;

static const char usage_text[] =
    "usage: stele-check PLUGIN.so | KIND/NAME [option...]\n"
    "\n"
    "Put a plugin to the test. KIND/NAME is a plugin that is linked into this program.\n"
    "\n"
    "  --list               all checks with a sentence each\n"
    "  --only REGEX         checks whose id matches (POSIX extended)\n"
    "  --skip REGEX         all but those\n"
    "  --options KEY=VALUE  a value for an option of the plugin, as in a spec; repeatable\n"
    "  --unseen KEY         options-effect can see nothing of this option; repeatable\n"
    "  --seed N             of all random inputs (default 1)\n"
    "  --timeout SECONDS    of each check (default 10)\n"
    "  --strict             a skipped check counts as failed\n"
    "  --allow-unsafe-plugins  load a file that other users can change, too\n"
    "  --in-process         no process per check: for a debugger\n"
    "  --json FILE          verdicts as one JSON object; - is standard output\n"
    "  --page               no checks: print the plugin's reference page in Markdown\n"
    "\n"
    "Exit status: 0 all passed, 1 a check failed, 2 the command line or the file cannot be used.\n";

static int usage_error(const char *fmt, const char *what)
{
    fprintf(stderr, "stele-check: ");
    fprintf(stderr, fmt, what);
    fprintf(stderr, "\n    see: stele-check --help\n");
    return EXIT_USAGE;
}

static int take_regex(const char *text, regex_t *ret, int *ret_has)
{
    if (*ret_has) {
        regfree(ret);
        *ret_has = 0;
    }
    if (regcomp(ret, text, REG_EXTENDED | REG_NOSUB) != 0) {
        return usage_error("`%s` is no regular expression", text);
    }
    *ret_has = 1;
    return EXIT_GOOD;
}

static int take_number(const char *text, arguments *a, int is_seed)
{
    char *end;
    errno = 0;
    if (is_seed) {
        a->subject.seed = strtoull(text, &end, 10);
    } else {
        a->subject.timeout = strtod(text, &end);
    }
    /* Neither blanks nor signs, which strtoull takes: -5 is a large number to it. */
    int good = errno == 0 && end != text && *end == '\0' && (isdigit((unsigned char)text[0]) || text[0] == '.') &&
               (is_seed || (a->subject.timeout > 0.0 && a->subject.timeout <= 86400.0));
    return good ? EXIT_GOOD
                : usage_error(is_seed ? "--seed: `%s` is no whole number" : "--timeout: `%s` is no number of seconds",
                              text);
}

static int take_option(const char *text, arguments *a)
{
    if (strchr(text, '=') == NULL || text[0] == '=') {
        return usage_error("--options: `%s` is not KEY=VALUE", text);
    }
    if (a->subject.n_options == MOST_SETTINGS) {
        return usage_error("--options: too many%s", "");
    }
    a->option[a->subject.n_options++] = text;
    return EXIT_GOOD;
}

static int take_unseen(const char *name, arguments *a)
{
    if (a->subject.n_unseen == MOST_SETTINGS) {
        return usage_error("--unseen: too many%s", "");
    }
    a->unseen[a->subject.n_unseen++] = name;
    return EXIT_GOOD;
}

/* Consent is not abbreviated. */
static int take_unsafe(const char *word, arguments *a)
{
    a->subject.allow_unsafe = strcmp(word, "--allow-unsafe-plugins") == 0;
    return a->subject.allow_unsafe ? EXIT_GOOD : usage_error("unknown option `%s`", word);
}

static int parse(int argc, char **argv, arguments *a)
{
    static const struct option known[] = {
        { "list", no_argument, NULL, 'l' },
        { "only", required_argument, NULL, 'o' },
        { "skip", required_argument, NULL, 's' },
        { "options", required_argument, NULL, 'O' },
        { "seed", required_argument, NULL, 'n' },
        { "timeout", required_argument, NULL, 't' },
        { "strict", no_argument, NULL, 'S' },
        { "allow-unsafe-plugins", no_argument, NULL, 'u' },
        { "in-process", no_argument, NULL, 'i' },
        { "json", required_argument, NULL, 'j' },
        { "unseen", required_argument, NULL, 'U' },
        { "page", no_argument, NULL, 'p' },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'v' },
        { NULL, 0, NULL, 0 },
    };
    char why[1024];
    int code = EXIT_GOOD;
    opterr = 0;
    for (int c; code == EXIT_GOOD && (c = getopt_long(argc, argv, ":h", known, NULL)) != -1;) {
        switch (c) {
        case 'l': a->list = 1; break;
        case 'o': code = take_regex(optarg, &a->only, &a->has_only); break;
        case 's': code = take_regex(optarg, &a->skip, &a->has_skip); break;
        case 'O': code = take_option(optarg, a); break;
        case 'U': code = take_unseen(optarg, a); break;
        case 'n': code = take_number(optarg, a, 1); break;
        case 't': code = take_number(optarg, a, 0); break;
        case 'u': code = take_unsafe(argv[optind - 1], a); break;
        case 'S': a->subject.strict = 1; break;
        case 'i': a->subject.in_process = 1; break;
        case 'j': a->json = optarg; break;
        case 'p': a->page = 1; break;
        case 'h': a->quit = printf("%s", usage_text) >= 0; break;
        case 'v':
            a->quit =
                printf("stele-check %s (plugin ABI %u.%u)\n", STELE_VERSION, STELE_ABI_MAJOR, STELE_ABI_MINOR) >= 0;
            break;
        case ':': code = usage_error("`%s` wants a value", argv[optind - 1]); break;
        default: code = usage_error("unknown option `%s`", argv[optind - 1]);
        }
    }
    if (code != EXIT_GOOD || a->quit || a->list) {
        return code;
    }
    if (argc - optind != 1) {
        return usage_error("%s", argc == optind ? "which plugin?" : "one plugin at a time");
    }
    a->subject.name = argv[optind];
    a->subject.option = a->option;
    a->subject.unseen = a->unseen;
    return check_settings(&a->subject, why, sizeof why) ? EXIT_GOOD : usage_error("--options: %s", why);
}

/* A file, if there is one of that name: then it has to look like a shared object. */
static int find_file(check_subject *s, char real[PATH_MAX])
{
    unsigned char magic[4] = { 0 };
    if (realpath(s->name, real) == NULL) {
        size_t n = strlen(s->name);
        if (strchr(s->name, '/') == NULL || (n > 3 && strcmp(s->name + n - 3, ".so") == 0)) {
            fprintf(stderr, "stele-check: %s: %s\n", s->name, strerror(errno));
            return EXIT_USAGE;
        }
        return EXIT_GOOD;
    }
    struct stat st;
    if (stat(real, &st) == 0 && S_ISDIR(st.st_mode)) {
        return EXIT_GOOD; /* run from a folder of plugins: KIND/NAME is one of them */
    }
    /* A pipe would keep whoever opens it, for good if nobody writes to it. */
    int fd = open(real, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
        fprintf(stderr, "stele-check: %s: is not a regular file\n", s->name);
        close(fd);
        return EXIT_USAGE;
    }
    ssize_t got = fd >= 0 ? read(fd, magic, sizeof magic) : -1;
    if (fd >= 0) {
        close(fd);
    }
    if (got != (ssize_t)sizeof magic || memcmp(magic, "\177ELF", 4) != 0) {
        fprintf(stderr, "stele-check: %s: is no shared object\n", s->name);
        return EXIT_USAGE;
    }
    s->file = real;
    return EXIT_GOOD;
}

static int wanted(const arguments *a, const check_case *c)
{
    return (!a->has_only || regexec(&a->only, c->id, 0, NULL, 0) == 0) &&
           (!a->has_skip || regexec(&a->skip, c->id, 0, NULL, 0) != 0);
}

static void list_checks(const arguments *a)
{
    for (const check_case *c = check_table; c->id != NULL; c++) {
        if (wanted(a, c)) {
            printf("%-22s %s\n", c->id, c->sentence);
        }
    }
}

static void run_checks(const arguments *a, size_t index, const check_found *f, check_report *r, unsigned *ret_n)
{
    static check_trial trial;
    for (const check_case *c = check_table; c->id != NULL; c++) {
        int applies =
            f == NULL ? c->kinds == CHECK_OF_FILE : (c->kinds & CHECK_KIND(f->kind)) != 0 && (c->caps & ~f->caps) == 0;
        if (applies && wanted(a, c)) {
            check_run(&a->subject, index, c, &trial);
            check_report_add(r, f != NULL ? f->id : "", &trial);
            ++*ret_n;
        }
    }
}

static int check_all(arguments *a)
{
    static check_found found[CHECK_MOST_FOUND];
    static uint8_t known[MOST_SETTINGS];
    char real[PATH_MAX], why[1024] = "";
    unsigned n_run = 0;
    int code = find_file(&a->subject, real);
    if (code == EXIT_GOOD && a->subject.file != NULL && !check_trust(&a->subject, why, sizeof why)) {
        /* Before anything opens it: opening is what a file must not be trusted with. */
        fprintf(stderr, "stele-check: %s\n", why);
        code = EXIT_USAGE;
    } else if (code == EXIT_GOOD && why[0] != '\0') {
        fprintf(stderr, "stele-check: warning: %s\n", why);
    }
    if (code != EXIT_GOOD) {
        return code;
    }
    int n = check_scan(&a->subject, found, known, why, sizeof why);
    if (n < 0 && (a->subject.file == NULL || a->page)) {
        fprintf(stderr, "stele-check: %s\n", why);
        return EXIT_USAGE;
    }
    for (size_t k = 0; n >= 0 && k < a->subject.n_unseen; k++) {
        if (!known[k]) {
            return usage_error("--unseen: the plugin has no option `%s`", a->subject.unseen[k]);
        }
    }
    for (int i = 0; i < n; i++) {
        if (found[i].wants[0] != '\0' && !(a->page && found[i].kind == STELE_SOURCE)) { /* its page needs no instance */
            fprintf(stderr, "stele-check: %s has no default for `%s`: give one with --options %s=VALUE\n", found[i].id,
                    found[i].wants, found[i].wants);
            return EXIT_USAGE;
        }
    }
    if (a->page) {
        return check_page(&a->subject) ? EXIT_GOOD : EXIT_BAD;
    }
    check_report *r = check_report_create(&a->subject, a->json);
    if (r == NULL) {
        return EXIT_BAD;
    }
    if (a->subject.file != NULL) {
        run_checks(a, 0, NULL, r, &n_run);
    }
    for (int i = 0; i < n; i++) {
        check_report_plugin(r, found[i].id, found[i].version);
        run_checks(a, (size_t)i, &found[i], r, &n_run);
    }
    code = check_report_end(r);
    if (n < 0) { /* whatever --only picked: without plugins nothing was put to the test */
        fprintf(stderr, "stele-check: its plugins were not checked: %s\n", why);
        return code == EXIT_GOOD ? EXIT_BAD : code;
    }
    if (n_run == 0) {
        return usage_error("no check%s", " of this plugin was picked");
    }
    return code;
}

int main(int argc, char **argv)
{
    static arguments a = { .subject = { .seed = 1, .timeout = CHECK_SECONDS } };
    int code = parse(argc, argv, &a);
    if (code == EXIT_GOOD && a.list) {
        list_checks(&a);
    } else if (code == EXIT_GOOD && !a.quit) {
        code = check_all(&a);
    }
    if (a.has_only) {
        regfree(&a.only);
    }
    if (a.has_skip) {
        regfree(&a.skip);
    }
    return fflush(stdout) != 0 && code == EXIT_GOOD ? EXIT_USAGE : code;
}
