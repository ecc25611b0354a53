#!/usr/bin/env python3
"""Train configs/hippocampus.yaml and configs/reaching.yaml with several seeds and make their tables of docs/results.md.

    neural.py STELE FOLDER [--write docs/results.md] [--table NAME]... [--threads N]

FOLDER keeps the runs; what is finished there is not done again, so that a call that was stopped goes on. Tables:

  hippocampus  each of the 5 folds is tested once with every seed; figures are means over the folds
  reaching     the split of the data
  windows      both specs with windows of one bin, for what the windows add

Figures are held out, means over seeds with the standard deviation over seeds. The baselines were measured on the same
folds and rows with simple methods. Needs the data sets that the specs name.
"""
import math

from cortex import TOP, main, table

SEEDS, FOLDS = range(1, 6), range(1, 6)
ALONE = ["modalities.spikes.window={{bins: 1}}", "modalities.{other}.window={{bins: 1}}"]


def show(values, digits, scale=1.0):
    """Mean and standard deviation."""
    values = [scale * v for v in values]
    mean = sum(values) / len(values)
    sd = math.sqrt(sum((v - mean) ** 2 for v in values) / max(1, len(values) - 1))
    return f"{mean:.{digits}f} ({sd:.{digits}f})"


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


def hippocampus(runs):
    r2, error, speed, bits = hippocampus_figures(runs)
    return table(["measure, 5 contiguous blocks of runs", "Stele", "baselines", "required"], [
        ["position from spikes, R2", show(r2, 3), "ridge on 4 + 4 bins .90, naive Bayes .86, smoothed HMM .92", ".85"],
        ["median error, cm", show(error, 1), "10.6, 5.4, 4.7", "8"],
        ["speed from spikes, R2", show(speed, 3), "", ""],
        ["spikes from position and speed, bits/spike", show(bits, 3), "splines of position .63, with speed .71", ".58"],
    ])


def reaching(runs):
    r2, bits = reaching_figures(runs)
    return table(["measure, the data's own split", "Stele", "baselines", "required"], [
        ["velocity from spikes, R2", show(r2, 3), "Wiener filter .616, MLP .746", ".65"],
        ["spikes from velocity, bits/spike", show(bits, 3), "lagged splines .143, with the target .169", ".12"],
    ])


def windows(runs):
    r2, error, _, bits = hippocampus_figures(runs, "hippocampus-alone", [w.format(other="behaviour") for w in ALONE])
    velocity, reached = reaching_figures(runs, "reaching-alone", [w.format(other="velocity") for w in ALONE])
    return table(["spec with windows of one bin", "from spikes: R2", "median error, cm", "bits/spike"], [
        ["hippocampus", show(r2, 3), show(error, 1), show(bits, 3)],
        ["reaching", show(velocity, 3), "", show(reached, 3)],
    ])


if __name__ == "__main__":
    main(__doc__, {"hippocampus": hippocampus, "reaching": reaching, "windows": windows})
