#!/usr/bin/env python3
"""Seven columns, a modality each."""
import pathlib

names = "abcdefg"
lines = [",".join([f"r{i}", *(str((i * (k + 2)) % 11) + ".5" for k in range(len(names))), "xy"[i % 2]]) for i in range(20)]
pathlib.Path("x.csv").write_text("\n".join(["id," + ",".join(names) + ",kind", *lines]) + "\n")
