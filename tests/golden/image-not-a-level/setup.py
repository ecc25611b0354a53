#!/usr/bin/env python3
"""Bytes, of which those above 16 are not among the 17 levels that the spec names."""
import pathlib
import struct


def write(name, kind, extents, data):
    head = struct.pack(f">BBBB{len(extents)}I", 0, 0, kind, len(extents), *extents)
    pathlib.Path(name).write_bytes(head + data)


write("pictures-idx", 8, (20, 9, 8), bytes(i % 17 * 15 for i in range(20 * 72)))
