#!/usr/bin/env python3
"""Train configs/hippocampus.yaml and configs/reaching.yaml with several seeds and make their tables of docs/results.md.

    neural.py STELE FOLDER [--write docs/results.md] [--table NAME]... [--threads N]

FOLDER keeps the runs; what is finished there is not done again, so that a call that was stopped goes on. Tables:

  hippocampus  each of the 5 folds is tested once with every seed; figures are means over the folds
  reaching     the split of the data
  windows      both specs with windows of one bin, for what the windows add

Figures are held out, means over seeds with the standard deviation over seeds. Beside them simple methods on the same rows,
with the validation rows to learn from as well, whose penalties are chosen by cross-validation that keeps runs and reaches
together: kernel ridge regression from roots of counts in windows as the spec's, and Poisson regression on bumps of position and of
speed, or on velocity and speed in windows as the spec's. Differences are paired. Needs NumPy and the data sets that the
specs name.
"""
import csv
import gzip
import json

import numpy as np

from baselines import kernel_ridge, poisson
from cortex import TOP, main, table
from folds import beside, spread

DATA = TOP / "../shared/data"
SEEDS, FOLDS = range(1, 6), range(1, 6)
ALONE = ["modalities.spikes.window={{bins: 1}}", "modalities.{other}.window={{bins: 1}}"]


def cross(report, source, target):
    return next(c for c in report["cross"] if (c["from"], c["to"]) == (source, target))


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def hippocampus_figures(runs, name="hippocampus", sets=()):
    """Of every seed: position's R2 and median error in cm, speed's R2, bits per spike; means over folds."""
    runs.spec = TOP / "configs/hippocampus.yaml"
    found = []
    for seed in SEEDS:
        folds = [runs.report(f"{name}-fold{k}", seed, [f"data.split.fold={k}", *sets], "test") for k in FOLDS]
        features = [cross(r, "spikes", "behaviour")["features"] for r in folds]
        found.append((mean(f["position_m"]["model"]["r2"] for f in features),
                      mean(100.0 * f["position_m"]["model"]["median_error"] for f in features),
                      mean(f["speed_m_per_s"]["model"]["r2"] for f in features),
                      mean(cross(r, "behaviour", "spikes")["model"]["bits_per_spike"] for r in folds)))
    return list(zip(*found))


def reaching_figures(runs, name="reaching", sets=()):
    """Of every seed: velocity's mean R2, bits per spike."""
    runs.spec = TOP / "configs/reaching.yaml"
    reports = [runs.report(name, seed, list(sets), "test") for seed in SEEDS]
    return ([cross(r, "spikes", "velocity")["model"]["r2"] for r in reports],
            [cross(r, "velocity", "spikes")["model"]["bits_per_spike"] for r in reports])


# --- simple methods ---

def window(x, group, bins):
    """Values of the bins around each, NaN beyond its group."""
    out = np.full((len(x), bins, x.shape[1]), np.nan)
    for k in range(bins):
        at = np.arange(len(x)) + k - bins // 2
        own = (at >= 0) & (at < len(x))
        own[own] = group[at[own]] == group[own]
        out[own, k] = x[at[own]]
    return out.reshape(len(x), -1)


def bumps(v, n, lo, hi):
    return np.exp(-0.5 * ((v[:, None] - np.linspace(lo, hi, n)) / ((hi - lo) / (n - 1))) ** 2)


def bits_per_spike(counts, rate, mean):
    """Over the mean rates of the training rows, of units that fired there."""
    counts, rate, mean = counts[:, mean > 0], np.maximum(rate[:, mean > 0], 1e-9), mean[mean > 0]
    return (counts * np.log(rate / mean) - (rate - mean)).sum() / counts.sum() / np.log(2)


def r2(x, guess):
    """Of each column."""
    return 1 - ((x - guess) ** 2).sum(0) / ((x - x.mean(0)) ** 2).sum(0)


def test_rows(runs, name, n):
    """Which of the n rows are tested."""
    split = json.loads((runs.folder / name / "data.json").read_text())["split"]
    assert sum(len(split[part]) for part in ("train", "valid", "test")) == n
    return np.isin(np.arange(n), [int(i) for i in split["test"]])


def hippocampus_simple(runs):
    """As `hippocampus_figures`; the folds are the same with every seed."""
    with open(DATA / "hippocampus-linear-track/behaviour.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    spikes = np.load(DATA / "hippocampus-linear-track/counts_120cells.npy").astype(float)
    moves = np.array([[float(row[key]) for key in ("position_m", "speed_m_per_s")] for row in rows])
    run = np.array([int(row["run"]) for row in rows])
    around, found = np.nan_to_num(window(np.sqrt(spikes), run, 9)), []
    for k in FOLDS:
        test = test_rows(runs, f"hippocampus-fold{k}-{SEEDS[0]}", len(run))
        assert all((test == test_rows(runs, f"hippocampus-fold{k}-{seed}", len(run))).all() for seed in SEEDS)
        known = moves[~test]
        guess = kernel_ridge(around[~test], known, run[~test])(around[test])
        place = np.hstack([bumps(moves[:, 0], 20, known[:, 0].min(), known[:, 0].max()),
                           bumps(moves[:, 1], 5, 0.0, np.percentile(known[:, 1], 99))])
        rate = poisson(place[~test], spikes[~test], place[test], run[~test])
        fit = r2(moves[test], guess)
        found.append((fit[0], 100 * np.median(np.abs(guess - moves[test])[:, 0]), fit[1],
                      bits_per_spike(spikes[test], rate, spikes[~test].mean(0))))
    return np.mean(found, 0)


def reaching_simple(runs):
    """As `reaching_figures`."""
    with gzip.open(DATA / "motor-reaching/reaching.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    units = [key for key in rows[0] if key[0] == "n"]
    spikes, velocity = (np.array([[float(row[key]) for key in keys] for row in rows]) for keys in (units, ("vel_x", "vel_y")))
    kind = np.array([row["split"] + row["target"] for row in rows])
    reach = np.cumsum(np.r_[True, kind[1:] != kind[:-1]])
    test = test_rows(runs, f"reaching-{SEEDS[0]}", len(rows))
    around = np.nan_to_num(window(np.sqrt(spikes), reach, 13))
    moves = window(np.c_[velocity, np.linalg.norm(velocity, axis=1)], reach, 13)
    guess = kernel_ridge(around[~test], velocity[~test], reach[~test])(around[test])
    rate = poisson(moves[~test], spikes[~test], moves[test], reach[~test])
    return r2(velocity[test], guess).mean(), bits_per_spike(spikes[test], rate, spikes[~test].mean(0))


# --- tables ---

HEAD = ["Stele", "simple method, same rows", "difference", "measured elsewhere", "required"]


def hippocampus(runs):
    found, simple = hippocampus_figures(runs), hippocampus_simple(runs)
    return table(["measure, 5 contiguous blocks of runs", *HEAD], [
        [title, *beside(found[k], simple[k], 1 if k == 1 else 3), *rest] for k, (title, *rest) in enumerate([
            ("position from spikes, R2", "ridge on 4 + 4 bins .90, naive Bayes .86, smoothed HMM .92", ".85"),
            ("median error, cm", "10.6, 5.4, 4.7", "8"),
            ("speed from spikes, R2", "", ""),
            ("spikes from position and speed, bits/spike", "splines of position .63, with speed .71", ".58")])])


def reaching(runs):
    found, simple = reaching_figures(runs), reaching_simple(runs)
    return table(["measure, the data's own split", *HEAD], [
        ["velocity from spikes, R2", *beside(found[0], simple[0]), "Wiener filter .616, MLP .746", ".65"],
        ["spikes from velocity, bits/spike", *beside(found[1], simple[1]), "lagged splines .143, with the target .169", ".12"]])


def windows(runs):
    r2, error, _, bits = hippocampus_figures(runs, "hippocampus-alone", [w.format(other="behaviour") for w in ALONE])
    velocity, reached = reaching_figures(runs, "reaching-alone", [w.format(other="velocity") for w in ALONE])
    return table(["spec with windows of one bin", "from spikes: R2", "median error, cm", "bits/spike"], [
        ["hippocampus", spread(r2), spread(error, 1), spread(bits)],
        ["reaching", spread(velocity), "", spread(reached)],
    ])


if __name__ == "__main__":
    main(__doc__, {"hippocampus": hippocampus, "reaching": reaching, "windows": windows})
