#!/usr/bin/env python3
"""Train configs/xray.yaml on five folds of patients and make its table of docs/results.md.

    xray.py STELE FOLDER [--write docs/results.md] [--seeds N] [--threads N] [--jobs N]

FOLDER keeps the runs; what is finished there is not done again. Table:

  xray    COVID-19 told from other findings by 15 neighbours in z and by a logistic regression, fitted on the rows that are not
          tested; matched pairs told from shuffled ones (stele score); the view, lateral or from the front, of pictures that
          were generated from held-out notes, by a logistic regression on pixels that was fitted on the measured pictures of the
          other rows, against the view that the data name. Beside them, on the same folds, logistic regressions of 40 principal
          components of the pixels, of tf-idf of all words, and of both; canonical correlation of pixels and words; and the
          view by a logistic regression of the words

Penalties are chosen by cross-validation that keeps the pictures of a patient together. Areas under the ROC curve are over the
test rows of a fold, then means over folds; numbers are means and standard deviations over seeds; the difference is paired.
FOLDER/generated-SEED.png shows, a line each, pictures of test rows of the first fold and three that were generated from their
notes. Needs NumPy and the data set that the spec names.
"""
import gzip
import json

from baselines import auc, block, canonical, linear, logistic, matched, principal, words
from cortex import table
from folds import beside, spread
from pairs import GIVEN, PROBES, TOP, Run, main, np, train_all

SPEC = TOP / "configs/xray.yaml"
DATA = TOP / "configs/../../shared/data/chest-xray-notes"
FOLDS = 5
SIDE = 32  # of the pictures in the spec
ELSEWHERE = {"image": ".67", "text": ".87", "joint": ""}
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
    return {"at": {name: i for i, name in enumerate(ids)}, "pixels": pixels, "texts": [row["text"] for row in rows],
            "patient": np.array([row["patient"] for row in rows]),
            "covid": np.array(["COVID-19" in row["finding"] for row in rows], int),
            "lateral": np.array([row["view"] in ("L", "Lateral", "lateral") for row in rows], int)}


def area(s, y):
    return auc(s[:, 1] - s[:, 0], y)


class Fold:
    """A run, and the rows of its fold."""

    def __init__(self, run, data):
        self.run, self.data = run, data
        ids, part, _ = run.embed(None)
        self.at, self.test = np.array([data["at"][i] for i in ids]), part == "test"
        self.patient = data["patient"][self.at][~self.test]
        texts = words([data["texts"][i] for i in self.at], np.flatnonzero(~self.test))
        self.pixels, self.texts = (self.sides(x) for x in (data["pixels"][self.at], texts))

    def sides(self, x):
        return x[~self.test], x[self.test]

    def finding(self, probe, modalities):
        y, y_test = self.sides(self.data["covid"][self.at])
        z, z_test = self.sides(self.run.embed(modalities)[2])
        return area(PROBES[probe](z, y, z_test, 2, self.patient), y_test)

    def simple(self):
        """Areas of the finding from pixels, from words and from both, of matched pairs, and of the view from words."""
        y, y_test = self.sides(self.data["covid"][self.at])
        view, view_test = self.sides(self.data["lateral"][self.at])
        image, text = block(*principal(*self.pixels)), block(*self.texts)
        both = [np.hstack(pair) for pair in zip(image, text)]
        found = [area(logistic(known, y, x, 2, self.patient), y_test) for known, x in (image, text, both)]
        pairs = canonical(self.pixels[0], self.texts[0], self.pixels[1], self.texts[1], self.patient)
        return [*found, matched(pairs), area(logistic(text[0], view, text[1], 2, self.patient), view_test)]

    def views(self, seed, fold):
        """Accuracy and area for generated pictures, area for measured ones, accuracy of always saying frontal."""
        run, path = self.run, self.run.folder / "generated.npy"
        if not path.is_file():
            run.call("generate", run.folder, "-o", path, "--to", "image", "--from", "text", "--split", "test", "--samples", 1,
                     "--temperature", 0, "--quiet")
        if fold == 1:
            run.call("generate", run.folder, "-o", run.folder.parent / f"generated-{seed}.png", "--to", "image", "--from", "text",
                     "--split", "test", "--first", 16, "--samples", 3, "--quiet")
        y, truth = self.sides(self.data["lateral"][self.at])
        made = np.load(path).reshape(len(truth), -1) / 255.0
        known, made, measured = principal(self.pixels[0], made, self.pixels[1])
        s = linear(known, y, np.concatenate([made, measured]), 2, self.patient)
        made, measured = s[:len(made)], s[len(made):]
        return [(made.argmax(1) == truth).mean(), area(made, truth), area(measured, truth), 1 - truth.mean()]


def xray(runs):
    data, rows = read(), []
    folds = [[Fold(run, data) for run in seed] for seed in runs]
    simple = np.array([np.nanmean([fold.simple() for fold in seed], 0) for seed in folds])
    for k, (title, modalities) in enumerate(GIVEN):
        for probe in PROBES:
            found = [np.mean([fold.finding(probe, modalities) for fold in seed]) for seed in folds]
            rows.append([f"COVID-19 against other from z of {title}, {probe}, AUC", *beside(found, simple[:, k], 2),
                         ELSEWHERE[title], ASKED[title]])
    match = [np.mean([run.score("test")["auroc"] for run in seed]) for seed in runs]
    rows.append(["matched against shuffled pairs, AUC", *beside(match, simple[:, 3], 2), "", ".70"])
    seen = np.array([np.nanmean([fold.views(seed + 1, k + 1) for k, fold in enumerate(of_seed)], 0)
                     for seed, of_seed in enumerate(folds)])
    title = "lateral or frontal view of pictures generated from notes"
    rows.append([f"{title}, accuracy", *beside(seen[:, 0], seen[:, 3], 2), "", "above chance"])
    rows.append([f"{title}, AUC", *beside(seen[:, 1], simple[:, 4], 2), f"measured pictures {spread([seen[:, 2].mean()], 2)}",
                 "above chance"])
    return table(["5 folds by patient", "Stele", "simple method, same folds", "difference", "other figures", "asked"], rows)


if __name__ == "__main__":
    main(__doc__, {"xray": xray}, prepare)
