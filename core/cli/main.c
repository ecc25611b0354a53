/* The program: finds the command and runs it. */
#include "cli/command.h"
#include "cli/version.h"
#include "plugin/crash.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <stele/plugin.h>

const stele__command stele__commands[] = {
    { "check", "SPEC [--set KEY=VALUE]... [--resolved] [--no-data]",
      "Read a spec, load its plugins, check all options and the data.",
      "  --set KEY=VALUE  change one key, as in --set train.epochs=3\n"
      "  --resolved       print the whole spec with all defaults\n"
      "  --no-data        leave out what needs the data: columns, values, split\n",
      stele__cmd_check },
    { "train", "SPEC [--run DIR] [--resume] [--threads N] [--set KEY=VALUE]... [--quiet]",
      "Train a model into a run folder.",
      "  --run DIR        the run folder (default: output.dir of the spec)\n"
      "  --resume         go on where an interrupted training stopped\n"
      "  --threads N      instead of train.threads\n"
      "  --set KEY=VALUE  change one key, as in --set train.epochs=3\n"
      "  --quiet          no progress, only warnings and errors\n",
      stele__cmd_train },
    { "embed",
      "RUN -o FILE [--modalities A,B] [--split PART] [--data PATH] [--checkpoint NAME] "
      "[--details] [--threads N] [--quiet]",
      "Write the posterior of every row as .h5ad, .npy or .csv.",
      "  -o FILE          (or --output) .h5ad: obsm/X_stele (means), obsm/X_stele_sd, obs;\n"
      "                   .csv: the same as columns; .npy: means\n"
      "  --modalities A,B from these alone\n"
      "  --split PART     train, valid, test or all (default)\n"
      "  --data PATH      other rows with the same features; several sources: NAME=PATH,\n"
      "                   once for each that has other data\n"
      "  --checkpoint X   best (default) or last\n"
      "  --details        .h5ad: obsm/MODALITY_DETAIL too, what a modality says besides its mean\n"
      "                   and, as MODALITY_private, the means of its private latent\n"
      "  --threads N      instead of train.threads\n"
      "  --quiet          only warnings and errors\n",
      stele__cmd_embed },
    { "predict",
      "RUN [DATA...] -o FILE [--modalities A,B] [--split PART] [--samples K] [--level P] "
      "[--resamples N] [--json] [--checkpoint NAME] [--threads N] [--quiet]",
      "Write what the heads of a run predict, with intervals, as .csv, .jsonl or .h5ad.",
      "  -o FILE          (or --output) .csv, .jsonl; .h5ad: columns of obs\n"
      "  --modalities A,B from these alone\n"
      "  --split PART     train, valid, test or all (default), of the run's own data\n"
      "  --samples K      draws from the posterior per row, 2 or more (default: 100)\n"
      "  --level P        probability of the intervals (default: 0.9)\n"
      "  --resamples N    rows that have a target are also judged, with 95 % intervals from so "
      "many\n"
      "                   resamples (default: 1000, 0: no intervals)\n"
      "  --json           those figures as one JSON object instead of a table\n"
      "  --checkpoint X   best (default) or last\n"
      "  --threads N      instead of train.threads\n"
      "  --quiet          only warnings and errors\n"
      "\nDATA: other rows with the same features; several sources: NAME=PATH, one\n"
      "for each that has other data.\n",
      stele__cmd_predict },
    { "eval",
      "RUN [--split PART] [--modalities A,B] [--labels COLUMN [--exclude A,B]] [--samples K] "
      "[--report fusion] [--rows FILE.csv] [--intervals] [--resamples N] [--level P] [--markdown | "
      "--json] [--set evaluate=LIST] [--checkpoint NAME] [--threads N] [--quiet]",
      "Judge a trained model on held-out rows; also written to RUN/eval-PART.json.",
      "  --split PART     train, valid, test (default) or all\n"
      "  --modalities A,B only these, jointly and each alone\n"
      "  --labels COLUMN  instead of the labels in the spec's `evaluate`\n"
      "  --exclude A,B    classes of COLUMN whose rows are left out\n"
      "  --samples K      importance samples per row, instead of those in the spec\n"
      "  --set evaluate=LIST  in place of the spec's `evaluate`, and of no other key\n"
      "  --report fusion  which modality is trusted when, and nothing else; by the classes of\n"
      "                   COLUMN; written to RUN/fusion-PART.json\n"
      "  --rows FILE.csv  that report row by row\n"
      "  --intervals      show the interval of each figure that has one, by resampled rows\n"
      "  --resamples N    of the intervals (default: 1000; 0: none, not in the JSON either)\n"
      "  --level P        probability of the intervals (default: 0.95)\n"
      "  --markdown       tables of Markdown\n"
      "  --checkpoint X   best (default) or last\n"
      "  --threads N      instead of train.threads\n"
      "  --json           one JSON object instead of tables\n"
      "  --quiet          only warnings and errors\n",
      stele__cmd_eval },
    { "generate",
      "RUN -o FILE --to A,B [--from A,B] [--split PART | --rows ID,...] [--first N] | "
      "--between ID,ID [--steps N] | --traverse ID [--dims A,B] [--steps N] | --prior N [--given "
      "HEAD=VALUE]  [--samples N] [--draw WHAT] "
      "[--temperature T] [--seed S] [--like ID] [--shape H,W] [--data PATH] [--checkpoint NAME] "
      "[--threads N] [--quiet]",
      "Generate modalities from others, from the prior, between two rows, or along the latent.",
      "  -o FILE          (or --output) .h5ad, .csv, .npy, .jsonl (texts, nested numbers) or\n"
      "                   .png (images: what was measured, then the draws)\n"
      "  --to A,B         what to generate; several modalities are drawn from the same z, each "
      "into\n"
      "                   a file of its own: FILE with -NAME before its ending\n"
      "  --from A,B       from these (default: all others); nothing of what is generated is used\n"
      "                   unless named\n"
      "  --split PART     rows of train, valid, test (default) or all\n"
      "  --rows ID,...    these rows instead\n"
      "  --first N        only the first N of them (.png: 8)\n"
      "  --between ID,ID  in equal steps from one row's posterior mean to the other's\n"
      "  --traverse ID    each latent dimension from -3 to 3 around the row's posterior mean\n"
      "  --dims A,B       only these dimensions, counted from 0\n"
      "  --steps N        of --between (default: 8) or of each dimension (default: 7)\n"
      "  --prior N        N draws from the prior instead of rows' posteriors\n"
      "  --given H=VALUE  of the prior those for which head H says VALUE\n"
      "  --samples N      draws of z per row (default: 1)\n"
      "  --draw WHAT      of the modality given z: mean (default), mode or sample\n"
      "  --temperature T  factor on the spread of z (default: 1; 0: means)\n"
      "  --seed S         of the draws (default: the seed of the run)\n"
      "  --like ID        the decoder sees the covariates of this row (default: the row's own;\n"
      "                   of the prior: the first row's)\n"
      "  --shape H,W      how the values of a row lie in a picture: H,W or H,W,3\n"
      "  --data PATH      other rows with the same features; several sources: NAME=PATH,\n"
      "                   once for each that has other data\n"
      "  --checkpoint X   best (default) or last\n"
      "  --threads N      instead of train.threads\n"
      "  --quiet          only warnings and errors\n",
      stele__cmd_generate },
    { "score",
      "RUN [DATA...] [-o FILE] [--modalities A,B] [--split PART] [--data PATH] [--alpha A] "
      "[--intervals] "
      "[--resamples N] [--level P] [--markdown | --json] [--checkpoint NAME] [--threads N] "
      "[--quiet]",
      "Tell whether a row's modalities belong together, and find each one's partner.",
      "  -o FILE          (or --output) .csv: log Bayes factor and p values of every row and pair\n"
      "  --modalities A,B only pairs of these\n"
      "  --split PART     train, valid, test (default) or all\n"
      "  --data PATH      other rows with the same features; several sources: NAME=PATH,\n"
      "                   once for each that has other data\n"
      "  --alpha A        pairs whose p_match is below are flagged (default: 0.05)\n"
      "  --intervals      show the interval of each figure, by resampled rows\n"
      "  --resamples N    so many (default: 1000), 0: no intervals\n"
      "  --level P        probability of the intervals (default: 0.95)\n"
      "  --markdown       tables of Markdown\n"
      "  --checkpoint X   best (default) or last\n"
      "  --threads N      instead of train.threads\n"
      "  --json           one JSON object instead of a table\n"
      "  --quiet          only warnings and errors\n",
      stele__cmd_score },
    { "sweep", "SPEC [--run DIR] [--jobs N] [--threads N] [--set KEY=VALUE]... [--list] [--quiet]",
      "Train and judge every point of a spec's `sweep`, and compare them.",
      "  --run DIR        the folder of the sweep (default: output.dir of the spec); what is\n"
      "                   finished there is not done again\n"
      "  --jobs N         runs at once, instead of sweep.jobs\n"
      "  --threads N      threads of each run, instead of sweep.threads\n"
      "  --set KEY=VALUE  change one key, as in --set train.epochs=3\n"
      "  --list           print the points and which of them are finished, and run nothing\n"
      "  --quiet          no progress, only warnings, errors and the table\n",
      stele__cmd_sweep },
    { "plugins", "[--json]", "List all plugins, and the files that were refused with the reason.",
      "  --json           one JSON array\n", stele__cmd_plugins },
    { "new", "KIND/NAME [-o FOLDER]",
      "Make a plugin that builds, passes stele-check and trains, to be edited from there.",
      "  -o FOLDER        (or --output) the folder to make (default: NAME)\n"
      "\nKIND is modality, fusion, head or source.\n",
      stele__cmd_new },
    { "schema", "", "Print the JSON Schema of specs, for editors.", NULL, stele__cmd_schema },
    { "help", "[COMMAND | SECTION | KIND/NAME] [--all | --markdown]",
      "Explain a command, a section of the spec, or a plugin.",
      "  --all            advanced options too\n"
      "  --markdown       all sections of the spec as one page; of a plugin: stele-check --page\n",
      stele__cmd_help },
    { NULL, NULL, NULL, NULL, NULL },
};

const stele__command *stele__command_find(const char *name)
{
    for (const stele__command *c = stele__commands; c->name != NULL; c++) {
        if (strcmp(c->name, name) == 0) {
            return c;
        }
    }
    return NULL;
}

static int unknown_command(const char *name)
{
    const char *names[64];
    size_t n = 0;
    for (const stele__command *c = stele__commands; c->name != NULL && n < 64; c++) {
        names[n++] = c->name;
    }
    const char *near = stele__nearest(name, names, n);
    fprintf(stderr, "stele: there is no command `%s`%s%s%s\n    see: stele help\n", name,
            near != NULL ? ", did you mean `" : "", near != NULL ? near : "",
            near != NULL ? "`?" : "");
    return STELE__EXIT_USAGE;
}

static int wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return 1;
        }
    }
    return 0;
}

static int run(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "--help";
    if (strcmp(name, "--version") == 0) {
        printf("stele %s (plugin ABI %u.%u)\n", STELE_VERSION, STELE_ABI_MAJOR, STELE_ABI_MINOR);
        return STELE__EXIT_OK;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        stele__cmd_help(1, argv);
        return argc > 1 ? STELE__EXIT_OK : STELE__EXIT_USAGE;
    }
    const stele__command *command = stele__command_find(name);
    if (command == NULL) {
        return name[0] == '-' ? stele__cli_usage_error(NULL, "unknown option `%s`", name)
                              : unknown_command(name);
    }
    if (wants_help(argc - 1, argv + 1)) {
        stele__command_usage(command);
        return STELE__EXIT_OK;
    }
    opterr = 0;
    return command->run(stele__cli_take_shared(argc - 1, argv + 1), argv + 1);
}

/* A standard stream that is closed would give its number to the next file that is opened, and
 * messages would end up in a checkpoint. The folder in its place takes no bytes, so that a lost
 * result is still noticed. */
static void fill_closed_streams(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
            (void)!open("/", O_RDONLY | O_DIRECTORY); /* the lowest free number: this one */
        }
    }
}

int main(int argc, char **argv)
{
    fill_closed_streams();
    /* A reader that went away, as in `stele ... | head`, must not end a training. */
    signal(SIGPIPE, SIG_IGN);
    stele__crash_install();
    int code = run(argc, argv);
    /* A full disk shows only now. Who closed a pipe knows it. */
    errno = 0;
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == STELE__EXIT_OK) {
        if (errno != EPIPE) {
            fprintf(stderr, "stele: cannot write to stdout\n");
        }
        code = STELE__EXIT_DATA;
    }
    return code;
}
