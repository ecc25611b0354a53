# Columns of numbers and of names in which nearly every row has a value of its own.
import random
random.seed(2)
with open("rows.csv", "w") as f:
    f.write("id,a,b,age,name\n")
    for i in range(40):
        f.write(f"r{i},{random.gauss(0, 1):.3f},{random.gauss(0, 1):.3f},{1000 + 7 * i},n{i % 39}\n")
