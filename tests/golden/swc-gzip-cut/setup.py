import gzip
import os

os.mkdir("cells")
data = gzip.compress(b"1 1 0 0 0 5 -1\n2 3 0 10 0 1 1\n" * 20, mtime=0)
open("cells/a.swc.gz", "wb").write(data[:40])
