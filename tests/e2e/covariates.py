#!/usr/bin/env python3
"""A decoder that knows the batch leaves it out of the latent. covariates.py STELE

Simulated cells of two batches are trained on twice: without covariates, and with the batch given to
the decoders alone. The encoders never see it, so the latent can only lose the batch because the
decoders do not need to find it there.

A number is standardised by the training rows, and a model that is used keeps what it was trained with.
"""

import csv
import json
import pathlib
import random
import subprocess
import sys
import tempfile

SPEC = """stele: 1
name: batches
seed: 4
data:
  source: simulate
  n_rows: 500
  n_genes: 150
  n_peaks: 300
  n_classes: 3
  n_batches: 2
  batch_effect: 0.7
  split: {train: 0.8, valid: 0.2, test: 0, stratify: batch}
latent: {dim: 4}
modalities:
  rna: {plugin: nb_counts, encoder: {hidden: [32]}, decoder: {hidden: [32]}}
  atac: {plugin: bernoulli_peaks, encoder: {hidden: [32]}, decoder: {hidden: [32]}}
fusion: poe
train: {epochs: 40, batch_size: 50, optimiser: {lr: 0.005}}
"""


NUMBER = """stele: 1
name: number
seed: 4
data: {source: table, path: all.csv, exclude: [age]}
latent: {dim: 2}
modalities:
  x: {plugin: gaussian, from: X, encoder: {hidden: [8], covariates: [age]}, decoder: {hidden: [8]}}
fusion: poe
train: {epochs: 2, batch_size: 10}
"""


def run(*command):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"exit status {done.returncode} of: {' '.join(map(str, command))}\n{done.stdout}"


def mean(values):
    return sum(values) / len(values)


def share_of_batch(table):
    """Share of the latent's variance that lies between the batches."""
    with open(table, encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f))
    within = total = 0.0
    for d in range(4):
        z = [float(r[f"z_{d}"]) for r in rows]
        centre = mean(z)
        total += sum((v - centre) ** 2 for v in z)
        for batch in ("batch0", "batch1"):
            own = [float(r[f"z_{d}"]) for r in rows if r["batch"] == batch]
            within += sum((v - mean(own)) ** 2 for v in own)
    return 1.0 - within / total


def train(stele, scratch, name, *changes):
    folder, table = scratch / name, scratch / f"{name}.csv"
    sets = [word for change in changes for word in ("--set", change)]
    run(stele, "train", scratch / "spec.yaml", *sets, "--run", folder, "--quiet")
    run(stele, "embed", folder, "-o", table)
    return share_of_batch(table), (folder / "best.safetensors").read_bytes()


def put(path, ages, only=None):
    """Rows r0, r1, ...: two measurements and an age."""
    draw = random.Random(5)
    lines = [f"r{i},{draw.gauss(0, 1)},{draw.gauss(0, 1)},{age}\n" for i, age in enumerate(ages)]
    path.write_text("id,a,b,age\n" + "".join(l for i, l in enumerate(lines) if only is None or i in only))


def embedded(table):
    with open(table, encoding="utf-8", newline="") as f:
        return {r["id"]: (r["split"] if "split" in r else None, r["z_0"], r["z_1"]) for r in csv.DictReader(f)}


def standardised(stele, scratch):
    """The ages of other rows change neither the statistics nor, later, what a row is embedded as."""
    ages = [20 + i for i in range(60)]
    (scratch / "number.yaml").write_text(NUMBER)
    kept = []
    for name in ("first", "second"):
        put(scratch / "all.csv", ages)
        run(stele, "train", scratch / "number.yaml", "--run", scratch / name, "--quiet")
        run(stele, "embed", scratch / name, "-o", scratch / f"{name}.csv")
        age = json.loads((scratch / name / "data.json").read_text())["covariates"]["age"]
        kept.append((age["mean"], age["sd"]))
        rows = embedded(scratch / f"{name}.csv")
        ages = [age if rows[f"r{i}"][0] == "train" else 1000 + age for i, age in enumerate(ages)]
    assert kept[0] == kept[1], kept
    old = range(45, 60)
    put(scratch / "old.csv", [20 + i for i in range(60)], old)
    run(stele, "embed", scratch / "first", "--data", scratch / "old.csv", "-o", scratch / "part.csv")
    whole, part = embedded(scratch / "first.csv"), embedded(scratch / "part.csv")
    assert len(part) == len(old) and all(part[r][1:] == whole[r][1:] for r in part), (part, whole)


def main():
    stele = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        (scratch / "spec.yaml").write_text(SPEC)
        without, _ = train(stele, scratch, "without")
        known, weights = train(stele, scratch, "decoder", "modalities.rna.decoder.covariates=[batch]",
                               "modalities.atac.decoder.covariates=[batch]")
        standardised(stele, scratch)
    print(f"share of the latent's variance between batches: {without:.3f} without, {known:.3f} with covariates")
    assert b"rna.decoder.covariates" in weights and b"encoder.covariates" not in weights
    assert without > 0.2 and known < 0.25 * without, (without, known)
    return 0


if __name__ == "__main__":
    sys.exit(main())
