#!/usr/bin/env python3
"""Images with extents of their own, and others in the spec."""
import pathlib
import struct


def write(name, kind, extents, data):
    head = struct.pack(f">BBBB{len(extents)}I", 0, 0, kind, len(extents), *extents)
    pathlib.Path(name).write_bytes(head + data)


write("pictures-idx", 8, (20, 8, 8), bytes(i * 7 % 256 for i in range(20 * 64)))
