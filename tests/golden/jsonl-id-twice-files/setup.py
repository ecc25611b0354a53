for k in "12":
    open(f"x-{k}.jsonl", "w").write('{"id": "a", "x": [1, 2]}\n')
