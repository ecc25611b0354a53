printf '%s\n' '%%MatrixMarket matrix coordinate integer general' '3 4 1' '1 1 1' > cells.mtx
