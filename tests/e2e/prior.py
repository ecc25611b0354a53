#!/usr/bin/env python3
"""latent.prior: a mixture fitted to the posteriors of the training rows, where it is kept and what is drawn from it.
prior.py STELE"""
import csv
import json
import math
import pathlib
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from same_bits import tensors  # noqa: E402

SPEC = """stele: 1
name: t
seed: 3
data:
  source: simulate
  n_rows: 400
  n_genes: 60
  n_peaks: 80
  n_classes: 3
  missing_atac: 0.3
  split: {train: 0.7, valid: 0.15, test: 0.15, stratify: class}
latent: {dim: 3, prior: {kind: mixture, components: 4}}
modalities:
  rna: {plugin: nb_counts, encoder: {hidden: [32]}, decoder: {hidden: [32]}}
  atac: {plugin: bernoulli_peaks, encoder: {hidden: [32]}, decoder: {hidden: [32]}}
fusion: FUSION
objective: {subsets: all} # its best epoch is not the last one
heads:
  kind: {plugin: classifier, target: class, weight: 10}
train: {epochs: 25, batch_size: 32, optimiser: {lr: 0.03}}
evaluate: [{coherence: {labels: class, samples: 3}}]
"""


def run(*command, code=0):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == code, f"exit status {done.returncode} of {' '.join(map(str, command))}\n{done.stderr}"
    return done


def train(stele, spec, folder, *sets):
    return run(stele, "train", spec, "--run", folder, *(w for s in sets for w in ("--set", s)))


def draws(stele, folder, *options):
    out = folder.parent / "out.csv"
    run(stele, "generate", folder, "-o", out, "--to", "rna", *options)
    with open(out, encoding="utf-8", newline="") as f:
        return list(csv.reader(f))[1:]


def numbers(tensor):
    return struct.unpack(f"<{len(tensor[2]) // 8}d", tensor[2])


def check_file(kept, components, dim, full):
    """Weights that add up to 1, factors of covariances that are no narrower than posteriors and no wider than z."""
    file = tensors(kept)
    assert {n: (t[0], t[1]) for n, t in file.items()} == {
        "log_weight": ("F64", [components]), "mean": ("F64", [components, dim]),
        "factor": ("F64", [components, dim, dim] if full else [components, dim])}
    assert abs(sum(map(math.exp, numbers(file["log_weight"]))) - 1) < 1e-9
    factor = numbers(file["factor"])
    for k in range(components):
        for i in range(dim):
            row = factor[(k * dim + i) * dim:][:dim] if full else [factor[k * dim + i]]
            assert row[i if full else 0] > 0 and all(v == 0 for v in row[i + 1:]) and sum(v * v for v in row) < 25


def check_fit(stele, spec, scratch):
    said = train(stele, spec, scratch / "a").stderr
    assert "latent.prior: a mixture of 4 fits 280 posteriors" in said, said
    bound, standard = (float(w) for w in said.split("rows with ")[1].split("\n")[0].replace(" nats a row, N(0, I) with",
                                                                                           "").split())
    assert bound > standard, said
    train(stele, spec, scratch / "b", "train.threads=2")
    assert (scratch / "a/prior.safetensors").read_bytes() == (scratch / "b/prior.safetensors").read_bytes()
    check_file(scratch / "a/prior.safetensors", 4, 3, True)


def check_draws(stele, folder):
    """Without deviation a mixture has as many values as components, and more of a draw leave the first ones alone."""
    still = draws(stele, folder, "--prior", 60, "--temperature", 0)
    assert 2 <= len({tuple(row[1:]) for row in still}) <= 4
    few, many = draws(stele, folder, "--prior", 5), draws(stele, folder, "--prior", 20)
    assert few == many[:5] and len({tuple(row[1:]) for row in many}) == 20
    assert draws(stele, folder, "--prior", 20, "--threads", 2) == many
    assert len(draws(stele, folder, "--prior", 9, "--given", "kind=class1")) == 9
    # The first rows are the first that have something to generate from.
    first = run(stele, "generate", folder, "-o", folder.parent / "first.jsonl", "--from", "atac", "--to", "rna", "--first", 30)
    assert "prior" not in first.stderr, first.stderr
    ids = [json.loads(line)["id"] for line in (folder.parent / "first.jsonl").read_text(encoding="utf-8").splitlines()]
    run(stele, "embed", folder, "-o", folder.parent / "z.csv", "--split", "test")
    with open(folder.parent / "z.csv", encoding="utf-8", newline="") as f:
        have = [row["id"] for row in csv.DictReader(f) if row["has_atac"] == "1"]
    assert ids == have[:30] and len(have) < 60 - 5, (ids, len(have))
    # Fitted on the spot where the file is not there.
    kept = folder / "prior.safetensors"
    held = kept.read_bytes()
    kept.unlink()
    assert draws(stele, folder, "--prior", 20) == many
    assert not kept.exists()
    # Another checkpoint has a mixture of its own, and leaves the file alone.
    kept.write_bytes(held)
    assert draws(stele, folder, "--prior", 20, "--checkpoint", "last") != many
    assert kept.read_bytes() == held
    # A damaged file is none.
    kept.write_bytes(held[:-8] + b"12345678")
    assert draws(stele, folder, "--prior", 20) == many
    kept.write_bytes(held)


def check_resumed(stele, spec, folder):
    """What is missing, or asked for anew, is fitted without a step."""
    kept, best = folder / "prior.safetensors", (folder / "best.safetensors").read_bytes()
    held = kept.read_bytes()
    kept.unlink()
    said = run(stele, "train", spec, "--run", folder, "--resume").stderr
    assert "nothing to do" in said and kept.read_bytes() == held, said
    run(stele, "train", spec, "--run", folder, "--resume", "--set", "latent.prior={kind: mixture, components: 6, covariance: "
        "diagonal}")
    check_file(kept, 6, 3, False)
    assert (folder / "best.safetensors").read_bytes() == best
    assert len({tuple(row[1:]) for row in draws(stele, folder, "--prior", 90, "--temperature", 0)}) <= 6


def check_coherence(stele, spec, folder):
    """The figure of N(0, I) stands beside that of the mixture, and is that of a run without one."""
    both = json.loads(run(stele, "eval", folder, "--json").stdout)["coherence"]
    run(stele, "train", spec, "--run", folder, "--resume", "--set", "latent.prior={kind: normal}")
    plain = json.loads(run(stele, "eval", folder, "--json").stdout)["coherence"]
    assert both["joint_standard"] == plain["joint"] and "joint_standard" not in plain
    assert both["joint"] != plain["joint"] and 0 <= both["joint"] <= 1
    assert both["intervals"]["joint_standard"] == plain["intervals"]["joint"]
    assert both["conditional"] == plain["conditional"]
    assert len({tuple(row[1:]) for row in draws(stele, folder, "--prior", 9, "--temperature", 0)}) == 1


def main():
    stele = str(pathlib.Path(sys.argv[1]).resolve())
    for fusion in ("poe", "moe"):
        with tempfile.TemporaryDirectory() as name:
            scratch = pathlib.Path(name)
            spec = scratch / "spec.yaml"
            spec.write_text(SPEC.replace("FUSION", fusion), encoding="utf-8")
            if fusion == "moe":  # each expert is a point of its own
                said = train(stele, spec, scratch / "a", "train.epochs=2").stderr
                found = int(said.split("fits ")[1].split()[0])
                assert 280 < found < 560, said
                continue
            check_fit(stele, spec, scratch)
            check_draws(stele, scratch / "a")
            check_resumed(stele, spec, scratch / "a")
            check_coherence(stele, spec, scratch / "a")
    print("mixtures are fitted, kept and drawn from")


if __name__ == "__main__":
    main()
