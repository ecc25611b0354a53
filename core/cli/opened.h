/* opened.h - a run folder opened for use: its spec, data and trained model. */
#ifndef STELE_CLI_OPENED_H
#define STELE_CLI_OPENED_H

#include "cli/command.h"
#include "cli/load.h"
#include "cli/new_data.h"
#include "eval/evaluation.h"
#include "eval/judge.h"
#include "train/prior.h"

/* The options that all commands on a run folder have: a part of their list for getopt_long. */
#define STELE__RUN_OPTIONS                                                                         \
    { "split", required_argument, NULL, 's' }, { "checkpoint", required_argument, NULL, 'c' },     \
        { "threads", required_argument, NULL, 't' },                                               \
    {                                                                                              \
        "quiet", no_argument, NULL, 'q'                                                            \
    }
/* The same of commands that start from some of the modalities. */
#define STELE__OPEN_OPTIONS { "modalities", required_argument, NULL, 'm' }, STELE__RUN_OPTIONS

typedef struct stele__open_request {
    const char *dir;
    int part;                 /* --split: STELE__TRAIN, ..., STELE__N_PARTS for all; -1: unknown */
    int split_given;          /* that option was */
    const char *modalities;   /* --modalities: "a,b", NULL for all */
    const char *from;         /* what that option is called; NULL: --modalities */
    stele__new_data data;     /* other rows of the same features; none: its own */
    int takes_data;           /* they may stand behind the run folder as well as in --data */
    const char *checkpoint;   /* "best" or "last" */
    const char *threads;      /* --threads, NULL: as trained */
    const char *evaluate;     /* "evaluate=...", in place of what the run's spec has; or NULL */
    int encode_only;          /* decoders stay unused */
    int prior;                /* draws without a row are made, or may be */
    int spec_labels;          /* also read the labels that the spec splits by */
    stele__plan_request plan; /* whose labels are read too */
    int quiet;
} stele__open_request;

typedef struct stele__opened {
    const char *dir; /* of the request, which has to outlive this */
    stele__registry *registry;
    stele__loaded loaded;
    stele__new_data_sets new_data;
    stele__state *state;
    stele__log log;
    stele__plan plan;
    stele__run run;
    stele_graph *graph;
    stele__mixture prior; /* n 0: N(0, I), or not asked for */
    stele__judge judge;
} stele__opened;

/* Take over an option of the list above; 0 if `option` is none of them. */
int stele__open_option(stele__open_request *q, int option, const char *value);
/* After the options: the one run folder, and whether their values make sense. Other data are in
 * no part of the split: they are all taken. An exit code. */
int stele__open_check(stele__open_request *q, int argc, char **argv);

/* All messages name the file that is at fault. stele__opened_finish in any case. */
STELE_NODISCARD stele_status stele__opened_init(stele__opened *o, const stele__open_request *q,
                                                stele__diag *diag);
void stele__opened_finish(stele__opened *o);

/* Bits of the modalities that the request names. */
STELE_NODISCARD stele_status stele__opened_mask(const stele__opened *o,
                                                const stele__open_request *q, uint64_t *ret,
                                                stele__diag *diag);
/* Bits of those in "a,b", the value of `option`. */
STELE_NODISCARD stele_status stele__opened_modalities(const stele__opened *o, const char *option,
                                                      const char *text, uint64_t *ret,
                                                      stele__diag *diag);
/* The rows of the part that the request names: *ret is to be freed. */
STELE_NODISCARD stele_status stele__opened_rows(const stele__opened *o,
                                                const stele__open_request *q, int64_t **ret,
                                                int64_t *ret_n);
/* Refuse to write over what the training wrote and over measurements, those that --data names and
 * files of a folder that a source reads among them: E_ARG. */
STELE_NODISCARD stele_status stele__opened_keep(const stele__opened *o, const char *out,
                                                stele__diag *diag);
/* "a,b,c" as a list of texts; free both v and v[0]. */
STELE_NODISCARD stele_status stele__split_list(const char *text, stele_str_list *ret);
void stele__split_list_finish(stele_str_list *list);

#endif
