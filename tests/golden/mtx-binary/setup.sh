printf '%%%%MatrixMarket\0' > cells.mtx
