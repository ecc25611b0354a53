#!/usr/bin/env python3
"""Train configs/response.yaml and configs/survival.yaml on 5 x 5 folds and make their tables of docs/results.md.

    heads.py STELE FOLDER [--write docs/results.md] [--table NAME]... [--threads N]

FOLDER keeps the runs; what is finished there is not done again. Needs NumPy and the data sets that the specs name. Tables:

  response         response to therapy, by the classifier that was trained with the latent: from all modalities, and with
                   one of them, drawn at random for each patient, left out
  response-choice  other settings, judged on a quarter of the training rows of other folds (seeds 11 and 12), which took no
                   part in the training
  survival         time until death by proportional hazards, in the same two ways; beside it a ridge Cox regression on the
                   same folds
  survival-choice  as response-choice

Figures are means over the five folds of a seed, then mean and standard deviation over seeds 1 to 5.
"""
import argparse
import csv
import hashlib
import json
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from baselines import auc  # noqa: E402
from cortex import TOP, Runs, table, write  # noqa: E402

SEEDS, OTHER_SEEDS, FOLDS = range(1, 6), range(11, 13), 5


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

    def __init__(self, name, modalities, split, valid):
        self.name, self.modalities, self.split, self.valid = name, modalities, split, valid
        self.spec = TOP / f"configs/{name}.yaml"


class Response(Task):
    def __init__(self):
        super().__init__("response", ["clinical", "dna", "rna", "pathology"], "stratify: response", 0.1)
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
        super().__init__("survival", ["rna", "mirna", "protein", "copies"], "stratify: vital_status", 0)
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
    def run(self, task, name, seed, fold):
        split = f"{{folds: {FOLDS}, fold: {fold}, valid: {task.valid}, {task.split}}}"
        return self.train(task, f"{name}-{seed}-{fold}", [f"seed={seed}", f"data.split={split}"])

    def inner(self, task, name, seed, fold, sets):
        """Trained on three quarters of the training rows of a fold, the rest is the test part."""
        parts = self.parts(task, seed, fold)
        source = f"data.sources.parts={{plugin: table, path: {parts}, columns: [], categories: [part]}}"
        split = f"data.split={{column: part, valid: {task.valid}}}"
        return self.train(task, f"choice-{name}-{seed}-{fold}", [f"seed={seed}", source, split, *sets])

    def train(self, task, name, sets):
        run = self.folder / f"{task.name}-{name}"
        if not (run / "summary.json").is_file():
            changes = [word for change in sets for word in ("--set", change)]
            self.call("train", task.spec, "--run", run, "--resume", "--quiet", *changes)
        return run

    def parts(self, task, seed, fold):
        """A column with the parts of an inner split, both of its divisions stratified by the outcome."""
        path = self.folder / f"parts-{task.name}-{seed}-{fold}.csv"
        ids = sorted(task.target)
        outcome = np.array([np.atleast_1d(task.target[i])[-1] for i in ids])
        part, left = np.array(["train"] * len(ids), dtype=object), []
        for value in (0.0, 1.0):
            rows = np.random.default_rng(1000 * seed + int(value)).permutation(np.flatnonzero(outcome == value))
            part[rows[fold - 1::FOLDS]] = "none"
            left = [r for i, r in enumerate(rows) if i % FOLDS != fold - 1]
            part[np.random.default_rng(1000 * seed + fold).permutation(left)[:round(len(left) / 4)]] = "test"
        path.write_text("patient,part\n" + "".join(f"{i},{p}\n" for i, p in zip(ids, part)), encoding="utf-8")
        return path

    def predict(self, run, part, have):
        """{id: row} of the rows that have any of these modalities."""
        path = run / f"predicted-{part}-{'-'.join(have)}.csv"
        if not path.is_file():
            self.call("predict", run, "-o", path, "--split", part, "--modalities", ",".join(have), "--quiet")
        return {row["id"]: row for row in read(path)}


def dropped(i, has, seed):
    """The modality of a row that is left out, drawn by its name and the seed among those that it has."""
    return has[int(hashlib.sha256(f"{seed} {i}".encode()).hexdigest(), 16) % len(has)]


def one_dropped(runs, task, run, seed):
    """Every row from all that it has but one modality."""
    everything = runs.predict(run, "test", task.modalities)
    without = {m: runs.predict(run, "test", [n for n in task.modalities if n != m]) for m in task.modalities}
    out = {}
    for i, row in everything.items():
        has = [m for m in task.modalities if row[f"has_{m}"] == "1"]
        if len(has) > 1:
            out[i] = without[dropped(i, has, seed)][i]
    return out


# --- ridge Cox ---

PENALTY = 10.0  # on standardised features over the root of their number


def cox(x, time, event):
    """Weights of a ridge Cox regression, by Newton's steps for the weights of its rows (Breslow's ties)."""
    kernel, a = x @ x.T + 1e-8 * np.eye(len(x)), np.zeros(len(x))
    at_risk = (time[None, :] >= time[:, None]).astype(float)
    for _ in range(50):
        w = np.exp(kernel @ a - (kernel @ a).max())
        share = at_risk * w / (at_risk @ w)[:, None]
        expected = event @ share
        hessian = np.diag(expected) - (share.T * event) @ share
        step = np.linalg.solve(hessian @ kernel + PENALTY * np.eye(len(x)), event - expected - PENALTY * a)
        a = a + step
        if np.abs(kernel @ step).max() < 1e-8:
            break
    return x.T @ a


class Ridge:
    """Measurements of the survival spec for a ridge Cox regression; what is missing is the mean of the training rows."""

    FILES = {"rna": "RNASeq2GeneNorm", "mirna": "miRNASeqGene", "protein": "RPPAArray", "copies": "gistict"}

    def __init__(self, task):
        self.task, self.x = task, {}
        for modality, name in self.FILES.items():
            with open(TOP / f"../shared/data/miniacc/{name}.csv", newline="", encoding="utf-8") as file:
                rows = {r[0]: np.array([float(v) if v not in ("", "NA") else np.nan for v in r[1:]])
                        for r in list(csv.reader(file))[1:]}
            self.x[modality] = {i: np.log1p(v) if modality in ("rna", "mirna") else v for i, v in rows.items()}

    def matrix(self, ids, modalities, without):
        """Features of all modalities, NaN where a row lacks one or where `without` names it."""
        gap = {m: np.full(len(next(iter(self.x[m].values()))), np.nan) for m in modalities}
        return np.array([np.concatenate([gap[m] if without.get(i) == m else self.x[m].get(i, gap[m])
                                         for m in modalities]) for i in ids])

    def concordance(self, run, seed, modalities, which):
        """Harrell's C of the test rows that `which` takes (a set of modalities that a row has); one left out: None."""
        split = json.loads((run / "data.json").read_text())["split"]
        has = {i: [m for m in self.x if i in self.x[m]] for i in self.task.target}
        train, test = ([i for i in split[part] if i in self.task.target] for part in ("train", "test"))
        test = [i for i in test if (len(has[i]) > 1 if which is None else which(has[i]))]
        without = {i: dropped(i, has[i], seed) for i in test} if which is None else {}
        x, y = self.matrix(train, modalities, {}), self.matrix(test, modalities, without)
        mean, sd = np.nanmean(x, 0), np.nanstd(x, 0)
        x, y = (np.nan_to_num((v - mean)[:, sd > 0] / sd[sd > 0]) / np.sqrt((sd > 0).sum()) for v in (x, y))
        time, event = np.array([self.task.target[i] for i in train]).T
        truth = np.array([self.task.target[i] for i in test]).T
        return concordance(y @ cox(x, time, event), *truth)


# --- tables ---


def spread(values, sign=""):
    """Mean and standard deviation, without the zero before the point."""
    return f"{np.mean(values):{sign}.3f} ({np.std(values, ddof=1):.3f})".replace("0.", ".")


def of_seeds(runs, task, how):
    """For each seed the figures of its folds: [seed][fold]."""
    return [[task.figures(how(runs.run(task, "base", seed, fold), seed)) for fold in range(1, FOLDS + 1)]
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
    ridge = Ridge(task)
    for title, have, which, beside in [
            ("all that was measured", task.modalities, lambda has: True, "ridge Cox on all .81"),
            ("the same, of patients with rna or mirna", task.modalities, lambda has: "rna" in has or "mirna" in has,
             "both .849"),
            ("one modality left out", None, None, "ridge Cox .80"),
            ("rna alone", ["rna"], lambda has: "rna" in has, "ridge Cox .836, forest .865"),
            ("mirna alone", ["mirna"], lambda has: "mirna" in has, "ridge Cox .835")]:
        def predicted(run, seed):
            if have is None:
                return one_dropped(runs, task, run, seed)
            return {i: r for i, r in runs.predict(run, "test", have).items()
                    if which([m for m in task.modalities if r[f"has_{m}"] == "1"])}
        found = of_seeds(runs, task, predicted)
        own = [np.mean([ridge.concordance(runs.run(task, "base", seed, fold), seed, have or task.modalities, which)
                        for fold in range(1, FOLDS + 1)]) for seed in SEEDS]
        rows.append([title, spread(means(found, 0)), spread(own), beside])
    return table(["test rows have", "Harrell's C", "ridge Cox, same folds", "others, measured elsewhere"], rows)


CHOICES = {
    "response": [("base", "as the spec is", []),
                 ("joint", "head sees z given everything alone", ["heads.response.posteriors=joint"]),
                 ("random", "three random subsets in place of single modalities", ["objective.subsets=all+random:3"]),
                 ("both", "two random subsets beside them", ["objective.subsets=all+single+random:2"]),
                 ("mean", "the same, head at the mean",
                  ["objective.subsets=all+single+random:2", "heads.response.latent=mean"]),
                 ("eight", "head at weight 8", ["heads.response.weight=8"])],
    "survival": [("base", "as the spec is", []),
                 ("joint", "head sees z given everything alone",
                  ["heads.death.posteriors=joint", "objective.subsets=all+single"]),
                 ("sample", "head sees samples of z", ["heads.death.latent=sample"]),
                 ("single", "no random subsets", ["objective.subsets=all+single"]),
                 ("hidden", "encoders with a hidden layer of 32",
                  [f"modalities.{m}.encoder={{hidden: [32], activation: relu, dropout: 0.2, input_dropout: 0.2}}"
                   for m in ("rna", "mirna", "protein", "copies")]),
                 ("short", "half the epochs", ["train.epochs=12"]), ("long", "twice the epochs", ["train.epochs=50"]),
                 ("light", "head at weight 20", ["heads.death.weight=20"])],
}


def choice(runs, task):
    rows, base = [], None
    for name, title, sets in CHOICES[task.name]:
        folds = [[runs.inner(task, name, seed, fold, sets) for fold in range(1, FOLDS + 1)] for seed in OTHER_SEEDS]
        found = [[np.mean([task.figures(how(run, seed))[0] for run in seed_runs])
                  for seed, seed_runs in zip(OTHER_SEEDS, folds)]
                 for how in (lambda run, seed: runs.predict(run, "test", task.modalities),
                             lambda run, seed: one_dropped(runs, task, run, seed))]
        base = base or found
        rows.append([title, *(spread(f) for f in found),
                     *("" if found is base else spread(np.subtract(f, b), "+") for f, b in zip(found, base))])
    return table(["run", "all that was measured", "one modality left out", "change", "change"], rows)


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
