# A folder with arrays of measurements and a label, one and an archive without the label and one measurement, one without any.
import os
import random
import struct
import zipfile

random.seed(3)


def npy(shape, kind="<f4"):
    n = shape[0] * (shape[1] if len(shape) > 1 else 1)
    values = [random.gauss(0, 1) for _ in range(n)] if kind == "<f4" else [i % 3 for i in range(n)]
    header = (f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {tuple(shape)}, }}").encode()
    header += b" " * (63 - (10 + len(header)) % 64) + b"\n"
    return (b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header +
            struct.pack(f"<{n}{'f' if kind == '<f4' else 'i'}", *values))


for folder in ("all", "new", "none"):
    os.mkdir(folder)
for name, content in (("a", npy((40, 3))), ("y", npy((40,), "<i4")), ("b", npy((40, 2)))):
    open(f"all/{name}.npy", "wb").write(content)
for file in ("new/b.npy", "none/other.npy"):
    open(file, "wb").write(npy((6, 2)))
with zipfile.ZipFile("new.npz", "w") as z:
    z.writestr("b.npy", npy((6, 2)))
