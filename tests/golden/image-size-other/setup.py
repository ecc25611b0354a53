#!/usr/bin/env python3
"""Flat rows of 64 elements, read as 9 x 8."""
import pathlib
import struct


def write(name, kind, extents, data):
    head = struct.pack(f">BBBB{len(extents)}I", 0, 0, kind, len(extents), *extents)
    pathlib.Path(name).write_bytes(head + data)


write("pictures-idx", 8, (20, 64), bytes(20 * 64))
