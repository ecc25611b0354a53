#!/usr/bin/env python3
"""The picture of docs/write-a-plugin.md: write-a-plugin.py JOINT.csv PEAKS.csv OUT.png, both from `stele embed`.

Held-out cells along the first two principal components of the latent's means, in the colours of their classes. Needs
matplotlib.
"""

import csv
import sys

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot

COLOURS = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee"]  # Paul Tol's, told apart by everyone


def read(path):
    """Latents (n, D) and classes of the test rows that have peaks."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if r["split"] == "test" and r["has_atac"] == "1"]
    names = [k for k in rows[0] if k.startswith("z_")]
    return np.array([[float(r[k]) for k in names] for r in rows]), [r["class"] for r in rows]


def main():
    joint, peaks, out = sys.argv[1:]
    figure, axes = pyplot.subplots(1, 2, figsize=(7.2, 3.4), constrained_layout=True)
    for ax, path, title in ((axes[0], joint, "RNA and peaks"), (axes[1], peaks, "peaks alone")):
        z, label = read(path)
        z = z - z.mean(axis=0)
        at = z @ np.linalg.svd(z, full_matrices=False)[2][:2].T
        for k, name in enumerate(sorted(set(label))):
            here = np.array([each == name for each in label])
            ax.scatter(at[here, 0], at[here, 1], s=7, color=COLOURS[k % len(COLOURS)], label=name, linewidths=0)
        ax.set(title=title, xticks=[], yticks=[])
    axes[0].legend(fontsize=7, frameon=False, markerscale=2)
    figure.savefig(out, dpi=100, metadata={"Software": None})


main()
