#!/usr/bin/env python3
"""What is lost where modalities are missing: trains specs with and without, and makes the tables of docs/results.md.

    missing.py STELE FOLDER [--write docs/results.md] [--table NAME]... [--plot PROGRAM OUT.png] [--seeds N]
               [--threads N] [--jobs N] [--config NAME[:SEEDS]]...

FOLDER keeps the runs; what is finished there is not done again. Needs NumPy and the data sets of the specs. Tables:

  missing-likelihood  30 % of the modality blocks, random ones, are removed from training and test. The log-likelihood of
                      what test rows still have, by three models: trained on everything, on what is left, and on those
                      rows alone that are still complete
  missing-curve       how well the class of complete test rows is told from z when only some modalities are shown

All models of a seed are judged on the same blocks of the same rows, and on the same features: those that the complete
rows of the training part tell something about. Genes that too few of them have, and columns that are the same in all of
them, are left out of all three. The model of complete rows gets as many steps as the
others, and smaller batches where it has not two of the usual size. Classes are told by the vote of 15 neighbours, the
response of oncology by its ridge regression; both are fitted on training rows embedded from the same modalities. With
nothing shown z says nothing: what remains is the most frequent class. --plot draws the second table with
build/tests/results/plot-lines. Figures are means over seeds.
"""
import argparse
import csv
import gzip
import itertools
import json
import pathlib
import subprocess
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from cortex import TOP, posterior, table, write  # noqa: E402
from folds import Folds, short, spread, vote  # noqa: E402
from oncology import Ridge, auc  # noqa: E402

SHARE = 0.3
BOUNDS = ("elbo", "importance_weighted")
# Spec: (modalities, column of classes, classes that are not known, a source and its path, file of labels)
SPECS = {
    "patchseq": (("rna", "ephys", "morphology"), "family", ("low quality",), ("ephys", "patchseq-m1/ephys.csv"),
                 "patchseq-m1/cells.csv"),
    "citeseq": (("rna", "protein"), "cell_type", ("unknown",), ("counts", "citeseq-pbmc"), "citeseq-pbmc/cell_types.csv"),
    "oncology": (("clinical", "dna", "rna", "pathology"), "response", ("",), ("dna", "transneo-breast/dna.csv"),
                 "transneo-breast/outcome.csv"),
}
DATA = TOP.parent / "shared/data"


def write_packed(path, lines):
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode(), 6))


class Case(Folds):
    def __init__(self, stele, folder, threads, key):
        self.key = key
        modalities, self.column, unknown, (source, path), labels = SPECS[key]
        with open(DATA / labels, newline="", encoding="utf-8") as f:
            rows = list(csv.DictReader(f))
        name = list(rows[0])[0]
        super().__init__(stele, folder / key, threads, TOP / f"configs/{key}.yaml", modalities,
                         {r[name]: r[self.column] for r in rows if r[self.column] not in unknown})
        self.whole = source, DATA / path

    # --- features that all three models have ---

    def same(self, seed):
        """What leaves the features out, for the trainings of this seed."""
        if self.key not in ("citeseq", "oncology"):
            return []
        first = self.train((f"first-{seed}", seed, self.split(), [*self.hide("all"), "train.epochs=1"]))
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

    def split(self):
        return f"{{train: 0.7, valid: 0.1, test: 0.2, stratify: {self.column}}}"

    def hide(self, where):
        return [f"data.missing={{{', '.join(f'{m}: {SHARE}' for m in self.modalities)}}}", f"data.missing_in={where}"]

    def rows(self, run, whole=False, have=None):
        """Rows that `stele embed` writes; `whole`: of new data, of which nothing is hidden."""
        have = have or self.modalities
        path = run / f"{'whole' if whole else 'kept'}-{'-'.join(have)}.csv"
        if not path.is_file():
            source, data = self.whole
            genes = run.parent / run.name.replace("full", "first") / "genes"
            words = ["--data", f"{source}={genes if genes.is_dir() else data}"] if whole else []
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
        spec = self.training(run)
        n = sum(r["split"] == "train" for r in rows), sum(r["split"] == "train" and r["id"] in kept for r in rows)
        batch = spec["batch_size"]
        while 2 * batch > n[1] and batch > 4:
            batch //= 2
        steps = spec["epochs"] * (n[0] // spec["batch_size"])
        sets = [*same, *self.hide("all"), f"data.sources.parts={{plugin: table, path: '{path.resolve()}', columns: []}}",
                f"train.batch_size={batch}", f"train.epochs={-(-steps // (n[1] // batch))}"]
        return (f"alone-{seed}", seed, "{column: part}", sets), len(kept) / len(known)

    @staticmethod
    def training(run):
        """Epochs and batch size of a run, from its resolved spec."""
        found = {}
        for line in (run / "resolved.yaml").read_text(encoding="utf-8").splitlines():
            key, _, value = line.strip().partition(": ")
            if key in ("epochs", "batch_size") and key not in found and value.isdigit():
                found[key] = int(value)
        return found

    def bounds(self, run):
        path = run / "eval-test.json"
        if not path.is_file():
            self.call("eval", run, "--split", "test", "--quiet")
        p = posterior(json.loads(path.read_text()), "joint")
        return [p[b] for b in BOUNDS]

    def full(self):
        """Runs of each seed on everything, judged on rows with missing blocks."""
        return self.train_all([(f"full-{seed}", seed, self.split(),
                                [*self.same(seed), *self.hide("test"), "evaluate=[likelihood]"]) for seed in self.seeds])

    def trained(self):
        """Runs of each seed on everything, on what is left, on complete rows; and the share of these."""
        same = {seed: self.same(seed) for seed in self.seeds}
        full = self.full()
        left = self.train_all([(f"left-{seed}", seed, self.split(),
                                [*same[seed], *self.hide("all"), "evaluate=[likelihood]"]) for seed in self.seeds])
        jobs, shares = zip(*(self.alone(run, seed, same[seed]) for run, seed in zip(left, self.seeds)))
        alone = self.train_all([(n, seed, split, [*sets, "evaluate=[likelihood]"]) for n, seed, split, sets in jobs])
        return full, left, alone, np.mean(shares)

    # --- the curve ---

    def judge(self, run, have):
        """Of the complete test rows, given `have`; with nothing, what the most frequent class gives."""
        part = {r["id"]: r["split"] for r in self.rows(run)}
        rows = {r["id"]: r for r in self.rows(run, True, have or self.modalities) if r["id"] in self.labels}
        has = lambda r: all(r[f"has_{m}"] == "1" for m in have)
        test = [i for i, r in rows.items() if part.get(i) == "test" and self.complete(r)]
        known = [i for i, r in rows.items() if part.get(i) == "train" and has(r)]
        y, truth = (np.array([self.labels[i] for i in ids]) for ids in (known, test))
        if not have:
            names, n = np.unique(y, return_counts=True)
            return 0.5 if self.key == "oncology" else np.mean(truth == names[n.argmax()])
        x, z = (np.array([[float(v) for k, v in rows[i].items() if k.startswith("z_")] for i in ids])
                for ids in (known, test))
        if self.key == "oncology":
            return auc(Ridge(x, (y == "pCR").astype(int)).score(z), (truth == "pCR").astype(int))
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


def curve(cases):
    rows, most = [], max(len(case.modalities) for case in cases)
    for case in cases:
        found, row = case.curve(), [f"{case.key}, {'AUC' if case.key == 'oncology' else 'accuracy'}"]
        for n in range(most + 1):
            each = [np.mean(values) for k, _, values in found if k == n]
            row.append("" if not each else short(each[0]) if len(each) == 1 else
                       f"{short(np.mean(each))} ({short(min(each))} to {short(max(each))})")
        rows.append(row)
    return table(["modalities shown", *map(str, range(most + 1))], rows)


def draw(cases, program, out):
    points = [f"{case.key}\t{n}\t{np.mean(values):.6g}\n" for case in cases for n, _, values in case.curve()]
    done = subprocess.run([program, out, "Class told from z", "modalities shown", "accuracy; AUC of oncology"],
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
