#!/usr/bin/env python3
"""A program with all plugins linked in needs none beside it. preload.py MESON

Configures a build with -Dpreload=all in a scratch folder, without optimisation, and builds the program alone. It lists every
plugin of the project as built in and trains with them, where no other plugin can be found.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
SPEC = """stele: 1
name: linked
data: {source: simulate, n_rows: 60, n_genes: 20, n_peaks: 30}
latent: {dim: 3}
modalities:
  rna: {plugin: nb_counts, encoder: {hidden: [8]}, decoder: {hidden: [8]}}
  atac: {plugin: bernoulli_peaks, encoder: {hidden: [8]}, decoder: {hidden: [8]}}
fusion: {plugin: moe}
heads:
  class: {plugin: classifier, target: class}
train: {epochs: 2, batch_size: 16}
"""
FROM_A_FILE = [f"data={{source: h5mu, path: {TOP}/configs/data/cortex-sample.h5mu}}", "fusion.plugin=poe",
               "heads.class.target=cell_class"]


def run(*command, **more):
    done = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **more)
    assert done.returncode == 0, f"exit status {done.returncode} of: {' '.join(map(str, command))}\n{done.stdout}"
    return done.stdout


def train(stele, folder, env, sets):
    """Ids and origins of the plugins that the summary names."""
    words = [word for s in sets for word in ("--set", s)]
    run(stele, "train", folder.parent / "spec.yaml", "--run", folder, "--quiet", *words, env=env)
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 2
    return {p["id"]: p["origin"] for p in json.loads((folder / "summary.json").read_text())["plugins"]}


def main():
    plugins = {f"{p.parts[-3]}/{p.parts[-2]}" for p in TOP.glob("plugins/*/*/meson.build")
               if "plugins += " in p.read_text(encoding="utf-8")}
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        build, env = scratch / "build", {**os.environ, "STELE_PLUGIN_PATH": str(scratch / "nowhere")}
        run(sys.argv[1], "setup", build, TOP, "-Dpreload=all", "--buildtype=debug", "-Doptimization=0")
        run(sys.argv[1], "compile", "-C", build, "-j", "2", "stele")
        assert not list(build.glob("plugins/**/*.so")), "plugins to be loaded were built as well"
        listed = dict(re.findall(r"^(\w+/\w+) .*\n +(.*)$", run(build / "stele", "plugins", env=env), re.M))
        print(listed)
        assert listed == dict.fromkeys(plugins, "built in"), f"expected: {sorted(plugins)}"
        (scratch / "spec.yaml").write_text(SPEC, encoding="utf-8")
        used = {**train(build / "stele", scratch / "simulated", env, []),
                **train(build / "stele", scratch / "file", env, FROM_A_FILE)}
        assert used.items() <= listed.items() and len(used) >= 7, used
    return 0


if __name__ == "__main__":
    sys.exit(main())
