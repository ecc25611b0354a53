#!/usr/bin/env python3
"""Rows that a modality calls absent, through the whole program. absent.py STELE

Window 9 of the fixture is flat: training, embedding, resuming and new data treat the row as one that lacks the sensor. A
row of missing entries alone lacks its modality, whatever the source says.
The last line is `N passed, N failed, 0 skipped`.
"""

import csv
import pathlib
import subprocess
import sys
import tempfile

SIGNALS = pathlib.Path(__file__).resolve().parents[1] / "unit/fixtures/signals"
SPEC = f"""\
stele: 1
name: absent
data: {{source: npy, path: '{SIGNALS}', files: [windows.npy, flat.npy], split: {{train: 0.8, valid: 0.2, test: 0}}}}
latent: {{dim: 2}}
modalities:
  sensor: {{plugin: signal, from: windows, encoder: {{channels: [3], hidden: [6]}}, decoder: {{channels: [3], hidden: [6]}}}}
  other:  {{plugin: gaussian, from: flat, encoder: {{hidden: [6]}}, decoder: {{hidden: [6]}}}}
fusion: poe
train: {{epochs: 2, batch_size: 8}}
"""
FLAT, N = 9, 24
EMPTY = """\
stele: 1
name: empty
data: {source: jsonl, path: rows.jsonl, split: {train: 0.8, valid: 0.2, test: 0}}
latent: {dim: 2}
modalities:
  v: {plugin: gaussian, encoder: {hidden: [6]}, decoder: {hidden: [6]}}
  w: {plugin: gaussian, encoder: {hidden: [6]}, decoder: {hidden: [6]}}
fusion: poe
train: {epochs: 2, batch_size: 8}
"""


def run(stele, folder, *words):
    done = subprocess.run([stele, *map(str, words)], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f"{' '.join(map(str, words))}: exit status {done.returncode}\n{done.stdout}"
    return done.stdout


def embed(stele, folder, *words):
    run(stele, folder, "embed", "run", "-o", "z.csv", *words)
    with open(folder / "z.csv", newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


def numbers(row):
    return [v for k, v in row.items() if k.startswith("z")]


def check(stele, folder):
    (folder / "spec.yaml").write_text(SPEC, encoding="utf-8")
    said = run(stele, folder, "train", "spec.yaml", "--run", "run")
    yield "training says how many rows are absent", f"present in {N - 1} rows, of 1 nothing was measured" in said
    joint, other = embed(stele, folder), embed(stele, folder, "--modalities", "other")
    yield "the row lacks the sensor", [r["has_sensor"] for r in joint] == ["0" if i == FLAT else "1" for i in range(N)]
    yield "it is what the other modality says", numbers(joint[FLAT]) == numbers(other[FLAT])
    yield "no other row is", all(numbers(joint[i]) != numbers(other[i]) for i in range(N) if i != FLAT)
    new = embed(stele, folder, "--data", SIGNALS)
    yield "so it is among new data", [numbers(r) for r in new] == [numbers(r) for r in joint]
    run(stele, folder, "train", "spec.yaml", "--run", "run", "--resume", "--set", "train.epochs=3")
    yield "a training goes on", numbers(embed(stele, folder)[0]) != numbers(joint[0])


def check_empty(stele, folder):
    row = lambda i: "[null, null]" if i == FLAT else f"[{2 * i % 7}.5, {'null' if i == 0 else i % 4}]"
    lines = [f'{{"id": "r{i}", "v": {row(i)}, "w": [{i % 5}.5, {i % 3}]}}\n' for i in range(N)]
    (folder / "rows.jsonl").write_text("".join(lines), encoding="utf-8")
    (folder / "spec.yaml").write_text(EMPTY, encoding="utf-8")
    said = run(stele, folder, "train", "spec.yaml", "--run", "run")
    yield "training says how many rows are empty", f"present in {N - 1} rows, of 1 nothing was measured" in said
    joint, other = embed(stele, folder), embed(stele, folder, "--modalities", "w")
    yield "a row of missing entries lacks it", [r["has_v"] for r in joint] == ["0" if i == FLAT else "1" for i in range(N)]
    yield "and is what the other one says", numbers(joint[FLAT]) == numbers(other[FLAT])


def main():
    failed = passed = 0
    for checks in (check, check_empty):
        with tempfile.TemporaryDirectory() as scratch:
            for what, good in checks(str(pathlib.Path(sys.argv[1]).resolve()), pathlib.Path(scratch)):
                print("ok  " if good else "FAIL", what)
                passed, failed = passed + bool(good), failed + (not good)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
