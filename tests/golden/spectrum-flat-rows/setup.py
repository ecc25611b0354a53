#!/usr/bin/env python3
"""Flat rows without an option that says how many channels they hold."""
import pathlib
import struct


def write(name, kind, extents, data):
    head = struct.pack(f">BBBB{len(extents)}I", 0, 0, kind, len(extents), *extents)
    pathlib.Path(name).write_bytes(head + data)


write("windows-idx", 8, (20, 64), bytes(i * i % 251 for i in range(1280)))
