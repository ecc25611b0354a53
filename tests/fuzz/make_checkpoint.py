#!/usr/bin/env python3
"""Writes corpus/checkpoint: checkpoints of the small model in fuzz_checkpoint.c, which mends their checksums.

    python3 make_checkpoint.py
"""
import json
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent / "corpus" / "checkpoint"
TENSORS = {"a.weight": [2, 3], "a.bias": [3], "a.size": []}


def write(name, moments=True, **changes):
    meta = {"stele.crc32": "00000000", "format": "stele-checkpoint-1", "spec": "0123456789abcdef", "epoch": "3",
            "batch": "1", "step": "10", "best_epoch": "2", "waited": "0", "waited_lr": "0",
            "best.bits": "3ff0000000000000", "reduction.bits": "3ff0000000000000", "finished": "0",
            "sums": "3ff0000000000000 3ff0000000000000 3ff0000000000000 4 3ff0000000000000 4"}
    shapes = dict(TENSORS)
    for which in (1, 2):
        if moments:
            shapes.update({f"moment{which}.{n}": s for n, s in TENSORS.items() if n != "a.size"})
    shapes.update(changes.pop("shapes", {}))
    meta.update(changes)
    header, at = {"__metadata__": meta}, 0
    for tensor, shape in shapes.items():
        n = 4
        for extent in shape:
            n *= extent
        header[tensor] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + n]}
        at += n
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    (HERE / name).write_bytes(struct.pack("<Q", len(text)) + text + bytes(at))


HERE.mkdir(parents=True, exist_ok=True)
write("good")
write("without-moments", moments=False)
write("epoch-negative", epoch="-1")
write("stage-unknown", finished="7")
write("numbers-are-words", epoch="three", sums="x y z")
write("sums-too-long", sums="0 0 0 1" + " 0 1" * 80)
write("other-shape", shapes={"a.bias": [4]})
write("other-spec", spec="fedcba9876543210")
