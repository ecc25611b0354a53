#!/usr/bin/env python3
"""Data larger than the memory they may take. large_run.py STELE FOLDER [SCALE]

Writes a dense .npy file of 2 GB, a CSV table of 1 GB and one of half a GB that is mostly zeros (times SCALE) into a
folder of its own in FOLDER, checks and trains a spec on each, evaluates the run, and asks the system for the peak of each
process's resident memory: at most 300 MB. The loss has to be that of the numbers written, so that no row was read as
another. Times are shown, not judged.
"""

import array
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

MOST_MB = 300
SPEC = """stele: 1
name: large
seed: 1
data: {{{data}, split: {{train: 0.8, valid: 0.1, test: 0.1}}}}
latent: {{dim: 2}}
modalities:
  x: {{plugin: {plugin}, from: {field}, encoder: {{hidden: [8]}}, decoder: {{hidden: [8]}}}}
fusion: poe
train: {{epochs: 1, batch_size: 64, optimiser: {{lr: 0.005}}}}
evaluate: [likelihood]
output: {{dir: run}}
"""


ROWS = 500


def numbers(width):
    """Different rows, of which the files are made: two factors and noise, so that there is something to learn."""
    draw = random.Random(1)
    values = []
    for _ in range(ROWS):
        factor = draw.gauss(0, 1), draw.gauss(0, 1)
        values.append([factor[j % 2] + 0.5 * draw.gauss(0, 1) for j in range(width)])
    return values


def write_npy(path, size):
    row = [array.array("f", v).tobytes() for v in numbers(2000)]
    n = int(size // len(row[0]))
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({n}, 2000), }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode())
        for i in range(n):
            f.write(row[i * 37 % ROWS])
    return n


def write_csv(path, size):
    row = [",".join(f"{x:.4f}" for x in v) for v in numbers(400)]
    written = n = 0
    with open(path, "w") as f:
        f.write("id," + ",".join(f"f{j}" for j in range(400)) + "\n")
        while written < size:
            written += f.write(f"row-{n},{row[n * 37 % ROWS]}\n")
            n += 1
    return n


SPARSE_WIDTH, SPARSE_ENTRIES = 4000, 40


def write_sparse(path, size):
    """Counts of 1 to 3 in one column of a hundred."""
    draw = random.Random(1)
    row = []
    for _ in range(ROWS):
        cells = ["0"] * SPARSE_WIDTH
        for j in draw.sample(range(SPARSE_WIDTH), SPARSE_ENTRIES):
            cells[j] = str(draw.randint(1, 3))
        row.append(",".join(cells))
    written = n = 0
    with open(path, "w") as f:
        f.write("id," + ",".join(f"f{j}" for j in range(SPARSE_WIDTH)) + "\n")
        while written < size:
            written += f.write(f"row-{n},{row[n * 37 % ROWS]}\n")
            n += 1
    return n


def run(folder, *command):
    """Standard output, and the peak of the process in MB."""
    start = time.monotonic()
    with open(folder / "said", "w") as said:
        process = subprocess.Popen(command, cwd=folder, stdout=said, stderr=subprocess.STDOUT)
        _, code, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(code)
    peak = usage.ru_maxrss / 1024
    print(f"  {command[1]}: peak {peak:.0f} MB of {MOST_MB}, {time.monotonic() - start:.0f} s", flush=True)
    text = (folder / "said").read_text()
    assert process.returncode == 0, text
    assert peak <= MOST_MB, f"{command[1]} took {peak:.0f} MB\n{text}"
    return text


def try_one(stele, folder, name, write, size, data, plugin, field, numbers, least, most):
    """`least` to `most`: nats for each of the `numbers` of a row."""
    n = write(folder / name, size)
    (folder / "spec.yaml").write_text(SPEC.format(data=data, plugin=plugin, field=field))
    print(f"{name}: {(folder / name).stat().st_size / 1e6:.0f} MB, {n} rows", flush=True)
    run(folder, stele, "check", "spec.yaml")
    run(folder, stele, "train", "spec.yaml")
    run(folder, stele, "eval", "run")
    last = json.loads((folder / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    per_number = last["valid"]["loss"] / numbers
    assert least < per_number < most, f"{per_number} nats for each number"
    shutil.rmtree(folder / "run")
    (folder / name).unlink()


def main():
    stele = str(pathlib.Path(sys.argv[1]).resolve())
    scale = float(sys.argv[3]) if len(sys.argv) > 3 else 1.0
    with tempfile.TemporaryDirectory(dir=sys.argv[2], prefix="large-run-") as folder:
        os.environ["TMPDIR"] = folder
        folder = pathlib.Path(folder).resolve()
        # Noise of 0.5 on each number is 0.73 nats; without the factors it is 1.53.
        try_one(stele, folder, "x.npy", write_npy, 2e9 * scale, "source: npy, path: x.npy", "gaussian", "x", 2000, 0.5, 1.3)
        try_one(stele, folder, "x.csv", write_csv, 1e9 * scale, "source: table, path: x.csv, key: id", "gaussian", "X", 400,
                0.5, 1.3)
        # An entry among a hundred numbers is log(100) + 1 nats with those of the zeros, and log(3) for its value.
        try_one(stele, folder, "s.csv", write_sparse, 0.5e9 * scale,
                "source: table, path: s.csv, key: id, sparse: true", "nb_counts", "X", SPARSE_ENTRIES, 6.5, 10.5)
    print("3 passed, 0 failed, 0 skipped")


if __name__ == "__main__":
    main()
