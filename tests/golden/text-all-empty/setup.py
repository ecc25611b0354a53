import json
with open("x.jsonl", "w") as f:
    for i in range(20):
        f.write(json.dumps({"id": f"r{i}", "caption": ""}) + "\n")
