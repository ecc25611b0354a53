#!/usr/bin/env python3
"""A plugin written in C++ is built without a warning, passes stele-check and trains.

cxx.py STELE STELE_CHECK INCLUDE_FOLDER: with every C++ compiler that is there; 77 without any.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLES = HERE.parents[1] / "docs" / "examples"
SOURCE, MAP = EXAMPLES / "product.cpp", EXAMPLES / "plugin.map"
WARN = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror"]
SPEC = """stele: 1
name: cxx
seed: 3
data: {source: simulate, n_rows: 80, n_genes: 30, n_peaks: 40, split: {train: 0.6, valid: 0.2, test: 0.2}}
latent: {dim: 2}
modalities:
  rna: {plugin: nb_counts, encoder: {hidden: [4]}, decoder: {hidden: [4]}}
  atac: {plugin: bernoulli_peaks, encoder: {hidden: [4]}, decoder: {hidden: [4]}}
fusion: {plugin: product, sharpness: 1.5}
train: {epochs: 2, batch_size: 16}
"""


def run(command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    if done.returncode != 0:
        print(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}")
    return done


def try_compiler(compiler, stele, check, include, top):
    module = top / compiler / "fusion" / "product.so"
    module.parent.mkdir(parents=True)
    built = run([compiler, "-std=c++17", *WARN, "-O2", "-fPIC", "-shared", "-fvisibility=hidden", f"-I{include}",
                 str(SOURCE), "-Wl,-z,now", "-Wl,-z,defs", f"-Wl,--version-script={MAP}", "-o", str(module)])
    if built.returncode != 0 or run([check, module]).returncode != 0:
        return False
    (top / "spec.yaml").write_text(SPEC)
    env = {**os.environ, "STELE_PLUGIN_PATH": str(top / compiler)}
    trained = run([stele, "train", "spec.yaml", "--run", f"run-{compiler}"], cwd=top, env=env)
    losses = (top / f"run-{compiler}" / "metrics.jsonl")
    if trained.returncode != 0 or len(losses.read_text().splitlines()) != 2:
        print(f"{compiler}: no two epochs\n{trained.stdout}")
        return False
    return True


def main():
    stele, check, include = (pathlib.Path(a).resolve() for a in sys.argv[1:4])
    compilers = [c for c in ("g++", "clang++") if shutil.which(c)]
    absent = 2 - len(compilers)
    with tempfile.TemporaryDirectory() as top:
        failed = sum(not try_compiler(c, stele, check, include, pathlib.Path(top)) for c in compilers)
    print(f"{len(compilers) - failed} passed, {failed} failed, {absent} skipped")
    return 1 if failed else 0 if compilers else 77


sys.exit(main())
