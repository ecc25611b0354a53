#!/usr/bin/env python3
"""Intervals of `stele eval`, and its tables. intervals.py STELE"""

import json
import math
import pathlib
import re
import subprocess
import sys
import tempfile

SPEC = """stele: 1
name: intervals
seed: 3
data:
  source: simulate
  n_rows: 400
  n_genes: 20
  n_peaks: 30
  n_classes: 3
  n_batches: 20
  split: {train: 0.5, valid: 0.1, test: 0.4, group: batch}
latent: {dim: 3}
modalities:
  rna:  {plugin: nb_counts, encoder: {hidden: [16]}, decoder: {hidden: [16]}}
  atac: {plugin: bernoulli_peaks, encoder: {hidden: [16]}, decoder: {hidden: [16]}}
fusion: poe
heads:
  class: {plugin: classifier, target: class}
  other: {plugin: adversary, target: class}
train: {epochs: 4, batch_size: 40, optimiser: {lr: 0.005}}
evaluate: [likelihood: {samples: 4}, clustering: {labels: class}, cross: {labels: class}, fusion: {labels: class}]
"""


def run(*command, code=0):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == code, f"exit status {done.returncode} of: {' '.join(map(str, command))}\n{done.stderr}"
    return done.stdout if code == 0 else done.stderr


def without_intervals(value):
    if isinstance(value, dict):
        return {k: without_intervals(v) for k, v in value.items() if k != "intervals"}
    return [without_intervals(v) for v in value] if isinstance(value, list) else value


def pairs(figures, intervals, path=""):
    """(path, figure, interval), of all that stands under the same keys."""
    for key, interval in intervals.items():
        at = f"{path}.{key}"
        if isinstance(interval, dict):
            yield from pairs(figures[key], interval, at)
        else:
            yield at, figures[key], interval


def found(report, path=""):
    if isinstance(report, dict):
        if "intervals" in report and path:
            yield from pairs(report, report["intervals"], path)
        for key, value in report.items():
            if key != "intervals":
                yield from found(value, f"{path}.{key}")
    elif isinstance(report, list):
        for i, value in enumerate(report):
            yield from found(value, f"{path}.{i}")


def check_json(stele, folder):
    report = json.loads(run(stele, "eval", folder, "--json"))
    intervals = list(found(report))
    for path, figure, interval in intervals:
        assert (interval is None) or interval[0] <= interval[1], (path, interval)
        assert figure is not None or interval is None, f"{path} has an interval and no value"
    ends = {path: (figure, interval) for path, figure, interval in intervals}
    for path in (".posteriors.0.elbo", ".posteriors.0.importance_weighted", ".posteriors.1.log_likelihood.rna",
                 ".posteriors.0.variance", ".posteriors.0.labels.0.knn",
                 ".posteriors.0.labels.1.ari", ".posteriors.0.labels.1.nmi", ".posteriors.0.heads.class.auroc",
                 ".posteriors.0.heads.other.fresh_knn", ".posteriors.0.heads.other.fresh_logistic",
                 ".cross.0.model.auroc", ".cross.1.class_mean.feature_correlation",
                 ".fusion.groups.0.coverage", ".fusion.groups.1.modalities.atac.share"):
        figure, interval = ends[path]
        assert interval is not None and interval[0] < interval[1], (path, interval)
    for path in (".posteriors.0.elbo", ".posteriors.0.labels.0.knn", ".posteriors.0.heads.class.brier"):
        figure, (low, high) = ends[path]
        assert low < figure < high, (path, figure, low, high)
    elbo = report["posteriors"][0]
    width = elbo["intervals"]["elbo"][1] - elbo["intervals"]["elbo"][0]
    assert report["intervals"]["level"] == 0.95 and report["intervals"]["resamples"] == 1000, report["intervals"]
    assert 4 <= report["intervals"]["units"] < 20, f"groups are drawn, not rows: {report['intervals']}"
    narrow = json.loads(run(stele, "eval", folder, "--json", "--level", "0.5", "--resamples", "200"))
    inner = narrow["posteriors"][0]["intervals"]["elbo"]
    assert inner[1] - inner[0] < 0.6 * width, (inner, width)
    assert without_intervals(narrow) == without_intervals(report), "intervals change figures"
    none = json.loads(run(stele, "eval", folder, "--json", "--resamples", "0"))
    assert none == without_intervals(report), "figures stand elsewhere without intervals"
    one = run(stele, "eval", folder, "--json", "--threads", "1")
    assert json.loads(one) == json.loads(run(stele, "eval", folder, "--json", "--threads", "3")), "threads matter"
    return report


def check_head(stele, spec, scratch):
    """Without groups a share of rows moves as a binomial: the plugin was given the rows of each resample."""
    folder = scratch / "rows"
    run(stele, "train", spec, "--run", folder, "--quiet", "--set", "data.split.group=null", "--set", "train.epochs=20")
    report = json.loads(run(stele, "eval", folder, "--json"))
    assert report["intervals"]["units"] == report["rows"], report["intervals"]
    head = report["posteriors"][0]["heads"]["class"]
    share, (low, high) = head["accuracy"], head["intervals"]["accuracy"]
    width = 2 * 1.96 * math.sqrt(share * (1 - share) / head["rows"])
    assert 0.8 < (high - low) / width < 1.2 and low < share < high, (share, low, high, width)
    other = report["posteriors"][0]["heads"]["other"]
    share, (low, high) = other["fresh_knn"], other["intervals"]["fresh_knn"]
    width = 2 * 1.96 * math.sqrt(share * (1 - share) / other["rows"])
    assert 0.8 < (high - low) / width < 1.2 and low < share < high, (share, low, high, width)


def cells_of(text):
    """Rows of cells of all tables, of columns two blanks apart. Blocks of a wide table begin with the same names."""
    tables = []
    for block in "\n".join(text.splitlines()[2:]).split("\n\n"):
        assert all(len(line) <= 140 for line in block.splitlines()), block
        rows = [[c for c in re.split(r" {2,}", line.strip()) if c] for line in block.splitlines()]
        keys = 2 if rows[0][0] == "prediction" else 1
        if tables and [row[:keys] for row in tables[-1]] == [row[:keys] for row in rows]:
            tables[-1] = [left + right[keys:] for left, right in zip(tables[-1], rows)]
        else:
            tables.append(rows)
    return [row for rows in tables for row in rows]


def cells_of_markdown(text):
    lines = [line for line in text.splitlines()[2:] if line]
    assert all(line.startswith("| ") and line.endswith(" |") or set(line) <= set("|-:") for line in lines), text
    assert sum(line.startswith("|---|---:|") for line in lines) == 3, "one line below the head of each table"
    rows = [line for line in lines if not line.startswith("|---")]
    return [[c.strip() for c in row.strip("|").split(" | ")] for row in rows]


def check_tables(stele, folder):
    for intervals in ([], ["--intervals"]):
        plain = run(stele, "eval", folder, *intervals)
        markdown = run(stele, "eval", folder, "--markdown", *intervals)
        assert cells_of(plain) == cells_of_markdown(markdown), f"{plain}\n{markdown}"
        assert ("[" in plain) == bool(intervals), plain
    assert re.search(r"95 % intervals of 1000 resamples of \d+ groups$", markdown.splitlines()[0]), markdown
    assert re.search(r"\| -?[\d.]+ \[-?[\d.]+, -?[\d.]+\] \|", markdown), markdown
    fusion = run(stele, "eval", folder, "--report", "fusion", "--markdown")
    assert "\n| fusion | rows |" in fusion, fusion


def check_refusals(stele, folder):
    assert "100 to 1000000" in run(stele, "eval", folder, "--resamples", "99", code=2)
    assert "between 0 and 1" in run(stele, "eval", folder, "--level", "95", code=2)
    assert "no intervals" in run(stele, "eval", folder, "--resamples", "0", "--intervals", code=2)
    assert "--json has all" in run(stele, "eval", folder, "--json", "--markdown", code=2)


def main():
    stele = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as scratch:
        spec, folder = pathlib.Path(scratch, "spec.yaml"), pathlib.Path(scratch, "run")
        spec.write_text(SPEC, encoding="utf-8")
        run(stele, "train", spec, "--run", folder, "--quiet")
        check_json(stele, folder)
        check_head(stele, spec, pathlib.Path(scratch))
        check_tables(stele, folder)
        check_refusals(stele, folder)


if __name__ == "__main__":
    main()
