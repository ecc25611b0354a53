cp "$GOLDEN_CASES"/fixtures/id-short.h5ad .
