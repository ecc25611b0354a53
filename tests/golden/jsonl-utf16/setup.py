open("x.jsonl", "wb").write('{"id": "a", "x": [1, 2]}\n'.encode("utf-16"))
