#!/usr/bin/env python3
"""Whatever a row of a shipped spec has, its posterior is valid, and more is never less sure. evidence.py STELE [NAME]...

Every spec in configs/, or those named, is trained for one epoch with 30 % of its modality blocks removed, and embeds its
rows from each modality alone, each pair and all. Every posterior is finite and has a width; a row with nothing is N(0, I).
Under `poe`, which all of them use, no row gets less sure by what it has besides, and it stays the same where it has no
more. A spec whose data are not on this machine is skipped; exit status 77 if that holds for all. The last line is
`N passed, N failed, N skipped`.
"""

import csv
import itertools
import math
import pathlib
import re
import subprocess
import sys

from configs import each_spec

ROUNDING = 1e-6  # posteriors are floats


def run(*words):
    done = subprocess.run([str(w) for w in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f"exit status {done.returncode} of: {' '.join(map(str, words))}\n{done.stdout}"
    return done.stdout


def modalities(stele, spec):
    _, _, text = run(stele, "check", spec, "--no-data", "--resolved").partition("\nmodalities:\n")
    return re.findall(r"^  (\w+):$", re.split(r"^\w", text, 1, re.MULTILINE)[0], re.MULTILINE)


def posteriors(stele, folder, have):
    """{id: (what of `have` the row has, means, deviations)}"""
    run(stele, "embed", folder, "-o", folder / "z.csv", "--modalities", ",".join(have), "--quiet")
    take = lambda r, key: [float(v) for k, v in r.items() if re.fullmatch(key + r"_\d+", k)]
    has = lambda r: {m for m in have if r[f"has_{m}"] == "1"}
    with open(folder / "z.csv", newline="", encoding="utf-8") as f:
        return {r["id"]: (has(r), take(r, "z"), take(r, "sd")) for r in csv.DictReader(f)}


def valid(has, mean, sd):
    if not has:
        return set(mean) == {0.0} and set(sd) == {1.0}
    return all(map(math.isfinite, mean + sd)) and min(sd) > 0


def surer(few, many):
    """A row given some of its modalities and given more: no less sure in any dimension, in one more so if it has more."""
    if few[0] == many[0]:
        return few == many
    return all(b <= a * (1 + ROUNDING) for a, b in zip(few[2], many[2])) and sum(many[2]) < sum(few[2])


def check(stele, spec, folder):
    names = modalities(stele, spec)
    run(stele, "train", spec, "--run", folder, "--quiet", "--set", "train.epochs=1", "--set", "evaluate=[likelihood]",
        "--set", f"data.missing={{{', '.join(f'{m}: 0.3' for m in names)}}}")
    subsets = {s for n in (1, 2, len(names)) for s in itertools.combinations(names, n)}
    z = {s: posteriors(stele, folder, s) for s in subsets}
    yield "some rows have nothing", any(not row[0] for rows in z.values() for row in rows.values())
    yield f"{len(subsets)} sets of modalities give posteriors", \
        all(valid(*row) for rows in z.values() for row in rows.values())
    rows = z[tuple(names)]
    n = len(next(iter(rows.values()))[1])
    z[()] = dict.fromkeys(rows, (set(), [0.0] * n, [1.0] * n))
    yield "more is never less sure", \
        all(surer(z[s][i], row) for s in z for t in z if set(s) < set(t) for i, row in z[t].items())


if __name__ == "__main__":
    sys.exit(each_spec(pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:], check))
