#!/usr/bin/env python3
"""Heads from the spec to the figures of `stele eval`. heads.py STELE TEST_PLUGINS

On the simulator: a class head reaches a high held-out accuracy from the joint and from one modality; a linear head with
reversed gradients and a step of its own takes the batch out of z as far as linear probes see; `adversary` takes it out as far
as classifiers see that are trained afterwards. `predict` writes what the class head says. A head that is not sure enough is calibrated. A run that was resumed, with
other numbers of threads, ends with the same bits.
"""

import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile

SPEC = """stele: 1
name: heads
data:
  source: simulate
  n_rows: 900
  n_genes: 150
  n_peaks: 300
  n_classes: 3
  n_batches: 3
  batch_effect: 0.8
  split: {train: 0.6, valid: 0.1, test: 0.3}
latent: {dim: 6}
modalities:
  rna: {plugin: nb_counts, encoder: {hidden: [32], norm: none, input: log1p, input_dropout: 0}, decoder: {hidden: [32], covariates: [batch]}}
  atac: {plugin: bernoulli_peaks, encoder: {hidden: [32], input_dropout: 0}, decoder: {hidden: [32], covariates: [batch]}}
fusion: poe
objective: {subsets: all}
train: {epochs: 30, batch_size: 64, optimiser: {lr: 5.0e-3}}
heads:
"""
SCRUB = "  scrub: {plugin: adversary, target: batch, weight: 20, warmup_epochs: 5, learning_rate: 3}\n"
CLASS = "  class: {plugin: classifier, target: class, weight: 20}\n"
PROBE = "  probe: {plugin: freely, target: batch, gradient_scale: 0, own_step: true}\n"
ADVERSARY = "  batch: {plugin: freely, target: batch, gradient_scale: -1, own_step: true, weight: 50}\n"


def stele(*words):
    done = subprocess.run([STELE, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise AssertionError(f"exit status {done.returncode} of {words}\n{done.stderr}")
    return done.stdout


def trained(scratch, name, heads, *more, spec_text=SPEC):
    spec = scratch / f"{name}.yaml"
    spec.write_text(spec_text + heads)
    stele("train", spec, "--run", scratch / name, "--quiet", *more)
    return scratch / name


def accuracy(run, head):
    """Held out, by posterior."""
    report = json.loads(stele("eval", run, "--json", "--quiet", "--checkpoint", "last"))
    return {p["name"]: p["heads"][head] for p in report["posteriors"]}


def supervised(scratch):
    run = trained(scratch, "class", CLASS)
    figures = accuracy(run, "class")
    print("class head:", {n: round(f["accuracy"], 3) for n, f in figures.items()})
    assert figures["joint"]["rows"] == 270, figures
    assert figures["joint"]["accuracy"] > 0.97 and figures["rna"]["accuracy"] > 0.9, figures
    epochs = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert epochs[-1]["train"]["heads"]["class"] < epochs[0]["train"]["heads"]["class"]
    summary = json.loads((run / "summary.json").read_text())
    best = epochs[summary["best_epoch"] - 1]
    assert summary["heads"]["valid"] == best["valid"]["heads"] and "class" in best["valid"]["heads"]
    assert "head/classifier" in [p["id"] for p in summary["plugins"]]
    data = json.loads((run / "data.json").read_text())
    assert data["heads"]["class"]["target"] == "class" and len(data["heads"]["class"]["categories"]) == 3


def scrubbed(scratch):
    # One decoder is not told the batch, so the latent has to carry it.
    told = "atac: {plugin: bernoulli_peaks, encoder: {hidden: [32], input_dropout: 0}, decoder: {hidden: [32], covariates: [batch]}}"
    untold = SPEC.replace(told, told.replace(", covariates: [batch]", ""))
    assert untold != SPEC
    free = accuracy(trained(scratch, "probe", PROBE, spec_text=untold), "probe")["joint"]["accuracy"]
    run = trained(scratch, "scrubbed", ADVERSARY + PROBE, spec_text=untold)
    batch, probe = (accuracy(run, h)["joint"]["accuracy"] for h in ("batch", "probe"))
    print(f"batch by a probe: {free:.3f}; against an adversary: {probe:.3f}, the adversary itself {batch:.3f}")
    assert free > 0.9 and probe < 0.6 and batch < 0.6, (free, probe, batch)


def said_by_class(scratch, name):
    """Share of test rows whose batch is the most frequent one of their class."""
    stele("embed", scratch / name, "-o", scratch / "rows.csv", "--split", "test")
    with open(scratch / "rows.csv", encoding="utf-8") as table:
        pairs = [(row["class"], row["batch"]) for row in csv.DictReader(table)]
    batches = {b for _, b in pairs}
    return sum(max(pairs.count((c, b)) for b in batches) for c in {c for c, _ in pairs}) / len(pairs)


def fresh(scratch):
    """Two classifiers trained afterwards find the batch without an adversary, and no more with one; classes stay."""
    told = "atac: {plugin: bernoulli_peaks, encoder: {hidden: [32], input_dropout: 0}, decoder: {hidden: [32], covariates: [batch]}}"
    untold = SPEC.replace(told, told.replace(", covariates: [batch]", ""))
    idle = SCRUB.replace("weight: 20", "weight: 0, covariates: [class]")
    before, after = ({k: v for k, v in accuracy(trained(scratch, name, CLASS + head, spec_text=text), "scrub")["joint"].items()}
                     for name, head, text in (("idle", idle, untold), ("fresh", SCRUB, SPEC)))
    print("fresh classifiers of the batch:", {k: (round(before[k], 3), round(after[k], 3)) for k in after if "fresh" in k})
    assert before["fresh_knn"] > 0.8 and before["fresh_logistic"] > 0.9, before
    assert after["fresh_knn"] < 0.55 and after["fresh_logistic"] < 0.6 and after["fresh_chance"] < 0.4, after
    floor = said_by_class(scratch, "idle")
    assert abs(before["fresh_covariates"] - floor) < 1e-9 and floor > before["fresh_chance"], (before, floor)
    kept = accuracy(scratch / "fresh", "class")["joint"]
    assert kept["accuracy"] > 0.95, kept


def narrower(scratch, rows, classes):
    """Half of the same draws, within what nine tenths of them span."""
    out, width = scratch / "half.jsonl", [0.0, 0.0]
    stele("predict", scratch / "class", "-o", out, "--split", "test", "--modalities", "rna", "--samples", "30", "--checkpoint",
          "last", "--level", "0.5")
    for row, half in zip(rows, map(json.loads, out.read_text().splitlines())):
        for c in classes:
            least, low, high, most = (r[f"class_p_{c}_{end}"] for r, end in
                                      ((row, "low"), (half, "low"), (half, "high"), (row, "high")))
            assert least <= low <= high <= most and half[f"class_p_{c}"] == row[f"class_p_{c}"], (row, half)
            width = [width[0] + high - low, width[1] + most - least]
    print(f"widths of intervals at .5 and .9: {width[0] / len(rows):.3f}, {width[1] / len(rows):.3f}")
    assert 0 < width[0] < 0.6 * width[1], width


def predicted(scratch):
    """Predictions of held-out rows from one modality, as rows of a table."""
    run, out = scratch / "class", scratch / "class.jsonl"
    stele("predict", run, "-o", out, "--split", "test", "--modalities", "rna", "--samples", "30", "--checkpoint", "last")
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(rows) == 270 and all(row["split"] == "test" for row in rows)
    classes = json.loads((run / "data.json").read_text())["heads"]["class"]["categories"]
    inside = 0
    for row in rows:
        p = {c: row[f"class_p_{c}"] for c in classes}
        assert abs(sum(p.values()) - 1) < 1e-5 and row["class"] == max(p, key=p.get), row
        inside += all(row[f"class_p_{c}_low"] <= p[c] <= row[f"class_p_{c}_high"] for c in classes)
    assert inside >= 0.98 * len(rows), inside
    narrower(scratch, rows, classes)
    stele("embed", run, "-o", scratch / "rows.csv", "--split", "test", "--checkpoint", "last")
    with open(scratch / "rows.csv", encoding="utf-8") as table:
        truth = {row["id"]: row["class"] for row in csv.DictReader(table)}
    hits = sum(truth[row["id"]] == row["class"] for row in rows) / len(rows)
    print(f"classes from one modality: {hits:.3f} right")
    assert hits > 0.9, hits


def calibrated(scratch):
    """Smoothed labels make a head less sure than it may be: a temperature, fitted to validation rows, makes its
    probabilities right on test rows, too, and changes no class. `predict` and `eval` both go by it."""
    head = CLASS.replace("weight: 20", "weight: 20, label_smoothing: 0.5")
    runs = {name: trained(scratch, name, head, "--set", f"heads.class.calibrate={value}", "--set", "train.epochs=15")
            for name, value in (("unsure", "false"), ("calibrated", "true"))}
    told = {}
    for name, run in runs.items():
        told[name] = json.loads(stele("predict", run, "-o", scratch / f"{name}.csv", "--split", "test", "--json"))["class"]
        report = json.loads(stele("eval", run, "--json", "--quiet"))["posteriors"][0]["heads"]["class"]
        assert told[name] == {k: report[k] for k in told[name]}, (told[name], report)
        low, high = told[name]["intervals"]["cross_entropy"]
        assert low < told[name]["cross_entropy"] < high and told[name]["rows"] == 270, told[name]
    unsure, right = told["unsure"], told["calibrated"]
    print("calibration:", {k: (round(unsure[k], 3), round(right[k], 3)) for k in ("cross_entropy", "expected_calibration_error")})
    assert right["cross_entropy"] < unsure["cross_entropy"] - 0.05, (unsure, right)
    assert right["expected_calibration_error"] < 0.3 * unsure["expected_calibration_error"], (unsure, right)
    assert right["accuracy"] == unsure["accuracy"], (unsure, right)
    summaries = {n: json.loads((run / "summary.json").read_text())["heads"]["calibration"] for n, run in runs.items()}
    assert summaries["unsure"] == {}, summaries
    found = summaries["calibrated"]["class"]
    assert found["rows"] == 90 and found["after"]["cross_entropy"] < found["before"]["cross_entropy"], found


def values(checkpoint):
    """Without the header, which knows the spec."""
    raw = checkpoint.read_bytes()
    return raw[8 + int.from_bytes(raw[:8], "little"):]


def left_open(scratch):
    """Without `posteriors` a head learns from the subsets that the objective has, an adversary from the joint alone."""
    found = {}
    for head, text in (("class", CLASS), ("scrub", SCRUB)):
        for subsets in "all", "all+single":
            for asked in "open", "joint", "subsets":
                if (subsets, asked) != ("all", "subsets"):
                    sets = [] if asked == "open" else ["--set", f"heads.{head}.posteriors={asked}"]
                    run = trained(scratch, f"{head}-{subsets}-{asked}", text, "--set", "train.epochs=1", "--set",
                                  f"objective.subsets={subsets}", *sets)
                    found[head, subsets, asked] = values(run / "last.safetensors")
    assert found["class", "all", "open"] == found["class", "all", "joint"]
    assert found["class", "all+single", "open"] == found["class", "all+single", "subsets"] != found["class", "all+single", "joint"]
    assert found["scrub", "all+single", "open"] == found["scrub", "all+single", "joint"] != found["scrub", "all+single", "subsets"]
    print("posteriors that are left open: subsets where there are some, the joint of an adversary")


def same_bits(scratch):
    heads = CLASS + PROBE
    one = trained(scratch, "one", heads, "--set", "train.epochs=4", "--threads", "1")
    two = trained(scratch, "two", heads, "--set", "train.epochs=2", "--threads", "3")
    trained(scratch, "two", heads, "--set", "train.epochs=4", "--resume", "--threads", "2")
    for name in "last.safetensors", "best.safetensors", "metrics.jsonl":
        assert (one / name).read_bytes() == (two / name).read_bytes(), name
    print("resumed, with other numbers of threads: the same bits")


def main():
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        try:
            supervised(scratch)
            predicted(scratch)
            scrubbed(scratch)
            fresh(scratch)
            left_open(scratch)
            same_bits(scratch)
            calibrated(scratch)
        except AssertionError as error:
            print("failed:", error)
            return 1
    return 0


if __name__ == "__main__":
    STELE = str(pathlib.Path(sys.argv[1]).resolve())
    os.environ.update(STELE_PLUGIN_PATH=str(pathlib.Path(sys.argv[2]).resolve()), OPENBLAS_NUM_THREADS="1")
    sys.exit(main())
