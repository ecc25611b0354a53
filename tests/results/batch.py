#!/usr/bin/env python3
"""Train configs/batch.yaml with several seeds and make the table `batch` of docs/results.md.

    batch.py STELE FOLDER [--write docs/results.md] [--rows N] [--threads N]

FOLDER keeps the runs; what is finished there is not done again. Cells that the genotype caller takes for doublets are left
out (anndata is needed for it). All cells are trained on (10 % choose nothing: the last epoch counts) and judged, as is usual
for this question. Numbers are means over seeds with standard errors of those means. --write puts the table between the marks
<!-- table batch --> and <!-- end --> of a document; without it it is printed. --rows makes the first N rows of the table
alone. Needs the data set that the spec names.
"""
import argparse
import json
import pathlib

from cortex import Runs, TOP, show, table, write

SPEC = TOP / "configs/batch.yaml"
SEEDS = range(1, 6)
ROWS = [
    ("adversary, told the line", []),
    ("adversary, not told the line", ["heads.batch.covariates=[]"]),
    ("no adversary (weight 0)", ["heads.batch.weight=0"]),
    ("no adversary, decoder not told the batch", ["heads.batch.weight=0", "modalities.rna.decoder.covariates=[]"]),
]


def singlets(folder):
    """The data set of the spec without doublets."""
    import anndata
    path = folder / "singlets.h5ad"
    if not path.is_file():
        line = next(l for l in SPEC.read_text(encoding="utf-8").splitlines() if l.strip().startswith("path:"))
        cells = anndata.read_h5ad((SPEC.parent / line.split()[1]).resolve())
        cells[cells.obs["singlet"].astype(bool)].copy().write_h5ad(path)
    return path


def report(runs, data, name, seed, sets):
    run = runs.folder / f"{name}-{seed}"
    if not (run / "summary.json").is_file():
        changes = [word for change in [f"seed={seed}", f"data.path={data}", *sets] for word in ("--set", change)]
        runs.call("train", SPEC, "--run", run, "--resume", "--quiet", *changes)
    result = run / "eval-all.json"
    if not result.is_file():
        runs.call("eval", run, "--split", "all", "--checkpoint", "last", "--quiet")
    return json.loads(result.read_text())["posteriors"][0]


def figures(posteriors):
    heads = [p["heads"]["batch"] for p in posteriors]
    labels = [{k: v for task in p["labels"] for k, v in task.items()} for p in posteriors]
    return [show([h[key] for h in heads], 3) for key in ("fresh_knn", "fresh_logistic", "accuracy")] + \
        [show([l[key] for l in labels], 3) for key in ("knn", "ari")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stele", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--write", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--rows", type=int, default=len(ROWS))
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    runs = Runs(options.stele.resolve(), options.folder.resolve(), options.threads)
    data, rows, last = singlets(runs.folder), [], None
    for i, (title, sets) in enumerate(ROWS[:options.rows]):
        last = [report(runs, data, f"row{i}", seed, sets) for seed in SEEDS]
        rows.append([title, *figures(last)])
        if i == 0:
            head = last[0]["heads"]["batch"]
            rows.append(["without z: most frequent batch", f"{head['fresh_chance']:.3f}"[1:], "", "", "", ""])
            rows.append(["without z: batch named by the line", f"{head['fresh_covariates']:.3f}"[1:], "", "", "", ""])
    text = table(["latent", "batch by fresh kNN", "by fresh logistic regression", "by the discriminator", "line by kNN",
                  "line, ARI"], rows)
    if options.write:
        write(options.write, "batch", text)
    else:
        print(text)


if __name__ == "__main__":
    main()
