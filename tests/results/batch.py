#!/usr/bin/env python3
"""Train configs/batch.yaml and configs/technologies.yaml with several seeds and make their tables of docs/results.md.

    batch.py STELE FOLDER [--write docs/results.md] [--table NAME]... [--rows N] [--threads N]

FOLDER keeps the runs; what is finished there is not done again. Tables:

  batch         cell lines in four batches. Cells that the genotype caller takes for doublets are left out (anndata is
                needed for it)
  technologies  surface proteins by two technologies

All cells are trained on (10 % choose nothing: the last epoch counts) and judged, as is usual for this question. Numbers are
means over seeds with standard errors of those means. --write puts the tables between the marks <!-- table NAME --> and
<!-- end --> of a document; without it they are printed. --rows makes the first N rows of each table alone. Needs the data sets
that the specs name.
"""
import argparse
import json
import pathlib

from cortex import TOP, Runs, show, table, write

SEEDS = range(1, 6)


class Study:
    """A spec with an adversary `head`, judged by that and by its labels."""

    def __init__(self, name, head, figures, rows):
        self.name, self.head, self.figures, self.rows = name, head, figures, rows
        self.spec = TOP / f"configs/{name}.yaml"

    def data(self):
        line = next(l for l in self.spec.read_text(encoding="utf-8").splitlines() if l.strip().startswith("path:"))
        return (self.spec.parent / line.split()[1]).resolve()

    def prepared(self, folder):
        """The data to train on: the set of the spec."""
        return self.data()

    def report(self, runs, row, seed, sets):
        run = runs.folder / f"{self.name}-{row}-{seed}"
        if not (run / "summary.json").is_file():
            changes = [f"seed={seed}", f"data.path={self.prepared(runs.folder)}", *sets]
            words = [word for change in changes for word in ("--set", change)]
            runs.call("train", self.spec, "--run", run, "--resume", "--quiet", *words)
        result = run / "eval-all.json"
        if not result.is_file():
            runs.call("eval", run, "--split", "all", "--checkpoint", "last", "--resamples", 0, "--quiet")
        return json.loads(result.read_text())["posteriors"][0]

    def line(self, posteriors):
        heads = [p["heads"][self.head] for p in posteriors]
        labels = [{k: v for task in p["labels"] for k, v in task.items()} for p in posteriors]
        return [show([h[key] for h in heads], 3) for key in ("fresh_knn", "fresh_logistic", "accuracy")] + \
            [show([l[key] for l in labels], 3) for key in self.figures]

    def without_z(self, posterior):
        """Lines of what is named without z."""
        head, empty = posterior["heads"][self.head], [""] * (2 + len(self.figures))
        share = {title: f"{head[key]:.3f}"[1:]
                 for key, title in (("fresh_chance", f"most frequent {self.head}"),
                                    ("fresh_covariates", f"{self.head} named by the line")) if key in head}
        return [[f"without z: {title}", value, *empty] for title, value in share.items()]

    def table(self, runs, n_rows):
        rows, last = [], []
        for i, (title, sets) in enumerate(self.rows[:n_rows]):
            found = [self.report(runs, f"row{i}", seed, sets) for seed in SEEDS]
            rows.append([title, *self.line(found)])
            last = last or self.without_z(found[0])
        return table(["latent", f"{self.head} by fresh kNN", "by fresh logistic regression", "by the discriminator",
                      *self.figures.values()], rows + last)


class Lines(Study):
    def prepared(self, folder):
        """The data set of the spec without doublets."""
        import anndata
        path = folder / "singlets.h5ad"
        if not path.is_file():
            cells = anndata.read_h5ad(self.data())
            cells[cells.obs["singlet"].astype(bool)].copy().write_h5ad(path)
        return path


STUDIES = [
    Lines("batch", "batch", {"knn": "line by kNN", "ari": "line, ARI"}, [
        ("adversary, told the line", []),
        ("adversary, not told the line", ["heads.batch.covariates=[]"]),
        ("no adversary (weight 0)", ["heads.batch.weight=0"]),
        ("no adversary, decoder not told the batch", ["heads.batch.weight=0", "modalities.rna.decoder.covariates=[]"]),
    ]),
    Study("technologies", "technology", {"knn": "class by kNN"}, [
        ("adversary", []),
        ("no adversary (weight 0)", ["heads.technology.weight=0"]),
    ]),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stele", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--write", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--table", action="append", choices=[study.name for study in STUDIES])
    parser.add_argument("--rows", type=int)
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    runs = Runs(options.stele.resolve(), options.folder.resolve(), options.threads)
    for study in STUDIES:
        if options.table and study.name not in options.table:
            continue
        text = study.table(runs, options.rows)
        if options.write:
            write(options.write, study.name, text)
        else:
            print(f"\n{study.name}\n\n{text}")


if __name__ == "__main__":
    main()
