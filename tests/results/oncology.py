#!/usr/bin/env python3
"""Train configs/oncology.yaml on 5 x 5 folds and make its tables of docs/results.md.

    oncology.py STELE FOLDER [--write docs/results.md] [--table NAME]... [--threads N]

FOLDER keeps the runs; what is finished there is not done again. Needs NumPy and the data set that the spec names. Tables:

  oncology         response to therapy told from z by a linear probe, from all modalities, without each, from each alone;
                   beside a ridge on the features themselves, on the same folds (seeds 1 to 5)
  oncology-choice  the spec with one thing changed at a time, judged on training rows alone (seeds 11 and 12)

The probe is a logistic regression with a ridge penalty that cross-validation within the training rows chooses (training
and validation part of the spec's split; z is the posterior mean of all that such a row has). Test rows are scored by the same
probe with z from those modalities that the table names. Figures are areas under the ROC curve: means over the five folds
of a seed, then mean and standard deviation over seeds.
"""
import argparse
import csv
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from baselines import auc  # noqa: E402
from cortex import TOP, Runs, table, write  # noqa: E402

SPEC = TOP / "configs/oncology.yaml"
DATA = TOP / "../shared/data/transneo-breast"
SEEDS, OTHER_SEEDS, FOLDS = range(1, 6), range(11, 13), 5
FILES = {"clinical": "clinical", "dna": "dna", "rna": "rna", "pathology": "digital_pathology"}
PENALTIES = [10.0 ** k for k in np.arange(-1, 3.1, 0.5)]
CHOICE = [
    ("base", "as the spec is", []),
    ("beta", "KL at full weight", ["objective.beta=1"]),
    ("weights", "all likelihoods at weight 1", ["modalities.clinical.weight=1", "modalities.pathology.weight=1"]),
    ("small", "4 dimensions", ["latent.dim=4"]),
]


# --- a ridge, and what it is scored by ---

def newton(x, y, penalty):
    """Weights of a logistic regression; the last is the intercept, which is free."""
    if x.shape[1] > len(x):  # the penalty does not mind a rotation, after which most columns are 0
        u, s, v = np.linalg.svd(x, full_matrices=False)
        w = newton(u * s, y, penalty)
        return np.append(v.T @ w[:-1], w[-1])
    x = np.column_stack([x, np.ones(len(x))])
    ridge = np.full(x.shape[1], penalty)
    ridge[-1] = 1e-9
    w = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        step = np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + np.diag(ridge), x.T @ (y - p) - ridge * w)
        w += step
        if np.abs(step).max() < 1e-8:
            break
    return w


def scores(w, x):
    return x @ w[:-1] + w[-1]


def folds_of(y, seed):
    """A fold for each row, classes spread evenly."""
    order = np.random.default_rng(seed).permutation(len(y))
    fold = np.empty(len(y), int)
    for c in (0, 1):
        rows = order[y[order] == c]
        fold[rows] = np.arange(len(rows)) % FOLDS
    return fold


def cross_validated(x, y, penalty, seed):
    """Scores of rows by regressions on the others."""
    fold, out = folds_of(y, seed), np.empty(len(y))
    for k in range(FOLDS):
        out[fold == k] = scores(newton(x[fold != k], y[fold != k], penalty), x[fold == k])
    return out


def log_loss(s, y):
    return np.logaddexp(0, np.where(y == 1, -s, s)).mean()


class Ridge:
    """Standardised by the training rows, what is missing at their mean; the penalty by cross-validation in them."""

    def __init__(self, x, y):
        self.mean = np.nan_to_num(np.nanmean(x, 0))
        self.scale = np.nanstd(x, 0)
        self.scale[~(self.scale > 1e-9)] = 1.0
        x = self.prepare(x)
        self.penalty = min(PENALTIES, key=lambda c: log_loss(cross_validated(x, y, c, 0), y))
        self.inner = auc(cross_validated(x, y, self.penalty, 1), y)
        self.w = newton(x, y, self.penalty)

    def prepare(self, x):
        return np.nan_to_num((x - self.mean) / self.scale)

    def score(self, x):
        return scores(self.w, self.prepare(x))


# --- features as they are ---

def read(name):
    with open(DATA / f"{name}.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def columns(name):
    """(patients, numbers): texts as one column per class."""
    rows = read(name)
    out = []
    for key in list(rows[0])[1:]:
        values = [row[key] for row in rows]
        try:
            out.append([float(v) if v else np.nan for v in values])
        except ValueError:
            out += [[float(v == level) for v in values] for level in sorted(set(values))]
    return {row["patient"]: np.array(v) for row, v in zip(rows, zip(*out))}


class Features:
    def __init__(self):
        self.part = {name: columns(file) for name, file in FILES.items()}
        self.width = {name: len(next(iter(part.values()))) for name, part in self.part.items()}

    def matrix(self, ids, have):
        """NaN for what is not there or not in `have`."""
        return np.array([np.concatenate([part[i] if name in have and i in part else np.full(self.width[name], np.nan)
                                         for name, part in self.part.items()]) for i in ids])


# --- runs ---

class Oncology(Runs):
    def __init__(self, stele, folder, threads):
        super().__init__(stele, folder, threads)
        self.response = {row["patient"]: row["response"] for row in read("outcome")}

    def run(self, name, seed, fold, sets):
        run = self.folder / f"{name}-{seed}-{fold}"
        if not (run / "summary.json").is_file():
            split = f"data.split={{folds: {FOLDS}, fold: {fold}, valid: 0.1, stratify: response}}"
            changes = [word for change in [f"seed={seed}", split, *sets] for word in ("--set", change)]
            self.call("train", SPEC, "--run", run, "--resume", "--quiet", *changes)
        return run

    def embed(self, run, have):
        """{id: (part, z)} of the rows that have any of these modalities."""
        path = run / f"z-{'-'.join(have)}.csv"
        if not path.is_file():
            self.call("embed", run, "-o", path, "--modalities", ",".join(have), "--quiet")
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        keys = [k for k in rows[0] if k.startswith("z_")]
        return {row["id"]: (row["split"], [float(row[k]) for k in keys]) for row in rows
                if any(row[f"has_{m}"] == "1" for m in have)}

    def known(self, rows, parts):
        ids = sorted(i for i, (part, _) in rows.items() if part in parts and self.response[i])
        return ids, np.array([self.response[i] == "pCR" for i in ids], int)


def subsets():
    names = list(FILES)
    out = [("all", names)]
    out += [(f"without {m}", [n for n in names if n != m]) for m in names]
    return out + [(f"{m} alone", [m]) for m in names]


def fold_scores(runs, features, seed, fold):
    """{subset: (probe of z, ridge on features)}, areas of one fold."""
    run = runs.run("base", seed, fold, [])
    everything = runs.embed(run, list(FILES))
    ids, y = runs.known(everything, ("train", "valid"))
    probe = Ridge(np.array([everything[i][1] for i in ids]), y)
    plain = Ridge(features.matrix(ids, list(FILES)), y)
    out = {}
    for title, have in subsets():
        z = runs.embed(run, have)
        test, truth = runs.known(z, ("test",))
        out[title] = (auc(probe.score(np.array([z[i][1] for i in test])), truth),
                      auc(plain.score(features.matrix(test, have)), truth))
    return out


def spread(values, sign=""):
    """Mean and standard deviation, without the zero before the point."""
    return f"{np.mean(values):{sign}.3f} ({np.std(values, ddof=1):.3f})".replace("0.", ".")


def oncology(runs):
    features, rows = Features(), []
    found = [[fold_scores(runs, features, seed, fold) for fold in range(1, FOLDS + 1)] for seed in SEEDS]
    for title, _ in subsets():
        z, plain = (np.array([np.mean([f[title][k] for f in seed]) for seed in found]) for k in (0, 1))
        rows.append([title, spread(z), spread(plain), spread(z - plain, "+")])
    return table(["modalities of the test rows", "probe of z", "ridge on features", "difference"], rows)


def choice(runs):
    rows = []
    for key, title, sets in CHOICE:
        inner = []
        for seed in OTHER_SEEDS:
            areas = []
            for fold in range(1, FOLDS + 1):
                z = runs.embed(runs.run(f"choice-{key}", seed, fold, sets), list(FILES))
                ids, y = runs.known(z, ("train", "valid"))
                areas.append(Ridge(np.array([z[i][1] for i in ids]), y).inner)
            inner.append(np.mean(areas))
        rows.append([title, spread(inner)])
    return table(["run", "cross-validated in training rows"], rows)


TABLES = {"oncology": oncology, "oncology-choice": choice}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stele", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--write", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--table", action="append", choices=TABLES)
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    runs = Oncology(options.stele.resolve(), options.folder, options.threads)
    for name in options.table or TABLES:
        text = TABLES[name](runs)
        if options.write:
            write(options.write, name, text)
        else:
            print(f"\n{name}\n\n{text}")


if __name__ == "__main__":
    main()
