# A NumPy file and one in the format of MNIST, without NumPy: numbers of double precision, one of them 1e200.
import struct
x = [[float(i % 7 + j) for j in range(3)] for i in range(20)]
x[4][1] = 1e200
def npy(name, fortran, values):
    header = f"{{'descr': '<f8', 'fortran_order': {fortran}, 'shape': (20, 3), }}"
    header += " " * (117 - len(header)) + "\n"
    with open(name, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + struct.pack("<60d", *values))
npy("c.npy", False, [v for row in x for v in row])
npy("f.npy", True, [row[j] for j in range(3) for row in x])
with open("m.idx", "wb") as f:
    f.write(struct.pack(">4B2I", 0, 0, 14, 2, 20, 3) + struct.pack(">60d", *[v for row in x for v in row]))
