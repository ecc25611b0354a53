#!/usr/bin/env python3
"""Train configs/cortex.yaml with several seeds and make the tables of docs/results.md.

    cortex.py STELE FOLDER [--write docs/results.md] [--table NAME]... [--threads N]

FOLDER keeps the runs; what is finished there is not done again, so that a call that was stopped goes on. Tables:

  held-out   the spec as it is and with another `fusion`, seeds 1 to 5, scored on the random test rows of each seed
  predict    the same runs, one modality from the other
  all-cells  a second training on 90 % of the rows (10 % choose the epoch), scored on all, as is usual in the field
  ablation   the spec with one thing changed at a time, seeds 11 to 13: other splits than those above. A change would
             be taken into the spec for its score on validation rows; test rows are reported beside them

Numbers are means over seeds with standard errors of those means. --write puts the tables between the marks
<!-- table NAME --> and <!-- end --> of a document; without it they are printed. Needs the data set that the spec names.
"""
import argparse
import json
import math
import pathlib
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
SEEDS, OTHER_SEEDS = range(1, 6), range(11, 14)
KNN = "{knn: {labels: cell_class, exclude: [Mis]}}"
CLUSTERING = "{clustering: {labels: cell_type, exclude: [Mis]}}"
ALL_CELLS = ["data.split={train: 0.9, valid: 0.1, test: 0.0}", f"evaluate=[{KNN}, {CLUSTERING}]"]
ONE_CHANGE = [f"evaluate=[likelihood, {KNN}]"]
MOE = "fusion={plugin: moe, precision_scale: calibrated}"
ABLATION = [
    ("base", "as the spec is", []),
    ("uncalibrated", "experts not calibrated", ["fusion.precision_scale=one"]),
    ("weights", "both likelihoods x 1 instead of x 5 and x 2", ["modalities.rna.weight=1", "modalities.atac.weight=1"]),
    ("joint-only", "no bounds of single modalities", ["objective.subsets=all"]),
    ("dropout", "no counts hidden from the encoders",
     ["modalities.rna.encoder.input_dropout=0", "modalities.atac.encoder.input_dropout=0"]),
    ("decay", "no extra decay of the wide layers",
     ["modalities.rna.encoder.input_decay=1", "modalities.atac.encoder.input_decay=1",
      "modalities.rna.decoder.output_decay=1", "modalities.atac.decoder.output_decay=1"]),
    ("log1p", "RNA not brought to one depth for the encoder", ["modalities.rna.encoder.input=log1p"]),
    ("slow", "learning rate 1e-3 instead of 3e-3", ["train.optimiser.lr=1.0e-3"]),
]


class Runs:
    def __init__(self, stele, folder, threads):
        self.stele, self.folder, self.threads = stele, folder, ["--threads", str(threads)] if threads else []
        self.spec = TOP / "configs/cortex.yaml"

    def call(self, *words):
        command = [str(word) for word in (self.stele, *words, *self.threads)]
        print("+", *command, file=sys.stderr, flush=True)
        done = subprocess.run(command, stdout=subprocess.DEVNULL)
        if done.returncode:
            raise SystemExit(f"exit status {done.returncode} of: {' '.join(command)}")

    def report(self, name, seed, sets, split):
        """What `stele eval` says about the rows of `split`, after training if there is no such run."""
        run = self.folder / f"{name}-{seed}"
        if not (run / "summary.json").is_file():
            changes = [word for change in [f"seed={seed}", *sets] for word in ("--set", change)]
            self.call("train", self.spec, "--run", run, "--resume", "--quiet", *changes)
        result = run / f"eval-{split}.json"
        if not result.is_file():
            self.call("eval", run, "--split", split, "--quiet")
        return json.loads(result.read_text())

    def reports(self, name, seeds, sets, split="test"):
        return [self.report(name, seed, sets, split) for seed in seeds]


def mean_error(values):
    mean = sum(values) / len(values)
    return mean, math.sqrt(sum((v - mean) ** 2 for v in values) / max(1, len(values) - 1) / len(values))


def show(values, digits, sign=""):
    """Mean and standard error, without a leading zero where there is only one."""
    def text(v, plus=""):
        v = round(v, digits) + 0.0  # no minus before a zero
        return f"{v:{plus}.{digits}f}".replace("0.", ".", 1) if abs(v) < 1 else f"{v:{plus}.{digits}f}"
    mean, error = mean_error(values)
    return f"{text(mean, sign)} ({text(error)})"


def posterior(report, name):
    return next(p for p in report["posteriors"] if p["name"] == name)


def label(p, figure):
    return next(task[figure] for task in p["labels"] if figure in task)


def figure(reports, name, key):
    """One figure of one posterior of every report."""
    posteriors = [posterior(r, name) for r in reports]
    return [p[key] if key in p else label(p, key) for p in posteriors]


def difference(a, b):
    return [x - y for x, y in zip(a, b)]


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


NAMES = [("joint", "joint"), ("rna", "RNA alone"), ("atac", "ATAC alone")]


def held_out(runs):
    rows, tail = [], []
    for fusion, sets in (("poe", []), ("moe", [MOE])):
        reports = runs.reports(fusion, SEEDS, sets)
        for name, title in NAMES:
            rows.append([f"`{fusion}`, {title}", *(show(figure(reports, name, key), 3) for key in ("knn", "ari"))] +
                        [show(figure(reports, name, key), 1) for key in ("elbo", "importance_weighted")] +
                        [show(figure(reports, name, "variance"), 3)])
        for name, title in NAMES[1:]:
            tail.append([f"`{fusion}`, joint minus {title}"] +
                        [show(difference(figure(reports, "joint", key), figure(reports, name, key)), digits, "+")
                         for key, digits in (("knn", 4), ("ari", 3), ("elbo", 2), ("importance_weighted", 2))] +
                        [show(figure(reports, name, "joint_sharper"), 2)])
    samples = reports[0]["samples"]
    bounds = ["ELBO", f"importance-weighted ({samples} samples)"]
    return (table(["posterior", "kNN", "ARI", *bounds, "mean variance"], rows) + "\n\nPaired over seeds:\n\n" +
            table(["", "kNN", "ARI", "ELBO", "importance-weighted",
                   "share of variances that the joint makes smaller"], tail))


def predict(runs):
    reports = runs.reports("poe", SEEDS, [])
    rows = []
    for pair in range(len(reports[0]["cross"])):
        crosses = [r["cross"][pair] for r in reports]
        for metric in crosses[0]["model"]:
            rows.append([f"{crosses[0]['from']} -> {crosses[0]['to']}", metric.replace("_", " ")] +
                        [show([c[by][metric] for c in crosses], 4) for by in ("model", "marginal", "class_mean")])
    return table(["from, to", "metric", "model", "marginal frequency or mean", "mean of the nucleus' class"], rows)


def all_cells(runs):
    reports = runs.reports("all", SEEDS, ALL_CELLS, "all")
    return table(["posterior", "kNN", "ARI", "NMI"],
                 [[title, *(show(figure(reports, name, key), 3) for key in ("knn", "ari", "nmi"))]
                  for name, title in NAMES])


def ablation(runs):
    rows, base = [], {}
    for key, title, sets in ABLATION:
        row = [title]
        for split in ("valid", "test"):
            reports = runs.reports(f"ablation-{key}", OTHER_SEEDS, ONE_CHANGE + sets, split)
            now = {name: figure(reports, name, "knn") for name, _ in NAMES}
            elbo, weighted = figure(reports, "joint", "elbo"), figure(reports, "joint", "importance_weighted")
            before = base.setdefault(split, (now["joint"], elbo, weighted))
            row.append(" / ".join(f"{mean_error(now[name])[0]:.3f}"[1:] for name, _ in NAMES))
            if split == "valid":
                row.append(f"{mean_error(elbo)[0]:.1f}")
            elif key == "base":
                row += ["", f"{mean_error(elbo)[0]:.1f}", f"{mean_error(weighted)[0]:.1f}"]
            else:
                row += [show(difference(now["joint"], before[0]), 3, "+"), show(difference(elbo, before[1]), 1, "+"),
                        show(difference(weighted, before[2]), 1, "+")]
        rows.append(row)
    return table(["run", "validation: kNN joint / RNA / ATAC", "ELBO", "test: kNN joint / RNA / ATAC", "joint kNN, change",
                  "ELBO, change", "importance-weighted, change"], rows)


TABLES = {"held-out": held_out, "predict": predict, "all-cells": all_cells, "ablation": ablation}


def write(path, name, text):
    document = path.read_text(encoding="utf-8")
    mark = f"<!-- table {name} -->\n"
    before, found, rest = document.partition(mark)
    _, end, after = rest.partition("<!-- end -->")
    if not found or not end:
        raise SystemExit(f"{path}: there is no {mark.strip()} ... <!-- end -->")
    path.write_text(f"{before}{mark}{text}\n{end}{after}", encoding="utf-8")


def main(what, tables):
    parser = argparse.ArgumentParser(description=what, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stele", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--write", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--table", action="append", choices=tables)
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    runs = Runs(options.stele.resolve(), options.folder, options.threads)
    for name in options.table or tables:
        text = tables[name](runs)
        if options.write:
            write(options.write, name, text)
        else:
            print(f"\n{name}\n\n{text}")


if __name__ == "__main__":
    main(__doc__, TABLES)
