/* prior.h - what latent.prior asks for: a mixture fitted to the posteriors of the training rows
 * (Ghosh et al. 2020, "From variational to deterministic autoencoders": ex-post density
 * estimation). It is kept in the run folder as prior.safetensors, with a digest of the parameters,
 * the rows and the settings that it belongs to. */
#ifndef STELE_TRAIN_PRIOR_H
#define STELE_TRAIN_PRIOR_H

#include "model/mixture.h"
#include "train/run.h"

/* Posteriors beyond so many, in an order drawn by the seed, are left out. */
enum { STELE__PRIOR_ROWS = 16384 };

/* Fit the mixture to the posteriors of the run's training rows, each given all that it has, under
 * the parameters as they are. E_OPTION, at the key of the spec, if there are fewer of them than
 * components. stele__mixture_finish in any case. */
STELE_NODISCARD stele_status stele__prior_fit(const stele__run *run, stele_graph *g,
                                              stele__mixture *ret, stele__diag *diag);

/* More components than `n` training rows: E_OPTION, at the key of the spec. */
stele_status stele__prior_refuse(const stele__spec *spec, int64_t n, stele__diag *diag);

/* After a training: load the best parameters, fit and write, unless the folder has that already.
 * Nothing where the prior is N(0, I). */
STELE_NODISCARD stele_status stele__prior_keep(const stele__run *run, const char *dir,
                                               const char *fingerprint, stele__diag *diag);

/* The mixture of the folder if it belongs to the parameters as they are; else it is fitted, for
 * which the data have to be the run's own (`own`). E_DATA if they are not.
 * stele__mixture_finish in any case. */
STELE_NODISCARD stele_status stele__prior_open(const stele__run *run, const char *dir, int own,
                                               stele_graph *g, stele__mixture *ret,
                                               stele__diag *diag);

#endif
