#!/usr/bin/env python3
"""What `stele predict` writes is what it judges. predictions.py STELE

A table of rows with two measurements of a hidden number u: a number y = 2 u + noise, a class that u tells in part, grades
of u, and times of an event. From the file alone, with the truth of the table, come the figures that the command prints, for
heads that learn from draws of z and from its mean, one posterior and a mixture of several. Intervals of the number hold as
much as they say.
"""

import csv
import json
import math
import pathlib
import random
import subprocess
import sys
import tempfile

SPEC = """stele: 1
name: predictions
data:
  sources:
    a: {{plugin: table, path: rows.csv, columns: ["a*"]}}
    b: {{plugin: table, path: b.csv}}
  split: {{train: .5, valid: .2, test: .3}}
latent: {{dim: 2}}
modalities:
  a: {{plugin: gaussian, encoder: {{hidden: [16]}}, decoder: {{hidden: [16]}}}}
  b: {{plugin: gaussian, encoder: {{hidden: [16]}}, decoder: {{hidden: [16]}}}}
fusion: {fusion}
heads:
  y: {{plugin: regressor, target: y, latent: {latent}}}
  class: {{plugin: classifier, target: class, latent: {latent}}}
  grade: {{plugin: ordinal, target: grade, classes: [low, mid, high], latent: {latent}}}
  dead: {{plugin: survival, target: [time, event], latent: {latent}}}
train: {{epochs: 25, batch_size: 64, optimiser: {{lr: 5.0e-3}}}}
"""
N = 1500


def write_rows(folder):
    draw = random.Random(7)
    with open(folder / "rows.csv", "w", encoding="utf-8", newline="") as f, \
         open(folder / "b.csv", "w", encoding="utf-8", newline="") as g:
        table, other = csv.writer(f), csv.writer(g)
        table.writerow(["id", "a1", "a2", "y", "class", "grade", "time", "event"])
        other.writerow(["id", "b1", "b2"])
        for i in range(N):
            u = draw.gauss(0, 1)
            seen = [u * s + draw.gauss(0, 0.7) for s in (1, -1, 1, 0.5)]
            grade = ["low", "mid", "high"][(u + draw.gauss(0, 0.5) > -0.5) + (u + draw.gauss(0, 0.5) > 0.5)]
            time, lost = draw.expovariate(math.exp(u)), draw.expovariate(0.4)
            table.writerow([f"r{i}", *(f"{x:.4f}" for x in seen[:2]), f"{2 * u + draw.gauss(0, 1):.4f}",
                            "p" if draw.random() < 1 / (1 + math.exp(-2 * u)) else "q", grade,
                            f"{min(time, lost):.4f}", int(time <= lost)])
            other.writerow([f"r{i}", *(f"{x:.4f}" for x in seen[2:])])


def concordance(rows, risk):
    pairs = right = 0.0
    for r in rows:
        if r["event"] != "1":
            continue
        for s in rows:
            if float(s["time"]) > float(r["time"]):
                pairs += 1
                right += (risk[r["id"]] > risk[s["id"]]) + 0.5 * (risk[r["id"]] == risk[s["id"]])
    return right / pairs


def figures(written, truth):
    """Of the rows that were written."""
    rows = [truth[w["id"]] for w in written]
    n = len(rows)
    entropy = {h: sum(-math.log(w[f"{h}_p_{t[h]}"]) for w, t in zip(written, rows)) / n for h in ("class", "grade")}
    return {
        ("y", "coverage_90"): sum(w["y_low"] <= float(t["y"]) <= w["y_high"] for w, t in zip(written, rows)) / n,
        ("y", "rmse"): math.sqrt(sum((w["y"] - float(t["y"])) ** 2 for w, t in zip(written, rows)) / n),
        ("class", "cross_entropy"): entropy["class"],
        ("class", "accuracy"): sum(w["class"] == t["class"] for w, t in zip(written, rows)) / n,
        ("grade", "cross_entropy"): entropy["grade"],
        ("dead", "concordance"): concordance(rows, {w["id"]: w["dead_risk"] for w in written}),
    }


def check(stele, scratch, fusion, latent):
    def run(*words):
        done = subprocess.run([stele, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              cwd=scratch, stdin=subprocess.DEVNULL, check=False)
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout

    with open(scratch / "rows.csv", encoding="utf-8") as f:
        truth = {row["id"]: row for row in csv.DictReader(f)}
    name = f"{fusion}-{latent}"
    (scratch / "spec.yaml").write_text(SPEC.format(fusion=fusion, latent=latent))
    run("train", "spec.yaml", "--run", name, "--quiet")
    for have in ("a,b", "b"):
        told = json.loads(run("predict", name, "-o", f"{name}.jsonl", "--split", "test", "--modalities", have, "--json",
                              "--samples", "200", "--resamples", "0", "--quiet"))
        written = [json.loads(line) for line in (scratch / f"{name}.jsonl").read_text().splitlines()]
        assert len(written) == told["y"]["rows"], (len(written), told)
        for (head, metric), value in figures(written, truth).items():
            # A head that learns from draws writes the interval over draws and its noise, wider where less is given;
            # two hundred draws and a few hundred rows leave a noise of .02.
            drawn = metric == "coverage_90" and latent == "sample"
            near = -0.02 < value - told[head][metric] < 0.1 if drawn else abs(told[head][metric] - value) < 1e-4
            assert near, (name, have, head, metric, told[head][metric], value)
        for w in written:
            assert all(w[f"{q}_low"] < w[f"{q}_high"] for q in ("y", "class_p_p", "grade_p_mid", "dead_restricted_mean")), w
        held = figures(written, truth)[("y", "coverage_90")]
        print(f"{name} given {have}: 90 % intervals hold {held:.3f}, cross-entropy {told['class']['cross_entropy']:.3f}")
        assert have != "a,b" or abs(held - 0.9) < 0.06, (name, held)


def main():
    program = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        write_rows(scratch)
        for fusion in ("poe", "mopoe"):
            for latent in ("mean", "sample"):
                check(program, scratch, fusion, latent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
