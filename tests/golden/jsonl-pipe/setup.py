import os
os.mkfifo("x.jsonl")
