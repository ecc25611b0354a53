#!/usr/bin/env python3
"""What is lost where modalities are missing: trains specs with and without, and makes the tables of docs/results.md.

    missing.py STELE FOLDER [--write docs/results.md] [--table NAME]... [--plot PROGRAM OUT.png] [--seeds N]
               [--threads N] [--jobs N] [--config NAME[:SEEDS]]...

FOLDER keeps the runs; what is finished there is not done again. Needs NumPy and the data sets of the specs. Tables:

  missing-likelihood  30 % of the modality blocks, random ones, are removed from training and test. The log-likelihood of
                      what test rows still have, by three models: trained on everything, on what is left, and on those
                      rows alone that are still complete
  missing-curve       how well a class or number is told from z of complete test rows when only some modalities are shown

All models of a seed are judged on the same blocks of the same rows, and on the same features: those that the complete
rows of the training part tell something about. Genes that too few of them have, and columns that are the same in all of
them, are left out of all three. A class of a column that no complete row has counts as missing for the model of
complete rows, in its favour. That model gets as many steps as the others, also before it may stop early, and smaller
batches where it has not two of the usual size. Classes are told by the vote of 15 neighbours, numbers by their mean,
the response of oncology by its ridge regression; all are fitted on training rows embedded from the same modalities. With
nothing shown z says nothing: what remains is the most frequent class, or the mean. --plot draws the second table with
build/tests/results/plot-lines. Figures are means over seeds. SPECS says what is special in a spec; one with a single
modality has nothing to lose, and is not among them.
"""
import argparse
import csv
import gzip
import itertools
import json
import pathlib
import re
import subprocess
import sys
import typing

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from cortex import TOP, posterior, table, write  # noqa: E402
from folds import Folds, nearest, short, spread, vote  # noqa: E402
from oncology import Ridge, auc  # noqa: E402

SHARE = 0.3
BOUNDS = ("elbo", "importance_weighted")
DATA = TOP.parent / "shared/data"


class Spec(typing.NamedTuple):
    modalities: str
    whole: str  # [SOURCE=]PATH of a source, which `stele embed --data` reads anew with nothing hidden
    measure: str  # what z of complete rows is judged by: accuracy, AUC or R2; "": nothing
    column: str  # of labels that is told from z, by R2 of the file `numbers`, whose first column has the ids
    unknown: tuple = ()  # classes that are not known
    numbers: str = ""
    split: str = "{{train: 0.7, valid: 0.1, test: 0.2, stratify: '{column}'}}"
    sets: tuple = ()  # changes to the spec: shorter trainings where they are long; a single source gets a name


def single(name, options):
    return f"data={{sources: {{{name}: {{{options}}}}}}}"


SPECS = {
    "patchseq": Spec("rna ephys morphology", "ephys=patchseq-m1/ephys.csv", "accuracy", "family", ("low quality",)),
    "citeseq": Spec("rna protein", "counts=citeseq-pbmc", "accuracy", "cell_type", ("unknown",)),
    "cortex": Spec("rna atac", "cells=snare-mouse-cortex/snare_cortex.h5mu", "accuracy", "cell_class", ("Mis",),
                   sets=(single("cells", f"plugin: h5mu, path: '{DATA}/snare-mouse-cortex/snare_cortex.h5mu'"),
                         "train.epochs=4")),
    "oncology": Spec("clinical dna rna pathology", "dna=transneo-breast/dna.csv", "AUC", "response"),
    "hippocampus": Spec("spikes behaviour", "behaviour=hippocampus-linear-track/behaviour.csv", "R2", "position_m",
                        numbers="hippocampus-linear-track/behaviour.csv",
                        split="{{folds: 5, fold: {seed}, valid: 0.15, group: run, contiguous: true}}"),
    "reaching": Spec("spikes velocity", "spikes=motor-reaching/reaching.csv.gz", "accuracy", "spikes:target",
                     split="{{column: 'spikes:split', valid: 0.17, contiguous: true}}"),
    "wearable": Spec("ppg acceleration", "sensors=wrist-ppg-running", "R2", "bpm",
                     numbers="wrist-ppg-running/windows_25hz.csv",
                     split="{{train: 0.6, valid: 0.15, test: 0.25, group: subject}}"),
    "emoji": Spec("image text", "words=emoji-captions/captions.jsonl", "accuracy", "group",
                  split="{{column: split, valid: 0}}"),
    "xray": Spec("image text", "notes=chest-xray-notes/pairs.jsonl", "accuracy", "finding",
                 split="{{folds: 5, fold: {seed}, valid: 0, group: patient}}",
                 sets=(single("notes", f"plugin: jsonl, path: '{DATA}/chest-xray-notes/pairs.jsonl', texts: [text], "
                              "text_bytes: 2048, images: [image], size: [32, 32], grey: true"),)),
    "digits": Spec("mnist small", "mnist=mnist-t10k", "accuracy", "digit", sets=("train.epochs=4",)),
    # Few cells have a tree and a recording: too few to tell types of.
    "morphology": Spec("shape map ephys", "recordings=morphology-l4/ephys.csv", "", "cells:cell_type"),
}


def write_packed(path, lines):
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode(), 6))


class Case(Folds):
    def __init__(self, stele, folder, threads, key):
        self.key, self.about, self.sets = key, SPECS[key], SPECS[key].sets
        super().__init__(stele, folder / key, threads, TOP / f"configs/{key}.yaml", self.about.modalities.split(), {})

    def told(self, rows):
        """{id: what is told from z} of the rows in which it is known."""
        column = self.about.column
        if self.about.numbers:
            with open(DATA / self.about.numbers, newline="", encoding="utf-8") as f:
                return {next(iter(r.values())): float(r[column]) for r in csv.DictReader(f)}
        return {r["id"]: r[column] for r in rows if r[column] not in ("", *self.about.unknown)}

    # --- features that all three models have ---

    def same(self, seed):
        """What leaves the features out, for the trainings of this seed."""
        if self.key not in ("citeseq", "oncology"):
            return []
        first = self.train((f"first-{seed}", seed, self.split(seed), [*self.hide("all"), "train.epochs=1"]))
        known = {r["id"] for r in self.rows(first) if r["split"] == "train" and self.complete(r)}
        if self.key == "citeseq":
            return self.same_genes(first / "genes", known)
        with open(DATA / "transneo-breast/dna.csv", newline="", encoding="utf-8") as f:
            head, *rows = list(csv.reader(f))
        columns = zip(*(r[1:] for r in rows if r[0] in known))
        alike = [name for name, values in zip(head[1:], columns) if len(set(values) - {""}) < 2]
        return [f"data.sources.dna.exclude={json.dumps(alike)}"]

    @staticmethod
    def same_genes(folder, known, least=50):
        """The matrix without genes that fewer than `least` of the known cells have."""
        at, source = folder / "matrix.mtx.gz", DATA / "citeseq-pbmc"
        if not at.is_file():
            folder.mkdir(exist_ok=True)
            cells = gzip.decompress((source / "barcodes.tsv.gz").read_bytes()).decode().split()
            features = gzip.decompress((source / "features.tsv.gz").read_bytes()).decode().splitlines()
            text = gzip.decompress((source / "matrix.mtx.gz").read_bytes()).decode()
            lines = [line for line in text.splitlines() if not line.startswith("%")]
            entries = np.array([line.split() for line in lines[1:]], np.int64)
            counted = np.array([c in known for c in cells])[entries[:, 1] - 1]
            n = np.bincount(entries[counted, 0] - 1, minlength=len(features))
            kept = (n >= least) | np.array(["Antibody" in line for line in features])
            number = np.cumsum(kept)
            entries = entries[kept[entries[:, 0] - 1]]
            entries[:, 0] = number[entries[:, 0] - 1]
            write_packed(folder / "barcodes.tsv.gz", cells)
            write_packed(folder / "features.tsv.gz", [f for f, k in zip(features, kept) if k])
            write_packed(at, ["%%MatrixMarket matrix coordinate integer general",
                              f"{number[-1]} {len(cells)} {len(entries)}", *(" ".join(map(str, e)) for e in entries)])
        return [f"data.sources.counts.path={folder.resolve()}", "modalities.rna.features={min_rows: 0}"]

    def split(self, seed):
        return self.about.split.format(seed=seed, column=self.about.column)

    def hide(self, where):
        return [f"data.missing={{{', '.join(f'{m}: {SHARE}' for m in self.modalities)}}}", f"data.missing_in={where}"]

    def rows(self, run, whole=False, have=None):
        """Rows that `stele embed` writes; `whole`: of new data, of which nothing is hidden."""
        have = have or self.modalities
        path = run / f"{'whole' if whole else 'kept'}-{'-'.join(have)}.csv"
        if not path.is_file():
            source, data = self.about.whole.split("=")
            genes = run.parent / run.name.replace("full", "first") / "genes"
            words = ["--data", f"{source}={genes if genes.is_dir() else DATA / data}"] if whole else []
            self.call("embed", run, "-o", path, "--modalities", ",".join(have), "--quiet", *words)
        with open(path, newline="", encoding="utf-8") as f:
            return list(csv.DictReader(f))

    def complete(self, row):
        return all(row[f"has_{m}"] == "1" for m in self.modalities)

    def alone(self, run, seed, same):
        """The job of a training on the rows that are complete in this run, beside the share of such rows."""
        rows = self.rows(run)
        known = [r for r in rows if r["split"] in ("train", "valid")]
        kept = {r["id"] for r in known if self.complete(r)}
        path = run / "parts.csv"
        with open(path, "w", encoding="utf-8") as f:
            f.write("id,part\n")
            f.writelines(f"{r['id']},{r['split'] if r['split'] == 'test' or r['id'] in kept else 'none'}\n" for r in rows)
        epochs, full_batch, patience = self.training(run)
        n = sum(r["split"] == "train" for r in rows), sum(r["split"] == "train" and r["id"] in kept for r in rows)
        batch = full_batch
        while 2 * batch > n[1] and batch > 4:
            batch //= 2
        longer = lambda epochs: -(-epochs * (n[0] // full_batch) // (n[1] // batch))
        sets = [*same, *self.hide("all"), f"data.sources.parts={{plugin: table, path: '{path.resolve()}', columns: []}}",
                f"train.batch_size={batch}", f"train.epochs={longer(epochs)}",
                f"train.early_stopping.patience={longer(patience)}"]
        split = "{column: part}" if any(r["split"] == "valid" for r in known) else "{column: part, valid: 0}"
        return (f"alone-{seed}", seed, split, sets), len(kept) / len(known)

    @staticmethod
    def training(run):
        """Epochs, batch size and patience of early stopping of a run, from its resolved spec."""
        _, _, text = (run / "resolved.yaml").read_text(encoding="utf-8").partition("\ntrain:\n")
        find = lambda key: int(re.search(rf"^  {key}: (\d+)$", text, re.MULTILINE)[1])
        return find("epochs"), find("batch_size"), find(r"early_stopping:\n    patience")

    def bounds(self, run):
        path = run / "eval-test.json"
        if not path.is_file():
            self.call("eval", run, "--split", "test", "--quiet")
        p = posterior(json.loads(path.read_text()), "joint")
        return [p[b] for b in BOUNDS]

    def evaluate(self):
        """Names the classes, so that `stele embed` writes them."""
        knn = f", knn: {{labels: '{self.about.column}'}}" if self.about.measure == "accuracy" else ""
        return f"evaluate=[likelihood{knn}]"

    def full(self):
        """Runs of each seed on everything, judged on rows with missing blocks."""
        return self.train_all([(f"full-{seed}", seed, self.split(seed),
                                [*self.same(seed), *self.hide("test"), self.evaluate()]) for seed in self.seeds])

    def trained(self):
        """Runs of each seed on everything, on what is left, on complete rows; and the share of these."""
        same = {seed: self.same(seed) for seed in self.seeds}
        full = self.full()
        left = self.train_all([(f"left-{seed}", seed, self.split(seed),
                                [*same[seed], *self.hide("all"), "evaluate=[likelihood]"]) for seed in self.seeds])
        jobs, shares = zip(*(self.alone(run, seed, same[seed]) for run, seed in zip(left, self.seeds)))
        alone = self.train_all([(n, seed, split, [*sets, "evaluate=[likelihood]"]) for n, seed, split, sets in jobs])
        return full, left, alone, np.mean(shares)

    # --- the curve ---

    def judge(self, run, have):
        """Of the complete test rows, given `have`; with nothing, what the most frequent class or the mean gives."""
        kept, rows = self.rows(run), self.rows(run, True, have or self.modalities)
        part, told = {r["id"]: r["split"] for r in kept}, self.told(kept)
        has = lambda r, needed: r["id"] in told and all(r[f"has_{m}"] == "1" for m in needed)
        known, test = ([r for r in rows if part.get(r["id"]) == p and has(r, needed)]
                       for p, needed in (("train", have), ("test", self.modalities)))
        y, truth = (np.array([told[r["id"]] for r in some]) for some in (known, test))
        if not have:
            names, n = np.unique(y, return_counts=True)
            return {"AUC": 0.5, "R2": 0.0}.get(self.about.measure, np.mean(truth == names[n.argmax()]))
        x, z = (np.array([[float(v) for k, v in r.items() if k.startswith("z_")] for r in some]) for some in (known, test))
        if self.about.measure == "AUC":
            return auc(Ridge(x, (y == "pCR").astype(int)).score(z), (truth == "pCR").astype(int))
        if self.about.measure == "R2":
            return 1 - np.mean((y[nearest(x, z)].mean(1) - truth) ** 2) / np.var(truth)
        return np.mean(vote(x, y, z) == truth)

    def curve(self):
        """[(number of modalities, subset, figures of the seeds)]"""
        runs = self.full()
        return [(n, have, [self.judge(run, have) for run in runs]) for n in range(len(self.modalities) + 1)
                for have in itertools.combinations(self.modalities, n)]


def likelihood(cases):
    rows = []
    for case in cases:
        full, left, alone, share = case.trained()
        full, left, alone = (np.array([case.bounds(run) for run in runs]) for runs in (full, left, alone))
        for k, title in enumerate(("ELBO", "importance-weighted")):
            rows.append([case.key if k == 0 else "", f"{100 * share:.0f} %" if k == 0 else "", title, spread(full[:, k], 1),
                         spread(left[:, k] - full[:, k], 1, "+"), spread(alone[:, k] - full[:, k], 1, "+")])
    return table(["spec", "complete rows", "nats per row", "trained on everything", "on what is left", "on complete rows alone"],
                 rows)


def judged(cases):
    return [case for case in cases if case.about.measure]


def curve(cases):
    cases = judged(cases)
    rows, most = [], max((len(case.modalities) for case in cases), default=0)
    for case in cases:
        found, row = case.curve(), [f"{case.key}: {case.about.column.split(':')[-1]}, {case.about.measure}"]
        for n in range(most + 1):
            each = [np.mean(values) for k, _, values in found if k == n]
            row.append("" if not each else short(each[0]) if len(each) == 1 else
                       f"{short(np.mean(each))} ({short(min(each))} to {short(max(each))})")
        rows.append(row)
    return table(["modalities shown", *map(str, range(most + 1))], rows)


def draw(cases, program, out):
    points = [f"{case.key}\t{n}\t{np.mean(values):.6g}\n" for case in judged(cases) for n, _, values in case.curve()]
    done = subprocess.run([program, out, "Told from z of complete rows", "modalities shown", "accuracy, AUC or R2"],
                          input="".join(points), text=True)
    if done.returncode:
        raise SystemExit(f"{program}: exit status {done.returncode}")


TABLES = {"missing-likelihood": likelihood, "missing-curve": curve}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stele", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--write", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--table", action="append", choices=TABLES)
    parser.add_argument("--plot", nargs=2, type=pathlib.Path, metavar=("PROGRAM", "OUT.png"))
    parser.add_argument("--config", action="append", metavar="NAME[:SEEDS]", help=f"one of {', '.join(SPECS)}, and how many "
                        "seeds if not as many as the others")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time")
    options = parser.parse_args()
    cases = []
    for name in options.config or SPECS:
        key, _, seeds = name.partition(":")
        if key not in SPECS:
            parser.error(f"there is no {key}")
        cases.append(Case(options.stele.resolve(), options.folder, options.threads, key))
        cases[-1].seeds, cases[-1].jobs = range(1, int(seeds or options.seeds) + 1), options.jobs
    for name in options.table or TABLES:
        text = TABLES[name](cases)
        if options.write:
            write(options.write, name, text)
        else:
            print(f"\n{name}\n\n{text}")
    if options.plot:
        draw(cases, *options.plot)


if __name__ == "__main__":
    main()
