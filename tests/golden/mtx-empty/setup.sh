: > cells.mtx
