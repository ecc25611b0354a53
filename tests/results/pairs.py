"""What emoji.py and xray.py share: runs of one spec with pictures and texts, classes told from z."""
import argparse
import concurrent.futures
import csv
import json
import pathlib
import subprocess
import sys

import numpy as np
from cortex import TOP, write

NEIGHBOURS = 15
GIVEN = [("image", "image"), ("text", "text"), ("joint", None)]


class Run:
    def __init__(self, stele, folder, threads, spec, sets):
        self.stele, self.folder, self.spec, self.sets = stele, folder, spec, sets
        self.threads = ["--threads", str(threads)] if threads else []

    def call(self, *words):
        command = [str(word) for word in (self.stele, *words, *self.threads)]
        print("+", *command, file=sys.stderr, flush=True)
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise SystemExit(f"exit status {done.returncode} of: {' '.join(command)}")
        return done.stdout

    def train(self):
        if not (self.folder / "summary.json").is_file():
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            changes = [word for change in self.sets for word in ("--set", change)]
            self.call("train", self.spec, "--run", self.folder, "--resume", "--quiet", *changes)

    def score(self, split):
        """The pair of modalities, as `stele score` has it."""
        path = self.folder / f"score-{split}.json"
        if not path.is_file():
            path.write_text(self.call("score", self.folder, "--split", split, "--json", "--quiet"), encoding="utf-8")
        return json.loads(path.read_text(encoding="utf-8"))["pairs"][0]

    def embed(self, modalities):
        """(ids, parts, z) of all rows, from these modalities; None: from all."""
        path = self.folder / f"z-{modalities or 'joint'}.csv"
        if not path.is_file():
            words = ["--modalities", modalities] if modalities else []
            self.call("embed", self.folder, "-o", path, "--quiet", *words)
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        keys = [k for k in rows[0] if k.startswith("z_")]
        return ([row["id"] for row in rows], np.array([row["split"] for row in rows]),
                np.array([[float(row[k]) for k in keys] for row in rows]))


def train_all(runs, jobs):
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        list(pool.map(Run.train, runs))


def standardised(known, z):
    mean, sd = known.mean(0), known.std(0) + 1e-9
    return (known - mean) / sd, (z - mean) / sd


def neighbours(known, y, z, n_classes):
    """Votes for each class of the nearest known rows."""
    distance = ((z[:, None] - known[None]) ** 2).sum(2)
    near = y[np.argsort(distance, 1, kind="stable")[:, :NEIGHBOURS]]
    return np.stack([(near == k).sum(1) for k in range(n_classes)], 1)


def linear(known, y, z, n_classes, penalty=1.0, steps=50):
    """Scores by a multinomial logistic regression with a ridge penalty, by Newton steps on a bound of its curvature."""
    known, z = standardised(known, z)
    known, z = np.c_[known, np.ones(len(known))], np.c_[z, np.ones(len(z))]
    target, w = np.eye(n_classes)[y], np.zeros((known.shape[1], n_classes))
    ridge = np.diag([penalty] * (known.shape[1] - 1) + [1e-6])
    inverse = np.linalg.inv(0.5 * known.T @ known + ridge)  # Boehning 1992
    for _ in range(steps * 10):
        s = known @ w
        p = np.exp(s - s.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        w += inverse @ (known.T @ (target - p) - ridge @ w)
    return z @ w


PROBES = {f"{NEIGHBOURS} neighbours": neighbours, "linear": linear}


def auc(s, y):
    a, b = s[y == 1], s[y == 0]
    return ((a[:, None] > b).sum() + 0.5 * (a[:, None] == b).sum()) / (len(a) * len(b))


def spread(values, digits=2):
    """Mean and standard deviation, without the zero before the point; one value alone."""
    def text(v):
        return f"{v:.{digits}f}".replace("0.", ".", 1) if abs(v) < 1 else f"{v:.{digits}f}"
    return f"{text(np.mean(values))} ({text(np.std(values, ddof=1))})" if len(values) > 1 else text(values[0])


def main(what, tables, prepare):
    parser = argparse.ArgumentParser(description=what, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stele", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--write", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--table", action="append", choices=tables)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    runs = prepare(options)
    for name in options.table or tables:
        text = tables[name](runs)
        if options.write:
            write(options.write, name, text)
        else:
            print(f"\n{name}\n\n{text}")


__all__ = ["TOP", "Run", "train_all", "PROBES", "GIVEN", "auc", "spread", "main", "np"]
