import random
random.seed(2)
with open("a.csv", "w", encoding="utf-8") as f, open("clinic.csv", "w", encoding="utf-8") as g:
    f.write("id,a\n")
    g.write("id,time,event,score,far\n")
    for i in range(30):
        f.write(f"r{i},{random.gauss(0, 1):.3f}\n")
        time = -4 if i == 7 else i + 0.5
        g.write(f"r{i},{time},{i % 2},{'good' if i % 2 else 'bad'},{'1e300' if i == 9 else i}\n")
