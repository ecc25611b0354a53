#!/usr/bin/env python3
"""Train configs/digits.yaml and make its table of docs/results.md.

    digits.py STELE FOLDER [--write docs/results.md] [--seeds 1,2,3] [--threads N]

FOLDER keeps the runs; what is finished there is not done again. Needs the data sets that the spec names. Table:

  digits     coherence each way and joint, accuracy of the classifiers on real images, neighbours of z; held-out rows

With one seed a figure stands with its 95 % bootstrap interval over the rows; with several it is the mean over seeds with
the standard deviation.
"""
import argparse
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from cortex import TOP, Runs, table, write  # noqa: E402

# The bounds of the spec's own list take longer than the training.
SETS = ["evaluate=[{knn: {labels: digit}}, {coherence: {labels: digit}}]"]


def conditional(report, to):
    return next(c for c in report["coherence"]["conditional"] if c["to"] == to)


def neighbours(report):
    return next(label for label in report["posteriors"][0]["labels"] if "knn" in label)


FIGURES = [  # title, the object that has it, its key, required and aim
    ("`small` given `mnist`", lambda r: conditional(r, "small"), "coherence", ".85 / .95"),
    ("`mnist` given `small`", lambda r: conditional(r, "mnist"), "coherence", ".85 / .95"),
    ("joint, z from the mixture", lambda r: r["coherence"], "joint", ".85 / .95"),
    ("joint, z from N(0, I)", lambda r: r["coherence"], "joint_standard", ""),
    ("real `small`", lambda r: r["coherence"]["modalities"]["small"], "accuracy", ""),
    ("real `mnist`", lambda r: r["coherence"]["modalities"]["mnist"], "accuracy", ""),
    ("neighbours of z, joint", neighbours, "knn", ""),
]


def show(objects, key):
    values = [o[key] for o in objects]
    if len(values) > 1:
        return f"{statistics.mean(values):.3f} ({statistics.stdev(values):.3f})"
    low, high = objects[0]["intervals"][key]
    return f"{values[0]:.3f} [{low:.3f}, {high:.3f}]"


def digits(runs, seeds):
    reports = runs.reports("digits", seeds, SETS)
    head = ["figure", "rows", f"seeds {', '.join(map(str, seeds))}" if len(seeds) > 1 else f"seed {seeds[0]}",
            "required / aim"]
    rows = []
    for title, find, key, wanted in FIGURES:
        objects = [find(r) for r in reports]
        rows.append([title, str(objects[0]["rows"]), show(objects, key), wanted])
    return table(head, rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stele", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--write", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--seeds", default="1,2,3,4,5", help="which seeds, separated by commas (default: 1,2,3,4,5)")
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    runs = Runs(options.stele.resolve(), options.folder, options.threads)
    runs.spec = TOP / "configs/digits.yaml"
    text = digits(runs, [int(seed) for seed in options.seeds.split(",")])
    if options.write:
        write(options.write, "digits", text)
    else:
        print(text)


if __name__ == "__main__":
    main()
