sed 's/g3\x00/g\xe9\x00/' "$GOLDEN_CASES"/fixtures/values.h5ad > values.h5ad
