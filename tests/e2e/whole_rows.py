#!/usr/bin/env python3
"""Metrics of whole rows, of texts and spectra, against the same from latents and parameters. whole_rows.py STELE

Bags of words and spectra are decoded here anew, at the latents that `stele embed` writes, some texts cut and the highest
frequency among them; what reads tokens one by one has to gain from z. The last line is `N passed, N failed, 0 skipped`.
"""

import csv
import json
import math
import random
import struct
import subprocess
import sys

from cases import run_cases

SPEC = """\
stele: 1
name: rows
seed: 2
data: {source: jsonl, path: all.jsonl, texts: [note], split: {train: 0.5, valid: 0.1, test: 0.4, stratify: thing}}
latent: {dim: 3}
modalities:
  text: {plugin: text, from: note, vocab_size: %d, max_tokens: %d, embedding: 12, encoder: {kind: bag, hidden: [16]}, decoder: %s}
  wave: {plugin: spectrum, from: w, channels: 1, bins: 8, encoder: {hidden: [12]}, decoder: {hidden: [10], activation: relu}}
fusion: poe
objective: {subsets: all+single, reconstruct: present, beta: 0.2}
train: {epochs: 30, batch_size: 20, optimiser: {kind: adamw, lr: 0.01}}
evaluate: [{cross: {labels: thing}}]
"""
BAG = "{kind: bag, hidden: [16]}"
RECURRENT = "{state: 24, hidden: [16], word_dropout: 0.5}"
THINGS, DOINGS = ["cat", "owl", "river", "stone"], ["sleeps", "falls", "waits"]
RARE = ["", *" bdgjkmquxyz"]  # so that some of a text's tokens are ranked around 20
SAMPLES, BINS, END, FIRST_PAIR, LONGEST = 16, 8, 256, 257, 8
Z = ("z_0", "z_1", "z_2")


def rows():
    random.seed(4)
    for i in range(240):
        k = i % 4
        row = {"id": f"r{i}", "thing": THINGS[k], "note": "" if i == 100 else f"the {THINGS[k]} {random.choice(DOINGS)}{random.choice(RARE)}",
               "w": [math.sin(2 * math.pi * ((k + 1) * t / SAMPLES + 0.01 * i)) + random.gauss(0, 0.3) for t in range(SAMPLES)]}
        if i % 10 == 3:
            del row["note"]
        if i % 10 == 7:
            row["w"] = None
        yield row


def run(stele, folder, *words):
    done = subprocess.run([stele, *map(str, words)], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{' '.join(map(str, words))}: exit status {done.returncode}\n{done.stderr}"
    return done.stdout


def latents(stele, folder, part, modality):
    """Posterior means given one modality, of the rows that have it."""
    run(stele, folder, "embed", "out", "-o", "z.csv", "--split", part, "--modalities", modality, "--quiet")
    with open(folder / "z.csv", newline="", encoding="utf-8") as f:
        return {r["id"]: [float(r[k]) for k in Z] for r in csv.DictReader(f) if r[f"has_{modality}"] == "1"}


def parameters(folder):
    """name: (shape, numbers)"""
    data = (folder / "out/best.safetensors").read_bytes()
    n = struct.unpack("<Q", data[:8])[0]
    found = {}
    for name, t in json.loads(data[8:8 + n]).items():
        if name != "__metadata__":
            begin, end = t["data_offsets"]
            found[name] = (t["shape"], struct.unpack(f"<{(end - begin) // 4}f", data[8 + n + begin:8 + n + end]))
    return found


def linear(p, name, x):
    (_, n), w = p[f"{name}.weight"]
    return [b + sum(v * w[i * n + j] for i, v in enumerate(x)) for j, b in enumerate(p[f"{name}.bias"][1])]


def hidden(p, modality, z):
    return [max(v, 0.0) for v in linear(p, f"{modality}.decoder.layer0", z)]


def tokens_of(p, note):
    """Byte pair encoding: of each word's pairs the one that was learned first, until none is left."""
    pairs = p["text.tokenizer.merges"][1]
    number = {(int(pairs[2 * k]), int(pairs[2 * k + 1])): FIRST_PAIR + k for k in range(len(pairs) // 2) if pairs[2 * k] >= 0}
    found = []
    for word in (" " + note).replace(" ", "\n ").split("\n")[1:] if note else []:
        word = list(word.encode())
        while len(word) > 1:
            best = min(zip(word, word[1:]), key=lambda pair: number.get(pair, math.inf))
            if best not in number:
                break
            at = next(i for i in range(len(word)) if tuple(word[i:i + 2]) == best)
            word[at:at + 2] = [number[best]]
        found += word
    return found, {k: number for number, k in number.items()}


def bytes_of(token, pair):
    return 1 if token < END else sum(bytes_of(half, pair) for half in pair[token])


def bag_metrics(p, pairs):
    """Of (z, note) pairs. A text that is cut has no end to pay for; the blank before the first word is no byte of it."""
    (_, width), w = p["text.output.weight"]
    bits = n_bytes = precision = recall = texts = 0.0
    for z, note in pairs:
        tokens, pair = tokens_of(p, note)
        end = [END] if len(tokens) <= LONGEST else []
        tokens = tokens[:LONGEST]
        h = hidden(p, "text", z)
        score = [b + sum(h[j] * w[k * width + j] for j in range(width)) for k, b in enumerate(p["text.output.bias"][1])]
        total = math.log(sum(map(math.exp, score)))
        bits -= sum(score[k] - total for k in [*tokens, *end]) / math.log(2)
        n_bytes += sum(bytes_of(k, pair) for k in tokens) - (1 if tokens else 0)
        order = sorted((k for k in range(len(score)) if k != END), key=lambda k: -score[k])
        ranks = sorted(order.index(k) + 1 for k in set(tokens))
        if ranks:
            texts += 1
            precision += sum((i + 1) / r for i, r in enumerate(ranks)) / len(ranks)
            recall += sum(r <= 20 for r in ranks) / min(len(ranks), 20)
    return {"bits_per_byte": bits / n_bytes, "average_precision": precision / texts, "recall_20": recall / texts}


def correlation(a, b):
    ma, mb = sum(a) / len(a), sum(b) / len(b)
    spread = math.sqrt(sum((x - ma) ** 2 for x in a) * sum((x - mb) ** 2 for x in b))
    return sum((x - ma) * (y - mb) for x, y in zip(a, b)) / spread


def wave_metrics(p, pairs):
    total, away, near = 0.0, 0.0, 0.0
    for z, w in pairs:
        y = [(v - m) / math.exp(s) for v, m, s in zip(w, p["wave.centre"][1], p["wave.log_scale"][1])]
        measured, h = [], hidden(p, "wave", z)
        for k in range(1, BINS + 1):
            turn = [2 * math.pi * k * t / SAMPLES for t in range(SAMPLES)]
            real, imaginary = (sum(v * f(a) for v, a in zip(y, turn)) for f in (math.cos, math.sin))
            measured.append(math.log(max((real ** 2 + imaginary ** 2) / SAMPLES, 1e-4)))
        noise = math.exp(linear(p, "wave.noise", h)[0]) + 1e-4
        predicted = [math.log(math.exp(e) + noise) for e in linear(p, "wave.output", h)[1:]]
        d = abs(measured.index(max(measured)) - predicted.index(max(predicted)))
        total, away, near = total + correlation(measured, predicted), away + d, near + (d <= 1)
    n = len(pairs)
    return {"log_spectrum_correlation": total / n, "peak_error": away / n, "peak_within_1": near / n}


def baselines(stele, folder, source, data):
    """id: the mean latent of all training rows, and of those of its class with ten of the mean."""
    train = latents(stele, folder, "train", source)
    middle = [sum(z[d] for z in train.values()) / len(train) for d in range(3)]
    of_class = {}
    for thing in THINGS:
        own = [z for i, z in train.items() if data[i]["thing"] == thing]
        of_class[thing] = [(sum(z[d] for z in own) + 10 * middle[d]) / (len(own) + 10) for d in range(3)]
    return {i: (middle, of_class[data[i]["thing"]]) for i in data}


def check_pair(stele, folder, pair, target, metrics):
    """Model and baselines are what comes of their latents; intervals lie around them."""
    data = {r["id"]: r for r in rows()}
    p, at = parameters(folder), latents(stele, folder, "test", pair["from"])
    base = baselines(stele, folder, pair["from"], data)
    scored = [i for i in at if data[i].get(target) is not None]
    assert pair["rows"] == len(scored) > 64, (pair["rows"], len(scored))
    for k, key in enumerate(("model", "marginal", "class_mean")):
        want = metrics(p, [(at[i] if k == 0 else base[i][k - 1], data[i][target]) for i in scored])
        assert set(pair[key]) == set(want), pair
        for name, value in want.items():
            low, high = pair["intervals"][key][name]
            assert abs(pair[key][name] - value) < 1e-3 * (1 + abs(value)), (pair["from"], key, name, pair[key][name], value)
            assert low <= pair[key][name] <= high, (key, name, low, high)


def train(stele, folder, vocab, longest, decoder):
    (folder / "all.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows()), encoding="utf-8")
    (folder / "spec.yaml").write_text(SPEC % (vocab, longest, decoder))
    run(stele, folder, "train", "spec.yaml", "--run", "out", "--quiet")
    one = run(stele, folder, "eval", "out", "--json", "--threads", "1")
    assert one == run(stele, folder, "eval", "out", "--json", "--threads", "3"), "threads matter"
    return {(pair["from"], pair["to"]): pair for pair in json.loads(one)["cross"]}


def bags_and_spectra(stele, folder):
    cross = train(stele, folder, 270, LONGEST, BAG)
    assert len(cross) == 4, list(cross)
    for (source, to), pair in cross.items():
        check_pair(stele, folder, pair, "note" if to == "text" else "w", bag_metrics if to == "text" else wave_metrics)
    wave = cross["text", "wave"]
    assert wave["model"]["peak_error"] < wave["marginal"]["peak_error"] - 0.3, wave
    assert wave["model"]["log_spectrum_correlation"] > wave["marginal"]["log_spectrum_correlation"] + 0.1, wave


def next_tokens(stele, folder):
    cross = train(stele, folder, 280, 64, RECURRENT)
    for source in ("wave", "text"):
        pair = cross[source, "text"]
        model, marginal = pair["model"], pair["marginal"]
        assert list(model) == ["bits_per_byte", "token_accuracy"], model
        assert model["token_accuracy"] > marginal["token_accuracy"] + 0.02 and model["token_accuracy"] < 1, pair
        assert 0 < model["bits_per_byte"] < marginal["bits_per_byte"] - 0.02, pair
    text = run(stele, folder, "eval", "out", "--intervals")
    lines = [line.split() for line in text.splitlines() if "->" in line]
    assert len(lines) == 2 * 2 + 2 * 3 and all(sum("[" in word for word in words) == 3 for words in lines), text
    assert ["wave", "->", "text", "token_accuracy"] in [words[:4] for words in lines], text
    table = run(stele, folder, "eval", "out", "--markdown")
    shown = f"{cross['wave', 'text']['model']['token_accuracy']:.4f}"
    assert any(line.startswith("| wave -> text | token_accuracy |") and shown in line for line in table.splitlines()), table
    alone = json.loads(run(stele, folder, "eval", "out", "--json", "--modalities", "text"))["cross"]
    assert [(pair["from"], pair["to"]) for pair in alone] == [("text", "text")], alone
    assert alone[0]["model"] == cross["text", "text"]["model"], alone


if __name__ == "__main__":
    sys.exit(run_cases(bags_and_spectra, next_tokens))
