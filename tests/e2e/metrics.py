#!/usr/bin/env python3
"""What the host hands to metrics: means of the training rows, a prediction's detail. metrics.py STELE"""

import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

FIXTURES = pathlib.Path(__file__).resolve().parents[1] / "golden" / "fixtures"
COUNTS = """stele: 1
name: counts
seed: 3
data:
  source: simulate
  n_rows: 400
  n_genes: 60
  n_peaks: 50
  n_classes: 3
  split: {train: 0.7, valid: 0.1, test: 0.2}
latent: {dim: 4}
modalities:
  spikes:  {plugin: spikes, from: rna, encoder: {hidden: [32]}, decoder: {hidden: [32]}}
  protein: {plugin: protein, from: rna, encoder: {hidden: [32]}, decoder: {hidden: [32]}}
fusion: poe
objective: {subsets: all+single}
train: {epochs: 15, batch_size: 40, optimiser: {lr: 0.005}}
evaluate: [cross: {labels: class}]
"""
MISSING = f"""stele: 1
name: missing
seed: 3
data:
  source: h5mu
  path: {FIXTURES / "values.h5ad"}
  split: {{train: 0.6, valid: 0, test: 0.4}}
latent: {{dim: 2}}
modalities:
  a: {{plugin: gaussian, from: layers/dense_nan, encoder: {{hidden: [4]}}, decoder: {{hidden: [4]}}}}
  b: {{plugin: gaussian, from: layers/dense_nan, encoder: {{hidden: [4]}}, decoder: {{hidden: [4]}}}}
fusion: poe
train: {{epochs: 1, batch_size: 4}}
evaluate: [cross: {{by_feature: 6}}]
"""


def run(*command):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"exit status {done.returncode} of: {' '.join(map(str, command))}\n{done.stderr}"
    return done.stdout


def cross_of(stele, scratch, name, spec):
    path, folder = scratch / f"{name}.yaml", scratch / name
    path.write_text(spec)
    run(stele, "train", path, "--run", folder, "--quiet")
    report = json.loads(run(stele, "eval", folder, "--json", "--samples", "1"))
    return {(c["from"], c["to"]): c for c in report["cross"]}, json.loads((folder / "data.json").read_text())["split"]


def check_counts(stele, scratch):
    pairs, split = cross_of(stele, scratch, "counts", COUNTS)
    spikes, protein = pairs["protein", "spikes"], pairs["spikes", "protein"]
    bits = {key: spikes[key]["bits_per_spike"] for key in ("model", "marginal", "class_mean")}
    assert abs(bits["marginal"]) < 1e-6, f"the mean rates are not those that they are compared with: {bits}"
    assert bits["class_mean"] > 0.02 and bits["model"] > 0.02, bits
    assert 0.0 < protein["model"]["background_probability"] < 1.0, protein
    assert "background_probability" not in protein["marginal"], "the detail is that of the model's prediction"
    assert "features" not in spikes, "nobody asked for every feature alone"
    check_details(stele, scratch, pairs, split)


READ = """
import sys, anndata
obsm = anndata.read_h5ad(sys.argv[1]).obsm
background = obsm["protein_background_probability"]
assert sorted(obsm) == ["X_stele", "X_stele_sd", "protein_background_probability"], sorted(obsm)
assert background.min() > 0 and background.max() < 1 and background.shape[1] == 60, background
print(len(background), background.mean(dtype=float))
"""


def check_details(stele, scratch, pairs, split):
    """What is written for the rows is what the metric is the mean of."""
    python, table = os.environ.get("STELE_TEST_PYTHON"), scratch / "details.h5ad"
    run(stele, "embed", scratch / "counts", "-o", table, "--details", "--modalities", "spikes", "--split", "test")
    if python:  # one that has anndata
        n, mean = run(python, "-c", READ, table).split()
        want = pairs["spikes", "protein"]["model"]["background_probability"]
        assert int(n) == len(split["test"]) and abs(float(mean) - want) < 1e-5, (n, mean, want)


def check_missing(stele, scratch):
    """Entries are (row + 3 feature) mod 4, but for one that is missing, in the training rows."""
    pairs, split = cross_of(stele, scratch, "missing", MISSING)
    assert "cell17" in split["train"], split
    value = {i: [(i + 3 * j) % 4 if (i, j) != (17, 4) else math.nan for j in range(6)] for i in range(24)}
    train, test = ([value[int(name[4:])] for name in split[part]] for part in ("train", "test"))
    scores, errors = [], []
    for j in range(6):
        known = [row[j] for row in train if not math.isnan(row[j])]
        truth = [row[j] for row in test]
        mean, own = sum(known) / len(known), sum(truth) / len(truth)
        scores.append(1.0 - sum((v - mean) ** 2 for v in truth) / sum((v - own) ** 2 for v in truth))
        errors.append(statistics.median(abs(v - mean) for v in truth))
    figures = pairs["a", "b"]["marginal"]
    for key, want in (("r2", scores), ("median_error", errors)):
        assert abs(figures[key] - sum(want) / 6) < 1e-6, f"{key}: {figures[key]}, expected {sum(want) / 6}"
        alone = [pairs["a", "b"]["features"][name]["marginal"][key] for name in pairs["a", "b"]["features"]]
        assert max(abs(a - b) for a, b in zip(alone, want, strict=True)) < 1e-6, f"{key}: {alone}, expected {want}"


def main():
    stele = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as scratch:
        check_counts(stele, pathlib.Path(scratch))
        check_missing(stele, pathlib.Path(scratch))


if __name__ == "__main__":
    main()
