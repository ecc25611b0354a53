import pathlib

data = (pathlib.Path(__import__("os").environ["GOLDEN_CASES"]) / "../unit/fixtures/jsonl/images/d.jpg").read_bytes()
at = data.index(b"\xff\xc0") + 5
pathlib.Path("a.jpg").write_bytes(data[:at] + bytes([255, 220, 255, 220]) + data[at + 4:])
