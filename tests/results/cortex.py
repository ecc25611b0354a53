#!/usr/bin/env python3
"""Train configs/cortex.yaml with several seeds and print the tables of docs/results.md.

    cortex.py STELE FOLDER [--seeds N] [--set KEY=VALUE]...

FOLDER keeps the runs; a run that is finished there is not trained again. Held-out figures are those of the random test
rows of each seed; "all cells" come from a second training on 90 % of the rows (10 % choose the epoch), scored on all of
them, as is usual in the field. Needs ../shared/data/snare-mouse-cortex.
"""
import argparse
import json
import math
import pathlib
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[2]
ALL_CELLS = "data.split={train: 0.9, valid: 0.1, test: 0.0}"


def run(command):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"exit status {done.returncode} of: {' '.join(map(str, command))}")
    return done.stdout


def trained(stele, folder, seed, sets):
    if not (folder / "summary.json").is_file():
        words = [word for change in [f"seed={seed}", *sets] for word in ("--set", change)]
        run([stele, "train", TOP / "configs/cortex.yaml", "--run", folder, "--resume", "--quiet", *words])
    return folder


def scored(stele, folder, split):
    result = folder / f"eval-{split}.json"
    if not result.is_file():
        run([stele, "eval", folder, "--split", split])
    return json.loads(result.read_text())


def leaves(node, path=()):
    """Every number of a JSON object by its path."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from leaves(value, (*path, key))
    elif isinstance(node, list):
        for i, value in enumerate(node):
            name = value.get("name", i) if isinstance(value, dict) else i
            yield from leaves(value, (*path, str(name)))
    elif isinstance(node, (int, float)) and not isinstance(node, bool):
        yield path, float(node)


def summary(reports):
    """Mean and standard deviation over seeds of every figure."""
    table = {}
    for report in reports:
        for path, value in leaves(report):
            table.setdefault(path, []).append(value)
    for path, values in table.items():
        mean = sum(values) / len(values)
        sd = math.sqrt(sum((v - mean) ** 2 for v in values) / max(1, len(values) - 1))
        yield path, mean, sd, values


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stele")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    for title, split, sets in (("held out", "test", []), ("all cells", "all", [ALL_CELLS])):
        reports = []
        for seed in range(1, options.seeds + 1):
            folder = options.folder / f"{split}-{seed}"
            reports.append(scored(options.stele, trained(options.stele, folder, seed, [*sets, *options.set]), split))
        print(f"\n{title}: mean (standard deviation) over {options.seeds} seeds")
        for path, mean, sd, values in summary(reports):
            print(f"{'.'.join(path):60} {mean:12.4f} ({sd:.4f})   {' '.join(f'{v:.4f}' for v in values)}")


if __name__ == "__main__":
    main()
