#!/usr/bin/env python3
"""Sources of files, trained on for an epoch: a join of several by row id, made here, and the real
sets of ../shared/data, skipped one by one where they are absent. sources.py STELE
"""

import csv
import gzip
import json
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

SHARED = pathlib.Path(__file__).resolve().parents[3] / "shared" / "data"

HEAD = """stele: 1
name: t
seed: 3
"""
TAIL = """fusion: poe
train: {epochs: 1, batch_size: 32}
evaluate: [likelihood]
"""

JOINED = HEAD + """data:
  sources:
    cells: {plugin: mtx, path: cells}
    traces: {plugin: npy, path: traces.npy, key: ids.txt}
    marks: {plugin: idx, path: ., files: [marks-idx2-ubyte.gz, group-idx1-ubyte], key: cells/barcodes.tsv}
  split: {train: 0.8, valid: 0.1, test: 0.1, stratify: group}
latent: {dim: 3}
modalities:
  rna: {plugin: nb_counts, from: gene_expression, encoder: {hidden: [8]}, decoder: {hidden: [8]}}
  protein: {plugin: nb_counts, from: "cells:antibody_capture", encoder: {hidden: [8]}, decoder: {hidden: [8]}}
  trace: {plugin: gaussian, from: traces}
  mark: {plugin: gaussian, from: "marks:marks"}
heads:
  kind: {plugin: classifier, target: group, target_type: category}
""" + TAIL

CITESEQ = HEAD + """data:
  source: mtx
  path: SHARED/citeseq-pbmc
  split: {train: 0.8, valid: 0.1, test: 0.1}
latent: {dim: 5}
modalities:
  rna: {plugin: nb_counts, from: gene_expression, features: {min_rows: 20}, encoder: {hidden: [32]}, decoder: {hidden: [32]}}
  protein: {plugin: nb_counts, from: antibody_capture, encoder: {hidden: [32]}, decoder: {hidden: [32]}}
""" + TAIL

HIPPOCAMPUS = HEAD + """data:
  source: npy
  path: SHARED/hippocampus-linear-track
  files: [counts_120cells.npy, behaviour.npy]
  names: [spikes, position]
  split: {train: 0.8, valid: 0.1, test: 0.1}
latent: {dim: 5}
modalities:
  spikes: {plugin: nb_counts, encoder: {hidden: [32]}, decoder: {hidden: [32]}}
  position: {plugin: gaussian}
""" + TAIL

REACHING = HEAD + """data:
  source: npy
  path: SHARED/motor-reaching
  files: [spikes_train.npy, velocity_train.npy, target_train.npy]
  names: [spikes, velocity, target]
  split: {train: 0.8, valid: 0.1, test: 0.1, stratify: target}
latent: {dim: 5}
modalities:
  spikes: {plugin: nb_counts, encoder: {hidden: [32]}, decoder: {hidden: [32]}}
  velocity: {plugin: gaussian}
heads:
  target: {plugin: classifier, target: target, target_type: category}
""" + TAIL


def run(*command, cwd):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, cwd=cwd)
    assert done.returncode == 0, f"exit status {done.returncode} of: {' '.join(map(str, command))}\n{done.stdout}"
    return done.stdout


def train(stele, spec, folder):
    """Rows in all and for each modality, as the program reports them."""
    (folder / "spec.yaml").write_text(spec.replace("SHARED", str(SHARED)), encoding="utf-8")
    run(stele, "check", "spec.yaml", cwd=folder)
    said = run(stele, "train", "spec.yaml", "--run", "out", cwd=folder)
    run(stele, "eval", "out", cwd=folder)
    present = dict(re.findall(r"^  (\w+): .*present in (\d+) rows", said, re.M))
    return int(re.search(r"^t: (\d+) rows", said, re.M)[1]), {k: int(v) for k, v in present.items()}, said


def write_traces(folder, ids):
    (folder / "ids.txt").write_text("\n".join(ids) + "\n")
    head = f"{{'descr': '>f4', 'fortran_order': False, 'shape': ({len(ids)}, 4), }}".ljust(117) + "\n"
    numbers = struct.pack(f">{4 * len(ids)}f", *((k * 37 % 101) / 10 for k in range(4 * len(ids))))
    (folder / "traces.npy").write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head.encode() + numbers)


def write_marks(folder, n):
    (folder / "marks-idx2-ubyte.gz").write_bytes(gzip.compress(
        struct.pack(">BBBBII", 0, 0, 8, 2, n, 2) + bytes(k * 13 % 200 for k in range(2 * n)), mtime=0))
    (folder / "group-idx1-ubyte").write_bytes(struct.pack(">BBBBI", 0, 0, 8, 1, n) + bytes(k % 3 for k in range(n)))


def check_other_rows(stele, folder):
    """Other files in place of some of the sources: their rows alone, joined with what other sources have of them."""
    new = folder / "new"
    (new / "cells").mkdir(parents=True)
    write_traces(new, ["new0", "new1", "cell5"])
    write_marks(new, 3)
    (new / "cells/barcodes.tsv").write_text("new0\nnew2\nnew3\n")

    def rows(*words):
        said = run(stele, *words, cwd=folder)
        with open(folder / "other.csv", newline="", encoding="utf-8") as file:
            return [[r["id"]] + [r[f"has_{m}"] for m in ("rna", "protein", "trace", "mark")]
                    for r in csv.DictReader(file)], said

    found, said = rows("predict", "out", "traces=new/traces.npy", "-o", "other.csv", "--quiet")
    assert sorted(found) == [["cell5", "1", "1", "1", "1"], ["new0", "0", "0", "1", "0"],
                             ["new1", "0", "0", "1", "0"]], found
    assert said.count("warning: 1 of 3 rows have `") == 3 and "`mark` from the run's own source `marks`" in said, said
    found, _ = rows("embed", "out", "--data", "traces=new/traces.npy", "--data", "marks=new", "-o", "other.csv")
    assert sorted(found) == [["cell5", "1", "1", "1", "0"], ["new0", "0", "0", "1", "1"],
                             ["new1", "0", "0", "1", "0"], ["new2", "0", "0", "0", "1"],
                             ["new3", "0", "0", "0", "1"]], found
    for words, code, text in [
            (["predict", "out", "traces=new/traces.npy", "traces=new/traces.npy", "-o", "other.csv"], 2,
             "--data names the source `traces` twice"),
            (["predict", "out", "trace=new/traces.npy", "-o", "other.csv"], 2, "there are: cells, traces, marks"),
            (["predict", "out", "new/traces.npy", "-o", "other.csv"], 2, "write --data NAME=PATH"),
            (["score", "out", "--data", "marks=new"], 3, "none of 3 rows has both `rna` and `mark`: the pair is left out"),
            (["score", "out", "--data", "traces=new/traces.npy"], 0, "1 of 3 rows have `rna` from the run's own source `cells`")]:
        done = subprocess.run([stele, *words], cwd=folder, capture_output=True, text=True)
        assert done.returncode == code and text in done.stderr, (words, done.returncode, done.stderr)


def test_join(stele, folder):
    """120 cells; traces of every second of them and of 30 other rows; marks of all cells."""
    n, genes, proteins = 120, 15, 3
    cells = folder / "cells"
    cells.mkdir()
    entries = [(j + 1, i + 1, (i * 7 + j * 5) % 6 + 1) for j in range(genes + proteins) for i in range(n)
               if (i + j) % 2 == 0 or j >= genes]
    text = f"%%MatrixMarket matrix coordinate integer general\n{genes + proteins} {n} {len(entries)}\n"
    text += "".join("%d %d %d\n" % e for e in entries)
    (cells / "matrix.mtx.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    types = ["Gene Expression"] * genes + ["Antibody Capture"] * proteins
    (cells / "features.tsv").write_text("".join(f"f{j}\tname{j}\t{t}\n" for j, t in enumerate(types)))
    (cells / "barcodes.tsv").write_text("".join(f"cell{i}\n" for i in range(n)))
    ids = [f"cell{i}" for i in range(n - 2, -1, -2)] + [f"other{i}" for i in range(30)]
    write_traces(folder, ids)
    write_marks(folder, n)
    rows, present, _ = train(stele, JOINED, folder)
    assert (rows, present) == (150, {"rna": 120, "protein": 120, "trace": 90, "mark": 120}), (rows, present)
    state = json.loads((folder / "out" / "data.json").read_text(encoding="utf-8"))
    assert "name14" in json.dumps(state) and "name15" in json.dumps(state), "the features' names are not in the run"
    check_other_rows(stele, folder)


def test_citeseq_pbmc(stele, folder):
    rows, present, said = train(stele, CITESEQ, folder)
    assert (rows, present) == (1372, {"rna": 1372, "protein": 1372}), (rows, present)
    assert "protein: 10 features" in said, said


def test_hippocampus_linear_track(stele, folder):
    rows, present, said = train(stele, HIPPOCAMPUS, folder)
    assert (rows, present) == (2818, {"spikes": 2818, "position": 2818}), (rows, present)
    assert "spikes: 120 features" in said, said


def test_motor_reaching(stele, folder):
    rows, present, said = train(stele, REACHING, folder)
    assert (rows, present) == (1200, {"spikes": 1200, "velocity": 1200}), (rows, present)


def main():
    stele = pathlib.Path(sys.argv[1]).resolve()
    passed = failed = skipped = 0
    for name, test in sorted((k, v) for k, v in globals().items() if k.startswith("test_")):
        data = name[len("test_"):].replace("_", "-")
        if data != "join" and not (SHARED / data).is_dir():
            print(f"{data}: skipped, the data are not here")
            skipped += 1
            continue
        with tempfile.TemporaryDirectory() as scratch:
            try:
                test(stele, pathlib.Path(scratch))
                passed += 1
            except AssertionError as e:
                failed += 1
                print(f"{name}: {e}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
