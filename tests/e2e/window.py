#!/usr/bin/env python3
"""Windows of rows in whole runs. window.py STELE

Counts of 12 trials of 12 rows, some of which are cut by the split in their middle. What stands in rows that validate or
test a model changes no bit of what is trained; what stands beside a training row does, groups and the length of windows
too. Rows that are embedded alone get what they get among the others, since windows never leave their part; runs end with
the same bits for any number of threads, and after they were resumed.
"""

import csv
import pathlib
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from same_bits import tensors  # noqa: E402

SPEC = """stele: 1
name: window
data:
  source: table
  path: rows.csv
  key: id
  columns: [n*]
  sparse: {sparse}
  split: {{column: part}}
latent: {{dim: 3}}
modalities:
  s: {{plugin: spikes, from: X, window: {window}, encoder: {encoder}, decoder: {{hidden: [8]{told}}}}}
  g: {{plugin: gaussian, from: X, window: {window}, encoder: {{hidden: [8]}}, decoder: {{hidden: [8]}}}}
fusion: poe
objective: {{subsets: all+single, reconstruct: present}}
train: {{epochs: {epochs}, batch_size: 16}}
"""
WINDOW = "{bins: 5, group: trial}"
TRIALS, LENGTH, COUNTS = 12, 12, 6


def rows():
    rng = random.Random(3)
    found = []
    for trial in range(TRIALS):
        for at in range(LENGTH):
            part = "train"
            if trial in (4, 9):
                part = "test"
            elif trial in (2, 6) and at >= 7:  # trials that the split cuts
                part = "test" if trial == 2 else "valid"
            found.append([f"r{len(found)}", f"t{trial}", part] + [rng.choice((0, 0, 1, 2, 5)) for _ in range(COUNTS)])
    return found


def write(path, table):
    with open(path, "w", newline="", encoding="utf-8") as f:
        csv.writer(f).writerows([["id", "trial", "part"] + [f"n{j}" for j in range(COUNTS)], *table])


def stele(*words):
    done = subprocess.run([STELE, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"exit status {done.returncode} of {words}\n{done.stderr}"
    return done


def train(scratch, name, table, *more, window=WINDOW, sparse="false", encoder="{hidden: [8]}", told="", epochs=3):
    folder = scratch / name
    folder.mkdir()
    write(folder / "rows.csv", table)
    spec = folder / "spec.yaml"
    spec.write_text(SPEC.format(window=window, sparse=sparse, encoder=encoder, told=told, epochs=epochs))
    stele("train", spec, "--run", folder / "run", "--quiet", *more)
    return folder / "run"


def trained(*args, **settings):
    return tensors(train(*args, **settings) / "last.safetensors")


def changed(table, which):
    """Other counts in all rows that `which` says."""
    return [row[:3] + [n + 1 for n in row[3:]] if which(i, row) else row for i, row in enumerate(table)]


def embedded(run, *more):
    out = run.parent / "z.csv"
    stele("embed", run, "-o", out, "--quiet", *more)
    with open(out, newline="", encoding="utf-8") as f:
        return {row["id"]: [float(v) for k, v in row.items() if k.startswith(("z", "sd"))] for row in csv.DictReader(f)}


def no_part_sees_another(scratch, table):
    base = trained(scratch, "base", table)
    for part in ("test", "valid"):
        assert trained(scratch, part, changed(table, lambda _, row: row[2] == part)) == base, f"{part} rows leak"
    # The last training row before the cut of trial 2 has itself as its only later neighbour.
    assert trained(scratch, "train", changed(table, lambda i, _: i == 2 * LENGTH + 6)) != base
    return base


def windows_matter(scratch, table, base):
    others = {"alone": "{bins: 1}", "longer": "{bins: 7, group: trial}", "past": "{bins: 5, at: past, group: trial}",
              "ungrouped": "{bins: 5}"}
    kinds = [base] + [trained(scratch, name, table, window=window) for name, window in others.items()]
    names = [{k: t[1] for k, t in kind.items()} for kind in kinds]  # shapes differ with the length alone
    assert names[0] == names[3] == names[4] != names[1] != names[2]
    for i, kind in enumerate(kinds):
        assert all(kind != other for other in kinds[:i])


def rows_alone_are_rows_among_others(scratch, table):
    for sparse, encoder in (("false", "{hidden: [8]}"), ("true", "{kind: gru, state: 6, hidden: [8]}")):
        # Trials that are new to a covariate are groups nevertheless.
        run = train(scratch, f"embed-{sparse}", table, sparse=sparse, encoder=encoder, told=", covariates: [trial]")
        among = embedded(run)
        alone = scratch / "alone.csv"
        write(alone, [[row[0], f"new {row[1]}", row[2], *row[3:]] for row in table if row[2] == "test"])
        found = embedded(run, "--data", alone)
        assert sorted(found) == sorted(row[0] for row in table if row[2] == "test")
        for row, z in found.items():
            assert len(z) == 6 and max(abs(a - b) for a, b in zip(z, among[row])) < 1e-5, row


def the_same_bits(scratch, table):
    conv = {"encoder": "{kind: conv, channels: [4], hidden: [8]}"}
    one = trained(scratch, "one", table, "--threads", 1, **conv)
    assert trained(scratch, "two", table, "--threads", 2, **conv) == one
    run = train(scratch, "resumed", table, epochs=1, **conv)
    spec = run.parent / "spec.yaml"
    spec.write_text(spec.read_text().replace("epochs: 1", "epochs: 3"))
    stele("train", spec, "--run", run, "--quiet", "--resume")
    assert tensors(run / "last.safetensors") == one


def main():
    table = rows()
    with tempfile.TemporaryDirectory() as name:
        scratch = pathlib.Path(name)
        windows_matter(scratch, table, no_part_sees_another(scratch, table))
        rows_alone_are_rows_among_others(scratch, table)
        the_same_bits(scratch, table)
    print("ok")


if __name__ == "__main__":
    STELE = pathlib.Path(sys.argv[1]).resolve()
    main()
