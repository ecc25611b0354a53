"""What emoji.py and xray.py share: runs of one spec with pictures and texts, classes told from z."""
import argparse
import concurrent.futures
import csv
import json
import pathlib
import subprocess
import sys

import numpy as np
from baselines import NEIGHBOURS, linear, nearest
from cortex import TOP, write

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


def neighbours(known, y, z, n_classes, groups=None):
    """Votes for each class of the nearest known rows."""
    near = y[nearest(known, z)]
    return np.stack([(near == k).sum(1) for k in range(n_classes)], 1)


PROBES = {f"{NEIGHBOURS} neighbours": neighbours, "linear": linear}


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


__all__ = ["TOP", "Run", "train_all", "PROBES", "GIVEN", "main", "np"]
