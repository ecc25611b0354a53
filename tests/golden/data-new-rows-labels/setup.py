import json
import random
random.seed(6)
def rows(name, n, columns, cells):
    with open(name, "w", encoding="utf-8") as f:
        f.write(f"id,{columns}\n")
        for i in range(n):
            f.write(f"{name[0]}{i},{random.gauss(0, 1):.3f}{cells(i)}\n")
rows("all.csv", 40, "a,b,kind,note,grade,last,part", lambda i: f",{i % 5},{i % 3},note {i},{i % 4},7,{'tv'[i % 4 == 0]}")
rows("new.csv", 6, "a,b", lambda i: f",{i}")
rows("few.csv", 6, "a", lambda i: "")
for name, n in (("all.jsonl", 40), ("new.jsonl", 6)):
    with open(name, "w", encoding="utf-8") as f:
        for i in range(n):
            o = {"id": f"{name[0]}{i}", "x": [random.gauss(0, 1), random.gauss(0, 1)], "kind": "ab"[i % 2], "page": i}
            if name == "new.jsonl":
                del o["kind"], o["page"]
            f.write(json.dumps(o) + "\n")
