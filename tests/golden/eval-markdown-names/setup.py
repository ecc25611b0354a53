import csv
import random
random.seed(8)
with open("a.csv", "w", encoding="utf-8", newline="") as f, open("b.csv", "w", encoding="utf-8", newline="") as g:
    a, b = csv.writer(f), csv.writer(g)
    a.writerow(["id", "a", "site", "gr\nade"])
    b.writerow(["id", "b|c", "d\ne"])
    for i in range(60):
        a.writerow([f"r{i}", f"{random.gauss(0, 1):.3f}", ["left|right", "two\nlines", "tab\there"][i % 3], "lo hi".split()[i // 7 % 2]])
        b.writerow([f"r{i}", f"{random.gauss(0, 1):.3f}", f"{random.gauss(0, 1):.3f}"])
