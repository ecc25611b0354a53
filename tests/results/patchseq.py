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
log(1 + count brought to the median size of the training cells) over cells, mean over genes. Figures are means over the
folds of a seed, then mean and standard deviation over seeds.
"""
import csv
import gzip
import pathlib
import sys
import warnings

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from cortex import TOP, table  # noqa: E402
from folds import Folds, correlation, main, probe, r2, short, spread  # noqa: E402

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
FAMILY = {"all": (".871", ".966", ".94"), "rna": (".949", ".959", ".93"), "ephys": (".832", ".890", ".84"),
          "morphology": (".692", ".825", ".72")}
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

    def matrix(self, modality, ids, known):
        """Values of cells; RNA brought to the median size of the cells `known`."""
        x = np.array([self.values[modality][i] for i in ids])
        if modality != "rna":
            return x
        size = np.median([self.values["rna"][i].sum() for i in known])
        return np.log1p(x / x.sum(1, keepdims=True) * size)

    def predict(self, run, have, target, part):
        """Scores of the prediction and of the families' means, of cells that have all of it."""
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
        if target == "rna":
            return correlation(x, np.log1p(guess)), correlation(x, means)
        return r2(x, guess), r2(x, means)

    def figures(self, run, part):
        """(accuracies of VIEWS, scores of PREDICT, the same of the families' means, accuracies by the probe)."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a feature that no cell of a family has
            both = np.array([self.predict(run, *pair, part) for pair in PREDICT])
        near, linear = (np.array([self.accuracy(run, have, part, *how) for have in VIEWS]) for how in ((), (probe,)))
        return near, both[:, 0], both[:, 1], linear

    def by_seed(self):
        """Figures of each seed: means over its folds."""
        jobs = [(f"fold-{seed}-{fold}", seed, f"{{folds: {FOLDS}, fold: {fold}, valid: 0.1, stratify: family}}", [])
                for seed in self.seeds for fold in range(1, FOLDS + 1)]
        found = [self.figures(run, "test") for run in self.train_all(jobs)]
        return [[np.mean([f[k] for f in found[i:i + FOLDS]], 0) for k in range(4)] for i in range(0, len(found), FOLDS)]

    def choice(self, key, sets):
        """Means over the other seeds, on validation rows; there are no test rows."""
        found = [self.figures(run, "valid") for run in self.train_all(
            [(f"choice-{key}-{seed}", seed, "{train: 0.75, valid: 0.25, test: 0, stratify: family}", sets)
             for seed in OTHER_SEEDS])]
        return [np.mean([f[k] for f in found], 0) for k in range(4)]


def name(have):
    return "all" if len(have) == len(FILES) else " and ".join(have)


def family(cells):
    found = cells.by_seed()
    return table(["given", "z, 15 neighbours", "z, linear probe", "neighbours of features", "gradient boosting", "required"],
                 [[name(have), spread([f[0][k] for f in found]), spread([f[3][k] for f in found]), *FAMILY.get(name(have), ("", "", ""))]
                  for k, have in enumerate(VIEWS)])


def predict(cells):
    found, rows = cells.by_seed(), []
    for k, (have, to) in enumerate(PREDICT):
        rows.append([f"{name(have)} -> {to}", "gene correlation" if to == "rna" else "R2"] +
                    [spread([f[part][k] for f in found]) for part in (1, 2)] +
                    list(PREDICTED[k] if k < len(PREDICTED) else ("", "")))
    return table(["from -> to", "measure", "model", "mean of the family", "baselines", "required"], rows)


def choice(cells):
    rows = []
    for key, title, sets in CHOICE:
        accuracy, predicted, _, _ = cells.choice(key, sets)
        rows.append([title, *(" / ".join(short(v) for v in values) for values in (accuracy, predicted[:4]))])
    return table(["run", "family from " + " / ".join(name(v) for v in VIEWS),
                  " / ".join(f"{name(have)} -> {to}" for have, to in PREDICT[:4])], rows)


if __name__ == "__main__":
    main(__doc__, {"patchseq-family": family, "patchseq-predict": predict, "patchseq-choice": choice}, Cells)
