#!/usr/bin/env python3
"""Train configs/emoji.yaml with five seeds and make its table of docs/results.md.

    emoji.py STELE FOLDER [--write docs/results.md] [--seeds N] [--threads N] [--jobs N]

FOLDER keeps the runs; what is finished there is not done again. Table:

  emoji   finding the text of a picture and the picture of a text among all pairs of the given test part (stele score);
          telling matched pairs from shuffled ones; the group told from z by 15 neighbours and by a logistic regression,
          both fitted on the rows that are not tested

Numbers are means and standard deviations over seeds. Needs NumPy and the data set that the spec names.
"""
import json

from cortex import table
from pairs import GIVEN, PROBES, TOP, Run, main, np, spread, train_all

SPEC = TOP / "configs/emoji.yaml"
DATA = TOP / "configs/../../shared/data/emoji-captions/captions.jsonl"
BASELINE = {"image": ".63", "text": ".80", "joint": ".83"}
ASKED = {"image": ".60", "text": ".75", "joint": ".80"}


def prepare(options):
    runs = [Run(options.stele.resolve(), options.folder / f"emoji-{seed}", options.threads, SPEC, [f"seed={seed}"])
            for seed in range(1, options.seeds + 1)]
    train_all(runs, options.jobs)
    return runs


def groups():
    names = [json.loads(line)["group"] for line in DATA.read_text(encoding="utf-8").splitlines()]
    return np.unique(names, return_inverse=True)


def accuracy(run, probe, modalities, classes, y):
    ids, part, z = run.embed(modalities)
    of, test = y[np.array(ids, int)], part == "test"
    found = PROBES[probe](z[~test], of[~test], z[test], len(classes)).argmax(1)
    return (found == of[test]).mean()


def emoji(runs):
    pairs = [run.score("test") for run in runs]
    classes, y = groups()
    rows = [["image -> text, median rank", spread([p["a_to_b"]["median_rank"] for p in pairs], 1), "CCA 21.5, kernel ridge 17.8",
             "40"],
            ["text -> image, median rank", spread([p["b_to_a"]["median_rank"] for p in pairs], 1), "15, 12", "40"],
            ["image -> text, among the first 10", spread([p["a_to_b"]["recall10"] for p in pairs]), "", ""],
            ["text -> image, among the first 10", spread([p["b_to_a"]["recall10"] for p in pairs]), "", ""],
            ["matched against shuffled pairs, AUC", spread([p["auroc"] for p in pairs]), "", ".90"]]
    for title, modalities in GIVEN:
        for probe in PROBES:
            rows.append([f"group from z of {title}, {probe}",
                         spread([accuracy(run, probe, modalities, classes, y) for run in runs]),
                         f"logistic {BASELINE[title]}", ASKED[title]])
    return table([f"{pairs[0]['rows']} test pairs", "held out", "baseline", "asked"], rows)


if __name__ == "__main__":
    main(__doc__, {"emoji": emoji}, prepare)
