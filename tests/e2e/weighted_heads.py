#!/usr/bin/env python3
"""Heads whose loss is not their probability. weighted_heads.py STELE

Rows of a normal factor: a label that few have, a stage, and a number with outliers. Balanced weights of classes change what is
learned, not what probabilities say: over the test rows they are on average the shares of the classes. Draws of the prior given a
value go by these probabilities, and of a Huber loss by the fitted width of errors: they are what weighting draws of the prior
by what is predicted for them makes of these. Validation rows of one class calibrate nothing.
"""

import csv
import json
import math
import os
import pathlib
import random
import subprocess
import sys

from cases import run_cases

STELE = str(pathlib.Path(sys.argv[1]).resolve())
SPEC = """stele: 1
name: weighted
seed: 2
data: {source: table, path: rows.csv, categories: [rare, stage], split: {column: part}, exclude: [rare, stage, size, part]}
latent: {dim: 2}
modalities:
  x: {plugin: gaussian, from: X, encoder: {hidden: [16]}, decoder: {hidden: [16]}}
fusion: poe
heads:
  rare: {plugin: classifier, target: rare, weight: 5, class_weights: balanced}
  stage: {plugin: ordinal, target: stage, classes: [low, mid, high], weight: 5, class_weights: balanced}
  size: {plugin: regressor, target: size, weight: 5, loss: huber}
train: {epochs: 40, batch_size: 64, optimiser: {lr: 5.0e-3}}
"""
COLUMNS = ["id", *(f"x{k}" for k in range(6)), "rare", "stage", "size", "part"]
SHARES = {"rare": {"no": 0.0, "yes": 0.0}, "stage": {"low": 0.0, "mid": 0.0, "high": 0.0}}


def stele(*words, quiet=True):
    done = subprocess.run([STELE, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"exit status {done.returncode} of {words}\n{done.stderr}"
    return done.stdout if quiet else done.stderr


def write(path, n, one_class=False):
    draw = random.Random(7)
    with open(path, "w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(COLUMNS)
        for i in range(n):
            z, other = draw.gauss(0, 1), draw.gauss(0, 1)
            x = [round(z + 0.2 * draw.gauss(0, 1), 4) for _ in range(3)] + [round(other + 0.2 * draw.gauss(0, 1), 4) for _ in range(3)]
            part = ("train", "train", "valid", "test")[i % 4]
            rare = "yes" if draw.random() < 1 / (1 + math.exp(3.6 - 1.5 * z)) else "no"
            rare = "no" if one_class and part == "valid" else rare
            at = z + draw.gauss(0, 1)
            stage = "low" if at < 1 else "mid" if at < 2 else "high"
            size = 100 + 40 * z + draw.gauss(0, 8) + (draw.gauss(0, 300) if draw.random() < 0.05 else 0)
            out.writerow([f"r{i}", *x, rare, stage, round(size, 3), part])


def table(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def probabilities(folder, run):
    stele("predict", run, "-o", folder / "p.csv", "--split", "test", "--samples", 2)
    rows, truth = table(folder / "p.csv"), {r["id"]: r for r in table(folder / "rows.csv")}
    for head, shares in SHARES.items():
        for value in shares:
            said = mean(float(r[f"{head}_p_{value}"]) for r in rows)
            is_so = mean(truth[r["id"]][head] == value for r in rows)
            print(f"{head} {value}: {said:.3f} of rows by its probability, {is_so:.3f} in truth")
            assert abs(said - is_so) < 0.04, (head, value, said, is_so)


def drawn(folder, run, *given):
    """What heads say of draws of the prior, by way of the rows that are made of them."""
    stele("generate", run, "-o", folder / "g.csv", "--to", "x", "--prior", 1500, *given)
    lines = (folder / "g.csv").read_text(encoding="utf-8").splitlines()
    lines = [line + (",,,," if i else ",rare,stage,size,part") for i, line in enumerate(lines)]
    (folder / "g.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    stele("predict", run, folder / "g.csv", "-o", folder / "g-p.csv", "--samples", 2)
    return table(folder / "g-p.csv")


def rho(u):
    """-log of Huber's least favourable distribution, but for a constant."""
    least = min(abs(u), 1.345)
    return least * (abs(u) - 0.5 * least)


def width_of_errors(folder):
    """By the median, as what is normal of them would have it."""
    truth = {r["id"]: float(r["size"]) for r in table(folder / "rows.csv")}
    error = sorted(abs(float(r["size"]) - truth[r["id"]]) for r in table(folder / "p.csv"))
    return 1.4826 * error[len(error) // 2]


def given(folder, run):
    free = drawn(folder, run)
    p = [float(r["rare_p_yes"]) for r in free]
    want = sum(v * v for v in p) / sum(p)
    got = mean(float(r["rare_p_yes"]) for r in drawn(folder, run, "--given", "rare=yes"))
    print(f"rare, given yes: {got:.3f}, due {want:.3f}, without it {mean(p):.3f}")
    assert abs(got - want) < 0.2 * (want - mean(p)), (got, want)
    sizes, width = [float(r["size"]) for r in free], width_of_errors(folder)
    weight = [math.exp(-rho((150 - v) / width)) for v in sizes]
    want = sum(w * v for w, v in zip(weight, sizes)) / sum(weight)
    got = mean(float(r["size"]) for r in drawn(folder, run, "--given", "size=150"))
    print(f"size, given 150: {got:.1f}, due {want:.1f}, without it {mean(sizes):.1f}; errors are {width:.1f} wide")
    assert abs(got - want) < 0.3 * (want - mean(sizes)), (got, want)


def one_class(folder):
    write(folder / "rows.csv", 400, one_class=True)
    said = stele("train", folder / "spec.yaml", "--run", folder / "one", "--set", "train.epochs=2", quiet=False)
    assert "heads.rare: not calibrated: no validation row is `yes`" in said, said
    assert "heads.stage: calibrated on 100 validation rows" in said, said
    told = json.loads((folder / "one" / "summary.json").read_text())["heads"]["calibration"]
    assert told["rare"] == {"rows": 100, "before": {}, "after": {}} and told["stage"]["after"], told


def weighted(_, folder):
    (folder / "spec.yaml").write_text(SPEC, encoding="utf-8")
    write(folder / "rows.csv", 2400)
    stele("train", folder / "spec.yaml", "--run", folder / "run", "--quiet")
    probabilities(folder, folder / "run")
    given(folder, folder / "run")
    one_class(folder)


if __name__ == "__main__":
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    sys.exit(run_cases(weighted))
