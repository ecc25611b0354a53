# Validation rows of two of three classes, the third of which is rare; of one of two; with two events.
import random
random.seed(4)
with open("rows.csv", "w", encoding="utf-8") as f:
    f.write("id,a,b,c,kind,grade,time,event,part\n")
    for i in range(70):
        valid = i % 7 == 0
        kind = "rare" if i == 1 else "ab"[i % 2]
        grade = "low" if valid or i % 3 else "high"
        event = int(i < 14) if valid else i % 2
        values = ",".join(f"{random.gauss(0, 1):.3f}" for _ in range(3))
        f.write(f"r{i},{values},{kind},{grade},{1 + i},{event},{'valid' if valid else 'train'}\n")
