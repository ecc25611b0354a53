/* folder.h - the run folder: one training and everything needed to use its model.
 *
 *     spec.yaml           the spec as it was given
 *     resolved.yaml       the same with every default and every change of the command line; what
 *                         other commands read
 *     data.json           features, categories, split (state.h)
 *     metrics.jsonl       one line per epoch
 *     best.safetensors    parameters of the best epoch: train.criterion of the validation rows
 *     last.safetensors    parameters and moments to resume from
 *     prior.safetensors   the mixture of latent.prior (prior.h)
 *     score.safetensors   scores of validation rows' pairs (eval/reference.h)
 *     summary.json        written when the training ends */
#ifndef STELE_TRAIN_FOLDER_H
#define STELE_TRAIN_FOLDER_H

#include "train/run.h"
#include "train/train.h"

/* What is in a folder that a training is to use. */
enum { STELE__FOLDER_NEW = 0, STELE__FOLDER_RESUMABLE };

/* Look at `dir`: NEW if it is absent, empty or (resume) holds a training that never wrote a
 * checkpoint; RESUMABLE if it holds one that did and resume is set. E_ARG, with a hint, if it
 * holds a training and resume is not set, or none and files of somebody else. */
STELE_NODISCARD stele_status stele__folder_check(const char *dir, int resume, int *ret_kind,
                                                 stele__diag *diag);

/* Keep other trainings out of an existing folder for as long as *ret_lock is open, at most until
 * the process ends. E_IO if one is in it. */
STELE_NODISCARD stele_status stele__folder_lock(const char *dir, int *ret_lock, stele__diag *diag);

/* A new training: make the folder, lock it, write spec.yaml (the text of the run's spec),
 * resolved.yaml and data.json. On failure what was made is removed. `resume` as for the check. */
STELE_NODISCARD stele_status stele__folder_begin(const char *dir, int resume, const stele__run *run,
                                                 int *ret_lock, stele__diag *diag);
/* Before a resumed one: all that the last checkpoint, which stands `at`, says was written is there.
 * E_DATA with what is missing. */
STELE_NODISCARD stele_status stele__folder_complete(const char *dir, const stele__position *at,
                                                    stele__diag *diag);
/* A resumed one: write resolved.yaml, in which epochs may have changed. */
STELE_NODISCARD stele_status stele__folder_resume(const char *dir, const stele__run *run,
                                                  stele__diag *diag);

/* Write summary.json. */
STELE_NODISCARD stele_status stele__folder_end(const char *dir, const stele__run *run,
                                               const stele__cast *plugins,
                                               const stele__trained *trained, stele__diag *diag);

/* 16 hexadecimal digits over all that decides what a training computes: the resolved spec without
 * name, output.dir, train.epochs, train.threads, train.checkpoint, train.early_stopping,
 * latent.prior, evaluate, and the paths of data files.
 */
STELE_NODISCARD stele_status stele__spec_fingerprint(const stele__spec *spec, char ret[17],
                                                     stele__diag *diag);

/* The fingerprint of the training that wrote the file `path`, a resolved.yaml. Of the file as it
 * is: a program with more options than the one that wrote it still opens the run. */
STELE_NODISCARD stele_status stele__resolved_fingerprint(const char *path, char ret[17],
                                                         stele__diag *diag);

/* The same over all that decides how a training ends: with epochs, early stopping and paths. */
STELE_NODISCARD stele_status stele__spec_digest(const stele__spec *spec, char ret[17],
                                                stele__diag *diag);
/* The same over what the spec lists under `evaluate`. */
STELE_NODISCARD stele_status stele__evaluate_digest(const stele__spec *spec, char ret[17],
                                                    stele__diag *diag);

/* For files that belong to parameters: `h` mixed with a word, and 16 hexadecimal digits over `h`
 * and the names and values of all parameters (F32) as they are. */
uint64_t stele__digest_mix(uint64_t h, uint64_t word);
void stele__parameters_digest(stele__params *params, uint64_t h, char ret[17]);

/* Say that the folder holds a run of another spec, and where the two differ: E_DATA. */
STELE_NODISCARD stele_status stele__folder_refuse(const char *dir, const stele__spec *spec,
                                                  stele__diag *diag);

/* 1 if the folder has a file of that name. */
int stele__folder_has(const char *dir, const char *name);
/* "dir/name"; the caller frees it with stele__free. NULL: out of memory. */
char *stele__folder_path(const char *dir, const char *name);

#endif
