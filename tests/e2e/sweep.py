#!/usr/bin/env python3
"""Sweeps: what they write, killed at random moments, stopped, two in one folder, runs that fail. sweep.py STELE"""

import csv
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

SPEC = """stele: 1
name: small
data: {source: simulate, n_rows: 300, n_genes: 40, n_peaks: 30}
latent: {dim: 3}
modalities:
  rna: {plugin: nb_counts, encoder: {hidden: [16]}, decoder: {hidden: [16]}}
  atac: {plugin: bernoulli_peaks, encoder: {hidden: [16]}, decoder: {hidden: [16]}}
fusion: poe
train: {epochs: EPOCHS, batch_size: 16}
evaluate: [{likelihood: {samples: 4}}]
sweep:
  grid:
    GRID
    seed: [1, 2, 3]
  metrics: {higher: [posteriors.joint.elbo, posteriors.atac.elbo], lower: [posteriors.joint.variance]}
"""
RULES = "fusion: [poe, {plugin: moe}]"
TIMES = ("seconds", "peak_gb")
KILLS = 10


def write(folder, grid=RULES, epochs=20):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spec.yaml").write_text(SPEC.replace("EPOCHS", str(epochs)).replace("GRID", grid), encoding="utf-8")


def command(stele, *more):
    return [stele, "sweep", "spec.yaml", "--run", "out", *more]


def run(stele, folder, *more):
    return subprocess.run(command(stele, *more), cwd=folder, text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def start(stele, folder, *more):
    return subprocess.Popen(command(stele, *more), cwd=folder, text=True, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def rows(folder, name):
    with open(folder / "out" / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def without_times(folder):
    return [{k: v for k, v in row.items() if k not in TIMES} for row in rows(folder, "runs.csv")]


def wait_for(what, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("waited in vain")


def children(folder, verb):
    """Processes of the program that work for this folder."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            here = entry.name.isdigit() and (entry / "cwd").resolve() == folder.resolve()
        except OSError:
            continue
        if here and len(words) > 1 and words[1] == verb.encode():
            found.append(int(entry.name))
    return found


def same(a, b):
    for name in ("table.md", "table.csv"):
        assert (a / "out" / name).read_bytes() == (b / "out" / name).read_bytes(), name
    assert without_times(a) == without_times(b)


def check_whole(stele, folder):
    """An undisturbed sweep: all files, the right numbers, and nothing done twice."""
    write(folder)
    done = run(stele, folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (folder / "out/table.md").read_text(), "the table is printed"
    assert len(re.findall(r"^\[\d/6\] ", done.stderr, re.M)) == 6, done.stderr
    for name in ("posteriors.joint.elbo-points.png", "posteriors.joint.variance-points.png"):
        assert (folder / "out" / name).read_bytes().startswith(b"\x89PNG"), name
    runs = rows(folder, "runs.csv")
    assert [(r["fusion"], r["seed"]) for r in runs] == [(f, s) for f in ("poe", "{plugin: moe}") for s in "123"]
    for r in runs:
        report = json.loads((folder / "out" / r["run"] / "eval-test.json").read_text())
        assert float(r["posteriors.joint.elbo"]) == report["posteriors"][0]["elbo"]
        assert r["failed"] == "" and r["epochs"] == "20" and float(r["peak_gb"]) > 0.001
        resolved = (folder / "out" / r["run"] / "resolved.yaml").read_text()
        assert f"seed: {r['seed']}\n" in resolved and "sweep" not in resolved
    table = rows(folder, "table.csv")
    assert len(table) == 6
    senses = {"posteriors.joint.elbo": "higher", "posteriors.atac.elbo": "higher", "posteriors.joint.variance": "lower"}
    for i, (metric, sense) in enumerate(senses.items()):
        values = {f: [float(r[metric]) for r in runs if r["fusion"] == f] for f in ("poe", "{plugin: moe}")}
        means = {f: sum(v) / 3 for f, v in values.items()}
        best = (max if sense == "higher" else min)(means.values())
        for line in table[2 * i:2 * i + 2]:
            assert line["metric"] == metric and line["better"] == sense and line["n"] == "3"
            assert abs(float(line["mean"]) - means[line["fusion"]]) < 1e-9
            assert (line["best"] == "1") == (means[line["fusion"]] == best), (metric, means, line)
    stamps = {p: p.stat().st_mtime_ns for p in (folder / "out/runs").rglob("*")}
    again = run(stele, folder, "--jobs", "1")
    assert again.returncode == 0 and again.stdout == done.stdout
    assert stamps == {p: p.stat().st_mtime_ns for p in (folder / "out/runs").rglob("*")}, "a finished run was touched"
    listed = run(stele, folder, "--list")
    assert listed.returncode == 0 and listed.stdout.count("finished") == 6, listed.stdout


def check_draws(stele, folder):
    """Drawn keys, modalities left out, rows that are validated on, a picture against the number that is swept."""
    write(folder, RULES, epochs=2)
    text = (folder / "spec.yaml").read_text()
    head = text[:text.index("sweep:")]
    (folder / "spec.yaml").write_text(head + """sweep:
  random: {latent.dim: {from: 2, to: 30, log: true}}
  draws: 3
  seed: 6
  grid: {seed: [1, 2]}
  drop: [none, atac]
  split: valid
  metrics: {higher: [posteriors.rna.elbo, posteriors.atac.elbo]}
""", encoding="utf-8")
    done = run(stele, folder)
    assert done.returncode == 0, done.stderr
    runs = rows(folder, "runs.csv")
    assert len(runs) == 12
    for r in runs:
        resolved = (folder / "out" / r["run"] / "resolved.yaml").read_text()
        assert f"dim: {r['latent.dim']}\n" in resolved and ("\n  atac:\n" in resolved) == (r["drop"] == "none"), resolved
        assert (r["posteriors.atac.elbo"] == "") == (r["drop"] == "atac")
        assert (r["posteriors.joint.elbo"] == r["posteriors.rna.elbo"]) == (r["drop"] == "atac"), r
        assert (folder / "out" / r["run"] / "eval-valid.json").exists()
        assert not (folder / "out" / r["run"] / "eval-test.json").exists()
    assert len({r["latent.dim"] for r in runs}) == 3, "an unlucky seed"
    best = [r for r in rows(folder, "table.csv") if r["best"] == "1"]
    assert len(best) == 2 and best[1]["drop"] == "none"
    assert "judged on validation rows" in done.stdout
    assert (folder / "out/posteriors.rna.elbo-line.png").read_bytes().startswith(b"\x89PNG")


def check_added(stele, folder, whole):
    """More seeds cost their own runs; another evaluation costs no training."""
    write(folder)
    assert run(stele, folder, "--set", "sweep.grid.seed=[1, 2]").returncode == 0
    trained = {p: p.stat().st_mtime_ns for p in (folder / "out/runs").rglob("best.safetensors")}
    assert len(trained) == 4
    assert run(stele, folder).returncode == 0
    same(folder, whole)
    judged = run(stele, folder, "--set", "evaluate=[{likelihood: {samples: 3}}, cross]")
    assert judged.returncode == 0, judged.stderr
    assert any("cross.rna-atac.model.auroc" in row for row in rows(folder, "runs.csv"))
    now = {p: p.stat().st_mtime_ns for p in (folder / "out/runs").rglob("best.safetensors")}
    assert len(now) == 6 and all(now[p] == t for p, t in trained.items()), "trained again"


def check_killed(stele, folder, whole, seconds):
    """Killed ten times at random moments of its life, resumed each time: the same table."""
    moments = random.Random(5)
    killed = sweeps = 0
    while killed < KILLS:  # one that came to its end between two kills is followed by another one
        sweeps += 1
        at = folder / str(sweeps)
        write(at)
        done = False
        while not done and killed < KILLS:
            child = start(stele, at, "--jobs", "2")
            try:
                child.communicate(timeout=moments.uniform(0.0, 0.6 * seconds))
                done = True
            except subprocess.TimeoutExpired:
                child.kill()
                child.communicate()
                killed += 1
        last = run(stele, at)
        assert last.returncode == 0, last.stderr
        same(at, whole)
        wait_for(lambda: not children(at, "train") and not children(at, "eval"))
    print(f"killed {killed} times in {sweeps} sweeps")


def check_stopped(stele, folder, whole):
    """Ctrl-C: checkpoints are written, and the command that goes on is told."""
    write(folder)
    child = start(stele, folder, "--jobs", "2")
    wait_for(lambda: list((folder / "out/runs").rglob("last.safetensors")))
    child.send_signal(signal.SIGINT)
    out, err = child.communicate()
    assert child.returncode == 130 and out == "", (child.returncode, out, err)
    assert "go on with: stele sweep spec.yaml --set" not in err
    assert "runs are finished; go on with: stele sweep spec.yaml --jobs 2 --run out\n" in err, err
    assert not children(folder, "train")
    assert run(stele, folder).returncode == 0
    same(folder, whole)


def check_two(stele, folder):
    """A second sweep is kept out while the first is at work, and let in once it was killed."""
    write(folder, epochs=4000)
    first = start(stele, folder)
    wait_for(lambda: children(folder, "train"))
    second = run(stele, folder)
    assert second.returncode == 3, second
    assert f"out: another sweep is at work there, process {first.pid}\n" in second.stderr, second.stderr
    first.kill()
    first.communicate()
    write(folder, epochs=1)
    third = run(stele, folder)
    assert third.returncode == 0, third.stderr


def check_failures(stele, folder):
    """Runs that fail, or are killed, are in the table with their reasons; the others are not disturbed."""
    write(folder, "train.optimiser.lr: [0.001, 1000]", epochs=400)
    child = start(stele, folder, "--jobs", "1")
    victim = wait_for(lambda: children(folder, "train"))[0]
    os.kill(victim, signal.SIGKILL)
    out, err = child.communicate()
    assert child.returncode == 1, (child.returncode, err)
    reasons = {(r["train.optimiser.lr"], r["seed"]): r["failed"] for r in rows(folder, "runs.csv")}
    assert reasons["0.001", "1"].startswith("training was ended by signal 9, Killed"), reasons
    assert reasons["0.001", "2"] == reasons["0.001", "3"] == ""
    for seed in "123":
        assert reasons["1000", seed].startswith("training failed with exit status 5: "), reasons
        assert f"- train.optimiser.lr = 1000, seed = {seed}: training failed with exit status 5" in out
    again = run(stele, folder)
    assert again.returncode == 1
    reasons = {(r["train.optimiser.lr"], r["seed"]): r["failed"] for r in rows(folder, "runs.csv")}
    assert reasons["0.001", "1"] == "" and reasons["1000", "1"] != "", reasons


def main():
    stele = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as scratch:
        top = pathlib.Path(scratch)
        began = time.monotonic()
        check_whole(stele, top / "whole")
        seconds = time.monotonic() - began
        check_added(stele, top / "added", top / "whole")
        check_draws(stele, top / "draws")
        check_killed(stele, top / "killed", top / "whole", seconds)
        check_stopped(stele, top / "stopped", top / "whole")
        check_two(stele, top / "two")
        check_failures(stele, top / "failures")


main()
