# Of the validation rows none has a grade, and only such without `b` have a kind.
import random
random.seed(4)
with open("a.csv", "w", encoding="utf-8") as f, open("b.csv", "w", encoding="utf-8") as g:
    f.write("id,a,kind,grade,part\n")
    g.write("id,b\n")
    for i in range(40):
        valid = i % 4 == 0
        f.write(f"r{i},{random.gauss(0, 1):.3f},{'xy'[i // 4 % 2] if not valid or i % 8 else ''},"
                f"{'' if valid else i % 3},{'valid' if valid else 'train'}\n")
        if not valid or i % 8 == 0:
            g.write(f"r{i},{random.gauss(0, 1):.3f}\n")
