#!/usr/bin/env python3
"""The same bits, whatever happens. same_bits.py STELE [--trials N] [--seed N]

Three epochs of a small spec end with the same tensors in last.safetensors and best.safetensors and the same
metrics.jsonl, byte for byte, with 1, 2 and 3 threads; when killed with SIGKILL at random moments and resumed; and when
interrupted with SIGINT, which exits with 130 and says how to go on. A third of the kills aims at the time before the
first checkpoint, a third at the time while a checkpoint or metrics are written, a third at any moment. Every other trial
has a checkpoint to go on from after each epoch; the rest go on from an earlier one than the best parameters are of.
"""

import argparse
import json
import os
import pathlib
import random
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

SPEC = """stele: 1
name: bits
data:
  source: simulate
  n_rows: 400
  n_genes: 120
  n_peaks: 700
  missing_rna: 0.2
  missing_atac: 0.2
  split: {train: 0.7, valid: 0.2, test: 0.1}
latent: {dim: 4}
modalities:
  rna:
    plugin: nb_counts
    encoder: {hidden: [64], input_dropout: 0.1}
    decoder: {hidden: [64], covariates: [class]}
  atac:
    plugin: bernoulli_peaks
    encoder: {hidden: [64], dropout: 0.1}
    decoder: {hidden: [64]}
    private: {dim: 3, cross: learned}
fusion: {plugin: moe, precision_scale: calibrated}
objective: {subsets: all+random:1}
train: {epochs: 3, batch_size: 24, schedule: {kind: cosine, warmup_epochs: 1}}
"""
MOST_RESUMES = 40


def tensors(path):
    """Names and bytes; the metadata hold nothing but the position."""
    raw = path.read_bytes()
    length, = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8:8 + length])
    header.pop("__metadata__")
    return {n: (t["dtype"], t["shape"], raw[8 + length + t["data_offsets"][0]:8 + length + t["data_offsets"][1]])
            for n, t in header.items()}


def outcome(folder):
    return tensors(folder / "last.safetensors"), tensors(folder / "best.safetensors"), \
        (folder / "metrics.jsonl").read_text()


class Trial:
    def __init__(self, stele, scratch, name, every_epochs=1):
        self.folder = scratch / name
        self.command = [stele, "train", str(scratch / "spec.yaml"), "--set",
                        f"train.checkpoint.every_epochs={every_epochs}", "--run", str(self.folder)]

    def start(self, *more):
        return subprocess.Popen(self.command + list(more), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True)

    def finish(self, *more):
        process = self.start(*more)
        text = process.communicate()[1]
        if process.returncode != 0:
            raise AssertionError(f"exit status {process.returncode} of {shlex.join(self.command + list(more))}\n{text}")

    def compare(self, expected, what):
        left = sorted(p.name for p in self.folder.iterdir() if p.name.endswith(".tmp"))
        if left:
            raise AssertionError(f"{what}: left behind: {left}")
        got = outcome(self.folder)
        for name, a, b in zip(("last.safetensors", "best.safetensors"), expected, got):
            differing = sorted(n for n in a.keys() | b.keys() if a.get(n) != b.get(n))
            if differing:
                raise AssertionError(f"{what}: {name}: {len(differing)} of {len(a)} tensors differ: {differing[:3]}")
        if got[2] != expected[2]:
            raise AssertionError(f"{what}: metrics.jsonl differs:\n{got[2]}expected:\n{expected[2]}")


def wait_for(process, condition):
    """Until the condition holds or the process has ended."""
    end = time.monotonic() + 60
    while process.poll() is None and not condition():
        if time.monotonic() > end:
            process.kill()
            process.wait()
            raise AssertionError("nothing happens for a minute")
        time.sleep(0.0002)


def wait_for_moment(process, folder, rng, duration):
    aim = rng.choice(["start", "write", "any"])
    if aim == "start":
        wait_for(process, folder.exists)
        time.sleep(rng.uniform(0, 0.006))
    elif aim == "write":
        name = rng.choice(["last.safetensors.tmp", "best.safetensors.tmp", "metrics.jsonl"])
        size = (folder / name).stat().st_size if (folder / name).exists() else 0
        wait_for(process, lambda: (folder / name).exists() and
                 (not name.endswith("jsonl") or (folder / name).stat().st_size != size))
        time.sleep(rng.uniform(0, 0.002))
    else:
        time.sleep(rng.uniform(0, duration))


def killed(trial, rng, duration):
    """Kill and resume until it comes to its end by itself; how often it was killed."""
    kills, more = 0, []
    for attempt in range(MOST_RESUMES):
        process = trial.start(*more, "--threads", str(rng.choice([1, 2, 3])))
        if kills < 3:
            wait_for_moment(process, trial.folder, rng, duration)
            process.kill()
        text = process.communicate()[1]
        if process.returncode == 0:
            return kills
        if process.returncode != -signal.SIGKILL:
            raise AssertionError(f"exit status {process.returncode} after {kills} kills\n{text}")
        kills += 1
        more = ["--resume"]
    raise AssertionError("it never ends")


def interrupted(trial, rng):
    """SIGINT twice, each time once steps were made."""
    more = []
    for _ in range(2):
        process = trial.start(*more)
        log = trial.folder / "metrics.jsonl"
        before = log.stat().st_size if log.exists() else 0
        wait_for(process, lambda: log.exists() and log.stat().st_size > before)
        time.sleep(rng.uniform(0, 0.01))
        process.send_signal(signal.SIGINT)
        text = process.communicate()[1]
        if process.returncode == 0:
            break  # it was through
        if process.returncode != 130:
            raise AssertionError(f"exit status {process.returncode} after SIGINT\n{text}")
        advice = shlex.join(["stele"] + trial.command[1:] + ["--resume"])
        if f"go on with: {advice}\n" not in text:
            raise AssertionError(f"SIGINT: no word on how to go on: {text!r}, expected {advice!r}")
        more = ["--resume"]
    if more:
        trial.finish("--resume")


def run(stele, scratch, args):
    (scratch / "spec.yaml").write_text(SPEC)
    rng = random.Random(args.seed)
    reference = Trial(stele, scratch, "reference")
    begin = time.monotonic()
    reference.finish("--threads", "1")
    duration = time.monotonic() - begin
    expected = outcome(reference.folder)
    epochs = [json.loads(line)["epoch"] for line in expected[2].splitlines()]
    if epochs != [1, 2, 3]:
        raise AssertionError(f"metrics.jsonl has epochs {epochs}")
    for n in "2", "3":
        other = Trial(stele, scratch, f"threads{n}")
        other.finish("--threads", n)
        other.compare(expected, f"{n} threads")
    print(f"1, 2 and 3 threads agree; one run takes {duration:.2f} s")
    kills = 0
    for i in range(args.trials):
        trial = Trial(stele, scratch, f"killed{i}", i % 2)
        kills += killed(trial, rng, duration)
        trial.compare(expected, f"killed, trial {i}, seed {args.seed}")
        shutil.rmtree(trial.folder)
    print(f"{args.trials} trials with {kills} kills agree")
    if kills < args.trials:
        raise AssertionError("too few kills struck to mean anything")
    trial = Trial(stele, scratch, "interrupted")
    interrupted(trial, rng)
    trial.compare(expected, "interrupted")
    print("interrupted agrees")
    reference.finish("--resume")
    reference.compare(expected, "resumed after its end")
    print("resumed after its end agrees")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stele")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as scratch:
        try:
            run(str(pathlib.Path(args.stele).resolve()), pathlib.Path(scratch), args)
        except AssertionError as error:
            print(error)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
