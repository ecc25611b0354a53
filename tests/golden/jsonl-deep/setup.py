open("x.jsonl", "w").write('{"x": ' + "[" * 5000 + "]" * 5000 + "}\n")
