mkfifo x.idx
