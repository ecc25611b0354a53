#!/usr/bin/env python3
"""Make PolyMNIST's data from MNIST's test set and five photographs, train fusion rules on them, make a table of docs/results.md.

    polymnist.py STELE FOLDER [--write docs/results.md] [--seeds N] [--threads N]

FOLDER keeps data and runs; what is finished there is not done again. For every row and view one digit of the row's class is
drawn and a crop of 28 x 28 pixels of the view's photograph, shrunk to 100 pixels; where the digit is brighter than half, the
crop's colours are inverted (Sutter, Daunhawer and Vogt, ICLR 2021). 60,000 training rows are drawn from 7,500 digits, 1,000
validation rows from 500 others, 2,000 test rows from the other 2,000: 750 MB. 10,000 training rows have their digit in the table;
from these the classifiers learn, models do without. Conditional coherence given 1 to 4 views: mean over all choices of views and
targets of the test rows, with the standard deviation over seeds. Needs NumPy, Pillow and the data sets mnist-t10k and
photo-backgrounds.
"""
import argparse
import gzip
import json
import pathlib
import shutil

import numpy as np

from cortex import Runs, TOP, table, write
from folds import spread

DATA = TOP.parent / "shared/data"
PHOTOGRAPHS = ["astronaut", "chelsea", "coffee", "hubble_deep_field", "rocket"]
PARTS = [("train", 7500, 60000), ("valid", 500, 1000), ("test", 2000, 2000)]  # digits, and rows drawn from them
LABELLED, SIZE, SHRUNK = 10000, 28, 100  # the first so many training rows
SPEC = pathlib.Path(__file__).resolve().parent / "polymnist.yaml"
# Each with the objective that it was published with. The loss of mvtcae weighs likelihoods by 5/6 and the divergence from the prior by
# 1/6 of beta: a beta of 25 sets a price of 5 nats of likelihood a nat, 15 would set that of moe and mopoe.
RULES = [
    ("`poe` (MVAE)", "poe", {"fusion": "poe", "objective.subsets": "all+single+random:1", "objective.beta.to": 1}, ".29 .42 .48 .52"),
    ("`moe` (MMVAE)", "moe", {"fusion": "moe"}, ".71 .71 .71 .71"),
    ("`mopoe` (MoPoE)", "mopoe", {"fusion": "{plugin: mopoe, subsets: sampled}", "train.epochs": 2}, ".67 .79 .84 .85"),
    ("`mvtcae` (MVTCAE)", "mvtcae", {"fusion": "mvtcae", "objective.beta.to": 25, "train.epochs": 16}, ".64 .82 .88 .91"),
]


def idx(name):
    with gzip.open(DATA / "mnist-t10k" / name) as f:
        raw = f.read()
    shape = [int.from_bytes(raw[4 + 4 * k:8 + 4 * k], "big") for k in range(raw[3])]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def photograph(name):
    from PIL import Image
    picture = Image.open(DATA / "photo-backgrounds" / f"{name}.png").convert("RGB").resize((SHRUNK, SHRUNK))
    return np.asarray(picture, np.uint8)


def make_rows(image, digit, backs, pool, n, draw):
    """Labels of n rows and their views, (n, 28, 28, 3): digits from the pool, each before a crop of its own."""
    label = digit[pool][draw.integers(len(pool), size=n)]
    of_class = [pool[digit[pool] == k] for k in range(10)]
    views = []
    for back in backs:
        rows = np.empty((n, SIZE, SIZE, 3), np.uint8)
        for row, k in enumerate(label):
            y, x = draw.integers(SHRUNK - SIZE + 1, size=2)
            crop, pixels = back[y:y + SIZE, x:x + SIZE], image[of_class[k][draw.integers(len(of_class[k]))]]
            rows[row] = np.where((pixels > 127)[..., None], 255 - crop, crop)
        views.append(rows)
    return label, views


def make_data(folder):
    if (folder / "rows.csv").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    image, digit = idx("t10k-images-idx3-ubyte.gz"), idx("t10k-labels-idx1-ubyte.gz")
    backs = [photograph(name) for name in PHOTOGRAPHS]
    order, first, parts = np.random.default_rng(1).permutation(len(digit)), 0, []
    for seed, (part, digits, n) in enumerate(PARTS):
        pool = order[first:first + digits]
        first += digits
        parts.append((part, *make_rows(image, digit, backs, pool, n, np.random.default_rng([1, seed]))))
    for view in range(len(backs)):
        np.save(folder / f"m{view}.npy", np.concatenate([views[view] for _, _, views in parts]))
    lines = [f"{d if part != 'train' or k < LABELLED else ''},{part}" for part, label, _ in parts for k, d in enumerate(label)]
    text = "\n".join(["id,digit,part", *(f"{row},{line}" for row, line in enumerate(lines))])
    (folder / "rows.csv").write_text(text + "\n", encoding="utf-8")


class Views(Runs):
    def lend_classifiers(self, run, seed):
        """Those of another rule's run of the seed learn from the same rows; a file of other rows is not taken."""
        for path in sorted(self.folder.glob(f"*-{seed}/coherence-*.safetensors")):
            if not (run / path.name).is_file():
                shutil.copy(path, run)

    def coherence(self, name, changes, seed):
        """Accuracy of the classifiers on real views, mean; then coherence given 1, 2, 3 and 4 views."""
        run = self.folder / f"{name}-{seed}"
        if not (run / "summary.json").is_file():
            sets = [f"seed={seed}", *(f"{key}={value}" for key, value in changes.items()),
                    f"data.sources.views.path={self.folder / 'data'}",
                    f"data.sources.rows.path={self.folder / 'data/rows.csv'}"]
            self.call("train", SPEC, "--run", run, "--resume", "--quiet",
                      *[word for change in sets for word in ("--set", change)])
        if not (run / "eval-test.json").is_file():
            self.lend_classifiers(run, seed)
            self.call("eval", run, "--split", "test", "--quiet")
        found = json.loads((run / "eval-test.json").read_text())["coherence"]
        real = [m["accuracy"] for m in found["modalities"].values()]
        return [sum(real) / len(real), *(found[f"given_{k}"] for k in range(1, 5))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stele", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--write", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    runs = Views(options.stele.resolve(), options.folder.resolve(), options.threads)
    make_data(runs.folder / "data")
    rows = []
    for title, name, changes, published in RULES:
        real, *given = zip(*[runs.coherence(name, changes, seed) for seed in range(1, options.seeds + 1)])
        rows.append([title, *(spread(values, 2) for values in given), published])
    rows.append(["*classifiers, real views*", spread(real, 2), "", "", "", ""])
    text = table(["fusion", *(f"given {k}" for k in range(1, 5)), "published, full set"], rows)
    if options.write:
        write(options.write, "polymnist", text)
    else:
        print(f"\n{text}")


if __name__ == "__main__":
    main()
