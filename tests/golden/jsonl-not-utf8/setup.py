open("x.jsonl", "wb").write(b'{"id": "a", "x": [1, 2]}\n{"id": "b", "note": "gr\xfc\xdf"}\n')
