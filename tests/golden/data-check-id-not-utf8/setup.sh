sed 's/cell17\x00/cell1\xe9\x00/' "$GOLDEN_CASES"/fixtures/values.h5ad > values.h5ad
