import random
random.seed(2)
with open("rows.csv", "w") as f:
    f.write("id,a,b,age,kind\n")
    for i in range(40):
        f.write(f"r{i},{random.gauss(0, 1):.3f},{random.gauss(0, 1):.3f},{random.uniform(20, 90):.2f},{'xy'[i % 2]}\n")
