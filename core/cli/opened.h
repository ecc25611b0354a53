/* opened.h - a run folder opened for use: its spec, data and trained model. */
#ifndef STELE_CLI_OPENED_H
#define STELE_CLI_OPENED_H

#include "cli/command.h"
#include "cli/load.h"
#include "eval/evaluation.h"
#include "eval/judge.h"
#include "train/run.h"

typedef struct stele__open_request {
    const char *dir;
    const char *data;         /* --data: other rows of the same features; NULL: its own */
    const char *checkpoint;   /* "best" or "last" */
    const char *threads;      /* --threads, NULL: as trained */
    int encode_only;          /* decoders stay unused */
    int spec_labels;          /* also read the labels that the spec splits by */
    stele__plan_request plan; /* whose labels are read too */
    int quiet;
} stele__open_request;

typedef struct stele__opened {
    stele__registry *registry;
    stele__loaded loaded;
    stele__state *state;
    stele__log log;
    stele__plan plan;
    stele__run run;
    stele_graph *graph;
    stele__judge judge;
} stele__opened;

/* All messages name the file that is at fault. stele__opened_finish in any case. */
STELE_NODISCARD stele_status stele__opened_init(stele__opened *o, const stele__open_request *q,
                                                stele__diag *diag);
void stele__opened_finish(stele__opened *o);

/* Bits of the modalities in "a,b"; NULL stands for all. */
STELE_NODISCARD stele_status stele__opened_mask(const stele__opened *o, const char *list,
                                                uint64_t *ret, stele__diag *diag);
/* STELE__TRAIN, ...; STELE__N_PARTS for "all"; -1 for none of them. */
int stele__part_of(const char *name);
/* The rows of a part, or all (STELE__N_PARTS): *ret is to be freed. */
STELE_NODISCARD stele_status stele__opened_rows(const stele__opened *o, int part, int64_t **ret,
                                                int64_t *ret_n);
/* "a,b,c" as a list of texts; free both v and v[0]. */
STELE_NODISCARD stele_status stele__split_list(const char *text, stele_str_list *ret);
void stele__split_list_finish(stele_str_list *list);

#endif
