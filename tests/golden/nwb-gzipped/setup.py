import gzip, os
data = open(os.environ["GOLDEN_CASES"] + "/../unit/fixtures/small.nwb", "rb").read()
open("x.nwb", "wb").write(gzip.compress(data, mtime=0))
