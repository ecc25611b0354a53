import pathlib

data = (pathlib.Path(__import__("os").environ["GOLDEN_CASES"]) / "../unit/fixtures/jsonl/images/d.jpg").read_bytes()
pathlib.Path("a.jpg").write_bytes(data[:30])
