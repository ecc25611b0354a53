import random
random.seed(6)
def rows(name, n, columns, cells):
    with open(name, "w", encoding="utf-8") as f:
        f.write(f"id,{columns}\n")
        for i in range(n):
            f.write(f"r{i},{cells(i)}\n")
number = lambda: f"{random.gauss(0, 1):.3f}"
rows("a.csv", 40, "x,y", lambda i: f"{number()},{number()}")
rows("labels.csv", 40, "kind,mark", lambda i: f"{'ab'[i % 2]},{'cde'[i % 3]}")
rows("new.csv", 6, "x,y,kind,mark", lambda i: f"{number()},{number()},{'ba'[i % 2]},{'edc'[i % 3]}")
rows("kinds.csv", 6, "x,y,kind", lambda i: f"{number()},{number()},{'ba'[i % 2]}")
