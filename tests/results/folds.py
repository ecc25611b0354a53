"""What scripts of results share that train a spec on folds: runs, several at a time, and scores of z and of predictions."""
import argparse
import concurrent.futures
import csv
import pathlib

import numpy as np

from baselines import linear, logistic, nearest
from cortex import Runs, write


# --- scores ---

def vote(known, labels, z):
    """The class of most of the nearest; of as many the one with the nearest member."""
    classes, code = np.unique(labels, return_inverse=True)
    found = []
    for row in nearest(known, z):
        votes = np.bincount(code[row], minlength=len(classes))
        found.append(next(c for c in code[row] if votes[c] == votes.max()))
    return classes[found]


def probe(known, labels, z):
    """By a logistic regression of standardised z."""
    classes, code = np.unique(labels, return_inverse=True)
    return classes[linear(known, code, z, len(classes)).argmax(1)]


def r2(x, guess):
    """Mean over the features that vary, of the entries that were measured."""
    error, spread_ = np.nansum((x - guess) ** 2, 0), np.nansum((x - np.nanmean(x, 0)) ** 2, 0)
    return np.mean(1 - error[spread_ > 0] / spread_[spread_ > 0])


def correlation(x, guess):
    """Mean over the features that vary; a guess that does not vary counts as 0."""
    x, guess = x - x.mean(0), guess - guess.mean(0)
    norm = np.sqrt((x ** 2).sum(0) * (guess ** 2).sum(0))
    return np.mean(((x * guess).sum(0) / np.maximum(norm, 1e-12))[(x ** 2).sum(0) > 1e-9])


# --- texts ---

def short(value, digits=3, sign=""):
    return f"{value:{sign}.{digits}f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:{sign}.{digits}f}"


def spread(values, digits=3, sign=""):
    """Mean and, of several, standard deviation, without the zero before the point."""
    if len(values) == 1:
        return short(values[0], digits, sign)
    return f"{short(np.mean(values), digits, sign)} ({short(np.std(values, ddof=1), digits)})"


def beside(ours, theirs, digits=3):
    """Cells of the model, of a simple method and of their paired difference; `theirs` may be one number for all."""
    theirs = np.broadcast_to(theirs, np.shape(ours))
    return [spread(ours, digits), spread(theirs if np.ptp(theirs) else theirs[:1], digits),
            spread(np.subtract(ours, theirs), digits, "+")]


# --- runs ---

class Folds(Runs):
    """`spec`: the spec's path, `modalities`: its names, `labels`: {id: class} of the rows whose class is known."""
    sets = ()  # changes to the spec in all runs, before the split

    def __init__(self, stele, folder, threads, spec, modalities, labels):
        super().__init__(stele, folder, threads)
        self.spec, self.modalities, self.labels = spec, tuple(modalities), labels
        folder.mkdir(parents=True, exist_ok=True)

    def train(self, job):
        """Job: (name of the run, seed, split, further changes)."""
        name, seed, split, sets = job
        run = self.folder / name
        if not (run / "summary.json").is_file():
            changes = [word for change in [f"seed={seed}", *self.sets, f"data.split={split}", *sets] for word in ("--set", change)]
            self.call("train", self.spec, "--run", run, "--resume", "--quiet", *changes)
        return run

    def train_all(self, jobs):
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            return list(pool.map(self.train, jobs))

    def embed(self, run, have):
        """({id: z}, {id: part}) of the rows with a label that have all of `have`, or any if these are all modalities."""
        path = run / f"z-{'-'.join(have)}.csv"
        if not path.is_file():
            self.call("embed", run, "-o", path, "--modalities", ",".join(have), "--quiet")
        with open(path, newline="", encoding="utf-8") as f:
            rows = list(csv.DictReader(f))
        enough = any if len(have) == len(self.modalities) else all
        rows = [r for r in rows if r["id"] in self.labels and enough(r[f"has_{m}"] == "1" for m in have)]
        return {r["id"]: [float(v) for k, v in r.items() if k.startswith("z_")] for r in rows}, \
            {r["id"]: r["split"] for r in rows}

    def ids(self, run, have, part):
        """(ids to learn from, ids to judge) for a simple method: validation rows are none of its settings, but rows."""
        where = self.embed(run, have)[1]
        other = ("train", "valid") if part == "test" else ("train",)
        return [[i for i in where if where[i] in parts] for parts in (other, (part,))]

    def accuracy_of_features(self, known, judged, features):
        """Of a logistic regression; `features`: matrices of these ids' rows."""
        classes, code = np.unique([self.labels[i] for i in (*known, *judged)], return_inverse=True)
        s = logistic(features[0], code[:len(known)], features[1], len(classes))
        return np.mean(s.argmax(1) == code[len(known):])

    def accuracy(self, run, have, part, tell=vote):
        """Of the vote, or the probe, of training rows, which are embedded from the same modalities."""
        z, where = self.embed(run, have)
        known, judged = ([i for i in z if where[i] == p] for p in ("train", part))
        truth = [np.array([self.labels[i] for i in ids]) for ids in (known, judged)]
        return np.mean(tell(np.array([z[i] for i in known]), truth[0], np.array([z[i] for i in judged])) == truth[1])

    def generate(self, run, have, target, part):
        """{id: mean of the target at the posterior mean of z given `have`}."""
        path = run / f"{part}-{'-'.join(have)}-{target}.csv"
        if not path.is_file():
            self.call("generate", run, "-o", path, "--from", ",".join(have), "--to", target, "--split", part,
                      "--temperature", "0", "--quiet")
        with open(path, newline="", encoding="utf-8") as f:
            return {r[0]: np.array(r[1:], float) for r in list(csv.reader(f))[1:]}


def main(what, tables, make):
    """`make`: a `Folds` from the program, the folder and the number of threads."""
    parser = argparse.ArgumentParser(description=what, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stele", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--write", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--table", action="append", choices=tables)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time")
    options = parser.parse_args()
    runs = make(options.stele.resolve(), options.folder, options.threads)
    runs.seeds, runs.jobs = range(1, options.seeds + 1), options.jobs
    for name in options.table or tables:
        text = tables[name](runs)
        if options.write:
            write(options.write, name, text)
        else:
            print(f"\n{name}\n\n{text}")
