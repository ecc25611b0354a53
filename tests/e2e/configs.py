#!/usr/bin/env python3
"""Every spec in configs/: `stele check` accepts it and one epoch of it runs; so do variants of
the demo. configs.py STELE [NAME]...

A spec whose data are not on this machine is skipped; exit status 77 if that holds for all.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
VARIANTS = {
    "demo.yaml": (["fusion=moe"],
                  ["modalities.rna.decoder.covariates=[library]",
                   "modalities.atac.encoder.covariates=[library, cell_class]"],
                  ["objective.subsets=all+random:1", "objective.reconstruct=own", "data.missing={atac: 0.5}"]),
}
# Sweeps are cut to that many points.
SWEEPS = {"compare-fusion.yaml": ["sweep.grid={fusion: [poe, jsd], seed: [1, 2]}"]}
SWEPT = ("sweep.yaml", "runs.csv", "table.csv", "table.md")
RESULTS = ("spec.yaml", "resolved.yaml", "data.json", "metrics.jsonl", "best.safetensors", "last.safetensors", "summary.json")


def missing_data(spec):
    """The first `path:` of the spec that leads nowhere, or None."""
    for line in spec.read_text(encoding="utf-8").splitlines():
        hit = re.search(r"\bpath:\s*([^\s,}#]+)", line.split(" #")[0])
        if hit and not (spec.parent / hit[1].strip("'\"")).exists():
            return hit[1]
    return None


def each_spec(stele, only, check):
    """Exit status of a test of every shipped spec, or of those named: check(stele, spec, folder) gives a line and
    whether it is good, for each thing that is checked."""
    passed = failed = skipped = 0
    with tempfile.TemporaryDirectory() as scratch:
        for spec in sorted((TOP / "configs").glob("*.yaml")):
            if only and spec.stem not in only:
                continue
            lost = missing_data(spec)
            if lost:
                print(f"{spec.name}: skipped, {lost} is not here")
                skipped += 1
                continue
            for what, good in check(stele, spec, pathlib.Path(scratch) / spec.stem):
                print("ok  " if good else "FAIL", f"{spec.name}: {what}", flush=True)
                passed, failed = passed + bool(good), failed + (not good)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    if failed:
        return 1
    return 0 if passed else 77


def run(command):
    """The error text of a command, or None if it went well."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL)
    if done.returncode == 0:
        return None
    return f"exit status {done.returncode} of: {' '.join(map(str, command))}\n{done.stdout}"


def trial(stele, spec, folder, changes, command="train", results=RESULTS):
    sets = [word for change in ["train.epochs=1", *changes] for word in ("--set", change)]
    error = run([stele, "check", spec])
    error = error or run([stele, command, spec, *sets, "--run", folder])
    if error is None:
        lost = [name for name in results if not (folder / name).is_file()]
        error = f"not written: {', '.join(lost)}" if lost else None
    return error


def check(stele, spec, folder):
    for i, changes in enumerate([[], ["fusion.plugin=moe"], *VARIANTS.get(spec.name, [])]):
        error = trial(stele, spec, folder / str(i), changes)
        yield " ".join([*changes, error or "trains"]), error is None
    if spec.name in SWEEPS:
        error = trial(stele, spec, folder / "sweep", SWEEPS[spec.name], "sweep", SWEPT)
        yield f"sweep {error or 'ends'}", error is None


if __name__ == "__main__":
    sys.exit(each_spec(pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:], check))
