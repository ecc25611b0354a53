#!/usr/bin/env python3
"""Train configs/response.yaml and configs/survival.yaml on 5 x 5 folds and make their tables of docs/results.md.

    heads.py STELE FOLDER [--write docs/results.md] [--table NAME]... [--threads N]

FOLDER keeps the runs; what is finished there is not done again. Needs NumPy and the data sets that the specs name. Tables:

  response         response to therapy, by the classifier that was trained with the latent: from all modalities, and with
                   one of them, drawn at random for each patient, left out
  response-choice  the spec with one thing changed at a time, judged on a quarter of the training rows (seeds 11 to 14)
  survival         time until death by proportional hazards, in the same two ways
  survival-choice  as response-choice

Figures are means over the five folds of a seed, then mean and standard deviation over seeds 1 to 5.
"""
import argparse
import csv
import hashlib
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from cortex import TOP, Runs, table, write  # noqa: E402

SEEDS, OTHER_SEEDS, FOLDS = range(1, 6), range(11, 15), 5


def auc(score, truth):
    a, b = score[truth == 1], score[truth == 0]
    return ((a[:, None] > b).sum() + 0.5 * (a[:, None] == b).sum()) / (len(a) * len(b))


def concordance(risk, time, event):
    """Harrell's C."""
    comparable = (event == 1)[:, None] & ((time[:, None] < time) | ((time[:, None] == time) & (event == 0)))
    right = (risk[:, None] > risk) + 0.5 * (risk[:, None] == risk)
    return (right * comparable).sum() / comparable.sum()


def calibration_error(p, truth, bins=5):
    """Expected calibration error over bins with equally many rows."""
    parts = np.array_split(np.argsort(p), bins)
    return sum(len(k) * abs(p[k].mean() - truth[k].mean()) for k in parts) / len(p)


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


class Task:
    """A spec with a head, and its target."""

    def __init__(self, name, modalities, split):
        self.name, self.modalities, self.split = name, modalities, split
        self.spec = TOP / f"configs/{name}.yaml"


class Response(Task):
    def __init__(self):
        super().__init__("response", ["clinical", "dna", "rna", "pathology"], "stratify: response")
        rows = read(TOP / "../shared/data/transneo-breast/outcome.csv")
        self.target = {r["patient"]: float(r["response"] == "pCR") for r in rows if r["response"]}

    def figures(self, predicted):
        """{id: row of the predictions} -> AUC, Brier score, calibration error."""
        ids = sorted(i for i in predicted if i in self.target)
        p = np.array([float(predicted[i]["response_p_pCR"]) for i in ids])
        y = np.array([self.target[i] for i in ids])
        return auc(p, y), ((p - y) ** 2).mean(), p, y


class Survival(Task):
    def __init__(self):
        super().__init__("survival", ["rna", "mirna", "protein", "copies"], "stratify: vital_status")
        self.target = {}
        for r in read(TOP / "../shared/data/miniacc/clinical.csv"):
            time = r["days_to_death"] or r["days_to_last_followup"]
            if time and float(time) > 0:
                self.target[r["patient"]] = (float(time), float(r["vital_status"]))

    def figures(self, predicted):
        """{id: row of the predictions} -> Harrell's C."""
        ids = sorted(i for i in predicted if i in self.target)
        time, event = np.array([self.target[i] for i in ids]).T
        return (concordance(np.array([float(predicted[i]["death_risk"]) for i in ids]), time, event),)


class HeadRuns(Runs):
    def run(self, task, name, seed, fold, sets, valid=0.1):
        run = self.folder / f"{task.name}-{name}-{seed}-{fold}"
        if not (run / "summary.json").is_file():
            split = f"data.split={{folds: {FOLDS}, fold: {fold}, valid: {valid}, {task.split}}}"
            changes = [word for change in [f"seed={seed}", split, *sets] for word in ("--set", change)]
            self.call("train", task.spec, "--run", run, "--resume", "--quiet", *changes)
        return run

    def predict(self, run, part, have):
        """{id: row} of the rows that have any of these modalities."""
        path = run / f"predicted-{part}-{'-'.join(have)}.csv"
        if not path.is_file():
            self.call("predict", run, "-o", path, "--split", part, "--modalities", ",".join(have), "--quiet")
        return {row["id"]: row for row in read(path)}


def one_dropped(runs, task, run, seed):
    """Every row from all that it has but one modality, drawn by its name and the seed among those that it has."""
    everything = runs.predict(run, "test", task.modalities)
    without = {m: runs.predict(run, "test", [n for n in task.modalities if n != m]) for m in task.modalities}
    out = {}
    for i, row in everything.items():
        has = [m for m in task.modalities if row[f"has_{m}"] == "1"]
        drop = has[int(hashlib.sha256(f"{seed} {i}".encode()).hexdigest(), 16) % len(has)]
        if len(has) > 1:
            out[i] = without[drop][i]
    return out


def spread(values, sign=""):
    """Mean and standard deviation, without the zero before the point."""
    return f"{np.mean(values):{sign}.3f} ({np.std(values, ddof=1):.3f})".replace("0.", ".")


def of_seeds(runs, task, how):
    """For each seed the figures of its folds: [seed][fold]."""
    return [[task.figures(how(runs.run(task, "base", seed, fold, []), seed)) for fold in range(1, FOLDS + 1)]
            for seed in SEEDS]


def means(found, k):
    return [np.mean([fold[k] for fold in seed]) for seed in found]


def response(runs):
    task, rows = Response(), []
    for title, how, beside in [
            ("all that was measured", lambda run, seed: runs.predict(run, "test", task.modalities),
             "ridge .787, late fusion of ridges .807, of forests .843"),
            ("one modality left out", lambda run, seed: one_dropped(runs, task, run, seed),
             "ridge .761, late fusion of forests .824")]:
        found = of_seeds(runs, task, how)
        error = [calibration_error(np.concatenate([f[2] for f in seed]), np.concatenate([f[3] for f in seed]))
                 for seed in found]
        rows.append([title, spread(means(found, 0)), beside, spread(means(found, 1)), spread(error)])
    return table(["test rows have", "AUC", "AUC of others, measured elsewhere", "Brier score", "calibration error"], rows)


def survival(runs):
    task, rows = Survival(), []
    for title, have, beside in [("all that was measured", None, "ridge Cox on all .81, on rna .836, mirna .835, both .849"),
                                ("one modality left out", "drop", "ridge Cox .80"),
                                ("rna alone", ["rna"], "ridge Cox .836, forest .865"),
                                ("mirna alone", ["mirna"], "ridge Cox .835")]:
        found = of_seeds(runs, task, lambda run, seed: one_dropped(runs, task, run, seed) if have == "drop" else
                         {i: r for i, r in runs.predict(run, "test", have or task.modalities).items()
                          if not have or r[f"has_{have[0]}"] == "1"})
        rows.append([title, spread(means(found, 0)), beside])
    return table(["test rows have", "Harrell's C", "C of others, measured elsewhere"], rows)


CHOICES = {
    "response": [("base", "as the spec is", []), ("four", "head at weight 4", ["heads.response.weight=4"]),
                 ("forty", "head at weight 40", ["heads.response.weight=40"]),
                 ("small", "4 dimensions", ["latent.dim=4"]), ("beta", "KL at full weight", ["objective.beta=1"])],
    "survival": [("base", "as the spec is", []), ("light", "head at half the weight", ["heads.death.weight=10"]),
                 ("heavy", "head at twice the weight", ["heads.death.weight=40"]),
                 ("small", "4 dimensions", ["latent.dim=4"]), ("beta", "KL at full weight", ["objective.beta=1"])],
}


def choice(runs, task):
    rows, base = [], None
    for name, title, sets in CHOICES[task.name]:
        found = [np.mean([task.figures(runs.predict(runs.run(task, f"choice-{name}", seed, fold, sets, 0.25), "valid",
                                                    task.modalities))[0] for fold in range(1, FOLDS + 1)])
                 for seed in OTHER_SEEDS]
        base = base or found
        rows.append([title, spread(found), "" if found is base else spread(np.subtract(found, base), "+")])
    return table(["run", "AUC" if task.name == "response" else "Harrell's C", "change"], rows)


TABLES = {
    "response": response, "survival": survival,
    "response-choice": lambda runs: choice(runs, Response()),
    "survival-choice": lambda runs: choice(runs, Survival()),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("stele", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--write", type=pathlib.Path)
    parser.add_argument("--table", action="append", choices=list(TABLES))
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()
    runs = HeadRuns(args.stele.resolve(), args.folder.resolve(), args.threads)
    runs.folder.mkdir(parents=True, exist_ok=True)
    tables = {name: TABLES[name](runs) for name in args.table or TABLES}
    if args.write:
        for name, text in tables.items():
            write(args.write, name, text)
    else:
        print("\n\n".join(f"{name}\n{text}" for name, text in tables.items()))


if __name__ == "__main__":
    main()
