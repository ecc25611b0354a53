#!/usr/bin/env python3
"""`stele generate` and `stele score` on a simulation and on small pictures. generate.py STELE"""

import csv
import json
import math
import pathlib
import struct
import subprocess
import sys
import tempfile
import zlib

CELLS = """stele: 1
name: t
seed: 3
data:
  source: simulate
  n_rows: 400
  n_genes: 100
  n_peaks: 200
  n_classes: 3
  split: {train: 0.7, valid: 0.15, test: 0.15, stratify: class}
latent: {dim: 4}
modalities:
  rna: {plugin: nb_counts, encoder: {hidden: [32]}, decoder: {hidden: [32]}}
  atac: {plugin: bernoulli_peaks, encoder: {hidden: [32]}, decoder: {hidden: [32]}}
fusion: poe
heads:
  kind: {plugin: classifier, target: class, weight: 10}
objective: {subsets: all+single, reconstruct: present}
train: {epochs: 30, batch_size: 32, optimiser: {lr: 0.01}}
"""

PICTURES = """stele: 1
name: t
seed: 3
data:
  sources:
    pictures: {plugin: idx, path: ., files: [pictures-idx3-ubyte]}
    numbers: {plugin: npy, path: numbers.npy}
  split: {train: 0.7, valid: 0.15, test: 0.15}
latent: {dim: 2}
modalities:
  picture: {plugin: image, from: "pictures:pictures", likelihood: gaussian, white: 255, encoder: {channels: [4]}, decoder: {channels: [4]}}
  numbers: {plugin: gaussian, encoder: {hidden: [8]}, decoder: {hidden: [8]}}
fusion: poe
objective: {subsets: all+single, reconstruct: present}
train: {epochs: 10, batch_size: 16, optimiser: {lr: 0.01}}
"""


TEXTS = """stele: 1
name: t
seed: 3
data: {source: jsonl, path: CAPTIONS, texts: [text], split: {train: 0.8, valid: 0.2, test: 0}}
latent: {dim: 2}
modalities:
  words: {plugin: text, from: text, vocab_size: 280, embedding: 6, encoder: {kind: gru, state: 5, hidden: [6]}, decoder: {state: 7, hidden: [6]}}
fusion: poe
train: {epochs: 2, batch_size: 8}
"""


def run(*command):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"exit status {done.returncode} of {' '.join(map(str, command))}\n{done.stderr}"
    return done


def table(stele, folder, *options):
    """Rows that `stele generate` writes: ids, and lists of numbers."""
    out = folder.parent / "out.csv"
    run(stele, "generate", folder, "-o", out, *options)
    with open(out, encoding="utf-8", newline="") as f:
        lines = list(csv.reader(f))[1:]
    return [l[0] for l in lines], [[float(v) for v in l[1:]] for l in lines]


def distance(a, b):
    return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b)))


def mean_of(rows):
    return [sum(column) / len(rows) for column in zip(*rows)]


def check_draws(stele, run_folder):
    ids, few = table(stele, run_folder, "--to", "atac", "--first", 5, "--samples", 2)
    assert len(ids) == 10 and ids[0].endswith(":0") and ids[1] == ids[0][:-1] + "1", ids
    assert all(0.0 <= v <= 1.0 for row in few for v in row)
    _, more = table(stele, run_folder, "--to", "atac", "--first", 8, "--samples", 3)
    for r in range(5):
        assert more[3 * r:3 * r + 2] == few[2 * r:2 * r + 2], "more draws change those before"
    _, again = table(stele, run_folder, "--to", "atac", "--first", 5, "--samples", 2, "--threads", 1)
    assert again == few, "one thread draws something else"
    _, other = table(stele, run_folder, "--to", "atac", "--first", 5, "--samples", 2, "--seed", 9)
    assert other != few, "the seed changes nothing"
    _, still = table(stele, run_folder, "--to", "atac", "--first", 5, "--samples", 2, "--temperature", 0)
    assert all(still[2 * r] == still[2 * r + 1] for r in range(5)), "temperature 0 leaves something random"
    _, own = table(stele, run_folder, "--to", "atac", "--first", 5, "--from", "rna,atac", "--temperature", 0)
    assert own != still[::2], "--from atac is not used"
    _, only = table(stele, run_folder, "--to", "atac", "--first", 5, "--from", "rna", "--temperature", 0)
    assert only == still[::2], "without --from the others are not what is used"


def check_several(stele, run_folder):
    """Several modalities at once are those of one after the other: the same z, a file for each."""
    folder = run_folder.parent
    for options in (["--prior", 6, "--samples", 2], ["--from", "rna", "--first", 4, "--draw", "sample"],
                    ["--prior", 3, "--like", table(stele, run_folder, "--to", "rna", "--first", 1)[0][0]]):
        run(stele, "generate", run_folder, "-o", folder / "both.csv", "--to", "atac,rna", *options)
        assert not (folder / "both.csv").exists()
        for name in ("rna", "atac"):
            run(stele, "generate", run_folder, "-o", folder / "one.csv", "--to", name, *options)
            assert (folder / f"both-{name}.csv").read_bytes() == (folder / "one.csv").read_bytes(), (name, options)


def check_likelihood_draws(stele, run_folder):
    _, mean = table(stele, run_folder, "--to", "rna", "--first", 40, "--temperature", 0)
    _, x = table(stele, run_folder, "--to", "rna", "--first", 40, "--temperature", 0, "--draw", "sample")
    assert all(v == int(v) >= 0 for row in x for v in row), "counts are not counts"
    total, drawn = sum(map(sum, mean)), sum(map(sum, x))
    assert abs(drawn - total) < 0.05 * total, (drawn, total)
    _, mode = table(stele, run_folder, "--to", "rna", "--first", 40, "--temperature", 0, "--draw", "mode")
    assert sum(map(sum, mode)) < total and mode != mean


def check_formats(stele, run_folder):
    folder = run_folder.parent
    ids, rows = table(stele, run_folder, "--to", "rna", "--first", 3)
    run(stele, "generate", run_folder, "-o", folder / "o.jsonl", "--to", "rna", "--first", 3)
    lines = [json.loads(l) for l in (folder / "o.jsonl").read_text().splitlines()]
    assert [l["id"] for l in lines] == ids == [l["row"] for l in lines]
    for line, row in zip(lines, rows):
        assert all(abs(a - b) <= 1e-6 * max(1.0, abs(b)) for a, b in zip(line["rna"], row))
    run(stele, "generate", run_folder, "-o", folder / "o.npy", "--to", "rna", "--first", 3)
    raw = (folder / "o.npy").read_bytes()
    flat = struct.unpack(f"<{3 * len(rows[0])}f", raw[-12 * len(rows[0]):])
    assert all(abs(a - b) <= 1e-6 * max(1.0, abs(b)) for a, b in zip(flat, sum(rows, [])))
    run(stele, "generate", run_folder, "-o", folder / "o.h5ad", "--to", "rna", "--first", 3)
    assert (folder / "o.h5ad").read_bytes()[:8] == b"\x89HDF\r\n\x1a\n"


def check_prior(stele, run_folder):
    _, few = table(stele, run_folder, "--to", "rna", "--prior", 4)
    _, more = table(stele, run_folder, "--to", "rna", "--prior", 6)
    assert more[:4] == few
    run(stele, "embed", run_folder, "-o", run_folder.parent / "e.csv", "--split", "train")
    with open(run_folder.parent / "e.csv", encoding="utf-8", newline="") as f:
        label = {row["id"]: row["class"] for row in csv.DictReader(f)}
    ids, train = table(stele, run_folder, "--to", "rna", "--split", "train", "--from", "rna", "--temperature", 0)
    kinds = sorted(set(label.values()))
    centre = {k: mean_of([v for i, v in zip(ids, train) if label[i] == k]) for k in kinds}
    right = 0
    for kind in kinds:
        _, given = table(stele, run_folder, "--to", "rna", "--prior", 50, "--given", f"kind={kind}")
        near = min(kinds, key=lambda k: distance(mean_of(given), centre[k]))
        right += near == kind
    assert right >= len(kinds) - 1, f"{right} of {len(kinds)} classes are generated as asked for"


def check_between(stele, run_folder):
    ids, _ = table(stele, run_folder, "--to", "rna", "--first", 2)
    _, end = table(stele, run_folder, "--to", "rna", "--rows", ",".join(ids), "--temperature", 0)
    _, way = table(stele, run_folder, "--to", "rna", "--between", ",".join(ids), "--steps", 5)
    assert len(way) == 5
    assert distance(way[0], end[0]) < 1e-4 * distance(end[0], [0.0] * len(end[0]))
    assert distance(way[4], end[1]) < 1e-4 * distance(end[1], [0.0] * len(end[1]))
    assert 0.0 < distance(way[1], way[0]) < distance(way[4], way[0])


def check_traverse(stele, run_folder):
    (name, *_), _ = table(stele, run_folder, "--to", "rna", "--first", 1)
    _, (own, *_) = table(stele, run_folder, "--to", "rna", "--rows", name, "--temperature", 0)
    run(stele, "embed", run_folder, "-o", run_folder.parent / "z.csv", "--modalities", "atac")
    with open(run_folder.parent / "z.csv", encoding="utf-8", newline="") as f:
        z, = ([float(row[f"z_{d}"]) for d in range(4)] for row in csv.DictReader(f) if row["id"] == name)
    ids, way = table(stele, run_folder, "--to", "rna", "--traverse", name)
    assert ids == [f"z_{d}:{k}" for d in range(4) for k in range(7)], ids
    picked, some = table(stele, run_folder, "--to", "rna", "--traverse", name, "--dims", "3,1")
    assert picked == ids[21:28] + ids[7:14] and some == way[21:28] + way[7:14], "a dimension depends on others"
    _, fine = table(stele, run_folder, "--to", "rna", "--traverse", name, "--steps", 601)
    scale = distance(own, [0.0] * len(own))
    for d in range(4):
        at = round((z[d] + 3.0) * 100)  # the step nearest to the row's own value
        assert distance(fine[601 * d + at], own) < 0.02 * scale, "steps are not where the prior has them"
        assert distance(fine[601 * d], way[7 * d]) < 1e-4 * scale and distance(fine[601 * d + 600], way[7 * d + 6]) < 1e-4 * scale
    assert max(distance(way[7 * d], way[7 * d + 6]) for d in range(4)) > 0.1 * scale, "nothing moves"


def check_scores(stele, run_folder):
    report = json.loads(run(stele, "score", run_folder, "--json", "-o", run_folder.parent / "s.csv").stdout)
    pair, = report["pairs"]
    assert (pair["a"], pair["b"], pair["rows"], pair["candidates"]) == ("rna", "atac", 60, 60), pair
    assert pair["auroc"] > 0.75, pair
    for at, figures in ("pair", pair), ("->", pair["a_to_b"]), ("<-", pair["b_to_a"]):
        for key, (low, high) in figures["intervals"].items():
            assert low <= figures[key] <= high and (low < high or low == figures[key]), (at, key, low, figures[key], high)
    assert set(pair["intervals"]) == {"auroc", "share_together", "flagged"} and report["intervals"]["resamples"] == 1000
    low, high = pair["intervals"]["auroc"]
    assert 0.01 < high - low < 0.4, pair["intervals"]
    with open(run_folder.parent / "s.csv", encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f))
    assert len(rows) == 60 and sum(int(r["flagged"]) for r in rows) == pair["flagged"]
    assert all(0.0 < float(r["p_match"]) <= 1.0 and 0.0 < float(r["p_chance"]) <= 1.0 for r in rows)
    ranks = sorted(1 + (float(r["p_chance"]) * 60 - 1) for r in rows)
    middle = 0.5 * (ranks[29] + ranks[30])
    assert abs(middle - pair["a_to_b"]["median_rank"]) < 0.51, (middle, pair)
    good = sum(1 for r in ranks if r <= 5.0) / 60
    assert abs(good - pair["a_to_b"]["recall5"]) < 1e-6, (good, pair)
    text = run(stele, "score", run_folder).stdout
    assert "AUROC matched" in text and "rna, atac" in text and "[" not in text, text
    narrow = run(stele, "score", run_folder, "--intervals", "--level", "0.5", "--resamples", "200").stdout
    assert f"{pair['auroc']:.3f} [" in narrow, narrow
    without = json.loads(run(stele, "score", run_folder, "--json", "--resamples", "0").stdout)
    assert "intervals" not in without and "intervals" not in without["pairs"][0], without


def bayes_factor(a, b):
    """Log of N(z; a) N(z; b) / N(z; 0, 1), integrated over z: a and b are lists of means and standard deviations."""
    total = 0.0
    for (m, s), (n, t) in zip(a, b):
        p, q = max(1.0, 1.0 / (s * s)), max(1.0, 1.0 / (t * t))
        v = 1.0 / (p + q - 1.0)
        total += 0.5 * (math.log(p * q * v) + v * (p * m + q * n) ** 2 - p * m * m - q * n * n)
    return total


def check_ranks(stele, run_folder):
    """Scores, and ranks in either direction, of the posteriors that `stele embed` writes."""
    folder, sides = run_folder.parent, []
    for name in ("rna", "atac"):
        run(stele, "embed", run_folder, "-o", folder / "side.csv", "--split", "test", "--modalities", name)
        with open(folder / "side.csv", encoding="utf-8", newline="") as f:
            sides.append({r["id"]: [(float(r[f"z_{d}"]), float(r[f"sd_{d}"])) for d in range(4)] for r in csv.DictReader(f)})
    rna, atac = sides
    score = {i: {k: bayes_factor(rna[i], atac[k]) for k in atac} for i in rna}
    pair, = json.loads(run(stele, "score", run_folder, "--json", "--resamples", "0", "-o", folder / "s.csv").stdout)["pairs"]
    with open(folder / "s.csv", encoding="utf-8", newline="") as f:
        for r in csv.DictReader(f):
            own = score[r["id"]][r["id"]]
            assert abs(float(r["log_bayes_factor"]) - own) < 1e-3 * max(1.0, abs(own)), (r, own)
    ranks = {"a_to_b": [sum(score[i][k] >= score[i][i] for k in score) for i in score],
             "b_to_a": [sum(score[k][i] >= score[i][i] for k in score) for i in score]}
    found = {at: {f"recall{k}": sum(r <= k for r in ranks[at]) / 60 for k in (1, 5, 10)} for at in ranks}
    assert found["a_to_b"] != found["b_to_a"], "both directions are alike: the test shows nothing"
    for at, figures in found.items():
        figures["median_rank"] = sum(sorted(ranks[at])[29:31]) / 2
        wrong = {k: (pair[at][k], v) for k, v in figures.items() if abs(pair[at][k] - v) > 1e-9}
        assert not wrong, (at, wrong)
    line = run(stele, "score", run_folder).stdout.splitlines()[1].split()
    want = [f"{found[at][k]:.{1 if 'rank' in k else 3}f}" for at in found for k in found[at]]
    assert line[-9:-1] == want, (line, want)


def read_png(path):
    """Pixels of an 8 bit grey PNG, line by line."""
    raw = path.read_bytes()
    assert raw[:8] == b"\x89PNG\r\n\x1a\n"
    at, body = 8, b""
    while at < len(raw):
        size, kind = struct.unpack(">I4s", raw[at:at + 8])
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", raw[at + 8:at + 18])
        body += raw[at + 8:at + 8 + size] if kind == b"IDAT" else b""
        at += size + 12
    assert (depth, colour) == (8, 0)
    data, lines, before = zlib.decompress(body), [], [0] * width
    for y in range(height):
        kind, line = data[y * (width + 1)], list(data[y * (width + 1) + 1:(y + 1) * (width + 1)])
        for x in range(width):
            left, up, corner = (line[x - 1] if x else 0), before[x], (before[x - 1] if x else 0)
            p = left + up - corner
            paeth = min((left, up, corner), key=lambda v: abs(p - v))
            line[x] = (line[x] + (0, left, up, (left + up) // 2, paeth)[kind]) % 256
        lines.append(line)
        before = line
    return lines


def make_pictures(folder):
    """A bright column whose place the numbers tell."""
    n, pixels, numbers = 200, bytearray(), []
    for i in range(n):
        place = i % 9
        pixels += bytes(200 if x == place else 10 + i % 7 for y in range(8) for x in range(9))
        numbers += [math.cos(place) + 0.01 * (i % 5), math.sin(place), float(place)]
    (folder / "pictures-idx3-ubyte").write_bytes(struct.pack(">HBBIII", 0, 8, 3, n, 8, 9) + bytes(pixels))
    head = ("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, 3), }" % n).ljust(117) + "\n"
    (folder / "numbers.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode()
                                         + struct.pack(f"<{3 * n}f", *numbers))
    return pixels


def check_pictures(stele, folder):
    pixels = make_pictures(folder)
    (folder / "p.yaml").write_text(PICTURES)
    run(stele, "train", folder / "p.yaml", "--run", folder / "p", "--quiet")
    ids, rows = table(stele, folder / "p", "--to", "picture", "--first", 3, "--samples", 2)
    run(stele, "generate", folder / "p", "-o", folder / "p.png", "--to", "picture", "--first", 3, "--samples", 2)
    lines = read_png(folder / "p.png")
    assert (len(lines), len(lines[0])) == (3 * 50 - 2, 3 * 56 - 2), "three rows of three pictures, six times as large"
    for r in range(3):
        at = int(ids[2 * r].split(":")[0]) * 72
        for y in range(8):
            for x in range(9):
                seen = lines[r * 50 + 6 * y][6 * x]
                assert abs(seen - 255 * pixels[at + 9 * y + x] / 200) <= 1, "the measured picture is another"
                made = lines[r * 50 + 6 * y + 5][56 + 6 * x + 5]
                want = min(255.0, max(0.0, 255 * rows[2 * r][9 * y + x] / 200))
                assert abs(made - want) <= 1, (made, want)
    assert lines[48] == [128] * 166, "no gap"
    refused = subprocess.run([stele, "generate", folder / "p", "-o", folder / "two.png", "--to", "picture,numbers", "--prior", "2"],
                             stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
    assert refused.returncode == 2 and "no picture" in refused.stderr, refused.stderr
    assert not list(folder.glob("two*")), "of files that appear together one is there"
    run(stele, "generate", folder / "p", "-o", folder / "p.png", "--to", "picture", "--traverse", "0", "--steps", 5)
    lines = read_png(folder / "p.png")
    assert (len(lines), len(lines[0])) == (2 * 50 - 2, 5 * 56 - 2), "two dimensions of five steps each"
    _, rows = table(stele, folder / "p", "--to", "picture", "--traverse", "0", "--steps", 5)
    for d, k in ((0, 0), (1, 3)):
        want = min(255.0, max(0.0, 255 * rows[5 * d + k][9 * 2 + 4] / 200))
        assert abs(lines[50 * d + 6 * 2 + 1][56 * k + 6 * 4 + 1] - want) <= 1, "a line is not a dimension"


def check_texts(stele, folder):
    captions = pathlib.Path(__file__).resolve().parents[1] / "unit" / "fixtures" / "jsonl" / "captions.jsonl"
    (folder / "w.yaml").write_text(TEXTS.replace("CAPTIONS", str(captions)))
    run(stele, "train", folder / "w.yaml", "--run", folder / "w", "--quiet")
    texts = []
    for seed in (1, 1, 2):
        run(stele, "generate", folder / "w", "-o", folder / "w.jsonl", "--to", "words", "--prior", 4, "--draw", "sample",
            "--seed", seed)
        lines = [json.loads(l) for l in (folder / "w.jsonl").read_text(encoding="utf-8").splitlines()]
        assert [l["id"] for l in lines] == [f"prior:{i}" for i in range(4)], lines
        texts.append([l["words"] for l in lines])
    assert all(isinstance(t, str) for t in texts[0]) and any(texts[0]) and len(set(texts[0])) > 1, texts[0]
    assert texts[0] == texts[1] != texts[2]


def main():
    stele = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        (folder / "c.yaml").write_text(CELLS)
        run(stele, "train", folder / "c.yaml", "--run", folder / "c", "--quiet")
        for check in (check_draws, check_several, check_likelihood_draws, check_formats, check_prior, check_between, check_traverse, check_scores,
                      check_ranks):
            check(stele, folder / "c")
        check_pictures(stele, folder)
        check_texts(stele, folder)
    print("generation and scores are as they should be")


if __name__ == "__main__":
    main()
