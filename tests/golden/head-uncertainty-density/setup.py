#!/usr/bin/env python3
"""A target that the measurements tell exactly."""
import pathlib
import random

noise = random.Random(1)
lines = []
for k in range(200):
    a = noise.gauss(0.0, 1.0)
    lines.append(f"r{k},{a:.4f},{-a:.4f},{3.0 * a:.4f}")
pathlib.Path("x.csv").write_text("\n".join(["id,a,b,y", *lines]) + "\n")
