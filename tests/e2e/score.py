#!/usr/bin/env python3
"""What `stele score` compares rows with: the validation rows' pairs, which the run folder keeps. score.py STELE"""
import csv
import json
import pathlib
import random
import struct
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from cases import run_cases  # noqa: E402
from same_bits import tensors  # noqa: E402

SPEC = """stele: 1
name: t
seed: 3
data:
  sources:
    left: {plugin: table, path: DATA/left.csv, key: id}
    right: {plugin: table, path: DATA/right.csv, key: id}
  split: SPLIT
latent: {dim: 3}
modalities:
  left: {plugin: gaussian, encoder: {hidden: [16]}, decoder: {hidden: [16]}}
  right: {plugin: gaussian, encoder: {hidden: [16]}, decoder: {hidden: [16]}}
fusion: poe
objective: {subsets: all+single, reconstruct: present}
train: {epochs: 30, batch_size: 32, threads: 1, optimiser: {lr: 0.03}}
"""
SIZES = {"left": 6, "right": 5}
WEIGHT = {name: [[random.Random(f"{name}{j}{d}").gauss(0, 1) for d in range(3)] for j in range(size)] for name, size in SIZES.items()}


def run(*command, code=0):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == code, f"exit status {done.returncode} of {' '.join(map(str, command))}\n{done.stderr}"
    return done


def write(folder, n, mismatched=0, noise=0.5, seed=1, only=None):
    """n rows of two measurements of a z of three dimensions; the first `mismatched` have that of another row at the right.
    only: row -> the one side that it has."""
    rng = random.Random(seed)
    folder.mkdir()
    z = [[rng.gauss(0, 1) for _ in range(3)] for _ in range(n)]
    for name, weight in WEIGHT.items():
        with open(folder / f"{name}.csv", "w", encoding="utf-8") as f:
            f.write("id," + ",".join(f"{name}{j}" for j in range(len(weight))) + "\n")
            for i in range(n):
                of = z[(i + 1) % mismatched if name == "right" and i < mismatched else i]
                values = [sum(a * b for a, b in zip(w, of)) + noise * rng.gauss(0, 1) for w in weight]
                if only is None or only(i) in (None, name):
                    f.write(f"row{seed}_{i}," + ",".join(f"{v:.5f}" for v in values) + "\n")


def train(stele, folder, split="{train: 0.6, valid: 0.2, test: 0.2}", sets=(), spec=SPEC, **data):
    write(folder / "data", **data)
    (folder / "spec.yaml").write_text(spec.replace("DATA", str(folder / "data")).replace("SPLIT", split), encoding="utf-8")
    run(stele, "train", folder / "spec.yaml", "--run", folder / "run", "--quiet", *(w for s in sets for w in ("--set", s)))
    return folder / "run"


def score(stele, run_folder, *words):
    """Rows of the one pair by id, its summary, what was said, and the rows as a text."""
    out = run_folder.parent / "s.csv"
    done = run(stele, "score", run_folder, *words, "-o", out, "--json", "--resamples", 0)
    pair, = json.loads(done.stdout)["pairs"]
    with open(out, encoding="utf-8", newline="") as f:
        return {r["id"]: r for r in csv.DictReader(f)}, pair, done.stderr, out.read_text()


def new(folder, *words, **data):
    """Words that name new rows."""
    if data:
        write(folder, **data)
    return (*(f"{name}={folder}/{name}.csv" for name in WEIGHT), *words)


def scores(rows):
    return {i: float(r["log_bayes_factor"]) for i, r in rows.items()}


def expect_p(rows, matched, what):
    """p_match counts the pairs of `matched` that agree as little as the row's own, which counts as one of them."""
    for i, own in scores(rows).items():
        low, n = sum(v <= own for v in matched.values()), len(matched)
        want = low / n if i in matched else (low + 1) / (n + 1)
        assert abs(float(rows[i]["p_match"]) - want) < 1e-12, (what, i, rows[i], want)
        assert rows[i]["flagged"] == str(int(want < 0.05)), (what, rows[i])


def check_own(stele, run_folder, words):
    valid, pair, said, _ = score(stele, run_folder, *words, "--split", "valid")
    assert "p_match compares the validation rows with each other: about 5 % are flagged" in said, said
    assert "--split test, or new data" in said and pair["reference_rows"] == pair["rows"] == len(valid) == 80, pair
    matched = scores(valid)
    for part, n in ("test", 80), ("train", 240), ("valid", 80), ("all", 400):
        rows, pair, said, _ = score(stele, run_folder, *words, "--split", part)
        assert (pair["rows"], pair["reference_rows"], len(rows)) == (n, 80, n), pair
        assert part == "valid" or said == "", said
        expect_p(rows, matched, (part, words))
        assert pair["flagged"] == sum(r["flagged"] == "1" for r in rows.values()), pair
    return matched


def check_file(file, matched):
    """Ascending scores of either checkpoint."""
    for name, own in matched.items():
        kind, shape, raw = file[f"{name}.left.right"]
        values = list(struct.unpack(f"<{len(raw) // 4}f", raw))
        assert (kind, shape) == ("F32", [80]) and values == sorted(values), (kind, shape)
        assert all(abs(a - b) < 1e-5 * max(1, abs(b)) for a, b in zip(values, sorted(own.values()))), name


def own_rows(stele, folder):
    """By the file, without it, and where it is of other parameters or damaged: always the same."""
    run_folder = train(stele, folder, n=400)
    kept = run_folder / "score.safetensors"
    held = kept.read_bytes()
    matched = {name: check_own(stele, run_folder, ("--checkpoint", name)) for name in ("best", "last")}
    assert matched["best"] != matched["last"], "both checkpoints are alike: the test shows nothing"
    assert set(tensors(kept)) == {"best.left.right", "last.left.right"}
    check_file(tensors(kept), matched)
    run(stele, "train", folder / "spec.yaml", "--run", folder / "two", "--quiet", "--threads", 2)
    assert (folder / "two/score.safetensors").read_bytes() == held
    for name in matched:
        with_it = score(stele, run_folder, "--checkpoint", name)
        kept.unlink()
        assert score(stele, run_folder, "--checkpoint", name) == with_it
        kept.write_bytes(held[:-8] + b"12345678")
        assert score(stele, run_folder, "--checkpoint", name) == with_it
        kept.write_bytes(held)
    assert kept.read_bytes() == held, "score writes into the run folder"
    resumed(stele, folder, held)


def resumed(stele, folder, held):
    """--resume makes what is missing without a step, and again where there are more."""
    kept, spec, run_folder = folder / "run/score.safetensors", folder / "spec.yaml", folder / "run"
    kept.unlink()
    run(stele, "train", spec, "--run", run_folder, "--resume", "--quiet")
    assert kept.read_bytes() == held
    time = kept.stat().st_mtime_ns
    run(stele, "train", spec, "--run", run_folder, "--resume", "--quiet")
    assert kept.stat().st_mtime_ns == time, "what is there was made again"
    run(stele, "train", spec, "--run", run_folder, "--resume", "--quiet", "--set", "train.epochs=40")
    assert kept.read_bytes() != held
    check_own(stele, run_folder, ("--checkpoint", "last"))
    # Scores of other parameters are none.
    there = score(stele, run_folder, "--checkpoint", "last")
    kept.write_bytes(held)
    assert score(stele, run_folder, "--checkpoint", "last") == there


def moved_run(stele, folder):
    """New rows, of which some have the partner of another, where the training's data are no more."""
    run_folder = train(stele, folder, n=400)
    matched = {c: scores(score(stele, run_folder, "--split", "valid", "--checkpoint", c)[0]) for c in ("best", "last")}
    assert matched["best"] != matched["last"], "both checkpoints are alike: the test shows nothing"
    run_folder.rename(folder / "moved")
    (folder / "data").rename(folder / "hidden")
    run_folder, flagged = folder / "moved", []
    for i, mismatched in enumerate((0, 100, 200)):
        words = new(folder / f"new{mismatched}", n=200, mismatched=mismatched, seed=10 + i)
        for checkpoint, valid in matched.items():
            rows, pair, said, _ = score(stele, run_folder, *words, "--checkpoint", checkpoint)
            assert said == "" and (pair["rows"], pair["reference_rows"], pair["candidates"]) == (200, 80, 200), (pair, said)
            expect_p(rows, valid, mismatched)
        flagged.append(pair["flagged"] / 200)
    assert flagged[0] < 0.15 and 0.3 < flagged[1] < 0.6 and flagged[2] > 0.7, flagged
    wrong = sum(r["flagged"] == "1" for i, r in score(stele, run_folder, *new(folder / "new100"))[0].items()
                if int(i.split("_")[1]) < 100)
    assert wrong > 70, wrong
    check_single(stele, run_folder, folder, matched["best"])
    words = new(folder / "new100")
    tables = {c: score(stele, run_folder, *words, "--checkpoint", c) for c in matched}
    check_without(stele, run_folder, folder, words, tables)


def check_single(stele, run_folder, folder, valid):
    """A single row says what it says among others."""
    many = score(stele, run_folder, *new(folder / "new100"))[0]
    for place, flag in (1, "1"), (150, "0"):
        (folder / "one").mkdir(exist_ok=True)
        for name in WEIGHT:
            lines = (folder / "new100" / f"{name}.csv").read_text().splitlines()
            (folder / "one" / f"{name}.csv").write_text(f"{lines[0]}\n{lines[1 + place]}\n")
        rows, pair, said, _ = score(stele, run_folder, *new(folder / "one"))
        (i, row), = rows.items()
        assert said == "" and i == f"row11_{place}" and row["p_chance"] == "", (said, row)
        assert abs(float(row["log_bayes_factor"]) - float(many[i]["log_bayes_factor"])) < 1e-4, (row, many[i])
        expect_p(rows, valid, "single")
        assert (row["flagged"], pair["flagged"]) == (flag, int(flag)), (place, row)
        assert (pair["log_bayes_factor"], pair["p_match"]) == (float(row["log_bayes_factor"]), float(row["p_match"])), pair
        assert all(pair[k] is None for k in ("auroc", "share_together", "candidates")), pair
        assert all(v is None for k in ("a_to_b", "b_to_a") for v in pair[k].values()), pair
        head, line = run(stele, "score", run_folder, *new(folder / "one"), "--intervals").stdout.splitlines()
        assert head.split() == "pair rows log Bayes factor p_match flagged".split(), head
        assert line.split() == ["left,", "right", "1", f"{pair['log_bayes_factor']:.2f}", f"{pair['p_match']:.4f}", flag], line


def check_without(stele, run_folder, folder, words, tables):
    """Folders of earlier programs: the data, if they are there, or a warning."""
    (run_folder / "score.safetensors").unlink()
    rows, pair, said, _ = score(stele, run_folder, *words)
    assert "p_match compares the rows with each other, as the run folder has no scores of validation rows" in said, said
    assert "nor can its data be opened: about 5 % are flagged, match or not" in said and "--resume writes them" in said, said
    assert pair["reference_rows"] == 0 and pair["flagged"] == 9, pair
    expect_p(rows, scores(rows), "with each other")
    rows, pair, said, _ = score(stele, run_folder, *new(folder / "one"))
    row, = rows.values()
    assert "there is no p_match, as the run folder has no scores" in said and "log_bayes_factor counts" in said, said
    assert row["p_match"] == row["flagged"] == "" and pair["p_match"] is None and pair["flagged"] is None, (row, pair)
    (folder / "hidden").rename(folder / "data")
    for checkpoint, table in tables.items():
        assert score(stele, run_folder, *words, "--checkpoint", checkpoint) == table, "the run's own rows are others than kept"


def no_validation(stele, folder):
    run_folder = train(stele, folder, "{train: 0.8, valid: 0, test: 0.2}", n=200)
    assert not (run_folder / "score.safetensors").exists()
    text = "p_match compares the rows with each other, as the run has no validation rows"
    rows, pair, said, _ = score(stele, run_folder)
    assert f"{text}: about 5 % are flagged, match or not" in said and "--resume" not in said, said
    assert "log_bayes_factor counts: above 0 speaks for a match" in said, said
    assert (pair["rows"], pair["reference_rows"], pair["flagged"]) == (40, 0, 1), pair
    expect_p(rows, scores(rows), "no validation rows")
    for n in (20, 21):
        said = score(stele, run_folder, *new(folder / f"new{n}", n=n, seed=n))[2]
        assert (f"{text}: with 20 rows nothing can be flagged" if n == 20 else f"{text}: about") in said, said
    said = score(stele, run_folder, *new(folder / "one", n=1, seed=2))[2]
    assert "there is no p_match, as the run has no validation rows" in said, said


def few_validation(stele, folder):
    """A p-value of n pairs is not below 1 / (n + 1)."""
    run_folder = train(stele, folder, "{train: 0.8, valid: 0.095, test: 0.105}", n=200)
    words = new(folder / "new", n=100, mismatched=100, seed=2)
    for alpha, flags in ("0.05", False), ("0.0501", True):
        _, pair, said, _ = score(stele, run_folder, *words, "--alpha", alpha)
        assert pair["reference_rows"] == 19 and (pair["flagged"] > 0) == flags, pair
        assert (f"19 validation rows have both, with which no p_match falls below {alpha}: nothing can be flagged" in said) \
            == (not flags), said
        assert flags or "compares the rows" not in said, said


def never_together(stele, folder):
    """Validation rows of one side each."""
    spec = SPEC.replace("  split: SPLIT", "    part: {plugin: table, path: DATA/part.csv, key: id, columns: [], categories: [part]}\n"
                        "  split: {column: part}")
    (folder / "at").mkdir()
    write(folder / "at/data", n=200, only=lambda i: ("left", "right")[i % 2] if i < 40 else None)
    (folder / "at/data/part.csv").write_text("id,part\n" + "".join(
        f"row1_{i},{'valid' if i < 40 else 'test' if i < 80 else 'train'}\n" for i in range(200)))
    (folder / "at/spec.yaml").write_text(spec.replace("DATA", str(folder / "at/data")), encoding="utf-8")
    run(stele, "train", folder / "at/spec.yaml", "--run", folder / "at/run", "--quiet")
    assert not (folder / "at/run/score.safetensors").exists()
    for words in (), new(folder / "new", n=40, seed=2):
        _, pair, said, _ = score(stele, folder / "at/run", *words)
        assert "with each other, as no validation row has both: about 5 % are flagged" in said and "--resume" not in said, said
        assert pair["reference_rows"] == 0 and pair["rows"] == 40, pair
    run(stele, "score", folder / "at/run", "--split", "valid", code=3)


def many_validation(stele, folder):
    """Of many rows a part serves as well, if it is drawn from all of them: the first ones are others."""
    run_folder = train(stele, folder, "{train: 0.1, valid: 0.85, test: 0.05}", sets=("train.epochs=8",), n=6000, mismatched=2000)
    valid, pair, _, _ = score(stele, run_folder, "--split", "valid")
    assert len(valid) == 5100 and pair["reference_rows"] == 4096, pair
    assert all(0 < float(r["p_match"]) <= 1 for r in valid.values())
    values = sorted(scores(valid).values())
    for row in score(stele, run_folder)[0].values():
        p = sum(v <= float(row["log_bayes_factor"]) for v in values) / len(values)
        assert abs(float(row["p_match"]) - p) < 0.015, (row, p)


def three_modalities(stele, folder):
    """Each pair is compared with validation rows of its own."""
    write(folder / "data", n=300)
    write(folder / "more", n=300, noise=2.0)
    spec = SPEC.replace("    right:", "    third: {plugin: table, path: MORE/left.csv, key: id}\n    right:", 1)
    spec = spec.replace("  right: {plugin: gaussian", "  third: {plugin: gaussian, encoder: {hidden: [16]}, decoder: {hidden: [16]}}\n  right: {plugin: gaussian")
    spec = spec.replace("DATA", str(folder / "data")).replace("MORE", str(folder / "more")).replace("SPLIT", "{train: 0.6, valid: 0.2, test: 0.2}")
    (folder / "spec.yaml").write_text(spec, encoding="utf-8")
    run(stele, "train", folder / "spec.yaml", "--run", folder / "run", "--quiet")
    of = {}
    for part in "valid", "test":
        run(stele, "score", folder / "run", "--split", part, "-o", folder / "s.csv", "--quiet", "--resamples", 0)
        with open(folder / "s.csv", encoding="utf-8", newline="") as f:
            for r in csv.DictReader(f):
                of.setdefault((part, r["a"], r["b"]), {})[r["id"]] = r
    pairs = {key[1:] for key in of}
    assert len(pairs) == 3 and len({tuple(sorted(scores(of["valid", *pair]).values())) for pair in pairs}) == 3, pairs
    for pair in pairs:
        expect_p(of["test", *pair], scores(of["valid", *pair]), pair)


if __name__ == "__main__":
    sys.exit(run_cases(own_rows, moved_run, no_validation, few_validation, never_together, many_validation, three_modalities))
