#!/usr/bin/env python3
"""Train the demo for two epochs, then `stele embed` and `stele eval`. embed_eval.py STELE"""

import ast
import csv
import json
import math
import pathlib
import struct
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
SAMPLE = TOP / "configs" / "data" / "cortex-sample.h5mu"


def run(command, code=0, cwd=None):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, stdin=subprocess.DEVNULL, cwd=cwd)
    assert done.returncode == code, (f"exit status {done.returncode}, not {code}, of: "
                                     f"{' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout if code == 0 else done.stderr


def read_npy(path):
    raw = path.read_bytes()
    assert raw[:8] == b"\x93NUMPY\x01\x00", raw[:8]
    end = 10 + struct.unpack("<H", raw[8:10])[0]
    head = ast.literal_eval(raw[10:end].decode())
    assert head["descr"] == "<f4" and not head["fortran_order"], head
    rows, columns = head["shape"]
    flat = struct.unpack(f"<{rows * columns}f", raw[end:])
    return [flat[i * columns:(i + 1) * columns] for i in range(rows)]


def read_csv(path):
    with open(path, encoding="utf-8", newline="") as f:
        return list(csv.DictReader(f))


def check_embedding(stele, folder, scratch):
    parts = json.loads((folder / "data.json").read_text())["split"]
    table, matrix = scratch / "e.csv", scratch / "e.npy"
    run([stele, "embed", folder, "-o", table])
    run([stele, "embed", folder, "-o", matrix])
    run([stele, "embed", folder, "-o", scratch / "e.h5ad"])
    assert (scratch / "e.h5ad").read_bytes()[:8] == b"\x89HDF\r\n\x1a\n"
    rows, z = read_csv(table), read_npy(matrix)
    assert len(rows) == len(z) == sum(map(len, parts.values())), (len(rows), len(z))
    where = {i: part for part, ids in parts.items() for i in ids}
    for row, mean in zip(rows, z):
        assert row["split"] == where[row["id"]], row
        assert row["has_rna"] == row["has_atac"] == "1" and row["cell_class"], row
        for d, value in enumerate(mean):
            assert abs(float(row[f"z_{d}"]) - value) <= 1e-6 * max(1.0, abs(value)), row
            assert 0.0 < float(row[f"sd_{d}"]) < 2.0, row
    run([stele, "embed", folder, "-o", scratch / "t.csv", "--split", "test"])
    test = read_csv(scratch / "t.csv")
    assert sorted(r["id"] for r in test) == sorted(parts["test"])
    by_id = {r["id"]: r for r in rows}
    assert all(by_id[r["id"]] == r for r in test), "a row's posterior depends on its neighbours"
    return z


def check_subsets_and_new_data(stele, folder, scratch, joint):
    run([stele, "embed", folder, "-o", scratch / "r.npy", "--modalities", "rna"])
    alone = read_npy(scratch / "r.npy")
    apart = max(abs(a - b) for x, y in zip(alone, joint) for a, b in zip(x, y))
    assert apart > 0.05, f"rna alone gives the joint ({apart})"
    run([stele, "embed", folder, "-o", scratch / "d.npy", "--data", SAMPLE])
    assert read_npy(scratch / "d.npy") == joint, "the same data as --data give something else"
    (scratch / "elsewhere").mkdir()
    run([stele, "embed", folder, "-o", "here.npy"], cwd=scratch / "elsewhere")
    assert read_npy(scratch / "elsewhere" / "here.npy") == joint


def check_figures(stele, folder):
    before = {p.name for p in folder.iterdir()}
    report = json.loads(run([stele, "eval", folder, "--json", "--samples", "4",
                             "--labels", "cell_class"]))
    assert {p.name for p in folder.iterdir()} - before == {"eval-test.json"}
    assert json.loads((folder / "eval-test.json").read_text()) == report
    assert report["split"] == "test" and report["checkpoint"] == "best" and report["samples"] == 4
    assert [p["name"] for p in report["posteriors"]] == ["joint", "rna", "atac"]
    for p in report["posteriors"]:
        total = sum(p["log_likelihood"].values()) - p["divergence"]
        assert math.isfinite(p["elbo"]) and abs(p["elbo"] - total) < 1e-3, p
        assert p["importance_weighted"] > p["elbo"], p
        assert p["rows"] == report["rows"] and 0.0 < p["variance"] < 1.5, p
        knn, clusters = p["labels"]
        assert 0.1 < knn["knn"] <= 1.0 and -0.5 <= clusters["ari"] <= 1.0 and clusters["nmi"] >= 0.0
    joint, rna, atac = report["posteriors"]
    assert joint["joint_sharper"] is None and 0.0 <= rna["joint_sharper"] <= 1.0
    part = json.loads(run([stele, "eval", folder, "--json", "--samples", "1", "--split", "valid",
                           "--modalities", "atac", "--checkpoint", "last"]))
    assert [p["name"] for p in part["posteriors"]] == ["atac"] and part["rows"] != report["rows"]
    lines = run([stele, "eval", folder, "--samples", "1"]).splitlines()
    assert lines[2].startswith("posterior") and lines[3].startswith("joint"), lines


def check_prediction(stele, folder):
    report = json.loads((folder / "eval-test.json").read_text())
    pairs = {(c["from"], c["to"]): c for c in report["cross"]}
    assert set(pairs) == {("rna", "atac"), ("atac", "rna")}, pairs.keys()
    for c in pairs.values():
        assert c["model"].keys() == c["marginal"].keys() == c["class_mean"].keys(), c
        assert all(v is None or math.isfinite(v) for v in c["model"].values()), c
    atac = pairs["rna", "atac"]
    assert 0.5 < atac["marginal"]["auroc"] < 1.0 and 0.4 < atac["model"]["auroc"] < 1.0, atac
    rna = pairs["atac", "rna"]
    assert abs(rna["marginal"]["feature_correlation"]) < 1e-6, rna
    assert rna["class_mean"]["feature_correlation"] > 0.05, rna


def check_refusals(stele, folder, scratch):
    said = run([stele, "embed", folder, "-o", scratch / "no.npy", "--modalities", "protein"], code=2)
    assert "no modality `protein`" in said and "rna, atac" in said, said
    assert "ends in none of" in run([stele, "embed", folder, "-o", "no.txt"], code=2)
    assert "no such folder" in run([stele, "eval", scratch / "nothing"], code=3)
    assert "holds no run" in run([stele, "eval", scratch], code=3)
    assert "cell_class" in run([stele, "eval", folder, "--labels", "cell_clas"], code=3)
    best = folder / "best.safetensors"
    best.write_bytes(best.read_bytes()[:-100])
    assert "best.safetensors" in run([stele, "eval", folder], code=3)
    best.unlink()
    assert "best.safetensors" in run([stele, "embed", folder, "-o", scratch / "no.npy"], code=3)
    assert not (scratch / "no.npy").exists()


def main():
    stele = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        folder = scratch / "run"
        run([stele, "train", TOP / "configs" / "demo.yaml", "--run", folder, "--quiet",
             "--set", "train.epochs=2", "--set", "evaluate=[likelihood, cross: {labels: cell_class}]"])
        joint = check_embedding(stele, folder, scratch)
        check_subsets_and_new_data(stele, folder, scratch, joint)
        check_figures(stele, folder)
        run([stele, "eval", folder, "--json", "--samples", "1"])
        check_prediction(stele, folder)
        check_refusals(stele, folder, scratch)


if __name__ == "__main__":
    main()
