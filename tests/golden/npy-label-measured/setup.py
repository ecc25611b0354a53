import struct


def npy(path, header, data=b"", version=1):
    lead = b"\x93NUMPY" + bytes([version, 0])
    header = header.encode() + b"\n"
    lead += struct.pack("<H" if version == 1 else "<I", len(header))
    open(path, "wb").write(lead + header + data)


npy("x.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (10,), }", b"\0" * 40)
