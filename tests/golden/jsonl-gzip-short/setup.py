import gzip
open("x.jsonl.gz", "wb").write(gzip.compress(b'{"id": "a", "x": [1, 2]}\n' * 50, mtime=0)[:-12])
