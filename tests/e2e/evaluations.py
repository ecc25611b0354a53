#!/usr/bin/env python3
"""Silhouettes, mixing, alignment, calibration, coherence and posteriors of all subsets, against what `stele embed` writes.
evaluations.py STELE"""

import csv
import json
import math
import pathlib
import subprocess
import sys
import tempfile

SPEC = """stele: 1
name: evaluations
seed: 3
data:
  source: simulate
  n_rows: 360
  n_genes: 20
  n_peaks: 30
  n_classes: 3
  n_batches: 2
  split: {train: 0.5, valid: 0.1, test: 0.4}
  missing: {atac: 0.3}
latent: {dim: 3}
modalities:
  rna:  {plugin: nb_counts, encoder: {hidden: [16]}, decoder: {hidden: [16]}}
  atac: {plugin: bernoulli_peaks, encoder: {hidden: [16]}, decoder: {hidden: [16]}}
  more: {plugin: nb_counts, from: rna, private: {dim: 1}, encoder: {hidden: [16]}, decoder: {hidden: [16]}}
fusion: poe
objective: {subsets: all+single}
train: {epochs: 20, batch_size: 40, optimiser: {lr: 0.01}}
evaluate:
  - likelihood: {samples: 8, subsets: all}
  - silhouette: {labels: class, batch: batch}
  - integration: {batch: batch, labels: class, k: 30}
  - alignment
  - calibration: {level: 0.8, samples: 49}
  - coherence: {labels: class, samples: 2}
"""


def run(*command, code=0):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == code, f"exit status {done.returncode} of: {' '.join(map(str, command))}\n{done.stderr}"
    return done.stdout if code == 0 else done.stderr


def latents(stele, folder, scratch, modality):
    """z of the test rows that have the modality, and their classes."""
    path = scratch / "z.csv"
    run(stele, "embed", folder, "-o", path, "--split", "test", "--modalities", modality, "--quiet")
    with open(path, encoding="utf-8", newline="") as f:
        rows = [r for r in csv.DictReader(f) if r[f"has_{modality}"] == "1"]
    return {r["id"]: ([float(r[f"z_{d}"]) for d in range(3)], r["class"]) for r in rows}


def silhouette(points):
    total = 0.0
    for z, own in points:
        apart = {}
        for other, k in points:
            apart.setdefault(k, []).append(math.dist(z, other))
        mean = {k: sum(d) / (len(d) - (k == own)) for k, d in apart.items()}
        a, b = mean[own], min(d for k, d in mean.items() if k != own)
        total += (b - a) / max(a, b)
    return total / len(points)


def foscttm(a, b):
    total, n = 0, len(a)
    for x, y in ((a, b), (b, a)):
        for i in range(n):
            own = math.dist(x[i], y[i])
            total += sum(math.dist(x[i], y[j]) < own for j in range(n) if j != i)
    return total / (2 * n * (n - 1))


def item(posterior, key):
    return next(i for i in posterior["labels"] if key in i)


def check_spaces(report, z):
    by_name = {p["name"]: p for p in report["posteriors"]}
    for name in ("rna", "atac"):
        found = item(by_name[name], "silhouette")
        want = silhouette(list(z[name].values()))
        assert found["rows"] == len(z[name]) and abs(found["silhouette"] - want) < 1e-4, (name, found, want)
        assert abs(found["silhouette_scaled"] - (want + 1) / 2) < 1e-4, found
        assert 0.0 < found["silhouette_batch"] <= 1.0 and found["batch"] == "batch", found
        low, high = found["intervals"]["silhouette"]
        assert low < found["silhouette"] < high, found
        mixed = item(by_name[name], "ilisi")
        assert mixed["rows"] == len(z[name]) and mixed["batch"] == "batch" and mixed["labels"] == "class", mixed
        for key, classes, sign in (("ilisi", 2, 1), ("clisi", 3, -1)):
            m = mixed[f"{key}_median"]
            assert 1.0 <= m <= classes, mixed
            want = (m - 1) / (classes - 1) if sign > 0 else (classes - m) / (classes - 1)
            assert abs(mixed[key] - want) < 1e-9, mixed
            low, high = mixed["intervals"][key]
            assert low <= mixed[key] <= high, mixed
        assert 0.5 <= mixed["chance"] < 0.7 and 0.3 < mixed["knn"] < 0.8 and 0.3 < mixed["logistic"] < 0.8, mixed
    pairs = {(p["a"], p["b"]): p for p in report["alignment"]}
    assert set(pairs) == {("rna", "atac"), ("rna", "more"), ("atac", "more")}, pairs.keys()
    for a, b in (("rna", "atac"), ("rna", "more")):
        ids = sorted(z[a].keys() & z[b].keys())
        want = foscttm([z[a][i][0] for i in ids], [z[b][i][0] for i in ids])
        assert pairs[a, b]["rows"] == len(ids) and abs(pairs[a, b]["foscttm"] - want) < 1e-4, (a, b, pairs, want)


def check_calibration(stele, folder, report, n_atac):
    found = {(c["from"], c["to"]): c for c in report["calibration"]}
    assert set(found) == {("joint", m) for m in ("rna", "atac", "more")} | {
        ("atac+more", "rna"), ("rna+more", "atac"), ("rna+atac", "more")}, found.keys()
    for c in found.values():
        assert abs(c["coverage"] + c["below"] + c["above"] - 1.0) < 1e-9 and c["level"] == 0.8, c
        assert 0.7 < c["coverage"] < 0.95, c
        low, high = c["intervals"]["coverage"]
        assert low < c["coverage"] < high, c
    assert found["joint", "atac"]["rows"] == n_atac and found["joint", "atac"]["values"] == 30 * n_atac, found
    assert abs(found["joint", "atac"]["coverage"] - 0.8) < 0.03, "binary values: ties count by their share"


def kept_classifiers(folder):
    return {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.glob("coherence-*.safetensors")}


def check_coherence(stele, folder, report, n_atac):
    found = report["coherence"]
    assert found["labels"] == "class" and found["samples"] == 2 and found["rows"] == report["rows"], found
    parts = found["modalities"]
    assert list(parts) == ["rna", "atac", "more"], parts
    assert parts["rna"]["rows"] == report["rows"] and parts["atac"]["rows"] == n_atac, parts
    assert parts["rna"]["train_rows"] == 180 > parts["atac"]["train_rows"], parts
    assert parts["rna"]["accuracy"] > 0.95 and parts["more"]["accuracy"] > 0.95, parts
    assert parts["atac"]["accuracy"] > found["chance"] + 0.1 > 0.43, found
    one = {(c["from"], c["to"]): c for c in found["conditional"]}
    assert set(one) == {("atac", "rna"), ("more", "rna"), ("atac+more", "rna"), ("rna", "atac"), ("more", "atac"),
                        ("rna+more", "atac"), ("rna", "more"), ("atac", "more"), ("rna+atac", "more")}, one.keys()
    for (source, _), c in one.items():
        assert c["rows"] == (n_atac if "atac" in source else report["rows"]), c
        assert 2 * c["rows"] * c["coherence"] % 1 in (0, 1) or abs(2 * c["rows"] * c["coherence"] % 1 - 0.5) > 0.49, c
    pairs = [("atac", "rna"), ("more", "rna"), ("rna", "atac"), ("more", "atac"), ("rna", "more"), ("atac", "more")]
    assert abs(found["given_1"] - sum(one[p]["coherence"] for p in pairs) / 6) < 1e-9, found
    assert abs(parts["rna"]["given_1"] - (one["atac", "rna"]["coherence"] + one["more", "rna"]["coherence"]) / 2) < 1e-9
    assert abs(parts["more"]["given_2"] - one["rna+atac", "more"]["coherence"]) < 1e-9, parts
    for key in ("joint", "given_1", "given_2"):
        low, high = found["intervals"][key]
        assert low < found[key] < high, (key, found)
    # Classifiers are kept, trained anew when they are gone or damaged, and then the same again.
    before = kept_classifiers(folder)
    assert set(before) == {f"coherence-{m}.safetensors" for m in ("rna", "atac", "more")}, before.keys()
    assert json.loads(run(stele, "eval", folder, "--json", "--resamples", "0"))["coherence"]["given_1"] == found["given_1"]
    assert kept_classifiers(folder) == before, "classifiers are trained once"
    (folder / "coherence-rna.safetensors").unlink()
    (folder / "coherence-atac.safetensors").write_bytes(before["coherence-atac.safetensors"][0][:-3])
    again = json.loads(run(stele, "eval", folder, "--json", "--threads", "3"))["coherence"]
    assert again == found, "a classifier does not depend on threads"
    after = kept_classifiers(folder)
    assert {k: v[0] for k, v in after.items()} == {k: v[0] for k, v in before.items()}
    assert after["coherence-more.safetensors"] == before["coherence-more.safetensors"]
    # Other labels, other classifiers.
    lines = (folder / "resolved.yaml").read_text(encoding="utf-8")
    other = lines.replace("labels: class", "labels: batch")
    assert other != lines
    (folder / "resolved.yaml").write_text(other, encoding="utf-8")
    batch = json.loads(run(stele, "eval", folder, "--json", "--resamples", "0"))["coherence"]
    (folder / "resolved.yaml").write_text(lines, encoding="utf-8")
    assert batch["labels"] == "batch" and kept_classifiers(folder)["coherence-rna.safetensors"][0] != before[
        "coherence-rna.safetensors"][0], batch


def check_subsets(stele, folder, report):
    by_name = {p["name"]: p for p in report["posteriors"]}
    assert list(by_name) == ["joint", "rna", "atac", "more", "rna+atac", "rna+more", "atac+more"], list(by_name)
    part = json.loads(run(stele, "eval", folder, "--json", "--modalities", "rna,atac"))
    joint = part["posteriors"][0]
    for key in ("elbo", "importance_weighted", "importance_weighted_error", "divergence", "rows"):
        assert abs(joint[key] - by_name["rna+atac"][key]) < 1e-6 * abs(joint[key]), (key, joint, by_name["rna+atac"])
    assert by_name["atac"]["rows"] < by_name["rna+atac"]["rows"] == by_name["joint"]["rows"], by_name
    assert by_name["rna+more"]["elbo"] > by_name["atac+more"]["elbo"] - 5.0, by_name


def check_bounds(stele, scratch):
    many = SPEC.replace("  more:", "".join(f"  m{i}: {{plugin: nb_counts, from: rna, encoder: {{hidden: [2]}}, "
                                           "decoder: {hidden: [2]}}\n" for i in range(4)) + "  more:")
    spec, folder = scratch / "many.yaml", scratch / "many"
    spec.write_text(many, encoding="utf-8")
    run(stele, "train", spec, "--run", folder, "--quiet", "--set", "train.epochs=1", "--set", "objective.subsets=all",
        "--set", "evaluate=[likelihood]")
    every = ("--set", "evaluate=[{likelihood: {samples: 1, subsets: all}}]")
    said = run(stele, "eval", folder, *every, code=2)
    assert "7 modalities have 2^7 - 1 subsets" in said and "--modalities" in said, said
    six = json.loads(run(stele, "eval", folder, *every, "--json", "--resamples", "0", "--modalities", "rna,atac,m0,m1,m2"))
    assert len(six["posteriors"]) == 31, len(six["posteriors"])


def main():
    stele = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        spec, folder = scratch / "spec.yaml", scratch / "run"
        spec.write_text(SPEC, encoding="utf-8")
        run(stele, "train", spec, "--run", folder, "--quiet")
        text = run(stele, "eval", folder, "--json", "--threads", "1")
        report = json.loads(text)
        assert json.loads(run(stele, "eval", folder, "--json", "--threads", "3")) == report, "threads matter"
        z = {m: latents(stele, folder, scratch, m) for m in ("rna", "atac", "more")}
        check_spaces(report, z)
        check_calibration(stele, folder, report, len(z["atac"]))
        check_coherence(stele, folder, report, len(z["atac"]))
        check_subsets(stele, folder, report)
        plain = run(stele, "eval", folder)
        assert "FOSCTTM" in plain and "80 % holds" in plain and "iLISI batch" in plain and "given 2" in plain, plain
        check_bounds(stele, scratch)


if __name__ == "__main__":
    main()
