#!/usr/bin/env python3
"""Train configs/emoji.yaml with five seeds and make its table of docs/results.md.

    emoji.py STELE FOLDER [--write docs/results.md] [--seeds N] [--threads N] [--jobs N]

FOLDER keeps the runs; what is finished there is not done again. Table:

  emoji   finding the text of a picture and the picture of a text among all pairs of the given test part (stele score);
          telling matched pairs from shuffled ones; the group told from z by 15 neighbours and by a logistic regression,
          both fitted on the rows that are not tested. Beside them, on the same rows, canonical correlation of principal
          components of pixels and of tf-idf, and logistic regressions of these: 200 components, all words, and both

Numbers are means and standard deviations over seeds; the difference is paired. The split is the data's own, so that the
simple methods have the same figures with every seed. Needs NumPy and the data set that the spec names.
"""
import gzip
import json

from baselines import block, canonical, logistic, matched, principal, words
from cortex import table
from folds import beside
from pairs import GIVEN, PROBES, TOP, Run, main, np, train_all

SPEC = TOP / "configs/emoji.yaml"
DATA = TOP / "configs/../../shared/data/emoji-captions"
ELSEWHERE = {"image": "logistic .63", "text": "logistic .80", "joint": "logistic .83"}
ASKED = {"image": ".60", "text": ".75", "joint": ".80"}


def prepare(options):
    runs = [Run(options.stele.resolve(), options.folder / f"emoji-{seed}", options.threads, SPEC, [f"seed={seed}"])
            for seed in range(1, options.seeds + 1)]
    train_all(runs, options.jobs)
    return runs


class Features:
    """Pixels and tf-idf of the given split's two parts."""

    def __init__(self):
        rows = [json.loads(line) for line in (DATA / "captions.jsonl").read_text(encoding="utf-8").splitlines()]
        with gzip.open(DATA / "images_rgb-idx4-ubyte.gz") as file:
            pixels = np.frombuffer(file.read()[20:], np.uint8).reshape(len(rows), -1) / 255.0
        self.classes, self.y = np.unique([row["group"] for row in rows], return_inverse=True)
        self.test = np.array([row["split"] == "test" for row in rows])
        texts = words([row["caption"] for row in rows], np.flatnonzero(~self.test))
        self.pixels, self.texts = ((x[~self.test], x[self.test]) for x in (pixels, texts))

    def groups(self):
        """{what is given: accuracy of a logistic regression}."""
        image, text = block(*principal(*self.pixels, n=200)), block(*self.texts)
        both = [np.hstack(pair) for pair in zip(image, text)]
        return {title: self.right(logistic(known, self.y[~self.test], x, len(self.classes)))
                for title, (known, x) in zip(("image", "text", "joint"), (image, text, both))}

    def right(self, s):
        return (s.argmax(1) == self.y[self.test]).mean()

    def pairs(self):
        """What `stele score` says about pairs, of canonical correlation."""
        s = canonical(self.pixels[0], self.texts[0], self.pixels[1], self.texts[1])
        out = {"auroc": matched(s)}
        for name, scores in (("a_to_b", s), ("b_to_a", s.T)):
            own = np.diag(scores)[:, None]
            rank = 0.5 + (scores > own).sum(1) + 0.5 * (scores == own).sum(1)
            out[name] = {"median_rank": np.median(rank), "recall10": (rank <= 10).mean()}
        return out


def accuracy(run, probe, modalities, data):
    ids, part, z = run.embed(modalities)
    of, test = data.y[np.array(ids, int)], part == "test"
    return (PROBES[probe](z[~test], of[~test], z[test], len(data.classes)).argmax(1) == of[test]).mean()


def emoji(runs):
    data = Features()
    pairs, simple, told = [run.score("test") for run in runs], data.pairs(), data.groups()
    rows = []
    for way, title, elsewhere in (("a_to_b", "image -> text", "CCA 21.5, kernel ridge 17.8"),
                                  ("b_to_a", "text -> image", "15, 12")):
        for key, name, digits, *rest in (("median_rank", "median rank", 1, elsewhere, "40"),
                                         ("recall10", "among the first 10", 2, "", "")):
            rows.append([f"{title}, {name}", *beside([p[way][key] for p in pairs], simple[way][key], digits), *rest])
    rows.append(["matched against shuffled pairs, AUC", *beside([p["auroc"] for p in pairs], simple["auroc"], 2), "", ".90"])
    for title, modalities in GIVEN:
        for probe in PROBES:
            rows.append([f"group from z of {title}, {probe}",
                         *beside([accuracy(run, probe, modalities, data) for run in runs], told[title], 2),
                         ELSEWHERE[title], ASKED[title]])
    return table([f"{pairs[0]['rows']} test pairs", "Stele", "simple method, same rows", "difference", "measured elsewhere",
                  "asked"], rows)


if __name__ == "__main__":
    main(__doc__, {"emoji": emoji}, prepare)
