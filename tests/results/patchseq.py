#!/usr/bin/env python3
"""Train configs/patchseq.yaml on five folds with several seeds and make its tables of docs/results.md.

    patchseq.py STELE FOLDER [--write docs/results.md] [--table NAME]... [--seeds N] [--threads N] [--jobs N]

FOLDER keeps the runs; what is finished there is not done again. Needs NumPy and the data set that the spec names. Tables:

  patchseq-family   the family of a cell told from z, given all that it has and given parts of it
  patchseq-predict  one modality predicted from others, beside the mean of the cell's family
  patchseq-choice   the spec with one thing changed at a time, judged on validation rows of other seeds (11 and 12)

z is a posterior mean. A cell's family is the vote of the 15 nearest training cells, which are embedded from the same
modalities; cells of low quality have no family that could be relied on and are neither judged nor asked. Cells are
judged that have all of the modalities named ("all": whatever they have). A prediction is the mean at the posterior mean,
judged on cells with a family: R2 of each feature, from which the mean is taken over features; of RNA the correlation of log(1 + count
brought to the median size of the training cells) over cells, mean over genes. Figures are means over the folds of a seed,
then mean and standard deviation over seeds.
"""
import argparse
import concurrent.futures
import csv
import gzip
import pathlib
import sys
import warnings

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from cortex import TOP, Runs, table, write  # noqa: E402

SPEC = TOP / "configs/patchseq.yaml"
DATA = TOP.parent / "shared/data/patchseq-m1"
FILES = {"rna": "rna_counts.csv.gz", "ephys": "ephys.csv", "morphology": "morphology.csv"}
OTHER_SEEDS, FOLDS, NEIGHBOURS, UNKNOWN = (11, 12), 5, 15, "low quality"
VIEWS = [("rna", "ephys", "morphology"), ("rna",), ("ephys",), ("morphology",), ("ephys", "morphology")]
PREDICT = [(("rna",), "ephys"), (("rna",), "morphology"), (("rna", "ephys"), "morphology"), (("ephys",), "rna"),
           (("ephys",), "morphology"), (("morphology",), "ephys")]
CHOICE = [("base", "as the spec is", [])]


class Data:
    """What was measured: {modality: {cell: values}}, RNA as it is compared; and {cell: family}."""

    def __init__(self):
        with open(DATA / "cells.csv", newline="", encoding="utf-8") as f:
            self.family = {r["cell"]: r["family"] for r in csv.DictReader(f) if r["family"] != UNKNOWN}
        self.values = {name: self.read(file) for name, file in FILES.items()}

    @staticmethod
    def read(name):
        file = gzip.open(DATA / name, "rt") if name.endswith(".gz") else open(DATA / name, encoding="utf-8")
        with file as f:
            rows = csv.reader(f)
            next(rows)
            return {r[0]: np.array([float(v) if v else np.nan for v in r[1:]]) for r in rows}

    def matrix(self, modality, ids, known):
        """Values of cells; RNA brought to the median size of the cells `known`."""
        x = np.array([self.values[modality][i] for i in ids])
        if modality != "rna":
            return x
        size = np.median([self.values["rna"][i].sum() for i in known if i in self.values["rna"]])
        return np.log1p(x / x.sum(1, keepdims=True) * size)


# --- scores ---

def vote(known, labels, z):
    """The class of most of the nearest; of as many the one with the nearest member."""
    classes, code = np.unique(labels, return_inverse=True)
    distance = ((z[:, None] - known[None]) ** 2).sum(2)
    found = []
    for row in np.argsort(distance, 1, kind="stable")[:, :NEIGHBOURS]:
        votes = np.bincount(code[row], minlength=len(classes))
        found.append(next(c for c in code[row] if votes[c] == votes.max()))
    return classes[found]


def r2(x, guess):
    """Mean over features that vary, of the entries that were measured."""
    error, spread = np.nansum((x - guess) ** 2, 0), np.nansum((x - np.nanmean(x, 0)) ** 2, 0)
    return np.mean(1 - error[spread > 0] / spread[spread > 0])


def correlation(x, guess):
    """Mean over the features that vary; a guess that does not vary counts as 0."""
    x, guess = x - x.mean(0), guess - guess.mean(0)
    norm = np.sqrt((x ** 2).sum(0) * (guess ** 2).sum(0))
    vary = (x ** 2).sum(0) > 1e-9
    return np.mean(((x * guess).sum(0) / np.maximum(norm, 1e-12))[vary])


def score(modality, x, guess):
    return correlation(x, guess) if modality == "rna" else r2(x, guess)


# --- runs ---

class Cells(Runs):
    def __init__(self, stele, folder, threads):
        super().__init__(stele, folder, threads)
        self.data = Data()

    def train(self, job):
        name, seed, split, sets = job
        run = self.folder / name
        if not (run / "summary.json").is_file():
            changes = [word for change in [f"seed={seed}", f"data.split={split}", *sets] for word in ("--set", change)]
            self.call("train", SPEC, "--run", run, "--resume", "--quiet", *changes)
        return run

    def embed(self, run, have):
        """({cell: z}, {cell: part}) of the cells with a family that have all of `have`, or any if it is everything."""
        path = run / f"z-{'-'.join(have)}.csv"
        if not path.is_file():
            self.call("embed", run, "-o", path, "--modalities", ",".join(have), "--quiet")
        with open(path, newline="", encoding="utf-8") as f:
            rows = list(csv.DictReader(f))
        enough = any if len(have) == len(FILES) else all
        rows = [r for r in rows if r["id"] in self.data.family and enough(r[f"has_{m}"] == "1" for m in have)]
        return {r["id"]: [float(v) for k, v in r.items() if k.startswith("z_")] for r in rows}, \
            {r["id"]: r["split"] for r in rows}

    def accuracy(self, run, have, part):
        z, where = self.embed(run, have)
        known, judged = ([i for i in z if where[i] == p] for p in ("train", part))
        families = [np.array([self.data.family[i] for i in ids]) for ids in (known, judged)]
        found = vote(np.array([z[i] for i in known]), families[0], np.array([z[i] for i in judged]))
        return np.mean(found == families[1])

    def predict(self, run, have, target, part):
        """Scores of the prediction and of the families' means."""
        path = run / f"{part}-{'-'.join(have)}-{target}.csv"
        if not path.is_file():
            self.call("generate", run, "-o", path, "--from", ",".join(have), "--to", target, "--split", part,
                      "--temperature", "0", "--quiet")
        _, where = self.embed(run, tuple(FILES))
        complete = [i for i in where if i in self.data.values[target] and all(i in self.data.values[m] for m in have)]
        known, judged = ([i for i in complete if where[i] == p] for p in ("train", part))
        with open(path, newline="", encoding="utf-8") as f:
            guess = {r[0]: [float(v) for v in r[1:]] for r in list(csv.reader(f))[1:]}
        guess = np.array([guess[i] for i in judged])
        x, before = (self.data.matrix(target, ids, known) for ids in (judged, known))
        families = np.array([self.data.family[i] for i in known])
        means = {c: np.nanmean(before[families == c], 0) for c in np.unique(families)}
        overall = np.nanmean(before, 0)
        means = np.array([np.where(np.isnan(m), overall, m) for m in
                          (means.get(self.data.family[i], overall) for i in judged)])
        return score(target, x, np.log1p(guess) if target == "rna" else guess), score(target, x, means)

    def figures(self, run, part):
        """(accuracies of VIEWS, scores of PREDICT, the same of the families' means)."""
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a feature that no cell of a family has
            both = np.array([self.predict(run, *pair, part) for pair in PREDICT])
        return np.array([self.accuracy(run, have, part) for have in VIEWS]), both[:, 0], both[:, 1]


def folds(seed):
    return [(f"fold-{seed}-{fold}", seed, f"{{folds: {FOLDS}, fold: {fold}, valid: 0.1, stratify: family}}", [])
            for fold in range(1, FOLDS + 1)]


def choices(key, sets):
    return [(f"choice-{key}-{seed}", seed, "{train: 0.75, valid: 0.25, test: 0, stratify: family}", sets)
            for seed in OTHER_SEEDS]


def judged(cells, jobs, part):
    """Figures of each job, as many trainings at a time as were asked for."""
    with concurrent.futures.ThreadPoolExecutor(cells.jobs) as pool:
        runs = list(pool.map(cells.train, jobs))
    return [cells.figures(run, part) for run in runs]


# --- tables ---

def short(value, digits=3):
    return f"{value:.{digits}f}".replace("0.", ".", 1)


def spread(values):
    """Mean and standard deviation, without the zero before the point."""
    if len(values) == 1:
        return short(values[0])
    return f"{short(np.mean(values))} ({short(np.std(values, ddof=1))})"


def by_seed(cells):
    """Figures of each seed: means over its folds."""
    found = judged(cells, [job for seed in cells.seeds for job in folds(seed)], "test")
    return [[np.mean([f[k] for f in found[i:i + FOLDS]], 0) for k in range(3)] for i in range(0, len(found), FOLDS)]


def name(have):
    return "all" if len(have) == len(FILES) else " and ".join(have)


KNN = {"all": ".871", "rna": ".949", "ephys": ".832", "morphology": ".692"}
BOOSTING = {"all": ".966", "rna": ".959", "ephys": ".890", "morphology": ".825"}
ASKED = {"all": ".94", "rna": ".93", "ephys": ".84", "morphology": ".72"}


def family(cells):
    found = by_seed(cells)
    return table(["given", "z", "neighbours of features", "gradient boosting", "required"],
                 [[name(have), spread([f[0][k] for f in found])] +
                  [those.get(name(have), "") for those in (KNN, BOOSTING, ASKED)] for k, have in enumerate(VIEWS)])


LINEAR = {0: "ridge .322, extra trees .336", 1: "ridge .225", 2: "ridge .232", 3: "extra trees .279"}
WANTED = {0: ".28", 1: ".18", 2: ".19", 3: ".24"}


def predict(cells):
    found = by_seed(cells)
    return table(["from -> to", "measure", "model", "mean of the family", "baselines", "required"],
                 [[f"{name(have)} -> {to}", "gene correlation" if to == "rna" else "R2"] +
                  [spread([f[part][k] for f in found]) for part in (1, 2)] + [LINEAR.get(k, ""), WANTED.get(k, "")]
                  for k, (have, to) in enumerate(PREDICT)])


def choice(cells):
    rows = []
    for key, title, sets in CHOICE:
        found = judged(cells, choices(key, sets), "valid")
        rows.append([title] + [" / ".join(short(v) for v in np.mean([f[k] for f in found], 0)[:n])
                               for k, n in ((0, len(VIEWS)), (1, 4))])
    return table(["run", "family from " + " / ".join(name(v) for v in VIEWS),
                  " / ".join(f"{name(have)} -> {to}" for have, to in PREDICT[:4])], rows)


TABLES = {"patchseq-family": family, "patchseq-predict": predict, "patchseq-choice": choice}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stele", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--write", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--table", action="append", choices=TABLES)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time")
    options = parser.parse_args()
    cells = Cells(options.stele.resolve(), options.folder, options.threads)
    cells.seeds, cells.jobs = range(1, options.seeds + 1), options.jobs
    for key in options.table or TABLES:
        text = TABLES[key](cells)
        if options.write:
            write(options.write, key, text)
        else:
            print(f"\n{key}\n\n{text}")


if __name__ == "__main__":
    main()
