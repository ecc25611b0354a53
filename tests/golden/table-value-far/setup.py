import random
random.seed(6)
with open("x.csv", "w") as f:
    f.write("id,a,b,part\n")
    for i in range(24):
        f.write(f"r{i},{random.gauss(0, 1):.3f},{'3e38' if i == 20 else random.gauss(0, 1)},{'train' if i < 16 else 'valid'}\n")
