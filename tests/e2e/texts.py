#!/usr/bin/env python3
"""Models trained on texts. texts.py STELE

Texts become likelier and are used by the latent, rows without one are absent, and new data are read with the tokens that
the training rows taught. The last line is `N passed, N failed, 0 skipped`.
"""

import csv
import gzip
import json
import math
import random
import subprocess
import sys

from cases import run_cases

SPEC = """\
stele: 1
name: texts
data: {source: jsonl, path: all.jsonl, texts: [note], split: {train: 0.8, valid: 0.2, test: 0, stratify: thing}}
latent: {dim: 4}
modalities:
  text: {plugin: text, from: note, vocab_size: 300, embedding: 16, encoder: {kind: bag, hidden: [16]}, decoder: %s}
  x:    {plugin: gaussian, from: x, encoder: {hidden: [8]}, decoder: {hidden: [8]}}
fusion: poe
objective: {beta: 0.3}
train: {epochs: 30, batch_size: 20, optimiser: {kind: adamw, lr: 0.01}}
"""
RECURRENT = "{state: 24, hidden: [16], word_dropout: 0.5, bag_weight: 1}"
BAG = "{kind: bag, hidden: [16]}"
ATTENTION = "{kind: attention, state: 24, heads: 3, layers: 1, hidden: [16], word_dropout: 0.5, bag_weight: 1}"
THINGS = ["cat", "owl", "river", "stone", "caf\u00e9"]
DOINGS = ["sleeps", "is seen at night", "falls", "sings to the moon", "waits"]


def rows():
    random.seed(5)
    for i in range(200):
        thing = THINGS[i % 5]
        row = {"id": f"t{i}", "note": f"the {thing} {random.choice(DOINGS)}", "thing": thing,
               "x": [random.gauss(i % 5, 1), random.gauss(0, 1)]}
        if i % 10 == 3:
            del row["note"]
        if i % 10 == 7:
            row["x"] = None
        yield row


def lines(some):
    return "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in some)


def run(stele, folder, *words):
    done = subprocess.run([stele, *map(str, words)], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f"{' '.join(map(str, words))}: exit status {done.returncode}\n{done.stdout}"


def read(path):
    with open(path, newline="", encoding="utf-8") as f:
        return {row["id"]: row for row in csv.DictReader(f)}


def train(stele, folder, decoder):
    (folder / "all.jsonl").write_text(lines(rows()), encoding="utf-8")
    (folder / "spec.yaml").write_text(SPEC % decoder)
    run(stele, folder, "train", "spec.yaml", "--run", "out")
    log = [json.loads(line) for line in (folder / "out/metrics.jsonl").read_text().splitlines()]
    return log[0]["valid"], log[-1]["valid"]


def learned(first, last, share):
    before, after = first["log_likelihood"]["text"], last["log_likelihood"]["text"]
    assert after > share * before, f"log p(text) went from {before} to {after}"  # both are negative
    assert last["kl"] > 0.5, f"the latent is not used: KL {last['kl']}"


def recurrent(stele, folder):
    """The same rows alone, in another order and beside longer texts, get the same latent."""
    learned(*train(stele, folder, RECURRENT), 0.6)
    run(stele, folder, "embed", "out", "-o", "all.csv")
    whole = read(folder / "all.csv")
    assert [whole[f"t{i}"]["has_text"] for i in (3, 4, 7)] == ["0", "1", "1"], "presence of texts"
    assert [whole[f"t{i}"]["has_x"] for i in (3, 4, 7)] == ["1", "1", "0"], "presence of numbers"
    some = list(rows())[50:80][::-1]
    other = {"id": "new", "note": "\u65b0\u3057\u3044 \U0001f989 " + "never seen before " * 20, "x": None}
    (folder / "new.jsonl.gz").write_bytes(gzip.compress(lines([other, *some]).encode()))
    run(stele, folder, "embed", "out", "-o", "new.csv", "--data", "new.jsonl.gz")
    part = read(folder / "new.csv")
    assert list(part) == ["new", *(r["id"] for r in some)], list(part)
    for r in some:
        one, two = part[r["id"]], whole[r["id"]]
        assert [one[f"z_{d}"] for d in range(4)] == [two[f"z_{d}"] for d in range(4)], (one, two)


def bag_of_words(stele, folder):
    learned(*train(stele, folder, BAG), 0.9)  # the order of the words stays unknown


def attention(stele, folder):
    """Perplexity is by tokens: their number follows from it. Greedy, by beam and at random: all write the sentences."""
    learned(*train(stele, folder, ATTENTION), 0.6)
    run(stele, folder, "eval", "out", "--split", "valid")
    found = json.loads((folder / "out/eval-valid.json").read_text())["posteriors"][0]
    perplexity, valid = found["perplexity"]["text"], [r for r in read_parts(stele, folder) if r["has_text"] == "1"]
    tokens = -found["log_likelihood"]["text"] * len(valid) / math.log(perplexity)
    assert abs(tokens - round(tokens)) < 1e-3 and 2 * len(valid) < tokens < 40 * len(valid), tokens
    assert list(found["perplexity"]) == ["text"] and 1 < perplexity < 20, perplexity
    for draw in ("mean", "mode", "sample"):
        run(stele, folder, "generate", "out", "-o", "texts.jsonl", "--to", "text", "--from", "text", "--draw", draw,
            "--split", "valid")
        texts = [json.loads(line)["text"] for line in (folder / "texts.jsonl").read_text(encoding="utf-8").splitlines()]
        good = sum(t.startswith("the ") and any(t.endswith(d) for d in DOINGS) for t in texts)
        assert len(texts) >= len(valid) and good > 0.5 * len(texts), (draw, texts)


def read_parts(stele, folder):
    run(stele, folder, "embed", "out", "-o", "valid.csv", "--split", "valid")
    return read(folder / "valid.csv").values()


if __name__ == "__main__":
    sys.exit(run_cases(recurrent, bag_of_words, attention))
