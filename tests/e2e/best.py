#!/usr/bin/env python3
"""The best checkpoint is the one of the best epoch. best.py STELE

The learning rate rises until the validation loss, which fell at first, rises too: best.safetensors holds, bit for bit,
what another training has that ends with the epoch of the lowest loss; summary.json and metrics.jsonl agree on which. With
`criterion: elbo` it is the epoch of the highest ELBO: another one, where a weight lets the loss look at one modality alone.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from same_bits import tensors  # noqa: E402

SPEC = """stele: 1
name: best
data: {source: simulate, n_rows: 60, n_genes: 40, n_peaks: 60, split: {train: 0.5, valid: 0.5, test: 0}}
latent: {dim: 4}
modalities:
  rna: {plugin: nb_counts, encoder: {hidden: [32]}, decoder: {hidden: [32]}}
  atac: {plugin: bernoulli_peaks, encoder: {hidden: [32]}, decoder: {hidden: [32]}}
fusion: poe
objective: {beta: 1}
train: {epochs: 24, batch_size: 10, optimiser: {lr: 1}, schedule: {warmup_epochs: 24}}
"""


def train(stele, scratch, name, *sets):
    folder = scratch / name
    words = [word for s in sets for word in ("--set", s)]
    subprocess.run([stele, "train", scratch / "spec.yaml", "--run", folder, "--quiet", *words], check=True)
    return folder


def values(path):
    return {n: t for n, t in tensors(path).items() if not n.startswith("moment")}


def follow_plateau(run):
    """The rate in the log is that of the epoch's own steps: two epochs without a gain halve the next one's."""
    rate, lowest, waited, reductions = 1.0, float("inf"), 0, 0
    for line in map(json.loads, (run / "metrics.jsonl").read_text().splitlines()):
        assert abs(line["lr"] - rate) < 1e-12, line
        waited = 0 if line["valid"]["loss"] < lowest else waited + 1
        lowest = min(lowest, line["valid"]["loss"])
        if waited == 2:
            rate, waited, reductions = 0.5 * rate, 0, reductions + 1
    assert reductions > 1, "the rate was never lowered: the test shows nothing"


def by_elbo(stele, scratch):
    weighted = ["modalities.atac.weight=100"]
    runs = [train(stele, scratch, name, *weighted, f"train.criterion={name}") for name in ("loss", "elbo")]
    lines = [json.loads(line)["valid"] for line in (runs[0] / "metrics.jsonl").read_text().splitlines()]
    loss, elbo = [line["loss"] for line in lines], [line["elbo"] for line in lines]
    best = [1 + loss.index(min(loss)), 1 + elbo.index(max(elbo))]
    print(f"lowest loss in epoch {best[0]}, highest ELBO in epoch {best[1]}: {loss} {elbo}")
    assert best[0] != best[1], "both are best in the same epoch: the test shows nothing"
    found = [json.loads((run / "summary.json").read_text()) for run in runs]
    assert [s["best_epoch"] for s in found] == best, found
    assert abs(found[1]["best_valid_elbo"] - max(elbo)) < 1e-9 and "best_valid_loss" not in found[1], found[1]
    assert values(runs[1] / "last.safetensors") == values(runs[0] / "last.safetensors"), "it changes more than the choice"
    short = train(stele, scratch, "short-elbo", *weighted, f"train.epochs={best[1]}")
    assert values(runs[1] / "best.safetensors") == values(short / "last.safetensors"), "not the parameters of that epoch"


def main():
    stele = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        (scratch / "spec.yaml").write_text(SPEC, encoding="utf-8")
        run = train(stele, scratch, "run")
        loss = [json.loads(line)["valid"]["loss"] for line in (run / "metrics.jsonl").read_text().splitlines()]
        best = 1 + loss.index(min(loss))
        print(f"lowest in epoch {best}: {loss}")
        assert 3 <= best <= len(loss) - 3, "the loss does not fall and rise: the test shows nothing"
        summary = json.loads((run / "summary.json").read_text())
        assert summary["best_epoch"] == best and abs(summary["best_valid_loss"] - min(loss)) < 1e-9, summary
        short = train(stele, scratch, "short", f"train.epochs={best}")
        assert values(run / "best.safetensors") == values(short / "last.safetensors"), "not the parameters of that epoch"
        assert values(run / "best.safetensors") != values(run / "last.safetensors")
        by_elbo(stele, scratch)
        follow_plateau(train(stele, scratch, "plateau", "train.schedule={kind: plateau, patience: 2, factor: 0.5}"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
