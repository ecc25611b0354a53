#!/usr/bin/env python3
"""Every option changes something. options.py STELE [NAME...]

`stele schema` tells what options there are: of the host's sections and of every plugin. For each one two small models
are trained that differ in nothing but this option; options.txt says to which value it is set and what is compared.
An option without a line there fails the test, and so does a line without an option.
"""

import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from same_bits import tensors  # noqa: E402

TOP = pathlib.Path(__file__).resolve().parents[2]
TABLE = pathlib.Path(__file__).resolve().with_suffix(".txt")
WORDS = {"@FIXTURES@": str(TOP / "tests/golden/fixtures"), "@TABLES@": str(TOP / "tests/unit/fixtures/table"),
         "@SMALL@": str(TOP / "tests/unit/fixtures"), "@CONFIGS@": str(TOP / "configs")}
SPEC = """stele: 1
name: options
data:
  source: simulate
  n_rows: 60
  n_genes: 12
  n_peaks: 20
  n_classes: 2
  n_batches: 2
  split: {train: 0.8, valid: 0.2, test: 0}
latent: {dim: 3}
modalities:
  x: {plugin: nb_counts, from: rna, encoder: {hidden: [6]}, decoder: {hidden: [6]}}
  y: {plugin: bernoulli_peaks, from: atac, encoder: {hidden: [6]}, decoder: {hidden: [6]}}
fusion: {plugin: poe}
heads:
  x: {plugin: classifier, target: class}
train: {epochs: 2, batch_size: 16}
"""
# Where the options of a plugin stand in this spec, and the key that names the plugin.
PLACES = {"modality": ("modalities.x", "plugin"), "fusion": ("fusion", "plugin"), "head": ("heads.x", "plugin"),
          "data": ("data", "source")}


def leaves(schema, path=""):
    """Paths of the keys that have a value; a mapping of names that the user chooses is one."""
    for name, value in schema.get("properties", {}).items():
        at = f"{path}.{name}" if path else name
        mapping = next((s for s in [value, *value.get("anyOf", [])] if "properties" in s), None)
        if mapping is not None:
            yield from leaves(mapping, at)
        elif "$ref" not in str(value):
            yield at


def options_of(schema):
    """train.epochs of the host and KIND/NAME:OPTION of plugins. Those of a source among several are the same again."""
    evaluations = schema["properties"].pop("evaluate")["items"]["anyOf"][1]
    for section in ("data", "fusion"):  # their keys stand in every plugin's definition
        del schema["properties"][section]
    found = list(leaves(schema)) + [f"evaluate.{path}" for path in leaves(evaluations)]
    plugins = []
    for name, definition in schema["definitions"].items():
        kind, _, plugin = name.partition("-")
        if kind in PLACES and plugin:
            plugins.append(f"{kind}/{plugin}")
            found += [f"{kind}/{plugin}:{path}" for path in leaves(definition) if path != PLACES[kind][1]]
    return found, plugins


def read_table():
    table = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        for word, text in WORDS.items():
            line = line.replace(word, text)
        name, *words = shlex.split(line, comments=True) or [None]
        if name:
            table.setdefault(name, []).append(words)
    return table


def evaluation_with(name, options):
    return f"{{{name}: {{{', '.join(f'{k}: {v}' for k, v in options.items())}}}}}"


class Case:
    """Settings of both trainings, of the other one alone, and what is compared."""

    def __init__(self, name, words, common):
        plugin, _, option = name.rpartition(":")
        self.name, self.both, self.other, self.see, self.codes = name, list(common), [], "parameters", (0,)
        if plugin:
            place, key = PLACES[plugin.split("/")[0]]
            self.both.insert(0, f"{place}.{key}={plugin.split('/')[1]}")
            option = f"{place}.{option}"
        if option.startswith("evaluate."):
            evaluation, _, key = option.removeprefix("evaluate.").partition(".")
            given = dict(w.removeprefix("with:").split(":") for w in words[1:])
            self.both.append(f"evaluate=[{evaluation_with(evaluation, given)}]")
            self.other.append(f"evaluate=[{evaluation_with(evaluation, {**given, key: words[0]})}]")
            self.see = "figures"
            return
        self.other.append(f"{option}={words[0]}")
        for word in words[1:]:
            if word.startswith("see:"):
                self.see = word.removeprefix("see:")
            elif word.startswith("exit:"):
                self.codes = (int(word.removeprefix("exit:")),)
            elif word.startswith("+"):
                self.other.append(word[1:])
            else:
                self.both.append(word)


def outcome(stele, sets, see, codes):
    """What is compared, of a training with these settings."""
    with tempfile.TemporaryDirectory() as scratch:
        pathlib.Path(scratch, "spec.yaml").write_text(SPEC, encoding="utf-8")
        command = [stele, "train", "spec.yaml", "--quiet", "--threads", "1"]
        done = subprocess.run(command + [w for s in sets for w in ("--set", s)], cwd=scratch, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if see == "refusal":
            return done.returncode
        if done.returncode not in codes:
            raise AssertionError(f"exit status {done.returncode} with {' '.join(sets)}\n{done.stdout}")
        folder, = (p.parent for p in pathlib.Path(scratch).rglob("resolved.yaml"))
        if see == "folder":
            return str(folder.relative_to(scratch))
        if see == "kept":
            return (folder / "last.safetensors").read_bytes()
        if see == "best":
            return json.loads((folder / "summary.json").read_text(encoding="utf-8"))["best_epoch"]
        if see == "prior":
            kept = folder / "prior.safetensors"
            return kept.is_file() and kept.read_bytes()
        if see == "metrics":
            return (folder / "metrics.jsonl").read_text(encoding="utf-8")
        if see == "figures":
            done = subprocess.run([stele, "eval", folder, "--json", "--quiet", "--split", "all"], text=True,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
            report = json.loads(done.stdout)
            report["coherent"] = report.get("coherence", {}).get("modalities")  # without what only repeats the options
            return {k: v for k, v in report.items() if k in ("posteriors", "cross", "calibration", "fusion", "coherent")}
        return {n: t for n, t in tensors(folder / "last.safetensors").items() if not n.startswith("moment")}


def check(stele, case):
    """None, or what is wrong."""
    try:
        same = outcome(stele, case.both, case.see, case.codes) == \
            outcome(stele, case.both + case.other, case.see, case.codes)
    except AssertionError as error:
        return f"{case.name}: {error}"
    return f"{case.name}: {' '.join(case.other)} changes nothing in {case.see}; in both: {case.both}" if same else None


def cases_of(options, plugins, table):
    """Cases, and what is wrong with the table."""
    cases, wrong, used = [], [], set(plugins)
    for name in options:
        plugin, _, option = name.rpartition(":")
        line = name if name in table else f"{plugin.split('/')[0]}/*:{option}"
        used.add(line)
        if line not in table:
            wrong.append(f"{name}: no line says what it changes: add one to {TABLE.relative_to(TOP)}, as in its first lines")
        common = [word for words in table.get(plugin, []) for word in words]
        cases += [Case(name, words, common) for words in table.get(line, []) if words[:1] != ["-"]]
    wrong += [f"{name}: there is no such option, but a line in {TABLE.relative_to(TOP)}" for name in table.keys() - used]
    return cases, wrong


def main():
    stele = str(pathlib.Path(sys.argv[1]).resolve())
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    schema = json.loads(subprocess.run([stele, "schema"], stdout=subprocess.PIPE, check=True).stdout)
    cases, wrong = cases_of(*options_of(schema), read_table())
    cases = [c for c in cases if not sys.argv[2:] or c.name in sys.argv[2:]]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        wrong += [text for text in pool.map(lambda case: check(stele, case), cases) if text]
    print("\n".join(wrong + [f"{len(cases)} options tried, {len(wrong)} wrong"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
