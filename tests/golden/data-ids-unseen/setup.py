import random
random.seed(6)
def rows(name, ids):
    with open(name, "w", encoding="utf-8", newline="") as f:
        f.write("id,x,y\n")
        for i in ids:
            f.write(f'"{i}",{random.gauss(0, 1):.3f},{random.gauss(0, 1):.3f}\n')
usual = [f"r{i}" for i in range(20)]
rows("blank.csv", usual + ["r1 ", " r2", "r 3", "r1\u00a0"])
rows("control.csv", usual + ["r1\n", "r\x01"])
rows("good.csv", usual + ["r 3", "\u00e0", "r\u00e03", "\u00e4\u00f6"])
