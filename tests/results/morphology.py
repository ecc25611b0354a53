#!/usr/bin/env python3
"""Train configs/morphology.yaml on five folds with several seeds and make its tables of docs/results.md.

    morphology.py STELE FOLDER [--write docs/results.md] [--table NAME]... [--seeds N] [--threads N]

FOLDER keeps the runs; what is finished there is not done again. Every cell is held out once a seed; the type of a cell is
told from its posterior mean given its tree, by a linear probe or by neighbours among the cells that are not held out. Tables:

  types           the spec as it is, seeds 1 to 5, and with a tree encoder in place of morphometrics, beside the same two ways
                  on published morphometrics
  types-ablation  the spec with one thing changed at a time, seeds 11 and 12: other folds than those above

Numbers are means and standard deviations over seeds. Needs numpy and the data set that the spec names.
"""
import argparse
import csv
import pathlib

import numpy as np

from cortex import Runs, TOP, difference, table, write
from folds import spread

SPEC = TOP / "configs/morphology.yaml"
DATA = TOP.parent / "shared/data/morphology-l4"
OTHER_SEEDS, FOLDS, NEIGHBOURS = range(11, 13), 5, 15
VIEWS = [("shape,map", "trees: morphometrics and map"), ("shape", "morphometrics alone"), ("map", "map alone")]
TREE = ["modalities.shape.encoder={kind: tree, from: 'trees:branches', hidden: [64], input_dropout: 0.2}"]
TREE_VIEWS = [("shape", "branches, by the tree encoder"), ("shape,map", "branches, by the tree encoder, and map")]
ABLATION = [
    ("base", "as the spec is", []),
    ("poisson", "map as Poisson counts", ["modalities.map.likelihood=poisson"]),
    ("real", "all features normal", ["modalities.shape.kind=real", "modalities.shape.positive=[]"]),
    ("no-map", "no map", ["modalities.map.weight=0"]),
    ("no-recordings", "no recordings", ["modalities.ephys.weight=0"]),
    ("joint-only", "no bounds of single modalities", ["objective.subsets=all"]),
    ("no-dropout", "nothing hidden from the encoders",
     ["modalities.shape.encoder.input_dropout=0", "modalities.map.encoder.input_dropout=0"]),
    ("dim-16", "16 latent dimensions instead of 8", ["latent.dim=16"]),
]


# --- two ways to tell a type ---

def standardise(train, test):
    centre, scale = train.mean(0), train.std(0)
    scale[scale == 0] = 1
    return (train - centre) / scale, (test - centre) / scale


def probe(train, labels, test, decay=1.0, steps=2000):
    """Softmax regression on standardised values; `decay` is half the squared norm's factor, against the sum of losses."""
    x, y = standardise(train, test)
    x, y = (np.hstack([a, np.ones((len(a), 1))]) for a in (x, y))
    n_classes = labels.max() + 1
    target, w = np.eye(n_classes)[labels], np.zeros((x.shape[1], n_classes))
    ridge = decay * np.r_[np.ones(x.shape[1] - 1), 0][:, None]
    rate = 1.0 / (0.5 * np.linalg.norm(x, 2) ** 2 + decay)
    ahead = w
    for step in range(steps):  # Nesterov's accelerated gradient
        logits = x @ ahead
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        before, w = w, ahead - rate * (x.T @ (p - target) + ridge * ahead)
        ahead = w + step / (step + 3.0) * (w - before)
    return (y @ w).argmax(1)


def neighbours(train, labels, test):
    """The class of most of the nearest; of as many the one with the nearest member."""
    found = []
    for row in test:
        nearest = labels[np.argsort(((train - row) ** 2).sum(1), kind="stable")[:NEIGHBOURS]]
        votes = np.bincount(nearest, minlength=labels.max() + 1)
        found.append(next(c for c in nearest if votes[c] == votes.max()))
    return np.array(found)


# --- folds ---

class Cells(Runs):
    def rows(self, name, seed, fold, sets, view):
        """What `stele embed` says about the cells with a type: ids, held out or not, types, posterior means."""
        run = self.folder / f"{name}-{seed}-{fold}"
        if not (run / "summary.json").is_file():
            split = f"data.split={{folds: {FOLDS}, fold: {fold}, valid: 0.1, stratify: 'cells:cell_type'}}"
            changes = [word for change in [f"seed={seed}", split, *sets] for word in ("--set", change)]
            self.call("train", SPEC, "--run", run, "--resume", "--quiet", *changes)
        out = run / f"{view.replace(',', '-')}.csv"
        if not out.is_file():
            self.call("embed", run, "--modalities", view, "-o", out, "--quiet")
        with open(out, newline="", encoding="utf-8") as f:
            rows = [r for r in csv.DictReader(f) if r["cells:cell_type"]]
        z = np.array([[float(v) for k, v in r.items() if k.startswith("z_")] for r in rows])
        return [r["id"] for r in rows], np.array([r["split"] == "test" for r in rows]), \
            [r["cells:cell_type"] for r in rows], z

    def score(self, name, seed, sets, view, values=None):
        """Accuracies of the probe and of the neighbours over all folds of one seed, of z or of `values` by id."""
        right, n = np.zeros(2), 0
        for fold in range(1, FOLDS + 1):
            ids, held_out, types, z = self.rows(name, seed, fold, sets, view)
            code = np.unique(types, return_inverse=True)[1]
            x = z if values is None else np.array([values[i] for i in ids])
            train, test = x[~held_out], x[held_out]
            if values is not None:
                train, test = standardise(train, test)
            for k, way in enumerate((probe, neighbours)):
                right[k] += (way(train, code[~held_out], test) == code[held_out]).sum()
            n += held_out.sum()
        return right / n

    def scores(self, name, seeds, sets, view, values=None):
        return np.array([self.score(name, seed, sets, view, values) for seed in seeds]).T


def published():
    with open(DATA / "morphometrics.csv", newline="", encoding="utf-8") as f:
        return {r["cell"]: [float(v) for k, v in r.items() if k != "cell"] for r in csv.DictReader(f)}


def types(cells):
    theirs = cells.scores("base", cells.seeds, [], VIEWS[0][0], published())
    rows = []
    runs = [("base", [], *v) for v in VIEWS] + [("tree", TREE, *v) for v in TREE_VIEWS]
    for name, sets, view, title in runs:
        ours = cells.scores(name, cells.seeds, sets, view)
        rows.append([f"z of {title}", *(spread(a) for a in ours), *(spread(difference(a, b), 3, "+")
                                                                  for a, b in zip(ours, theirs))])
    rows.append(["22 published morphometrics, standardised", *(spread(a) for a in theirs), "", ""])
    head = ["", "linear probe", f"{NEIGHBOURS} neighbours"]
    return table(head + [f"{h}, less the published ones'" for h in head[1:]], rows)


def ablation(cells):
    rows, base = [], None
    for key, title, sets in ABLATION:
        now = cells.scores(f"ablation-{key}", OTHER_SEEDS, sets, VIEWS[0][0])
        base = now if base is None else base
        changes = ["", ""] if now is base else [spread(difference(a, b), 3, "+") for a, b in zip(now, base)]
        rows.append([title, *(spread(a) for a in now), *changes])
    return table(["run", "linear probe", f"{NEIGHBOURS} neighbours", "probe, change", "neighbours, change"], rows)


TABLES = {"types": types, "types-ablation": ablation}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stele", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--write", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--table", action="append", choices=TABLES)
    parser.add_argument("--seeds", type=int, default=5, help="of the table of types")
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    cells = Cells(options.stele.resolve(), options.folder, options.threads)
    cells.seeds = range(1, options.seeds + 1)
    for name in options.table or TABLES:
        text = TABLES[name](cells)
        if options.write:
            write(options.write, name, text)
        else:
            print(f"\n{name}\n\n{text}")


if __name__ == "__main__":
    main()
