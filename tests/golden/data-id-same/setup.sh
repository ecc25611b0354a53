cp "$GOLDEN_CASES"/fixtures/id-same.h5ad .
