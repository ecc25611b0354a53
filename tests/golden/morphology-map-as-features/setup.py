import os

os.mkdir("cells")
for i in range(12):
    with open(f"cells/{i}.swc", "w") as f:
        f.write(f"1 1 0 0 0 5 -1\n2 3 0 {10 + i} 0 1 1\n")
