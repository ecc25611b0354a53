#!/usr/bin/env python3
"""Signed numbers, one of them below black."""
import pathlib
import struct


def write(name, kind, extents, data):
    head = struct.pack(f">BBBB{len(extents)}I", 0, 0, kind, len(extents), *extents)
    pathlib.Path(name).write_bytes(head + data)


write("pictures-idx", 9, (20, 8, 8), bytes(255 if i == 700 else 1 for i in range(20 * 64)))
