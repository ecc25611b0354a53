open("x.jsonl", "w").write('{"x": "' + "a" * (2 << 20) + '"}\n')
