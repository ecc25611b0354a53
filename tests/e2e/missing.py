#!/usr/bin/env python3
"""Whatever a row lacks, its posterior is valid. missing.py STELE

Tables of three modalities, rows with each of the eight sets of them, and further blocks hidden by `data.missing`: every
fusion rule trains, and embeds from every subset; products get sharper with every modality; a row with nothing is the
prior; what a row lacks has no influence, what is hidden none on training. The last line is `N passed, N failed, 0 skipped`.
"""

import csv
import itertools
import math
import pathlib
import random
import subprocess
import sys
import tempfile

NAMES = ("a", "b", "c")
SUBSETS = [s for n in (1, 2, 3) for s in itertools.combinations(NAMES, n)]
N, DIM = 96, 2
SPEC = """\
stele: 1
name: missing
data:
  sources:
    rows: {plugin: table, path: rows.csv, columns: [], categories: [class]}
    a: {plugin: table, path: a.csv}
    b: {plugin: table, path: b.csv}
    c: {plugin: table, path: c.csv}
  split: {train: 0.7, valid: 0.1, test: 0.2}
  missing: {a: 0.3, b: 0.3, c: 0.3}
latent: {dim: 2}
modalities:
  a: {plugin: gaussian, from: "a:X", encoder: {hidden: [6]}, decoder: {hidden: [6]}}
  b: {plugin: gaussian, from: "b:X", encoder: {hidden: [6]}, decoder: {hidden: [6]}}
  c: {plugin: nb_counts, from: "c:X", encoder: {hidden: [6]}, decoder: {hidden: [6]}}
fusion: poe
objective: {subsets: all+single}
train: {epochs: 3, batch_size: 16}
evaluate: [likelihood]
"""
RULES = ["poe", "moe", "mopoe", "mvtcae", "gpoe", "code", "jsd"]


def run(stele, folder, *words):
    done = subprocess.run([stele, *map(str, words)], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f"{' '.join(map(str, words))}: exit status {done.returncode}\n{done.stdout}"
    return done.stdout


def write_tables(folder, changed=()):
    """Row i has the modalities that the bits of i mod 8 say; of the rows `changed` the values of b are others."""
    chance = random.Random(5)
    lines = {name: ["id,p,q,r"] for name in NAMES}
    rows = ["id,class"]
    for i in range(N):
        z = chance.gauss(0, 1)
        rows.append(f"r{i},{'ab'[z > 0]}")
        for bit, name in enumerate(NAMES):
            x = [z + chance.gauss(0, 0.3) for _ in range(3)]
            x = [int(10 * math.exp(0.5 * v)) if name == "c" else v + 50 * (name == "b" and f"r{i}" in changed)
                 for v in x]
            if i >> bit & 1:
                lines[name].append(",".join([f"r{i}", *(f"{v:.6g}" for v in x)]))
    for name in NAMES:
        (folder / f"{name}.csv").write_text("\n".join(lines[name]) + "\n", encoding="utf-8")
    (folder / "rows.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def embed(stele, folder, name, subset, *words):
    run(stele, folder, "embed", name, "-o", "z.csv", "--modalities", ",".join(subset), "--quiet", *words)
    with open(folder / "z.csv", newline="", encoding="utf-8") as f:
        return {r["id"]: r for r in csv.DictReader(f)}


def numbers(row, key):
    return [float(row[f"{key}_{d}"]) for d in range(DIM)]


def has(row, subset):
    return any(row[f"has_{m}"] == "1" for m in subset)


def valid(row, subset):
    mean, sd = numbers(row, "z"), numbers(row, "sd")
    if not has(row, subset):
        return mean == [0.0] * DIM and sd == [1.0] * DIM
    return all(map(math.isfinite, mean + sd)) and min(sd) > 0


def sharper(z, subset, more):
    """No row is less sure given `more`, and one that gains a modality is more sure in every dimension."""
    for name, row in z[more].items():
        few, many = numbers(z[subset][name], "sd"), numbers(row, "sd")
        gains = any(row[f"has_{m}"] == "1" for m in set(more) - set(subset))
        if any(b >= a if gains else b != a for a, b in zip(few, many)):
            return False
    return True


def adds_up(z):
    """Precisions of a product: the prior's and each expert's own."""
    for name, row in z[NAMES].items():
        want = [1.0] * DIM
        for m in NAMES:
            if row[f"has_{m}"] == "1":
                want = [w + 1 / s ** 2 - 1 for w, s in zip(want, numbers(z[(m,)][name], "sd"))]
        if any(abs(1 / s ** 2 - w) > 1e-4 * w for s, w in zip(numbers(row, "sd"), want)):
            return False
    return True


def check(stele, folder):
    write_tables(folder)
    (folder / "spec.yaml").write_text(SPEC, encoding="utf-8")
    for rule in RULES:
        run(stele, folder, "train", "spec.yaml", "--run", rule, "--set", f"fusion={rule}", "--quiet")
        z = {subset: embed(stele, folder, rule, subset) for subset in SUBSETS}
        nothing = sum(not has(row, NAMES) for row in z[NAMES].values())
        yield f"{rule}: rows with nothing are among them", nothing >= N // 8 - 1
        yield f"{rule}: each subset gives a posterior, nothing the prior", \
            all(valid(row, subset) for subset in SUBSETS for row in z[subset].values())
        yield f"{rule}: held-out rows have a likelihood", "nan" not in run(stele, folder, "eval", rule, "--quiet")
        if rule == "poe":
            yield "poe: more evidence is never less sure", \
                all(sharper(z, s, t) for s in SUBSETS for t in SUBSETS if set(s) < set(t))
            yield "poe: precisions add up", adds_up(z)
    z = {subset: embed(stele, folder, "poe", subset) for subset in (NAMES, ("a", "c"))}
    lacks = [name for name, row in z[NAMES].items() if row["has_b"] == "0"]
    yield "what a row lacks has no influence", lacks and all(
        numbers(z[NAMES][i], key) == numbers(z["a", "c"][i], key) for i in lacks for key in ("z", "sd"))
    hidden = [name for name in lacks if int(name[1:]) & 2]
    for parts in (("train", "valid"), ("test",)):
        run(stele, folder, "train", "spec.yaml", "--run", parts[0], "--set", f"data.missing_in={parts[0]}", "--quiet")
        rows = embed(stele, folder, parts[0], NAMES)
        yield f"missing_in: {parts[0]} hides the same blocks of those rows alone", all(
            (row["has_b"] == "0") == (i in lacks if row["split"] in parts else not int(i[1:]) & 2)
            for i, row in rows.items()) and any(rows[i]["split"] in parts for i in hidden)
    write_tables(folder, hidden)
    run(stele, folder, "train", "spec.yaml", "--run", "again", "--quiet")
    yield "what is hidden has none on training", hidden and embed(stele, folder, "again", NAMES) == z[NAMES]


def main():
    failed = passed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for what, good in check(str(pathlib.Path(sys.argv[1]).resolve()), pathlib.Path(scratch)):
            print("ok  " if good else "FAIL", what)
            passed, failed = passed + bool(good), failed + (not good)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
