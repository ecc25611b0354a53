#!/usr/bin/env python3
"""No window in which anything happens."""
import pathlib
import struct


def write(name, kind, extents, data):
    head = struct.pack(f">BBBB{len(extents)}I", 0, 0, kind, len(extents), *extents)
    pathlib.Path(name).write_bytes(head + data)


write("windows-idx", 8, (20, 2, 32), bytes(7 for i in range(1280)))
