import pathlib, os
pathlib.Path("a.png").write_bytes((pathlib.Path(os.environ["GOLDEN_CASES"]) / "../unit/fixtures/jsonl/images/a.png").read_bytes())
