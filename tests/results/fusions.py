#!/usr/bin/env python3
"""Train specs in which 20 % of the rows have a wrong partner, by every fusion rule, and make tables of docs/results.md.

    fusions.py STELE FOLDER [--write docs/results.md] [--table NAME]... [--seeds N] [--threads N]

FOLDER keeps the runs; what is finished there is not done again, so that a call that was stopped goes on. The tables are
conflict-patchseq, conflict-hippocampus and conflict-digits. One modality of the rows named in SETS is exchanged among
rows of the same part of the split (data.mismatched), in training, validation and test rows. Figures are those of test
rows, means over seeds with the standard deviation over seeds:

  log-likelihood   importance-weighted, of everything a row has, given everything and given each modality
  90 % holds       how much of the model's own p(z | x) the 90 % interval of the joint posterior holds, of rows with their
                   own partner and with a wrong one
  decoding         what the posterior is good for, on rows with their own partner where it is about both

Needs the data sets that the specs name.
"""
import argparse
import csv
import json
import pathlib

from cortex import Runs, TOP, table, write
from folds import spread

CAREFUL = "{plugin: poe, precision_scale: calibrated, conflict: temper}"
RULES = {
    "`poe`": ["fusion=poe"],
    "`poe`, calibrated": ["fusion={plugin: poe, precision_scale: calibrated}"],
    "`poe`, tempered": ["fusion={plugin: poe, conflict: temper}"],
    "`poe`, calibrated and tempered": [f"fusion={CAREFUL}"],
    "the same with `distil: 1`": [f"fusion={CAREFUL}", "objective.distil=1"],
    "`poe`, calibrated, the joint too": ["fusion={plugin: poe, precision_scale: calibrated, joint_scale: calibrated}"],
    "`poe`, calibrated, the joint too, tempered":
        ["fusion={plugin: poe, precision_scale: calibrated, joint_scale: calibrated, conflict: temper}"],
    "`gpoe`": ["fusion=gpoe"],
    "`moe`": ["fusion=moe"],
    "`mopoe`": ["fusion=mopoe"],
    "`mvtcae`": ["fusion=mvtcae"],
    "`code`": ["fusion=code"],
    "`jsd`": ["fusion=jsd"],
}


class Conflict(Runs):
    seeds = range(1, 6)

    def run(self, name, rule, seed, sets):
        """The report of the test rows and the lines of its fusion report."""
        folder = self.folder / f"{name}-{''.join(c for c in rule if c.isalnum())}-{seed}"
        changes = [f"seed={seed}", *sets, *RULES[rule]]
        if not (folder / "summary.json").is_file():
            words = [word for change in changes for word in ("--set", change)]
            self.call("train", TOP / f"configs/{name}.yaml", "--run", folder, "--resume", "--quiet", *words)
        if not (folder / "eval-test.json").is_file():
            self.call("eval", folder, "--split", "test", "--quiet")
        lines = folder / "fusion.csv"
        if not lines.is_file():
            self.call("eval", folder, "--split", "test", "--report", "fusion", "--rows", lines, "--quiet")
        with open(lines, newline="", encoding="utf-8") as f:
            return json.loads((folder / "eval-test.json").read_text()), list(csv.DictReader(f))


def held(lines, moved, wrong):
    """Of rows that have the modality and another one."""
    values = [float(r["coverage"]) for r in lines
              if r["disagreement"] not in ("", "nan") and (r[f"partner_{moved}"] != "") == wrong]
    return sum(values) / len(values)


def likelihood(report, name):
    return next(p["importance_weighted"] for p in report["posteriors"] if p["name"] == name)


def conflict(runs, name, moved, modalities, sets, decoding):
    """`decoding`: {title: figure of a report}."""
    sets = [f"data.mismatched={{{moved}: 0.2}}", *sets]
    rows = []
    for rule in RULES:
        found = [runs.run(name, rule, seed, sets) for seed in runs.seeds]
        cells = [spread([likelihood(r, m) for r, _ in found], 1) for m in ["joint", *modalities]]
        cells += [spread([held(lines, moved, wrong) for _, lines in found], 2) for wrong in (False, True)]
        cells += [spread([figure(r) for r, _ in found], 3) for figure in decoding.values()]
        rows.append([rule, *cells])
    head = ["fusion", "log-likelihood, joint", *(f"given {m}" for m in modalities), "90 % holds: own partner",
            "wrong partner", *decoding]
    return table(head, rows)


def neighbours(name):
    def figure(report):
        tasks = next(p["labels"] for p in report["posteriors"] if p["name"] == name)
        return next(t["knn"] for t in tasks if "knn" in t)
    return figure


def patchseq(runs):
    modalities = ["rna", "ephys", "morphology"]
    # Posteriors that are fitted to weighted likelihoods are none of the model whose p(z | x) they are held against.
    weights = [f"modalities.{m}.weight=1" for m in modalities]
    return conflict(runs, "patchseq", "ephys", modalities,
                    ["objective.distil=0", "train.batch_size=64", "train.epochs=40", *weights], {
        "family, neighbours of z: joint": neighbours("joint"),
        "rna": neighbours("rna"),
        "ephys": neighbours("ephys"),
    })


def cross(source, target, *path):
    def figure(report):
        found = next(c for c in report["cross"] if (c["from"], c["to"]) == (source, target))
        for key in path:
            found = found[key]
        return found
    return figure


def hippocampus(runs):
    return conflict(runs, "hippocampus", "behaviour", ["spikes", "behaviour"], ["modalities.behaviour.window={bins: 1}"], {
        "position from spikes, R2": cross("spikes", "behaviour", "features", "position_m", "model", "r2"),
        "bits per spike": cross("behaviour", "spikes", "model", "bits_per_spike"),
    })


def coherence(generated):
    return lambda report: next(c for c in report["coherence"]["conditional"] if c["to"] == generated)["coherence"]


def digits(runs):
    relu = [f"modalities.{m}.{part}.activation=relu" for m in ("mnist", "small") for part in ("encoder", "decoder")]
    return conflict(runs, "digits", "small", ["mnist", "small"], ["train.epochs=10", *relu], {
        "coherence: `small` given `mnist`": coherence("small"),
        "`mnist` given `small`": coherence("mnist"),
        "joint": lambda report: report["coherence"]["joint"],
    })


TABLES = {"conflict-patchseq": patchseq, "conflict-hippocampus": hippocampus, "conflict-digits": digits}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stele", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--write", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--table", action="append", choices=TABLES)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    runs = Conflict(options.stele.resolve(), options.folder, options.threads)
    runs.seeds = range(1, options.seeds + 1)
    for name in options.table or TABLES:
        text = TABLES[name](runs)
        if options.write:
            write(options.write, name, text)
        else:
            print(f"\n{name}\n\n{text}")


if __name__ == "__main__":
    main()
