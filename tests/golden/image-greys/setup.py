#!/usr/bin/env python3
"""Bytes of which a third are grey, in every image."""
import pathlib
import struct


def write(name, kind, extents, data):
    head = struct.pack(f">BBBB{len(extents)}I", 0, 0, kind, len(extents), *extents)
    pathlib.Path(name).write_bytes(head + data)


write("pictures-idx", 8, (20, 8, 8), bytes((0, 128, 255)[i % 3] for i in range(1280)))
