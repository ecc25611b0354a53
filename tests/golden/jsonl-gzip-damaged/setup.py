import gzip
data = bytearray(gzip.compress(b'{"id": "a", "x": [1, 2]}\n' * 50, mtime=0))
data[20] ^= 255
open("x.jsonl.gz", "wb").write(data)
