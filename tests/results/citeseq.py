#!/usr/bin/env python3
"""Train configs/citeseq.yaml on five folds with several seeds and make its tables of docs/results.md.

    citeseq.py STELE FOLDER [--write docs/results.md] [--table NAME]... [--seeds N] [--threads N] [--jobs N]

FOLDER keeps the runs; what is finished there is not done again. Needs NumPy and the data set that the spec names. Tables:

  citeseq  the type of a cell told from z by the vote of the 15 nearest training cells, or by a logistic regression fitted on
           them, all embedded from the same modalities; Leiden communities of held-out cells; proteins predicted from RNA
Cells of unknown type are neither judged nor asked. A prediction is the mean at the posterior mean of z given RNA; measured
and predicted counts are compared as CLR, log(1 + count) less its mean over the ten proteins of the cell: correlation
over held-out cells, mean over proteins. Beside them simple methods on the same folds, with the validation cells to learn
from as well: logistic regressions of 100 principal components of log RNA (genes of 50 cells or more, counts brought to the
median size), of CLR and of both, which have the same variance; ridge regression from the components to CLR; k-means of the
held-out cells by the same features, best of 3 to 10 clusters as Leiden's is of several resolutions. Figures are means
over the folds of a seed, then mean and standard deviation over seeds; differences are paired.
"""
import csv
import gzip
import json
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from baselines import block, clusters, principal, rand_index, ridge  # noqa: E402
from cortex import TOP, label, posterior, table  # noqa: E402
from folds import Folds, beside, correlation, main, probe, spread  # noqa: E402

SPEC = TOP / "configs/citeseq.yaml"
DATA = TOP.parent / "shared/data/citeseq-pbmc"
FOLDS, UNKNOWN, FEWEST = 5, "unknown", 50
CLUSTERS = "evaluate=[{clustering: {labels: cell_type, exclude: [unknown]}}]"
VIEWS = [("rna",), ("protein",), ("rna", "protein")]
# Measured once on these files, five folds; and what a release asks for.
ROWS = [("type from RNA, accuracy", "neighbours in PCA .905", ".89"),
        ("type from proteins", "neighbours in PCA .992", ".98"),
        ("type from both", "neighbours in PCA .993", ".98"),
        ("Leiden communities of both, ARI", "PCA .891, proteins alone .988, totalVI .935", ".89"),
        ("proteins from RNA, correlation of CLR", "ridge .853, extra trees .865", ".83"),
        ("Leiden communities of proteins alone, ARI", "", "")]


def counts():
    """Cells, and counts of the genes that are in enough cells and of the ten proteins."""
    with gzip.open(DATA / "barcodes.tsv.gz", "rt") as f:
        cells = f.read().split()
    with gzip.open(DATA / "features.tsv.gz", "rt") as f:
        protein = np.array([line.rstrip("\n").split("\t")[2] == "Antibody Capture" for line in f])
    with gzip.open(DATA / "matrix.mtx.gz", "rt") as f:
        lines = (line for line in f if not line.startswith("%"))
        next(lines)
        feature, cell, count = np.array([line.split() for line in lines], int).T
    often = np.bincount(feature - 1, minlength=len(protein)) >= FEWEST
    out = []
    for kept in (~protein & often, protein):
        column, own = np.cumsum(kept) - 1, kept[feature - 1]
        x = np.zeros((len(cells), kept.sum()))
        x[cell[own] - 1, column[feature[own] - 1]] = count[own]
        out.append(dict(zip(cells, x)))
    return out


def clr(x):
    x = np.log1p(x)
    return x - x.mean(1, keepdims=True)


class Cells(Folds):
    def __init__(self, stele, folder, threads):
        with open(DATA / "cell_types.csv", newline="", encoding="utf-8") as f:
            types = {r["barcode"]: r["cell_type"] for r in csv.DictReader(f) if r["cell_type"] != UNKNOWN}
        super().__init__(stele, folder, threads, SPEC, ("rna", "protein"), types)
        self.rna, self.counts = counts()

    def features(self, have, known, judged):
        """Of both lists of cells, each modality with the same variance."""
        sides = []
        for modality in have:
            if modality == "protein":
                x = [clr(np.array([self.counts[i] for i in ids])) for ids in (known, judged)]
            else:
                x = [np.array([self.rna[i] for i in ids]) for ids in (known, judged)]
                size = np.median(x[0].sum(1))
                x = principal(*(np.log1p(v / v.sum(1, keepdims=True) * size) for v in x), n=100)
            sides.append(block(*x))
        return [np.hstack(side) for side in zip(*sides)]

    def communities(self, run, part):
        path = run / f"eval-{part}.json"
        if not path.is_file():
            self.call("eval", run, "--split", part, "--quiet")
        report = json.loads(path.read_text())
        return [label(posterior(report, name), "ari") for name in ("joint", "protein")]

    def simple(self, run, part):
        """In the order of ROWS."""
        known, judged = self.ids(run, VIEWS[-1], part)
        sides = {have: self.features(have, known, judged) for have in VIEWS}
        types = [self.labels[i] for i in judged]
        joint, alone = (max(rand_index(types, clusters(sides[have][1], k)) for k in range(3, 11))
                        for have in (VIEWS[-1], ("protein",)))
        split = json.loads((run / "data.json").read_text())["split"]
        everyone = split["train"] + split["valid"], split[part]
        x, z = self.features(("rna",), *everyone)
        y, truth = (clr(np.array([self.counts[i] for i in ids])) for ids in everyone)
        return [*(self.accuracy_of_features(known, judged, sides[have]) for have in VIEWS), joint,
                correlation(truth, ridge(x, y, z)), alone]

    def figures(self, run, part):
        """Of the model in the order of ROWS; those of VIEWS by the probe; of simple methods in the order of ROWS."""
        guess = self.generate(run, ("rna",), "protein", part)
        told = correlation(clr(np.array([self.counts[i] for i in guess])), clr(np.array(list(guess.values()))))
        joint, alone = self.communities(run, part)
        return [*(self.accuracy(run, have, part) for have in VIEWS), joint, told, alone,
                *(self.accuracy(run, have, part, probe) for have in VIEWS), *self.simple(run, part)]


def citeseq(cells):
    jobs = [(f"fold-{seed}-{fold}", seed, f"{{folds: {FOLDS}, fold: {fold}, valid: 0.1, stratify: cell_type}}", [CLUSTERS])
            for seed in cells.seeds for fold in range(1, FOLDS + 1)]
    found = np.array([cells.figures(run, "test") for run in cells.train_all(jobs)])
    found = found.reshape(len(cells.seeds), FOLDS, -1).mean(1)
    linear, simple = found[:, len(ROWS):len(ROWS) + len(VIEWS)], found[:, len(ROWS) + len(VIEWS):]
    rows = []
    for k, (title, *rest) in enumerate(ROWS):
        rows.append([title, *beside(found[:, k], simple[:, k]), *rest])
        if k < len(VIEWS):
            rows.append([f"{title}, by a linear probe", *beside(linear[:, k], simple[:, k]), "", ""])
    return table(["measure", "Stele", "simple method, same folds", "difference", "measured elsewhere", "required"], rows)


if __name__ == "__main__":
    main(__doc__, {"citeseq": citeseq}, Cells)
