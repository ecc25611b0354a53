import gzip
import pathlib

pathlib.Path("cells/a.swc.gz").write_bytes(gzip.compress(pathlib.Path("cells/a.swc").read_bytes(), mtime=0))
