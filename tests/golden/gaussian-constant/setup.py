import random
random.seed(6)
with open("x.csv", "w") as f, open("zero.csv", "w") as g:
    f.write("id,a,b,c\n")
    g.write("id,g,h\n")
    for i in range(20):
        # The second is of whole numbers that float cannot tell apart.
        f.write(f"r{i},{random.gauss(0, 1):.3f},{2 ** 60 + i},0.1\n")
        g.write(f"r{i},0,0\n")
