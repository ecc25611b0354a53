#!/usr/bin/env python3
"""Train configs/citeseq.yaml on five folds with several seeds and make its tables of docs/results.md.

    citeseq.py STELE FOLDER [--write docs/results.md] [--table NAME]... [--seeds N] [--threads N] [--jobs N]

FOLDER keeps the runs; what is finished there is not done again. Needs NumPy and the data set that the spec names. Tables:

  citeseq  the type of a cell told from z by the vote of the 15 nearest training cells, or by a logistic regression fitted on
           them, all embedded from the same modalities; Leiden communities of held-out cells; proteins predicted from RNA
Cells of unknown type are neither judged nor asked. A prediction is the mean at the posterior mean of z given RNA; measured
and predicted counts are compared as CLR, log(1 + count) less its mean over the ten proteins of the cell: correlation
over held-out cells, mean over proteins. Figures are means over the folds of a seed, then mean and standard deviation over
seeds.
"""
import csv
import gzip
import json
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from cortex import TOP, label, posterior, table  # noqa: E402
from folds import Folds, correlation, main, probe, spread  # noqa: E402

SPEC = TOP / "configs/citeseq.yaml"
DATA = TOP.parent / "shared/data/citeseq-pbmc"
FOLDS, UNKNOWN = 5, "unknown"
CLUSTERS = "evaluate=[{clustering: {labels: cell_type, exclude: [unknown]}}]"
VIEWS = [("rna",), ("protein",), ("rna", "protein")]
# Measured once on these files, five folds; and what a release asks for.
ROWS = [("type from RNA, accuracy", "neighbours in PCA .905", ".89"),
        ("type from proteins", "neighbours in PCA .992", ".98"),
        ("type from both", "neighbours in PCA .993", ".98"),
        ("Leiden communities of both, ARI", "PCA .891, proteins alone .988, totalVI .935", ".89"),
        ("proteins from RNA, correlation of CLR", "ridge .853, extra trees .865", ".83"),
        ("Leiden communities of proteins alone, ARI", "", "")]


def proteins():
    """{cell: counts of the ten proteins}"""
    with gzip.open(DATA / "barcodes.tsv.gz", "rt") as f:
        cells = f.read().split()
    with gzip.open(DATA / "features.tsv.gz", "rt") as f:
        kinds = [line.rstrip("\n").split("\t")[2] for line in f]
    column = {k + 1: i for i, k in enumerate(k for k, kind in enumerate(kinds) if kind == "Antibody Capture")}
    x = np.zeros((len(cells), len(column)))
    with gzip.open(DATA / "matrix.mtx.gz", "rt") as f:
        lines = (line for line in f if not line.startswith("%"))
        next(lines)
        for feature, cell, count in (line.split() for line in lines):
            if int(feature) in column:
                x[int(cell) - 1, column[int(feature)]] = float(count)
    return dict(zip(cells, x))


def clr(x):
    x = np.log1p(x)
    return x - x.mean(1, keepdims=True)


class Cells(Folds):
    def __init__(self, stele, folder, threads):
        with open(DATA / "cell_types.csv", newline="", encoding="utf-8") as f:
            types = {r["barcode"]: r["cell_type"] for r in csv.DictReader(f) if r["cell_type"] != UNKNOWN}
        super().__init__(stele, folder, threads, SPEC, ("rna", "protein"), types)
        self.counts = proteins()

    def communities(self, run, part):
        path = run / f"eval-{part}.json"
        if not path.is_file():
            self.call("eval", run, "--split", part, "--quiet")
        report = json.loads(path.read_text())
        return [label(posterior(report, name), "ari") for name in ("joint", "protein")]

    def figures(self, run, part):
        """In the order of ROWS, then those of VIEWS by the probe."""
        guess = self.generate(run, ("rna",), "protein", part)
        told = correlation(clr(np.array([self.counts[i] for i in guess])), clr(np.array(list(guess.values()))))
        joint, alone = self.communities(run, part)
        return [*(self.accuracy(run, have, part) for have in VIEWS), joint, told, alone,
                *(self.accuracy(run, have, part, probe) for have in VIEWS)]


def citeseq(cells):
    jobs = [(f"fold-{seed}-{fold}", seed, f"{{folds: {FOLDS}, fold: {fold}, valid: 0.1, stratify: cell_type}}", [CLUSTERS])
            for seed in cells.seeds for fold in range(1, FOLDS + 1)]
    found = np.array([cells.figures(run, "test") for run in cells.train_all(jobs)])
    found = found.reshape(len(cells.seeds), FOLDS, -1).mean(1)
    linear = [spread(found[:, len(ROWS) + k]) for k in range(len(VIEWS))] + [""] * (len(ROWS) - len(VIEWS))
    return table(["measure", "Stele", "by a linear probe", "baselines", "required"],
                 [[title, spread(found[:, k]), linear[k], *rest] for k, (title, *rest) in enumerate(ROWS)])


if __name__ == "__main__":
    main(__doc__, {"citeseq": citeseq}, Cells)
