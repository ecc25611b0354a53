#!/usr/bin/env python3
"""Make the seeds in corpus/safetensors: whole files, and files with one thing wrong each."""
import os
import struct
import zlib

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus", "safetensors")


def tensor(begin, end, shape, dtype="F32"):
    return '{"dtype":"%s","shape":%s,"data_offsets":[%d,%d]}' % (dtype, shape, begin, end)


def save(name, header, data=b"", length=None):
    text = header if isinstance(header, bytes) else header.encode()
    text += b" " * (-(8 + len(text)) % 8)
    with open(os.path.join(OUT, name), "wb") as f:
        f.write(struct.pack("<Q", len(text) if length is None else length) + text + data)


two = '{"a":%s,"b":%s}' % (tensor(0, 8, "[2]"), tensor(8, 32, "[3,1]", "F64"))
data = bytes(range(32))
os.makedirs(OUT, exist_ok=True)
save("whole", two, data)
save("empty", "{}")
save("scalar-and-none", '{"s":%s,"n":%s}' % (tensor(0, 8, "[]", "I64"), tensor(8, 8, "[0,7]", "U8")), data[:8])
summed = '{"__metadata__":{"stele.crc32":"00000000","k":"v"},"a":%s}' % tensor(0, 8, "[2]")
padded = summed.encode() + b" " * (-(8 + len(summed)) % 8)
crc = "%08x" % zlib.crc32(padded + data[:8])
save("checksum", summed.replace("00000000", crc), data[:8])
save("checksum-wrong", summed, data[:8])
save("cut", two, data[:20])
save("trailing", two, data + b"x")
save("gap", '{"a":%s,"b":%s}' % (tensor(0, 8, "[2]"), tensor(16, 32, "[2]", "F64")), data)
save("overlap", '{"a":%s,"b":%s}' % (tensor(0, 16, "[4]"), tensor(8, 32, "[3]", "F64")), data)
save("overflow", '{"a":%s}' % tensor(0, 8, "[4611686018427387904,4,2]"), data[:8])
save("negative", '{"a":%s}' % tensor(0, 8, "[-2,-1]"), data[:8])
save("misaligned", '{"a":%s,"b":%s}' % (tensor(0, 1, "[1]", "U8"), tensor(1, 5, "[1]")), data[:5])
save("dtype", '{"a":%s}' % tensor(0, 8, "[4]", "BF16"), data[:8])
save("twice", '{"a":%s,"a":%s}' % (tensor(0, 8, "[2]"), tensor(0, 8, "[2]")), data[:8])
save("metadata-number", '{"__metadata__":{"k":1}}')
save("header-huge", two, data, length=2**63)
save("header-beyond", two, data, length=4096)
save("array", "[1,2]")
save("deep", '{"a":' + "[" * 3000)
save("not-utf8", b'{"a\xff":1}')
with open(os.path.join(OUT, "short"), "wb") as f:
    f.write(b"\x01\x00\x00")
with open(os.path.join(OUT, "nothing"), "wb"):
    pass
