cp "$GOLDEN_CASES"/fixtures/id-empty.h5ad .
