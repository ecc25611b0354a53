#!/usr/bin/env python3
"""A sample that is infinite."""
import pathlib
import struct


def write(name, kind, extents, data):
    head = struct.pack(f">BBBB{len(extents)}I", 0, 0, kind, len(extents), *extents)
    pathlib.Path(name).write_bytes(head + data)


write("windows-idx", 13, (20, 2, 32), struct.pack(">1280f", *(float("inf") if i == 130 else 0.1 * (i % 7) for i in range(1280))))
