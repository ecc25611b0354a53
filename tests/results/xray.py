#!/usr/bin/env python3
"""Train configs/xray.yaml on five folds of patients and make its table of docs/results.md.

    xray.py STELE FOLDER [--write docs/results.md] [--seeds N] [--threads N] [--jobs N]

FOLDER keeps the runs; what is finished there is not done again. Table:

  xray    COVID-19 told from other findings by 15 neighbours in z and by a logistic regression, fitted on the rows that are not
          tested; matched pairs told from shuffled ones (stele score); the view, lateral or from the front, of pictures that
          were generated from held-out notes, by a logistic regression on pixels that was fitted on the measured pictures of the
          other rows, against the view that the data name

Areas under the ROC curve are over the test rows of a fold, then means over folds; numbers are means and standard deviations
over seeds. FOLDER/generated-SEED.png shows, a line each, pictures of test rows of the first fold and three that were generated
from their notes. Needs NumPy and the data set that the spec names.
"""
import gzip
import json

from cortex import table
from pairs import GIVEN, PROBES, TOP, Run, auc, main, np, spread, train_all

SPEC = TOP / "configs/xray.yaml"
DATA = TOP / "configs/../../shared/data/chest-xray-notes"
FOLDS = 5
SIDE = 32  # of the pictures in the spec
BASELINE = {"image": ".67", "text": ".87", "joint": ""}
ASKED = {"image": ".62", "text": ".80", "joint": ""}


def prepare(options):
    runs = [[Run(options.stele.resolve(), options.folder / f"xray-{seed}-{fold}", options.threads, SPEC,
                 [f"seed={seed}", f"data.split.fold={fold}"]) for fold in range(1, FOLDS + 1)]
            for seed in range(1, options.seeds + 1)]
    train_all([run for seed in runs for run in seed], options.jobs)
    return runs


def read():
    rows = [json.loads(line) for line in (DATA / "pairs.jsonl").read_text(encoding="utf-8").splitlines()]
    with gzip.open(DATA / "images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read()[16:], np.uint8).reshape(len(rows), 64, 64) / 255.0
    pixels = pixels.reshape(len(rows), SIDE, 64 // SIDE, SIDE, 64 // SIDE).mean((2, 4)).reshape(len(rows), -1)
    ids = [row["id"] for row in rows]
    return {"at": {name: i for i, name in enumerate(ids)}, "pixels": pixels,
            "covid": np.array(["COVID-19" in row["finding"] for row in rows], int),
            "lateral": np.array([row["view"] in ("L", "Lateral", "lateral") for row in rows], int)}


def finding(run, probe, modalities, data):
    ids, part, z = run.embed(modalities)
    y, test = data["covid"][[data["at"][i] for i in ids]], part == "test"
    votes = PROBES[probe](z[~test], y[~test], z[test], 2)
    return auc(votes[:, 1] - votes[:, 0], y[test])


def principal(known, x, n=40):
    mean = known.mean(0)
    _, s, v = np.linalg.svd(known - mean, full_matrices=False)
    return (known - mean) @ v[:n].T, (x - mean) @ v[:n].T


def views(run, data, seed, fold):
    """(accuracy, balanced accuracy and AUC for generated pictures, AUC for measured ones) of one fold."""
    path = run.folder / "generated.npy"
    if not path.is_file():
        run.call("generate", run.folder, "-o", path, "--to", "image", "--from", "text", "--split", "test", "--samples", 1,
                 "--temperature", 0, "--quiet")
    if fold == 1:
        run.call("generate", run.folder, "-o", run.folder.parent / f"generated-{seed}.png", "--to", "image", "--from", "text",
                 "--split", "test", "--first", 16, "--samples", 3, "--quiet")
    ids, part, _ = run.embed(None)
    at = np.array([data["at"][i] for i in ids])
    test = part == "test"
    pixels, y = data["pixels"][at], data["lateral"][at]
    made = np.load(path).reshape(test.sum(), -1) / 255.0
    known, both = principal(pixels[~test], np.concatenate([made, pixels[test]]))
    s = PROBES["linear"](known, y[~test], both, 2)
    s = s[:, 1] - s[:, 0]
    n, truth = test.sum(), y[test]
    return np.array([((s[:n] > 0) == truth).mean(), auc(s[:n], truth), auc(s[n:], truth), 1 - truth.mean()])


def xray(runs):
    data, rows = read(), []
    for title, modalities in GIVEN:
        for probe in PROBES:
            found = [np.mean([finding(run, probe, modalities, data) for run in folds]) for folds in runs]
            rows.append([f"COVID-19 against other from z of {title}, {probe}, AUC", spread(found), BASELINE[title], ASKED[title]])
    match = [np.mean([run.score("test")["auroc"] for run in folds]) for folds in runs]
    rows.append(["matched against shuffled pairs, AUC", spread(match), "", ".70"])
    seen = np.array([np.nanmean([views(run, data, seed + 1, fold + 1) for fold, run in enumerate(folds)], 0)
                     for seed, folds in enumerate(runs)])
    for k, title in enumerate(["accuracy", "AUC"]):
        rows.append([f"lateral or frontal view of pictures generated from notes, {title}", spread(seen[:, k]),
                     [f"always frontal {spread([seen[:, 3].mean()])}", f"measured pictures {spread([seen[:, 2].mean()])}"][k],
                     "above chance"])
    return table(["5 folds by patient", "held out", "baseline", "asked"], rows)


if __name__ == "__main__":
    main(__doc__, {"xray": xray}, prepare)
