#!/usr/bin/env python3
"""Models trained on tables. tables.py STELE

Three files of the same cells are joined by id, whatever their order; new data may have their columns in another order;
generated columns of texts are texts; what the type of a column, as training rows suggest it, cannot hold is missing.
The last line is `N passed, N failed, 0 skipped`.
"""

import csv
import gzip
import json
import random
import subprocess
import sys

from cases import run_cases

N = 60
JOINED = """\
stele: 1
name: joined
data:
  sources:
    labels:  {plugin: table, path: labels.csv, columns: [], categories: [batch]}
    rna:     {plugin: table, path: counts.csv.gz, sparse: true}
    signals: {plugin: table, path: "signals*.?sv"}
  split: {train: 0.7, valid: 0.1, test: 0.2, stratify: kind}
latent: {dim: 2}
modalities:
  rna:     {plugin: nb_counts, from: "rna:X", encoder: {hidden: [8]}, decoder: {hidden: [8], covariates: [batch]}}
  signals: {plugin: gaussian, from: "signals:X", encoder: {hidden: [8]}, decoder: {hidden: [8]}}
fusion: poe
heads:
  kind: {plugin: classifier, target: kind}
train: {epochs: 2, batch_size: 16}
"""
SINGLE = """\
stele: 1
name: single
data: {source: table, path: all.csv, key: patient, exclude: [age]}
latent: {dim: 2}
modalities:
  signals: {plugin: gaussian, from: X, encoder: {hidden: [8]}, decoder: {hidden: [8]}}
fusion: poe
train: {epochs: 2, batch_size: 16}
"""


LEVELS = """\
stele: 1
name: levels
data: {source: table, path: levels.csv, levels: [stage, sex, site], split: {train: 0.7, valid: 0.1, test: 0.2}}
latent: {dim: 2}
modalities:
  m: {plugin: table, from: X, ordered: ["stage = low < mid < high"], encoder: {hidden: [8]}, decoder: {hidden: [8]}}
fusion: poe
train: {epochs: 2, batch_size: 16}
"""


def text(rows, delimiter=","):
    return "".join(delimiter.join(map(str, row)) + "\n" for row in rows)


def run(stele, folder, *words):
    done = subprocess.run([stele, *map(str, words)], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f"{' '.join(map(str, words))}: exit status {done.returncode}\n{done.stdout}"
    return done.stdout


def read(path):
    with open(path, newline="", encoding="utf-8") as f:
        return {row["id"]: row for row in csv.DictReader(f)}


def joined(stele, folder):
    """Presence and labels of every cell are those of the tables."""
    random.seed(3)
    cells = [f"cell {i}" for i in range(N)]
    kind = {c: "ab"[i % 2] for i, c in enumerate(cells)}
    has_rna, has_signals = set(cells[:50]), set(cells[10:])
    has_signals.remove("cell 20")  # it has a line, but no value
    counts = [["cell", *(f"gene{j}" for j in range(12))]]
    counts += [[c, *(random.choice([0, 0, 0, 1, 4]) for _ in range(11)), 1] for c in random.sample(cells[:50], 50)]
    signals = [[c, random.gauss(0, 1), "NA" if c == "cell 11" else 5 + 9 * random.random()] for c in reversed(cells[10:])]
    signals = [[c, "NA", ""] if c == "cell 20" else [c, a, b] for c, a, b in signals]
    head = ["cell", "rest (mV)", "width"]
    (folder / "counts.csv.gz").write_bytes(gzip.compress(text(counts).encode()))
    (folder / "signals.tsv").write_text(text([head, *signals[:30]], "\t"))
    (folder / "signals-more.csv").write_text(text([head, *signals[30:]]))
    (folder / "labels.csv").write_text(text([["cell", "kind", "batch"], *([c, kind[c], 1 + i % 3] for i, c in enumerate(cells))]))
    (folder / "joined.yaml").write_text(JOINED)
    run(stele, folder, "train", "joined.yaml", "--run", "joined")
    run(stele, folder, "embed", "joined", "-o", "joined.csv")
    got = read(folder / "joined.csv")
    assert set(got) == has_rna | has_signals, sorted(set(got) ^ (has_rna | has_signals))
    for i, c in enumerate(cells):
        row = got[c]
        assert (row["has_rna"], row["has_signals"]) == (str(int(c in has_rna)), str(int(c in has_signals))), row
        assert (row["kind"], row["batch"]) == (kind[c], str(1 + i % 3)), row


def other_order(stele, folder):
    """New data are matched by the names of their columns."""
    random.seed(4)
    rows = [[f"p{i}", *(f"{random.gauss(0, 3):.3f}" for _ in range(4)), 40 + i] for i in range(N)]
    (folder / "all.csv").write_text(text([["patient", "a", "b", "c", "d", "age"], *rows]))
    moved = [[r[3], r[5], r[1], r[4], "new", r[2], r[0]] for r in rows[:20]]
    (folder / "moved.csv").write_text(text([["c", "age", "a", "d", "note", "b", "patient"], *moved], ";"))
    (folder / "single.yaml").write_text(SINGLE)
    run(stele, folder, "train", "single.yaml", "--run", "single")
    run(stele, folder, "embed", "single", "-o", "all-z.csv")
    run(stele, folder, "embed", "single", "-o", "moved-z.csv", "--data", "moved.csv")
    whole, part = read(folder / "all-z.csv"), read(folder / "moved-z.csv")
    assert list(part) == [r[0] for r in rows[:20]], list(part)
    for name, row in part.items():
        assert [row["z_0"], row["z_1"]] == [whole[name]["z_0"], whole[name]["z_1"]], (row, whole[name])


def generated_levels(stele, folder):
    """What is generated of columns of texts are their texts, but for a mean, which is none of them unless they have
    no order: then it is the likeliest."""
    draw = random.Random(5)
    rows = [["id", "stage", "size", "sex", "site"]]
    for i in range(N):
        stage = draw.choice(["low", "mid", "high"])
        rows.append([f"r{i}", stage, round(draw.gauss({"low": 0, "mid": 5, "high": 9}[stage], 1), 3), draw.choice("fm"), draw.choice("KLM")])
    (folder / "levels.csv").write_text(text(rows))
    (folder / "levels.yaml").write_text(LEVELS)
    run(stele, folder, "train", "levels.yaml", "--run", "levels")
    for what in ("sample", "mode"):
        run(stele, folder, "generate", "levels", "-o", "g.csv", "--to", "m", "--prior", 40, "--draw", what)
        made = read(folder / "g.csv").values()
        run(stele, folder, "generate", "levels", "-o", "g.jsonl", "--to", "m", "--prior", 40, "--draw", what)
        lines = [json.loads(line)["m"] for line in (folder / "g.jsonl").read_text().splitlines()]
        assert [[r["stage"], r["sex"], r["site"]] for r in made] == [[v[0], v[2], v[3]] for v in lines]
        assert all(abs(float(r["size"]) - v[1]) < 1e-5 for r, v in zip(made, lines))
        found = {r["stage"] for r in made}, {r["sex"] for r in made}
        want = {"low", "mid", "high"}, {"f", "m"}
        assert found == want if what == "sample" else found[0] <= want[0] and found[1] <= want[1], found
    likeliest = [r["site"] for r in made]
    for end in ("csv", "jsonl"):
        run(stele, folder, "generate", "levels", "-o", f"g.{end}", "--to", "m", "--prior", 40)
    made = read(folder / "g.csv").values()
    lines = [json.loads(line)["m"] for line in (folder / "g.jsonl").read_text().splitlines()]
    assert all(0.0 <= float(r["stage"]) <= 2.0 and 0.0 <= float(r["sex"]) <= 1.0 for r in made)
    assert [r["site"] for r in made] == [v[3] for v in lines] == likeliest, (made, lines)


def beyond_the_type(stele, folder):
    """Where nobody said the type, a value that it cannot hold is a gap: with gaps alone the row has no measurement."""
    draw = random.Random(6)
    head = ["id", "size", "share"]
    rows = [[f"r{i}", round(draw.uniform(0.1, 9), 3), round(draw.uniform(0.05, 0.95), 3), "test" if i < 9 else "train"] for i in range(N)]
    rows[3][1] = 0  # no training row
    (folder / "typed.csv").write_text(text([[*head, "part"], *rows]))
    (folder / "typed.yaml").write_text(SINGLE.replace("all.csv, key: patient, exclude: [age]",
                                                      "typed.csv, split: {column: part, valid: 0.1}").replace("gaussian", "table"))
    gap = "typed.csv: 0 counts as missing, as it is not above 0"
    assert gap in run(stele, folder, "train", "typed.yaml", "--run", "typed")
    for words in (("embed", "typed", "-o", "own-z.csv"), ("eval", "typed"), ("train", "typed.yaml", "--run", "typed", "--resume")):
        assert gap in run(stele, folder, *words)  # the data are those that the training began with
    new = {"beyond": [[f"b{i}", 0.0, 0.5] for i in range(3)] + [["c", -1, 1.5], ["d", 2.0, 0.5]],
           "gaps": [[f"b{i}", "", 0.5] for i in range(3)] + [["d", 2.0, 0.5]]}
    got = {}
    for name, lines in new.items():
        (folder / f"{name}.csv").write_text(text([head, *lines]))
        said = run(stele, folder, "embed", "typed", "-o", f"{name}-z.csv", "--data", f"{name}.csv")
        got[name] = read(folder / f"{name}-z.csv")
        warned = "row `b0`, feature `size` of beyond.csv: 0 counts as missing (and 3 more values)" in said
        assert warned == (name == "beyond"), said
    assert list(got["beyond"]) == ["b0", "b1", "b2", "c", "d"], got["beyond"]
    assert got["beyond"].pop("c")["has_signals"] == "0"
    assert got["beyond"] == got["gaps"], got


if __name__ == "__main__":
    sys.exit(run_cases(joined, other_order, generated_levels, beyond_the_type))
