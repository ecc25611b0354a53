#!/usr/bin/env python3
"""Private latents of modalities, from training to every command. private.py STELE"""

import csv
import json
import math
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

CELLS = """stele: 1
name: t
seed: 3
data:
  source: simulate
  n_rows: 300
  n_genes: 40
  n_peaks: 60
  n_classes: 3
  missing_rna: 0.2
  missing_atac: 0.2
  split: {train: 0.7, valid: 0.15, test: 0.15}
latent: {dim: 3}
modalities:
  rna: {plugin: nb_counts, encoder: {hidden: [16]}, decoder: {hidden: [16]}, private: {dim: 2}}
  atac: {plugin: bernoulli_peaks, encoder: {hidden: [16]}, decoder: {hidden: [16]}, private: {dim: 4, cross: learned}}
fusion: moe
heads:
  kind: {plugin: classifier, target: class, weight: 10}
objective: {subsets: all+single, reconstruct: present}
train: {epochs: 8, batch_size: 32, optimiser: {lr: 0.01}}
evaluate: [likelihood, cross, {calibration: {samples: 19}}]
"""

# Both modalities show u. Modality a shows v besides, which b knows nothing of.
SHARED = """stele: 1
name: t
seed: 3
data:
  source: npy
  path: .
  files: [a.npy, b.npy]
  split: {train: 0.7, valid: 0.15, test: 0.15}
latent: {dim: 1}
modalities:
  a: {plugin: gaussian, encoder: {hidden: [16], activation: relu}, decoder: {hidden: [16], activation: relu}}
  b: {plugin: gaussian, encoder: {hidden: [16], activation: relu}, decoder: {hidden: [16], activation: relu}}
fusion: {plugin: FUSION}
objective: {subsets: all+single, reconstruct: present, beta: {from: 0, to: 1, epochs: 20}}
train: {epochs: 60, batch_size: 32, optimiser: {lr: 0.02}}
"""

READ = """
import sys, anndata
obsm = anndata.read_h5ad(sys.argv[1]).obsm
assert sorted(obsm) == ["X_stele", "X_stele_sd", "atac_private", "rna_private"], sorted(obsm)
assert [obsm[k].shape[1] for k in sorted(obsm)] == [3, 3, 4, 2]
given, not_given = abs(obsm["rna_private"]).sum(), abs(obsm["atac_private"]).sum()
assert given > 0 and not_given == 0, (given, not_given)
"""


def run(*command):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"exit status {done.returncode} of {' '.join(map(str, command))}\n{done.stderr}"
    return done.stdout


def generated(stele, folder, *options):
    out = folder.parent / "out.csv"
    run(stele, "generate", folder, "-o", out, "--split", "test", *options)
    with open(out, encoding="utf-8", newline="") as f:
        lines = list(csv.reader(f))[1:]
    return {line[0]: line[1:] for line in lines}


def finite(figures, path=""):
    if isinstance(figures, dict):
        for key, value in figures.items():
            finite(value, f"{path}.{key}")
    elif isinstance(figures, float):
        assert math.isfinite(figures), f"{path} is {figures}"


def check_commands(stele, scratch):
    spec, folder = scratch / "spec.yaml", scratch / "cells"
    spec.write_text(CELLS, encoding="utf-8")
    run(stele, "train", spec, "--run", folder, "--quiet")
    resolved = (folder / "resolved.yaml").read_text(encoding="utf-8")
    assert resolved.count("private:") == 2 and "cross: learned" in resolved, resolved
    report = json.loads(run(stele, "eval", folder, "--json", "--samples", "20"))
    for posterior in report["posteriors"]:
        finite(posterior)
        assert posterior["importance_weighted"] > posterior["elbo"] - 0.2, posterior
    assert report["cross"] and report["calibration"], report.keys()
    again = json.loads(run(stele, "eval", folder, "--json", "--samples", "20", "--threads", "3"))
    assert report["posteriors"] == again["posteriors"], "the number of threads changed the figures"
    run(stele, "eval", folder, "--report", "fusion")
    run(stele, "predict", folder, "-o", scratch / "predicted.csv", "--split", "test")
    run(stele, "score", folder, "--split", "train")
    table = scratch / "z.csv"
    run(stele, "embed", folder, "-o", table)
    with open(table, encoding="utf-8") as f:
        header = next(csv.reader(f))
    assert [h for h in header if h.startswith("z_")] == ["z_0", "z_1", "z_2"], header
    python = os.environ.get("STELE_TEST_PYTHON")  # one that has anndata
    run(stele, "embed", folder, "-o", scratch / "z.h5ad", "--details", "--modalities", "rna")
    if python:
        run(python, "-c", READ, scratch / "z.h5ad")
    return folder


def check_generation(stele, folder):
    cross, own = ("--from", "rna", "--to", "atac"), ("--from", "rna,atac", "--to", "atac")
    fixed = generated(stele, folder, *cross, "--temperature", "0")
    assert fixed == generated(stele, folder, *cross, "--temperature", "0", "--seed", "99"), "nothing is drawn"
    few, more = (generated(stele, folder, *cross, "--samples", n) for n in ("2", "4"))
    assert len(more) == 2 * len(few) and all(more[name] == row for name, row in few.items())
    assert len({tuple(row) for row in more.values()}) == len(more), "draws repeat"
    # With the measurement given, the private latent comes from it.
    assert generated(stele, folder, *own, "--temperature", "0") != fixed
    reconstructed = generated(stele, folder, *own, "--samples", "3", "--draw", "sample")
    assert len(reconstructed) == 3 * len(fixed)
    assert len(generated(stele, folder, *own, "--temperature", "0", "--like", next(iter(fixed)))) == len(fixed)
    out = folder.parent / "out.csv"
    run(stele, "generate", folder, "-o", out, "--to", "atac", "--prior", "5")
    run(stele, "generate", folder, "-o", out, "--to", "atac", "--between", ",".join(list(fixed)[:2]))
    run(stele, "generate", folder, "-o", out, "--to", "atac", "--traverse", next(iter(fixed)))


def array(path, rows):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({len(rows)}, {len(rows[0])}), }}"
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() +
                     b"".join(struct.pack(f"<{len(r)}f", *r) for r in rows))


def check_purpose(stele, scratch):
    """A private latent takes what the other modality says nothing about, and z is left to what both show."""
    noise = random.Random(1)
    draw = lambda: noise.gauss(0.0, 1.0)  # noqa: E731
    a, b = [], []
    for _ in range(400):
        u, v = draw(), draw()
        a.append([u + 0.1 * draw(), v + 0.1 * draw(), u - v + 0.1 * draw()])
        b.append([u + 0.1 * draw(), -u + 0.1 * draw()])
    array(scratch / "a.npy", a)
    array(scratch / "b.npy", b)
    for fusion, reconstruct, cross, least in (("poe", "own", "prior", 1.0), ("moe", "present", "learned", 0.1)):
        figure = {}
        for dim in (0, 1):
            spec, folder = scratch / "shared.yaml", scratch / f"shared-{fusion}-{dim}"
            spec.write_text(SHARED.replace("FUSION", fusion), encoding="utf-8")
            sets = [f"modalities.a.private.dim={dim}", f"objective.reconstruct={reconstruct}"]
            sets += [f"modalities.a.private.cross={cross}"] if dim > 0 else []
            run(stele, "train", spec, "--run", folder, "--quiet", *(w for s in sets for w in ("--set", s)))
            figure[dim] = json.loads(run(stele, "eval", folder, "--json", "--samples", "50"))["posteriors"][0]
        gain = figure[1]["importance_weighted"] - figure[0]["importance_weighted"]
        assert gain > least, f"{fusion}: a dimension for what only a shows gains {gain} nats"
        rows = generated(stele, scratch / f"shared-{fusion}-1", "--from", "a", "--to", "b", "--temperature", "0")
        error = [abs(float(row[0]) - b[int(name)][0]) for name, row in rows.items()]
        assert sum(error) / len(error) < 0.35, f"{fusion}: b from a is off by {sum(error) / len(error)}"


def check_sampled(stele, scratch):
    """A subset drawn for each row decodes the others with a latent that is not theirs, as a component of a mixture does."""
    spec, given_b = scratch / "sampled.yaml", {}
    spec.write_text(SHARED.replace("FUSION", "mopoe"), encoding="utf-8")
    for subsets in ("all", "sampled"):
        folder = scratch / f"sampled-{subsets}"
        sets = ["modalities.a.private={dim: 1, cross: learned}", "objective.subsets=all", f"fusion.subsets={subsets}"]
        run(stele, "train", spec, "--run", folder, "--quiet", *(w for s in sets for w in ("--set", s)))
        report = json.loads(run(stele, "eval", folder, "--json"))["posteriors"]
        given_b[subsets] = next(p for p in report if p["name"] == "b")["log_likelihood"]["a"]
    assert abs(given_b["sampled"] - given_b["all"]) < 3.0, f"log p(a) given b, by subsets: {given_b}"


def main():
    stele = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as scratch:
        folder = check_commands(stele, pathlib.Path(scratch))
        check_generation(stele, folder)
        check_purpose(stele, pathlib.Path(scratch))
        check_sampled(stele, pathlib.Path(scratch))


if __name__ == "__main__":
    main()
