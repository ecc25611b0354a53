import os
os.mkfifo("a.png")
