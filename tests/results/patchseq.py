#!/usr/bin/env python3
"""Train configs/patchseq.yaml on five folds with several seeds and make its tables of docs/results.md.

    patchseq.py STELE FOLDER [--write docs/results.md] [--table NAME]... [--seeds N] [--threads N] [--jobs N]

FOLDER keeps the runs; what is finished there is not done again. Needs NumPy and the data set that the spec names. Tables:

  patchseq-family   the family of a cell told from z, given all that it has and given parts of it
  patchseq-predict  one modality predicted from others, beside the mean of the cell's family
  patchseq-choice   the spec with one thing changed at a time, judged on validation rows of other seeds (11 and 12)

z is a posterior mean. A cell's family is the vote of the 15 nearest training cells, or what a logistic regression fitted on
them says, all embedded from the same modalities; cells of low quality have no family that could be relied on and are neither judged nor asked. Cells are
judged that have all of the modalities named ("all": whatever they have). A prediction is the mean at the posterior mean,
judged on cells with a family: R2 of each feature, from which the mean is taken over features; of RNA the correlation of
log(1 + count brought to the median size of the training cells) over cells, mean over genes. Beside them simple methods on
the same folds, with the validation cells to learn from as well: a logistic regression of standardised features and of 50
principal components of log RNA, what is missing at the mean, each modality with the same variance; ridge regression of
all of them, with a penalty for each feature that is predicted. Figures are means over the folds of a seed, then mean and
standard deviation over seeds; differences are paired.
"""
import csv
import gzip
import pathlib
import sys
import warnings

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from baselines import block, principal, ridge, standardised  # noqa: E402
from cortex import TOP, table  # noqa: E402
from folds import Folds, beside, correlation, main, probe, r2, short, spread  # noqa: E402

SPEC = TOP / "configs/patchseq.yaml"
DATA = TOP.parent / "shared/data/patchseq-m1"
FILES = {"rna": "rna_counts.csv.gz", "ephys": "ephys.csv", "morphology": "morphology.csv"}
OTHER_SEEDS, FOLDS, UNKNOWN = (11, 12), 5, "low quality"
VIEWS = [tuple(FILES), ("rna",), ("ephys",), ("morphology",), ("ephys", "morphology")]
PREDICT = [(("rna",), "ephys"), (("rna",), "morphology"), (("rna", "ephys"), "morphology"), (("ephys",), "rna"),
           (("ephys",), "morphology"), (("morphology",), "ephys")]
WEIGHTS = "modalities.{}.weight={}".format
CHOICE = [
    ("base", "as the spec is", []),
    ("untaught", "without distillation", ["objective.distil=0"]),
    ("plain", "no norm in the RNA encoder", ["modalities.rna.encoder.norm=none"]),
    ("steps", "batches of 64", ["train.batch_size=64"]),
    ("weights", "RNA x 1, recordings x 10, shapes x 5",
     [WEIGHTS("rna", 1), WEIGHTS("ephys", 10), WEIGHTS("morphology", 5)]),
    ("small", "RNA x 1, recordings x 4, shapes x 2", [WEIGHTS("rna", 1), WEIGHTS("ephys", 4), WEIGHTS("morphology", 2)]),
    ("calibrated", "experts calibrated after training", ["fusion={plugin: poe, precision_scale: calibrated}"]),
]
# Measured once on these files, five folds: neighbours and gradient boosting of features; and what a release asks for.
FAMILY = {"all": (".871, .966", ".94"), "rna": (".949, .959", ".93"), "ephys": (".832, .890", ".84"),
          "morphology": (".692, .825", ".72")}
PREDICTED = [("ridge .322, extra trees .336", ".28"), ("ridge .225", ".18"), ("ridge .232", ".19"),
             ("extra trees .279", ".24")]


def read(name):
    file = gzip.open(DATA / name, "rt") if name.endswith(".gz") else open(DATA / name, encoding="utf-8")
    with file as f:
        return {r[0]: np.array([float(v) if v else np.nan for v in r[1:]]) for r in list(csv.reader(f))[1:]}


class Cells(Folds):
    def __init__(self, stele, folder, threads):
        with open(DATA / "cells.csv", newline="", encoding="utf-8") as f:
            family = {r["cell"]: r["family"] for r in csv.DictReader(f) if r["family"] != UNKNOWN}
        super().__init__(stele, folder, threads, SPEC, FILES, family)
        self.values = {name: read(file) for name, file in FILES.items()}
        self.absent = {name: np.full(len(next(iter(v.values()))), np.nan) for name, v in self.values.items()}

    def matrix(self, modality, ids, known):
        """Values of cells, NaN for those without; RNA brought to the median size of the cells `known`."""
        x = np.array([self.values[modality].get(i, self.absent[modality]) for i in ids])
        if modality != "rna":
            return x
        size = np.median([self.values["rna"][i].sum() for i in known if i in self.values["rna"]])
        return np.log1p(x / x.sum(1, keepdims=True) * size)

    def features(self, have, known, judged):
        """Of both lists of cells, for a logistic regression."""
        sides = []
        for modality in have:
            x = [self.matrix(modality, ids, known) for ids in (known, judged)]
            if modality == "rna":
                x = principal(*(np.where(np.isnan(v), np.nanmean(x[0], 0), v) for v in x), n=50)
            else:
                x = standardised(*x)
            sides.append(block(*x))
        return [np.hstack(side) for side in zip(*sides)]

    def regress(self, run, have, target, part, counted):
        """The target of judged cells by ridge regression; RNA relative to the cells `counted`."""
        known, judged = ([i for i in ids if all(i in self.values[m] for m in (*have, target))]
                         for ids in self.ids(run, tuple(FILES), part))
        x, z = (np.hstack([self.matrix(m, ids, known) for m in have]) for ids in (known, judged))
        y = self.matrix(target, known, counted)
        measured, out = ~np.isnan(y), np.empty((len(judged), y.shape[1]))
        for rows in np.unique(measured, axis=1).T:  # features that the same cells have
            own = (measured == rows[:, None]).all(0)
            out[:, own] = ridge(x[rows], y[rows][:, own], z)
        return out

    def predict(self, run, have, target, part):
        """Scores of the prediction, of the families' means and of a ridge regression, of cells that have all of it."""
        where = self.embed(run, tuple(FILES))[1]
        known, judged = ([i for i in where if where[i] == p and all(i in self.values[m] for m in (*have, target))]
                         for p in ("train", part))
        made = self.generate(run, have, target, part)
        guess = np.array([made[i] for i in judged])
        x, before = (self.matrix(target, ids, known) for ids in (judged, known))
        families, overall = np.array([self.labels[i] for i in known]), np.nanmean(before, 0)
        means = {c: np.nanmean(before[families == c], 0) for c in np.unique(families)}
        means = np.array([np.where(np.isnan(m), overall, m) for m in
                          (means.get(self.labels[i], overall) for i in judged)])
        plain = self.regress(run, have, target, part, known)
        if target == "rna":
            return [correlation(x, v) for v in (np.log1p(guess), means, plain)]
        return [r2(x, v) for v in (guess, means, plain)]

    def families(self, run, part):
        """Of VIEWS: accuracies by neighbours, by the probe, and by a logistic regression of features."""
        plain = []
        for have in VIEWS:
            known, judged = self.ids(run, have, part)
            plain.append(self.accuracy_of_features(known, judged, self.features(have, known, judged)))
        near, linear = ([self.accuracy(run, have, part, *how) for have in VIEWS] for how in ((), (probe,)))
        return np.array([near, linear, plain])

    def predictions(self, run, part):
        """Of PREDICT: scores of the model, of the families' means, of ridge regression."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a feature that no cell of a family has
            return np.array([self.predict(run, *pair, part) for pair in PREDICT]).T

    def by_seed(self, figures):
        """[seed, figure, line]: means over the folds."""
        jobs = [(f"fold-{seed}-{fold}", seed, f"{{folds: {FOLDS}, fold: {fold}, valid: 0.1, stratify: family}}", [])
                for seed in self.seeds for fold in range(1, FOLDS + 1)]
        found = np.array([figures(run, "test") for run in self.train_all(jobs)])
        return found.reshape(len(self.seeds), FOLDS, *found.shape[1:]).mean(1)

    def choice(self, key, sets):
        """Means over the other seeds, on validation rows; there are no test rows."""
        runs = self.train_all([(f"choice-{key}-{seed}", seed, "{train: 0.75, valid: 0.25, test: 0, stratify: family}", sets)
                               for seed in OTHER_SEEDS])
        return [np.mean([figures(run, "valid")[0] for run in runs], 0) for figures in (self.families, self.predictions)]


def name(have):
    return "all" if len(have) == len(FILES) else " and ".join(have)


def family(cells):
    found = cells.by_seed(cells.families)
    return table(["given", "z, 15 neighbours", "z, linear probe", "logistic regression, same folds", "probe less that",
                  "elsewhere: neighbours of features, gradient boosting", "required"],
                 [[name(have), spread(found[:, 0, k]), *beside(found[:, 1, k], found[:, 2, k]), *FAMILY.get(name(have), ("", ""))]
                  for k, have in enumerate(VIEWS)])


def predict(cells):
    found, rows = cells.by_seed(cells.predictions), []
    for k, (have, to) in enumerate(PREDICT):
        rows.append([f"{name(have)} -> {to}", "gene correlation" if to == "rna" else "R2",
                     *beside(found[:, 0, k], found[:, 2, k]), spread(found[:, 1, k]),
                     *(PREDICTED[k] if k < len(PREDICTED) else ("", ""))])
    return table(["from -> to", "measure", "model", "ridge, same folds", "model less that", "mean of the family",
                  "measured elsewhere", "required"], rows)


def choice(cells):
    rows = []
    for key, title, sets in CHOICE:
        accuracy, predicted = cells.choice(key, sets)
        rows.append([title, *(" / ".join(short(v) for v in values) for values in (accuracy, predicted[:4]))])
    return table(["run", "family from " + " / ".join(name(v) for v in VIEWS),
                  " / ".join(f"{name(have)} -> {to}" for have, to in PREDICT[:4])], rows)


if __name__ == "__main__":
    main(__doc__, {"patchseq-family": family, "patchseq-predict": predict, "patchseq-choice": choice}, Cells)
