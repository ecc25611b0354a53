"""Twenty grey pictures of 8 x 8 pixels in one array, and a picture and an array that were there before the run."""
import pathlib
import struct
header = "{'descr': '|u1', 'fortran_order': False, 'shape': (20, 8, 8), }"
header += " " * (117 - len(header)) + "\n"
values = bytes(255 * ((i * j + k) % 3 > 0) for k in range(20) for i in range(8) for j in range(8))
pathlib.Path("x.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + values)
pathlib.Path("o.png").write_bytes(b"of an earlier run")
pathlib.Path("d").mkdir()
pathlib.Path("d/x.npy").write_bytes(pathlib.Path("x.npy").read_bytes())
pathlib.Path("d/o.npy").write_bytes(pathlib.Path("x.npy").read_bytes())
