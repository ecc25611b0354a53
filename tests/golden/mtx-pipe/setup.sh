mkfifo cells.mtx
