#!/usr/bin/env python3
"""Make PolyMNIST's data from MNIST's test set and five photographs, train fusion rules on them, make a table of docs/results.md.

    polymnist.py STELE FOLDER [--write docs/results.md] [--seeds N] [--threads N]

FOLDER keeps data and runs; what is finished there is not done again. For every row and view one digit of the row's class is
drawn and a crop of 28 x 28 pixels of the view's photograph, shrunk to 100 pixels; where the digit is brighter than half, the
crop's colours are inverted (Sutter, Daunhawer and Vogt, ICLR 2021). 8,000 digits make training rows, the other 2,000 test rows.
Conditional coherence given 1 to 4 views: mean over all choices of views and targets of the test rows, with the standard
deviation over seeds. Needs NumPy, Pillow and the data sets mnist-t10k and photo-backgrounds.
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
N_TRAIN, N_TEST, SIZE, SHRUNK = 8000, 2000, 28, 100
SPEC = pathlib.Path(__file__).resolve().parent / "polymnist.yaml"
# Each with the objective that it was published with. The loss of mvtcae weighs likelihoods by 5/6 and the divergence from the prior by
# 1/6 of beta: a beta of 15 sets the price that 3 sets in the others.
RULES = [
    ("`poe` (MVAE)", "poe", {"fusion": "poe", "objective.subsets": "all+single+random:1", "train.epochs": 25}, ".29 .42 .48 .52"),
    ("`moe` (MMVAE)", "moe", {"fusion": "moe", "train.epochs": 13}, ".71 .71 .71 .71"),
    ("`mopoe` (MoPoE)", "mopoe", {"fusion": "{plugin: mopoe, subsets: sampled}", "train.epochs": 28}, ".67 .79 .84 .85"),
    ("`mvtcae` (MVTCAE)", "mvtcae", {"fusion": "mvtcae", "objective.beta.to": 15, "train.epochs": 64}, ".64 .82 .88 .91"),
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


def make_data(folder):
    if (folder / "rows.csv").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    image, digit = idx("t10k-images-idx3-ubyte.gz"), idx("t10k-labels-idx1-ubyte.gz")
    draw = np.random.default_rng(1)
    order = draw.permutation(len(digit))
    pools = [("train", order[:N_TRAIN], N_TRAIN), ("test", order[N_TRAIN:], N_TEST)]
    label = np.concatenate([digit[pool][draw.integers(len(pool), size=n)] for _, pool, n in pools])
    part = np.concatenate([np.full(n, name) for name, _, n in pools])
    for view, name in enumerate(PHOTOGRAPHS):
        back, rows = photograph(name), []
        for row in range(len(label)):
            pool = pools[0 if part[row] == "train" else 1][1]
            of_class = pool[digit[pool] == label[row]]
            y, x = draw.integers(SHRUNK - SIZE + 1, size=2)
            crop, pixels = back[y:y + SIZE, x:x + SIZE], image[of_class[draw.integers(len(of_class))]]
            rows.append(np.where((pixels > 127)[..., None], 255 - crop, crop))
        np.save(folder / f"m{view}.npy", np.stack(rows))
    lines = [f"{k},{d},{p}" for k, (d, p) in enumerate(zip(label, part))]
    (folder / "rows.csv").write_text("\n".join(["id,digit,part", *lines]) + "\n", encoding="utf-8")


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
