#!/usr/bin/env python3
"""Intervals of predictions hold what they say. coverage.py STELE

Eight features that depend on two hidden numbers, and a target that is one of them with a normal error: on test rows
`stele predict --level P` has to hold the share P of the targets, as many below as above, for one level as for another and
given part of the measurements as well. Bounds are those of binomials of so many rows. The figure `coverage_90` of
`stele eval` is held to the same.
"""

import csv
import json
import math
import pathlib
import random
import subprocess
import sys
import tempfile

N, VALID, TEST, ERROR = 1600, 320, 640, 0.5
SPEC = """stele: 1
name: coverage
seed: 1
data:
  sources:
    one: {plugin: table, path: one.csv, exclude: [y]}
    two: {plugin: table, path: two.csv}
  split: {train: 0.4, valid: 0.2, test: 0.4}
latent: {dim: 2}
modalities:
  one: {plugin: gaussian, from: "one:X", encoder: {hidden: [16]}, decoder: {hidden: [16]}}
  two: {plugin: gaussian, from: "two:X", encoder: {hidden: [16]}, decoder: {hidden: [16]}}
fusion: poe
objective: {subsets: all+single, reconstruct: present}
heads:
  y: {plugin: regressor, target: y, posteriors: subsets}
train: {epochs: 25, batch_size: 32, optimiser: {lr: 3.0e-3}}
"""


def simulate(folder):
    rng = random.Random(5)
    loading = [[rng.gauss(0, 1), rng.gauss(0, 1)] for _ in range(8)]
    with open(folder / "one.csv", "w", encoding="utf-8") as one, open(folder / "two.csv", "w", encoding="utf-8") as two:
        one.write("id,y,a,b,c,d\n")
        two.write("id,e,f,g,h\n")
        for i in range(N):
            u, v = rng.gauss(0, 1), rng.gauss(0, 1)
            x = [f"{a * u + b * v + 0.5 * rng.gauss(0, 1):.6f}" for a, b in loading]
            one.write(f"r{i},{10 + u + ERROR * rng.gauss(0, 1):.6f},{','.join(x[:4])}\n")
            two.write(f"r{i},{','.join(x[4:])}\n")


def stele(folder, *words):
    done = subprocess.run([STELE, *map(str, words)], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, f"exit status {done.returncode} of {words}\n{done.stderr}"
    return done.stdout


def read(path):
    with open(path, newline="", encoding="utf-8") as f:
        return {row["id"]: row for row in csv.DictReader(f)}


def apart(share):
    """Three standard deviations of the share among the test rows and the validation rows that the width was fitted to."""
    return 3 * math.sqrt(share * (1 - share) * (1 / TEST + 1 / VALID))


def check(folder, truth, level, given):
    words = ["--level", level] if level != 0.9 else []
    stele(folder, "predict", "run", "-o", "out.csv", "--split", "test", "--samples", 100, "--modalities", given, *words)
    rows = read(folder / "out.csv")
    assert len(rows) == TEST, len(rows)
    below = sum(truth[i] < float(r["y_low"]) for i, r in rows.items()) / TEST
    above = sum(truth[i] > float(r["y_high"]) for i, r in rows.items()) / TEST
    inside, tail = 1 - below - above, (1 - level) / 2
    print(f"given {given}, level {level}: {below:.3f} below, {inside:.3f} inside, {above:.3f} above")
    wrong = [abs(inside - level) > apart(level), abs(below - tail) > apart(tail), abs(above - tail) > apart(tail)]
    assert all(float(r["y_low"]) < float(r["y"]) < float(r["y_high"]) for r in rows.values())
    return any(wrong)


def main():
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        simulate(folder)
        (folder / "spec.yaml").write_text(SPEC, encoding="utf-8")
        stele(folder, "train", "spec.yaml", "--run", "run", "--quiet")
        truth = {i: float(row["y"]) for i, row in read(folder / "one.csv").items()}
        wrong = [check(folder, truth, level, given) for given in ("one,two", "two") for level in (0.9, 0.5)]
        figures = json.loads(stele(folder, "eval", "run", "--json", "--quiet"))["posteriors"][0]["heads"]["y"]
        print(f"coverage_90 {figures['coverage_90']:.3f}, root mean squared error {figures['rmse']:.3f}")
        wrong.append(abs(figures["coverage_90"] - 0.9) > apart(0.9))
    return 1 if any(wrong) else 0


if __name__ == "__main__":
    STELE = str(pathlib.Path(sys.argv[1]).resolve())
    sys.exit(main())
