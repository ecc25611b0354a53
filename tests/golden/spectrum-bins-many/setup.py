#!/usr/bin/env python3
"""More powers than there are frequencies."""
import pathlib
import struct


def write(name, kind, extents, data):
    head = struct.pack(f">BBBB{len(extents)}I", 0, 0, kind, len(extents), *extents)
    pathlib.Path(name).write_bytes(head + data)


write("windows-idx", 8, (20, 2, 32), bytes(i * i % 251 for i in range(1280)))
